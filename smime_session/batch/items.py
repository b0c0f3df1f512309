"""One message of a source: its name, and how its bytes are read. Items travel to other processes, bodies do not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast

from smime_session import MessageError


class Content(Protocol):
    """Where the bytes of a message are; it can be pickled."""

    def open(self) -> BinaryIO:
        """Open them to be read once.

        Raises:
            OSError: they cannot be read.
            MessageError: they must not be, or are damaged.
        """
        ...


class Mailbox(NamedTuple):
    """What a Maildir tells of a message beside its bytes.

    Attributes:
        folder: the subfolder as it is on disk (``.Archive``); empty for the main one.
        unique: the name without what is told of flags and size.
        file: the name as it was found, with ``cur`` or ``new`` before it.
        flags: the letters after ``:2,``.
    """

    folder: str
    unique: str
    file: str
    flags: str


class Item(NamedTuple):
    """One message of a source.

    Attributes:
        name: what it is called in the journal and in reports; no other of the source has the name.
        place: the relative path of what is made of it in a folder, with ``/`` between the parts.
        content: its bytes.
        modified: when it was last changed or received, in seconds since 1970; None if that is not known.
        mailbox: what a Maildir tells of it, or None.
        from_line: the line before it in an mbox, without its end; empty if there is none.
    """

    name: str
    place: str
    content: Content
    modified: float | None = None
    mailbox: Mailbox | None = None
    from_line: bytes = b""


class FileContent(NamedTuple):
    """A file.

    Attributes:
        path: its path.
    """

    path: str

    def open(self) -> BinaryIO:
        """Open it."""
        return Path(self.path).open("rb")


class Data(NamedTuple):
    """Bytes that are at hand, because what they are in can only be read from its start.

    Attributes:
        data: the bytes.
    """

    data: bytes

    def open(self) -> BinaryIO:
        """Open them."""
        return io.BytesIO(self.data)


class Refused(NamedTuple):
    """What is in a source and is not read.

    Attributes:
        reason: why, as a clause.
    """

    reason: str

    def open(self) -> BinaryIO:
        """Refuse.

        Raises:
            MessageError: always.
        """
        raise MessageError(self.reason)


class Section(NamedTuple):
    """A part of a file.

    Attributes:
        path: the file.
        begin: where the part begins, in bytes.
        size: how long it is, in bytes.
    """

    path: str
    begin: int
    size: int

    def open(self) -> BinaryIO:
        """Open it."""
        return cast("BinaryIO", io.BufferedReader(_SectionReader(self)))


class _SectionReader(io.RawIOBase):
    def __init__(self, section: Section) -> None:
        super().__init__()
        self._file = Path(section.path).open("rb", buffering=0)  # noqa: SIM115  # close() closes it
        self._begin, self._size = section.begin, section.size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any writable buffer comes
        wanted = min(len(buffer), max(0, self._size - self._position))
        self._file.seek(self._begin + self._position)
        data = self._file.read(wanted) if wanted else b""
        if len(data or b"") < wanted and not data:
            raise MessageError("the file was cut off while it was read")
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
