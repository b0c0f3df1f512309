"""Octets handed out in blocks of every size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES: Final = (1, 2, 3, 7, 16, 61, 1 << 20)
"""Octets of a block: one at a time, odd ones, and all at once."""


def blocks(data: bytes, size: int) -> Callable[[], memoryview]:
    """Return a function that gives ``data`` in blocks of ``size`` octets, then nothing, for ever."""
    at = 0

    def next_block() -> memoryview:
        nonlocal at
        block = memoryview(data)[at : at + size]
        at += size
        return block

    return next_block
