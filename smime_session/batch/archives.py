"""Archives of mails: zip and tar. What an archive should not make a program do is refused, by the name of the entry."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, cast

from smime_session import MessageError
from smime_session.batch.items import Data, Item, Refused, Section
from smime_session.batch.sources import ENDING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smime_session.batch.items import Content

MAX_RATIO: Final = 200  # to which an entry may grow: mail with attachments in base64 shrinks to a half, text to a tenth
HARMLESS: Final = 16 << 20  # bytes up to which it may grow in any case
MAX_COMPRESSED_TAR_MEMBER: Final = 64 << 20  # bytes of a mail in a compressed tar, which must be held in memory

_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
_LOCKED: Final = 1  # of the flags of a zip entry


def _against(name: str) -> str | None:
    """Return what speaks against the name of an entry."""
    path = PurePosixPath(name)
    if path.is_absolute() or "\\" in name or name[1:2] == ":":
        return "its name in the archive is an absolute path"
    if ".." in path.parts:
        return "its name in the archive leads out of the folder"
    if any(part.startswith(".") for part in path.parts):
        return "its name in the archive is a hidden one"
    if "\0" in name:
        return "its name in the archive has a zero byte"
    return None


def _entry(name: str, content: Content, modified: float | None, seen: set[str], reason: str | None) -> Item:
    reason = _against(name) or reason
    place = str(PurePosixPath(name))
    if reason is None and place in seen:
        reason = "the archive has several of that name"
        name = f"{name} ({len(seen)})"
    seen.add(place)
    return Item(name, place, Refused(reason) if reason else content, modified)


class ZipMember(NamedTuple):
    """An entry of a zip.

    Attributes:
        path: the archive.
        name: the entry's name.
        size: its bytes.
    """

    path: str
    name: str
    size: int

    def open(self) -> BinaryIO:
        """Open it.

        Raises:
            MessageError: it is damaged, or compressed in a way that is not supported.
        """
        with _telling():
            stream = _opened(self.path, os.getpid()).open(self.name)
        return cast("BinaryIO", io.BufferedReader(_MemberReader(cast("BinaryIO", stream))))


@lru_cache(maxsize=4)
def _opened(path: str, process: int) -> zipfile.ZipFile:
    """Open an archive, once in each process: two would move the place in a file that they share."""
    del process
    return zipfile.ZipFile(path)


class _MemberReader(io.RawIOBase):
    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any writable buffer comes
        with _telling():
            data = self._stream.read(len(buffer))
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
        seen: set[str] = set()
        try:
            archive = zipfile.ZipFile(self.path)
        except zipfile.BadZipFile as error:
            raise MessageError(f"{self.path}: {error}") from None
        with archive:
            for each in archive.infolist():
                if each.filename.lower().endswith(ENDING):
                    content = ZipMember(self.path, each.filename, each.file_size)
                    yield _entry(each.filename, content, None, seen, _against_zipped(each))


def _against_zipped(entry: zipfile.ZipInfo) -> str | None:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "it is a link or a device in the archive"
    if entry.flag_bits & _LOCKED:
        return "it is locked with a password in the archive"
    if entry.file_size > max(HARMLESS, entry.compress_size * MAX_RATIO):
        return f"it grows to more than {MAX_RATIO} times its size in the archive"
    return None


class TarSource(NamedTuple):
    """The ``.eml`` entries of a tar, which may be compressed with gzip, bzip2 or xz.

    Attributes:
        path: the archive.
    """

    path: str

    def items(self) -> Iterator[Item]:
        """Yield the entries in their order.

        Raises:
            MessageError: it is damaged, or grows beyond measure.
            OSError: it cannot be read.
        """
        try:
            yield from self._compressed() if self._is_compressed() else self._plain()
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise MessageError(f"{self.path}: {error}") from None

    def _is_compressed(self) -> bool:
        with Path(self.path).open("rb") as file:
            return file.read(6).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"))

    def _plain(self) -> Iterator[Item]:
        seen: set[str] = set()
        with tarfile.open(self.path, "r:") as archive:
            for each in _members(archive):
                content = Section(self.path, each.offset_data, each.size)
                yield _entry(each.name, content, each.mtime, seen, _against_tarred(each))

    def _compressed(self) -> Iterator[Item]:
        """Yield the entries with their bytes: there is no way to one of them but past all before."""
        seen: set[str] = set()
        most = max(HARMLESS, Path(self.path).stat().st_size * MAX_RATIO)
        with tarfile.open(self.path, "r:*") as archive:
            for each in _members(archive, most):
                reason = _against_tarred(each)
                if reason is None and each.size > MAX_COMPRESSED_TAR_MEMBER:
                    reason = "it is too large to be read from a compressed archive: unpack it first"
                file = None if reason or _against(each.name) else archive.extractfile(each)
                yield _entry(each.name, Data(file.read() if file else b""), each.mtime, seen, reason)


def _members(archive: tarfile.TarFile, most: int | None = None) -> Iterator[tarfile.TarInfo]:
    """Yield the mails, and keep none in memory."""
    while (each := archive.next()) is not None:
        vars(archive)["members"] = []  # it would keep every one
        if most is not None and each.offset_data + each.size > most:
            raise tarfile.ReadError(f"it grows to more than {MAX_RATIO} times its size")
        if each.name.lower().endswith(ENDING) and not each.isdir():
            yield each


def _against_tarred(entry: tarfile.TarInfo) -> str | None:
    if entry.issym() or entry.islnk():
        return "it is a link in the archive"
    if not entry.isreg():
        return "it is a device in the archive"
    if entry.issparse():
        return "it is kept with holes in the archive"
    return None
