"""Rows moved into a text."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.streams.strided import LineSpreader, spread


@given(st.integers(0, 50), st.integers(1, 80), st.integers(0, 3), st.integers(0, 5))
def test_rows_come_to_their_places(count: int, width: int, gap: int, room: int) -> None:
    """Spreading agrees with the plain definition, and leaves gaps and what follows as they were."""
    stride = width + gap
    rows = os.urandom(count * width)
    text = bytearray(b"." * (count * stride + room))
    spread(rows, text, width, stride)
    pieces = [rows[at : at + width] + b"." * gap for at in range(0, len(rows), width)]
    assert text == b"".join(pieces) + b"." * room


def test_any_view_of_bytes_will_do() -> None:
    """Rows and text may begin in the middle of something else, and the last gap may be missing."""
    text = bytearray(b"..........")
    spread(memoryview(b"xabcdx")[1:5], memoryview(text)[2:8], 2, 4)
    assert text == b"..ab..cd.."


@pytest.mark.parametrize(
    ("size", "room", "width", "stride"),
    [(5, 99, 2, 3), (4, 4, 2, 3), (6, 7, 2, 3), (4, 99, 2, 1), (4, 99, 0, 3), (4, 99, -2, 3), (1, 0, 1, 1)],
)
def test_what_does_not_fit_is_refused(size: int, room: int, width: int, stride: int) -> None:
    """Not a byte beyond the end is touched: neither half rows nor rows without room are moved."""
    with pytest.raises(ValueError, match="do not make rows"):
        spread(bytes(size), bytearray(room), width, stride)


def test_what_must_not_be_written_is_not() -> None:
    """Bytes are no target, and what is not contiguous is neither."""
    with pytest.raises(BufferError):
        spread(b"abcd", memoryview(b"........"), 2, 4)
    with pytest.raises(BufferError):
        spread(b"abcd", memoryview(bytearray(16))[::2], 2, 4)


def test_lent_memory_is_given_back() -> None:
    """After a move, and after one that was refused, buffers can be resized again."""
    text, rows = bytearray(8), bytearray(b"abcd")
    spread(rows, text, 2, 4)
    with pytest.raises(ValueError, match="4 bytes do not make rows of 3"):
        spread(rows, text, 3, 4)
    text += b"x"
    rows += b"x"


@pytest.mark.parametrize("counts", [(3, 1, 2), (1, 3), (2, 2, 5)])
def test_lines_are_the_same_however_many_came_before(counts: tuple[int, ...]) -> None:
    """A spreader keeps its buffer from call to call, and nothing of what was in it."""
    spreader = LineSpreader(4, b"\r\n")
    for count in counts:
        text = os.urandom(2 * count).hex().encode()
        lines = b"".join(text[at : at + 4] + b"\r\n" for at in range(0, len(text), 4))
        assert spreader.lines(text) == lines
