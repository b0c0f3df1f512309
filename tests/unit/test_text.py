"""Text from outside does nothing to a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.text import EXCERPT, excerpt, printable


@given(st.text(st.characters()))
def test_everything_prints(text: str) -> None:
    """Whatever comes in, lone surrogates included, what goes out is printable."""
    assert printable(text).isprintable()


@given(st.text(st.characters(), max_size=3), st.integers(0, 300))
def test_an_excerpt_is_short(text: str, times: int) -> None:
    """What fits is shown as it prints; of more, the beginning is shown, and how much is not."""
    whole = text * times
    if len(whole) <= EXCERPT:
        assert excerpt(whole) == printable(whole)
    else:
        assert excerpt(whole) == f"{printable(whole[:EXCERPT])}… and {len(whole) - EXCERPT:,} more"


def test_an_excerpt_of_any_text_has_one_size() -> None:
    """What is shown is 80 characters, which escapes make longer, and a number."""
    assert excerpt("x" * 1_000_000) == f"{'x' * 80}… and 999,920 more"
    assert excerpt("\0" * 81) == rf"{chr(92) + 'x00'}" * 80 + "… and 1 more"


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
