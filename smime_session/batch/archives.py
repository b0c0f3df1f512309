"""Archives of mails: zip and tar. What an archive should not make a program do is refused, by the name of the entry."""

from __future__ import annotations

import io
import lzma
import os
import sqlite3
import stat
import tarfile
import weakref
import zipfile
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, cast

from smime_session import MessageError
from smime_session.batch.compression import Forward, decompressed
from smime_session.batch.directory import entries
from smime_session.batch.items import Data, Item, Refused, Section
from smime_session.batch.sources import ENDING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smime_session.batch.directory import Entry
    from smime_session.batch.items import Content

MAX_RATIO: Final = 200  # to which an entry may grow: mail with attachments in base64 shrinks to a half, text to a tenth
HARMLESS: Final = 16 << 20  # bytes up to which it may grow in any case
MAX_COMPRESSED_TAR_MEMBER: Final = 64 << 20  # bytes of a mail in a compressed tar, which must be held in memory
_LONGEST_NAME: Final = 4096  # characters; no file system has more
_DEEPEST: Final = 128  # folders in one another
_IS_FOLDER: Final = "SELECT 1 FROM folder WHERE name = ?"
_MOST_HEADER: Final = 16 << 20  # bytes of a header of a tar

_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError)
_GROWS: Final = f"it grows to more than {MAX_RATIO} times its size in the archive"
_LOCAL_SIZE: Final = 30  # bytes of a header in a zip, before the name
_LOCKED: Final = 1  # of the flags of a zip entry


def _against(name: str) -> str | None:
    """Return what speaks against the name of an entry."""
    parts = _parts(name)
    if name.startswith("/") or "\\" in name or name[1:2] == ":":
        return "its name in the archive is an absolute path"
    if ".." in parts:
        return "its name in the archive leads out of the folder"
    if any(part.startswith(".") for part in parts):
        return "its name in the archive is a hidden one"
    if len(name) > _LONGEST_NAME or len(parts) > _DEEPEST:
        return "its name in the archive is too long"
    if "\0" in name:
        return "its name in the archive has a zero byte"
    return None


def _parts(name: str) -> list[str]:
    """Return the parts of a name that say something; pathlib would keep each in a table that only grows."""
    return [part for part in name.split("/") if part not in {"", "."}]


class _Names:
    """The names of an archive, none of which is taken twice; they may be millions, and are not held in memory."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._database.close)
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE file (name BLOB PRIMARY KEY, count INTEGER) WITHOUT ROWID;"
            "CREATE TABLE folder (name BLOB PRIMARY KEY) WITHOUT ROWID;"
            "BEGIN;"
        )
        self._last = "", False

    def item(self, name: str, content: Content, modified: float | None, reason: str | None) -> Item:
        """Return an entry, refused if something speaks against it."""
        against = _against(name)
        place = "/" * name.startswith("/") + "/".join(_parts(name))
        count = self._count(place)
        if count > 1:
            against = against or "the archive has several of that name"
            name = f"{name} ({count})"
        reason = against or reason or self._against_folder(place)
        return Item(name, place, Refused(reason) if reason else content, modified)

    def _count(self, place: str) -> int:
        added = "INSERT INTO file VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET count = count + 1 RETURNING count"
        return self._asked(added, place)

    def _against_folder(self, place: str) -> str | None:
        if self._is_within_a_file(place.rpartition("/")[0]) or self._asked(_IS_FOLDER, place):
            return "the archive has a file and a folder of one name"
        return None

    def _is_within_a_file(self, folder: str) -> bool:
        """Tell whether a folder, or one that it is in, has the name of a file before; that name is a folder's now."""
        if self._last == (folder, False):
            return False
        within, each = False, folder
        while each:
            within |= bool(self._asked("SELECT 1 FROM file WHERE name = ?", each))
            self._asked("INSERT OR IGNORE INTO folder VALUES (?)", each)
            each = each.rpartition("/")[0]
        self._last = folder, within
        return within

    def _asked(self, query: str, name: str) -> int:
        found = self._database.execute(query, (name.encode("utf-8", "surrogateescape"),)).fetchall()
        return int(found[0][0]) if found else 0


class ZipMember(NamedTuple):
    """An entry of a zip.

    Attributes:
        path: the archive.
        raw: the entry's name, as it is in the archive.
        begin: where its header is, in bytes.
        compressed: how many bytes it has there.
        size: how many it has unpacked.
        method: how it is compressed, by its number.
        checksum: the CRC-32 of what it has.
    """

    path: str
    raw: bytes
    begin: int
    compressed: int
    size: int
    method: int
    checksum: int

    def open(self) -> BinaryIO:
        """Open it.

        Raises:
            MessageError: it is damaged, or compressed in a way that is not supported.
        """
        with _telling():
            entry = zipfile.ZipInfo()
            entry.compress_type, entry.compress_size = self.method, self.compressed
            entry.file_size, entry.CRC = self.size, self.checksum
            section = Section(self.path, self._data(), self.compressed).open()
            stream = zipfile.ZipExtFile(section, "r", entry, close_fileobj=True)
        return cast("BinaryIO", io.BufferedReader(_MemberReader(cast("BinaryIO", stream), self.size)))

    def _data(self) -> int:
        """Return where its bytes begin, behind a header that must be its own."""
        if self.begin < 0:
            raise zipfile.BadZipFile("the directory tells of it where nothing is")
        with Path(self.path).open("rb") as file:
            file.seek(self.begin)
            header = file.read(_LOCAL_SIZE)
            names = int.from_bytes(header[26:28], "little")
            extras = int.from_bytes(header[28:30], "little")
            raw = file.read(names)
        if not header.startswith(b"PK\3\4") or raw != self.raw:
            raise zipfile.BadZipFile("the directory tells of it where it is not")
        return self.begin + _LOCAL_SIZE + names + extras


class _MemberReader(io.RawIOBase):
    def __init__(self, stream: BinaryIO, size: int) -> None:
        super().__init__()
        self._stream = stream
        self._missing = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any writable buffer comes
        with _telling():
            data = self._stream.read(len(buffer))
            self._missing -= len(data)
            if self._missing and not data and buffer:
                raise zipfile.BadZipFile("it has not as many bytes as the directory tells")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise MessageError(f"it cannot be read from the archive: {error}") from None


class ZipSource(NamedTuple):
    """The ``.eml`` entries of a zip.

    Attributes:
        path: the archive.
    """

    path: str

    def items(self) -> Iterator[Item]:
        """Yield the entries in their order.

        Raises:
            MessageError: it is damaged.
            OSError: it cannot be read.
        """
        names = _Names()
        with Path(self.path).open("rb") as file:
            most = max(HARMLESS, os.fstat(file.fileno()).st_size * MAX_RATIO)
            try:
                for each in entries(file):
                    name = _zip_name(each.raw)
                    if name.partition("\0")[0].lower().endswith(ENDING):
                        reason = _against_zipped(each)
                        if reason is None and (most := most - each.size) < 0:
                            reason = _GROWS
                        place = each.begin, each.compressed, each.size
                        content = ZipMember(self.path, each.raw, *place, each.method, each.checksum)
                        yield names.item(name, content, each.moment, reason)
            except MessageError as error:
                raise MessageError(f"{self.path}: {error}") from None


def _zip_name(raw: bytes) -> str:
    """Return a name; what is UTF-8 is taken for it, as many programs write it without a word of it."""
    with suppress(UnicodeDecodeError):
        return raw.decode()
    return raw.decode("cp437")


def _against_zipped(entry: Entry) -> str | None:
    if stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG):
        return "it is a link or a device in the archive"
    if entry.flags & _LOCKED:
        return "it is locked with a password in the archive"
    if entry.size > max(HARMLESS, entry.compressed * MAX_RATIO):
        return _GROWS
    return None


class TarSource(NamedTuple):
    """The ``.eml`` entries of a tar, which may be compressed with gzip, bzip2, xz or Zstandard.

    Attributes:
        path: the archive.
    """

    path: str

    def items(self) -> Iterator[Item]:
        """Yield the entries in their order.

        Raises:
            MessageError: it is damaged, or grows beyond measure.
            BatchError: it is compressed with Zstandard, and the package zstandard is not installed.
            OSError: it cannot be read.
        """
        with Path(self.path).open("rb") as file:
            try:
                yield from self._compressed(file, inside) if (inside := decompressed(file)) else self._plain()
            except (tarfile.TarError, MessageError) as error:
                raise MessageError(f"{self.path}: {error}") from None

    def _plain(self) -> Iterator[Item]:
        names = _Names()
        with _Sparing(self.path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for each in _members(archive, file):
                content = Section(self.path, each.offset_data, each.size)
                yield names.item(each.name, content, each.mtime, _against_tarred(each))

    def _compressed(self, file: BinaryIO, inside: BinaryIO) -> Iterator[Item]:
        """Yield the entries with their bytes: there is no way to one of them but past all before."""
        names = _Names()
        most = max(HARMLESS, os.fstat(file.fileno()).st_size * MAX_RATIO)
        stream = Forward(inside, most, MAX_COMPRESSED_TAR_MEMBER)
        with tarfile.open(fileobj=cast("BinaryIO", stream), mode="r:") as archive:
            for each in _members(archive, stream, most):
                reason = _against_tarred(each)
                if reason is None and each.size > MAX_COMPRESSED_TAR_MEMBER:
                    reason = "it is too large to be read from a compressed archive: unpack it first"
                entry = None if reason or _against(each.name) else archive.extractfile(each)
                yield names.item(each.name, Data(entry.read() if entry else b""), each.mtime, reason)
        stream.drain()


class _Sparing(io.BufferedReader):
    """A tar that is read where its headers are, and holds no header of any size in memory."""

    def __init__(self, path: str) -> None:
        super().__init__(io.FileIO(path))
        self.last = b""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MOST_HEADER:
            raise MessageError("it has a header that is too large to be held in memory")
        self.last = super().read(size)
        return self.last


def is_tar(path: str) -> bool:
    """Tell whether a file is a tar, compressed or not.

    Raises:
        BatchError: it is compressed with Zstandard, and the package zstandard is not installed.
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as file, _Sparing(path) as plain:
        inside = decompressed(file)
        stream = cast("BinaryIO", Forward(inside, HARMLESS, HARMLESS)) if inside else plain
        try:
            with tarfile.open(fileobj=stream, mode="r:"):
                return True
        except (tarfile.TarError, MessageError):
            return False


def _members(
    archive: tarfile.TarFile, stream: _Sparing | Forward, most: int | None = None
) -> Iterator[tarfile.TarInfo]:
    """Yield the mails, and keep none in memory."""
    while (each := archive.next()) is not None:
        vars(archive)["members"] = []  # it would keep every one
        if most is not None and each.offset_data + each.size > most:
            raise tarfile.ReadError(f"it grows to more than {MAX_RATIO} times its size")
        if each.name.lower().endswith(ENDING) and not each.isdir():
            yield each
    if stream.last != bytes(tarfile.BLOCKSIZE):  # a header that is damaged passes for the end
        raise tarfile.ReadError(f"it is damaged or cut off after {archive.offset:,} bytes")


def _against_tarred(entry: tarfile.TarInfo) -> str | None:
    if entry.issym() or entry.islnk():
        return "it is a link in the archive"
    if not entry.isreg():
        return "it is a device in the archive"
    if entry.issparse():
        return "it is kept with holes in the archive"
    return None
