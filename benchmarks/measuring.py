"""Doing something and saying what it took: in this process, or in one that is started for it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_LAUNCHER: Final = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class Spent:
    """What doing something took.

    Attributes:
        wall: seconds on the clock.
        cpu: seconds of CPU time, of all threads.
        memory: octets at the peak; 0 if they were not measured. What is under 10 MB cannot be told apart.
        times: how often it was done in all that.
    """

    wall: float
    cpu: float
    memory: int = 0
    times: float = 1


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start.

    Attributes:
        arguments: the program, and what follows it.
        out: the file that it writes, removed before it starts: a file system that replaces one takes longer.
        stdin: the file that it reads; none reads nothing.
        environment: variables beside those of this process.
        answer: what its standard output begins with when it did its work.
    """

    arguments: Sequence[str | Path]
    out: Path | None = None
    stdin: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    answer: bytes = b""


class CommandError(Exception):
    """A process failed; the message is what it said."""


def loop(step: Callable[[], object], seconds: float, *, things: int = 1, alone: bool = True) -> Spent:
    """Repeat ``step`` in this process for some seconds, at least once, after once unmeasured.

    Args:
        step: what to do.
        seconds: on the clock.
        things: how many of what is counted each step does.
        alone: whether to do it on a single core, where nothing is gained by threads.
    """
    with _one_core() if alone else nullcontext():
        step()
        count, cpu, wall = 0, time.process_time(), time.perf_counter()
        while not count or time.perf_counter() < wall + seconds:
            step()
            count += 1
        return Spent(time.perf_counter() - wall, time.process_time() - cpu, times=count * things)


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this process on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def run(command: Command, times: int = 1) -> Spent:
    """Run a process to its end, ``times`` times one after the other, and return what they used together.

    Raises:
        CommandError: it failed.
    """
    launcher = (sys.executable, "-I", "-S", _LAUNCHER, str(times), command.out or "")
    with (command.stdin or Path(os.devnull)).open("rb") as stdin:
        done = subprocess.run(
            (*launcher, *command.arguments),
            stdin=stdin,
            capture_output=True,
            check=False,
            env={**os.environ, **command.environment},
        )
    if done.returncode or not done.stdout.startswith(command.answer):
        words = done.stderr.decode(errors="replace").strip() or done.stdout[:200].decode(errors="replace")
        raise CommandError(f"{Path(command.arguments[0]).name} failed: {words}")
    wall, cpu, memory = done.stdout.split()[-3:]
    return Spent(float(wall), float(cpu), int(memory), times)


def run_settled(command: Command, times: int = 1) -> Spent:
    """Run a process as :func:`run` does, with nothing of those before it left to be written to the disk.

    Whoever waits until what it wrote is on the disk would wait for that too.

    Raises:
        CommandError: it failed.
    """
    os.sync()
    return run(command, times)
