"""Where what is made of messages goes: a folder of files, anew or in place of what is there."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, runtime_checkable

from smime_session import BatchError
from smime_session.batch.storing import Staged, folders_of, kept_rights, left_as, naming_target, seen, staged_path, sync

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from smime_session.batch.items import Item
    from smime_session.batch.journal import Entry, Journal
    from smime_session.batch.storing import Portion, Task, Writer

SHARED: Final = 0o666
PRIVATE: Final = 0o600
CHANGED: Final = "it was changed while it was read"
NOT_OURS: Final = "its owner is another user, to whom this one cannot give files"
REMOVED: Final = "it was removed meanwhile"
STAGING: Final = ".smime-session"
"""The folder in a target where files are before they are complete; it is gone when a run has ended."""


class Committed(NamedTuple):
    """What is in its place.

    Attributes:
        entries: the messages; one may have failed yet.
        facts: what the journal is to remember with them.
    """

    entries: Sequence[Entry]
    facts: Mapping[str, str]


class Target(Protocol):
    """Where what is made of messages goes. All of it but the writer is used by one process alone."""

    @property
    def path(self) -> str:
        """Its path, beside which the journal is kept."""
        ...

    @property
    def replaces(self) -> bool:
        """Whether it takes the place of what was read: then the journal knows of it before it does."""
        ...

    @property
    def ordered(self) -> bool:
        """Whether it keeps messages in the order of the source."""
        ...

    def begin(self, journal: Journal, *, resumed: bool) -> None:
        """Make it, or make it as the journal knows it.

        Raises:
            BatchError: there is something that is not of this run.
            OSError: it cannot be made.
        """
        ...

    def writer(self) -> Writer:
        """Return what workers write to."""
        ...

    def recover(self, ready: Iterable[Entry]) -> Iterator[Entry]:
        """Put into their places what was ready when a run was cut short, and yield what is done now."""
        ...

    def commit(self, number: int, entries: Sequence[Entry]) -> Committed:
        """Put into its place what a worker made; it is on disk afterwards.

        Args:
            number: that of the first message that the worker had.
            entries: the messages that did not fail.
        """
        ...

    def finish(self) -> None:
        """Complete it, when all messages were tried."""
        ...


@runtime_checkable
class Replacing(Protocol):
    """A target that takes the place of what was read, and so is met as a source again."""

    def is_made(self, item: Item, left: str | None) -> bool:
        """Tell whether a message is one that was made, and not another that has its name now.

        Args:
            item: the message.
            left: what the journal knows of the file that was made under this name; None if there is none.
        """
        ...


class FolderWriter(NamedTuple):
    """Writes files for a folder.

    Attributes:
        root: the folder.
        staging: where files are before they are complete.
        permissions: those of a new file, less the umask.
        replaces: whether they take the place of others; then the worker does not put them there itself.
        suffix: what is added to their names.
    """

    root: str
    staging: str
    permissions: int
    replaces: bool
    suffix: str

    def portion(self, number: int) -> Portion:
        """Begin with some messages."""
        del number
        attempt = "" if self.replaces else f"-{uuid.uuid4().hex}"  # a worker that was given up may still write its own
        return Staged(self.staging, self.root, self.place, self.permissions, not self.replaces, attempt)

    def place(self, task: Task) -> str:
        """Return the name that the source has for it."""
        return f"{task.item.place}{self.suffix}"


@dataclass(frozen=True)
class FolderTarget:
    """A folder with a file for each message, in subfolders as the source has them.

    Attributes:
        path: the folder; made if it is not there.
        in_place: whether it is the source too, and each file takes the place of the one it was made of.
        permissions: those of a new file, less the umask.
        suffix: what is added to the names of files.
        shard: what tells the runs of several machines on one folder apart; empty if there is one.
    """

    path: str
    in_place: bool = False
    permissions: int = SHARED
    suffix: str = ""
    shard: str = ""

    @property
    def replaces(self) -> bool:
        """Whether files take the place of those they were made of."""
        return self.in_place

    @property
    def ordered(self) -> bool:
        """Files have no order."""
        return False

    @property
    def _staging(self) -> str:
        return f"{self.path}/{STAGING}{self.shard}"

    def begin(self, journal: Journal, *, resumed: bool) -> None:
        """Make the folder; a new run wants an empty one.

        Raises:
            BatchError: there are files in it already, or it is gone.
            TargetFailedError: it cannot be made.
        """
        if resumed and not Path(self.path).is_dir():
            raise BatchError(f"the folder {self.path} is gone, and {journal.folder} tells that a run had begun on it")
        with naming_target(self.path):
            Path(self.path).mkdir(parents=True, exist_ok=True)
            others = (each for each in Path(self.path).iterdir() if not each.name.startswith(STAGING))
            if not resumed and not self.in_place and not self.shard and next(others, None):
                raise BatchError(f"the folder {self.path} is not empty, and no run on it is known")
            Path(self._staging).mkdir(exist_ok=True)
            sync(Path(os.path.realpath(self.path)).parent)

    def writer(self) -> Writer:
        """Return what workers write to."""
        return FolderWriter(self.path, self._staging, self.permissions, self.in_place, self.suffix)

    def recover(self, ready: Iterable[Entry]) -> Iterator[Entry]:
        """Rename what was not renamed; what is not there any more was."""
        for entry in ready:
            with naming_target(self.path):
                yield self._replace(entry)

    def _replace(self, entry: Entry) -> Entry:
        """Put a file into the place of the one that was read, if it is still there; once, however often called."""
        old, new = staged_path(self._staging, entry.number), f"{self.path}/{entry.place}"
        if not os.path.lexists(old):
            with suppress(FileNotFoundError):
                return entry._replace(seen=left_as(os.stat(new)))  # noqa: PTH116
            return entry
        try:
            status = os.stat(new)  # noqa: PTH116  # of many
        except FileNotFoundError:
            reason = REMOVED
        else:
            if seen(status) != entry.seen:
                reason = CHANGED
            elif not kept_rights(old, status):
                reason = NOT_OURS
            else:
                entry = entry._replace(seen=left_as(os.stat(old)))  # noqa: PTH116
                os.replace(old, new)  # noqa: PTH105
                return entry
        Path(old).unlink()
        return entry._replace(state="failed", place="", reason=reason)

    def commit(self, number: int, entries: Sequence[Entry]) -> Committed:
        """Rename files where workers did not, and sync the folders they are in."""
        del number
        with naming_target(self.path):
            done = [self._replace(entry) for entry in entries] if self.in_place else entries
            for folder in folders_of(entry.place for entry in done if entry.state != "failed"):
                sync(f"{self.path}/{folder}")
        return Committed(done, {})

    def is_made(self, item: Item, left: str | None) -> bool:
        """Tell whether a file is one that was made, and not another that has its name now."""
        with suppress(FileNotFoundError):
            return left_as(os.stat(f"{self.path}/{item.place}")) == left  # noqa: PTH116
        return True

    def finish(self) -> None:
        """Remove what is left of files that were not completed."""
        shutil.rmtree(self._staging, ignore_errors=True)
