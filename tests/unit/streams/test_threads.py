"""A thread beside the work: everything in order, every failure where it is looked for, no thread left behind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.streams.threads import BEHIND_BLOCK, WriteBehind

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Whatever a test does, its threads have ended when it has."""
    before = threading.active_count()
    yield
    assert threading.active_count() == before


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
