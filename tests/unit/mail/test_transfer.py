"""Base64 and quoted-printable as streams."""

from __future__ import annotations

import base64
import binascii
import os
import re
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.errors import LimitError, MalformedError
from smime_session.mail.transfer import (
    MAX_QUOTED_LINE,
    Base64Decoder,
    Base64Writer,
    QuotedPrintableDecoder,
    decode_lines,
    encode_base64,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smime_session.mail.blocks import Block, NextBlock

FULL = 57 * 1000  # octets of one write
SIZES = [0, 1, 2, 3, 56, 57, 58, 114, FULL - 1, FULL, FULL + 1, 2 * FULL, 2 * FULL + 58]


def lines(data: bytes, length: int, eol: bytes) -> bytes:
    text = base64.b64encode(data)
    return b"".join(text[at : at + length] + eol for at in range(0, len(text), length))


def blocks(text: bytes, size: int) -> NextBlock:
    pieces: Iterable[Block] = (memoryview(text)[at : at + size] for at in range(0, len(text), size))
    iterator = iter(pieces)
    return lambda: next(iterator, b"")


def drain(next_block: NextBlock) -> bytes:
    return b"".join(iter(next_block, b""))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("line_length", [64, 76])
@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
def test_both_ways_of_encoding_make_the_same_lines(size: int, line_length: int, eol: bytes) -> None:
    """One shot and stream agree with the plain definition, every line with its ending."""
    data = os.urandom(size)
    target = BytesIO()
    writer = Base64Writer(target, line_length=line_length, eol=eol)
    writer.write(data)
    writer.finish()
    assert target.getvalue() == lines(data, line_length, eol)
    assert encode_base64(memoryview(data), line_length, eol) == target.getvalue()


@given(st.lists(st.sampled_from([0, 1, 3, 56, 57, 1000, FULL - 1, FULL, FULL + 1]), max_size=8))
def test_how_octets_are_handed_over_does_not_matter(sizes: list[int]) -> None:
    """Writing in pieces of any sizes gives the lines of the whole."""
    data = bytes(range(256)) * (sum(sizes) // 256 + 1)
    target = BytesIO()
    writer = Base64Writer(target)
    at = 0
    for size in sizes:
        writer.write(memoryview(data)[at : at + size])
        at += size
    writer.finish()
    assert target.getvalue() == lines(data[:at], 76, b"\r\n")


def test_an_unfinished_text_lacks_its_end() -> None:
    """Dropping a writer completes nothing."""
    target = BytesIO()
    writer = Base64Writer(target)
    writer.write(bytes(FULL + 10))
    del writer
    assert target.getvalue() == lines(bytes(FULL), 76, b"\r\n")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("eol", [b"\r\n", b"\n", b" \t\r\n"])
@pytest.mark.parametrize("step", [1000, 4096, 65536, 1 << 20])
def test_decoding_inverts_encoding(size: int, eol: bytes, step: int) -> None:
    """All octets come back whatever the line endings and the size of the blocks."""
    data = os.urandom(size)
    assert drain(Base64Decoder(blocks(lines(data, 76, eol), step))) == data


@given(st.binary(max_size=300), st.integers(1, 100), st.integers(1, 200), st.sampled_from([b"\r\n", b"\n"]))
def test_lines_of_any_length_decode(data: bytes, length: int, step: int, eol: bytes) -> None:
    """Lines need not hold whole quanta, nor blocks whole lines."""
    assert drain(Base64Decoder(blocks(lines(data, length, eol), step))) == data


def test_one_endless_line_decodes() -> None:
    """Text without any line break is read in flat memory all the same."""
    data = os.urandom(300_000)
    decoder = Base64Decoder(blocks(base64.b64encode(data), 65_537))
    assert drain(decoder) == data
    assert decoder() == b""


def test_lines_of_changing_length_decode() -> None:
    """A text that changes its line length halfway is followed."""
    one, two = os.urandom(57 * 700), os.urandom(48 * 700)
    text = lines(one, 76, b"\r\n") + lines(two, 64, b"\n")
    assert drain(Base64Decoder(blocks(text, 8192))) == one + two


@pytest.mark.parametrize("lost", [1, 2, 3])
@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_a_text_that_is_cut_off_is_refused(rows: int, lost: int) -> None:
    """A last quantum that lacks characters is no end of the data."""
    text = lines(bytes(57 * rows), 76, b"\r\n") + b"QUJD"[:-lost] + b"\r\n"
    with pytest.raises(MalformedError, match="the base64 text is cut off"):
        drain(Base64Decoder(blocks(text, 4096)))


@pytest.mark.parametrize(
    ("strange", "kind"),
    [
        (b"-", "the character -"),
        (b"\x1b", "a control character"),
        (b"\0", "a control character"),
        (b"\xff", "a byte outside ASCII"),
    ],
)
@pytest.mark.parametrize("place", [0, 30, 78 * 500 + 3, 78 * 999 + 75, 78 * 999 + 76, 78 * 999 + 77])
def test_a_strange_character_is_named_by_its_kind(place: int, strange: bytes, kind: str) -> None:
    """A damaged character anywhere among uniform lines is noticed, and not repeated if it might do harm."""
    text = lines(bytes(57_000), 76, b"\r\n")
    text = text[:place] + strange + text[place + 1 :]
    with pytest.raises(MalformedError) as refused:
        drain(Base64Decoder(blocks(text, 65_536)))
    assert str(refused.value) == f"the base64 text holds {kind}"


@pytest.mark.parametrize("strange", [b"!", b"\xff", b"="])
def test_an_additional_character_is_noticed(strange: bytes) -> None:
    """A character more does not hide behind lines that still look uniform elsewhere."""
    text = lines(bytes(57_000), 76, b"\n")
    with pytest.raises(MalformedError):
        drain(Base64Decoder(blocks(text[:770] + strange + text[770:], 65_536)))


@pytest.mark.parametrize("more", [b"QUJD", b"\r\nQUJD\r\n", b"\r\n" + b"QUJD" * 19 + b"\r\n" + b"QUJD" * 19, b"="])
@pytest.mark.parametrize("step", [4, 5, 1000])
def test_text_after_the_padding_is_refused(more: bytes, step: int) -> None:
    """Padding ends the data (RFC 2045, 6.8); what follows would be lost silently."""
    with pytest.raises(MalformedError, match=r"more text follows|padded wrongly|cut off"):
        drain(Base64Decoder(blocks(b"QUI=" + more, step)))


@pytest.mark.parametrize("step", [1, 4, 1000])
def test_white_space_after_the_padding_is_nothing(step: int) -> None:
    """Blank lines at the end of a mail do no harm."""
    assert drain(Base64Decoder(blocks(b"QUI=\r\n \t\r\n\n", step))) == b"AB"


@pytest.mark.parametrize("text", [b"Q===", b"====", b"=QUJ", b"Q=UJ"])
def test_misplaced_padding_is_refused(text: bytes) -> None:
    """Padding stands for one or two missing octets at the end and for nothing else."""
    with pytest.raises(MalformedError):
        drain(Base64Decoder(blocks(text, 100)))


@given(
    st.integers(0, 20).map(lambda rows: lines(bytes(57 * rows + 20), 76, b"\r\n")),
    st.lists(
        st.tuples(st.integers(0, 1700), st.integers(0, 2), st.sampled_from([b"", b"A", b"=", b"\n", b"\r", b"!"]))
    ),
    st.integers(1, 400),
)
def test_damaged_text_is_judged_as_a_whole(text: bytes, damage: list[tuple[int, int, bytes]], step: int) -> None:
    """Blocks and fast paths accept exactly what a strict look at the whole text accepts, to the same octets."""
    for place, length, replacement in damage:
        text = text[:place] + replacement + text[place + length :]
    whole = text.translate(None, b"\r\n")
    if re.fullmatch(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", whole):
        assert drain(Base64Decoder(blocks(text, step))) == base64.b64decode(whole)
    else:
        with pytest.raises(MalformedError):
            drain(Base64Decoder(blocks(text, step)))


@given(
    st.integers(0, 400),
    st.sampled_from([4, 8, 64, 76, 75]),
    st.sampled_from([b"\r\n", b"\n"]),
    st.lists(
        st.tuples(st.integers(0, 700), st.integers(0, 2), st.sampled_from([b"", b"=", b"\n", b" ", b"*", b"A"])),
        max_size=3,
    ),
)
def test_lines_decode_at_once_to_the_same_or_not_at_all(
    size: int, length: int, eol: bytes, damage: list[tuple[int, int, bytes]]
) -> None:
    """Whatever the lines are, decoding all of them at once gives what the decoder gives, or nothing."""
    text = bytearray(lines(os.urandom(size), length, eol))
    sound = not damage and size and not length % 4
    for at, lost, more in damage:
        text[at : at + lost] = more
    decoded = decode_lines(bytes(text))
    assert decoded is not None or not sound
    if decoded is not None:
        assert decoded == drain(Base64Decoder(blocks(bytes(text), 1 << 20)))


@given(st.binary(max_size=400), st.integers(1, 100))
def test_quoted_printable_decodes(data: bytes, step: int) -> None:
    """What another encoder wrote comes back, whatever the size of the blocks."""
    text = binascii.b2a_qp(data, quotetabs=True, istext=False)
    assert drain(QuotedPrintableDecoder(blocks(text, step))) == data


def test_spaces_at_the_end_of_a_quoted_line_are_transport() -> None:
    """White space before a line ending was added on the way (RFC 2045, 6.7, rule 3)."""
    assert drain(QuotedPrintableDecoder(blocks(b"a \t\r\nb= \r\nc=20\r\n", 3))) == b"a\r\nbc \r\n"


@pytest.mark.parametrize("text", [b"a=ZZb", b"a=4", b"=\r=41"])
def test_an_equals_sign_must_introduce_something(text: bytes) -> None:
    """A damaged escape is not passed through."""
    with pytest.raises(MalformedError, match="equals sign"):
        drain(QuotedPrintableDecoder(blocks(text, 100)))


def test_a_quoted_line_without_end_is_limited() -> None:
    """A line is not collected without bound."""
    with pytest.raises(LimitError):
        drain(QuotedPrintableDecoder(lambda: b"a" * (MAX_QUOTED_LINE // 2)))


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("end", [b"", b"\n", b"x\n", b"=\n", b" =20\n"])
@pytest.mark.parametrize("start", [b"", b"a"])
def test_a_million_blanks_cost_no_more_than_other_text(start: bytes, end: bytes) -> None:
    """The time grows with the text, not with its square; blanks inside a line are data."""
    blanks = b" \t" * (MAX_QUOTED_LINE // 2 - 10)
    inside = end.lstrip(b" ") not in (b"", b"\n")
    expected = start + blanks * inside + end.replace(b"=\n", b"").replace(b"=20", b" ")
    assert drain(QuotedPrintableDecoder(blocks(start + blanks + end, 65_536))) == expected


@pytest.mark.usefixtures("impatience")
def test_a_million_blanks_after_an_equals_sign_are_a_soft_line_break() -> None:
    """White space between the sign and the line ending is looked at once."""
    blanks = b" " * (MAX_QUOTED_LINE - 10)
    assert drain(QuotedPrintableDecoder(blocks(b"a=" + blanks + b"\nb", 65_536))) == b"ab"
    with pytest.raises(MalformedError, match="equals sign"):
        drain(QuotedPrintableDecoder(blocks(b"a=" + blanks + b"b\n", 65_536)))
