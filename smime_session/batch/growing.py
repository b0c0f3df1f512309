"""Targets of one file, which grows by what each worker made and appears when it is complete: mboxes and archives."""

from __future__ import annotations

import abc
import io
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, Protocol, cast

from smime_session import BatchError
from smime_session.batch.storing import naming_target, refuse_elsewhere, sync
from smime_session.batch.targets import SHARED, Committed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from smime_session.batch.journal import Entry, Journal
    from smime_session.batch.storing import Portion, Task, Writer

_BLOCK: Final = 1 << 20
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
_SIZE: Final = "size without the end"
_WHOLE: Final = "size with the end"


class Frame(io.RawIOBase, abc.ABC):
    """Takes one message, and writes it as the file has it. It can be begun anew, and no more.

    Args:
        stream: what it is written to, from the place where it is; it can seek.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._begin = stream.tell()

    def seekable(self) -> bool:
        """Say that it can be begun anew."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Begin anew.

        Raises:
            io.UnsupportedOperation: it is another place than the start.
        """
        refuse_elsewhere(offset, whence)
        self._stream.seek(self._begin)
        self.start()
        return 0

    def truncate(self, size: int | None = None) -> int:
        """Throw away what is behind the place."""
        del size
        return self._stream.truncate()

    @abc.abstractmethod
    def start(self) -> None:
        """Write what comes before the message, the first time or again."""

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    @abc.abstractmethod
    def finish(self) -> None:
        """Write what comes after the message."""


class Form(Protocol):
    """What a file of many messages looks like; it can be pickled."""

    def frame(self, stream: BinaryIO, task: Task) -> Frame:
        """Begin with a message at the place of a stream that can seek."""
        ...

    def place(self, task: Task) -> str:
        """Return where a message is in the file, for people."""
        ...

    def settle(self, path: str) -> None:
        """Make of a part, complete now, what the file goes on with."""
        ...

    def end(self, growing: BinaryIO) -> None:
        """Write what comes after all messages, at the end of the file, from which can be read too."""
        ...


class Part:
    """Messages in a file of their own, which the target will go on with: a portion of one worker.

    Args:
        path: the file.
        form: what it looks like.
    """

    def __init__(self, path: str, form: Form) -> None:
        self._path, self._form = path, form
        with naming_target(path):
            self._stream = os.fdopen(os.open(path, _NEW, 0o600), "wb")

    @contextmanager
    def new(self, task: Task) -> Iterator[BinaryIO]:
        """Begin with a message; if the block fails, nothing of it stays."""
        begin = self._stream.tell()
        try:
            with naming_target(self._path):
                frame = self._form.frame(self._stream, task)
                frame.start()
            yield cast("BinaryIO", frame)
            with naming_target(self._path):
                frame.finish()
                self._stream.flush()
        except BaseException:
            with naming_target(self._path):
                self._stream.seek(begin)
                self._stream.truncate()
            raise

    def settle(self, tasks: Sequence[Task]) -> None:
        """Complete it."""
        with naming_target(self._path):
            self._stream.close()
            if tasks:
                self._form.settle(self._path)


class PartWriter(NamedTuple):
    """Writes parts of a file.

    Attributes:
        folder: where they are until they are in it.
        form: what they look like.
    """

    folder: str
    form: Form

    @property
    def replaces(self) -> bool:
        """Nothing gives way to it."""
        return False

    def portion(self, number: int) -> Portion:
        """Begin with some messages."""
        return Part(f"{self.folder}/part-{number}", self.form)

    def place(self, task: Task) -> str:
        """Return where in the file a message will be."""
        return self.form.place(task)


class GrowingTarget:
    """A new file, with messages in the order of the source. It appears when it is complete.

    Until then it is in the folder of the journal, which knows how long it was when what it tells of was on disk. What
    is tried again after a failure comes after the others.

    Args:
        path: the file, which must not exist.
        form: what it looks like.
        permissions: its permissions, less the umask.
    """

    replaces: Final = False
    ordered: Final = True

    def __init__(self, path: str, form: Form, permissions: int = SHARED) -> None:
        self.path = path
        self._form, self._permissions = form, permissions
        self._journal: Journal | None = None

    @property
    def _folder(self) -> Path:
        if self._journal is None:
            raise ValueError("the target was not begun")
        return self._journal.folder

    @property
    def _growing(self) -> Path:
        return self._folder / "growing"

    def begin(self, journal: Journal, *, resumed: bool) -> None:
        """Make it, or cut off what the journal does not know of.

        Raises:
            BatchError: there is a file of that name already, or it is not as this run left it.
            TargetFailedError: it cannot be made.
        """
        self._journal = journal
        for part in self._folder.glob("part-*"):
            part.unlink()
        size, whole = int(journal.fact(_SIZE, "0")), journal.fact(_WHOLE)
        with naming_target(self.path):
            if not resumed and os.path.lexists(self.path):
                raise BatchError(f"{self.path} exists already, and no run on it is known")
            if not resumed:
                os.close(os.open(self._growing, _NEW, self._permissions))
            elif _length(self._growing) >= size:
                os.truncate(self._growing, size)
            elif self._growing.exists() or not whole or _length(Path(self.path)) != int(whole):
                raise BatchError(f"{self.path} is not as the run left it that {self._folder} tells of")

    def writer(self) -> Writer:
        """Return what workers write to."""
        return PartWriter(str(self._folder), self._form)

    def recover(self, ready: Iterable[Entry]) -> Iterator[Entry]:
        """Do nothing: what is not done is made again."""
        del ready
        return iter(())

    def commit(self, number: int, entries: Sequence[Entry]) -> Committed:
        """Go on with what a worker made."""
        part = self._folder / f"part-{number}"
        facts = {}
        with naming_target(self.path):
            if entries:
                self._reopen()
                with part.open("rb") as made, self._growing.open("ab") as growing:
                    shutil.copyfileobj(made, growing, _BLOCK)
                    growing.flush()
                    os.fsync(growing.fileno())
                    facts[_SIZE] = str(growing.tell())
            part.unlink(missing_ok=True)
        return Committed(entries, facts)

    def _reopen(self) -> None:
        """Go on with a file that was complete, without its end; it stays as it is meanwhile."""
        if self._growing.exists() or self._journal is None:
            return
        copy = self._folder / "part-of-before"
        with Path(self.path).open("rb") as before, os.fdopen(os.open(copy, _NEW, self._permissions), "wb") as after:
            shutil.copyfileobj(before, after, _BLOCK)
            after.truncate(int(self._journal.fact(_SIZE, "0")))
            shutil.copymode(self.path, copy)
        copy.rename(self._growing)

    def finish(self) -> None:
        """Let it appear.

        Raises:
            BatchError: there is a file of its name by now, which is not of this run.
            TargetFailedError: it cannot be completed.
        """
        if self._journal is None or not self._growing.exists():
            return
        with naming_target(self.path):
            if os.path.lexists(self.path) and not self._journal.fact(_WHOLE):
                raise BatchError(f"{self.path} was made by another meanwhile; move it away, and run the same again")
            with self._growing.open("r+b") as growing:
                growing.seek(0, io.SEEK_END)
                self._form.end(growing)
                growing.flush()
                os.fsync(growing.fileno())
                whole = growing.tell()
            self._journal.remember(_WHOLE, str(whole))
            self._growing.replace(self.path)
            sync(Path(os.path.realpath(self.path)).parent)


def _length(path: Path) -> int:
    """Return the size of a file, or -1 if there is none."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return -1
