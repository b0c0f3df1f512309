"""The parts of a mail: where each stands, found without taking the mail apart (RFC 2046, 5.1).

What is found are places in the mail's bytes, so that one part can be replaced and all others kept byte for byte. A
mail of any size is read once, in little memory. Boundaries are taken as readers take them: a line that begins with
two hyphens and the boundary of a multipart that is open, the innermost first, ends whatever is open inside it.
"""

from __future__ import annotations

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

_AS_IT_IS: Final = frozenset({"7bit", "8bit", "binary"})


class Part(NamedTuple):
    """One part of a mail.

    Attributes:
        number: which: ``2.1`` is the first part of the second; the mail itself is ``0``.
        begin: where its head begins.
        body: where its body begins.
        end: where its body ends; the line ending before a boundary belongs to the boundary.
        fields: its header fields.
        closed: whether a boundary ended it; otherwise the mail did.
    """

    number: str
    begin: int
    body: int
    end: int
    fields: tuple[Field, ...]
    closed: bool = True

    @property
    def content_type(self) -> str:
        """Its media type in lower case, ``text/plain`` where it says nothing."""
        return parse_media_type(find_value(self.fields, "content-type"))

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of Content-Type, by lower-case name."""
        return parse_parameters(find_value(self.fields, "content-type"))

    @property
    def transfer_encoding(self) -> str:
        """Its Content-Transfer-Encoding in lower case."""
        return parse_token(find_value(self.fields, "content-transfer-encoding")) or "7bit"


def is_declared(part: Part) -> bool:
    """Tell whether a part says that it is an S/MIME object, by media type or by file name."""
    disposition = parse_parameters(find_value(part.fields, "content-disposition"))
    names = (part.parameters.get("name", ""), disposition.get("filename", ""))
    return part.content_type in CMS_TYPES or any(name.lower().endswith((".p7m", ".p7z")) for name in names)


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
        part = Part(_number(found, opened), begin, window.position, -1, fields)
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
    lines: _Boundaries = {}
    for level, each in enumerate(opened):
        if each.boundary:
            lines[each.boundary] = level, False
            lines[each.boundary + b"--"] = level, True
    return lines


def _close(opened: list[_Open], level: int, found: list[Part], end: int, *, closed: bool) -> None:
    """Let the parts from ``level`` on end at ``end``, or where they begin if that is later."""
    for each in opened[level:]:
        part = found[each.index]
        found[each.index] = part._replace(end=max(part.body, end), closed=closed)
    del opened[level:]


_Boundaries = dict[bytes, tuple[int, bool]]
"""What is known of a boundary line by its text: which open part has it, and whether it is the last."""


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
        size, end = _SHOWN, 0
        while not (end := find_body(self._bytes[self._at : self._at + size])):
            if self._at + size >= len(self._bytes):
                if not self._read_on():
                    break
            elif size >= MAX_MAIL_HEADER_SIZE:
                raise LimitError("the size of the header of a part", MAX_MAIL_HEADER_SIZE, "bytes")
            else:
                size = min(4 * size, MAX_MAIL_HEADER_SIZE)
        stop = self._at + end if end else len(self._bytes)
        line = self._at
        while 0 <= line < stop:
            if self._boundary_at(line, boundaries):
                stop = line
            line = self._bytes.find(b"\n--", line) + 1 or -1
        head = self._bytes[self._at : stop]
        self._at = stop
        return head

    def next_boundary(self, boundaries: _Boundaries) -> _BoundaryLine | None:
        """Go behind the next boundary line; None at the end of the mail."""
        while True:
            while len(self._bytes) - self._at < _MAX_LINE and self._read_on():
                pass
            if found := self._boundary_at(self._at, boundaries):
                before = self._bytes[max(0, self._at - 2) : self._at]
                end = self.position - (2 if before == b"\r\n" else len(before[-1:]))
                self._at = self._bytes.find(b"\n", self._at) + 1 or len(self._bytes)
                return _BoundaryLine(found[0], end, found[1])
            while (feed := self._bytes.find(b"\n--", self._at)) < 0:
                self._at = max(self._at, len(self._bytes) - 2)  # it may begin here
                if not self._read_on():
                    self._at = len(self._bytes)
                    return None
            self._at = feed + 1

    def _boundary_at(self, line: int, boundaries: _Boundaries) -> tuple[int, bool] | None:
        """Return what is known of the line that begins at ``line``, if it is a boundary."""
        if not self._bytes.startswith(b"--", line):
            return None
        feed = self._bytes.find(b"\n", line)
        return boundaries.get(self._bytes[line : feed if feed >= 0 else None].rstrip(b" \t\r"))

    def _read_on(self) -> bool:
        """Read the next block; False at the end. Of what was passed only a line ending is kept."""
        block = b"" if self._ended else self._next_block()
        self._ended = not block
        dropped = max(0, self._at - 2)
        self._bytes = b"".join((memoryview(self._bytes)[dropped:], block))
        self._begin += dropped
        self._at -= dropped
        return not self._ended
