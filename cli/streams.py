"""Streams that name themselves in errors, so that a full disk or a closed pipe is a sentence about something."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Literal


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """Say what an :class:`OSError` is about where the operating system did not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = name
        raise


def standard_stream(name: Literal["stdin", "stdout"]) -> BinaryIO:
    """Return standard input or output as bytes.

    Raises:
        OSError: the process was started without it.
    """
    stream = getattr(sys, name)
    if stream is None:
        raise OSError(errno.EBADF, "it is closed", "standard input" if name == "stdin" else "standard output")
    return cast("BinaryIO", stream.buffer)


class _Stream:
    """A binary stream with a name, otherwise the one it stands for."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self.name = name

    @property
    def stream(self) -> BinaryIO:
        """Itself, as the binary file object that it is in all but its type."""
        return cast("BinaryIO", self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401  # it has whatever the stream has
        return getattr(self._stream, attribute)


class Source(_Stream):
    """A stream that is read, and tells how far.

    Attributes:
        name: what it is called in messages.
        size: its bytes, or None if that is not known beforehand.
        position: bytes from its beginning to where it is being read.
        on_read: called after each read with the number of bytes it got.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        super().__init__(stream, name)
        self.size = _regular_size(stream)
        self.position = 0
        self.on_read: Callable[[int], object] = int  # takes the number, does nothing
        self._is_terminal = stream.isatty()
        self._ended = False  # of a terminal, which could be read on after its end

    def read(self, size: int = -1) -> bytes:
        """Read like :meth:`io.BufferedIOBase.read`."""
        if self._ended:
            return b""
        with naming(self.name):
            data = self._stream.read(size)
        self._advance(len(data or b""), size)  # None: a non-blocking file has nothing yet
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Read like :meth:`io.BufferedIOBase.readinto`."""
        if self._ended:
            return 0
        with naming(self.name):
            count: int = cast("Any", self._stream).readinto(buffer)
        self._advance(count, len(buffer))
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Seek like :meth:`io.IOBase.seek`."""
        with naming(self.name):
            self.position = self._stream.seek(offset, whence)
        return self.position

    def _advance(self, count: int, wanted: int) -> None:
        self._ended = self._is_terminal and (wanted < 0 or count < wanted)
        self.position += count
        self.on_read(count)


class Target(_Stream):
    """A stream that is written."""

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write like :meth:`io.BufferedIOBase.write`."""
        with naming(self.name):
            return self._stream.write(data)

    def flush(self) -> None:
        """Flush like :meth:`io.IOBase.flush`."""
        with naming(self.name):
            self._stream.flush()

    def close(self) -> None:
        """Close like :meth:`io.IOBase.close`."""
        with naming(self.name):
            self._stream.close()


def _regular_size(stream: BinaryIO) -> int | None:
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
