"""What a benchmark is made of: contests between us and peers, fought in rounds.

A round has everybody do the same work once, one right after the other, so that whatever else the
machine is doing slows all alike. Ratios are taken within a round; what is reported is the median.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.measuring import Spent

    Measurement = Callable[[], Spent]


@dataclass(frozen=True, slots=True)
class Metric:
    """How work is judged.

    Attributes:
        unit: of the value.
        read: returns the value of what was spent.
        more_is_better: whether the larger value is the better one.
        bound: what our own value must reach, or not exceed, whatever the peer's is.
    """

    unit: str
    read: Callable[[Spent], float]
    more_is_better: bool = False
    bound: float | None = None

    def ratio(self, ours: Spent, theirs: Spent) -> float:
        """Return how many times as good as the peer we are."""
        one, other = self.read(ours), self.read(theirs)
        return one / other if self.more_is_better else other / one

    def bounded(self, bound: float) -> Metric:
        """Return the same metric with a bound."""
        return replace(self, bound=bound)


MESSAGES: Final = Metric("messages/s", lambda spent: spent.times / spent.cpu, more_is_better=True)
"""Of one core: a second of CPU time."""
ON_THE_CLOCK: Final = Metric("messages/s on the clock", lambda spent: spent.times / spent.wall, more_is_better=True)
"""Of all cores."""
RECIPIENTS: Final = Metric("recipients/s", lambda spent: spent.times / spent.cpu, more_is_better=True)
"""The same."""
MILLISECONDS: Final = Metric("ms", lambda spent: spent.wall / spent.times * 1e3)
SECONDS: Final = Metric("s", lambda spent: spent.wall / spent.times)
CPU_SECONDS: Final = Metric("s of CPU", lambda spent: spent.cpu / spent.times)
MEGABYTES: Final = Metric("MB at peak", lambda spent: spent.memory / 1e6)


@dataclass(frozen=True, slots=True)
class Opponent:
    """A peer doing the work.

    Attributes:
        name: in the table.
        measure: does it.
        target: how many times as good as the peer we mean to be, by the contest's first metric.
    """

    name: str
    measure: Measurement
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: medians over the rounds.

    Attributes:
        work: what was done.
        peer: who else did it, if anybody.
        unit: of both values.
        theirs: the peer's value.
        ours: ours.
        ratio: how many times as good as the peer we are.
        target: what the ratio ought to be at least.
        bound: what our own value ought to be, at least or at most as the unit has it.
        met: whether target or bound are met; None if there is neither.
        rounds: our value and the peer's in each round.
    """

    work: str
    peer: str | None
    unit: str
    theirs: float | None
    ours: float
    ratio: float | None
    target: float | None
    bound: float | None
    met: bool | None
    rounds: Sequence[tuple[float, float | None]]
    more_is_better: bool


@dataclass(frozen=True, slots=True)
class Contest:
    """One piece of work and all who do it.

    Attributes:
        group: what ``--only`` calls it and others of its kind.
        work: what is done, in words.
        us: does it our way.
        opponents: do it theirs.
        metrics: how it is judged; the targets are for the first.
        rounds: how often it is done at most.
        results: what everybody spent, round by round, by the peer's name; ours is under an empty one.
    """

    group: str
    work: str
    us: Measurement
    opponents: Sequence[Opponent] = ()
    metrics: Sequence[Metric] = (MESSAGES,)
    rounds: int = 7
    results: list[Mapping[str, Spent]] = field(default_factory=list)

    def fight(self) -> None:
        """Do the work once each; who begins changes with every round."""
        everybody = [("", self.us), *((opponent.name, opponent.measure) for opponent in self.opponents)]
        if len(self.results) % 2:
            everybody.reverse()
        self.results.append({name: measure() for name, measure in everybody})

    def rows(self) -> Iterable[Row]:
        """Yield a row for each metric and opponent; one for each metric where nobody else does the work."""
        for metric in self.metrics:
            if not self.opponents:
                yield self._row(metric, None)
            for opponent in self.opponents:
                yield self._row(metric, opponent)

    def _row(self, metric: Metric, opponent: Opponent | None) -> Row:
        ours = [metric.read(result[""]) for result in self.results]
        theirs = [metric.read(result[opponent.name]) if opponent else None for result in self.results]
        ratio = None
        if opponent:
            ratio = statistics.median(metric.ratio(result[""], result[opponent.name]) for result in self.results)
        target = opponent.target if opponent and metric is self.metrics[0] else None
        value = statistics.median(ours)
        return Row(
            work=self.work,
            peer=opponent.name if opponent else None,
            unit=metric.unit,
            theirs=statistics.median(value for value in theirs if value is not None) if opponent else None,
            ours=value,
            ratio=ratio,
            target=target,
            bound=metric.bound,
            met=_met(metric, value, ratio, target),
            rounds=list(zip(ours, theirs, strict=True)),
            more_is_better=metric.more_is_better,
        )


def _met(metric: Metric, value: float, ratio: float | None, target: float | None) -> bool | None:
    verdicts = []
    if target is not None and ratio is not None:
        verdicts.append(ratio >= target)
    if metric.bound is not None:
        verdicts.append(value >= metric.bound if metric.more_is_better else value <= metric.bound)
    return all(verdicts) if verdicts else None


def fight(contests: Sequence[Contest], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Fight all contests in rounds.

    The first round is complete. Of the others, a contest is left out that would end too late if it
    took as long as before, so that short ones get more rounds than long ones.

    Args:
        contests: in the order in which a round goes through them.
        seconds: after which nothing more begins.
        clock: in seconds.
    """
    deadline = clock() + seconds
    durations = [0.0] * len(contests)
    for number in range(max((contest.rounds for contest in contests), default=0)):
        for index, contest in enumerate(contests):
            begin = clock()
            if number < contest.rounds and (not number or begin + durations[index] < deadline):
                contest.fight()
                durations[index] = clock() - begin
