"""What fuzz targets share: how one execution is watched, and the plain loop that needs no fuzzer."""

from __future__ import annotations

import resource
import time
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session import SmimeError
from tests.fuzz.mutation import mutate

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fuzz.mutation import Shape

# Generous: what is linear stays far below, what is not leaves them behind with the next octets.
_SECONDS: Final = 2.0
_SECONDS_PER_BYTE: Final = 1e-3
_MEMORY: Final = 64 << 20
_MEMORY_PER_BYTE: Final = 4 << 10
_KILOBYTE: Final = 1024


class Target(NamedTuple):
    """Something that reads.

    Attributes:
        run: reads, and asserts what must hold of it; whatever else it raises is a finding.
        seeds: returns what it can be given in good faith.
        shape: what that looks like.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    shape: Shape


class TooMuchError(AssertionError):
    """An input took more time or memory than its size explains."""


def execute(target: Target, data: bytes) -> None:
    """Run a target once.

    Raises:
        TooMuchError: it took too much processor time or memory.
        Exception: whatever the target lets out.
    """
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    target.run(data)
    took = time.process_time() - began
    if took > _SECONDS + len(data) * _SECONDS_PER_BYTE:
        raise TooMuchError(f"{len(data)} bytes took {took:.1f} s")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * _KILOBYTE
    if grown > _MEMORY + len(data) * _MEMORY_PER_BYTE:
        raise TooMuchError(f"{len(data)} bytes took {grown >> 20} MB")


def loop(name: str, target: Target, count: int, seed: int = 0) -> None:
    """Execute a target with its seeds and ``count`` mutations of them, the same each time.

    Raises:
        AssertionError: one of them is a finding; its octets are told.
    """
    seeds = target.seeds()
    random = Random(f"{name} {seed}")  # noqa: S311  # to be the same each time
    inputs = (mutate(random.choice(seeds), random, target.shape, seeds) for _ in range(count))
    for data in (*seeds, *inputs):
        try:
            execute(target, data)
        except SmimeError:
            continue
        except Exception as error:
            raise AssertionError(f"{name} with {data.hex()}: {type(error).__name__}: {error}") from error
