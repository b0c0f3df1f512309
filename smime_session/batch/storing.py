"""Bytes on their way to the disk: counted and hashed, in hidden files first, synced in groups."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import io
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, Protocol, cast

from smime_session import BatchError, MessageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from smime_session.batch.items import Item


class TargetFailedError(BatchError):
    """The target takes no more: it is full, or it cannot be written."""


class Task(NamedTuple):
    """One message to be worked on.

    Attributes:
        number: its number in the run.
        item: the message.
    """

    number: int
    item: Item


class Portion(Protocol):
    """What one worker makes of some messages, on its way into the target."""

    def new(self, task: Task) -> AbstractContextManager[BinaryIO]:
        """Open what is made of a message; nothing stays of it if the block fails."""
        ...

    def settle(self, tasks: Sequence[Task]) -> None:
        """See to it that what was made of these messages is on disk."""
        ...


class Writer(Protocol):
    """Where a worker leaves what it makes; it can be pickled."""

    @property
    def replaces(self) -> bool:
        """Whether it takes the place of what was read."""
        ...

    def portion(self, number: int) -> Portion:
        """Begin with some messages, of which the first has this number."""
        ...

    def place(self, task: Task) -> str:
        """Return where in the target a message will be."""
        ...


@contextmanager
def naming_target(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the system says of a target into an error that ends the run.

    Raises:
        TargetFailedError: the system refused.
    """
    try:
        yield
    except OSError as error:
        raise TargetFailedError(f"{os.fspath(path)}: {error.strerror or error}") from None


class Measured(io.RawIOBase):
    """A stream that knows how much was written to it, and the SHA-256 of that. It can be begun anew if the stream can.

    Args:
        stream: what it is written to, from its start.
        path: what the target is called if it takes no more.
    """

    def __init__(self, stream: BinaryIO, path: str) -> None:
        super().__init__()
        self._stream, self._path = stream, path
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def write(self, data: object) -> int:
        """Write all of it."""
        octets = memoryview(cast("bytes", data)).cast("B")
        self._hash.update(octets)
        self.size += len(octets)
        with naming_target(self._path):
            self._stream.write(octets)
        return len(octets)

    def seekable(self) -> bool:
        """Tell whether it can be begun anew."""
        return self._stream.seekable()

    def tell(self) -> int:
        """Return how much was written."""
        return self.size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Begin anew.

        Raises:
            io.UnsupportedOperation: it is another place than the start.
        """
        refuse_elsewhere(offset, whence)
        with naming_target(self._path):
            self._stream.seek(0)
        self._hash = hashlib.sha256()
        self.size = 0
        return 0

    def truncate(self, size: int | None = None) -> int:
        """Throw away what is behind the place."""
        del size
        with naming_target(self._path):
            self._stream.truncate()
        return self.size

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what was written."""
        return self._hash.digest()


def refuse_elsewhere(offset: int, whence: int) -> None:
    """Refuse a place in a stream that is written from its start.

    Raises:
        io.UnsupportedOperation: it is not the start.
    """
    if offset or whence != io.SEEK_SET:
        raise io.UnsupportedOperation("what is made of a message is written from its start")


class Staged(NamedTuple):
    """New files under hidden names in one folder, from where they are renamed: a :class:`Portion`.

    Attributes:
        folder: the folder, in the same file system as the target.
        root: the target.
        place: tells the relative path of what is made of a message.
        permissions: those of a new file, less the umask.
        rename: whether they are renamed once they are on disk; if not, another does it.
        shard: what tells the runs of several machines apart.
    """

    folder: str
    root: str
    place: Callable[[Task], str]
    permissions: int
    rename: bool
    shard: str = ""

    @contextmanager
    def new(self, task: Task) -> Iterator[BinaryIO]:
        """Open a new file; it is removed if the block fails.

        Raises:
            MessageError: what is made of this message cannot have its name, as that is too long.
        """
        _check_name(f"{self.root}/{self.place(task)}")
        path = staged_path(self.folder, task.number, self.shard)
        with naming_target(self.root):
            stream = os.fdopen(os.open(path, _NEW, self.permissions), "wb")
        try:
            with stream:
                yield stream
                with naming_target(self.root):
                    stream.flush()
                    if task.item.modified is not None:
                        os.utime(stream.fileno(), (task.item.modified, task.item.modified))
        except BaseException:
            with suppress(OSError):
                Path(path).unlink()
            raise

    def settle(self, tasks: Sequence[Task]) -> None:
        """Sync the files, then rename them."""
        with naming_target(self.root):
            sync_files(self.folder, (staged_path(self.folder, task.number, self.shard) for task in tasks))
            if self.rename:
                for task in tasks:
                    moved(staged_path(self.folder, task.number, self.shard), f"{self.root}/{self.place(task)}")


_SHORT_NAME: Final = 100  # octets; file systems that encrypt names have room for 143
_SHORT_PATH: Final = 900  # octets; POSIX promises less, and every system has 1,023


def _check_name(path: str) -> None:
    """Check that a file can have a name, before anything is written that would get it.

    The system is asked about what is not surely short alone: asking it takes longer than counting.
    """
    if path.isascii() and len(path) < _SHORT_PATH and max(map(len, path.split("/"))) < _SHORT_NAME:
        return
    try:
        os.lstat(path)  # pathlib takes longer than the system
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise MessageError("its name is too long for the target") from None


def seen(status: os.stat_result) -> str:
    """Return what tells a file from one that was changed, or that took its place."""
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"


def kept_rights(path: str, status: os.stat_result) -> bool:
    """Give a new file the owner, the group and the permissions of the one whose place it is to take.

    A group that this process cannot give is left as it is.

    Returns:
        Whether it has them; not if the owner is another, and this process cannot give files away.
    """
    new = os.stat(path)  # noqa: PTH116  # pathlib takes longer than the system
    if (new.st_uid, new.st_gid) != (status.st_uid, status.st_gid):
        try:
            os.chown(path, status.st_uid, status.st_gid)
        except PermissionError:
            if new.st_uid != status.st_uid:
                return False
    os.chmod(path, stat.S_IMODE(status.st_mode))  # noqa: PTH101
    return True


def left_as(status: os.stat_result) -> str:
    """Return what tells a file that was left from one that was written later; a copy with its date is the same."""
    return f"{status.st_size} {status.st_mtime_ns}"


_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)


def staged_path(folder: str, number: int, shard: str = "") -> str:
    """Return the path of a file that is not in its place yet."""
    return f"{folder}/smime-session{shard}-{number}"


def moved(old: str, new: str) -> None:
    """Rename a file; the folder it goes to is made if it is not there.

    Raises:
        OSError: it cannot be renamed.
    """
    try:
        os.rename(old, new)  # noqa: PTH104  # pathlib takes longer than the system
    except FileNotFoundError:
        Path(new).parent.mkdir(parents=True, exist_ok=True)
        os.rename(old, new)  # noqa: PTH104


def sync_files(folder: str, paths: Iterable[str]) -> None:
    """See to it that files of one folder are on disk: all at once where the system can, else one by one.

    Raises:
        OSError: they cannot be written.
    """
    if (syncfs := _syncfs()) is not None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            if syncfs(descriptor) == 0:
                return
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)
        finally:
            os.close(descriptor)
    for path in paths:
        sync(path)


def _syncfs() -> ctypes._NamedFuncPointer | None:
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)


def folders_of(places: Iterable[str]) -> set[str]:
    """Return the folders that relative paths lead through, the one that they begin in as an empty string."""
    found = {""}
    for place in places:
        folder = place.rpartition("/")[0]
        while folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def sync(path: str | os.PathLike[str]) -> None:
    """See to it that a file, or the names in a folder, are on disk.

    Raises:
        OSError: they cannot be written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
