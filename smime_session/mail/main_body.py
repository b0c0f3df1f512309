"""The main body parts of a mail, found while it passes, so that legacy display elements can be put in or taken out.

A main body part is a text that a reader sees at once: of a multipart/alternative each, of other multiparts what stands
first, and never an attachment (RFC 9788, 5.2.4; RFC 9787, 7.1). What follows them is not even looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.mail.fields import (
    find_body,
    find_value,
    parse_fields_leniently,
    parse_media_type,
    parse_parameters,
    parse_token,
)
from smime_session.mail.legacy_display import AS_IT_IS, EditedPart, display_text, edited_part, remarked
from smime_session.mail.protection import is_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session.mail.blocks import Block
    from smime_session.mail.fields import Field

_PIECE: Final = 1 << 16  # bytes looked at together: what a boundary line costs at most
_MAX_PART_HEAD: Final = 1 << 16  # bytes; real ones have a few hundred
_MAX_BOUNDARY_LINE: Final = 1000  # bytes with padding
_MAX_DEPTH: Final = 32  # of parts in parts
_MAX_LINES: Final = 1000  # boundary lines that are followed; a mail has a handful before its main body ends
_ALTERNATIVE: Final = "multipart/alternative"


class MainBody:
    """Put legacy display elements into the main body parts of a mail, or take them out.

    Args:
        fields: the fields of the mail's head.
        text: what the elements show; None to take them out.

    Attributes:
        changed: whether the mail itself is a part that was changed, which its own Content-Type has to say; None as long
            as that is not known, and then nothing was returned of its body.
    """

    def __init__(self, fields: tuple[Field, ...], text: str | None) -> None:
        self._fields = fields
        self._text = text
        self._opened: list[_Multipart] = []
        self._part: EditedPart | None = None
        self._held = b""
        self._lines = 0
        self._at_line = True  # what is held begins with a line
        self._in_head = False
        self._enter(b"", fields)
        self.changed: bool | None = None if self._part else False

    @classmethod
    def showing(cls, hidden: Sequence[Field], fields: tuple[Field, ...]) -> MainBody:
        """Put in what shows hidden fields."""
        return cls(fields, display_text(hidden))

    def fields(self, *, changed: bool) -> tuple[Field, ...]:
        """Return the fields of the mail's head, which say so if the mail itself is a part that was changed."""
        return remarked(self._fields, self._text) if changed else self._fields

    def convert(self, block: Block) -> Block:
        """Return what is certain of the body after its next ``block``."""
        done: list[Block] = []
        taken = 0
        with memoryview(block) as view:
            while taken < len(view) and (self._part or self._opened):
                self._held += view[taken : taken + _PIECE]
                taken += _PIECE
                done.append(self._convert(ended=False))
            return b"".join((*done, view[taken:])) if done else block

    def finish(self) -> bytes:
        """Return what waited for more."""
        return self._convert(ended=True)

    def _convert(self, *, ended: bool) -> bytes:
        done: list[bytes] = []
        while True:
            if self._in_head and not self._take_head(done, ended=ended):
                break
            line = self._next_boundary(ended=ended)
            done.append(
                self._take_content(
                    self._certain(ended=ended) if line is None else line.begin, ended=ended or line is not None
                )
            )
            if line is None:
                break
            done.append(self._take(line.end - line.begin))
            self._pass(line)
        return b"".join(done)

    def _take(self, size: int) -> bytes:
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def _take_content(self, size: int, *, ended: bool) -> bytes:
        """Take the next bytes of the body of a part, and change them if they are to be."""
        self._at_line = self._at_line and not size
        content = self._take(size)
        if self._part is None:
            return content
        if ended and self._at_line and self._held.startswith(b"--"):  # it would take what is put in for its line ending
            content = self._part.leave()
        else:
            content = self._part.convert(content, ended=ended)
        if self.changed is None:
            self.changed = self._part.changed
        if self._part.changed is not None:
            self._part = None
        return content

    def _take_head(self, done: list[bytes], *, ended: bool) -> bool:
        """Take the head of a part and decide what it is; False if more of it has to come."""
        end = find_body(self._held)
        if not end and not ended and len(self._held) <= _MAX_PART_HEAD:
            return False
        self._in_head = False
        head = self._held[:end]
        if end and end <= _MAX_PART_HEAD and self._next_boundary(ended=False, before=end) is None:
            self._take(end)
            done.append(self._enter(head, parse_fields_leniently(head)))
        return True

    def _enter(self, head: bytes, fields: tuple[Field, ...]) -> bytes:
        """Begin a part on the way to the main body; return its head, unless that waits until its fate is known."""
        if parse_token(find_value(fields, "content-disposition")) == "attachment":
            return head
        self._part = edited_part(head, fields, self._text)
        if self._part:
            return b""
        value = find_value(fields, "content-type")
        media_type, boundary = parse_media_type(value), parse_parameters(value).get("boundary", "").encode()
        encoding = parse_token(find_value(fields, "content-transfer-encoding")) or "7bit"
        if (
            media_type.startswith("multipart/")
            and not is_layer(media_type)
            and encoding in AS_IT_IS
            and boundary
            and len(self._opened) < _MAX_DEPTH
        ):
            self._opened.append(_Multipart(b"--" + boundary, every=media_type == _ALTERNATIVE))
        return head

    def _pass(self, line: _BoundaryLine) -> None:
        """Go on behind a boundary line."""
        self._part = None
        self._at_line = True
        self._lines += 1
        del self._opened[line.level + 1 :]
        multipart = self._opened[line.level]
        if line.last:
            self._opened.pop()
        elif multipart.every or not multipart.begun:
            multipart.begun = self._in_head = True
        if self._lines > _MAX_LINES or not (self._in_head or any(each.every for each in self._opened)):
            self._in_head = False
            self._opened.clear()

    def _next_boundary(self, *, ended: bool, before: int | None = None) -> _BoundaryLine | None:
        """Return the next boundary line of a multipart that is open, the innermost first."""
        lines: dict[bytes, tuple[int, bool]] = {}
        for level, multipart in enumerate(self._opened):
            lines[multipart.line] = level, False
            lines[multipart.line + b"--"] = level, True
        if not lines:
            return None
        held = self._held
        at = 0 if self._at_line and held.startswith(b"--") else held.find(b"\n--") + 1 or -1
        while 0 <= at < (len(held) if before is None else before):
            feed = held.find(b"\n", at)
            if feed < 0 and not ended:
                return None
            if found := lines.get(held[at : feed if feed >= 0 else None].rstrip(b" \t\r")):
                begin = at - (2 if held[max(0, at - 2) : at] == b"\r\n" else min(at, 1))
                return _BoundaryLine(begin, feed + 1 or len(held), *found)
            at = held.find(b"\n--", at) + 1 or -1
        return None

    def _certain(self, *, ended: bool) -> int:
        """Return how many of the held bytes begin no boundary line."""
        held = self._held
        if ended or not self._opened:
            return len(held)
        line = held.rfind(b"\n") + 1
        begins = line > 0 or self._at_line
        if begins and (held[line : line + 2] or b"--") in {b"-", b"--"} and len(held) - line < _MAX_BOUNDARY_LINE:
            return line - (2 if held[max(0, line - 2) : line] == b"\r\n" else min(line, 1))
        return len(held) - held.endswith(b"\r")


class _Multipart:
    """A multipart whose end was not found yet.

    Attributes:
        line: what begins the line between its parts.
        every: whether each of its parts may be, or hold, a main body part; otherwise the first.
        begun: whether a part of it was found.
    """

    def __init__(self, line: bytes, *, every: bool) -> None:
        self.line = line
        self.every = every
        self.begun = False


class _BoundaryLine(NamedTuple):
    """A boundary line that was found.

    Attributes:
        begin: where it begins, with the line ending before it.
        end: where it ends.
        level: of which multipart it is.
        last: whether it says that no part follows.
    """

    begin: int
    end: int
    level: int
    last: bool
