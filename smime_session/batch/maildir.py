"""Maildirs: a file for each message, with its flags in its name, in ``cur`` and ``new``, and subfolders with a dot.

A mail server may work on one at the same time: it renames files when flags change, and removes them.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from smime_session import BatchError, MessageError
from smime_session.batch.items import Item, Mailbox
from smime_session.batch.storing import Staged, folders_of, kept_rights, moved, naming_target, seen, staged_path, sync
from smime_session.batch.targets import CHANGED, NOT_OURS, PRIVATE, REMOVED, Committed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from smime_session.batch.journal import Entry, Journal
    from smime_session.batch.storing import Portion, Task, Writer

_PARTS: Final = ("new", "cur")  # in this order: a message that moves meanwhile is seen, perhaps twice
_SIZES: Final = re.compile(r",[SW]=\d+")  # what some servers tell of a file in its name
_OURS: Final = re.compile(r"-smime\d+(?:\.\d+)?$")
_TRIES: Final = 10  # times that a server may rename a file while it is opened or replaced


def _staging(root: str) -> str:
    """Return where new files are before they are complete."""
    return os.path.join(root, "tmp")  # noqa: PTH118  # of many


def is_maildir(path: str) -> bool:
    """Tell whether a folder is a Maildir."""
    return all(Path(path, part).is_dir() for part in _PARTS)


def _base(file: str) -> str:
    """Return the part of a file's name that stays when flags change."""
    return file.partition(":2,")[0]


class MaildirContent(NamedTuple):
    """A message in a Maildir.

    Attributes:
        root: the Maildir.
        file: its relative path when it was found.
    """

    root: str
    file: str

    def open(self) -> BinaryIO:
        """Open it, whatever it is called by now.

        Raises:
            MessageError: it was removed, or moved to another folder.
        """
        file: str | None = self.file
        for _ in range(_TRIES):
            if file is None:
                break
            with suppress(FileNotFoundError):
                return Path(self.root, file).open("rb")
            file = _found(self.root, self.file)
        raise MessageError(REMOVED)


def _found(root: str, file: str) -> str | None:
    """Return what a file is called by now, as a relative path; None if it is gone."""
    folder = os.path.dirname(os.path.dirname(file))  # noqa: PTH120  # of many
    base = _base(os.path.basename(file))  # noqa: PTH119
    for part in _PARTS:
        place = os.path.join(folder, part)  # noqa: PTH118
        with suppress(FileNotFoundError), os.scandir(os.path.join(root, place)) as entries:  # noqa: PTH118
            for entry in entries:
                if _base(entry.name) == base:
                    return f"{place}/{entry.name}"
    return None


@dataclass(frozen=True)
class MaildirSource:
    """The messages of a Maildir and of its subfolders.

    Attributes:
        path: the folder.
    """

    path: str

    def items(self) -> Iterator[Item]:
        """Yield the messages, folder by folder."""
        folders = sorted(
            each.name for each in Path(self.path).iterdir() if each.name.startswith(".") and is_maildir(str(each))
        )
        for folder in ("", *folders):
            found: dict[str, tuple[str, float]] = {}
            prefix = f"{folder}/" if folder else ""
            for part in _PARTS:
                with os.scandir(f"{self.path}/{prefix}{part}") as entries:
                    for entry in entries:
                        if not entry.name.startswith("."):
                            with suppress(FileNotFoundError):  # it moves, to where it is found later
                                modified = entry.stat().st_mtime
                                found[_base(entry.name)] = f"{prefix}{part}/{entry.name}", modified
            counts = Counter(_SIZES.sub("", base) for base in found)
            for base, (file, modified) in sorted(found.items()):
                unique = _SIZES.sub("", base)
                if counts[unique] > 1:
                    unique = base.replace(",", "-")
                name = f"{prefix.removeprefix('.')}{unique}"
                mailbox = Mailbox(folder, unique, file, file.partition(":2,")[2])
                yield Item(name, f"{name}.eml", MaildirContent(self.path, file), modified, mailbox)


class MaildirWriter(NamedTuple):
    """Writes files for a Maildir.

    Attributes:
        root: the Maildir.
        permissions: those of a new file, less the umask.
        stamp: what is added to names in place; None if they stay as they are.
        shard: what tells the runs of several machines apart.
    """

    root: str
    permissions: int
    stamp: int | None
    shard: str

    @property
    def replaces(self) -> bool:
        """Whether files take the place of those they were made of."""
        return self.stamp is not None

    def portion(self, number: int) -> Portion:
        """Begin with some messages."""
        del number
        return Staged(_staging(self.root), self.root, self.place, self.permissions, self.stamp is None, self.shard)

    def place(self, task: Task) -> str:
        """Return the file, or the name that the source will have for it, if it takes the place of another."""
        item = task.item
        if item.mailbox is None:
            digest = sha256(item.name.encode(errors="surrogateescape")).hexdigest()[:24]
            return f"new/{int(item.modified or 0)}.{digest}.smime-session"
        folder, unique, file, flags = item.mailbox
        if self.stamp is not None:
            prefix = f"{folder.removeprefix('.')}/" if folder else ""
            return f"{prefix}{_OURS.sub('', unique)}-smime{self.stamp}.{task.number}"
        part = f"{folder}/" if folder else ""
        return f"{part}new/{unique}" if "/new/" in f"/{file}" else f"{part}cur/{unique}:2,{flags}"


@dataclass
class MaildirTarget:
    """A Maildir, with flags, dates and subfolders as the source has them.

    In place, each new file gets a new name, as a mail server keeps what it knows of a message by its name; then the
    old one is removed.

    Attributes:
        path: the folder; made if it is not there.
        in_place: whether it is the source too.
        permissions: those of a new file, less the umask.
        shard: what tells the runs of several machines on one Maildir apart; empty if there is one.
    """

    path: str
    in_place: bool = False
    permissions: int = PRIVATE
    shard: str = ""
    ordered: bool = field(default=False, init=False)

    @property
    def replaces(self) -> bool:
        """Whether files take the place of those they were made of."""
        return self.in_place

    def begin(self, journal: Journal, *, resumed: bool) -> None:
        """Make the Maildir; a new run wants one without messages.

        Raises:
            BatchError: there are messages in it already, or it is gone.
            TargetFailedError: it cannot be made.
        """
        if resumed and not Path(self.path).is_dir():
            raise BatchError(f"the Maildir {self.path} is gone, and {journal.folder} tells that a run had begun on it")
        with naming_target(self.path):
            for part in ("tmp", *_PARTS):
                Path(self.path, part).mkdir(parents=True, exist_ok=True)
            fresh = not (resumed or self.in_place or self.shard)
            if fresh and next(iter(MaildirSource(self.path).items()), None):
                raise BatchError(f"the Maildir {self.path} is not empty, and no run on it is known")

    def writer(self) -> Writer:
        """Return what workers write to."""
        stamp = time.time_ns() // 1000 if self.in_place else None
        return MaildirWriter(self.path, self.permissions, stamp, self.shard)

    def recover(self, ready: Iterable[Entry]) -> Iterator[Entry]:
        """Complete what was ready: put it into its place, or remove what it took the place of."""
        for entry in ready:
            with naming_target(self.path):
                yield self._replace(entry)

    def commit(self, number: int, entries: Sequence[Entry]) -> Committed:
        """Let files take the places of others where they do, and sync folders."""
        del number
        with naming_target(self.path):
            done = [self._replace(entry) for entry in entries] if self.in_place else entries
            files = [entry.origin if self.in_place else entry.place for entry in done if entry.state != "failed"]
            for folder in {os.path.dirname(file) for file in files}:  # noqa: PTH120  # of many
                for part in ("tmp", *_PARTS):  # of a subfolder, of which one part was made
                    Path(self.path, folder).with_name(part).mkdir(exist_ok=True)
            for folder in folders_of(files):
                sync(f"{self.path}/{folder}")
        return Committed(done, {})

    def _replace(self, entry: Entry) -> Entry:
        """Put a file into the place of another, whose name may change meanwhile; do it once, however often called."""
        unique = os.path.basename(entry.place)  # noqa: PTH119
        staged = staged_path(_staging(self.path), entry.number, self.shard)
        for attempt in range(_TRIES):
            old = entry.origin if Path(self.path, entry.origin).exists() else _found(self.path, entry.origin)
            folder = os.path.dirname(old or entry.origin)  # noqa: PTH120
            made = None if os.path.lexists(staged) else _found(self.path, f"{folder}/{unique}")
            if old is None:  # removed by another, unless it was here, in a run that was cut short
                ours = f"{self.path}/{made}" if made and attempt else staged
                with suppress(FileNotFoundError):
                    Path(ours).unlink()
                    return entry._replace(state="failed", place="", reason=REMOVED)
                return entry._replace(state="done", name=entry.place)
            if made is None and self._was_changed(old, entry.seen):
                Path(staged).unlink()
                return entry._replace(state="failed", place="", reason=CHANGED)
            flags = old.partition(":2,")
            new = f"{folder}/{unique}{flags[1]}{flags[2]}"
            if made is None:
                try:
                    status = Path(self.path, old).stat()
                except FileNotFoundError:  # it has another name now
                    continue
                if not kept_rights(staged, status):
                    Path(staged).unlink()
                    return entry._replace(state="failed", place="", reason=NOT_OURS)
                moved(staged, f"{self.path}/{new}")
            elif made != new:
                moved(f"{self.path}/{made}", f"{self.path}/{new}")
            with suppress(FileNotFoundError):
                Path(self.path, old).unlink()
                return entry._replace(state="done", name=entry.place)
        raise BatchError(f"{self.path}/{entry.origin} changes its name too often to be replaced")

    def is_made(self, item: Item, left: str | None) -> bool:
        """Tell whether a message is one that was made: it has the name that it got then."""
        del item
        return left is not None

    def _was_changed(self, old: str, before: str) -> bool:
        with suppress(FileNotFoundError):
            return bool(before) and seen(Path(self.path, old).stat()) != before
        return False

    def finish(self) -> None:
        """Remove what is left of files that were not completed."""
        for path in Path(self.path, "tmp").glob(f"smime-session{self.shard}-*"):
            path.unlink(missing_ok=True)
