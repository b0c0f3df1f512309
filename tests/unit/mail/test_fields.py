"""Header fields as raw octets."""

from __future__ import annotations

import re
from itertools import product

import pytest

from smime_session.errors import NotMailError
from smime_session.mail.fields import (
    _COMMENT,
    find_body,
    parse_fields,
    parse_media_type,
    parse_parameters,
    parse_token,
    split_mbox_line,
)


def test_fields_keep_every_octet() -> None:
    """Folding, spacing, spelling and 8-bit octets of each field are kept, in order."""
    head = b"To : a,\r\n\tb\r\nX-Odd:\r\n \r\nSUBJECT: caf\xc3\xa9 \xff\r\nTo:c\r\n\r\n"
    fields = parse_fields(head)
    assert b"".join(field.raw for field in fields) + b"\r\n" == head
    assert [field.name for field in fields] == ["to", "x-odd", "subject", "to"]
    assert [field.value for field in fields] == ["a,\tb", "", "café \ufffd", "c"]


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (b"no field\n", 1),
        (b" folded: first\n", 1),
        (b"\nSubject: x\n", 1),
        (b"\xff\xd8\xff\xe0", 1),
        (b"Subject: x\nbroken line\nTo: y\n\n", 2),
        (b"Subject: x\n folded\n again\n: empty name\n\n", 4),
        (b"Subject: x\nS\xc3\xbcbject: y\n\n", 2),
    ],
)
def test_a_line_that_is_no_field_is_named_by_number(head: bytes, line: int) -> None:
    """The error says which line, and nothing of what it holds."""
    with pytest.raises(NotMailError) as refused:
        parse_fields(head)
    first = "this is not a mail: line 1 is not a header field"
    assert str(refused.value) == (first if line == 1 else f"line {line} is not a mail header field")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Subject: x\n\n".encode("utf-8-sig"), "it begins with a byte order mark"),
        ("Subject: x\n\n".encode("utf-16"), "it is text in UTF-16"),
        ("\ufeffSubject: x\n\n".encode("utf-16-be"), "it is text in UTF-16"),
    ],
)
def test_a_byte_order_mark_is_named(text: bytes, problem: str) -> None:
    """It is not seen in an editor, and no mail begins with it."""
    with pytest.raises(NotMailError) as refused:
        parse_fields(text)
    assert str(refused.value) == f"this is not a mail: {problem}"


@pytest.mark.parametrize("size", range(8))
def test_the_body_begins_after_the_first_blank_line(size: int) -> None:
    """Whatever line endings are mixed, and wherever the search may begin after an earlier one found nothing."""
    blank_line = re.compile(rb"\A\r?\n|\n\r?\n")
    for octets in product((b"a", b"\r", b"\n"), repeat=size):
        text = b"".join(octets)
        match = blank_line.search(text)
        expected = match.end() if match else 0
        assert find_body(text) == expected
        for start in range(max(0, (expected or size) - 2)):
            assert find_body(text, start) == expected


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_thousand_folded_fields_are_as_many_fields(end: bytes) -> None:
    """How many fields and lines there are plays no part."""
    one = b"X-List: a,\r\n b,\r\n\tc\r\n"
    assert [field.raw for field in parse_fields(one * 1000 + end)] == [one] * 1000


def test_a_nul_octet_is_refused() -> None:
    """NUL, like in text of two octets per character, does not pass into a mail."""
    with pytest.raises(NotMailError, match=r"line 2 .* NUL"):
        parse_fields(b"Subject: x\nTo: a\0b\n\n")


def test_an_mbox_line_is_no_field() -> None:
    """The line that a mail store puts first is split off, and only there."""
    assert split_mbox_line(b"From me Thu\nTo: a\n") == (b"From me Thu\n", b"To: a\n")
    assert split_mbox_line(b"From: me\n") == (b"", b"From: me\n")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("APPLICATION/PKCS7-MIME; name=x", "application/pkcs7-mime"),
        ('text/html (a "comment"); charset=x', "text/html"),
        ("text / html", "text/html"),
        ("", "text/plain"),
        ("text", "text/plain"),
        ("text/\x1b[31m", "text/plain"),
    ],
)
def test_media_types_are_normal_or_the_default(value: str, expected: str) -> None:
    """A value that is no media type is read as if there were none (RFC 2045, 5.2)."""
    assert parse_media_type(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('a/b; Name="smime.p7m"; smime-type=enveloped-data', {"name": "smime.p7m", "smime-type": "enveloped-data"}),
        ("a/b;name=smime.p7m;x = y ;", {"name": "smime.p7m", "x": "y"}),
        (r'a/b; name="a\"b;c(d).p7m"', {"name": 'a"b;c(d).p7m'}),
        ("a/b (; name=no); name=yes", {"name": "yes"}),
        ("attachment; filename*=utf-8'en'caf%C3%A9.p7m", {"filename": "café.p7m"}),
        ("attachment; filename*1*=%2Ep7m; filename*0=smime", {"filename": "smime.p7m"}),
        ("attachment; filename*0*=iso-8859-1''a; filename*1=\"b\"", {"filename": "ab"}),
        ("a/b; name=first; name=second", {"name": "first"}),
        ("a/b", {}),
    ],
)
def test_parameters_are_read_tolerantly(value: str, expected: dict[str, str]) -> None:
    """Quotes, comments and the encodings of RFC 2231 are understood."""
    assert parse_parameters(value) == expected


def test_tokens_lose_case_and_comments() -> None:
    """Content-Transfer-Encoding is compared without either."""
    assert parse_token(" Base64 (really)") == "base64"


def test_no_control_character_leaves_a_value() -> None:
    """What a stranger wrote is safe to show on a terminal."""
    assert parse_token("base64\x1b[2J") == "base64[2j"
    assert parse_parameters('a/b; smime-type="x\x1b]0;y\x07"; name*=%1B%5Bz') == {"smime-type": "x]0;y", "name": "[z"}


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("start", ['( "', '"', "(", '"(', "(("])
@pytest.mark.parametrize("unit", ['\\"', "\\(", "\\", '"', "(", '("', '"(', "(a", "\\)(", ")", " "])
def test_comments_are_removed_in_linear_time(start: str, unit: str) -> None:
    """Quotes and comments that never end cost a hostile sender more than they cost the reader."""
    assert re.sub(_COMMENT, "", start + unit * 300_000) is not None


def test_only_the_beginning_of_a_value_is_parsed() -> None:
    """What stands behind some thousands of characters is not read; what stands before is."""
    for size, expected in ((100, {"name": "x"}), (100_000, {})):
        assert parse_parameters("a/b; " + "(" + "c" * size + "); name=x") == expected
    assert parse_media_type("a/b;" + " " * 1_000_000) == "a/b"
    assert parse_token("base64 (" + '\\"' * 1_000_000) == "base64 (" + '\\"' * 2044


@pytest.mark.parametrize(
    ("value", "expected"),
    [('"(kept)" (gone) "\\"(kept)"', '"(kept)"  "\\"(kept)"'), ('(\\)gone")x"', 'x"'), ('x "(open', 'x "(open')],
)
def test_quotes_and_escapes_protect_parentheses(value: str, expected: str) -> None:
    """A comment is one only outside quotes, and ends with a parenthesis that is not escaped."""
    assert parse_token(value) == expected
