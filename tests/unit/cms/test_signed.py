"""SignedData and signed attributes: what is written is read, in pieces of any size, and hostile objects meet limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from smime_session.algorithms import DATA, ENVELOPED_DATA, SIGNED_DATA
from smime_session.cms import asn1, signed, signed_attributes
from smime_session.cms.capabilities import CONTENT
from smime_session.cms.signature_algorithm import digest_identifier
from smime_session.cms.signed import SignedReader, SignedTrailer, SignerInfo, detached, signed_end, signed_start
from smime_session.cms.signed_attributes import CertificateHash, SignedAttributes
from smime_session.cms.values import AlgorithmIdentifier, IssuerAndSerialNumber, SubjectKeyIdentifier
from smime_session.errors import LimitError, MalformedError, MessageError, NotSignedError
from tests.support.chunks import SIZES, blocks

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = b"\x30\x00"
DIGEST = digest_identifier("SHA-256")
ATTRIBUTES = SignedAttributes(
    DATA,
    bytes(32),
    datetime(2026, 3, 1, 12, 30, 59, tzinfo=UTC),
    (CertificateHash("SHA-256", b"\x01" * 32),),
    CONTENT,
    IssuerAndSerialNumber(NAME, 7),
)
SIGNER = SignerInfo(
    IssuerAndSerialNumber(NAME, 5),
    DIGEST,
    signed_attributes.encode(ATTRIBUTES),
    AlgorithmIdentifier("1.3.101.112"),
    b"signature",
)
TRAILER = SignedTrailer((b"\x30\x03\x02\x01\x01", b"\x30\x03\x02\x01\x02"), (), (SIGNER,))
CONTENT_OCTETS = b"Content-Type: text/plain\r\n\r\nAt eight?\r\n" * 50


def _definite() -> bytes:
    end = signed_end(TRAILER)
    return signed_start(DIGEST, len(CONTENT_OCTETS), len(end)) + CONTENT_OCTETS + end


def _indefinite() -> bytes:
    half = len(CONTENT_OCTETS) // 2
    pieces = (asn1.encode(4, CONTENT_OCTETS[:half]), asn1.encode(4, CONTENT_OCTETS[half:]))
    end = signed_end(TRAILER) + signed.INDEFINITE_END
    return b"".join((signed_start(DIGEST, None, 0), *pieces, signed.CONTENT_END, end))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [_definite, _indefinite])
def test_what_is_written_is_read(make: Callable[[], bytes], size: int) -> None:
    """Content, certificates and signatures come back, wherever blocks end."""
    reader = SignedReader(blocks(make(), size))
    assert (reader.digests, reader.content_type, reader.attached) == ((DIGEST,), DATA, True)
    assert b"".join(map(bytes, reader.content())) == CONTENT_OCTETS
    assert reader.trailer() == TRAILER


def test_definite_is_der() -> None:
    """An object of known size is one value whose length is right."""
    assert asn1.parse(_definite()).definite() == _definite()


@pytest.mark.parametrize("size", SIZES)
def test_content_may_be_elsewhere(size: int) -> None:
    """A detached signature has none inside."""
    reader = SignedReader(blocks(detached(DIGEST, TRAILER), size))
    assert not reader.attached
    assert list(reader.content()) == []
    assert reader.trailer() == TRAILER


def test_signatures_may_name_a_key() -> None:
    """Other programs name a certificate by its key identifier, add unsigned attributes, and use indefinite lengths."""
    encoded = signed.signer_info(SIGNER)
    other = encoded.replace(b"\x30\x05" + NAME + b"\x02\x01\x05", b"\x80\x05abcde")
    assert other != encoded
    extended = asn1.encode(asn1.SEQUENCE, asn1.parse(other).contents, b"\xa1\x02\x30\x00")
    ber = b"\x30\x80" + asn1.parse(extended).contents + asn1.END_OF_CONTENTS
    for each in (other, extended, ber):
        whole = detached(DIGEST, TRAILER)
        whole = whole[: whole.index(encoded) - len(asn1.begin(asn1.SET, len(encoded)))]
        inner = asn1.encode(asn1.SET, each)
        head = b"\x30\x80" + asn1.object_identifier(SIGNED_DATA) + b"\xa0\x80\x30\x80"
        body = whole[whole.index(b"\x02\x01\x01\x31") :]
        reader = SignedReader(blocks(head + body + inner + asn1.END_OF_CONTENTS * 3, 7))
        assert reader.trailer().signers == (SIGNER._replace(identifier=SubjectKeyIdentifier(b"abcde")),)


@pytest.mark.parametrize("cut", [1, 30, 200, len(_definite()) - 200, len(_definite()) - 1])
def test_what_is_cut_off_is_malformed(cut: int) -> None:
    """An object that ends early is told."""
    with pytest.raises(MalformedError):
        _read(_definite()[:cut])


def test_something_behind_is_malformed() -> None:
    """Line endings may follow, and nothing else."""
    _read(_definite() + b"\r\n\x00")
    with pytest.raises(MalformedError, match="something follows"):
        _read(_definite() + b"x")


def _read(octets: bytes) -> SignedTrailer:
    reader = SignedReader(blocks(octets, 64))
    for _ in reader.content():
        pass
    return reader.trailer()


def test_other_objects_are_named() -> None:
    """What is not signed is called what it is."""
    for oid, name in ((ENVELOPED_DATA, "enveloped-data"), ("1.2.3", "a CMS object of type 1.2.3")):
        with pytest.raises(NotSignedError) as caught:
            _read(asn1.encode(asn1.SEQUENCE, asn1.object_identifier(oid), b"\xa0\x00"))
        assert caught.value.found == name


@pytest.mark.parametrize(
    ("trailer", "what"),
    [
        (TRAILER._replace(signers=(SIGNER,) * (signed.MAX_SIGNERS + 1)), "signatures"),
        (TRAILER._replace(certificates=(NAME,) * (signed.MAX_CERTIFICATES + 1)), "certificates"),
    ],
)
def test_numbers_are_limited(trailer: SignedTrailer, what: str) -> None:
    """More signatures or certificates than any mail has are refused before they are looked at."""
    with pytest.raises(LimitError, match=what):
        _read(detached(DIGEST, trailer))


def test_size_is_limited() -> None:
    """What follows the content is read whole, and so limited."""
    huge = TRAILER._replace(certificates=(asn1.encode(asn1.SEQUENCE, bytes(signed.MAX_TRAILER_SIZE)),))
    with pytest.raises(LimitError, match="the size of what follows the signed content"):
        _read(detached(DIGEST, huge))


@pytest.mark.parametrize("info", [b"\x30\x00", b"\x30\x03\x02\x01\x01", signed.signer_info(SIGNER)[:-1] + b"\x00\x05"])
def test_broken_signer_infos(info: bytes) -> None:
    """A SignerInfo that lacks something is malformed."""
    signers = asn1.encode(asn1.SET, info)
    inner = asn1.integer(1) + asn1.encode(asn1.SET) + asn1.encode(asn1.SEQUENCE, asn1.object_identifier(DATA))
    body = asn1.encode(0xA0, asn1.encode(asn1.SEQUENCE, inner, signers))
    with pytest.raises(MessageError):
        _read(asn1.encode(asn1.SEQUENCE, asn1.object_identifier(SIGNED_DATA), body))


# --- signed attributes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    [
        ATTRIBUTES,
        SignedAttributes(DATA, b"hash"),
        ATTRIBUTES._replace(encryption_key=SubjectKeyIdentifier(b"key")),
        ATTRIBUTES._replace(signing_time=datetime(2050, 1, 1, tzinfo=UTC)),
        ATTRIBUTES._replace(signing_time=datetime(1995, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ATTRIBUTES._replace(certificates=(CertificateHash("SHA-512", bytes(64)),)),
    ],
)
def test_attributes_come_back(attributes: SignedAttributes) -> None:
    """What is written is read, and is DER."""
    encoded = signed_attributes.encode(attributes)
    assert signed_attributes.decode(encoded) == attributes
    members = [child.encoded for child in asn1.parse(encoded)]
    assert members == sorted(members)


def _attribute(oid: str, *values: bytes) -> bytes:
    return asn1.encode(asn1.SEQUENCE, asn1.object_identifier(oid), asn1.encode(asn1.SET, *values))


TYPE = _attribute(signed_attributes.CONTENT_TYPE, asn1.object_identifier(DATA))
HASH = _attribute(signed_attributes.MESSAGE_DIGEST, asn1.encode(asn1.OCTET_STRING, b"hash"))


@pytest.mark.parametrize(
    "members",
    [
        (),
        (TYPE,),
        (HASH,),
        (TYPE, HASH, HASH),
        (TYPE, _attribute(signed_attributes.MESSAGE_DIGEST, *[asn1.encode(4, b"h")] * 2)),
        (TYPE, _attribute(signed_attributes.MESSAGE_DIGEST)),
        (TYPE, HASH, b"\x30\x00"),
        (TYPE, HASH, _attribute(signed_attributes.SIGNING_TIME, asn1.encode(0x17, b"261301000000Z"))),
        (TYPE, HASH, _attribute(signed_attributes.SIGNING_TIME, asn1.encode(0x17, b"20260101000000Z"))),
        (TYPE, HASH, _attribute(signed_attributes.SIGNING_TIME, asn1.encode(0x18, b"now"))),
        (TYPE, HASH, _attribute(signed_attributes.SIGNING_CERTIFICATE_V2, b"\x30\x00")),
        (TYPE, HASH, _attribute(signed_attributes.SIGNING_CERTIFICATE_V2, b"\x30\x04\x30\x02\x30\x00")),
        (TYPE, HASH, _attribute(signed_attributes.ENCRYPTION_KEY_PREFERENCE, b"\xa0\x00")),
        (TYPE, HASH, *[_attribute("1.2.3", NAME)] * signed_attributes.MAX_ATTRIBUTES),
    ],
)
def test_broken_attributes(members: tuple[bytes, ...]) -> None:
    """Attributes that lack what must be there, repeat it or break their encoding are malformed."""
    with pytest.raises(MalformedError):
        signed_attributes.decode(asn1.encode(asn1.SET, *members))


def test_others_are_passed_over() -> None:
    """An attribute that is not known may have any values; broken capabilities are none."""
    capabilities = _attribute("1.2.840.113549.1.9.15", b"\x04\x00")
    other = _attribute("1.2.3", NAME, NAME)
    assert signed_attributes.decode(asn1.encode(asn1.SET, TYPE, HASH, capabilities, other)) == (
        SignedAttributes(DATA, b"hash")
    )


def test_older_names_of_certificates_are_read() -> None:
    """SigningCertificate has SHA-1 of it (RFC 5035, 5.4.1), and both may stand there."""
    first = asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE, asn1.encode(4, b"one"))))
    members = _attribute(signed_attributes.SIGNING_CERTIFICATE, first)
    both = members, _attribute(signed_attributes.SIGNING_CERTIFICATE_V2, first)
    found = signed_attributes.decode(asn1.encode(asn1.SET, TYPE, HASH, *both))
    assert found.certificates == (CertificateHash("SHA-1", b"one"), CertificateHash("SHA-256", b"one"))
