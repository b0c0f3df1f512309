"""Somebody with a key on a curve, and recipient infos for them, written the long way."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from smime_session.algorithms import (
    AES_256_WRAP,
    ECDH_SHA256,
    P_256,
    TRIPLE_DES_WRAP,
    Curve,
    HashName,
    KeyAgreement,
    KeyWrap,
)
from smime_session.certificates.names import issuer_of
from smime_session.certificates.public_key import PublicKey
from smime_session.cms import asn1, codec
from smime_session.cms.values import (
    AlgorithmIdentifier,
    IssuerAndSerialNumber,
    RecipientIdentifier,
    SubjectKeyIdentifier,
    WrappedKey,
)
from smime_session.keys.software import private_key
from smime_session.recipients import curves, ecdh_encoding
from smime_session.recipients.ecdh import KeyAgreementIdentity, KeyAgreementRecipient
from tests.support.making import certificate, key_usage

if TYPE_CHECKING:
    from collections.abc import Callable


HASHES: Final[dict[HashName, Callable[[], hashes.HashAlgorithm]]] = {
    "SHA-1": hashes.SHA1,
    "SHA-224": hashes.SHA224,
    "SHA-256": hashes.SHA256,
    "SHA-384": hashes.SHA384,
    "SHA-512": hashes.SHA512,
}


class Person(NamedTuple):
    """Somebody who can read."""

    key: curves.PrivateKey
    certificate: x509.Certificate

    @property
    def identity(self) -> KeyAgreementIdentity:
        """The identity of the key with its certificate."""
        return KeyAgreementIdentity(private_key(self.key), self.certificate)

    @property
    def bare(self) -> KeyAgreementIdentity:
        """The identity of the key alone."""
        return KeyAgreementIdentity(private_key(self.key))

    @property
    def by_serial(self) -> IssuerAndSerialNumber:
        """Its name by issuer and serial number."""
        return IssuerAndSerialNumber(issuer_of(self.certificate), self.certificate.serial_number)

    @property
    def by_key(self) -> SubjectKeyIdentifier:
        """Its name by key identifier."""
        return SubjectKeyIdentifier(PublicKey.of(self.key.public_key()).key_identifier)

    def recipient(self, *, share: bool = True) -> KeyAgreementRecipient:
        """Whom to wrap for."""
        return KeyAgreementRecipient(PublicKey.of(self.key.public_key()), self.by_serial, share_ephemeral=share)


def person(name: str = "alice", curve: Curve = P_256) -> Person:
    """Return somebody with a key on a curve, always the same in one test run."""
    return _person(name, curve)


@cache
def _person(name: str, curve: Curve) -> Person:
    key = curves.generate(curve)
    serial = int.from_bytes(hashlib.sha256(f"{name} {curve.name}".encode()).digest()[:8], "big")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = certificate(
        f"{name}@example.org",
        public_key=key.public_key(),
        serial=serial,
        extensions=[(identifier, False), (key_usage("key_agreement"), True)],
    )
    return Person(key, made)


def sealed(  # every field that a sender fills in
    reader: Person,
    material: bytes,
    *,
    algorithm: KeyAgreement = ECDH_SHA256,
    wrap: KeyWrap = AES_256_WRAP,
    ukm: bytes | None = None,
    recipient: RecipientIdentifier | None = None,
    sender: curves.PrivateKey | None = None,
    originator: bytes | None = None,
    encrypted: bytes | None = None,
    point: bytes | None = None,
    key_info: bytes | None = None,
) -> WrappedKey:
    """Write a recipient info the long way, with the library's key derivations."""
    curve = curves.NAMED[PublicKey.of(reader.key.public_key()).kind]
    sender = sender or curves.generate(curve)
    key_info = key_info or ecdh_encoding.key_info(wrap)
    if originator is None:
        kind = AlgorithmIdentifier("1.2.840.10045.2.1" if curve.is_parameter else curve.oid)
        octets = curves.point_of(sender) if point is None else point
        originator = asn1.encode(0xA1, codec.algorithm_identifier(kind), asn1.encode(3, b"\0", octets))
    if encrypted is None:
        secret = private_key(sender).exchange(curves.point_of(reader.key))
        info = ecdh_encoding.shared_info(key_info, ukm, wrap.key_size * 8)
        digest = HASHES[algorithm.hash]()
        derivation = (
            HKDF(digest, wrap.key_size, ukm, info) if algorithm.kdf == "HKDF" else X963KDF(digest, wrap.key_size, info)
        )
        key = derivation.derive(secret)
        encrypted = triple_des_wrap(key, material) if wrap == TRIPLE_DES_WRAP else aes_key_wrap(key, material)
    rid = ecdh_encoding.recipient_identifier(recipient or reader.by_serial)
    fields = [
        asn1.integer(3),
        asn1.encode(0xA0, originator),
        b"" if ukm is None else asn1.encode(0xA1, asn1.encode(asn1.OCTET_STRING, ukm)),
        codec.algorithm_identifier(AlgorithmIdentifier(algorithm.oid, key_info)),
        asn1.encode(asn1.SEQUENCE, ecdh_encoding.recipient_encrypted_key(rid, encrypted)),
    ]
    return WrappedKey(asn1.encode(0xA1, *fields), 3, len(material))


def triple_des_wrap(key: bytes, material: bytes) -> bytes:
    """Wrap as RFC 3217, 3.1 says."""

    def encrypted(vector: bytes, data: bytes) -> bytes:
        encryptor = Cipher(TripleDES(key), CBC(vector)).encryptor()
        return encryptor.update(data) + encryptor.finalize()

    vector = os.urandom(8)
    checked = material + hashlib.sha1(material, usedforsecurity=False).digest()[:8]
    return encrypted(bytes.fromhex("4adda22c79e82105"), (vector + encrypted(vector, checked))[::-1])
