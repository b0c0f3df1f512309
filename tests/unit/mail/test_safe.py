"""A mail is made safe before it is clear-signed: what is safe stays, what is not means the same afterwards."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.errors import MessageError
from smime_session.mail.safe import Survey, rewritten, safe_entity, survey_entity
from tests.support.chunks import SIZES, blocks

if TYPE_CHECKING:
    from email.message import EmailMessage

TEXT = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: %s\n\n%s"
MIXED = (
    b"Content-Type: multipart/mixed; boundary=one\nContent-Transfer-Encoding: 8bit\n\n"
    b"pre\xc3\xa4mble\n--one  \n"
    b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    b"Gr\xc3\xbc\xc3\x9fe, and more of it  \n"
    b'--one\nContent-Type: application/octet-stream; name="%s"\n'
    b"Content-Transfer-Encoding: base64\n\n%s\n"
    b"--one\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
    b"Subject: inside\nContent-Type: text/html; charset=utf-8\n\nFrom here to \xc3\xa4\n"
    b"--one\nContent-Type: application/x; charset=x\nContent-Transfer-Encoding: binary\n\na\rb\x00\nc\n"
    b"--one--\nepilogue\n"
) % (b" ".join([b"name"] * 30), b"QUJD" * 40)

SIGNED_INSIDE = (
    b"Content-Type: multipart/mixed; boundary=a\n\n--a\n"
    b"Content-Type: multipart/signed; boundary=b\n\n--b\n\n%s\n--b--\n--a--\n"
)


def _message(octets: bytes) -> EmailMessage:
    return message_from_bytes(octets, policy=policy.SMTP)


def _leaves(octets: bytes) -> list[bytes]:
    return [bytes(part.get_payload(decode=True) or b"") for part in _message(octets).walk() if not part.is_multipart()]


def _is_safe(octets: bytes) -> bool:
    lines = octets.split(b"\r\n")
    short = all(len(line) <= 76 and line == line.rstrip(b" \t") and not line.startswith(b"From ") for line in lines)
    return short and octets.isascii() and b"\r" not in octets.replace(b"\r\n", b"") and b"\n" not in b"".join(lines)


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"7bit", b"Plain lines.\n\n.\n--\n"),
        (b"quoted-printable", b"Gr=C3=BC=C3=9Fe =\nand =20\n"),
        (b"base64", b"QUJD\n" * 100),
    ],
)
def test_what_is_safe_stays(encoding: bytes, body: bytes, eol: bytes) -> None:
    """Of an entity that nothing on the way changes, the line endings alone become CRLF."""
    entity = TEXT % (encoding, body)
    assert safe_entity(entity.replace(b"\n", eol)) == entity.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    ("body", "quoted"),
    [
        (b"Gr\xc3\xbc\xc3\x9fe to all of you\n", b"Gr=C3=BC=C3=9Fe to all of you\r\n"),
        (b"From me\n", b"=46rom=20=\r\nme\r\n"),
        (b"blanks  \n", b"blanks =20\r\n"),
        (b"a=b at the end\t", b"a=3Db at the end=09"),
        (b"x" * 80, b"x" * 75 + b"=\r\n" + b"x" * 5),
        (b"x" * 75 + b"From x\n", b"x" * 75 + b"=\r\n=46rom=20=\r\nx\r\n"),
    ],
)
def test_text_is_quoted(body: bytes, quoted: bytes) -> None:
    """Text becomes quoted-printable, and no line of it looks like the beginning of a mail."""
    made = safe_entity(TEXT % (b"8bit", body))
    assert made.endswith(b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted)
    assert _is_safe(made)


@pytest.mark.parametrize("body", ["Привет, мир!\n".encode() * 10, b"NUL \x00\n", b"a return \r alone\n"])
def test_what_is_hardly_text_becomes_base64(body: bytes) -> None:
    """Where most letters would be quoted, or some cannot be, the body becomes base64."""
    made = safe_entity(TEXT % (b"8bit", body))
    assert b"Content-Transfer-Encoding: base64\r\n" in made
    assert _is_safe(made)
    assert _leaves(made) == [body.replace(b"\n", b"\r\n")]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
def test_every_part_is_made_safe(size: int, eol: bytes) -> None:
    """All parts of a mail are safe afterwards, those in mails inside too, and mean what they meant."""
    entity = MIXED.replace(b"\n", eol)
    pieces = survey_entity(lambda: blocks(entity, size))
    assert pieces is not None
    made = b"".join(rewritten(blocks(entity, size), pieces))
    assert made == safe_entity(entity)
    assert _is_safe(made)
    text, octets, html, binary = _leaves(made)
    assert text == "Grüße, and more of it  ".encode()
    assert octets == b"ABC" * 40
    assert html == "From here to ä".encode()
    assert binary == b"a\rb\x00" + eol + b"c"
    assert [part.get_content_type() for part in _message(made).walk()] == [
        part.get_content_type() for part in _message(entity).walk()
    ]
    (named,) = (part for part in _message(made).walk() if part.get_content_type() == "application/octet-stream")
    assert named.get_filename() == " ".join(["name"] * 30)
    assert b"pre" not in made
    assert b"epilogue\r\n" in made


def test_quoted_printable_that_is_not_safe_is_mended() -> None:
    """Long lines, raw letters and blanks at the end become what they stand for, whatever the encoding says already."""
    body = b"=C3=A4" * 20 + b" \xc3\xa4 \n=20=  \nFrom=20x\nFrom y =\nz"
    made = safe_entity(TEXT % (b"quoted-printable", body))
    assert _is_safe(made)
    assert _leaves(made) == [("ä" * 20 + " ä\r\n From x\r\nFrom y z").encode()]


@pytest.mark.parametrize(
    ("entity", "part", "why"),
    [
        (
            SIGNED_INSIDE % b"\xc3\xa4",
            "part 1.1",
            "is signed already",
        ),
        (
            b"Content-Type: message/partial\n\n\xc3\xa4\n",
            "the body",
            "is message/partial, which cannot be encoded",
        ),
        (
            b"Content-Type: text/plain\nContent-Transfer-Encoding: x-uuencode\n\n\xc3\xa4\n",
            "the body",
            "has a transfer encoding that is not known",
        ),
    ],
)
def test_what_cannot_be_encoded_is_refused(entity: bytes, part: str, why: str) -> None:
    """A part that would be changed on the way and cannot be encoded is named."""
    with pytest.raises(MessageError) as caught:
        safe_entity(entity)
    assert str(caught.value) == f"{part} would not arrive as it is and {why}: only an opaque signature keeps it"


def test_what_is_signed_and_safe_stays() -> None:
    """A signed part inside is kept byte for byte beside one that is encoded."""
    entity = (SIGNED_INSIDE % b"signed").replace(b"--a--", b"--a\n\n\xc3\xa4 and more\n--a--")
    made = safe_entity(entity)
    signed = entity[entity.index(b"--b") : entity.index(b"--b--")]
    assert signed.replace(b"\n", b"\r\n") in made
    assert _is_safe(made)


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\n", b"\r\n", b"\r", b"From ", b"=", b"\xc3", b"x" * 76])))
def test_any_text_comes_back(pieces: list[bytes]) -> None:
    """Whatever a body is made of, it is safe afterwards, and decodes to itself in canonical form."""
    body = b"".join(pieces)
    made = safe_entity(TEXT % (b"8bit", body))
    assert _is_safe(made)
    canonical = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head, _, rest = made.partition(b"\r\n\r\n")
    if b"7bit" in head:
        assert rest == canonical
    else:
        assert _leaves(made)[0].replace(b"\r\n", b"\n") == canonical.replace(b"\r\n", b"\n")


@given(st.binary(max_size=300), st.integers(1, 80))
def test_blocks_do_not_count(text: bytes, size: int) -> None:
    """What is found in text does not depend on where its blocks end."""
    whole, pieces = Survey(), Survey()
    whole.look(text)
    for at in range(0, len(text), size):
        pieces.look(text[at : at + size])
    assert vars(whole.finish()).keys() == vars(pieces.finish()).keys()
    assert (whole.safe, whole.size) == (pieces.safe, pieces.size)


@pytest.mark.parametrize(
    ("line", "safe"),
    [
        (b"A" * 76 + b"\r\n", True),
        (b"A" * 76 + b"\n", True),
        (b"A" * 77 + b"\n", False),
        (b"A" * 77 + b"\r\n", False),
        (b"AB\rCD\n", False),
        (b"AAA \r\n", False),
        (b"AAA\xc3\r\n", False),
    ],
)
def test_many_equal_lines_are_looked_at_as_closely(line: bytes, *, safe: bool) -> None:
    """Large text is mostly lines of base64; being fast overlooks nothing in others that are equally long."""
    survey = Survey()
    survey.look(line * 1000)
    assert survey.finish().safe is safe
