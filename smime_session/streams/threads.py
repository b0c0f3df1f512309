"""A large message in several threads: what comes next is read, and what was made is written, during the work.

Reading, writing, the ciphers and base64 let other threads run, so that they overlap where there
are two processors or more; where there is one, little is lost, since the blocks are large. A file
is handed from thread to thread, never used by two at once. Only what can seek is read or written
this way: a pipe may keep its thread waiting for ever, and with it whoever ends that thread.

What fails in a thread is raised where the next octets are asked for or given. ``close()`` ends the
thread whatever has happened; it may be called before ``start()``, so that an object can be put
where somebody closes it before there is anything to be closed.
"""

from __future__ import annotations

from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Buffer = bytes | bytearray | memoryview

BEHIND_BLOCK: Final = 1 << 20
"""Octets that are written at a time: more than the buffer of any usual file, which they then pass by."""

_AHEAD: Final = 3  # blocks that are being read or wait to be worked on
_BEHIND: Final = 3  # blocks that are being filled, wait to be written or are being written


class ReadAhead:
    """Reads blocks before they are asked for; the object is the call that returns the next one.

    Args:
        next_block: what reads, called in the thread until it returns an empty block or raises.
    """

    def __init__(self, next_block: Callable[[], bytes]) -> None:
        self._next_block = next_block
        self._read: SimpleQueue[bytes | BaseException] = SimpleQueue()
        self._wanted: SimpleQueue[None] = SimpleQueue()
        self._last: bytes | BaseException | None = None
        self._stopped = False
        self._thread = Thread(target=self._run, name="read-ahead")

    def start(self) -> None:
        """Begin to read.

        Raises:
            RuntimeError: the system has no thread left.
        """
        for _ in range(_AHEAD):
            self._wanted.put(None)
        self._thread.start()

    def __call__(self) -> bytes:
        """Return the next block, empty at the end.

        Raises:
            BaseException: whatever reading it raised.
        """
        block = self._read.get() if self._last is None else self._last
        if isinstance(block, BaseException):
            self._last = block
            raise block
        if block:
            self._wanted.put(None)
        else:
            self._last = block
        return block

    def close(self) -> None:
        """End the thread after the block that it is reading; what was not asked for is dropped."""
        self._stopped = True
        self._wanted.put(None)
        _join(self._thread)

    def _run(self) -> None:
        block: bytes | BaseException = b""
        while True:
            self._wanted.get()
            if self._stopped:
                return
            try:
                block = self._next_block()
            except BaseException as error:  # noqa: BLE001  # raised where the block is asked for
                block = error
            self._read.put(block)
            if not block or isinstance(block, BaseException):
                return


class WriteBehind:
    """Gathers octets into large blocks, and writes one while the next is filled.

    Args:
        write: what writes all it is given, called in the thread; the view is overwritten afterwards.
    """

    def __init__(self, write: Callable[[memoryview], object]) -> None:
        self._write = write
        self._empty: SimpleQueue[memoryview] = SimpleQueue()
        self._full: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()
        self._failure: BaseException | None = None
        self._stopped = False
        self._block = memoryview(b"")
        self._filled = 0
        self._thread = Thread(target=self._run, name="write-behind")

    def start(self) -> None:
        """Begin to write.

        Raises:
            RuntimeError: the system has no thread left.
        """
        self._block = memoryview(bytearray(BEHIND_BLOCK))
        for _ in range(_BEHIND - 1):
            self._empty.put(memoryview(bytearray(BEHIND_BLOCK)))
        self._thread.start()

    def write(self, data: Buffer) -> None:
        """Take the next octets, which may be overwritten as soon as this returns.

        Raises:
            BaseException: whatever writing earlier ones raised.
        """
        rest = memoryview(data)
        while rest:
            taken = rest[: BEHIND_BLOCK - self._filled]
            self._block[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            rest = rest[len(taken) :]
            if self._filled == BEHIND_BLOCK:
                self._hand_over()

    def flush(self) -> None:
        """Return when all is written.

        Raises:
            BaseException: whatever writing raised.
        """
        self._hand_over()
        others = [self._empty.get() for _ in range(_BEHIND - 1)]
        for block in others:
            self._empty.put(block)
        self._check()

    def close(self) -> None:
        """End the thread after the block that it is writing; what was not flushed is dropped."""
        self._stopped = True
        self._full.put(None)
        _join(self._thread)

    def _hand_over(self) -> None:
        self._full.put((self._block, self._filled))
        self._block = self._empty.get()
        self._filled = 0
        self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        while (full := self._full.get()) is not None:
            block, filled = full
            if not self._stopped:
                try:
                    self._write(block[:filled])
                except BaseException as error:  # noqa: BLE001  # raised where the next octets are given
                    self._failure = error
                    self._stopped = True
            self._empty.put(block)


def _join(thread: Thread) -> None:
    """Wait until ``thread`` has ended; one that was never started, or is only about to start, needs no waiting."""
    with suppress(RuntimeError):
        thread.join()
