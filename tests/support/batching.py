"""Runs of many messages in this process, that make of each message itself, so that each byte can be compared."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO

from smime_session import MessageError
from smime_session.batch import Journal, journal_beside, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from smime_session.batch import Item, Source, Tally, Target, Work


def copied(item: Item, source: BinaryIO, target: BinaryIO) -> None:
    """Copy a message; one that says so fails, after half of it was written.

    Raises:
        MessageError: the message begins with ``broken``.
    """
    del item
    if (start := source.read(6)) == b"broken":
        target.write(source.read(10))
        raise MessageError("it is broken")
    target.write(start)
    shutil.copyfileobj(source, target)


def carried(
    source: Source, target: Target, work: Work = copied, *, retry_failed: bool = False, settings: str = ""
) -> Tally:
    """Run with two threads, and the journal beside the target."""
    with Journal(journal_beside(target.path)) as journal:
        journal.begin({"settings": settings})
        return run(source, target, work, journal, jobs=2, executor=ThreadPoolExecutor, retry_failed=retry_failed)


def written(folder: Path, mails: Mapping[str, bytes]) -> Path:
    """Write files, in folders as their names say."""
    folder.mkdir(exist_ok=True)
    for name, data in mails.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def contents(source: Source) -> dict[str, bytes]:
    """Return every message of a source by its place, in its order."""
    found = {}
    for item in source.items():
        with item.content.open() as stream:
            found[item.place] = stream.read()
    return found
