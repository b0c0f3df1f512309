"""Streams of compressed files, read one after the other in flat memory. Zstandard needs a package of its own."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from smime_session import MessageError
from smime_session.batch.extras import extra

if TYPE_CHECKING:
    from types import ModuleType

_ZSTANDARD: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = tuple(bytes((0x50 + number, 0x2A, 0x4D, 0x18)) for number in range(16))
_MOST_WINDOW: Final = 1 << 27  # bytes of memory that a Zstandard stream may ask for, as its own program has it
_PIECE: Final = 1 << 16


def zstandard() -> ModuleType:
    """Return the package zstandard.

    Raises:
        BatchError: it is not installed.
    """
    return cast("ModuleType", extra("zstandard", "zstd", "Zstandard (.tar.zst)"))


class Forward:
    """What is in a compressed file, read from its start to its end; damage and bombs are told as such.

    Args:
        stream: the compressed file, opened.
        most: bytes to which it may grow.
        piece: bytes that are read at once at most, as they are held in memory.

    Attributes:
        last: what was read last.
    """

    def __init__(self, stream: BinaryIO, most: int, piece: int) -> None:
        self._stream, self._most, self._piece = stream, most, piece
        self._position = 0
        self.last = b""

    def read(self, size: int) -> bytes:
        """Read so much, or less at the end.

        Raises:
            MessageError: it is damaged, or grows beyond measure.
        """
        if size > self._piece:
            raise MessageError("it has an entry that is too large to be held in memory")
        pieces, wanted = [], size
        while wanted and (piece := self._next(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        self.last = b"".join(pieces)
        return self.last

    def drain(self) -> None:
        """Read to the end, where checksums are.

        Raises:
            MessageError: it is damaged, or grows beyond measure.
        """
        while self._next(_PIECE):
            pass

    def _next(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise MessageError(f"it is damaged: {error}") from None
        except OSError as error:
            if error.errno is not None:
                raise
            raise MessageError(f"it is damaged: {error}") from None  # as bzip2 tells it
        except Exception as error:
            if type(error).__name__ != "ZstdError":  # of a package that is loaded only where it is needed
                raise
            raise MessageError(f"it is damaged: {error}") from None
        self._position += len(data)
        if self._position > self._most:
            raise MessageError("it grows beyond measure")
        return data

    def seek(self, position: int) -> int:
        """Skip what comes before a place that is not behind."""
        if position < self._position:
            raise MessageError("it is damaged: it would have to be read again from its start")
        while self._position < position and self._next(min(_PIECE, position - self._position)):
            pass
        return self._position

    def tell(self) -> int:
        """Return how much was read."""
        return self._position


def decompressed(file: BinaryIO) -> BinaryIO | None:
    """Return what is in a file that is compressed with gzip, bzip2, xz or Zstandard; None if it is not.

    Raises:
        BatchError: it is compressed with Zstandard, and the package zstandard is not installed.
    """
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if start.startswith(b"BZh"):
        return cast("BinaryIO", bz2.BZ2File(file))
    if start.startswith(b"\xfd7zXZ\0"):
        return cast("BinaryIO", lzma.LZMAFile(file))
    if start.startswith((_ZSTANDARD, *_SKIPPABLE)):
        decompressor = zstandard().ZstdDecompressor(max_window_size=_MOST_WINDOW)
        return cast("BinaryIO", decompressor.stream_reader(file, read_across_frames=True))
    return None
