"""A run: messages of a source, worked on by several processes, into a target, with a journal.

Each message ends in the target exactly once, whenever a worker or this process is killed: what a worker made is on
disk before it is renamed, and renamed before the journal calls it done; what the journal does not call done is made
again, under the same name.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import uuid
import zlib
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.batch import worker
from smime_session.batch.items import Data
from smime_session.batch.journal import Entry
from smime_session.batch.storing import Task
from smime_session.batch.targets import Replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from smime_session.batch.items import Item
    from smime_session.batch.journal import Journal, State
    from smime_session.batch.sources import Source
    from smime_session.batch.storing import Writer
    from smime_session.batch.targets import Target
    from smime_session.batch.worker import Preparation, Work

MOST_AT_ONCE: Final = 512  # messages that a worker is given at once
_MOST_HELD: Final = 8 << 20  # bytes of messages that travel with their bodies, for a portion
_FIRST: Final = 16  # messages that it is given at first, so that a short run is divided well too
_AHEAD: Final = 3  # portions under way for each worker
_TRIES: Final = 3  # times that a portion whose worker died is given out before it is divided


class Shard(NamedTuple):
    """A share of the messages, for several machines that know nothing of each other.

    Attributes:
        number: which share, from 1.
        shares: how many there are.
    """

    number: int
    shares: int

    def has(self, name: str) -> bool:
        """Tell whether a message is in it."""
        return zlib.crc32(os.fsencode(name)) % self.shares == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}-of-{self.shares}"


@dataclass
class Tally:
    """How far a run has come.

    Attributes:
        done: messages that were made.
        failed: messages that failed.
        skipped: messages that an earlier run had done, or had failed on.
        began: the moment it began, on the monotonic clock, in seconds.
    """

    done: int = 0
    failed: int = 0
    skipped: int = 0
    began: float = field(default_factory=time.monotonic)


def processes(count: int) -> Executor:
    """Return worker processes that inherit what this one has loaded, where the system can; none outlives it."""
    return ProcessPoolExecutor(count, multiprocessing.get_context("fork" if forks() else "spawn"), worker.start)


def fresh_processes(count: int) -> Executor:
    """Return worker processes that inherit nothing, and so want a :class:`Preparation`; none outlives this one."""
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), worker.start)


def forks() -> bool:
    """Tell whether :func:`processes` returns workers that inherit what this process has loaded."""
    return "fork" in multiprocessing.get_all_start_methods()


def run(  # noqa: PLR0913  # most leave most of them as they are
    source: Source,
    target: Target,
    work: Work,
    journal: Journal,
    *,
    jobs: int | None = None,
    executor: Callable[[int], Executor] = processes,
    prepare: Preparation | None = None,
    shard: Shard | None = None,
    retry_failed: bool = False,
    on_progress: Callable[[Tally], None] | None = None,
) -> Tally:
    """Work on every message of a source that the journal does not know.

    Args:
        source: where the messages come from.
        target: where they go.
        work: what is done to each.
        journal: what knows of earlier runs, and learns of this one.
        jobs: how many workers; as many as there are processors if not given.
        executor: makes that many of them; any :class:`concurrent.futures.Executor` will do.
        prepare: makes the work anew, in workers that inherit nothing.
        shard: the share of the messages that is worked on; all of them if not given.
        retry_failed: whether to try again what failed before.
        on_progress: is told how far it has come.

    Returns:
        How many messages were done, failed, and left alone.

    Raises:
        BatchError: the target is not of this run, or takes no more, or workers die whatever they do.
        SmimeError: a worker cannot load its keys.
        OSError: the source cannot be read.
    """
    jobs = jobs or os.cpu_count() or 1
    target.begin(journal, resumed=journal.fact("begun") == "yes")
    journal.remember("begun", "yes")
    recovered = target.recover(list(journal.entries("ready")))
    journal.write([each._replace(state="done") if each.state == "ready" else each for each in recovered])
    setup = worker.Setup(uuid.uuid4().hex, prepare)
    worker.works[setup.token] = work
    tally = Tally()
    try:
        chosen = (item for item in source.items() if shard is None or shard.has(item.name))
        portions = _portions(chosen, target, journal, tally, retry_failed=retry_failed)
        crew = _Crew(lambda: executor(jobs), setup, target.writer(), jobs * _AHEAD)
        for portion, entries in crew.results(portions, ordered=target.ordered):
            failed = _settle(target, journal, portion[0].number, entries)
            tally.failed += failed
            tally.done += len(entries) - failed
            if on_progress:
                on_progress(tally)
    finally:
        del worker.works[setup.token]
    target.finish()
    journal.remember("finished", "yes")
    return tally


def _portions(
    items: Iterator[Item], target: Target, journal: Journal, tally: Tally, *, retry_failed: bool
) -> Iterator[tuple[Task, ...]]:
    """Yield the messages that are to be worked on, in portions that grow."""
    number = journal.next_number()
    size = _FIRST
    while batch := list(_taken(items, size)):
        known = _known(batch, target, journal)
        wanted = [item for item in batch if item.name not in known or (retry_failed and known[item.name] == "failed")]
        tally.skipped += len(batch) - len(wanted)
        if wanted:
            yield tuple(map(Task, range(number, number + len(wanted)), wanted))
            number += len(wanted)
            size = min(2 * size, MOST_AT_ONCE)


def _taken(items: Iterator[Item], most: int) -> Iterator[Item]:
    """Yield so many items at most, and fewer of those that have their bytes with them."""
    held = 0
    for item in islice(items, most):
        yield item
        if isinstance(item.content, Data):
            held += len(item.content.data)
            if held > _MOST_HELD:
                return


def _known(items: Sequence[Item], target: Target, journal: Journal) -> dict[str, State]:
    """Return the states of messages that the journal knows; in place, a name may have another message by now."""
    names = [item.name for item in items]
    known = journal.known(names)
    if target.replaces and isinstance(target, Replacing):
        left = journal.left(names)
        for item in items:
            if known.get(item.name) == "done" and not target.is_made(item, left.get(item.name)):
                del known[item.name]
    return known


def _settle(target: Target, journal: Journal, number: int, entries: Sequence[Entry]) -> int:
    """Put what a worker made into its place, and tell the journal; return how many failed."""
    made = [entry for entry in entries if entry.state == "ready"]
    if target.replaces and made:
        journal.write(made)
    committed, facts = target.commit(number, made)
    settled = [each._replace(state="done") if each.state == "ready" else each for each in committed]
    failed = [entry for entry in entries if entry.state == "failed"]
    journal.write([*failed, *settled], facts)
    return sum(each.state == "failed" for each in (*failed, *settled))


class _Portion(NamedTuple):
    """Messages that are given to a worker.

    Attributes:
        tasks: the messages.
        tries: how often a worker died meanwhile.
    """

    tasks: tuple[Task, ...]
    tries: int = 0


class _Crew:
    """Workers, and what they are given; those that die are replaced.

    Args:
        hire: makes workers.
        setup: what they do.
        writer: where they write to.
        ahead: how many portions are given out at most.
    """

    def __init__(self, hire: Callable[[], Executor], setup: worker.Setup, writer: Writer, ahead: int) -> None:
        self._hire, self._setup, self._writer, self._ahead = hire, setup, writer, ahead

    def results(
        self, portions: Iterator[tuple[Task, ...]], *, ordered: bool
    ) -> Iterator[tuple[tuple[Task, ...], list[Entry]]]:
        """Yield what became of each portion, in their order if that is wanted.

        Raises:
            BatchError: the target takes no more.
        """
        again: deque[_Portion] = deque()
        waiting = map(_Portion, portions)
        while True:
            executor = self._hire()
            under_way: dict[Future[list[Entry]], _Portion] = {}
            try:
                yield from self._round(executor, under_way, again, waiting, ordered=ordered)
            except BrokenExecutor:
                again.extendleft(reversed([_tried(each) for each in under_way.values()]))
                again = deque(_divided(again))
            else:
                return
            finally:
                executor.shutdown(wait=True, cancel_futures=True)

    def _round(
        self,
        executor: Executor,
        under_way: dict[Future[list[Entry]], _Portion],
        again: deque[_Portion],
        waiting: Iterator[_Portion],
        *,
        ordered: bool,
    ) -> Iterator[tuple[tuple[Task, ...], list[Entry]]]:
        """Give out portions and yield results until there are no more, or a worker died."""
        while True:
            while len(under_way) < self._ahead:
                portion = again.popleft() if again else next(waiting, None)
                if portion is None:
                    break
                if portion.tries > _TRIES and len(portion.tasks) == 1:
                    under_way[_given_up(portion.tasks[0])] = portion
                    continue
                try:
                    under_way[executor.submit(worker.carry_out, self._setup, self._writer, portion.tasks)] = portion
                except BrokenExecutor:
                    again.appendleft(portion)
                    raise
            if not under_way:
                return
            ready = [next(iter(under_way))] if ordered else wait(under_way, return_when=FIRST_COMPLETED).done
            for future in ready:
                entries = future.result()
                yield under_way.pop(future).tasks, entries


def _given_up(task: Task) -> Future[list[Entry]]:
    future: Future[list[Entry]] = Future()
    future.set_result(
        [Entry(task.item.name, task.number, "failed", reason="each process that worked on it was killed")]
    )
    return future


def _tried(portion: _Portion) -> _Portion:
    return portion._replace(tries=portion.tries + 1)


def _divided(portions: Iterable[_Portion]) -> Iterator[_Portion]:
    """Divide what was tried often, to find the message that workers die of."""
    for portion in portions:
        if portion.tries >= _TRIES and len(portion.tasks) > 1:
            half = len(portion.tasks) // 2
            yield _Portion(portion.tasks[:half])
            yield _Portion(portion.tasks[half:])
        else:
            yield portion
