"""The parts of a mail: where each stands, found without taking the mail apart (RFC 2046, 5.1).

What is found are places in the mail's bytes, so that one part can be replaced and all others kept byte for byte. A
mail of any size is read once, in little memory. Boundaries are taken as readers take them: a line that begins with
two hyphens and the boundary of a multipart that is open, the innermost first, ends whatever is open inside it.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.errors import LimitError
from smime_session.mail.entity import CMS_TYPES
from smime_session.mail.fields import (
    find_body,
    find_value,
    parse_fields_leniently,
    parse_media_type,
    parse_parameters,
    parse_token,
)
from smime_session.profiles import MAX_MAIL_HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session.mail.blocks import NextBlock
    from smime_session.mail.fields import Field

MAX_PARTS: Final = 1_000  # of one mail; a digest of a busy list has a hundred
MAX_PART_DEPTH: Final = 32  # of parts in parts; forwarded mails in forwarded mails have ten
_MAX_BOUNDARY: Final = 200  # bytes: RFC 2046, 5.1.1 has 70
_MAX_LINE: Final = 1_000  # bytes of a boundary line with its padding

_SHOWN: Final = 4 << 10  # bytes in which the end of a head is looked for first

_CMS_ENDINGS: Final = (".p7m", ".p7z")
_AS_IT_IS: Final = frozenset({"7bit", "8bit", "binary"})


class Described:
    """What header fields say of a part, each parsed once: there may be a thousand parts, with long heads.

    Args:
        fields: the header fields.
    """

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self.fields = fields

    @cached_property
    def content_type(self) -> str:
        """The media type in lower case, ``text/plain`` where nothing says so."""
        return parse_media_type(find_value(self.fields, "content-type"))

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The parameters of Content-Type, by lower-case name."""
        return parse_parameters(find_value(self.fields, "content-type"))

    @cached_property
    def is_declared(self) -> bool:
        """Whether it says that it is an S/MIME object, by media type or by file name."""
        if self.content_type in CMS_TYPES or self.parameters.get("name", "").lower().endswith(_CMS_ENDINGS):
            return True
        disposition = parse_parameters(find_value(self.fields, "content-disposition"))
        return disposition.get("filename", "").lower().endswith(_CMS_ENDINGS)


class Part(NamedTuple):
    """One part of a mail.

    Attributes:
        number: which: ``2.1`` is the first part of the second; the mail itself is ``0``.
        begin: where its head begins.
        body: where its body begins.
        end: where its body ends; the line ending before a boundary belongs to the boundary.
        described: what its head says of it.
        closed: whether a boundary ended it; otherwise the mail did.
    """

    number: str
    begin: int
    body: int
    end: int
    described: Described
    closed: bool = True

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its header fields."""
        return self.described.fields

    @property
    def content_type(self) -> str:
        """Its media type in lower case, ``text/plain`` where it says nothing."""
        return self.described.content_type

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of Content-Type, by lower-case name."""
        return self.described.parameters

    @property
    def transfer_encoding(self) -> str:
        """Its Content-Transfer-Encoding in lower case."""
        return parse_token(find_value(self.fields, "content-transfer-encoding")) or "7bit"

    @property
    def is_declared(self) -> bool:
        """Whether it says that it is an S/MIME object, by media type or by file name."""
        return self.described.is_declared

    def is_inside(self, other: Part) -> bool:
        """Tell whether it is one of the parts of another, or inside one; places do not tell that of an empty part."""
        return self.number.startswith(f"{other.number}.") or (other.number == "0" != self.number)


class _Open:
    """A part whose end was not found yet.

    Attributes:
        index: its place among all parts.
        boundary: what begins the line between its own parts, if it has any.
        children: how many of those there were.
    """

    def __init__(self, index: int, boundary: bytes) -> None:
        self.index = index
        self.boundary = boundary
        self.children = 0


def find_parts(next_block: NextBlock) -> list[Part]:
    """Return all parts of a mail, the mail itself first, each before those inside it.

    Args:
        next_block: the mail from its first byte.

    Raises:
        LimitError: there are too many, they are nested too deeply, or one has too large a head.
    """
    window = _Window(next_block)
    found: list[Part] = []
    opened: list[_Open] = []
    _open(window, found, opened)
    while opened:
        line = window.next_boundary(_boundaries(opened))
        if line is None:
            _close(opened, 0, found, window.position, closed=False)
            break
        _close(opened, line.level + 1, found, line.end, closed=True)
        if line.last:
            opened[line.level].boundary = b""
        else:
            _open(window, found, opened)
    return found


def _open(window: _Window, found: list[Part], opened: list[_Open]) -> None:
    """Read the head of a part, and that of the mail in it if it holds one as it is (RFC 2046, 5.2.1)."""
    again = True
    while again:
        if len(found) >= MAX_PARTS:
            raise LimitError("the number of parts of the mail", MAX_PARTS)
        if len(opened) >= MAX_PART_DEPTH:
            raise LimitError("the nesting of parts of the mail", MAX_PART_DEPTH)
        begin = window.position
        fields = parse_fields_leniently(window.take_head(_boundaries(opened)))
        part = Part(_number(found, opened), begin, window.position, -1, Described(fields))
        opened.append(_Open(len(found), _boundary_of(part)))
        found.append(part)
        again = part.content_type == "message/rfc822" and part.transfer_encoding in _AS_IT_IS


def _number(found: list[Part], opened: list[_Open]) -> str:
    if not opened:
        return "0"
    parent = opened[-1]
    parent.children += 1
    outer = found[parent.index].number
    return str(parent.children) if outer == "0" else f"{outer}.{parent.children}"


def _boundary_of(part: Part) -> bytes:
    """Return what begins the line between the parts of a multipart; nothing for what has none."""
    if not part.content_type.startswith("multipart/"):
        return b""
    boundary = part.parameters.get("boundary", "").encode()
    return b"--" + boundary if 0 < len(boundary) <= _MAX_BOUNDARY else b""


def _boundaries(opened: Sequence[_Open]) -> _Boundaries:
    """Return the lines that end a part that is open: the boundary of the innermost, where two have the same."""
    lines: _Lines = {}
    for level, each in enumerate(opened):
        if each.boundary:
            lines[each.boundary] = level, False
            lines[each.boundary + b"--"] = level, True
    return _Boundaries(lines)


def _close(opened: list[_Open], level: int, found: list[Part], end: int, *, closed: bool) -> None:
    """Let the parts from ``level`` on end at ``end``.

    The line ending before a boundary is no part of a head either (RFC 2046, 5.1.1): one that no other blank line ends
    has no body, and nothing inside.
    """
    if opened[level:]:
        end = max(end, found[opened[level].index].begin)
    for each in opened[level:]:
        part = found[each.index]
        begin, body = min(part.begin, end), min(part.body, end)
        found[each.index] = part._replace(begin=begin, body=body, end=end, closed=closed)
    del opened[level:]


_Lines = dict[bytes, tuple[int, bool]]
"""What is known of a boundary line by its text: which open part has it, and whether it is the last."""


class _Boundaries:
    """The boundary lines that are looked for.

    Args:
        lines: what is known of each by its text.
    """

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self._texts = [text for text, (_, last) in lines.items() if not last][::-1]

    def at(self, octets: bytes, line: int) -> tuple[int, bool] | None:
        """Return what is known of the line that begins at ``line``, if it is a boundary."""
        if not octets.startswith(b"--", line):
            return None
        feed = octets.find(b"\n", line)
        return self._lines.get(octets[line : feed if feed >= 0 else None].rstrip(b" \t\r"))

    def find(self, octets: bytes, begin: int, end: int) -> int:
        """Return where the first line feed between two places is that a boundary may follow; -1 if there is none.

        The last line may go on behind ``end``. Millions of lines that are nearly boundaries take no step of Python.
        """
        if octets.find(b"\n--", begin, end) < 0:
            return -1
        first = -1
        for text in self._texts:  # the innermost, which most probably comes first, limits the search for the others
            if found := _line_of(text).search(octets, begin, end if first < 0 else first + 1):
                first = found.start()
        return first


@lru_cache(maxsize=2 * MAX_PART_DEPTH)
def _line_of(text: bytes) -> re.Pattern[bytes]:
    last = rb"--" if text.endswith(b" ") else rb"(?:--)?"  # a line that is no last one does not end with a blank
    return re.compile(rb"\n" + re.escape(text) + last + rb"[ \t\r]*(?:\n|\Z)")


class _BoundaryLine(NamedTuple):
    """A boundary line that was found.

    Attributes:
        level: which of the boundaries.
        end: where the part before it ends.
        last: whether it says that no part follows.
    """

    level: int
    end: int
    last: bool


class _Window:
    """The bytes of a mail that are looked at; those before them are dropped."""

    def __init__(self, next_block: NextBlock) -> None:
        self._next_block = next_block
        self._bytes = b""
        self._begin = 0  # where the window stands in the mail
        self._at = 0  # where in the window to go on
        self._ended = False

    @property
    def position(self) -> int:
        """Where in the mail to go on."""
        return self._begin + self._at

    def take_head(self, boundaries: _Boundaries) -> bytes:
        """Take a head with its blank line, or what there is of it before a boundary line or the end."""
        while len(self._bytes) - self._at < _MAX_LINE and self._read_on():
            pass
        if boundaries.at(self._bytes, self._at):
            return b""
        size = _SHOWN
        while not (stop := self._end_of_head(size, boundaries)):
            if self._at + size >= len(self._bytes):
                if not self._read_on():
                    stop = len(self._bytes)
                    break
            elif size >= MAX_MAIL_HEADER_SIZE:
                raise LimitError("the size of the header of a part", MAX_MAIL_HEADER_SIZE, "bytes")
            else:
                size = min(4 * size, MAX_MAIL_HEADER_SIZE)
        head = self._bytes[self._at : stop]
        self._at = stop
        return head

    def _end_of_head(self, size: int, boundaries: _Boundaries) -> int:
        """Return where a head ends by a blank line or by a boundary line; 0 if that is not seen in ``size`` bytes."""
        end = min(self._at + size, len(self._bytes))
        feed = boundaries.find(self._bytes, self._at, end)
        body = find_body(self._bytes[self._at : end if feed < 0 else feed + 1])
        if body or feed < 0:
            return self._at + body if body else 0
        whole = self._bytes.find(b"\n", feed + 1, end) >= 0 or (self._ended and end == len(self._bytes))
        return feed + 1 if whole and boundaries.at(self._bytes, feed + 1) else 0

    def next_boundary(self, boundaries: _Boundaries) -> _BoundaryLine | None:
        """Go behind the next boundary line; None at the end of the mail."""
        while True:
            while len(self._bytes) - self._at < _MAX_LINE and self._read_on():
                pass
            if found := boundaries.at(self._bytes, self._at):
                before = self._bytes[max(0, self._at - 2) : self._at]
                end = self.position - (2 if before == b"\r\n" else len(before[-1:]))
                self._at = self._bytes.find(b"\n", self._at) + 1 or len(self._bytes)
                return _BoundaryLine(found[0], end, found[1])
            while (feed := boundaries.find(self._bytes, self._at, len(self._bytes))) < 0:
                # One may begin in the last line, whose end is not here, unless that is too long already.
                last = self._bytes.rfind(b"\n", -_MAX_LINE)
                self._at = max(self._at, len(self._bytes) - 2 if last < 0 else last)
                if not self._read_on():
                    self._at = len(self._bytes)
                    return None
            self._at = feed + 1

    def _read_on(self) -> bool:
        """Read the next block; False at the end. Of what was passed only a line ending is kept."""
        block = b"" if self._ended else self._next_block()
        self._ended = not block
        dropped = max(0, self._at - 2)
        self._bytes = b"".join((memoryview(self._bytes)[dropped:], block))
        self._begin += dropped
        self._at -= dropped
        return not self._ended
