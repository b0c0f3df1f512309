"""Text from outside does nothing to a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.text import printable


@given(st.text(st.characters()))
def test_everything_prints(text: str) -> None:
    """Whatever comes in, lone surrogates included, what goes out is printable."""
    assert printable(text).isprintable()


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_what_prints_stays(text: str) -> None:
    """Text that prints is not changed."""
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("one\r\ntwo", r"one\r\ntwo"),
        ("pay\u202etxt.exe", r"pay\u202etxt.exe"),
        ("\x00\x7f", r"\x00\x7f"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("Zoë 東京", "Zoë 東京"),
    ],
)
def test_what_does_not_print_is_escaped(text: str, shown: str) -> None:
    """Terminal escapes, line endings, bidirectional marks and invisible characters are shown as escapes."""
    assert printable(text) == shown
