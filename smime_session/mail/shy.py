"""What ``hcp_shy`` shows of header fields outside (RFC 9788, 3.2.2)."""

from __future__ import annotations

from datetime import UTC
from email.utils import format_datetime, parsedate_to_datetime

from smime_session.errors import LimitError, MessageError
from smime_session.mail.addresses import addresses_in


def bare_addresses(name: str, value: str) -> str:
    """Return the addresses alone; the value itself if it has none, or one that needs more than ASCII."""
    try:
        addresses = ", ".join(addresses_in(value.encode(), name))
    except (MessageError, LimitError):
        return value
    return addresses if addresses and addresses.isascii() else value


def in_utc(value: str) -> str:
    """Return a moment without its time zone; the value itself if it is none."""
    try:
        moment = parsedate_to_datetime(value)
        return format_datetime((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError, IndexError, TypeError):
        return value
