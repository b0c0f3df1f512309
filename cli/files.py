"""Files that are read, files that are replaced only on success, and files that must not exist yet."""
# ruff: noqa: PTH116, PTH121, PTH123  # pathlib is slow to load for what it gives

from __future__ import annotations

import contextlib
import os
import stat
import sys
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from smime_session import CredentialError, DecryptionError, MessageError, NoMatchError, OtherMessageError

from .atomic import AtomicFile
from .console import is_terminal, say
from .streams import Source, Target, standard_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        if is_terminal("stdin"):
            say(f"Waiting for standard input; {'Ctrl-Z and Enter' if os.name == 'nt' else 'Ctrl-D'} ends it.")
        yield Source(standard_stream("stdin"), "standard input")
        return
    with open(path, "rb") as stream:
        try:
            yield Source(stream, path)
        except _OF_A_MESSAGE as error:
            error.args = (f"{path}: {error}",)
            raise


def read_limited(path: str, limit: int, what: str) -> bytes:
    """Read a whole file.

    Raises:
        CredentialError: it has more than ``limit`` bytes; ``what`` says what it cannot be then.
        OSError: it cannot be read.
    """
    with reading(path) as source:
        too_large = path != "-" and os.stat(path).st_size > limit  # pathlib is slow to load
        data = b"" if too_large else source.read(limit + 1)
    if too_large or len(data) > limit:
        raise CredentialError(f"{path}: a file of more than {limit:,} bytes is too large for {what}")
    return data


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
    def is_standard(self) -> bool:
        """Whether it is standard output."""
        return self._path is None

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


@contextlib.contextmanager
def new_files(*wanted: tuple[str, int]) -> Iterator[list[BinaryIO]]:
    """Make new files, all or none; an existing one is never touched. Each has its name when all are complete.

    Args:
        wanted: for each file its path and its permissions, less the umask.

    Raises:
        FileExistsError: one of them exists.
        OSError: one of them cannot be made.
    """
    with contextlib.ExitStack() as on_failure:
        with contextlib.ExitStack() as on_success:
            streams: list[BinaryIO] = []
            for path, permissions in reversed(wanted):  # so that they take their names in the order that is wanted
                file = AtomicFile(path, permissions, replaces=False)
                on_failure.callback(file.withdraw)
                streams.insert(0, Target(on_success.enter_context(file), path).stream)
            yield streams
        on_failure.pop_all()  # they stay
