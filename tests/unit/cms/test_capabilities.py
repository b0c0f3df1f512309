"""S/MIME capabilities: written as the RFCs print them, read as others write them."""

from __future__ import annotations

import pytest

from smime_session.algorithms import AES_256_GCM, RSAES_OAEP_OID
from smime_session.cms import asn1, capabilities
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.errors import LimitError, MalformedError

# RFC 3560, 5: RSAES-OAEP with its defaults
OAEP_SHA1 = bytes.fromhex("30 0D 06 09 2A 86 48 86 F7 0D 01 01 07 30 00")


def test_capabilities_are_written_as_the_rfc_prints_them() -> None:
    """With parameters and without; an order of preference is kept."""
    oaep = AlgorithmIdentifier(RSAES_OAEP_OID, asn1.encode(asn1.SEQUENCE))
    assert capabilities.encode([oaep]) == asn1.encode(asn1.SEQUENCE, OAEP_SHA1)
    own = (*capabilities.CONTENT, oaep)
    assert capabilities.decode(capabilities.encode(own)) == own
    assert own[0].oid == AES_256_GCM.oid


@pytest.mark.parametrize(
    "encoded", [b"", b"\x30", b"\x31\x00", b"\x30\x02\x30\x00", b"\x30\x03\x02\x01\x00", b"\x30\x00\x00"]
)
def test_what_is_no_list_is_refused(encoded: bytes) -> None:
    """Broken encodings raise, and nothing else."""
    with pytest.raises(MalformedError):
        capabilities.decode(encoded)


def test_the_length_of_the_list_is_limited() -> None:
    """A list longer than any program writes is refused."""
    many = (AlgorithmIdentifier(AES_256_GCM.oid, asn1.NULL),) * (capabilities.MAX_CAPABILITIES + 1)
    assert len(capabilities.decode(capabilities.encode(many[1:]))) == capabilities.MAX_CAPABILITIES
    with pytest.raises(LimitError):
        capabilities.decode(capabilities.encode(many))
