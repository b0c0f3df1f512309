"""RSA recipient infos in BER: other forms of the same, in which the encrypted key does not stand last, or in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smime_session.algorithms import RSAES_OAEP_SHA256, RSAES_PKCS1_V1_5, KeyTransport
from smime_session.certificates.names import issuer_of
from smime_session.certificates.public_key import PublicKey
from smime_session.cms import asn1
from smime_session.cms.values import IssuerAndSerialNumber, WrappedKey
from smime_session.errors import MalformedError
from smime_session.recipients import rsa
from smime_session.recipients.rsa import KeyTransportRecipient
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from tests.conftest import Person

BOTH = pytest.mark.parametrize("algorithm", [RSAES_PKCS1_V1_5, RSAES_OAEP_SHA256], ids=lambda each: each.name)


@pytest.fixture
def key() -> SessionKey:
    """A session key of 32 octets."""
    return SessionKey(bytearray(range(32)))


def _wrapped(person: Person, key: SessionKey, algorithm: KeyTransport = RSAES_OAEP_SHA256) -> WrappedKey:
    name = IssuerAndSerialNumber(issuer_of(person.certificate), person.certificate.serial_number)
    return KeyTransportRecipient(PublicKey.of(person.key.public_key()), name, algorithm).wrap(key)


@BOTH
@pytest.mark.parametrize("form", ["no length", "key in pieces", "long length", "NULL with a long length"])
def test_a_recipient_info_in_ber_is_unwrapped(
    alice: Person, key: SessionKey, algorithm: KeyTransport, form: str
) -> None:
    """Whatever form its lengths and strings have."""
    wrapped = _wrapped(alice, key, algorithm)
    fields = [child.encoded for child in asn1.parse(wrapped.encoded).children()]
    encrypted = asn1.parse(fields[3]).octets()
    if form == "key in pieces":
        fields[3] = asn1.encode(0x24, asn1.encode(0x04, encrypted[:100]), asn1.encode(0x04, encrypted[100:]))
    elif form == "NULL with a long length":
        fields[2] = asn1.encode(0x30, *_with_long_null(asn1.parse(fields[2])))
    body = b"".join(fields)
    ber = b"\x30\x80" + body + b"\0\0"
    if form == "long length":
        ber = b"\x30\x83" + len(body).to_bytes(3, "big") + body
    assert alice.identity.unwrap([WrappedKey(ber, wrapped.version, len(key))]) == key


def _with_long_null(element: asn1.Element) -> list[bytes]:
    """Return what is in an element, each NULL in the longer form that BER allows."""
    return [
        b"\x05\x81\x00"
        if child.encoded == asn1.NULL
        else asn1.encode(child.tag, *_with_long_null(child))
        if child.constructed
        else child.encoded
        for child in element.children()
    ]


def test_a_version_is_a_number(alice: Person, key: SessionKey) -> None:
    """Whatever it is; something else in its place is refused."""
    encoded = _wrapped(alice, key).encoded.replace(b"\x02\x01\x00\x30", b"\x04\x01\x00\x30", 1)
    with pytest.raises(MalformedError, match="the tag 0x02 was expected, not 0x04"):
        rsa.decode(WrappedKey(encoded, 0, 32))
