"""By which names an identity may be addressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes  # hashlib would load a second OpenSSL

from smime_session.certificates.held import HeldCertificate, loaded
from smime_session.certificates.names import describe, extension_of, issuer_of
from smime_session.certificates.quiet import quietly
from smime_session.cms import asn1
from smime_session.cms.names import same_name
from smime_session.cms.values import IssuerAndSerialNumber, RecipientIdentifier

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


class OwnNames:
    """The names that a recipient info can have for one key.

    With a certificate: its issuer and serial number, the key identifier it states, and the one that
    most issuers would have given it (RFC 5280, 4.2.1.2, method 1). For a key alone nothing can be
    ruled out: issuers choose serial numbers and key identifiers as they like.

    Args:
        public_key: the key.
        certificate: its certificate, or None.

    Attributes:
        key_identifiers: those it answers to.
    """

    def __init__(self, public_key: PublicKeyTypes, certificate: x509.Certificate | HeldCertificate | None) -> None:
        self._certificate = certificate
        self.key_identifiers = {key_identifier(public_key)}
        self._named: IssuerAndSerialNumber | None = None
        self._serial_number = b""
        if certificate is not None:
            self._named, stated = _names_in(certificate)
            self._serial_number = asn1.integer_octets(self._named.serial_number)
            if stated:
                self.key_identifiers.add(stated)

    @property
    def certificate(self) -> x509.Certificate | None:
        """The certificate, or None."""
        return None if self._certificate is None else loaded(self._certificate)

    def may_stand_in(self, encoded: bytes) -> bool:
        """Tell whether a recipient info may hold one of the names: a search of octets that rules most out."""
        return (
            self._named is None
            or self._serial_number in encoded
            or any(identifier in encoded for identifier in self.key_identifiers)
        )

    def include(self, recipient: RecipientIdentifier) -> bool:
        """Tell whether ``recipient`` is one of the names, or cannot be ruled out."""
        return self._named is None or self.name(recipient)

    def name(self, recipient: RecipientIdentifier) -> bool:
        """Tell whether ``recipient`` is one of the names."""
        if not isinstance(recipient, IssuerAndSerialNumber):
            return recipient.value in self.key_identifiers
        own = self._named
        if own is None or recipient == own:
            return own is not None
        return recipient.serial_number == own.serial_number and same_name(recipient.issuer, own.issuer)

    def describe(self, key: str) -> str:
        """Say whose ``key`` (``RSA-3072 private key``) it is."""
        if self.certificate is not None:
            return f"{key} of {describe(self.certificate)}"
        return f"{key} without a certificate, key identifier {min(self.key_identifiers).hex()}"


@quietly()
def _names_in(certificate: x509.Certificate | HeldCertificate) -> tuple[IssuerAndSerialNumber, bytes | None]:
    """Return issuer and serial number of a certificate, and the key identifier that it states, if any."""
    if isinstance(certificate, HeldCertificate):
        plain = certificate.plain
        serial_number = asn1.parse(plain.serial_number).integer()
        return IssuerAndSerialNumber(plain.issuer, serial_number), plain.key_identifier
    name = IssuerAndSerialNumber(issuer_of(certificate), certificate.serial_number)
    return name, stated_key_identifier(certificate)


def key_identifier(public_key: PublicKeyTypes) -> bytes:
    """Return the usual key identifier: SHA-1 of the public key's octets (RFC 5280, 4.2.1.2, method 1)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    info = asn1.parse(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    octets = info.children()[1].contents[1:]  # a BIT STRING, whose first octet counts unused bits
    digest = hashes.Hash(hashes.SHA1())  # noqa: S303  # a name, not a proof
    digest.update(octets)
    return digest.finalize()


@quietly()
def stated_key_identifier(certificate: x509.Certificate) -> bytes | None:
    """Return the key identifier that a certificate states, or None if it has none that can be read."""
    from cryptography import x509

    found = extension_of(certificate, x509.SubjectKeyIdentifier)  # one with broken extensions still names its key
    return None if found is None else found.digest
