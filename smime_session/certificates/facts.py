"""What a sender, and the owner of the private key, need of a certificate, and how the cryptography library finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.certificates.names import extension_among, extensions_of, issuer_of
from smime_session.certificates.public_key import PublicKey
from smime_session.certificates.quiet import quietly

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes


class Use(NamedTuple):
    """What the extensions of a certificate say its key is for (RFC 5280, 4.2).

    Attributes:
        key_usage: those of :data:`KEY_USAGE` that are set; None if it does not say.
        mail: whether it is for mail, or for any purpose.
        authority: whether its basic constraints say that it is a certificate authority's.
        unknown: the object identifiers of critical extensions that are not known.
    """

    key_usage: frozenset[str] | None
    mail: bool
    authority: bool
    unknown: tuple[str, ...] = ()


class Facts(NamedTuple):
    """What a sender, and the owner of the private key, need of a certificate.

    Attributes:
        issuer: the issuer's Name, as it stands there.
        serial_number: the serial number.
        not_before: when it begins to be valid, in UTC: ``20260301120000``.
        not_after: when it ends.
        algorithm: the object identifier of the public key's algorithm.
        public_key: the public key; None if it cannot be read, which may only show when it is loaded.
        key_identifier: the subject key identifier that it states, or None.
        use: what the key is for; None if an extension cannot be read.
    """

    issuer: bytes
    serial_number: int
    not_before: str
    not_after: str
    algorithm: str
    public_key: PublicKey | None
    key_identifier: bytes | None
    use: Use | None


KEY_USAGE: Final = {"key_encipherment": 0x20, "key_agreement": 0x08, "key_cert_sign": 0x04, "encipher_only": 0x01}
"""Those bits of key usage that matter here, named as in :class:`cryptography.x509.KeyUsage`."""
MAIL: Final = frozenset({"1.3.6.1.5.5.7.3.4", "2.5.29.37.0"})
"""Purposes of a key that is for mail: emailProtection, anyExtendedKeyUsage."""


def letters(moment: datetime) -> str:
    """Return a moment with its time zone in UTC so that those that are later sort behind: ``20260301120000.5``."""
    from datetime import UTC

    return str(moment.astimezone(UTC).replace(tzinfo=None)).translate(_NO_SIGNS)


_NO_SIGNS: Final = dict.fromkeys(map(ord, "- :"))


@quietly()
def read(certificate: x509.Certificate) -> Facts:
    """Read any certificate that the library has loaded."""
    from cryptography import x509

    key = public_key_in(certificate)
    extensions = extensions_of(certificate)
    identifier = extension_among(extensions, x509.SubjectKeyIdentifier) if extensions is not None else None
    return Facts(
        issuer_of(certificate),
        certificate.serial_number,
        letters(certificate.not_valid_before_utc),
        letters(certificate.not_valid_after_utc),
        certificate.public_key_algorithm_oid.dotted_string,
        None if key is None else PublicKey.of(key),
        None if identifier is None else identifier.digest,
        None if extensions is None else _use_of(extensions),
    )


def public_key_in(certificate: x509.Certificate) -> CertificatePublicKeyTypes | None:
    """Return the library's public key in a certificate, or None if it cannot be read."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):  # of a kind that is not known here, an issuer's perhaps
        return None


def _use_of(extensions: x509.Extensions) -> Use:
    from cryptography import x509

    usage = extension_among(extensions, x509.KeyUsage)
    purposes = extension_among(extensions, x509.ExtendedKeyUsage)
    constraints = extension_among(extensions, x509.BasicConstraints)
    return Use(
        None if usage is None else frozenset(bit for bit in KEY_USAGE if _is_set(usage, bit)),
        purposes is None or any(purpose.dotted_string in MAIL for purpose in purposes),
        constraints is not None and constraints.ca,
        tuple(
            extension.oid.dotted_string
            for extension in extensions
            if extension.critical and isinstance(extension.value, x509.UnrecognizedExtension)
        ),
    )


def _is_set(usage: x509.KeyUsage, bit: str) -> bool:
    """Tell whether a bit is set; one that refines keyAgreement may be asked for only beside that."""
    return (bit != "encipher_only" or usage.key_agreement) and getattr(usage, bit)
