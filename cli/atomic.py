"""A file that takes its name when it is complete, and what a process that was killed leaves of one."""
# ruff: noqa: PTH105, PTH108, PTH110, PTH116, PTH118, PTH119, PTH120, PTH208  # pathlib is slow to load for what it gives

from __future__ import annotations

import contextlib
import errno
import functools
import io
import os
import re
import stat
from typing import TYPE_CHECKING, BinaryIO, Final, cast

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed import ReadableBuffer

BUFFER_SIZE: Final = 1 << 18  # bytes gathered before a write to a file
WRITTEN_BACK: Final = 1 << 24  # bytes after which a file is told to set out for the disk

_UNFINISHED: Final = 0o600  # permissions of what replaces a file until it does
_TEMPORARY: Final = re.compile(r"\.smime-session-[0-9a-f]{16}\.tmp")


class AtomicFile:
    """A file that takes its name when its block succeeds, and leaves no trace when it fails.

    At any moment the name holds all of the old content or all of the new. Where the system can, the file has no
    name before, so that a process that is killed leaves nothing behind of what was not proven yet, and a new file
    gets its own name at once. What replaces a file has a temporary name in the same folder first, for as long as a
    rename takes; so has every file where the system has none without a name. A file with a temporary name is locked
    until it is closed: one that is not was left behind by a process that was killed, and the next one removes it.
    A symbolic link stays; what it points to is replaced.

    Args:
        path: the name to take.
        permissions: those of a new file, less the umask.
        inherit: whether a file that is replaced hands on its own permissions instead.
        replaces: whether there may be a file with that name, which is replaced.
    """

    def __init__(self, path: str, permissions: int, *, inherit: bool = True, replaces: bool = True) -> None:
        self._name = path
        self._path = os.path.realpath(path)
        self._folder = os.path.dirname(self._path)
        self._permissions = permissions
        self._inherit = inherit
        self._replaces = replaces
        self._complete = False
        self._replaced: os.stat_result | None = None
        self._stream: BinaryIO | None = None
        self._temporary: str | None = None
        self._locked = False

    def __enter__(self) -> BinaryIO:
        if not os.path.basename(self._name):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._name)
        if not self._replaces and os.path.lexists(self._name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self._name)
        with contextlib.suppress(FileNotFoundError):
            self._replaced = os.stat(self._path)
            if not os.access(self._path, os.W_OK):  # a rename asks the folder only, but a protected file means it
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self._name)
        try:
            self._stream = io.BufferedWriter(_EarlyFile(self._path, "xb", opener=self._create), BUFFER_SIZE)
        except OSError as error:
            error.filename = self._folder  # the made-up name is of no use to the user
            raise
        except BaseException:  # a signal may come after the file was made and before it was noted
            self._discard()
            raise
        return self._stream

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            self._discard()

    def withdraw(self) -> None:
        """Remove the file again, if it took its name."""
        if self._complete:
            os.unlink(self._path)

    def _create(self, _path: str, flags: int) -> int:
        permissions = _UNFINISHED if self._replaced else self._permissions
        with contextlib.suppress(OSError, AttributeError):  # not on every file system, nor on every system
            descriptor = os.open(self._folder, os.O_TMPFILE | os.O_WRONLY, permissions)
            if os.path.exists(_link_to(descriptor)):
                return descriptor
            os.close(descriptor)
        while True:
            self._temporary = self._new_name()
            descriptor = os.open(self._temporary, flags, permissions)
            self._locked = _lock(descriptor)
            if os.path.lexists(self._temporary):  # another process may have removed it before it was locked
                return descriptor
            os.close(descriptor)

    def _new_name(self) -> str:
        return os.path.join(self._folder, f".smime-session-{os.urandom(8).hex()}.tmp")

    def _commit(self) -> None:
        stream = cast("BinaryIO", self._stream)
        try:
            stream.flush()
            if self._replaced and self._inherit and hasattr(os, "fchmod"):
                os.fchmod(stream.fileno(), _inherited(self._replaced, os.fstat(stream.fileno())))
            os.fsync(stream.fileno())  # or a crash could leave the name with an empty file behind it
            if not self._replaces:
                self._take_new_name(stream)
            elif self._temporary or self._replaced or not self._takes_free_name(stream):
                self._replace(stream)
            self._complete = True
            stream.close()
        except OSError as error:
            error.filename, error.filename2 = self._name, None
            raise

    def _takes_free_name(self, stream: BinaryIO) -> bool:
        """Give a file without a name the one that is wanted; False if that was taken meanwhile."""
        try:
            _link(stream, self._path)
        except FileExistsError:
            return False
        return True

    def _take_new_name(self, stream: BinaryIO) -> None:
        """Give the file the name that is wanted, which no other may have."""
        if not self._temporary:
            _link(stream, self._path)
            return
        try:
            os.link(self._temporary, self._path)
        except FileExistsError:
            raise
        except OSError:  # a file has one name only on this file system
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _UNFINISHED))
            self._replace(stream)

    def _replace(self, stream: BinaryIO) -> None:
        if not self._temporary:
            self._locked = _lock(stream.fileno())
            self._temporary = self._new_name()
            _link(stream, self._temporary)
        if not self._locked:  # an open file cannot be renamed on Windows, where there are no such locks
            stream.close()
        os.replace(self._temporary, self._path)
        remove_leftovers(self._folder)

    def _discard(self) -> None:
        if self._stream:
            with contextlib.suppress(OSError):  # what was buffered is not wanted any more
                self._stream.close()
        if self._temporary:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)


class _EarlyFile(io.FileIO):
    """A file that sets out for the disk while it is still being written, so that ``fsync`` waits for its end alone."""

    _written = 0

    def write(self, data: ReadableBuffer, /) -> int:
        """Write like :meth:`io.FileIO.write`."""
        count = super().write(data)
        self._written += count
        if self._written >= WRITTEN_BACK:
            # What is dirty stays cached: Linux takes "not needed" for a wish to write it back, and waits for nothing.
            with contextlib.suppress(OSError, AttributeError):  # a hint, which not every system knows
                begin = max(0, self.tell() - self._written)
                os.posix_fadvise(self.fileno(), begin, self._written, os.POSIX_FADV_DONTNEED)
            self._written = 0
        return count


def _link_to(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _link(stream: BinaryIO, path: str) -> None:
    """Give a file without a name one; naming the source's folder makes the call follow the link to the file."""
    os.link(_link_to(stream.fileno()), path, src_dir_fd=stream.fileno())


def _inherited(old: os.stat_result, new: os.stat_result) -> int:
    """Return the permissions of the file that is replaced, without its group's if the new file has another group."""
    return stat.S_IMODE(old.st_mode) & (0o777 if old.st_gid == new.st_gid else 0o707)


def _lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; tell whether that worked, which it does not on every system."""
    try:
        import fcntl  # POSIX only

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


@functools.cache
def remove_leftovers(folder: str) -> None:
    """Remove what processes of this user that were killed left in a folder, once in the life of this process."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if _TEMPORARY.fullmatch(name):
                with contextlib.suppress(OSError):
                    _remove_unlocked(os.path.join(folder, name))


def _remove_unlocked(path: str) -> None:
    if not hasattr(os, "O_NOFOLLOW"):  # nor are there locks, so that nothing is known
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        opened = os.fstat(descriptor)
        ours = stat.S_ISREG(opened.st_mode) and opened.st_uid == os.geteuid()
        if ours and _lock(descriptor) and os.path.samestat(opened, os.lstat(path)):
            os.unlink(path)
    finally:
        os.close(descriptor)
