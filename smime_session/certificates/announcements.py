"""What the owners of certificates announced in signed mails: kept beside a certificate, with the date.

It stands in the certificate's file, in a PEM block of its own that other programs pass over::

    Announcement ::= SEQUENCE { signingTime GeneralizedTime, capabilities SMIMECapabilities }
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from pybase64 import b64decode, b64encode

from smime_session.cms import asn1, capabilities
from smime_session.errors import MessageError

if TYPE_CHECKING:
    from smime_session.cms.values import AlgorithmIdentifier

_BEGIN: Final = b"-----BEGIN SMIME CAPABILITIES-----"
_END: Final = b"-----END SMIME CAPABILITIES-----"
_TIME: Final = 0x18
_LINE: Final = 64  # characters: RFC 7468, 2


class Announcement(NamedTuple):
    """What a correspondent's program reads.

    Attributes:
        at: when that was said, in UTC.
        capabilities: how content and session keys may be encrypted, the best first.
    """

    at: datetime
    capabilities: tuple[AlgorithmIdentifier, ...]


def block(announcement: Announcement) -> bytes:
    """Return an announcement as a block of PEM text."""
    time = asn1.encode(_TIME, f"{announcement.at.astimezone(UTC):%Y%m%d%H%M%SZ}".encode("ascii"))
    text = b64encode(asn1.encode(asn1.SEQUENCE, time, capabilities.encode(announcement.capabilities)))
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return b"\n".join((_BEGIN, *lines, _END, b""))


def announced_in(text: bytes) -> Announcement | None:
    """Return the announcement in a certificate's file; None if it has none that can be read."""
    _, begin, rest = text.partition(_BEGIN)
    inside, end, _ = rest.partition(_END)
    if not (begin and end):
        return None
    try:
        time, announced = (
            asn1.parse(b64decode(b"".join(inside.split()), validate=True)).expect(asn1.SEQUENCE).children()
        )
        at = datetime.strptime(time.expect(_TIME).contents.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
        return Announcement(at, capabilities.decode(announced.encoded))
    except (MessageError, ValueError):  # the latter for what is no base64, no time, or not two values
        return None
