"""What became of each message of a run: a database beside the target that survives the end of the process.

It is written by one process alone, after what it tells of is on disk. What it calls done is not touched again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Self, cast

from smime_session import BatchError
from smime_session.batch.storing import sync

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

State = Literal["ready", "done", "failed"]

_PATIENCE: Final = 3.0  # seconds for the workers of a run that was killed to notice it
_PAUSE: Final = 0.05
_VERSION: Final = "1"
_TABLES: Final = """
    CREATE TABLE IF NOT EXISTS message (
        name TEXT PRIMARY KEY, number INTEGER, state TEXT, place TEXT, origin TEXT, size INTEGER, digest BLOB,
        reason TEXT, seen TEXT
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX IF NOT EXISTS message_by_number ON message (number);
    CREATE INDEX IF NOT EXISTS message_by_place ON message (place);
    CREATE INDEX IF NOT EXISTS message_by_state ON message (state) WHERE state != 'done';
    CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
_TEXT: Final = "CAST(? AS TEXT)"  # of bytes: a name need not be UTF-8
_INSERT_MESSAGE: Final = """
    INSERT OR REPLACE INTO message (name, number, state, place, origin, size, digest, reason, seen)
    VALUES (CAST(? AS TEXT), ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, CAST(? AS TEXT), ?)
"""
_INSERT_SETTING: Final = "INSERT OR REPLACE INTO setting VALUES (CAST(? AS TEXT), CAST(? AS TEXT))"


class Entry(NamedTuple):
    """What the journal tells of one message.

    Attributes:
        name: its name in the source.
        number: its number in the run; no other message has it.
        state: ``ready``: made and on disk, but perhaps not in its place; ``done``; or ``failed``.
        place: where in the target it is; empty if it failed.
        origin: the file that is to give way to it, if it takes one's place.
        size: bytes of what was made.
        digest: their SHA-256.
        reason: why it failed, in one sentence.
        seen: what tells a file from one that was changed: the one that was read, if it is to give way; what took its
            place, once it has.
    """

    name: str
    number: int
    state: State
    place: str = ""
    origin: str = ""
    size: int = 0
    digest: bytes = b""
    reason: str = ""
    seen: str = ""


class Journal:
    """The journal of the work on one target, open in one process at a time.

    Args:
        folder: where it is kept; made if it is not there.

    Raises:
        BatchError: another process has it open, or it is not a journal of this version.
        OSError: it cannot be made or opened.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._lock = self._seized()
        try:
            self._database = sqlite3.connect(self.folder / "journal.sqlite", isolation_level=None)
            self._database.text_factory = _name
            try:
                self._make_tables()
            except BaseException:
                self._database.close()
                raise
        except BaseException:
            os.close(self._lock)
            raise

    def _seized(self) -> int:
        """Lock it. Workers have the lock too, by inheritance: those of a run that was killed end soon."""
        end = time.monotonic() + _PATIENCE
        while True:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            try:
                lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:  # another one removes it
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                if time.monotonic() > end:
                    raise BatchError(f"another run is at work on this target ({self.folder} is locked)") from None
                time.sleep(_PAUSE)
                continue
            if _is_there(self.folder / "lock", lock):
                sync(self.folder.parent)
                return lock
            os.close(lock)

    def _make_tables(self) -> None:
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            raise BatchError(f"{self.folder} holds no journal that can be read: {error}") from None
        if self.fact("version", _VERSION) != _VERSION:
            raise BatchError(f"{self.folder} holds the journal of another version")
        self.remember("version", _VERSION)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it, and let others open it."""
        self._database.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk ends it
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise BatchError(f"the journal {self.folder} cannot be written: {error}") from None

    def begin(self, settings: Mapping[str, str], *, anew: bool = False) -> None:
        """Begin a run, or go on with one that was begun with the same settings.

        Args:
            settings: what the outcome depends on, by the name that people know it by.
            anew: whether a run that came to its end is forgotten if this one has other settings.

        Raises:
            BatchError: it was begun with other settings, which are named.
        """
        before = self.settings()
        changed = [name for name in {**before, **settings} if before.get(name) != settings.get(name)]
        if before and changed and anew and self.fact("finished") == "yes":
            with self._transaction():
                for table in ("message", "setting"):
                    self._database.execute(f"DELETE FROM {table}")  # noqa: S608  # one of ours
            before = {}
        if before and changed:
            told = "; ".join(_change(name, before.get(name), settings.get(name)) for name in changed)
            raise BatchError(f"the run on this target was begun with other options: {told}")
        pairs = [(_octets(name), _octets(value)) for name, value in settings.items()]
        with self._transaction():
            self._database.executemany(_INSERT_SETTING, pairs)
        self.remember("finished", "no")

    def settings(self) -> dict[str, str]:
        """Return those with which the run was begun; none if it was not."""
        return dict(self._database.execute("SELECT name, value FROM setting"))

    def fact(self, name: str, default: str = "") -> str:
        """Return what was remembered."""
        found = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return str(found[0]) if found else default

    def remember(self, name: str, value: str) -> None:
        """Remember a fact about the run."""
        with self._transaction():
            self._database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def write(self, entries: Iterable[Entry], facts: Mapping[str, str] | None = None) -> None:
        """Write what became of messages, all of it or nothing; it is on disk afterwards."""
        with self._transaction():
            self._database.executemany(_INSERT_MESSAGE, map(_row, entries))
            self._database.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", (facts or {}).items())

    def known(self, names: Sequence[str]) -> dict[str, State]:
        """Return the states of those of the messages that it tells of, by name or by place."""
        marks = ", ".join([_TEXT] * len(names))
        octets = [_octets(name) for name in names]
        rows = self._database.execute(
            f"SELECT name, state FROM message WHERE name IN ({marks})"  # noqa: S608  # marks alone
            f" UNION SELECT place, state FROM message WHERE state = 'done' AND place IN ({marks})",
            (*octets, *octets),
        )
        return {name: cast("State", state) for name, state in rows}

    def left(self, places: Sequence[str]) -> dict[str, str]:
        """Return what took the place of others under these names, as :attr:`Entry.seen` tells it."""
        marks = ", ".join([_TEXT] * len(places))
        rows = self._database.execute(
            f"SELECT place, seen FROM message WHERE state = 'done' AND place IN ({marks})",  # noqa: S608  # marks alone
            [_octets(place) for place in places],
        )
        return dict(rows)

    def next_number(self) -> int:
        """Return the first number that no message has, nor any that follows."""
        return int(self._database.execute("SELECT coalesce(max(number), 0) + 1 FROM message").fetchone()[0])

    def entries(self, state: State | None = None) -> Iterator[Entry]:
        """Yield what it tells, in the order of the messages."""
        query = "SELECT name, number, state, place, origin, size, digest, reason, seen FROM message"
        rows = self._database.execute(
            f"{query} WHERE state = ? ORDER BY number" if state else f"{query} ORDER BY number",
            (state,) if state else (),
        )
        with closing(rows):
            for row in rows:
                yield Entry(*row)

    def counts(self) -> dict[State, int]:
        """Return how many messages are in which state."""
        return dict(self._database.execute("SELECT state, count(*) FROM message GROUP BY state"))

    def reasons(self) -> list[tuple[str, int]]:
        """Return why messages failed and how many did, the most first."""
        rows = self._database.execute(
            "SELECT reason, count(*) FROM message WHERE state = 'failed' GROUP BY reason ORDER BY count(*) DESC, reason"
        )
        return [(str(reason), int(count)) for reason, count in rows]

    def remove(self) -> None:
        """Close it and remove it: nothing was begun."""
        self._database.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.close()


def _is_there(path: Path, descriptor: int) -> bool:
    """Tell whether a path leads to what is open."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def _octets(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _name(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _row(entry: Entry) -> tuple[object, ...]:
    name, number, state, place, origin, size, digest, reason, seen = entry
    return _octets(name), number, state, _octets(place), _octets(origin), size, digest, _octets(reason), seen


def journal_beside(target: str | os.PathLike[str], suffix: str = "") -> Path:
    """Return where the journal of a target is kept: a hidden folder in the same folder.

    Args:
        target: the target's path.
        suffix: what tells the runs of several machines on one target apart.
    """
    path = Path(os.path.realpath(target))
    return path.with_name(f".{path.name}.smime-session{suffix}")


def _change(name: str, before: str | None, now: str | None) -> str:
    if before is None:
        return f"{name} is new"
    if now is None:
        return f"{name} is missing"
    return f"{name} was {before}, and is {now}" if len(before) + len(now) < 120 else f"{name} has changed"  # noqa: PLR2004  # characters of a line
