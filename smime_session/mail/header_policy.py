"""Header Confidentiality Policies: what an encrypted mail shows of its header fields outside (RFC 9788, 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

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
    if name not in {"from", "to", "cc", "date"}:
        return hcp_baseline(name, value)
    from smime_session.mail.shy import bare_addresses, in_utc  # loads parts of email, for this policy alone: 5 ms

    return in_utc(value) if name == "date" else bare_addresses(name, value)


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
