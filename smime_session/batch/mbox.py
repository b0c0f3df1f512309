"""Mailboxes in one file: mboxo, mboxrd and mboxcl2, told apart by how a line that begins with ``From`` is kept.

In mboxrd each line of ``>`` (or none) and ``From`` gets one ``>`` more, which reading takes away again. mboxo adds it
to lines without one alone, so that not every line comes back. mboxcl2 adds none and tells the size of each body in
``Content-Length``. Writing is always mboxrd, in which each line comes back.
"""

from __future__ import annotations

import io
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple, cast

from smime_session import MessageError
from smime_session.batch.growing import Frame, GrowingTarget
from smime_session.batch.items import Item, Section
from smime_session.batch.targets import SHARED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smime_session.batch.storing import Task

MboxForm = Literal["mboxrd", "mboxo", "mboxcl2"]

SMALL: Final = 4 << 20  # bytes of a message up to which it is read in one piece
_LONGEST_LINE: Final = 1 << 16  # bytes of a line that are looked at together
_MOST_MARKS: Final = 1 << 20  # of ``>`` at the start of a line that may be one From
_PIECE: Final = 1 << 20
_LINE_END: Final = re.compile(rb"\n")
_LONGEST_PATTERN: Final = 8  # bytes of what the next two find
_NEXT: Final = re.compile(rb"\n\r?\nFrom ")
_HEAD_END: Final = re.compile(rb"\n\r?\n")
_LENGTH: Final = re.compile(rb"^content-length:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_TO_UNQUOTE: Final = {
    "mboxrd": re.compile(rb"^>(>*From )", re.MULTILINE),
    "mboxo": re.compile(rb"^>(From )", re.MULTILINE),
}
_TO_QUOTE: Final = re.compile(rb"^(>*From )", re.MULTILINE)
_MAY_BE_FROM: Final = re.compile(rb">*(?:F(?:r(?:om?)?)?)?")  # if more of the line comes
_MOST_HEADER: Final = 1 << 20  # bytes in which Content-Length is looked for


class MboxSection(NamedTuple):
    """A message in an mbox.

    Attributes:
        section: where it is.
        form: how its lines are quoted.
    """

    section: Section
    form: MboxForm

    def open(self) -> BinaryIO:
        """Open it, with its lines as they were before they were quoted."""
        stream = self.section.open()
        if self.form == "mboxcl2":
            return stream
        pattern = _TO_UNQUOTE[self.form]
        if self.section.size > SMALL:
            return cast("BinaryIO", io.BufferedReader(_Unquoting(stream, pattern)))
        with stream:
            return io.BytesIO(pattern.sub(rb"\1", stream.read()))


class _Unquoting(io.RawIOBase):
    def __init__(self, stream: BinaryIO, pattern: re.Pattern[bytes]) -> None:
        super().__init__()
        self._stream, self._pattern = stream, pattern
        self._at_start = True
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any writable buffer comes
        while not self._held and (lines := self._stream.read(_LONGEST_LINE)):
            if not lines.endswith(b"\n"):
                lines += self._stream.readline(_MOST_MARKS + _LONGEST_LINE)
            first, newline, rest = (b"", b"", lines) if self._at_start else lines.partition(b"\n")
            self._at_start = lines.endswith(b"\n")
            self._held = memoryview(first + newline + self._pattern.sub(rb"\1", rest))
        count = min(len(buffer), len(self._held))
        buffer[:count], self._held = self._held[:count], self._held[count:]
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


class MboxSource(NamedTuple):
    """The messages of an mbox, in their order.

    Attributes:
        path: the file.
        form: how its lines are quoted.
    """

    path: str
    form: MboxForm = "mboxrd"

    def items(self) -> Iterator[Item]:
        """Yield the messages by number.

        Raises:
            MessageError: it does not begin as an mbox does.
            OSError: it cannot be read.
        """
        with Path(self.path).open("rb", buffering=0) as file:
            text = _Text(file.fileno())
            if not text.size:
                return
            if text.slice(0, 5) != b"From ":
                raise MessageError(f"{self.path} is no mbox: it does not begin with a line From")
            yield from self._found(text)

    def _found(self, text: _Text) -> Iterator[Item]:
        begin, number = 0, 0
        while begin < text.size:
            number += 1
            line_end, after = text.search(_LINE_END, begin) or (text.size, text.size)
            end, following = self._end(text, line_end)
            yield Item(
                f"{number:06}",
                f"{number:06}.eml",
                MboxSection(Section(self.path, min(after, end), max(0, end - after)), self.form),
                from_line=text.slice(begin, min(line_end, begin + _LONGEST_LINE)).rstrip(b"\r"),
            )
            begin = following

    def _end(self, text: _Text, line_end: int) -> tuple[int, int]:
        """Return where a message ends, and where the line before the next one begins."""
        if self.form == "mboxcl2" and (told := _told_end(text, line_end)):
            return told
        if found := text.search(_NEXT, line_end):
            return found[0] + 1, found[1] - len(b"From ")
        end = text.size
        for separator in (b"\n\r\n", b"\n\n"):
            if end - len(separator) >= line_end and text.slice(end - len(separator), end) == separator:
                return end - len(separator) + 1, end
        return end, end


class _Text:
    """A file, of which a piece is in memory at a time; what is appended to it later is not seen.

    Args:
        descriptor: the file.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._begin, self._piece = 0, b""

    def slice(self, begin: int, end: int) -> bytes:
        """Return what is between two places, or up to the end."""
        if not (self._begin <= begin and end <= self._begin + len(self._piece)):
            return os.pread(self._descriptor, end - begin, begin)
        return self._piece[begin - self._begin : end - self._begin]

    def search(self, pattern: re.Pattern[bytes], begin: int, end: int | None = None) -> tuple[int, int] | None:
        """Return where a short pattern is found first, from a place on."""
        last = self.size if end is None else min(end, self.size)
        while begin < last:
            self._hold(begin)
            if found := pattern.search(self._piece, begin - self._begin, last - self._begin):
                return self._begin + found.start(), self._begin + found.end()
            if self._begin + len(self._piece) >= last:
                break
            begin = max(begin, self._begin + len(self._piece) - _LONGEST_PATTERN)
        return None

    def _hold(self, place: int) -> None:
        """Have a piece in memory that goes on for a pattern's length, unless the file ends."""
        end = self._begin + len(self._piece)
        if not (self._begin <= place and (place + _LONGEST_PATTERN < end or end >= self.size)):
            self._piece = os.pread(self._descriptor, min(_PIECE, self.size - place), place)
            self._begin = place
            if not self._piece:
                raise MessageError("the mbox was cut off while it was read")


def _told_end(text: _Text, line_end: int) -> tuple[int, int] | None:
    """Return the same by ``Content-Length``; None if there is none, or it leads to where no message can end."""
    head_end = text.search(_HEAD_END, line_end, line_end + _MOST_HEADER)
    if head_end is None or not (length := _LENGTH.search(text.slice(line_end, head_end[0] + 1))):
        return None
    end = head_end[1] + int(length[1])
    if end > text.size:
        return None
    following = text.slice(end, min(end + 8, text.size))
    after = following.lstrip(b"\r\n")
    blank = len(following) - len(after)
    return (end, end + blank) if after.startswith(b"From ") or end + blank == text.size else None


class _Quoting(Frame):
    """Quotes lines on their way into an mbox."""

    def __init__(self, stream: BinaryIO, from_line: bytes) -> None:
        super().__init__(stream)
        self._from_line = from_line
        self._held = b""
        self._within = False  # whether what is held goes on in a line that is written in part

    def start(self) -> None:
        """Write the line before the message."""
        self._stream.write(self._from_line + b"\n")
        self._held, self._within = b"", False

    def write(self, data: object) -> int:
        octets = bytes(cast("bytes", data))
        whole, newline, rest = (self._held + octets).rpartition(b"\n")
        self._emit(whole + newline)
        self._held = rest
        if len(rest) > _LONGEST_LINE and (self._within or not _MAY_BE_FROM.fullmatch(rest)):
            self._emit(rest)
            self._held = b""
        if len(self._held) > _MOST_MARKS:
            raise MessageError("it has a line of > that no mbox can keep: it is too long")
        return len(octets)

    def finish(self) -> None:
        """Write what is held, an end of line if there is none, and the empty line that ends each message."""
        self._emit(self._held)
        self._stream.write(b"\n\n" if self._within else b"\n")

    def _emit(self, lines: bytes) -> None:
        if not lines:
            return
        if self._within:
            first, newline, lines = lines.partition(b"\n")
            self._stream.write(first + newline)
            self._within = not newline
        if lines:
            self._stream.write(_TO_QUOTE.sub(rb">\1", lines))
            self._within = not lines.endswith(b"\n")


class _Mboxrd(NamedTuple):
    """What an mbox looks like that is written: a :class:`~smime_session.batch.growing.Form`."""

    def frame(self, stream: BinaryIO, task: Task) -> Frame:
        """Begin with a message."""
        return _Quoting(stream, task.item.from_line or _from_line(task.item))

    def place(self, task: Task) -> str:
        """Return its number."""
        return f"#{task.number}"

    def settle(self, path: str) -> None:
        """Leave a part as it is."""

    def end(self, growing: BinaryIO) -> None:
        """Write nothing: an mbox has no end."""


def _from_line(item: Item) -> bytes:
    moment = time.asctime(time.gmtime(item.modified or 0))
    return f"From MAILER-DAEMON {moment}".encode()


class MboxTarget(GrowingTarget):
    """A new mbox (mboxrd), with messages in the order of the source. It appears when it is complete.

    What is tried again after a failure comes after the others.

    Args:
        path: the file, which must not exist.
        permissions: its permissions, less the umask.
    """

    def __init__(self, path: str, permissions: int = SHARED) -> None:
        super().__init__(path, _Mboxrd(), permissions)
