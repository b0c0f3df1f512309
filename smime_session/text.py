"""Text that comes from outside and goes to a person."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return ``text`` with every character that does not print (terminal escapes, bidi marks) shown as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
