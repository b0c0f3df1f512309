"""People with ML-KEM keys, and recipient infos for them, made apart from the code under test."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from smime_session import COMPAT, MODERN, PQ
from smime_session.algorithms import KEY_WRAPS, ML_KEM_768, ML_KEM_1024, Kem, KeyWrap
from smime_session.certificates.names import issuer_of
from smime_session.certificates.public_key import PublicKey
from smime_session.cms.values import IssuerAndSerialNumber, RecipientIdentifier, SubjectKeyIdentifier, WrappedKey
from smime_session.recipients import kem
from smime_session.recipients.kem import KemRecipientInfo
from tests.support.making import certificate

if TYPE_CHECKING:
    from cryptography import x509

    from smime_session.algorithms import HashName


PrivateKey = MLKEM768PrivateKey | MLKEM1024PrivateKey


class Person(NamedTuple):
    """Somebody who can read: an ML-KEM key and the certificate that names its owner."""

    key: PrivateKey
    certificate: x509.Certificate
    mechanism: Kem

    @property
    def by_key(self) -> SubjectKeyIdentifier:
        """The key identifier."""
        return SubjectKeyIdentifier(PublicKey.of(self.key.public_key()).key_identifier)

    @property
    def by_serial(self) -> IssuerAndSerialNumber:
        """Issuer and serial number."""
        return IssuerAndSerialNumber(issuer_of(self.certificate), self.certificate.serial_number)


def _person(address: str, key: PrivateKey, mechanism: Kem, serial: int) -> Person:
    return Person(key, certificate(address, public_key=key.public_key(), serial=serial), mechanism)


ALICE = _person("alice@example.org", MLKEM768PrivateKey.generate(), ML_KEM_768, 0xA11CE)
BOB = _person("bob@example.org", MLKEM1024PrivateKey.generate(), ML_KEM_1024, 0xB0B)
CAROL = _person("carol@example.org", MLKEM768PrivateKey.generate(), ML_KEM_768, 0xCA401)
BOTH = pytest.mark.parametrize("person", [ALICE, BOB], ids=lambda person: person.mechanism.name)
TODAY = {profile.name: replace(profile, insecure_expired=True) for profile in (MODERN, COMPAT, PQ)}
MAIL = b"From: dave@example.org\r\nSubject: Friday\r\n\r\nAt eight?\r\n"


def wrapped_for(  # noqa: PLR0917  # each test sets the one thing that it is about
    person: Person,
    material: bytes,
    hash_name: HashName = "SHA-256",
    wrap: KeyWrap | None = None,
    ukm: bytes | None = None,
    recipient: RecipientIdentifier | None = None,
) -> WrappedKey:
    """Make a recipient info by the letter of RFC 9629, apart from the code under test."""
    wrap = wrap or next(each for each in KEY_WRAPS.values() if each.key_size == len(material))
    secret, ciphertext = person.key.public_key().encapsulate()
    empty = KemRecipientInfo(recipient or person.by_key, person.mechanism, ciphertext, hash_name, wrap, b"", ukm)
    algorithm = getattr(hashes, hash_name.replace("-", ""))()
    wrapping_key = HKDF(algorithm, wrap.key_size, None, kem.other_info(empty)).derive(secret)
    info = empty._replace(encrypted_key=aes_key_wrap(wrapping_key, material))
    return WrappedKey(kem.encode(info).encoded, 0, len(material))
