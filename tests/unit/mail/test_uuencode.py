"""uuencode is read as programs write it."""

from __future__ import annotations

import binascii
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.errors import MalformedError
from smime_session.mail.blocks import Lookahead
from smime_session.mail.uuencode import UuDecoder, begins_like_uuencode
from tests.support.chunks import blocks
from tests.support.damage import uuencoded


def decode(text: bytes, step: int = 1000) -> bytes:
    return b"".join(iter(UuDecoder(Lookahead(blocks(text, step)), 1000), b""))


@given(st.binary(max_size=300), st.integers(1, 200), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_blocks_may_cut_the_lines_anywhere(data: bytes, step: int, eol: bytes, stripped: bool) -> None:  # noqa: FBT001  # drawn
    """Whatever arrives at a time, the octets are the same; blanks lost at the end of a line are no loss."""
    text = uuencoded(data).replace(b"\r\n", eol)
    if stripped:
        text = eol.join(line.rstrip(b" ") for line in text.split(eol))
    assert begins_like_uuencode(text)
    assert decode(text, step) == data


@pytest.mark.parametrize("size", [1, 44, 45, 46, 90])
@pytest.mark.parametrize("end", [b"`\nend\n", b" \nend\n", b"end\n", b"`\nend", b""])
def test_what_follows_the_end_is_kept_apart(size: int, end: bytes) -> None:
    """The lines that end the file are no octets; what comes after them follows the octets."""
    data = os.urandom(size)
    text = b"\n\nbegin 0644 a file\n"
    text += b"".join(binascii.b2a_uu(data[at : at + 45]) for at in range(0, size, 45)) + end
    assert decode(text) == data
    if end.endswith(b"end\n"):
        for step in (3, 1000):
            assert decode(text + b"-- \nfooter\n", step).removeprefix(data).strip() == b"-- \nfooter"


@pytest.mark.parametrize("text", [b"begin 644\nM", b"begin abc x\n", b"begin 644 x", b"so begin 644 x\n", b""])
def test_other_text_is_none(text: bytes) -> None:
    """A word is no begin line."""
    assert not begins_like_uuencode(text)
    with pytest.raises(MalformedError):
        decode(text)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"M!!!\n", "cut off"),
        (b"M" + b"x" * 60 + b"\n", "characters that do not belong there"),
        (b"M" + b"!" * 5000, "too long"),
    ],
)
def test_broken_lines_are_refused(line: bytes, words: str) -> None:
    """What cannot be read is not made up."""
    with pytest.raises(MalformedError, match=words):
        decode(b"begin 644 x\n" + line)
