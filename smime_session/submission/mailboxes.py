"""Addresses in the SMTP envelope: what would be another command is refused."""

from __future__ import annotations

import re
from typing import Final

from smime_session import SubmissionError

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LOCAL: Final = r'(?:"(?:[^"\\]|\\.)*"|[^\s<>()\[\]:;@\\,"]+)'
_DOMAIN: Final = r"(?:\[[^\s\[\]<>\\]+\]|[^\s<>()\[\]:;@\\,\"]+)"
_MAILBOX: Final = re.compile(f"({_LOCAL})@({_DOMAIN})")
_MAX_SIZE: Final = 1000  # octets: RFC 5321, 4.5.3.1.3 has 256 for a path; what is longer than a line is no address


def check_mailbox(address: str) -> str:
    """Return an address that can stand in an SMTP command, as it is.

    Raises:
        SubmissionError: it cannot, because it holds CR, LF, NUL or another control character, which could begin a
            command of its own, or because it is no address. It is named.
    """
    if not isinstance(address, str):
        raise TypeError(f"an address is text, not an object of type {type(address).__name__}")
    if found := _CONTROL.search(address):
        name = {"\r": "CR", "\n": "LF", "\0": "NUL"}.get(found[0], "a control character")
        raise SubmissionError(f"the address {address!r} holds {name}, which no address has: nothing was sent")
    if not _MAILBOX.fullmatch(address) or len(address.encode("utf-8", "replace")) > _MAX_SIZE:
        raise SubmissionError(f"{address!r} is no mail address: nothing was sent")
    return address


def on_the_wire(address: str, *, utf8: bool) -> str | None:
    """Return an address as the server takes it, or None if it does not: one outside ASCII needs SMTPUTF8 (RFC 6531).

    Without it, a domain can still be written in ASCII (RFC 5890); a local part cannot.

    Args:
        address: the address.
        utf8: whether the server offers SMTPUTF8.
    """
    if utf8 or address.isascii():
        return address
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode('ascii')}" if local.isascii() else None
    except UnicodeError:
        return None
