"""What a worker process does: some messages, one after the other, each with its own outcome."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, Protocol, cast

from smime_session import SmimeError
from smime_session.batch.journal import Entry
from smime_session.batch.storing import Measured, TargetFailedError, seen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess

    from smime_session.batch.items import Item
    from smime_session.batch.storing import Task, Writer


class Work(Protocol):
    """What is done to a message."""

    def __call__(self, item: Item, source: BinaryIO, target: BinaryIO) -> None:
        """Read a message and write what becomes of it.

        Args:
            item: the message; its name, and more.
            source: its bytes.
            target: takes what is made of it; a failure undoes what was written.

        Raises:
            SmimeError: it cannot be done; the sentence is the reason.
            OSError: the message cannot be read.
        """
        ...


class Preparation(Protocol):
    """What loads keys and certificates, once in each process; it can be pickled where workers are not forked."""

    def __call__(self) -> Work:
        """Load all, and return what is done to each message."""
        ...


class Setup(NamedTuple):
    """What is to be done, as it travels to workers.

    Attributes:
        token: tells one run from another within a process.
        prepare: makes the work where it was not inherited; None where it always is.
    """

    token: str
    prepare: Preparation | None


works: dict[str, Work] = {}
"""The work of each run in this process, by its token. Forked workers inherit it, and with it keys that never travel."""


_prepared: Final[list[str]] = []
_MOST_PREPARED: Final = 2  # runs whose work a worker of several keeps: keys of those that ended are not left there


def forget(token: str) -> None:
    """Let go of the work of a run, with its keys, where it was not inherited."""
    if token in _prepared:
        _prepared.remove(token)
        works.pop(token, None)


def _work(setup: Setup) -> Work:
    """Return the work of a run, prepared if this process did not inherit it."""
    found = works.get(setup.token)
    if found is None:
        if setup.prepare is None:
            raise LookupError("a worker was started in a way that left it without its work")
        found = works[setup.token] = setup.prepare()
        _prepared.append(setup.token)
        for token in _prepared[:-_MOST_PREPARED]:
            forget(token)
    return found


def start() -> None:
    """Begin the life of a worker: the parent alone answers to the keyboard, and none stays when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: BaseProcess) -> None:
    """End this process when the one that started it was killed; from a thread, nothing gentler ends it."""
    parent.join()
    os._exit(1)


def carry_out(setup: Setup, writer: Writer, tasks: Sequence[Task]) -> list[Entry]:
    """Work on messages, and leave what was made on disk.

    Returns:
        What became of each, ``ready`` or ``failed``.

    Raises:
        TargetFailedError: the target takes no more.
        SmimeError: a key or certificate cannot be loaded.
    """
    work = _work(setup)
    portion = writer.portion(tasks[0].number)
    entries = []
    for task in tasks:
        number, item = task
        try:
            with item.content.open() as source, portion.new(task) as stream, Measured(stream, item.place) as target:
                before = seen(os.fstat(source.fileno())) if writer.replaces else ""
                work(item, source, cast("BinaryIO", target))
                made = target.size, target.digest
        except TargetFailedError:
            raise
        except (SmimeError, OSError) as error:
            entries.append(Entry(item.name, number, "failed", reason=_sentence(error)))
        except Exception as error:  # noqa: BLE001  # one message must not stop a million; its text could be the mail's
            reason = f"it could not be worked on, by a mistake of this program ({type(error).__name__})"
            entries.append(Entry(item.name, number, "failed", reason=reason))
        else:
            entries.append(Entry(item.name, number, "ready", writer.place(task), _origin(item), *made, seen=before))
    portion.settle([task for task, entry in zip(tasks, entries, strict=True) if entry.state == "ready"])
    return entries


def _origin(item: Item) -> str:
    return item.mailbox.file if item.mailbox else ""


def _sentence(error: SmimeError | OSError) -> str:
    """Return why a message failed, without what differs from one to the other, so that reasons can be counted."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return " ".join(str(error).split())
