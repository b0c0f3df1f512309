"""Comparing encoded Names as RFC 5280, 7.1 does, where their octets may differ.

The author of a message chooses the names in it, many and long ones, so that this has to be fast: text is prepared
(RFC 4518, 2) by what Python has for it, and one's own name only once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from smime_session.cms import asn1
from smime_session.errors import MalformedError, MessageError

MAX_NAME_SIZE: Final = 4096  # octets of a Name that is taken apart; real ones have 100

_ENCODINGS: Final = {
    0x0C: "utf-8",
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, which all programs use so
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
"""How the octets of a string type are text, by its tag."""

_NOTHING: Final = dict.fromkeys(
    [0xAD, 0x34F, 0x200B, 0xFFFC, *range(0x180B, 0x180F), *range(0x2060, 0x2064), *range(0xFE00, 0xFE10)]
)
"""Characters that stand for nothing (RFC 4518, 2.2)."""


_Attribute = tuple[bytes, int, str]
"""What is compared of an attribute: its type, the tag of a value that is no text or 0, and the value."""


def same_name(one: bytes, other: bytes) -> bool:
    """Tell whether two encoded Names are the same; one that cannot be read is the same as its very octets only."""
    if one == other:
        return True
    if max(len(one), len(other)) > MAX_NAME_SIZE:
        return False
    try:
        return _prepared(one) == _prepared(other)
    except (MessageError, UnicodeDecodeError):
        return False


@lru_cache(maxsize=16)  # one's own is compared with each of a message
def _prepared(name: bytes) -> tuple[tuple[_Attribute, ...], ...]:
    """Return what is compared of each part of a Name, its attributes in a fixed order.

    Raises:
        MessageError: it is no Name.
        UnicodeDecodeError: a string in it is none of its type.
    """
    return tuple(
        tuple(sorted(_attribute(attribute) for attribute in part.expect(asn1.SET)))
        for part in asn1.parse(name).expect(asn1.SEQUENCE)
    )


def _attribute(attribute: asn1.Element) -> _Attribute:
    children = attribute.expect(asn1.SEQUENCE).children()
    if len(children) != 2:  # noqa: PLR2004  # type and value
        raise MalformedError("an attribute of a name is malformed")
    kind, value = children
    encoding = _ENCODINGS.get(value.tag)
    if encoding is None:
        return kind.encoded, value.tag, value.encoded.hex()
    return kind.encoded, 0, _text(value.contents.decode(encoding))


def _text(text: str) -> str:
    """Prepare text: letter case, compatible forms and the number of spaces do not count."""
    if text.isascii():
        return " ".join(text.lower().split())
    from unicodedata import normalize  # large, and seldom needed

    folded = normalize("NFKC", text.translate(_NOTHING)).casefold()
    return " ".join(normalize("NFKC", folded).split())
