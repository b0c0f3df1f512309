"""Canonical line endings and the way back."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.mail.line_endings import Canonicaliser, LineFeeds, canonical, with_line_feeds

TEXT = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bc"]), max_size=30).map(b"".join)
CUTS = st.lists(st.integers(0, 60), max_size=6)
ROWS = [0, 1, 2, 3, 1000]


def cut(text: bytes, cuts: list[int]) -> list[bytes]:
    borders = [0, *sorted(min(place, len(text)) for place in cuts), len(text)]
    return [text[begin:end] for begin, end in pairwise(borders)]


def reference(text: bytes) -> bytes:
    return re.sub(rb"(?<!\r)\n", b"\r\n", text)


@given(TEXT, CUTS)
def test_converting_block_by_block_is_converting_at_once(text: bytes, cuts: list[int]) -> None:
    """Bare line feeds become CRLF and nothing else changes, wherever the borders of the blocks fall."""
    stream = Canonicaliser()
    assert b"".join(stream.convert(memoryview(block)) for block in cut(text, cuts)) == reference(text)
    assert canonical(text) == reference(text)


@given(TEXT, CUTS)
def test_counting_foretells_the_size(text: bytes, cuts: list[int]) -> None:
    """The count is how much longer the converted text is."""
    stream = Canonicaliser()
    assert sum(stream.count(block) for block in cut(text, cuts)) == len(reference(text)) - len(text)


@given(TEXT, TEXT)
def test_among_many_lines_a_bare_line_feed_is_seen_wherever_it_stands(before: bytes, after: bytes) -> None:
    """A long text of uneven lines is counted as a short one is."""
    text = before + b"ab\r\ncde\r\nf\r\n" * 100 + after
    assert Canonicaliser().count(text) == text.count(b"\n") - text.count(b"\r\n")


@given(TEXT, CUTS)
def test_the_way_back_drops_the_return_of_crlf_only(text: bytes, cuts: list[int]) -> None:
    """CRLF becomes a line feed, a lone return stays, wherever the borders fall."""
    stream = LineFeeds()
    back = b"".join(stream.convert(memoryview(block)) for block in cut(text, cuts)) + stream.finish()
    assert back == text.replace(b"\r\n", b"\n")
    assert with_line_feeds(text) == back


@given(st.lists(st.sampled_from([b"\n", b"a", b"\ra"])).map(b"".join))
def test_the_way_back_inverts(text: bytes) -> None:
    """A text whose lines end with line feeds survives the round trip."""
    assert with_line_feeds(canonical(text)) == text


MARK = b"Content-Transfer-Encoding: binary"
PARTS = st.lists(
    st.sampled_from(
        [b"\n", b"\r\n", b"\r", b"a", b"--b", MARK, MARK.upper(), b"content-transfer-encoding :\tBinary", b" x"]
    ),
    max_size=20,
).map(b"".join)


def binary_from(text: bytes) -> int:
    """Return where a part begins whose encoding is binary, after the words that say so."""
    match = re.search(rb"(?i)(?:\A|\n)content-transfer-encoding[ \t]*:[ \t]*binary", text)
    return match.end() if match else len(text)


@given(PARTS, CUTS, st.integers(1, 100))
def test_from_a_binary_part_on_nothing_is_converted(text: bytes, cuts: list[int], times: int) -> None:
    """What stands before is converted, what follows is data, wherever the borders of the blocks fall."""
    text += b"z" * times
    end = binary_from(text)
    expected = reference(text[:end]) + text[end:]
    stream, counter = Canonicaliser(composite=True), Canonicaliser(composite=True)
    blocks = cut(text, [each * times for each in cuts])
    assert b"".join(stream.convert(memoryview(block)) for block in blocks) == expected
    assert sum(counter.count(block) for block in blocks) == len(expected) - len(text)
    assert canonical(text, composite=True) == expected


@given(PARTS, CUTS)
def test_the_way_back_leaves_a_binary_part_alone(text: bytes, cuts: list[int]) -> None:
    """What was not converted one way is not converted the other way."""
    end = binary_from(text)
    expected = text[:end].replace(b"\r\n", b"\n") + text[end:]
    stream = LineFeeds(composite=True)
    assert b"".join(map(stream.convert, cut(text, cuts))) + stream.finish() == expected
    assert with_line_feeds(text, composite=True) == expected


@pytest.mark.parametrize("size", [64, 1000, 10_000])
def test_a_binary_part_is_found_after_an_attachment(size: int) -> None:
    """Lines of base64, all equally long, are passed over, and the part after them is not."""
    text = (b"A" * 76 + b"\r\n") * 200 + b"--b\r\n" + MARK + b"\r\n\r\n\x00\r\n\n"
    end = binary_from(text)
    stream = LineFeeds(composite=True)
    blocks = [text[at : at + size] for at in range(0, len(text), size)]
    assert b"".join(map(stream.convert, blocks)) + stream.finish() == text[:end].replace(b"\r\n", b"\n") + text[end:]


def test_canonical_text_is_not_copied() -> None:
    """What needs no change comes back as the same object."""
    text = b"one\r\ntwo\rthree\r\n"
    assert canonical(text) is text
    block = memoryview(text)
    assert Canonicaliser().convert(block) is block


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("tail", [b"", b"x", b"\r", b"\n", b"\r\n", b"x\r\n", b"y" * 200])
@pytest.mark.parametrize("lead", [b"", b"x", b"\n", b"\r\n", b"x" * 76 + b"\r\n"])
def test_uniform_lines_are_no_special_case(lead: bytes, rows: int, tail: bytes) -> None:
    """Lines of one length are examined faster, to the same result, whatever surrounds them."""
    text = lead + (b"A" * 76 + b"\r\n") * rows + tail
    assert canonical(text) == reference(text)
    assert with_line_feeds(text) == text.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("damage", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("place", [0, 5, 76, 77, 78, 78 * 500 + 76, 78 * 500 + 77, 78 * 999 + 76, 78 * 999 + 77])
def test_an_odd_line_among_uniform_ones_is_seen(place: int, damage: bytes) -> None:
    """One octet replaced by a return or a line feed anywhere changes the answer as it must."""
    text = (b"A" * 76 + b"\r\n") * 1000
    text = text[:place] + damage + text[place + 1 :]
    assert canonical(text) == reference(text)
    assert Canonicaliser().count(text) == len(reference(text)) - len(text)
    assert with_line_feeds(text) == text.replace(b"\r\n", b"\n")
