"""The tables of a store's index: made where they are not as they should be, and trusted for nothing else."""

from __future__ import annotations

from sqlite3 import DatabaseError
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

_VERSION: Final = 2  # of the tables
_TABLES: Final = """
    CREATE TABLE file (name BLOB PRIMARY KEY, size INTEGER, changed INTEGER, inode INTEGER);
    CREATE TABLE place (mailbox TEXT, name BLOB, begin INTEGER, size INTEGER, number INTEGER);
    CREATE INDEX place_by_mailbox ON place (mailbox);
    CREATE INDEX place_by_name ON place (name);
    CREATE TABLE folder (changed INTEGER, indexed INTEGER);
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
