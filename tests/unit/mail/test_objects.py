"""The standard library's message objects on their way in and out."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.errors import MessageError
from smime_session.mail.objects import like, octets_of, source_of

PIECES = st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\n\n", b"From ", b"x" * 90])).map(b"".join)


def binary_mail(data: bytes) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "grüße"
    mail.set_content(data, "application", "octet-stream", cte="binary")
    return mail


@given(PIECES)
def test_a_binary_body_keeps_its_line_endings(data: bytes) -> None:
    """The octets after the head are the data, and the object itself is as before."""
    mail = binary_mail(data)
    head, _, body = octets_of(mail).partition(b"\n\n")
    assert body == data
    assert head.startswith(b"Subject: =?utf-8?")
    assert b"\nContent-Transfer-Encoding: binary" in head
    assert mail.get_payload(decode=True) == data
    assert source_of(mail) == octets_of(mail)


@given(PIECES)
def test_a_binary_body_comes_back_as_an_object(data: bytes) -> None:
    """Octets and objects are turned into each other without loss, whatever spelling names the encoding."""
    mail = binary_mail(data)
    mail.replace_header("Content-Transfer-Encoding", "BINARY (really)")
    back = like(mail, octets_of(mail))
    assert back.get_payload(decode=True) == data
    assert octets_of(back) == octets_of(mail)


def test_a_binary_part_of_several_is_refused() -> None:
    """What the object would write differently is not encrypted; the way out is named."""
    mail = EmailMessage()
    mail.set_content("text")
    mail.add_attachment(b"a\rb", "application", "octet-stream", cte="binary")
    with pytest.raises(MessageError, match=r"binary part.*: pass the message as bytes$"):
        octets_of(mail)


def test_a_mail_of_several_parts_has_line_feeds() -> None:
    """Without binary parts the object writes itself."""
    mail = EmailMessage()
    mail.set_content("text\r\n")
    mail.add_attachment(b"a\rb", "application", "octet-stream")
    octets = octets_of(mail)
    assert b"\r" not in octets
    assert [part.get_payload(decode=True) for part in like(mail, octets).iter_parts()] == [b"text\n", b"a\rb"]
