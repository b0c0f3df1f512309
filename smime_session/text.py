"""Text that comes from outside and goes to a person."""

from __future__ import annotations

from typing import Final

EXCERPT: Final = 80  # characters of what others wrote that an error repeats: a name can have a million


def printable(text: str) -> str:
    """Return ``text`` with every character that does not print (terminal escapes, bidi marks) shown as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def excerpt(text: str) -> str:
    """Return the beginning of ``text``, printable, and how much more there is: what others wrote may be of any size."""
    if len(text) <= EXCERPT:
        return printable(text)
    return f"{printable(text[:EXCERPT])}… and {len(text) - EXCERPT:,} more"
