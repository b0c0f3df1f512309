"""The character set of a body that the mail does not name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.mail.blocks import Lookahead
from smime_session.mail.charset import CharsetFinder, charset_of, charset_of_beginning
from smime_session.streams.sources import BLOCK_SIZE


@given(st.text() | st.binary(), st.integers(1, 5))
def test_the_borders_of_blocks_do_not_matter(content: str | bytes, size: int) -> None:
    """Text cut anywhere is what the whole text is."""
    body = content.encode() if isinstance(content, str) else content
    finder = CharsetFinder()
    for at in range(0, len(body), size):
        finder.look(memoryview(body)[at : at + size])
    try:
        body.decode("utf-8")
        expected = "us-ascii" if body.isascii() else "utf-8"
    except UnicodeDecodeError:
        expected = "unknown-8bit"
    assert finder.name() == charset_of(body) == expected


@pytest.mark.parametrize(
    ("size", "end", "expected"),
    [
        (0, b"", "us-ascii"),
        (BLOCK_SIZE - 1, b"", "us-ascii"),
        (BLOCK_SIZE, b"", "utf-8"),
        (BLOCK_SIZE + 1000, "é".encode(), "utf-8"),
        (BLOCK_SIZE - 1, "é".encode(), "utf-8"),
        (BLOCK_SIZE - 2, b"\xe9", "unknown-8bit"),
        (100, b"\xe9", "unknown-8bit"),
    ],
)
@pytest.mark.parametrize("piece", [1000, BLOCK_SIZE])
def test_a_beginning_is_called_ascii_only_if_it_is_all(size: int, end: bytes, expected: str, piece: int) -> None:
    """What may still come is not promised to be ASCII; what was looked at is not lost."""
    body = b"a" * size + end
    pieces = iter([body[at : at + piece] for at in range(0, len(body), piece)])
    source = Lookahead(lambda: next(pieces, b""))
    assert charset_of_beginning(source) == expected
    assert b"".join(iter(source, b"")) == body
