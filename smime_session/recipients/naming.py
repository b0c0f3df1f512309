"""By which names an identity may be addressed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from smime_session.certificates.certificate import Certificate
from smime_session.cms import asn1
from smime_session.cms.names import same_name
from smime_session.cms.values import IssuerAndSerialNumber, RecipientIdentifier

if TYPE_CHECKING:
    from cryptography import x509

    from smime_session.certificates.certificate import AnyCertificate
    from smime_session.certificates.public_key import PublicKey

_IN_PIECES: Final = re.compile(rb"\x24(?:[\x00-\x80]|\x81.|\x82..)\x04", re.DOTALL)
"""An OCTET STRING that is made of others (X.690, 8.7.3): where a key identifier may be without standing there whole."""


class OwnNames:
    """The names that a recipient info can have for one key.

    With a certificate: its issuer and serial number, the key identifier it states, and the one that
    most issuers would have given it (RFC 5280, 4.2.1.2, method 1); if it states none, all those that programs
    make of the key. For a key alone nothing can be ruled out, and these are its names: issuers choose serial
    numbers and key identifiers as they like.

    Args:
        public_key: the key.
        certificate: its certificate, or None.

    Attributes:
        key_identifiers: those it answers to.
    """

    def __init__(self, public_key: PublicKey, certificate: AnyCertificate | None) -> None:
        self._certificate = None if certificate is None else Certificate.of(certificate)
        self._usual = public_key.key_identifier
        self.key_identifiers = {self._usual}
        self._named: IssuerAndSerialNumber | None = None
        self._serial_number = b""
        if self._certificate is not None:
            self._named = self._certificate.name
            self._serial_number = asn1.integer_octets(self._named.serial_number)
        own = public_key if self._certificate is None else self._certificate.public_key or public_key
        if self._certificate is not None and (stated := self._certificate.key_identifier):
            self.key_identifiers.add(stated)
        else:
            self.key_identifiers |= own.key_identifiers()

    @property
    def certificate(self) -> x509.Certificate | None:
        """The certificate, or None."""
        return None if self._certificate is None else self._certificate.whole

    def may_stand_in(self, encoded: bytes) -> bool:
        """Tell whether a recipient info may hold one of the names: a search of octets that rules most out."""
        return (
            self._named is None
            or self._serial_number in encoded
            or any(identifier in encoded for identifier in self.key_identifiers)
            or _IN_PIECES.search(encoded) is not None
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
        if self._certificate is not None:
            return f"{key} of {self._certificate}"
        return f"{key} without a certificate, key identifier {self._usual.hex()}"
