"""Overwriting what the calls of other libraries leave of a key in memory.

They insist on ``bytes``, return them, and free what they worked in as it is. Only CPython's memory
is known well enough to do something about that; elsewhere these functions do nothing.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_OFFSET: Final = bytes.__basicsize__ - 1  # from the address of a bytes object to its octets; a NUL ends them
_HELD: Final = 8  # one more than glibc keeps at hand
_BLOCKS: Final = 16  # glibc hands out seven freed blocks of a size before the one that was freed last, and a few more


class _Functions(NamedTuple):
    """What reaches memory that Python keeps to itself: C's memset, strdup and free."""

    fill: Callable[[int, int, int], object]
    copy: Callable[[bytes], int | None]
    free: Callable[[int | None], object]


@cache
def _functions() -> _Functions | None:
    if sys.implementation.name != "cpython":
        return None
    try:
        import ctypes  # not every Python has it
    except (ImportError, MemoryError):  # not built; or a hardened system grants it no memory to run code in
        return None
    # Numbers are passed as addresses are, which takes ctypes half as long; they have one size, or fit in it.
    number, python, function = ctypes.c_void_p, ctypes.pythonapi, ctypes.PYFUNCTYPE
    try:
        fill = function(None, number, number, number)(("memset", python))
        return _Functions(fill, function(number, number)(("strdup", python)), function(None, number)(("free", python)))
    except AttributeError:  # Windows, where a library shows no functions but its own
        return _functions_of_python(ctypes)


def _functions_of_python(ctypes: Any) -> _Functions:  # noqa: ANN401  # a module
    """Return the same made of what Python has for itself."""
    address, size, python = ctypes.c_void_p, ctypes.c_size_t, ctypes.pythonapi
    allocate = ctypes.PYFUNCTYPE(address, size)(("PyMem_RawMalloc", python))
    free = ctypes.PYFUNCTYPE(None, address)(("PyMem_RawFree", python))

    def copy(octets: bytes) -> int | None:
        block: int | None = allocate(len(octets) + 1)
        if block:
            ctypes.memmove(block, octets, len(octets) + 1)
        return block

    return _Functions(ctypes.memset, copy, free)


def erase(octets: bytes) -> None:
    """Overwrite ``bytes`` that hold a secret, though Python says that they never change.

    That is safe for an object which a call has just returned, or which was just made, and which
    no other code holds: none can have relied on its value, used it as a dictionary key or
    taken its hash. It is not safe for anything else: a literal is shared by all that runs the same
    code. Python itself shares objects of one octet and of none, which are therefore left alone.
    """
    functions = _functions()
    if functions and len(octets) > 1:
        functions.fill(id(octets) + _OFFSET, 0, len(octets))


@contextmanager
def lent(secret: bytearray) -> Iterator[bytes]:
    """Lend a secret as ``bytes`` to a call that insists on them; they are overwritten when the block ends."""
    octets = bytes(secret)
    try:
        yield octets
    finally:
        erase(octets)


def hold_free(size: int) -> list[int | None]:
    """Take free blocks of about ``size`` octets before a call, for :func:`overwrite_freed` to give back after it.

    An allocator keeps a few freed blocks of a size at hand, and merges more with their neighbours, where they are not
    found again: what the call frees is to be among the few.
    """
    functions = _functions()
    return [functions.copy(b"\xff" * (size - 1)) for _ in range(_HELD)] if functions else []


def overwrite_freed(size: int, held: Sequence[int | None] = ()) -> None:
    """Overwrite what a call freed just now, blocks of about ``size`` octets, as far as it is handed out again.

    An allocator hands out first what was freed last. Whether this reaches everything is the
    allocator's affair; it harms none.

    Args:
        size: of a block.
        held: blocks that were taken before the call.
    """
    functions = _functions()
    if functions:
        filling = b"\xff" * (size - 1)  # a NUL ends it
        for block in [functions.copy(filling) for _ in range(_BLOCKS - len(held))]:
            functions.free(block)
        for block in held:
            functions.free(block)
