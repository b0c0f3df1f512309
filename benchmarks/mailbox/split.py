"""What each step of `batch encrypt` costs a mail, in one process.

Opening, reading, writing, syncing and the journal are timed by the clock where they are called; encrypting is timed as
a whole, and divided as :mod:`benchmarks.stages` finds by looking at it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmarks.stages import profile
from benchmarks.suites import GCM
from smime_session import encrypt
from smime_session.batch import FolderSource, FolderTarget, Journal, journal_beside, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from benchmarks.mailbox.ways import EncryptWork, Yard
    from smime_session.batch import Item
    from smime_session.batch.items import Content
    from smime_session.batch.storing import Portion, Task, Writer

_REST: Final = "the rest"
_STEPS: Final = ("read", "parse", "wrap", "seal", "encode", "write", "sync and rename", "journal", _REST)
_SECONDS: Final = 1.0  # of looking at what encrypts
_NAMES: Final = {"base64": "encode"}

spent: defaultdict[str, float] = defaultdict(float)
"""Seconds by step, in the run under way."""


@dataclass(frozen=True, slots=True)
class Split:
    """What a mail costs.

    Attributes:
        seconds: all of it.
        steps: seconds of each step, in the order in which a mail meets them.
    """

    seconds: float
    steps: dict[str, float]


@contextmanager
def _timed(step: str) -> Iterator[None]:
    begin = time.perf_counter()
    try:
        yield
    finally:
        spent[step] += time.perf_counter() - begin


class _TimedContent(NamedTuple):
    inner: Content

    def open(self) -> BinaryIO:
        with _timed("read"):
            return self.inner.open()


class _TimedPortion(NamedTuple):
    inner: Portion

    @contextmanager
    def new(self, task: Task) -> Iterator[BinaryIO]:
        with _timed("write"):
            opened = self.inner.new(task)
            stream = opened.__enter__()
        try:
            yield stream
        finally:
            with _timed("write"):
                opened.__exit__(None, None, None)

    def settle(self, tasks: Sequence[Task]) -> None:
        with _timed("sync and rename"):
            self.inner.settle(tasks)


class _TimedWriter(NamedTuple):
    inner: Writer

    @property
    def replaces(self) -> bool:
        return self.inner.replaces

    def portion(self, number: int) -> _TimedPortion:
        return _TimedPortion(self.inner.portion(number))

    def place(self, task: Task) -> str:
        return self.inner.place(task)


class _TimedJournal(Journal):
    def write(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  # as its own
        with _timed("journal"):
            super().write(*arguments, **options)

    def known(self, names: Sequence[str]) -> Any:  # noqa: ANN401  # as its own
        with _timed("journal"):
            return super().known(names)


class _TimedTarget(FolderTarget):
    def commit(self, *arguments: Any) -> Any:  # noqa: ANN401  # as its own
        with _timed("sync and rename"):
            return super().commit(*arguments)


class _Here(Executor):
    """Does what it is given at once, in this process."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:  # noqa: ANN401
        setup, writer, tasks = arguments
        timed = [each._replace(item=each.item._replace(content=_TimedContent(each.item.content))) for each in tasks]
        future: Future[Any] = Future()
        future.set_result(function(setup, _TimedWriter(writer), timed, **options))
        return future


class _TimedWork(NamedTuple):
    work: EncryptWork

    def __call__(self, item: Item, source: BinaryIO, target: BinaryIO) -> None:
        del item
        with _timed("read"):
            data = source.read()
        with _timed("encrypt"):
            sealed = encrypt(data, self.work.recipients, profile=GCM.profile)
        with _timed("write"):
            target.write(sealed)


def split(yard: Yard) -> Split:
    """Encrypt mails in this process, and return what each step of it took."""
    out = yard.mails.with_name("out")
    mail = (yard.mails / yard.paths[0]).read_bytes()
    looked = profile("encrypt", partial(encrypt, mail, yard.work.recipients, profile=GCM.profile), _SECONDS)
    source = FolderSource(str(yard.mails))
    spent.clear()
    begin = time.perf_counter()
    with _TimedJournal(journal_beside(out)) as journal:
        tally = run(source, _TimedTarget(str(out)), _TimedWork(yard.work), journal, jobs=1, executor=lambda _: _Here())
    seconds = (time.perf_counter() - begin) / tally.done
    yard.clear()
    each = {step: value / tally.done for step, value in spent.items()}
    encrypting = each.pop("encrypt")
    steps = dict.fromkeys(_STEPS, 0.0) | each
    for stage, share in looked.shares.items():
        steps[_NAMES.get(stage, stage)] += encrypting * share
    steps[_REST] += seconds - encrypting - sum(each.values())
    return Split(seconds, steps)
