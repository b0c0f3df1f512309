"""Tag, length, value: emit DER, read DER and BER (X.690) from memory and from a stream.

Nothing here knows what the values mean. Tags are single octets, which is all that CMS needs;
every reader is bounded by a depth and by the lengths around it, and looks before it takes.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from smime_session.errors import LimitError, MalformedError
from smime_session.profiles import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
_MAX_CHILDREN: Final = 64  # of a value that is taken apart whole: no structure has that many fields; lists are iterated
_MAX_COLLECTED: Final = 1 << 20  # values looked at one by one for their end: 20,000 recipients can have half of that
_HIGH_TAG: Final = 0x1F
_LONG_FORM: Final = 0x80


_OCTETS: Final = tuple(bytes((value,)) for value in range(256))


def length(size: int) -> bytes:
    """Return the DER length octets of ``size`` (X.690, 10.1)."""
    if size < _LONG_FORM:
        return _OCTETS[size]
    width = (size.bit_length() + 7) // 8
    return _OCTETS[_LONG_FORM | width] + size.to_bytes(width, "big")


def encode(tag: int, *contents: Buffer) -> bytes:
    """Return one DER value with the joined ``contents``."""
    body = b"".join(contents)
    return b"".join((_OCTETS[tag], length(len(body)), body))


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


class Element:
    """One value inside octets that are in memory: a view, nothing is copied until asked for.

    Attributes:
        tag: the identifier octet.
        start: where its identifier octet stands.
        end: where the next value begins.
    """

    __slots__ = ("_body", "_data", "_depth", "_stop", "end", "start", "tag")

    def __init__(self, data: bytes, start: int = 0, limit: int | None = None, depth: int = 0) -> None:
        """Read the value at ``start``, which must end at or before ``limit``.

        Raises:
            MalformedError: the octets there are no such value.
            LimitError: it is nested too deeply.
        """
        if depth > MAX_DEPTH:
            raise LimitError("the nesting of the CMS object", MAX_DEPTH)
        limit = len(data) if limit is None else limit
        if limit - start < 2:  # noqa: PLR2004  # identifier and length take an octet each at least
            raise MalformedError("a value is cut off")
        self.tag = data[start]
        if self.tag & _HIGH_TAG == _HIGH_TAG:
            raise MalformedError("a tag number is too large")
        size, body = _read_length(data, start + 1, limit)
        self.start = start
        self._data = data
        self._body = body
        self._depth = depth
        if size is None:
            if not self.tag & CONSTRUCTED:
                raise MalformedError("a primitive value has no definite length")
            self._stop = self._find_end(limit)
            self.end = self._stop + len(END_OF_CONTENTS)
        else:
            self._stop = self.end = body + size
            if self._stop > limit:
                raise MalformedError("a value is longer than what holds it")

    def _find_end(self, limit: int) -> int:
        at = self._body
        while self._data[at : min(at + 2, limit)] != END_OF_CONTENTS:
            at = Element(self._data, at, limit, self._depth + 1).end
        return at

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

    def __iter__(self) -> Iterator[Element]:
        """Yield the values it is made of, one at a time.

        Raises:
            MalformedError: it is primitive, or they do not fill it exactly.
        """
        if not self.constructed:
            raise MalformedError("a constructed value was expected")
        at = self._body
        while at < self._stop:
            child = Element(self._data, at, self._stop, self._depth + 1)
            yield child
            at = child.end

    def children(self) -> list[Element]:
        """Return the few values it is made of.

        Raises:
            MalformedError: it is primitive, they do not fill it exactly, or they are not few.
        """
        found = list(islice(self, _MAX_CHILDREN + 1))
        if len(found) > _MAX_CHILDREN:
            raise MalformedError("a value is made of too many others")
        return found

    def first_child(self) -> Element | None:
        """Return the first of the values it is made of, or None if it is empty or primitive."""
        if not self.constructed or self._body == self._stop:
            return None
        return Element(self._data, self._body, self._stop, self._depth + 1)

    def expect(self, tag: int) -> Element:
        """Return itself if it carries ``tag``.

        Raises:
            MalformedError: it carries another.
        """
        if self.tag != tag:
            raise MalformedError(f"the tag {tag:#04x} was expected, not {self.tag:#04x}")
        return self

    def octets(self, tag: int = OCTET_STRING) -> bytes:
        """Return the value of an OCTET STRING, joining its parts if it is constructed (X.690, 8.7)."""
        if self.tag == tag:
            return self.contents
        self.expect(tag | CONSTRUCTED)
        return b"".join(child.octets() for child in self)

    def integer(self) -> int:
        """Return the value of an INTEGER."""
        contents = self.expect(INTEGER).contents
        if not contents:
            raise MalformedError("an INTEGER is empty")
        if len(contents) > _MAX_INTEGER_OCTETS:
            raise MalformedError("an INTEGER is too large")
        return int.from_bytes(contents, "big", signed=True)

    def object_identifier(self) -> str:
        """Return the value of an OBJECT IDENTIFIER, dotted."""
        return _dotted(self.expect(OBJECT_IDENTIFIER).contents)

    def definite(self) -> bytes:
        """Return the same value with every length definite and as short as it goes."""
        if not self.constructed:
            return encode(self.tag, self.contents)
        return encode(self.tag, *(child.definite() for child in self))


def parse(data: bytes) -> Element:
    """Read ``data`` as exactly one value.

    Raises:
        MalformedError: it is not one value, or something follows it.
    """
    element = Element(data)
    if element.end != len(data):
        raise MalformedError("something follows a value where nothing may")
    return element


def _read_length(data: bytes, at: int, limit: int) -> tuple[int | None, int]:
    """Return the length at ``at`` (None if indefinite) and where the contents begin."""
    first = data[at]
    if first < _LONG_FORM:
        return first, at + 1
    if first == _LONG_FORM:
        return None, at + 1
    width = first & 0x7F
    if width > _MAX_LENGTH_OCTETS:
        raise MalformedError("a length is too large")
    body = at + 1 + width
    if body > limit:
        raise MalformedError("a length is cut off")
    return int.from_bytes(data[at + 1 : body], "big"), body


@lru_cache(maxsize=1024)  # these come from outside
def _dotted(contents: bytes) -> str:
    if not contents or contents[-1] & 0x80 or len(contents) > 64:  # noqa: PLR2004  # far beyond any in use
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


class Stream:
    """Reads nested values from blocks of octets, of any size, holding one block at a time.

    It stands before a value or at the end of what it has entered; :meth:`peek` tells which.

    Args:
        next_block: returns the next block, empty at the end.
    """

    def __init__(self, next_block: Callable[[], Buffer]) -> None:
        self._next_block = next_block
        self._block = memoryview(b"")
        self._at = 0
        self._before = 0
        self._frames: list[int | None] = []
        self._collected = 0
        self.indefinite = False

    @property
    def offset(self) -> int:
        """Octets read so far."""
        return self._before + self._at

    def peek(self) -> int | None:
        """Return the tag of the next value, or None at the end of the current one."""
        end = self._frames[-1] if self._frames else None
        if end is not None:
            if self.offset == end:
                return None
        elif not self._frames:
            return self._block[self._at] if self._fill(1) else None
        elif self._look(2) == END_OF_CONTENTS:
            return None
        return self._look(1)[0]

    def definite_size(self, tag: int) -> int | None:
        """Return the length of the next value, without taking anything; None if it is indefinite or not of ``tag``."""
        found, first = self._look(2)
        width = first & 0x7F
        if found != tag or first == _LONG_FORM or (first > _LONG_FORM and width > _MAX_LENGTH_OCTETS):
            return None
        return first if first < _LONG_FORM else int.from_bytes(self._look(2 + width)[2 : 2 + width], "big")

    def enter(self, tag: int) -> None:
        """Go into the constructed value that comes next.

        Raises:
            MalformedError: it carries another tag, or is longer than what holds it.
            LimitError: it is nested too deeply.
        """
        found, size = self._header()
        if found != tag:
            raise MalformedError(f"the tag {tag:#04x} was expected, not {found:#04x}", self.offset)
        if len(self._frames) >= MAX_DEPTH:
            raise LimitError("the nesting of the CMS object", MAX_DEPTH)
        self._frames.append(None if size is None else self.offset + size)
        self.indefinite |= size is None

    def leave(self) -> None:
        """Go out of the value that was entered, which must be at its end.

        Raises:
            MalformedError: something is left in it.
        """
        if self.peek() is not None:
            raise MalformedError("something stands where a value should end", self.offset)
        if self._frames.pop() is None:
            self._take(len(END_OF_CONTENTS))

    def element(self, limit: int, what: str) -> Element:
        """Take the next value whole, which must end within ``limit`` octets of the whole stream.

        Raises:
            LimitError: it does not; ``what`` names what is too large.
            MalformedError: it is cut off.
        """
        octets = bytearray()
        self._collect(octets, limit, what, 0)
        return parse(bytes(octets))

    def _collect(self, octets: bytearray, limit: int, what: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise LimitError("the nesting of the CMS object", MAX_DEPTH)
        self._collected += 1
        if self._collected > _MAX_COLLECTED:
            raise LimitError("the number of values in the CMS object", _MAX_COLLECTED)
        tag, size = self._header()
        octets.append(tag)
        octets += INDEFINITE if size is None else length(size)
        if size is not None:
            if self.offset + size > limit:
                raise LimitError(what, limit)
            octets += self._take(size)
            return
        self.indefinite = True
        while self._look(2) != END_OF_CONTENTS:
            if self.offset > limit:
                raise LimitError(what, limit)
            self._collect(octets, limit, what, depth + 1)
        octets += self._take(len(END_OF_CONTENTS))

    def segments(self, tag: int, depth: int = 0) -> Iterator[memoryview]:
        """Take the next value, an OCTET STRING under ``tag``, in pieces as they come.

        Constructed ones may nest (X.690, 8.7.3); the pieces are views that live until the next is asked for.
        """
        found, size = self._header()
        if found == tag:
            if size is None:
                raise MalformedError("a primitive value has no definite length", self.offset)
            yield from self._pieces(size)
            return
        if found != tag | CONSTRUCTED:
            raise MalformedError(f"the tag {tag:#04x} was expected, not {found:#04x}", self.offset)
        if depth > MAX_DEPTH:
            raise LimitError("the nesting of the CMS object", MAX_DEPTH)
        self._frames.append(None if size is None else self.offset + size)
        self.indefinite |= size is None
        while self.peek() is not None:
            yield from self.segments(OCTET_STRING, depth + 1)
        self.leave()

    def _pieces(self, size: int) -> Iterator[memoryview]:
        while size:
            if self._at == len(self._block) and not self._fill(1):
                raise MalformedError("the message is cut off", self.offset)
            piece = self._block[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def rest(self) -> memoryview:
        """Return what is left of the current block, or the next block; empty at the end."""
        self._fill(1)
        piece = self._block[self._at :]
        self._at += len(piece)
        return piece

    def _header(self) -> tuple[int, int | None]:
        """Take a value's identifier and length; None is the indefinite length."""
        tag = self._take(1)[0]
        if tag & _HIGH_TAG == _HIGH_TAG:
            raise MalformedError("a tag number is too large", self.offset)
        size: int | None = self._take(1)[0]
        if size == _LONG_FORM:
            if not tag & CONSTRUCTED:
                raise MalformedError("a primitive value has no definite length", self.offset)
            return tag, None
        if size is not None and size > _LONG_FORM:
            width = size & 0x7F
            if width > _MAX_LENGTH_OCTETS:
                raise MalformedError("a length is too large", self.offset)
            size = int.from_bytes(self._take(width), "big")
        self._check_frame(size or 0)
        return tag, size

    def _check_frame(self, size: int) -> None:
        for end in reversed(self._frames):
            if end is not None:
                if self.offset + size > end:
                    raise MalformedError("a value is longer than what holds it", self.offset)
                return

    def _look(self, size: int) -> bytes:
        if not self._fill(size):
            raise MalformedError("the message is cut off", self.offset)
        return bytes(self._block[self._at : self._at + size])

    def _take(self, size: int) -> bytes:
        taken = self._look(size)
        self._at += size
        return taken

    def _fill(self, size: int) -> bool:
        """Make ``size`` octets contiguous in the current block; False if the stream ends before."""
        if len(self._block) - self._at >= size:
            return True
        parts: list[Buffer] = [self._block[self._at :]] if self._at < len(self._block) else []
        have = len(self._block) - self._at
        self._before += self._at
        self._at = 0
        while have < size and (block := self._next_block()):
            parts.append(block)
            have += len(block)
        self._block = memoryview(parts[0] if len(parts) == 1 else b"".join(parts))
        return have >= size
