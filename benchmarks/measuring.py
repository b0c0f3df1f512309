"""What a benchmark is made of: points that are measured in turn, round by round.

A round measures every point once, those of one column next to each other, so that whatever else
the machine is doing slows all peers alike. Ratios are taken within a round; what is reported is
the median over the rounds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LAUNCHER: Final = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class Point:
    """One peer doing one thing.

    Attributes:
        peer: the row of the table.
        measure: does it, and returns what was measured by the column it belongs to.
    """

    peer: str
    measure: Callable[[], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Table:
    """Points whose results stand side by side.

    Attributes:
        name: what ``--only`` calls it.
        title: what it shows.
        unit: of every value.
        points: in the order in which they are measured.
        references: peers to compare with; the first that is there is the one.
        comparison: what the ratios say of the reference.
        more_is_better: whether a peer with a larger value is the better one.
        results: a value for each round, by row and column.
    """

    name: str
    title: str
    unit: str
    points: Sequence[Point]
    references: Sequence[str] = ()
    comparison: str = "times as good as"
    more_is_better: bool = True
    results: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    @property
    def reference(self) -> str | None:
        """The peer that the others are compared with."""
        return next((peer for peer in self.references if peer in self.results), None)

    def measure(self) -> None:
        """Measure every point once."""
        for point in self.points:
            row = self.results.setdefault(point.peer, {})
            for column, value in point.measure().items():
                row.setdefault(column, []).append(value)

    def ratio(self, peer: str, column: str) -> float | None:
        """Return how many times better a peer is than the reference, or None if there is nothing to compare."""
        reference = self.results.get(self.reference or "", {}).get(column)
        if not reference:
            return None
        ratios = [own / other for own, other in zip(self.results[peer][column], reference, strict=True) if other]
        if not ratios:
            return None
        median = statistics.median(ratios)
        return median if self.more_is_better else 1 / median


def rate(step: Callable[[], object], seconds: float) -> float:
    """Return how often ``step`` runs in a second of this process's CPU time."""
    step()
    count, start, end = 0, time.process_time(), time.perf_counter() + seconds
    while not count or time.perf_counter() < end:
        step()
        count += 1
    return count / (time.process_time() - start)


def duration(step: Callable[[], object], seconds: float) -> float:
    """Return how many seconds of CPU time ``step`` takes."""
    return 1 / rate(step, seconds)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process used: seconds on the clock, seconds of CPU time, and octets of memory at its peak."""

    wall: float
    cpu: float
    memory: int


def run(arguments: Sequence[str | Path]) -> Usage:
    """Run a process to its end and return what it used.

    Raises:
        RuntimeError: it failed; the message is what it said.
    """
    launcher = (sys.executable, "-I", "-S", _LAUNCHER)
    done = subprocess.run((*launcher, *arguments), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    wall, cpu, memory = done.stdout.split()[-3:]
    return Usage(float(wall), float(cpu), int(memory))
