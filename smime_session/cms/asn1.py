"""Tag, length, value: emit DER, read DER and BER (X.690) from memory.

Nothing here knows what the values mean. Tags are single octets, which is all that CMS needs;
every reader is bounded by a depth and by the lengths around it, and looks before it takes.
:func:`header` judges every identifier and length, here and in :mod:`~smime_session.cms.stream`.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from smime_session.errors import LimitError, MalformedError
from smime_session.profiles import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator

Buffer = bytes | memoryview

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31
CONSTRUCTED: Final = 0x20

NULL: Final = b"\x05\x00"
INDEFINITE: Final = b"\x80"
END_OF_CONTENTS: Final = b"\x00\x00"

_MAX_LENGTH_OCTETS: Final = 8  # lengths up to 2**64: whatever is longer is no file
_MAX_INTEGER_OCTETS: Final = 256  # serial numbers have 20; Python refuses to write out numbers over 4,300 digits
_MAX_OID_OCTETS: Final = 64  # far beyond any in use
_MAX_CHILDREN: Final = 64  # of a value that is taken apart whole: no structure has that many fields; lists are iterated
MAX_INNER_VALUES: Final = 4096  # inside a value of indefinite length that is inside another: all that a file may need
FEW_INNER_VALUES: Final = 64  # the same, of what tells about one recipient; honest ones have under 50
_MAX_PARTS: Final = 64  # of a constructed OCTET STRING with a key or the like; programs write one or two
_MAX_PART_LEVELS: Final = 4  # of them inside each other; honest ones have one
_HIGH_TAG: Final = 0x1F
_LONG_FORM: Final = 0x80

OCTETS: Final = tuple(bytes((value,)) for value in range(256))
"""Every octet by itself."""


def length(size: int) -> bytes:
    """Return the DER length octets of ``size`` (X.690, 10.1)."""
    if size < _LONG_FORM:
        return OCTETS[size]
    width = 1 if size < 1 << 8 else 2 if size < 1 << 16 else (size.bit_length() + 7) // 8
    return OCTETS[_LONG_FORM | width] + size.to_bytes(width, "big")


def begin(tag: int, size: int) -> bytes:
    """Return the identifier and length octets of a DER value with ``size`` octets of contents."""
    return OCTETS[tag] + length(size)


def encode(tag: int, *contents: Buffer) -> bytes:
    """Return one DER value with the joined ``contents``."""
    body = b"".join(contents)
    return begin(tag, len(body)) + body


@lru_cache(maxsize=64)  # versions and sizes are the same in every message
def integer(value: int) -> bytes:
    """Return an INTEGER, as short as it goes; not for secrets, which would be kept."""
    return encode(INTEGER, integer_octets(value))


def integer_octets(value: int) -> bytes:
    """Return the contents of an INTEGER, as short as they go."""
    return value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, "big", signed=True)


@cache
def object_identifier(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER from its dotted form (X.690, 8.19)."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    octets = bytearray()
    for arc in (first * 40 + second, *rest):
        group = [arc & 0x7F]
        while arc := arc >> 7:
            group.append(arc & 0x7F | 0x80)
        octets += bytes(reversed(group))
    return encode(OBJECT_IDENTIFIER, bytes(octets))


def header(data: Buffer, at: int, end: int, offset: int | None = None) -> tuple[int, int | None, int]:
    """Read the identifier and length octets that begin at ``at``.

    Args:
        data: octets; those from ``end`` on are not looked at.
        at: where the value begins.
        end: where what is there ends.
        offset: where ``at`` is in the CMS object, for errors; None if it says nothing.

    Returns:
        The tag, the length (None if indefinite), and where the contents begin. If that is beyond ``end``, more
        octets are needed, up to there at least, and neither tag nor length is known.

    Raises:
        MalformedError: the octets there begin no value, whatever follows.
    """
    body = at + 2
    tag = data[at] if at < end else 0
    if tag & _HIGH_TAG == _HIGH_TAG:
        raise MalformedError("a tag number is too large", None if offset is None else offset + 1)
    if body > end:
        return 0, 0, body
    size = data[at + 1]
    if size < _LONG_FORM:
        return tag, size, body
    if size == _LONG_FORM:
        if not tag & CONSTRUCTED:
            raise MalformedError("a primitive value has no definite length", None if offset is None else offset + 2)
        return tag, None, body
    start, body = body, body + (size & 0x7F)
    if body - start > _MAX_LENGTH_OCTETS:
        raise MalformedError("a length is too large", None if offset is None else offset + 2)
    return tag, int.from_bytes(data[start:body], "big"), body


class Element:
    """One value inside octets that are in memory: a view, nothing is copied until asked for.

    Attributes:
        tag: the identifier octet.
        start: where its identifier octet stands.
        end: where the next value begins.
    """

    __slots__ = ("_body", "_data", "_depth", "_inner", "_stop", "end", "start", "tag")

    def __init__(
        self, data: bytes, start: int = 0, limit: int | None = None, depth: int = 0, inner: int = MAX_INNER_VALUES
    ) -> None:
        """Read the value at ``start``, which must end at or before ``limit``.

        Args:
            data: octets.
            start: where it begins.
            limit: where it must have ended; None for the end of ``data``.
            depth: how many values it is in.
            inner: how many values one of indefinite length may hold that is inside it, or inside those in it.

        Raises:
            MalformedError: the octets there are no such value.
            LimitError: it is nested too deeply.
        """
        if depth > MAX_DEPTH:
            raise LimitError("the nesting of the CMS object", MAX_DEPTH)
        if limit is None:
            limit = len(data)
        if limit - start < 2:  # noqa: PLR2004  # identifier and length take an octet each at least
            raise MalformedError("a value is cut off")
        tag: int = data[start]
        size: int | None = data[start + 1]
        body = start + 2
        if tag & _HIGH_TAG == _HIGH_TAG or data[start + 1] >= _LONG_FORM:  # seldom: most values cost no further call
            tag, size, body = header(data, start, limit)
            if body > limit:
                raise MalformedError("a length is cut off")
        self.tag = tag
        self.start = start
        self._data = data
        self._body = body
        self._depth = depth
        self._inner = inner
        if size is None:
            self._stop = self._find_end(limit)
            self.end = self._stop + len(END_OF_CONTENTS)
        else:
            self._stop = self.end = body + size
            if self._stop > limit:
                raise MalformedError("a value is longer than what holds it")

    def _find_end(self, limit: int) -> int:
        """Return where the end-of-contents octets of an indefinite length stand.

        Values of definite length are stepped over, and others entered. The parser that read the outermost value from a
        stream has counted what is in it; of those inside, which are walked through again each time they are
        looked at, none may hold much.
        """
        data, at, opened = self._data, self._body, [self._depth]
        left = self._inner if self._depth else limit
        while True:
            if data[at : min(at + 2, limit)] == END_OF_CONTENTS:
                opened.pop()
                if not opened:
                    return at
                at += len(END_OF_CONTENTS)
                continue
            if not left:
                raise LimitError("the number of values inside one of indefinite length", self._inner)
            left -= 1
            if opened[-1] + 1 > MAX_DEPTH:
                raise LimitError("the nesting of the CMS object", MAX_DEPTH)
            if limit - at < 2:  # noqa: PLR2004  # identifier and length take an octet each at least
                raise MalformedError("a value is cut off")
            _, size, at = header(data, at, limit)
            if at > limit:
                raise MalformedError("a length is cut off")
            if size is None:
                opened.append(opened[-1] + 1)
            elif (at := at + size) > limit:
                raise MalformedError("a value is longer than what holds it")

    @property
    def encoded(self) -> bytes:
        """The whole value, identifier and length included."""
        return self._data[self.start : self.end]

    @property
    def contents(self) -> bytes:
        """What stands between its length and its end."""
        return self._data[self._body : self._stop]

    @property
    def constructed(self) -> bool:
        """Whether it is made of other values."""
        return bool(self.tag & CONSTRUCTED)

    def is_primitive(self, tag: int, start: int, size: int) -> bool:
        """Tell whether it is primitive, carries ``tag``, and holds the ``size`` octets that begin at ``start``."""
        return self.tag == tag and not tag & CONSTRUCTED and (self._body, self._stop) == (start, start + size)

    def __iter__(self) -> Iterator[Element]:
        """Yield the values it is made of, one at a time.

        Raises:
            MalformedError: it is primitive, or they do not fill it exactly.
        """
        if not self.tag & CONSTRUCTED:
            raise MalformedError("a constructed value was expected")
        at = self._body
        while at < self._stop:
            child = Element(self._data, at, self._stop, self._depth + 1, self._inner)
            yield child
            at = child.end

    def children(self) -> list[Element]:
        """Return the few values it is made of.

        Raises:
            MalformedError: it is primitive, they do not fill it exactly, or they are not few.
        """
        if not self.tag & CONSTRUCTED:
            raise MalformedError("a constructed value was expected")
        found: list[Element] = []
        data, at, stop, depth, inner = self._data, self._body, self._stop, self._depth + 1, self._inner
        while at < stop:
            child = Element(data, at, stop, depth, inner)
            found.append(child)
            at = child.end
            if len(found) > _MAX_CHILDREN:
                raise MalformedError("a value is made of too many others")
        return found

    def count(self, most: int) -> int:
        """Return how many values it is made of; ``most`` and one more stand for any larger number.

        Raises:
            MalformedError: it is primitive, or they do not fill it exactly.
        """
        return sum(1 for _ in islice(self._starts(), most + 1))

    def last_child(self, most: int) -> Element | None:
        """Return the last of the values it is made of, or None if it is empty.

        Args:
            most: how many there may be.

        Raises:
            MalformedError: it is primitive, they do not fill it exactly, or they are more.
        """
        starts = list(islice(self._starts(), most + 1))
        if len(starts) > most:
            raise MalformedError("a value is made of too many others")
        return Element(self._data, starts[-1], self._stop, self._depth + 1, self._inner) if starts else None

    def _starts(self) -> Iterator[int]:
        """Yield where the values begin that it is made of, most of which are not looked at."""
        if not self.constructed:
            raise MalformedError("a constructed value was expected")
        data, at, stop = self._data, self._body, self._stop
        while at < stop:
            yield at
            _, size, body = header(data, at, stop)
            at = Element(data, at, stop, self._depth + 1, self._inner).end if size is None else body + size
        if at != stop:
            raise MalformedError("a value is longer than what holds it")

    def first_child(self) -> Element | None:
        """Return the first of the values it is made of, or None if it is empty or primitive."""
        if not self.constructed or self._body == self._stop:
            return None
        return Element(self._data, self._body, self._stop, self._depth + 1, self._inner)

    def expect(self, tag: int) -> Element:
        """Return itself if it carries ``tag``.

        Raises:
            MalformedError: it carries another.
        """
        if self.tag != tag:
            raise MalformedError(f"the tag {tag:#04x} was expected, not {self.tag:#04x}")
        return self

    def octets(self, tag: int = OCTET_STRING, most: int = _MAX_PARTS) -> bytes:
        """Return the value of an OCTET STRING, joining its parts if it is constructed (X.690, 8.7).

        Args:
            tag: what it carries instead of its own.
            most: how many parts it may have, those that are made of others included.

        Raises:
            MalformedError: it carries another tag than ``tag``, or a part of it is no OCTET STRING.
            LimitError: it has too many parts.
        """
        if self.tag == tag:
            return self.contents
        parts: list[bytes] = []
        self.expect(tag | CONSTRUCTED)
        self._gather(parts, most, _MAX_PART_LEVELS)
        return b"".join(parts)

    def _gather(self, parts: list[bytes], most: int, levels: int) -> None:
        if not levels:
            raise LimitError("the nesting of an OCTET STRING", _MAX_PART_LEVELS)
        for child in self:
            if len(parts) >= most:
                raise LimitError("the number of parts of an OCTET STRING", most)
            if child.tag == OCTET_STRING:
                parts.append(child.contents)
            else:
                parts.append(b"")  # it counts, whatever is in it
                child.expect(OCTET_STRING | CONSTRUCTED)._gather(parts, most, levels - 1)  # noqa: SLF001  # one of its own

    def integer(self) -> int:
        """Return the value of an INTEGER.

        Raises:
            MalformedError: it is none, empty, or too large.
        """
        if self.tag != INTEGER:
            self.expect(INTEGER)
        return integer_from(self._data[self._body : self._stop])

    def object_identifier(self) -> str:
        """Return the value of an OBJECT IDENTIFIER, dotted.

        Raises:
            MalformedError: it is none, or names nothing.
        """
        return object_identifier_from(self.expect(OBJECT_IDENTIFIER).contents)

    def definite(self) -> bytes:
        """Return the same value with every length definite and as short as it goes."""
        if not self.constructed:
            return encode(self.tag, self.contents)
        return encode(self.tag, *(child.definite() for child in self))


def parse(data: bytes, inner: int = MAX_INNER_VALUES) -> Element:
    """Read ``data`` as exactly one value.

    Args:
        data: octets.
        inner: how many values one of indefinite length may hold that is inside it.

    Raises:
        MalformedError: it is not one value, or something follows it.
    """
    element = Element(data, inner=inner)
    if element.end != len(data):
        raise MalformedError("something follows a value where nothing may")
    return element


def integer_from(contents: bytes) -> int:
    """Return the number that the contents of an INTEGER are.

    Raises:
        MalformedError: there are none, or too many.
    """
    if not contents:
        raise MalformedError("an INTEGER is empty")
    if len(contents) > _MAX_INTEGER_OCTETS:
        raise MalformedError("an INTEGER is too large")
    return int.from_bytes(contents, "big", signed=True)


@lru_cache(maxsize=1024)  # these come from outside
def object_identifier_from(contents: bytes) -> str:
    """Return what the contents of an OBJECT IDENTIFIER name, dotted.

    Raises:
        MalformedError: they name nothing, or are too many.
    """
    if not contents or contents[-1] & 0x80 or len(contents) > _MAX_OID_OCTETS:
        raise MalformedError("an OBJECT IDENTIFIER is malformed")
    arcs: list[int] = []
    arc = 0
    for octet in contents:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))
