"""Where the parts of a mail stand: what is found is what Python's parser finds, at the right bytes, in any blocks."""

from __future__ import annotations

import random
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest

from smime_session.errors import LimitError
from smime_session.mail import parts
from smime_session.mail.fields import parse_fields_leniently
from smime_session.mail.parts import find_parts
from smime_session.profiles import MAX_MAIL_HEADER_SIZE
from tests.support.chunks import SIZES, blocks

if TYPE_CHECKING:
    from email.message import Message

MAIL = (
    b"Subject: several\nContent-Type: multipart/mixed; boundary=one\n\n"
    b"preamble --one\n--one\n\nfirst\n--\n--oneself\n"
    b'--one \nContent-Type: multipart/alternative; boundary="two"\n\n'
    b"--two\nContent-Type: text/html\n\n<p>\n--two--\nepilogue\n"
    b"--one\nContent-Type: message/rfc822\n\nSubject: inside\nContent-Type: multipart/mixed; boundary=three\n\n"
    b"--three\n\ndeep\n--three--\n\n--one--\nthe end\n--one\nno part\n"
)


def _found(mail: bytes, size: int = 1 << 16) -> list[tuple[str, str, bytes]]:
    found = find_parts(blocks(mail, size))
    assert all(0 <= part.begin <= part.body <= part.end <= len(mail) for part in found)
    return [(part.number, part.content_type, mail[part.body : part.end]) for part in found]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
def test_parts_are_found_where_they_are(size: int, eol: bytes) -> None:
    """Every part has its number, its type and its bytes, whatever the line endings and wherever blocks end."""
    found = _found(MAIL.replace(b"\n", eol), size)
    assert [(number, kind) for number, kind, _ in found] == [
        ("0", "multipart/mixed"),
        ("1", "text/plain"),
        ("2", "multipart/alternative"),
        ("2.1", "text/html"),
        ("3", "message/rfc822"),
        ("3.1", "multipart/mixed"),
        ("3.1.1", "text/plain"),
    ]
    bodies = {number: body for number, _, body in found}
    assert bodies["1"] == b"first\n--\n--oneself".replace(b"\n", eol)
    assert bodies["2.1"] == b"<p>"
    assert bodies["3.1.1"] == b"deep"
    assert bodies["3"].endswith(b"--three--" + eol)


def _leaves(message: Message) -> list[tuple[str, bytes]]:
    return [
        (part.get_content_type(), part.as_bytes(policy=policy.compat32).partition(b"\n\n")[2])
        for part in message.walk()
        if not part.is_multipart()
    ]


def _random_part(draw: random.Random, depth: int) -> bytes:
    kind = draw.choice(["text/plain", "application/pdf", "multipart/mixed", "multipart/signed", "message/rfc822"])
    if depth > 4 or kind.startswith(("text", "app")):
        lines = draw.choices([b"text", b"", b"--", b"-- ", b"--b", b"From x", b"a: b"], k=draw.randrange(5))
        return b"Content-Type: text/plain\n\n" + b"\n".join(lines)
    if kind == "message/rfc822":
        return b"Content-Type: message/rfc822\n\nSubject: x\n" + _random_part(draw, depth + 1)
    boundary = f"b{depth}{draw.randrange(1000)}".encode()
    inner = b"".join(b"\n--%b\n%b" % (boundary, _random_part(draw, depth + 1)) for _ in range(draw.randrange(1, 4)))
    return b"Content-Type: %b; boundary=%b\n\n%b\n--%b--\n" % (kind.encode(), boundary, inner, boundary)


def test_parts_are_those_that_another_parser_finds() -> None:
    """Of 500 random mails the leaves are the same, byte for byte, as Python's parser finds them."""
    draw = random.Random(4711)  # noqa: S311  # a repeatable choice
    for _ in range(500):
        mail = _random_part(draw, 0)
        found = find_parts(blocks(mail, draw.choice(SIZES)))
        ours = [
            (part.content_type, mail[part.body : part.end])
            for part in found
            if not part.content_type.startswith(("multipart/", "message/"))
        ]
        assert ours == _leaves(message_from_bytes(mail)), mail


@pytest.mark.parametrize(
    ("mail", "numbers"),
    [
        (b"", ["0"]),
        (b"Content-Type: multipart/mixed\n\n--\n\nno boundary\n", ["0"]),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n--b--", ["0", "1", "2"]),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nnever ended", ["0", "1"]),
        (b"Content-Type: multipart/mixed; boundary=b\n--b\n\nno blank line\n", ["0"]),
        (
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n",
            ["0", "1", "1.1"],
        ),
    ],
)
def test_broken_mails_have_the_parts_that_can_be_seen(mail: bytes, numbers: list[str]) -> None:
    """Missing boundaries, heads, ends and repeated boundaries lose no byte and raise nothing."""
    assert [number for number, _, _ in _found(mail, 1)] == numbers
    assert [number for number, _, _ in _found(mail)] == numbers


def test_a_part_that_no_boundary_ends_is_told() -> None:
    """Whether a part was cut off is known."""
    mail = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nwhole\n--b\n\ncut"
    assert [part.closed for part in find_parts(blocks(mail, 7))] == [False, True, False]


@pytest.mark.parametrize(
    "mail",
    [
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 2_000,
        b"Content-Type: message/rfc822\n\n" * 100_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(1_000)),
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + b"x: y\n" * 300_000,
    ],
)
def test_hostile_mails_meet_a_limit(mail: bytes) -> None:
    """Parts without number, mails in mails and heads without end are refused by name."""
    with pytest.raises(LimitError):
        find_parts(blocks(mail, 1 << 16))


@pytest.mark.parametrize("line", [b"--\n", b"--c\n", b"--b x\n", b"--b   \n"])
@pytest.mark.parametrize("boundary", [b"b", b'"b "'])
def test_lines_that_only_look_like_boundaries_take_no_step_of_python(
    monkeypatch: pytest.MonkeyPatch, line: bytes, boundary: bytes
) -> None:
    """However many there are, in a head or in a body, each is passed over."""
    looked: list[int] = []
    boundary_at = parts._Boundaries.at

    def counted(boundaries: parts._Boundaries, octets: bytes, at: int) -> tuple[int, bool] | None:
        looked.append(at)
        return boundary_at(boundaries, octets, at)

    monkeypatch.setattr(parts._Boundaries, "at", counted)
    if line.rstrip() == b"--" + boundary:
        line += b" x\n"
    head = b"Content-Type: multipart/mixed; boundary=" + boundary + b"\n\n--" + boundary.strip(b'"') + b"--\n"
    for between in (b"", b"--" + boundary + b"\nX: y\n"):
        looked.clear()
        assert len(_found(head + between + line * 100_000, 1 << 16)) <= 2
        assert len(looked) < 1_000


@pytest.mark.parametrize("size", SIZES)
def test_a_boundary_that_ends_with_a_blank_has_a_last_line_alone(size: int) -> None:
    """Blanks at the end of a line are padding, which is taken away before lines are compared."""
    mail = b'Content-Type: multipart/mixed; boundary="b "\n\n--b \n\nno part\n--b --\nafter\n'
    assert _found(mail, size) == [("0", "multipart/mixed", mail.partition(b"\n\n")[2])]


def test_what_a_part_says_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand parts with long fields are not parsed again by each who asks."""
    parsed: list[str] = []

    def seen(value: str) -> str:
        parsed.append(value)
        return "text/plain"

    monkeypatch.setattr(parts, "parse_media_type", seen)
    mail = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nx\n--b--\n"
    for part in find_parts(blocks(mail, 1 << 16)):
        assert not part.is_declared
        assert part.content_type == "text/plain"
    assert len(parsed) == 1


def test_a_large_mail_is_no_large_head() -> None:
    """Where the head ends is found in a mail that comes as one block, whatever its size."""
    mail = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + b"text\n" * 400_000 + b"--b\nA: b\n\nc\n--b--\n"
    assert len(mail) > MAX_MAIL_HEADER_SIZE
    assert [part.number for part in find_parts(iter((mail, b"")).__next__)] == ["0", "1", "2"]


def test_lines_that_are_no_fields_are_kept() -> None:
    """Lenient reading names what is a field, and loses no byte of what is none."""
    head = b">From x\nA: b\n c\nno field\n \xff d\nE\t:f\r\n: g\r\n\r\nbody"
    found = parse_fields_leniently(head)
    assert [(field.name, field.raw) for field in found] == [
        ("", b">From x\n"),
        ("a", b"A: b\n c\n"),
        ("", b"no field\n \xff d\n"),
        ("e", b"E\t:f\r\n"),
        ("", b": g\r\n"),
    ]
