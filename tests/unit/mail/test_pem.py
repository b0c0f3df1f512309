"""PEM text of CMS objects."""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.errors import MalformedError
from smime_session.mail.blocks import Lookahead
from smime_session.mail.pem import PemDecoder, PemWriter, find_pem_label
from tests.support.pem_text import encode_pem

if TYPE_CHECKING:
    from smime_session.mail.blocks import NextBlock


def blocks(text: bytes, size: int) -> NextBlock:
    iterator = iter([text[at : at + size] for at in range(0, len(text), size)])
    return lambda: next(iterator, b"")


def decode(text: bytes, size: int = 1000) -> bytes:
    return b"".join(iter(PemDecoder(Lookahead(blocks(text, size)), 1000), b""))


def written(data: bytes) -> bytes:
    target = BytesIO()
    writer = PemWriter(target)
    writer.write(data)
    writer.finish()
    return target.getvalue()


def test_the_text_is_what_the_standard_draws() -> None:
    """64 columns between BEGIN CMS and END CMS (RFC 7468, 2 and 9)."""
    assert written(b"x" * 49) == (b"-----BEGIN CMS-----\n" + b"eHh4" * 16 + b"\n" + b"eA==\n" + b"-----END CMS-----\n")


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 47_999, 48_000, 48_001, 96_000])
def test_every_size_is_written_and_read(size: int) -> None:
    """Around one line, and around as many as are written at once."""
    data = os.urandom(size)
    text = written(data)
    assert text == encode_pem((data,))
    assert decode(text, 4096) == data


@given(st.binary(max_size=200), st.integers(1, 80), st.sampled_from([b"\n", b"\r\n"]))
def test_blocks_may_cut_the_lines_anywhere(data: bytes, size: int, eol: bytes) -> None:
    """The END line is found even if it arrives octet by octet."""
    text = b"a comment: of - some - sort" + eol + encode_pem((data,), label="PKCS7", eol=eol) + b"after" + eol
    assert decode(text, size) == data


def test_the_first_label_is_found() -> None:
    """Text before the BEGIN line does not hide it, and half a line is none."""
    assert find_pem_label(b"Subject: x\n-----BEGIN PKCS #7 SIGNED DATA-----\n") == "PKCS #7 SIGNED DATA"
    assert find_pem_label(b"see -----BEGIN CMS-----\n") is None
    assert find_pem_label(b"-----BEGIN CMS") is None


def test_a_text_without_end_line_is_cut_off() -> None:
    """Base64 that looks complete is not, without its END line."""
    with pytest.raises(MalformedError, match="has no END line"):
        decode(b"-----BEGIN CMS-----\nQUJD\n")


@pytest.mark.parametrize("end", [b"-----END PKCS7-----\n", b"-----END CMS", b"--", b"-----BEGIN CMS-----\nQUJD\n"])
def test_another_end_line_is_refused(end: bytes) -> None:
    """BEGIN and END name the same thing (RFC 7468, 2)."""
    with pytest.raises(MalformedError, match="does not end with the line"):
        decode(b"-----BEGIN CMS-----\nQUJD\n" + end)


def test_a_text_without_begin_line_is_refused() -> None:
    """There is nothing to decode where nothing begins."""
    with pytest.raises(MalformedError, match="no BEGIN line"):
        decode(b"QUJD\n")
