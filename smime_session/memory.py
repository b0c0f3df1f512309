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
    from collections.abc import Callable, Iterator

_OFFSET: Final = bytes.__basicsize__ - 1  # from the address of a bytes object to its octets; a NUL ends them
_BLOCKS: Final = 17  # one more than glibc keeps at hand of a size; before 2.42 it was seven
_PERTURB: Final = -6  # glibc's M_PERTURB: freed blocks are filled, but those that are kept at hand

_running: Final[list[object]] = []  # calls that want what is freed to be filled, in all threads


class _Functions(NamedTuple):
    """What reaches memory that Python keeps to itself: C's memset, strdup, free, and glibc's mallopt."""

    fill: Callable[[int, int, int], object]
    copy: Callable[[bytes], int | None]
    free: Callable[[int | None], object]
    option: Callable[[int, int], object] = lambda *_: None


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
        copy, free = function(number, number)(("strdup", python)), function(None, number)(("free", python))
    except AttributeError:  # Windows, where a library shows no functions but its own
        return _functions_of_python(ctypes)
    try:
        return _Functions(fill, copy, free, function(ctypes.c_int, ctypes.c_int, ctypes.c_int)(("mallopt", python)))
    except AttributeError:  # not glibc
        return _Functions(fill, copy, free)


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


class overwriting_freed:  # noqa: N801  # a context manager, read like a function
    """Overwrite what a call frees, blocks of about ``size`` octets, as far as an allocator can be brought to do it.

    glibc keeps a few freed blocks at hand, which it hands out again first, and puts the others where they may not be
    found again: those it fills itself while it is told to, which costs half a microsecond a call. Other allocators are
    only asked for blocks. Whether this reaches everything is the allocator's affair; it harms none.

    Args:
        size: of a block.
    """

    __slots__ = ("_size",)

    def __init__(self, size: int) -> None:
        self._size = size

    def __enter__(self) -> None:
        functions = _functions()
        if functions:
            _running.append(self)
            functions.option(_PERTURB, 1)

    def __exit__(self, *_exc: object) -> None:
        functions = _functions()
        if functions:
            _running.remove(self)
            functions.option(_PERTURB, bool(_running))  # threads that end and begin at once may miss each other
            filling = b"\xff" * (self._size - 1)  # a NUL ends it
            for block in [functions.copy(filling) for _ in range(_BLOCKS)]:
                functions.free(block)
