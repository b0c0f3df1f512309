"""Header Confidentiality Policies: what an encrypted mail shows of its header fields outside (RFC 9788, 3)."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final, Literal

from smime_session.errors import LimitError, MessageError

if TYPE_CHECKING:
    from collections.abc import Callable

HeaderPolicy = Literal["hcp_no_confidentiality", "hcp_baseline", "hcp_shy", "none"]
"""A policy by the name that RFC 9788 gives it; with ``none`` no field goes inside at all, as in RFC 8551."""

DEFAULT_HEADERS: Final = "hcp_no_confidentiality"  # most readers know nothing of RFC 9788 and would see no subject

OBSCURED: Final = "[...]"  # what a hidden Subject is replaced with: a mail without any may be refused

_REMOVED: Final = frozenset({"comments", "keywords"})


def hcp_no_confidentiality(_name: str, value: str) -> str | None:
    """Show every field as it is (RFC 9788, 3.2.3)."""
    return value


def hcp_baseline(name: str, value: str) -> str | None:
    """Hide what only people read: Subject, Comments and Keywords (RFC 9788, 3.2.1)."""
    if name == "subject":
        return OBSCURED
    return None if name in _REMOVED else value


def hcp_shy(name: str, value: str) -> str | None:
    """Hide display names and the time zone as well (RFC 9788, 3.2.2)."""
    if name in {"from", "to", "cc"}:
        return _bare_addresses(name, value)
    return _in_utc(value) if name == "date" else hcp_baseline(name, value)


POLICIES: Final[dict[str, Callable[[str, str], str | None]]] = {
    "hcp_no_confidentiality": hcp_no_confidentiality,
    "hcp_baseline": hcp_baseline,
    "hcp_shy": hcp_shy,
}
"""Each takes a field's name in lower case and its value, and returns the value outside, or None to remove the field."""


def check_headers(headers: object) -> None:
    """Check that ``headers`` names a policy.

    Raises:
        TypeError: it does not.
    """
    if headers != "none" and headers not in POLICIES:
        raise TypeError(f"headers is {', '.join(map(repr, POLICIES))} or 'none', not {headers!r}")


def _bare_addresses(name: str, value: str) -> str:
    """Return the addresses alone; the value itself if it has none, or one that needs more than ASCII."""
    from smime_session.mail.addresses import addresses_in

    try:
        addresses = ", ".join(addresses_in(value.encode(), name))
    except (MessageError, LimitError):
        return value
    return addresses if addresses and addresses.isascii() else value


def _in_utc(value: str) -> str:
    """Return a moment without its time zone; the value itself if it is none."""
    from email.utils import format_datetime, parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(value)
        return format_datetime((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError, IndexError, TypeError):
        return value
