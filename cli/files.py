"""Files that are read, files that are replaced only on success, and files that must not exist yet."""
# ruff: noqa: PTH105, PTH108, PTH116, PTH118, PTH119, PTH120, PTH121, PTH123  # pathlib is slow to load for what it gives

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from smime_session import DecryptionError, MessageError, NoMatchError, OtherMessageError

from .streams import Source, Target, naming, standard_stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from _typeshed import ReadableBuffer

BUFFER_SIZE: Final = 1 << 18  # bytes gathered before a write to a file
WRITTEN_BACK: Final = 1 << 24  # bytes after which a file is told to set out for the disk
PRIVATE: Final = 0o600  # permissions of what only its owner may read: private keys, decrypted mail
SHARED: Final = 0o666  # permissions of anything else, less the umask

_OF_A_MESSAGE: Final = (MessageError, NoMatchError, OtherMessageError, DecryptionError)
_STDOUT_PATHS: Final = ("-", "/dev/stdout", "/dev/fd/1")  # opening the device again would lose the place in `>> file`


@contextlib.contextmanager
def reading(path: str) -> Iterator[Source]:
    """Open ``path`` to be read; ``-`` is standard input. What is wrong with a message in a file gets the file's name.

    Raises:
        OSError: it cannot be opened.
    """
    if path == "-":
        yield Source(standard_stream("stdin"), "standard input")
        return
    with open(path, "rb") as stream:
        try:
            yield Source(stream, path)
        except _OF_A_MESSAGE as error:
            error.args = (f"{path}: {error}",)
            raise


class Output:
    """Where a command writes its result, known before anything is touched.

    Args:
        path: the value of ``--output``; None is standard output for want of another wish, and
            ``-`` is standard output by name.
    """

    def __init__(self, path: str | None) -> None:
        self._explicit = path is not None
        self._path = None if path in _STDOUT_PATHS else path

    @property
    def is_terminal(self) -> bool:
        """Whether the result appears on a terminal."""
        return self._path is None and sys.stdout is not None and sys.stdout.isatty()

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, into which several messages go."""
        return self._path is not None and os.path.isdir(self._path)  # noqa: PTH112

    @property
    def refuses_binary(self) -> bool:
        """Whether it is a terminal that was not asked for by name."""
        return self.is_terminal and not self._explicit

    @property
    def transactional(self) -> bool:
        """Whether a failure undoes what was written before it."""
        return self._path is not None and not self._is_device

    @property
    def _is_device(self) -> bool:
        """Whether it is there to be written into, not to be replaced: a FIFO, ``/dev/null``, by mistake a folder."""
        try:
            return self._path is not None and not stat.S_ISREG(os.stat(self._path).st_mode)
        except FileNotFoundError:
            return False

    def would_replace(self, path: str) -> bool:
        """Tell whether it is the existing file ``path``."""
        try:
            return self.transactional and os.path.samefile(cast("str", self._path), path)
        except OSError:
            return False

    @contextlib.contextmanager
    def open(self, permissions: int = SHARED, *, inherit: bool = True) -> Iterator[BinaryIO]:
        """Open it; a file appears, or is replaced, when the block has succeeded.

        Args:
            permissions: those of a new file, less the umask.
            inherit: whether a file that is replaced hands on its own permissions instead.

        Raises:
            OSError: it cannot be opened, written or replaced.
        """
        if self._path is None:
            target = Target(standard_stream("stdout"), "standard output")
            yield target.stream
            target.flush()
        elif self._is_device:
            with contextlib.closing(Target(open(self._path, "wb"), self._path)) as target:
                yield target.stream
        else:
            with AtomicFile(self._path, permissions, inherit=inherit) as stream:
                yield Target(stream, self._path).stream


class AtomicFile:
    """A file that takes its name when its block succeeds, and leaves no trace when it fails.

    It is written into a file of its own in the same folder, so that taking the name is one rename:
    at any moment the name holds all of the old content or all of the new. Where the system can,
    that file has no name before, so that even a process that is killed leaves nothing behind of
    what was not proven yet. A symbolic link stays; what it points to is replaced.

    Args:
        path: the name to take.
        permissions: those of a new file, less the umask.
        inherit: whether a file that is replaced hands on its own permissions instead.
    """

    def __init__(self, path: str, permissions: int = SHARED, *, inherit: bool = True) -> None:
        self._name = path
        self._path = os.path.realpath(path)
        self._temporary = os.path.join(os.path.dirname(self._path), f".{os.urandom(8).hex()}.tmp")
        self._permissions = permissions
        self._inherit = inherit
        self._replaced: os.stat_result | None = None
        self._stream: BinaryIO | None = None
        self._nameless = False

    def __enter__(self) -> BinaryIO:
        if not os.path.basename(self._name):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._name)
        with contextlib.suppress(FileNotFoundError):
            self._replaced = os.stat(self._path)
            if not os.access(self._path, os.W_OK):  # a rename asks the folder only, but a protected file means it
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self._name)
        try:
            self._stream = io.BufferedWriter(_EarlyFile(self._temporary, "xb", opener=self._create), BUFFER_SIZE)
        except OSError as error:
            error.filename = os.path.dirname(self._path)  # the made-up name is of no use to the user
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

    def _create(self, path: str, flags: int) -> int:
        permissions = PRIVATE if self._replaced else self._permissions
        with contextlib.suppress(OSError, AttributeError):  # not on every file system, nor on every system
            descriptor = os.open(os.path.dirname(path), os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, permissions)
            if os.path.exists(_link_to(descriptor)):  # noqa: PTH110  # pathlib would be imported for this alone
                self._nameless = True
                return descriptor
            os.close(descriptor)
        return os.open(path, flags, permissions)

    def _commit(self) -> None:
        stream = cast("BinaryIO", self._stream)
        with naming(self._name):
            stream.flush()
            if self._replaced and self._inherit:
                os.fchmod(stream.fileno(), _inherited(self._replaced, os.fstat(stream.fileno())))
            os.fsync(stream.fileno())  # or a crash could leave the name with an empty file behind it
            if self._nameless:  # naming the source's folder makes the call follow the link; the path is absolute
                os.link(_link_to(stream.fileno()), self._temporary, src_dir_fd=stream.fileno())
            stream.close()
            os.replace(self._temporary, self._path)

    def _discard(self) -> None:
        if self._stream:
            with contextlib.suppress(OSError):  # what was buffered is not wanted any more
                self._stream.close()
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


def _inherited(old: os.stat_result, new: os.stat_result) -> int:
    """Return the permissions of the file that is replaced, without its group's if the new file has another group."""
    return stat.S_IMODE(old.st_mode) & (0o777 if old.st_gid == new.st_gid else 0o707)


@contextlib.contextmanager
def new_files(*wanted: tuple[str, int]) -> Iterator[list[BinaryIO]]:
    """Make new files, all or none; an existing one is never touched.

    Args:
        wanted: for each file its path and its permissions, less the umask.

    Raises:
        FileExistsError: one of them exists.
        OSError: one of them cannot be made.
    """
    with contextlib.ExitStack() as on_exit, contextlib.ExitStack() as on_failure:
        streams: list[BinaryIO] = []
        for path, permissions in wanted:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, permissions)
            on_failure.callback(os.unlink, path)
            streams.append(on_exit.enter_context(open(descriptor, "wb")))
        yield streams
        for (path, _), stream in zip(wanted, streams, strict=True):
            with naming(path):
                stream.flush()
                os.fsync(stream.fileno())
        on_failure.pop_all()  # they stay
