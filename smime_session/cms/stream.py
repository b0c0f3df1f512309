"""Read nested values (X.690) from a stream: one block of it at a time, or all of it where it comes in one block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smime_session.cms.asn1 import (
    CONSTRUCTED,
    END_OF_CONTENTS,
    INDEFINITE,
    OCTET_STRING,
    OCTETS,
    Element,
    header,
    length,
    parse,
)
from smime_session.errors import LimitError, MalformedError
from smime_session.profiles import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smime_session.cms.asn1 import Buffer

_MAX_COLLECTED: Final = (
    1 << 20
)  # values walked to find an end that no length tells; 20,000 recipients make half as many
_LONG_FORM: Final = 0x80  # what length octets of more than one begin with, at least
_CUT_OFF: Final = "the message is cut off"


class Stream:
    """Reads nested values from blocks of octets, of any size, holding one block at a time.

    It stands before a value or at the end of what it has entered; :meth:`peek` tells which.

    Args:
        next_block: returns the next block, empty at the end.
    """

    def __init__(self, next_block: Callable[[], Buffer]) -> None:
        self._next_block = next_block
        self._block: Buffer = b""
        self._at = 0
        self._before = 0
        self._frames: list[tuple[bool, int | None]] = []  # what was entered: whether its end is known, and the limit
        self._limit: int | None = None  # the innermost end that is known
        self._collected = 0
        self.indefinite = False

    @property
    def offset(self) -> int:
        """Octets read so far."""
        return self._before + self._at

    def peek(self) -> int | None:
        """Return the tag of the next value, or None at the end of the current one."""
        if not self._frames:
            return self._block[self._at] if self._fill(1) else None
        if self._frames[-1][0]:
            if self._before + self._at == self._limit:
                return None
        elif self._look(2) == END_OF_CONTENTS:
            return None
        if self._at == len(self._block) and not self._fill(1):
            raise MalformedError(_CUT_OFF, self.offset)
        return self._block[self._at]

    def definite_size(self, tag: int) -> int | None:
        """Return the length of the next value, without taking anything; None if it is indefinite or not of ``tag``."""
        needed = 2
        while self._look(needed)[0] == tag:
            try:
                _, size, body = header(self._block, self._at, len(self._block))
            except MalformedError:  # raised when it is asked for
                return None
            if body <= len(self._block):
                return size
            needed = body - self._at
        return None

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
        self._push(size)

    def _push(self, size: int | None) -> None:
        if size is None:
            self.indefinite = True
        else:
            self._limit = self._before + self._at + size
        self._frames.append((size is not None, self._limit))

    def leave(self) -> None:
        """Go out of the value that was entered, which must be at its end.

        Raises:
            MalformedError: something is left in it.
        """
        frames = self._frames
        known, limit = frames[-1]
        if (not known or self._before + self._at != limit) and self.peek() is not None:
            raise MalformedError("something stands where a value should end", self._before + self._at)
        frames.pop()
        if not known:
            self._at += len(END_OF_CONTENTS)  # which peek() has seen
        self._limit = frames[-1][1] if frames else None

    def element(self, limit: int, what: str) -> Element:
        """Take the next value whole, which must end within ``limit`` octets of the whole stream.

        Raises:
            LimitError: it does not; ``what`` names what is too large.
            MalformedError: it is cut off.
        """
        return parse(self.encoded(limit, what))

    def encoded(self, limit: int, what: str) -> bytes:
        """Take the next value whole, as :meth:`element` does; return its octets, its length as short as it goes.

        Raises:
            LimitError: it does not end within ``limit`` octets; ``what`` names what is too large.
            MalformedError: it is cut off.
        """
        octets: list[bytes] = []
        self._collect(octets, limit, what, 0)
        return octets[0] if len(octets) == 1 else b"".join(octets)

    def contents(self, tag: int, limit: int, what: str) -> bytes:
        """Take the next value whole, as :meth:`element` does, which must be a primitive one; return what is in it.

        Raises:
            LimitError: it does not end within ``limit`` octets; ``what`` names what is too large.
            MalformedError: it is cut off, or carries another tag than ``tag``.
        """
        block, at = self._block, self._at
        if at + 1 < len(block) and block[at] == tag and block[at + 1] < _LONG_FORM:  # as they mostly are
            end = at + 2 + block[at + 1]
            place = self._before + end
            if end <= len(block) and place <= limit and (self._limit is None or place <= self._limit):
                self._at = end
                return bytes(block[at + 2 : end])
        if not self._fill(1) or self._block[self._at] != tag:
            return self.element(limit, what).expect(tag).contents
        _, size = self._header()
        if size is None or self._before + self._at + size > limit:  # the former only if ``tag`` is a constructed one
            raise LimitError(what, limit, "bytes")
        return self._take(size)

    def _collect(self, octets: list[bytes], limit: int, what: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise LimitError("the nesting of the CMS object", MAX_DEPTH)
        self._collected += 1
        if self._collected > _MAX_COLLECTED:
            raise LimitError("the number of values in the CMS object", _MAX_COLLECTED)
        tag, size = self._header()
        if size is not None:
            if self._before + self._at + size > limit:
                raise LimitError(what, limit, "bytes")
            octets.append(b"".join((OCTETS[tag], length(size), self._take(size))))
            return
        octets += OCTETS[tag], INDEFINITE
        self.indefinite = True
        while self._look(2) != END_OF_CONTENTS:
            if self.offset > limit:
                raise LimitError(what, limit, "bytes")
            self._collect(octets, limit, what, depth + 1)
        octets.append(self._take(len(END_OF_CONTENTS)))

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
        self._push(size)
        while self.peek() is not None:
            yield from self.segments(OCTET_STRING, depth + 1)
        self.leave()

    def _pieces(self, size: int) -> Iterator[memoryview]:
        while size:
            if self._at == len(self._block) and not self._fill(1):
                raise MalformedError(_CUT_OFF, self.offset)
            piece = memoryview(self._block)[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def piece(self, tag: int) -> memoryview | None:
        """Take the next value if it is a primitive one under ``tag`` that the current block holds to its end.

        Returns:
            What is in it: a view, as :meth:`segments` would yield it alone; None if nothing was taken.
        """
        block, at = self._block, self._at
        if at == len(block) or block[at] != tag:
            return None
        try:
            _, size, body = header(block, at, len(block))
        except MalformedError:  # raised when it is asked for
            return None
        if size is None or body + size > len(block):
            return None
        self._header()
        self._at = end = body + size
        return memoryview(block)[body:end]

    def rest(self) -> memoryview:
        """Return what is left of the current block, or the next block; empty at the end."""
        self._fill(1)
        piece = memoryview(self._block)[self._at :]
        self._at += len(piece)
        return piece

    def _header(self) -> tuple[int, int | None]:
        """Take a value's identifier and length; None is the indefinite length."""
        end = len(self._block)
        tag, size, body = header(self._block, self._at, end, self._before + self._at)
        while body > end:
            complete = self._fill(body - self._at)
            end = len(self._block)
            tag, size, body = header(self._block, self._at, end, self._before + self._at)
            if not complete:
                raise MalformedError(_CUT_OFF, self.offset + min(end - self._at, 2))
        self._at = body
        limit = self._limit
        if limit is not None and size is not None and self._before + body + size > limit:
            raise MalformedError("a value is longer than what holds it", self._before + body)
        return tag, size

    def _look(self, size: int) -> bytes:
        if len(self._block) - self._at < size and not self._fill(size):
            raise MalformedError(_CUT_OFF, self.offset)
        return bytes(self._block[self._at : self._at + size])

    def _take(self, size: int) -> bytes:
        if len(self._block) - self._at < size and not self._fill(size):
            raise MalformedError(_CUT_OFF, self.offset)
        at = self._at
        self._at = end = at + size
        return bytes(self._block[at:end])

    def _fill(self, size: int) -> bool:
        """Make ``size`` octets contiguous in the current block; False if the stream ends before."""
        have = len(self._block) - self._at
        if have >= size:
            return True
        parts: list[Buffer] = [self._block[self._at :]] if have else []
        self._before += self._at
        self._at = 0
        while have < size and (block := self._next_block()):
            parts.append(block)
            have += len(block)
        self._block = parts[0] if len(parts) == 1 else b"".join(parts)
        return have >= size
