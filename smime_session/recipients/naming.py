"""By which names an identity may be addressed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smime_session.cms import codec, tlv
from smime_session.cms.structures import IssuerAndSerialNumber, RecipientIdentifier
from smime_session.credentials.names import describe, issuer_of
from smime_session.credentials.quiet import quietly

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
        certificate: the same.
        key_identifiers: those it answers to.
    """

    @quietly()
    def __init__(self, public_key: PublicKeyTypes, certificate: x509.Certificate | None) -> None:
        self.certificate = certificate
        self.key_identifiers = {key_identifier(public_key)}
        self._named: IssuerAndSerialNumber | None = None
        self._serial_number = b""
        if certificate is not None:
            self._named = IssuerAndSerialNumber(issuer_of(certificate), certificate.serial_number)
            self._serial_number = tlv.integer_octets(certificate.serial_number)
            if stated := stated_key_identifier(certificate):
                self.key_identifiers.add(stated)

    def may_stand_in(self, encoded: bytes) -> bool:
        """Tell whether a recipient info may hold one of the names: a search of octets that rules most out."""
        return (
            self._named is None
            or self._serial_number in encoded
            or any(identifier in encoded for identifier in self.key_identifiers)
        )

    def include(self, recipient: RecipientIdentifier) -> bool:
        """Tell whether ``recipient`` is one of the names, or cannot be ruled out."""
        if self._named is None:
            return True
        if not isinstance(recipient, IssuerAndSerialNumber):
            return recipient.value in self.key_identifiers
        return recipient.serial_number == self._named.serial_number and codec.same_name(
            recipient.issuer, self._named.issuer
        )

    def describe(self, key: str) -> str:
        """Say whose ``key`` (``RSA-3072 private key``) it is."""
        if self.certificate is not None:
            return f"{key} of {describe(self.certificate)}"
        return f"{key} without a certificate, key identifier {min(self.key_identifiers).hex()}"


def key_identifier(public_key: PublicKeyTypes) -> bytes:
    """Return the usual key identifier: SHA-1 of the public key's octets (RFC 5280, 4.2.1.2, method 1)."""
    info = tlv.parse(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    octets = info.children()[1].contents[1:]  # a BIT STRING, whose first octet counts unused bits
    return hashlib.sha1(octets, usedforsecurity=False).digest()


@quietly()
def stated_key_identifier(certificate: x509.Certificate) -> bytes | None:
    """Return the key identifier that a certificate states, or None if it has none that can be read."""
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return None  # a certificate with broken extensions still names its key
    return extension.value.digest
