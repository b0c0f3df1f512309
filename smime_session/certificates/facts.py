"""What a sender, and the owner of the private key, need of a certificate."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from smime_session.certificates.public_key import PublicKey
    from smime_session.cms.values import AlgorithmIdentifier


class Use(NamedTuple):
    """What the extensions of a certificate say its key is for (RFC 5280, 4.2).

    Attributes:
        key_usage: those of :data:`KEY_USAGE` that are set; None if it does not say.
        mail: whether it is for mail, or for any purpose.
        authority: whether its basic constraints say that it is a certificate authority's.
        unknown: the object identifiers of critical extensions that are not known.
        capabilities: what the owner's programs read, as it announces (RFC 4262); nothing if that is broken.
    """

    key_usage: frozenset[str] | None
    mail: bool
    authority: bool
    unknown: tuple[str, ...] = ()
    capabilities: tuple[AlgorithmIdentifier, ...] = ()


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
    return str(moment.astimezone(UTC).replace(tzinfo=None)).translate(_NO_SIGNS)


_NO_SIGNS: Final = dict.fromkeys(map(ord, "- :"))
