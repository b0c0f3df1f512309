"""How hidden fields are shown in a body, and taken out of it again."""

from __future__ import annotations

import base64
import quopri
from email import message_from_bytes
from email.header import Header
from email.policy import default

import pytest

from smime_session.mail.fields import Field, parse_fields
from smime_session.mail.legacy_display import display_text, edited_part, remarked

TEXT = "Subject: Grüße & <more>\nKeywords: 'a' \"b\"\n"
HTML = b"<!DOCTYPE html>\r\n<html><head><!-- <body> --></head><BODY class=x>\r\n<p>Hi = hi</p>\r\n</BODY></html>\r\n"


def shown(*fields: bytes) -> str:
    return display_text(parse_fields(b"".join(fields)))


def changed(head: bytes, body: bytes, text: str | None, step: int = 1 << 20) -> bytes:
    """Return a part after its change, given in blocks of ``step`` bytes; as it was if it cannot be changed."""
    part = edited_part(head + b"\r\n", parse_fields(head), text)
    if part is None:
        return head + b"\r\n" + body
    blocks = [part.convert(body[at : at + step], ended=False) for at in range(0, len(body), step)]
    return b"".join((*blocks, part.convert(b"", ended=True)))


def split(part: bytes) -> tuple[bytes, bytes]:
    head, _, body = part.partition(b"\r\n\r\n")
    return head + b"\r\n", body


def read(part: bytes) -> str:
    return str(message_from_bytes(part, policy=default).get_content())


def test_hidden_fields_are_decoded_lines() -> None:
    """Folding and encoded words are undone, and names are as the mail spelt them."""
    encoded = Header("Grüße aus Köln", "utf-8").encode().encode()
    assert (
        shown(b"SUBJECT: " + encoded + b"\r\n", b"Keywords: a,\r\n  b\r\n")
        == "SUBJECT: Grüße aus Köln\nKeywords: a, b\n"
    )


@pytest.mark.parametrize(
    "value",
    [
        b"=?utf-8?q?a=0D=0A=0D=0Ab?=",
        b"=?utf-8?b?YQ0KDQpi?=",
        b"=?utf-8?q?a=00=0B=1B=C2=85=E2=80=A8b?=",
        b"=?utf-8?q?a?=\r\n\t=?utf-8?q?=0A=0Ab?=",
        b"a\x0c\x0bb",
    ],
)
def test_no_hidden_value_makes_a_line(value: bytes) -> None:
    """Encoded line endings and other controls become a blank: the element ends at its first blank line (10.3)."""
    assert shown(b"Subject: " + value + b"\r\n") == "Subject: a b\n"


@pytest.mark.parametrize("value", [b"=?none-such?q?a?=", b"=?utf-8?b?A?=", b"=?utf-8?q?=FF?=", b"=?utf-8?"])
def test_a_broken_encoded_word_is_shown_in_some_way(value: bytes) -> None:
    """What cannot be decoded is no error."""
    assert shown(b"Subject: " + value + b"\r\n").startswith("Subject: ")


def test_an_element_stays_small() -> None:
    """Of very many recipients those that are shown fill lines of a size that mail allows."""
    people = b",\r\n ".join(b"Person %d <p%d@example.org>" % (n, n) for n in range(10_000))
    text = shown(b"To: " + people + b"\r\n", b"Subject: last\r\n")
    assert len(text) < 1 << 15
    assert max(map(len, text.splitlines())) <= 300
    assert text.startswith("To: Person 0 <p0@example.org>, Person 1 <")
    assert "\n\n" not in text


def test_an_empty_value_is_its_name() -> None:
    """No blank ends the line, which flowed text would join with the next."""
    assert shown(b"Subject:\r\n") == "Subject:\n"


PARTS = {
    "plain": (b"text/plain; charset=utf-8", b"8bit", "Käse\r\n\r\nund\r\n".encode()),
    "plain without charset": (b"text/plain", b"7bit", b"Hi\r\n"),
    "plain that begins blank": (b"text/plain; charset=latin-1", b"8bit", b"\r\n\r\nHi\r\n"),
    "plain and empty": (b"text/plain; charset=utf-8", b"7bit", b""),
    "plain with line feeds": (b"text/plain; charset=utf-8", b"binary", b"Hi\n\nho"),
    "plain quoted": (
        b"text/plain; charset=utf-8",
        b"Quoted-Printable",
        quopri.encodestring("Käse = gut\n".encode() * 9),
    ),
    "plain base64": (b"text/plain; charset=utf-8", b"base64", base64.encodebytes("Käse\r\n".encode() * 40)),
    "plain base64 in one line": (b"text/plain", b"base64", base64.b64encode(b"Hi\r\n" * 70)),
    "plain base64 short": (b"text/plain", b"BASE64", base64.b64encode(b"Hi\r\n") + b"\r\n\r\n"),
    "html": (b"text/html; charset=utf-8", b"7bit", HTML),
    "html in latin": (b"text/html; charset=iso-8859-1", b"8bit", HTML),
    "html without body": (b"text/html; charset=us-ascii", b"7bit", b"<p>Hi</p>\r\n<div>ho</div>"),
    "html with head only": (b"text/html", b"7bit", b"<html><head><title>a</title></head><p>Hi</p>"),
    "html with open comment": (b"text/html", b"7bit", b"<html><!-- <body><p>Hi</p>"),
    "html with open tag": (b"text/html", b"7bit", b"<html><body <p>Hi</p>"),
    "html quoted": (b"text/html; charset=utf-8", b"quoted-printable", quopri.encodestring(HTML)),
    "html quoted and broken": (
        b"text/html; charset=utf-8",
        b"quoted-printable",
        b"<html><bo=\r\ndy style=3D'a'=\r\n>=\r\n<p>Hi</p>\r\n",
    ),
    "html quoted in one line": (b"text/html", b"quoted-printable", b"<html><body>=\r\n"),
    "html base64": (b"text/html; charset=utf-8", b"base64", base64.encodebytes(HTML).replace(b"\n", b"\r\n")),
}


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", PARTS)
def test_what_is_put_in_is_seen_and_comes_out_again(name: str, step: int) -> None:
    """Readers decode the element at the top, the head says that it is there, and without it all is as it was."""
    content_type, encoding, body = PARTS[name]
    head = b"Content-Type: " + content_type + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n"
    with_element = changed(head, body, TEXT, step)
    assert b'; hp-legacy-display="1"' in split(with_element)[0]
    seen = read(with_element).replace("\r\n", "\n")
    if content_type.startswith(b"text/plain"):
        assert seen.replace("??", "üß").startswith(TEXT + "\n")
    else:
        assert "&amp; &lt;more&gt;\nKeywords: &apos;a&apos; &quot;b&quot;\n</pre>\n</div>" in seen
        assert ("Grüße" if b"utf-8" in content_type or b"8859" in content_type else "Gr&#252;&#223;e") in seen
    assert changed(*split(with_element), None, step) == head + b"\r\n" + body


@pytest.mark.parametrize(
    ("content_type", "encoding", "body"),
    [
        (b"text/plain; charset=utf-16", b"8bit", b"\xff\xfeH\x00i\x00"),
        (b"text/plain; charset=idna", b"7bit", b"Hi"),
        (b"text/calendar", b"7bit", b"Hi"),
        (b"text/plain", b"x-uuencode", b"Hi"),
        (b"text/plain; hp-legacy-display=1", b"7bit", b"Hi"),
        (b"text/plain", b"base64", b"SGkNCkhpDQo=\r\nSGkNCkhpDQo=\r\n"),
        (b"text/plain", b"base64", b"SGkNCkhpDQpIaQ0K\r\nSGkNCkhp\r\nSGkN\r\n"),
        (b"text/plain", b"base64", b"A"),
        (b"text/plain", b"base64", b"\r\nSGkN"),
    ],
)
def test_a_part_that_would_not_come_back_is_left_alone(content_type: bytes, encoding: bytes, body: bytes) -> None:
    """Neither head nor body of it changes."""
    head = b"Content-Type: " + content_type + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n"
    assert changed(head, body, TEXT) == head + b"\r\n" + body


def test_a_part_without_content_type_is_left_alone() -> None:
    """It has no place for the parameter."""
    assert edited_part(b"\r\n", (), TEXT) is None


MARKED = b'text/%s; charset=utf-8; hp-legacy-display="1"'


@pytest.mark.parametrize(
    ("kind", "encoding", "body", "rest"),
    [
        (b"plain", b"7bit", b"Subject: a\r\nKeywords: b\r\n\r\n\r\nHi", b"\r\nHi"),
        (b"plain", b"7bit", b"\nHi", b"Hi"),
        (b"plain", b"quoted-printable", b"Subject: a=\r\n\r\n \t\r\nHi", b"Hi"),
        (b"plain", b"base64", base64.encodebytes(b"Subject: a\r\n\r\nHi"), b"SGk=\n"),
        (b"html", b"7bit", b"<body>\r\n<div\tclass='x header-protection-legacy-display'>a</div>b", b"<body>\r\nb"),
        (b"html", b"7bit", b'<DIV CLASS="header-protection-legacy-display"><div>a</div><pre>b</pre></DIV >c', b"c"),
        (b"html", b"7bit", b'<div>x</div><div class="header-protection-legacy-display">a</div>c', b"<div>x</div>c"),
        (
            b"html",
            b"quoted-printable",
            b'<di=\r\nv class=3D"header-pro=\n=\ntection-legacy-display">a</=\r\ndiv>c',
            None,
        ),
        (b"html", b"quoted-printable", b'<di=\r\nv class=3D"header-protection-leg=\nacy-display">a</=\r\ndiv>c', b"c"),
    ],
)
def test_elements_of_other_programs_are_taken_out(
    kind: bytes, encoding: bytes, body: bytes, rest: bytes | None
) -> None:
    """Lines up to the first blank one, or the marked element with all that is in it (RFC 9788, 4.5.3)."""
    head = b"Content-Type: " + MARKED % kind + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n"
    found = split(changed(head, body, None))
    assert found[1] == (body if rest is None else rest)
    assert (b"hp-legacy-display" in found[0]) is (rest is None)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"plain", b"no blank line\r\n" * 40_000),
        (b"plain", b"no blank line"),
        (b"html", b"<p>none</p>" * 40_000),
        (b"html", b'<div class="header-protection-legacy-display">never closed'),
        (b"html", b'<div class="header-protection-legacy-display" never closed'),
    ],
)
def test_a_part_without_its_element_is_left_alone(kind: bytes, body: bytes) -> None:
    """Where what is to be taken out has no end within reach, nothing is."""
    head = b"Content-Type: " + MARKED % kind + b"\r\n"
    assert changed(head, body, None, 1000) == head + b"\r\n" + body


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("text", [TEXT, None])
@pytest.mark.parametrize("encoding", [b"7bit", b"quoted-printable"])
@pytest.mark.parametrize(
    "part",
    [
        b"<",
        b"<div ",
        b"<div>",
        b"<body ",
        b"<!--",
        b"-->",
        b"=\r\n",
        b"<=\r\n",
        b"header-protection-legacy-displa",
        b" ",
    ],
)
def test_hostile_html_takes_no_quadratic_time(part: bytes, encoding: bytes, text: str | None) -> None:
    """A megabyte of what patterns stumble over is passed in no time, even in small blocks."""
    kind = MARKED % b"html" if text is None else b"text/html"
    head = b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n"
    start = b'<div class="header-protection-legacy-display">' if text is None else b"<html"
    body = start + part * (1_000_000 // len(part))
    assert body[-1000:] in changed(head, body, text, 1000)


def test_only_the_first_content_type_is_marked() -> None:
    """A second one, which no reader looks at, stays as it is."""
    fields = parse_fields(b"Content-Type: text/plain\r\nContent-Type: text/html\r\n")
    marked = remarked(fields, TEXT)
    assert marked == (Field("content-type", b'Content-Type: text/plain; hp-legacy-display="1"\r\n'), fields[1])
    assert remarked(marked, None) == fields
