"""Envelopes that no honest program writes: built from parts, each of which can be anything."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from smime_session import DecryptionError, Identity, MessageError, NoMatchError, decrypt, decrypt_stream, inspect
from smime_session.algorithms import AES_256_GCM, AUTH_ENVELOPED_DATA, DATA, RSAES_OAEP_SHA256, KeyTransport
from smime_session.certificates.names import issuer_of
from smime_session.certificates.public_key import PublicKey
from smime_session.cms import asn1
from smime_session.cms.values import IssuerAndSerialNumber
from smime_session.recipients.rsa import KeyTransportRecipient
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session import SmimeError
    from tests.conftest import Person

KEY: Final = bytes(range(32))
NONCE: Final = bytes(range(12))
TEXT: Final = b"Content-Type: text/plain\r\n\r\nsecret text\r\n"

REFUSALS: Final = (MessageError, NoMatchError, DecryptionError)
"""Everything that opening a hostile message may raise."""


class WriteOnly(io.BytesIO):
    """A target that tells whether anything was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.touched = False

    def write(self, data: object, /) -> int:
        """Take octets."""
        self.touched = True
        return super().write(data)  # type: ignore[arg-type]  # whatever buffer it is


@dataclass(frozen=True)
class Forgery:
    """An AuthEnvelopedData in parts, each encoded; by default it opens.

    Attributes:
        infos: what stands in the SET of recipient infos.
        algorithm: the object identifier of the content-encryption algorithm, dotted.
        parameters: its parameters.
        ciphertext: what is sealed, without a tag around it.
        trailer: what follows.
        content_type: dotted.
        version: the CMSVersion.
        sealed_tag: the tag of the ciphertext.
    """

    infos: bytes
    algorithm: str = AES_256_GCM.oid
    parameters: bytes = bytes.fromhex("3011 040c 000102030405060708090a0b 020110")
    ciphertext: bytes = AESGCM(KEY).encrypt(NONCE, TEXT, None)[:-16]
    trailer: bytes = asn1.encode(asn1.OCTET_STRING, AESGCM(KEY).encrypt(NONCE, TEXT, None)[-16:])
    content_type: str = AUTH_ENVELOPED_DATA
    version: bytes = b"\x02\x01\x00"
    sealed_tag: int = 0x80

    @property
    def encoded(self) -> bytes:
        """The whole CMS object, in DER as far as its parts are."""
        algorithm = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(self.algorithm), self.parameters)
        sealed = asn1.encode(self.sealed_tag, self.ciphertext)
        content = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(DATA), algorithm, sealed)
        inner = asn1.encode(asn1.SEQUENCE, self.version, asn1.encode(asn1.SET, self.infos), content, self.trailer)
        return asn1.encode(asn1.SEQUENCE, asn1.object_identifier(self.content_type), asn1.encode(0xA0, inner))


def recipient_info(person: Person, algorithm: KeyTransport = RSAES_OAEP_SHA256, key: bytes = KEY) -> bytes:
    """Return an honest recipient info that holds ``key``."""
    name = IssuerAndSerialNumber(issuer_of(person.certificate), person.certificate.serial_number)
    recipient = KeyTransportRecipient(PublicKey.of(person.key.public_key()), name, algorithm)
    return recipient.wrap(SessionKey(bytearray(key))).encoded


def raw_info(person: Person, algorithm: bytes, encrypted_key: bytes = bytes(256)) -> bytes:
    """Return a recipient info for ``person`` with any AlgorithmIdentifier and any octets as its encrypted key."""
    name = asn1.encode(asn1.SEQUENCE, issuer_of(person.certificate), asn1.integer(person.certificate.serial_number))
    return asn1.encode(asn1.SEQUENCE, asn1.integer(0), name, algorithm, asn1.encode(asn1.OCTET_STRING, encrypted_key))


def assert_refused(
    message: bytes, identities: Sequence[Identity], error: type[SmimeError] | tuple[type[SmimeError], ...] = REFUSALS
) -> str:
    """Check that a message opens in no way, that nothing of it is released, and that inspecting it is harmless.

    Returns:
        The words of the error, which are the same both ways.
    """
    target = WriteOnly()
    with pytest.raises(error) as in_memory:
        decrypt(message, identities)
    with pytest.raises(type(in_memory.value)) as streamed:
        decrypt_stream(io.BytesIO(message), target, identities)
    assert not target.touched
    assert str(streamed.value) == str(in_memory.value)
    inspect_harmlessly(message, identities)
    return str(in_memory.value)


def inspect_harmlessly(message: bytes, identities: Sequence[Identity] = ()) -> None:
    """Check that inspecting tells something or raises a MessageError."""
    try:
        found = inspect(message, identities)
    except MessageError:
        return
    assert found.to_dict()


def opened(message: bytes, identities: Sequence[Identity]) -> bytes | None:
    """Return what is inside, or None where opening is refused; every other exception is a failure."""
    try:
        return decrypt(message, identities).message
    except REFUSALS:
        return None
