"""Prepare recipients of plain certificates: nothing is loaded for that but what one mail needs anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smime_session.certificates.public_key import PublicKey
from smime_session.certificates.reader import RSA, read
from smime_session.cms import asn1
from smime_session.cms.values import IssuerAndSerialNumber
from smime_session.recipients.registry import kind_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Recipient

_CENTURY = range(2000, 2050)  # whose years plain certificates have


def preparer(profile: Profile, at: datetime) -> Callable[[bytes], Recipient | None]:
    """Return a function that prepares a recipient of a certificate in DER.

    It returns None of whatever is not plain, and of whatever must not be used: the library then reads that
    certificate, and says why it must not, or that it may.

    Args:
        profile: what may be used, and how.
        at: the moment at which certificates must be valid, with its time zone.
    """
    moments = ("9", "") if profile.insecure_expired else _letters(at)
    if moments is None or profile.post_quantum_only or profile.identifier != "issuer-serial":
        return lambda _: None
    latest_start, earliest_end = (moment.encode("ascii") for moment in moments)

    def prepare(octets: bytes) -> Recipient | None:
        certificate = read(octets)
        if certificate is None or certificate.not_before > latest_start or certificate.not_after < earliest_end:
            return None
        bits = 8 * len(certificate.material) if certificate.kind == RSA else 0
        key = PublicKey(certificate.kind, bits, certificate.public_key)
        kind = kind_for(key)
        key_usage, mail = certificate.use
        if kind is None or not mail or kind.KEY_USAGE not in key_usage or kind.unfit(key, profile):
            return None
        serial_number = asn1.integer_from(certificate.serial_number[2:])  # its length takes one byte
        return kind.recipient(key, IssuerAndSerialNumber(certificate.issuer, serial_number), profile)

    return prepare


def _letters(at: datetime) -> tuple[str, str] | None:
    """Return the second that a moment is in, and the first that does not begin before it, as UTCTime has them."""
    from datetime import UTC, timedelta

    if at.utcoffset() is None:
        return None
    second = at.astimezone(UTC).replace(microsecond=0)
    following = second if second == at else second + timedelta(seconds=1)
    if second.year not in _CENTURY or following.year not in _CENTURY:
        return None
    return f"{second:%y%m%d%H%M%SZ}", f"{following:%y%m%d%H%M%SZ}"
