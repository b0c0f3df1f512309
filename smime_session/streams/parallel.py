"""One piece of work done in several threads, where the library underneath works without Python's lock."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    T = TypeVar("T")
    R = TypeVar("R")

_LEAST: Final = 250  # items for one thread: fewer take no longer than starting it


def in_parts(work: Callable[[Sequence[T]], list[R]], items: Sequence[T], most: int) -> list[R]:
    """Return what ``work`` makes of ``items``, as if it had been called once.

    Args:
        work: returns a list, a value for each item of a part.
        items: what to work on; cut into as many parts as pay.
        most: threads with which it still becomes faster.

    Raises:
        Exception: what ``work`` raised for the first part that it failed for; no thread is left then.
    """
    threads = min(most, len(items) // _LEAST, _processors())
    if threads <= 1:
        return work(items)
    from concurrent.futures import ThreadPoolExecutor  # few messages have that many recipients: 6 ms

    size = -(-len(items) // threads)
    parts = [items[at : at + size] for at in range(0, len(items), size)]
    with ThreadPoolExecutor(threads) as pool:
        return [value for made in pool.map(work, parts) for value in made]


def _processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
