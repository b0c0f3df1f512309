"""No value of a header field makes another field, outside or inside, whatever is encoded in it."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import Message
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session import PresharedKey, decrypt, encrypt
from smime_session.errors import MessageError, NotMailError
from smime_session.mail.fields import parse_fields

if TYPE_CHECKING:
    from smime_session.mail.header_policy import HeaderPolicy

READER: Final = PresharedKey(bytes(32), b"reader")
POLICIES: Final[list[HeaderPolicy]] = ["none", "hcp_no_confidentiality", "hcp_baseline", "hcp_shy"]
NAMES: Final = ["From", "To", "Cc", "Subject", "Date", "Comments", "Keywords", "Content-Type", "Content-Disposition"]
VALUES: Final = [
    b"=?utf-8?q?x=0D=0ABcc:_eve@example.org?=",
    b"=?utf-8?b?eA0KQmNjOiBldmVAZXhhbXBsZS5vcmc=?= <a@example.org>",
    b'"=?utf-8?q?=0ABcc=3A_e?=" <a@example.org>',
    b"=?utf-8?q?=00=0ABcc:_e?=",
    b"=?us-ascii?q?=0D?=Bcc: e",
    b"=?utf-16?b?DQAKAEIAYwBjADoA?=",
    b"text/plain; name*=utf-8''x%0D%0ABcc:%20e; charset=\"=?utf-8?q?=0ABcc:?=\"",
    b"x\r\n Bcc: e",
    b"x\xe2\x80\xa8Bcc: e",
    b"x\xc2\x85Bcc: e\x0bBcc: f\x0cBcc: g\x1cBcc: h",
]


@pytest.mark.parametrize("headers", POLICIES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_an_encoded_line_break_stays_encoded(headers: HeaderPolicy, name: str, value: bytes) -> None:
    """Line ends in encoded words, percent signs and folding make no field outside, and none in what comes back."""
    _check(name.encode() + b": " + value, headers)


@given(st.sampled_from(NAMES), st.lists(st.sampled_from(VALUES), min_size=1).map(b" ".join), st.sampled_from(POLICIES))
def test_several_encoded_line_breaks_stay_encoded(name: str, value: bytes, headers: HeaderPolicy) -> None:
    """Nor do several of them, side by side."""
    _check(name.encode() + b": " + value, headers)


def _check(field: bytes, headers: HeaderPolicy) -> None:
    mail = field + b"\r\nX-Last: y\r\nMIME-Version: 1.0\r\n\r\ntext\r\n"
    sealed = encrypt(mail, [READER], headers=headers)
    outside = sealed.partition(b"\r\n\r\n")[0]
    name = field.partition(b":")[0].decode().lower()
    allowed = {name, "x-last", "mime-version"} | {f"content-{each}" for each in CONTENT_FIELDS}
    assert {each.name for each in parse_fields(outside + b"\r\n")} <= allowed
    assert not re.search(rb"[\0\r\n]bcc", outside, re.IGNORECASE)
    head, _, body = decrypt(sealed, [READER]).message.partition(b"\r\n\r\n")
    fields = parse_fields(head + b"\r\n")
    assert {field + b"\r\n", b"X-Last: y\r\n"} <= {each.raw for each in fields}
    assert [each.name for each in fields if each.name not in allowed - {name}].count(name) == 1
    assert {each.name for each in fields} <= allowed
    assert body == b"text\r\n"


CONTENT_FIELDS: Final = ("type", "transfer-encoding", "disposition", "description")


@pytest.mark.parametrize("character", ["\0", "\r"])
def test_what_some_take_for_a_line_end_is_refused(character: str) -> None:
    """NUL and a carriage return alone are in no header field that is sent."""
    with pytest.raises(NotMailError, match=r"^line 1 is not a line of a mail header: it holds a (NUL|carriage return)"):
        encrypt(f"Subject: x{character}Bcc: eve@example.org\r\n\r\ntext\r\n".encode(), [READER])


@pytest.mark.parametrize("value", ["x\nBcc: e", "x\r\nBcc: e", "x\rBcc: e", "x\n\nBcc: e", "x\n", "x\r", "x\r\r\n y"])
def test_a_message_object_smuggles_nothing(value: str) -> None:
    """An old policy takes a line break in a value or a name; it is refused, in parts too."""
    for name, text in (("Subject", value), (value, "x")):
        message: Message = Message(policy.compat32)
        message[name] = text
        message.set_payload("text")
        around: Message = Message(policy.compat32)
        around["Content-Type"] = "multipart/mixed; boundary=b"
        around.attach(message)
        for each in (message, around):
            with pytest.raises(MessageError, match=r"^a line break in the header field .* would begin another field$"):
                encrypt(each, [READER])


@pytest.mark.parametrize("name", ["x\n y", "x\r\n\ty"])
def test_a_folded_value_is_taken(name: str) -> None:
    """Folding is no line break that begins a field."""
    message: Message = Message(policy.compat32)
    message["Subject"] = name
    message.set_payload("text")
    assert decrypt(encrypt(message, [READER]), [READER]).message["Subject"].split() == ["x", "y"]


@pytest.mark.parametrize("headers", POLICIES)
@pytest.mark.parametrize("refold", ["none", "long", "all"])
def test_a_modern_message_object_smuggles_nothing(headers: HeaderPolicy, refold: str) -> None:
    """What Python's parser made of an encoded line break is sent as one field, or not at all."""
    raw = b"Subject: =?utf-8?q?a=0D=0ABcc=3A_eve=40example.org?=\r\n\r\ntext\r\n"
    message = message_from_bytes(raw, policy=policy.default.clone(refold_source=refold))
    try:
        sealed = encrypt(message, [READER], headers=headers)
    except MessageError:
        return
    for each in (sealed, decrypt(sealed, [READER]).message):
        assert "Bcc" not in each
        assert each.keys().count("Subject") == 1
