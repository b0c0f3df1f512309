"""PEM text, written the short way."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def encode_pem(parts: Iterable[bytes], *, label: str = "CMS", eol: bytes = b"\n") -> bytes:
    """Return the octets of all ``parts`` between the lines of ``label`` (RFC 7468, 2)."""
    text = b64encode(b"".join(parts))
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    begin, end = (f"-----{word} {label}-----".encode("ascii") for word in ("BEGIN", "END"))
    return b"".join(line + eol for line in (begin, *lines, end))
