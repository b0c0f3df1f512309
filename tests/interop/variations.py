"""Envelopes that are slightly wrong, or right in an unusual way: one structural change each, named by what and where.

An envelope is taken apart into its values, one of them is changed, and all lengths around it are made right again. So
the change itself is met, and not the damage that it would do to what stands around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

_CONSTRUCTED: Final = 0x20
_LONG: Final = 0x80
_OCTET_STRING: Final = 0x04
_NULL: Final = b"\x05\x00"

_ENVELOPE: Final = ("version", "originatorInfo", "recipientInfos", "encryptedContentInfo")
_CONTENT: Final = ("contentType", "contentEncryptionAlgorithm", "encryptedContent")
_TRANSPORT: Final = ("version", "rid", "keyEncryptionAlgorithm", "encryptedKey")
_SECRET: Final = ("version", "kekid", "keyEncryptionAlgorithm", "encryptedKey")
_AGREEMENT: Final = ("version", "originator", "keyEncryptionAlgorithm", "recipientEncryptedKeys")
_PASSWORD: Final = ("version", "keyDerivationAlgorithm", "keyEncryptionAlgorithm", "encryptedKey")
_RECIPIENTS: Final = {0x30: _TRANSPORT, 0xA1: _AGREEMENT, 0xA2: _SECRET, 0xA3: _PASSWORD}


@dataclass
class Value:
    """One value of ASN.1.

    Attributes:
        tag: its identifier octet.
        contents: of a primitive value.
        children: of a constructed one.
        name: what it is in the envelope, as RFC 5652 and RFC 5083 call it; what stands deeper has a slash.
        width: octets of the length beyond the first; None for as few as there can be.
        indefinite: whether it has no length, but an end.
    """

    tag: int
    contents: bytes = b""
    children: list[Value] = field(default_factory=list)
    name: str = ""
    width: int | None = None
    indefinite: bool = False

    def encoded(self) -> bytes:
        """Return the value with all that is in it."""
        body = b"".join([each.encoded() for each in self.children]) if self.tag & _CONSTRUCTED else self.contents
        if self.indefinite:
            return bytes((self.tag, _LONG)) + body + b"\0\0"
        width = self.width
        if width is None:
            if len(body) < _LONG:
                return bytes((self.tag, len(body))) + body
            width = (len(body).bit_length() + 7) // 8
        return bytes((self.tag, _LONG | width)) + len(body).to_bytes(width, "big") + body

    def all(self) -> Iterator[tuple[list[Value], int]]:
        """Yield each value below this one, as the list that it is in and its place there."""
        for index, child in enumerate(self.children):
            yield self.children, index
            yield from child.all()


def take_apart(encoded: bytes) -> Value:
    """Return an envelope in DER as values that have names."""
    (whole,) = _values(encoded)
    whole.name = "ContentInfo"
    whole.children[0].name, whole.children[1].name = "contentType", "content"
    envelope = whole.children[1].children[0]
    envelope.name = "envelope"
    names = (
        list(_ENVELOPE)
        if envelope.children[1].tag == 0xA0
        else [each for each in _ENVELOPE if each != "originatorInfo"]
    )
    names += ["mac"] if envelope.children[-1].tag == _OCTET_STRING else []
    for name, value in zip(names, envelope.children, strict=False):
        value.name = name
    _, infos, content = envelope.children[:3]
    for name, value in zip(_CONTENT, content.children, strict=True):
        value.name = name
    for info in infos.children:
        info.name = "RecipientInfo"
        for name, value in zip(_RECIPIENTS[info.tag], info.children, strict=False):
            value.name = f"RecipientInfo/{name}"
    _name_others(whole, "")
    return whole


def _name_others(value: Value, above: str) -> None:
    value.name = value.name or f"{above.removesuffix('/…')}/…"
    for child in value.children:
        _name_others(child, value.name)


def _values(encoded: bytes) -> list[Value]:
    values: list[Value] = []
    at = 0
    while at < len(encoded):
        tag, size, begin = encoded[at], encoded[at + 1], at + 2
        if size & _LONG:
            width = size & ~_LONG
            size, begin = int.from_bytes(encoded[begin : begin + width], "big"), begin + width
        body = encoded[begin : begin + size]
        values.append(Value(tag, children=_values(body)) if tag & _CONSTRUCTED else Value(tag, body))
        at = begin + size
    return values


# --- changes ----------------------------------------------------------------------------------------


class Variation(NamedTuple):
    """An envelope that was changed.

    Attributes:
        change: what was done.
        place: to what, by its name in the envelope.
        encoded: the result.
    """

    change: str
    place: str
    encoded: bytes


def _long_length(value: Value, _random: Random) -> bool:
    size = len(value.encoded())
    value.width = (size.bit_length() + 7) // 8 + 1
    return not value.indefinite


def _no_length(value: Value, _random: Random) -> bool:
    value.indefinite = bool(value.tag & _CONSTRUCTED)
    return value.indefinite


def _in_pieces(value: Value, random: Random) -> bool:
    """Make a string of strings (X.690, 8.7.3), as is allowed in BER for what is an OCTET STRING."""
    if value.tag not in {_OCTET_STRING, 0x80} or (value.tag == 0x80 and value.name != "encryptedContent"):
        return False
    cut = random.randrange(len(value.contents) + 1)
    value.children = [Value(_OCTET_STRING, part) for part in (value.contents[:cut], value.contents[cut:])]
    value.tag |= _CONSTRUCTED
    return True


def _other_tag(value: Value, random: Random) -> bool:
    tags = (0x30, 0x31, 0xA0, 0xA1, 0xA5) if value.tag & _CONSTRUCTED else (0x02, 0x03, 0x04, 0x05, 0x0C, 0x80, 0x82)
    value.tag = random.choice([tag for tag in tags if tag != value.tag])
    return True


def _emptied(value: Value, _random: Random) -> bool:
    something = bool(value.contents or value.children)
    value.contents, value.children = b"", []
    return something


def _bit_flipped(value: Value, random: Random) -> bool:
    if not value.contents:
        return False
    at = random.randrange(len(value.contents))
    value.contents = (
        value.contents[:at] + bytes((value.contents[at] ^ 1 << random.randrange(8),)) + value.contents[at + 1 :]
    )
    return True


def _shorter(value: Value, _random: Random) -> bool:
    something = len(value.contents) > 1
    value.contents = value.contents[:-1]
    return something


def _longer(value: Value, random: Random) -> bool:
    value.contents += random.randbytes(1)
    return not value.tag & _CONSTRUCTED


def _zero_before(value: Value, _random: Random) -> bool:
    """Put a needless zero before a number."""
    value.contents = b"\0" + value.contents
    return value.tag == 0x02


def _one_more(value: Value, random: Random) -> bool:
    """Put another value behind those in a constructed one."""
    value.children.append(random.choice((Value(0x05), Value(0x04, b"more"), Value(0x30), Value(0xA7))))
    return bool(value.tag & _CONSTRUCTED)


def _originator_added(value: Value, _random: Random) -> bool:
    """Put an empty OriginatorInfo behind the version (RFC 5652, 6.1)."""
    value.children.insert(1, Value(0xA0))
    return value.name == "envelope"


def _attribute_added(value: Value, _random: Random) -> bool:
    """Put an unprotected attribute last (RFC 5652, 6.1; RFC 5083, 2.1), of which no reader needs to know."""
    tag = 0xA2 if value.children and value.children[-1].name == "mac" else 0xA1
    kind = Value(0x06, bytes.fromhex("2a864886f70d01090d"))  # signingDescription (RFC 2985, 5.3.5)
    value.children.append(
        Value(tag, children=[Value(0x30, children=[kind, Value(0x31, children=[Value(0x0C, b"x")])])])
    )
    return value.name == "envelope"


_CHANGES: Final[dict[str, Callable[[Value, Random], bool]]] = {
    "long length": _long_length,
    "no length": _no_length,
    "in pieces": _in_pieces,
    "other tag": _other_tag,
    "emptied": _emptied,
    "bit flipped": _bit_flipped,
    "shorter": _shorter,
    "longer": _longer,
    "zero before": _zero_before,
    "one more": _one_more,
    "originator": _originator_added,
    "attribute": _attribute_added,
}
_MOVES: Final = ("left out", "twice", "exchanged")


def vary(encoded: bytes, random: Random) -> Variation:
    """Change one thing in an envelope in DER."""
    if not random.randrange(40):
        return Variation("more behind", "ContentInfo", encoded + random.choice((b"\0", b"\0\0", b"\r\n", encoded)))
    while True:
        whole = take_apart(encoded)
        around, index = random.choice(list(whole.all()))
        value = around[index]
        change = random.choice((*_CHANGES, *_MOVES))
        if change == "left out":
            del around[index]
        elif change == "twice":
            around.insert(index, value)
        elif change == "exchanged":
            if index + 1 == len(around):
                continue
            around[index : index + 2] = around[index + 1], value
        elif not _CHANGES[change](value, random):
            continue
        return Variation(change, value.name, whole.encoded())
