"""Series of measurements over growing amounts of work."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from benchmarks.curves.fitting import Growth, growth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from benchmarks.measuring import Spent

    Jobs = Callable[[int], Iterator["Job"]]

_ENOUGH: Final = 2  # seconds: what takes longer is measured once, what takes less some times
_REPEATS: Final = 7


@dataclass(frozen=True, slots=True)
class Job:
    """Somebody doing some amount of work.

    Attributes:
        label: who does what.
        ours: whether it is us.
        step: does it.
    """

    label: str
    ours: bool
    step: Callable[[], Spent]


@dataclass(frozen=True, slots=True)
class Point:
    """One amount, and what it took.

    Attributes:
        amount: of work.
        seconds: the least of several: what comes on top is another program's.
        memory: megabytes at the peak, or None where they are not measured.
    """

    amount: int
    seconds: float
    memory: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """One way to do one kind of work, over growing amounts.

    Attributes:
        dimension: what grows.
        label: who does what.
        ours: whether it is us.
        points: in the order of the amounts.
    """

    dimension: str
    label: str
    ours: bool
    points: list[Point] = field(default_factory=list)

    def time(self) -> Growth:
        """Return how the time grows."""
        return growth([(point.amount, point.seconds) for point in self.points])


@dataclass(frozen=True, slots=True)
class Dimension:
    """What grows.

    Attributes:
        name: of it, with the unit.
        amounts: growing.
        jobs: yields the jobs for one amount; each is done before the next is asked for.
        obstacle: says why an amount cannot be measured, if it cannot.
    """

    name: str
    amounts: Sequence[int]
    jobs: Jobs
    obstacle: Callable[[int], str | None] = lambda _: None


def measure(
    dimensions: Iterable[Dimension], deadline: float, clock: Callable[[], float] = time.monotonic
) -> tuple[list[Series], Mapping[str, str]]:
    """Measure everything; return the series, and what was left out and why.

    Args:
        dimensions: one after the other; within one, all do the same amount before the next.
        deadline: on the clock, after which no further amount is begun.
        clock: in seconds.
    """
    series: dict[tuple[str, str], Series] = {}
    left_out = {}
    for dimension in dimensions:
        for amount in dimension.amounts:
            if reason := "out of time" if clock() > deadline else dimension.obstacle(amount):
                left_out[f"{dimension.name}: {amount:,}"] = reason
                continue
            for job in dimension.jobs(amount):
                empty = Series(dimension.name, job.label, job.ours)
                series.setdefault((dimension.name, job.label), empty).points.append(_point(amount, job.step))
    return list(series.values()), left_out


def _point(amount: int, step: Callable[[], Spent]) -> Point:
    spent = [step()]
    while len(spent) < _REPEATS and sum(one.wall for one in spent) < _ENOUGH:
        spent.append(step())
    memory = max(one.memory for one in spent)
    seconds = min(one.wall / one.times for one in spent)
    return Point(amount, seconds, memory / 1e6 if memory else None)
