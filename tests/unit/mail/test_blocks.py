"""What is looked at stays there, and a source that is at its end is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.mail.blocks import Lookahead
from tests.support.chunks import SIZES, blocks


@given(st.binary(max_size=40), st.sampled_from(SIZES), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9))))
def test_looking_takes_nothing(octets: bytes, size: int, looks: list[tuple[int, int]]) -> None:
    """Octets come in their order, once, however they are looked at, skipped and put back."""
    source = Lookahead(blocks(octets, size))
    at = 0
    for wanted, skipped in looks:
        seen = source.peek(wanted)
        assert octets[at:].startswith(seen)
        assert len(seen) >= min(wanted, len(octets) - at)
        source.skip(min(skipped, len(seen)))
        at += min(skipped, len(seen))
        taken = source()
        source.put_back(memoryview(taken))
    assert b"".join(iter(source, b"")) == octets[at:]


def test_a_source_is_not_asked_again_after_its_end() -> None:
    """A terminal would wait for more."""
    answers = [b"ab", b""]
    source = Lookahead(lambda: answers.pop(0) if answers else pytest.fail("asked again"))
    assert source.peek(3) == source.peek(9) == b"ab"
    assert source() == b"ab"
    assert source() == source.peek(1) == b""
