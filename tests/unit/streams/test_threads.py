"""Threads beside the work: everything in order, every failure where it is looked for, no thread left behind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.streams.threads import BEHIND_BLOCK, ReadAhead, WriteBehind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Whatever a test does, its threads have ended when it has."""
    before = threading.active_count()
    yield
    assert threading.active_count() == before


class Source:
    """Hands out blocks and notes how many; an exception among them is raised in its turn."""

    def __init__(self, blocks: Iterable[bytes | BaseException]) -> None:
        self.blocks = iter(blocks)
        self.calls = 0
        self.called = threading.Semaphore(0)

    def __call__(self) -> bytes:
        """Return the next block."""
        self.calls += 1
        block = next(self.blocks, b"")
        self.called.release()
        if isinstance(block, BaseException):
            raise block
        return block


class Target:
    """Takes octets; fails once it has more than ``limit``; waits for ``gate`` before each write."""

    def __init__(self, limit: int | None = None, failure: BaseException | None = None) -> None:
        self.taken = bytearray()
        self.limit = limit
        self.failure = failure or OSError("the disk is full")
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()

    def write(self, data: memoryview) -> None:
        """Take ``data``."""
        self.begun.set()
        self.gate.wait()
        self.taken += data
        if self.limit is not None and len(self.taken) > self.limit:
            raise self.failure


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=40))
def test_blocks_come_in_the_order_in_which_they_are_read(blocks: list[bytes]) -> None:
    """Reading ahead changes nothing of what is read; the end stays the end."""
    ahead = ReadAhead(Source(blocks))
    ahead.start()
    assert list(iter(ahead, b"")) == blocks
    assert ahead() == ahead() == b""
    ahead.close()


@pytest.mark.parametrize("failure", [OSError("the disk is broken"), KeyboardInterrupt(), ValueError("closed")])
def test_what_reading_raises_comes_after_the_blocks_before_it(failure: BaseException) -> None:
    """A failure is raised when its block is asked for, not before, and again whenever one is."""
    ahead = ReadAhead(Source([b"one", b"two", failure, b"never"]))
    ahead.start()
    assert [ahead(), ahead()] == [b"one", b"two"]
    for _ in range(2):
        with pytest.raises(type(failure)) as raised:
            ahead()
        assert raised.value is failure
    ahead.close()


def test_reading_goes_only_a_little_ahead() -> None:
    """However slow the work, three blocks are read and no more: memory stays flat."""
    source = Source([b"block"] * 100)
    ahead = ReadAhead(source)
    ahead.start()
    for _ in range(3):
        source.called.acquire()
    assert not source.called.acquire(timeout=0.05)
    ahead()
    source.called.acquire()
    assert source.calls == 4
    ahead.close()
    assert source.calls == 4


def test_reading_can_be_left_at_any_time() -> None:
    """Closing ends the thread: before it starts, after it has, at the end of the source, and twice."""
    ReadAhead(Source([])).close()
    for taken in (0, 1, 5):
        ahead = ReadAhead(Source([b"block"] * 4))
        ahead.start()
        for _ in range(taken):
            ahead()
        ahead.close()
        ahead.close()


SIZES = [0, 1, 1000, BEHIND_BLOCK - 1, BEHIND_BLOCK, BEHIND_BLOCK + 1, 3 * BEHIND_BLOCK, 5 * BEHIND_BLOCK + 7]


@given(st.lists(st.sampled_from(SIZES), max_size=6))
def test_octets_are_written_in_the_order_in_which_they_are_given(sizes: list[int]) -> None:
    """Writing behind changes nothing of what is written, although what is given is overwritten at once."""
    target = Target()
    behind = WriteBehind(target.write)
    behind.start()
    wanted = bytearray()
    for number, size in enumerate(sizes, 1):
        data = bytearray(bytes((number,)) * size)
        behind.write(data)
        wanted += data
        data[:] = bytes(size)
    behind.flush()
    assert target.taken == wanted
    behind.write(b"more")
    behind.flush()
    behind.close()
    assert target.taken == wanted + b"more"


@pytest.mark.parametrize("failure", [OSError("the disk is full"), KeyboardInterrupt()])
def test_what_writing_raises_ends_the_work(failure: BaseException) -> None:
    """A failure is raised at one of the next writes, at the latest when everything is flushed; nothing follows it."""
    target = Target(limit=0, failure=failure)
    behind = WriteBehind(target.write)
    behind.start()
    with pytest.raises(type(failure)) as raised:
        behind.write(bytes(10 * BEHIND_BLOCK))
    assert raised.value is failure
    with pytest.raises(type(failure)):
        behind.flush()
    behind.close()
    assert len(target.taken) == BEHIND_BLOCK


def test_what_writing_the_last_octets_raises_is_raised_by_flush() -> None:
    """No failure is lost, even if nothing more is to be written."""
    behind = WriteBehind(Target(limit=0).write)
    behind.start()
    behind.write(b"x")
    with pytest.raises(OSError, match="the disk is full"):
        behind.flush()
    behind.close()


def test_nothing_is_written_after_writing_was_given_up() -> None:
    """Closing waits for the block that is being written, and drops those that wait for it."""
    target = Target()
    target.gate.clear()
    behind = WriteBehind(target.write)
    behind.start()
    behind.write(bytes(2 * BEHIND_BLOCK + 5))
    target.begun.wait()
    closing = threading.Thread(target=behind.close)
    closing.start()
    while not behind._stopped:
        closing.join(0.01)
    assert closing.is_alive()
    target.gate.set()
    closing.join()
    assert len(target.taken) == BEHIND_BLOCK


def test_writing_that_never_began_can_be_given_up() -> None:
    """Closing needs no thread."""
    WriteBehind(Target().write).close()
