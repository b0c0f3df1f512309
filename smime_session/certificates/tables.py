"""The tables of a store's index: made where they are not as they should be, and trusted for nothing else."""

from __future__ import annotations

from hashlib import sha256
from itertools import groupby
from sqlite3 import DatabaseError
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

_VERSION: Final = 3  # of the tables
_TABLES: Final = """
    CREATE TABLE file (name BLOB PRIMARY KEY, size INTEGER, changed INTEGER, inode INTEGER, places BLOB);
    CREATE TABLE place (mailbox TEXT, name BLOB, begin INTEGER, size INTEGER, number INTEGER);
    CREATE INDEX place_by_mailbox ON place (mailbox);
    CREATE INDEX place_by_name ON place (name);
    CREATE TABLE folder (changed INTEGER, indexed INTEGER, places INTEGER);
"""


def make_tables(index: sqlite3.Connection) -> None:
    """Make the tables, unless they are there as this version has them.

    Raises:
        sqlite3.DatabaseError: the file is damaged.
    """
    if index.execute("PRAGMA user_version").fetchone() == (_VERSION,):
        made = index.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        if {each for (each,) in made} != set(
            _statements()
        ):  # a view has rows without end, a trigger does what it likes
            raise DatabaseError("the index has other tables than it should")
        return
    index.execute("BEGIN IMMEDIATE")
    try:
        if index.execute("PRAGMA user_version").fetchone() != (_VERSION,):  # no other process was faster
            for name in ("file", "place", "folder"):
                index.execute(f"DROP TABLE IF EXISTS {name}")
            for statement in _statements():
                index.execute(statement)
            index.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        index.execute("ROLLBACK")
        raise
    index.execute("COMMIT")


def _statements() -> list[str]:
    return [each.strip() for each in _TABLES.split(";") if each.strip()]


def checksum(places: Iterable[tuple[object, ...]]) -> bytes:
    """Return what tells whether rows about a file are missing or altered: mailbox, begin, size and number of each."""
    return sha256(repr(sorted(map(repr, map(tuple, places)))).encode("utf-8", "surrogatepass")).digest()


def whole_files(index: sqlite3.Connection) -> Iterator[object]:
    """Yield the names of the files whose rows are all there, as they were written.

    Raises:
        sqlite3.DatabaseError: the file is damaged.
    """
    rows = index.execute("SELECT name, mailbox, begin, size, number FROM place ORDER BY name")
    found = {name: checksum(row[1:] for row in of_name) for name, of_name in groupby(rows, lambda row: row[0])}
    nothing = checksum(())
    for name, places in index.execute("SELECT name, places FROM file"):
        if found.get(name, nothing) == places:
            yield name


def count_places(index: sqlite3.Connection) -> object:
    """Return how many rows about certificates there are, which takes a millisecond where there are 100,000."""
    return index.execute("SELECT COUNT(*) FROM place").fetchone()[0]
