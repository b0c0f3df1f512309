"""Archives that are written: zip (APPNOTE 6.3, with Zip64), and tar, alone or compressed with gzip or Zstandard.

Each can be cut off between two messages and gone on with: entries of a zip have their sizes before them, and its
directory is made at the end from what stands there; a compressed tar is a row of gzip members or Zstandard frames,
one for each part that a worker made.
"""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple, Protocol, cast, get_args

from smime_session.batch.compression import zstandard
from smime_session.batch.growing import Form, Frame, GrowingTarget
from smime_session.batch.targets import SHARED

if TYPE_CHECKING:
    from smime_session.batch.storing import Task

ArchiveForm = Literal["zip", "tar", "tar.gz", "tar.zst"]

ARCHIVE_FORMS: Final[tuple[ArchiveForm, ...]] = get_args(ArchiveForm)

_BLOCK: Final = 1 << 20
_SAMPLE: Final = 1 << 14  # bytes that tell how the rest is compressed
_LEVEL: Final = 6  # of deflate
_STRATEGIES: Final = (zlib.Z_HUFFMAN_ONLY, zlib.Z_DEFAULT_STRATEGY)
_GZIP: Final = 16 + zlib.MAX_WBITS
_ZSTANDARD_LEVEL: Final = 3

_LOCAL: Final = struct.Struct("<4s5H3I2H")  # APPNOTE 4.3.7
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")  # 4.3.12
_END: Final = struct.Struct("<4s4H2IH")  # 4.3.16
_END_64: Final = struct.Struct("<4sQ2H2I4Q")  # 4.3.14
_LOCATOR_64: Final = struct.Struct("<4sIQI")  # 4.3.15
_SIZES_64: Final = struct.Struct("<2H2Q")  # 4.5.3
_MOST_16: Final = 0xFFFF
_MOST_32: Final = 0xFFFFFFFF
_ZIP64: Final = 0x0001
_PADDING: Final = 0xD935  # as archives of Android have it, to align what follows
_DEFLATED: Final = 8
_UTF8: Final = 1 << 11
_VERSION: Final = 20
_VERSION_64: Final = 45
_UNIX: Final = 3 << 8
_FIRST_YEAR: Final = 1980  # that a zip can tell
_LAST_YEAR: Final = 2107


class _Deflater(Protocol):
    def compress(self, data: bytes | memoryview, /) -> bytes: ...

    def flush(self) -> bytes: ...


def _deflater(sample: bytes, form: int) -> _Deflater:
    """Return what compresses data like a sample, in the form that zlib knows by this number.

    What is encrypted, in base64, has no repetitions: to look for them takes most of the time and makes it longer.
    """
    sizes = [
        len((trial := zlib.compressobj(_LEVEL, strategy=strategy)).compress(sample)) + len(trial.flush())
        for strategy in _STRATEGIES
    ]
    strategy = zlib.Z_HUFFMAN_ONLY if sizes[0] <= sizes[1] * 1.05 else zlib.Z_DEFAULT_STRATEGY
    return zlib.compressobj(_LEVEL, wbits=form, strategy=strategy)


class _TarFrame(Frame):
    """A message in a tar. Its header is written once more when its size is known, and is no longer then."""

    def __init__(self, stream: BinaryIO, entry: tarfile.TarInfo) -> None:
        super().__init__(stream)
        self._entry = entry

    def start(self) -> None:
        """Write the header."""
        self._entry.size = 0
        self._stream.write(self._header())

    def _header(self) -> bytes:
        return self._entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")

    def write(self, data: object) -> int:
        octets = memoryview(cast("bytes", data)).cast("B")
        self._stream.write(octets)
        self._entry.size += len(octets)
        return len(octets)

    def finish(self) -> None:
        """Fill the last block, and write the header with the size."""
        self._stream.write(bytes(-self._entry.size % tarfile.BLOCKSIZE))
        end = self._stream.tell()
        self._stream.seek(self._begin)
        self._stream.write(self._header())
        self._stream.seek(end)


class _Tar(NamedTuple):
    """What a tar looks like: a :class:`~smime_session.batch.growing.Form`.

    Attributes:
        form: how it is compressed.
        permissions: those of its entries.
    """

    form: ArchiveForm
    permissions: int

    def frame(self, stream: BinaryIO, task: Task) -> Frame:
        """Begin with a message."""
        entry = tarfile.TarInfo(task.item.place)
        entry.mode = self.permissions
        entry.mtime = max(0, int(_moment(task)))
        return _TarFrame(stream, entry)

    def place(self, task: Task) -> str:
        """Return its name in the archive."""
        return task.item.place

    def settle(self, path: str) -> None:
        """Compress a part."""
        if self.form == "tar":
            return
        compressed = Path(f"{path}-compressed")
        with Path(path).open("rb") as plain, compressed.open("wb") as target:
            self._compress(plain, target)
        compressed.replace(path)

    def end(self, growing: BinaryIO) -> None:
        """Write the two empty blocks."""
        blocks = bytes(2 * tarfile.BLOCKSIZE)
        if self.form == "tar":
            growing.write(blocks)
        else:
            self._compress(io.BytesIO(blocks), growing)

    def _compress(self, plain: BinaryIO, target: BinaryIO) -> None:
        """Write a gzip member or a Zstandard frame."""
        if self.form == "tar.gz":
            block = plain.read(_BLOCK)
            deflate = _deflater(block[:_SAMPLE], _GZIP)
            while block:
                target.write(deflate.compress(block))
                block = plain.read(_BLOCK)
            target.write(deflate.flush())
        else:
            zstandard().ZstdCompressor(_ZSTANDARD_LEVEL, write_checksum=True).copy_stream(plain, target)


class _ZipFrame(Frame):
    """A message in a zip. Its header is written once more when sizes and checksum are known."""

    def __init__(self, stream: BinaryIO, name: str, moment: float) -> None:
        super().__init__(stream)
        self._name = name.encode("utf-8", "surrogateescape")
        self._moment = _dos_time(moment)
        self._held = b""
        self._deflate: _Deflater | None = None
        self._checksum = self._size = self._compressed = 0

    def start(self) -> None:
        """Write the header."""
        self._held, self._deflate = b"", None
        self._checksum = self._size = self._compressed = 0
        self._stream.write(self._header())

    def _header(self) -> bytes:
        large = max(self._size, self._compressed) >= _MOST_32
        sizes = (_MOST_32, _MOST_32) if large else (self._compressed, self._size)
        told = (_ZIP64, 16, self._size, self._compressed) if large else (_PADDING, 16, 1, 0)
        extra = _SIZES_64.pack(*told)
        return (
            _LOCAL.pack(
                b"PK\3\4",
                _VERSION_64 if large else _VERSION,
                _UTF8 if _is_utf8(self._name) else 0,
                _DEFLATED,
                *self._moment,
                self._checksum,
                *sizes,
                len(self._name),
                len(extra),
            )
            + self._name
            + extra
        )

    def write(self, data: object) -> int:
        octets = memoryview(cast("bytes", data)).cast("B")
        self._checksum = zlib.crc32(octets, self._checksum)
        self._size += len(octets)
        if self._deflate is not None:
            self._emit(self._deflate.compress(octets))
        else:
            self._held += octets
            if len(self._held) >= _SAMPLE:
                self._begin_deflating()
        return len(octets)

    def _begin_deflating(self) -> _Deflater:
        self._deflate = _deflater(self._held[:_SAMPLE], -zlib.MAX_WBITS)
        self._emit(self._deflate.compress(self._held))
        self._held = b""
        return self._deflate

    def _emit(self, octets: bytes) -> None:
        self._compressed += len(octets)
        self._stream.write(octets)

    def finish(self) -> None:
        """Write what is held, and the header."""
        deflate = self._deflate or self._begin_deflating()
        self._emit(deflate.flush())
        end = self._stream.tell()
        self._stream.seek(self._begin)
        self._stream.write(self._header())
        self._stream.seek(end)


class _Zip(NamedTuple):
    """What a zip looks like: a :class:`~smime_session.batch.growing.Form`.

    Attributes:
        permissions: those of its entries.
    """

    permissions: int

    def frame(self, stream: BinaryIO, task: Task) -> Frame:
        """Begin with a message."""
        return _ZipFrame(stream, task.item.place, _moment(task))

    def place(self, task: Task) -> str:
        """Return its name in the archive."""
        return task.item.place

    def settle(self, path: str) -> None:
        """Leave a part as it is."""

    def end(self, growing: BinaryIO) -> None:
        """Write the directory, from the headers of the entries; it is not held in memory."""
        begin = growing.seek(0, io.SEEK_END)
        written = count = offset = 0
        held = bytearray()
        while offset < begin:
            growing.seek(offset)
            entry, offset = self._entry(growing, offset)
            held += entry
            count += 1
            if len(held) > _BLOCK or offset >= begin:
                growing.seek(begin + written)
                written += growing.write(held)
                held.clear()
        growing.seek(begin + written)
        growing.write(_zip_end(begin, written, count))

    def _entry(self, growing: BinaryIO, offset: int) -> tuple[bytes, int]:
        """Return what the directory tells of an entry, and where the next one begins."""
        header = _LOCAL.unpack(growing.read(_LOCAL.size))
        _, _, flags, method, clock, day, checksum, compressed, size, name_size, extra_size = header
        name, extra = growing.read(name_size), growing.read(extra_size)
        if compressed == _MOST_32:
            _, _, size, compressed = _SIZES_64.unpack(extra)
        wide = [each for each in (size, compressed, offset) if each >= _MOST_32]
        extra = struct.pack(f"<2H{len(wide)}Q", _ZIP64, 8 * len(wide), *wide) if wide else b""
        version = _VERSION_64 if wide else _VERSION
        entry = _CENTRAL.pack(
            b"PK\1\2",
            _UNIX | version,
            version,
            flags,
            method,
            clock,
            day,
            checksum,
            min(compressed, _MOST_32),
            min(size, _MOST_32),
            name_size,
            len(extra),
            0,  # of a comment
            0,  # the disk
            0,  # no text that would get other line ends
            (stat.S_IFREG | self.permissions) << 16,
            min(offset, _MOST_32),
        )
        return entry + name + extra, offset + _LOCAL.size + name_size + _SIZES_64.size + compressed


def _zip_end(begin: int, size: int, count: int) -> bytes:
    """Return the end of a zip whose directory begins there, with so many bytes and entries."""
    wide = count >= _MOST_16 or max(begin, size) >= _MOST_32
    end = b""
    if wide:
        end += _END_64.pack(
            b"PK\6\6", _END_64.size - 12, _UNIX | _VERSION_64, _VERSION_64, 0, 0, count, count, size, begin
        )
        end += _LOCATOR_64.pack(b"PK\6\7", 0, begin + size, 1)
    narrow = min(count, _MOST_16), min(count, _MOST_16), min(size, _MOST_32), min(begin, _MOST_32)
    return end + _END.pack(b"PK\5\6", 0, 0, *narrow, 0)


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _dos_time(moment: float) -> tuple[int, int]:
    """Return time and date as a zip has them: local, in steps of two seconds."""
    told = time.localtime(moment)
    if not _FIRST_YEAR <= told.tm_year <= _LAST_YEAR:
        return 0, 0x21  # the first day that there is
    clock = told.tm_hour << 11 | told.tm_min << 5 | min(told.tm_sec, 59) // 2
    return clock, (told.tm_year - _FIRST_YEAR) << 9 | told.tm_mon << 5 | told.tm_mday


def _moment(task: Task) -> float:
    return time.time() if task.item.modified is None else task.item.modified


class ArchiveTarget(GrowingTarget):
    """A new archive, with messages in the order of the source. It appears when it is complete.

    What is tried again after a failure comes after the others. Other programs open it: ``unzip``, ``tar``.

    Args:
        path: the file, which must not exist.
        form: what it is.
        permissions: its permissions, less the umask, and those of its entries.

    Raises:
        BatchError: it is to be compressed with Zstandard, and the package zstandard is not installed.
    """

    def __init__(self, path: str, form: ArchiveForm, permissions: int = SHARED) -> None:
        if form == "tar.zst":
            zstandard()
        inside = permissions & ~0o022
        looks: Form = _Zip(inside) if form == "zip" else _Tar(form, inside)
        super().__init__(path, looks, permissions)
