"""Mailboxes in one file: mboxo, mboxrd and mboxcl2, told apart by how a line that begins with ``From`` is kept.

In mboxrd each line of ``>`` (or none) and ``From`` gets one ``>`` more, which reading takes away again. mboxo adds it
to lines without one alone, so that not every line comes back. mboxcl2 adds none and tells the size of each body in
``Content-Length``. Writing is always mboxrd, in which each line comes back.
"""

from __future__ import annotations

import io
import mmap
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
            return cast("BinaryIO", _Unquoting(stream, pattern))
        with stream:
            return io.BytesIO(pattern.sub(rb"\1", stream.read()))


class _Unquoting(io.RawIOBase):
    def __init__(self, stream: BinaryIO, pattern: re.Pattern[bytes]) -> None:
        super().__init__()
        self._stream, self._pattern = stream, pattern
        self._at_start = True
        self._held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any writable buffer comes
        wanted = len(buffer)
        pieces, count = [self._held], len(self._held)
        while count < wanted and (line := self._stream.readline(_MOST_MARKS + _LONGEST_LINE)):
            piece = self._pattern.sub(rb"\1", line) if self._at_start else line
            self._at_start = line.endswith(b"\n")
            pieces.append(piece)
            count += len(piece)
        data = b"".join(pieces)
        given, self._held = data[:wanted], data[wanted:]
        buffer[: len(given)] = given
        return len(given)

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
        with Path(self.path).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                if data[:5] != b"From ":
                    raise MessageError(f"{self.path} is no mbox: it does not begin with a line From")
                yield from self._found(data)

    def _found(self, data: mmap.mmap) -> Iterator[Item]:
        begin, number = 0, 0
        while begin < len(data):
            number += 1
            line_end = data.find(b"\n", begin)
            line_end = len(data) if line_end < 0 else line_end
            end, following = self._end(data, line_end)
            section = Section(self.path, min(line_end + 1, end), max(0, end - line_end - 1))
            yield Item(
                f"{number:06}",
                f"{number:06}.eml",
                MboxSection(section, self.form),
                from_line=data[begin:line_end].rstrip(b"\r"),
            )
            begin = following

    def _end(self, data: mmap.mmap, line_end: int) -> tuple[int, int]:
        """Return where a message ends, and where the line before the next one begins."""
        if self.form == "mboxcl2" and (told := _told_end(data, line_end)):
            return told
        if found := _NEXT.search(data, line_end):
            return found.start() + 1, found.end() - len(b"From ")
        end = len(data)
        for separator in (b"\n\r\n", b"\n\n"):
            if end - len(separator) >= line_end and data[end - len(separator) : end] == separator:
                return end - len(separator) + 1, end
        return end, end


def _told_end(data: mmap.mmap, line_end: int) -> tuple[int, int] | None:
    """Return the same by ``Content-Length``; None if there is none, or it leads to where no message can end."""
    head_end = _HEAD_END.search(data, line_end, line_end + _MOST_HEADER)
    if head_end is None or not (length := _LENGTH.search(data[line_end : head_end.start() + 1])):
        return None
    end = head_end.end() + int(length[1])
    if end > len(data):
        return None
    after = data[end : end + 8].lstrip(b"\r\n")
    blank = len(data[end : end + 8]) - len(after)
    return (end, end + blank) if after.startswith(b"From ") or end + blank == len(data) else None


class _Quoting(Frame):
    """Quotes lines on their way into an mbox."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._held = b""
        self._within = False  # whether what is held goes on in a line that is written in part

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
        stream.write((task.item.from_line or _from_line(task.item)) + b"\n")
        return _Quoting(stream)

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
