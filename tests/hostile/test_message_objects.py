"""Message objects that Python's email package parses, and cannot always write again."""

from __future__ import annotations

import mailbox
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smime_session import (
    MessageError,
    Password,
    SmimeError,
    decrypt,
    encrypt,
    export_session_key,
    inspect,
    rewrap,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.policy import Policy

PASSWORD: Final = Password(b"correct horse", iterations=1000)

OPERATIONS: Final[dict[str, Callable[[Any], object]]] = {
    "encrypt": lambda message: encrypt(message, [PASSWORD]),
    "decrypt": lambda message: decrypt(message, [PASSWORD]),
    "inspect": lambda message: inspect(message, [PASSWORD]),
    "rewrap": lambda message: rewrap(message, [PASSWORD], add=[PASSWORD]),
    "export_session_key": lambda message: export_session_key(message, [PASSWORD]),
}

POLICIES: Final = (
    *(policy.compat32, policy.default, policy.SMTP, policy.SMTPUTF8, policy.HTTP, policy.strict),
    *(policy.default.clone(refold_source=which) for which in ("all", "none")),
    *(policy.default.clone(max_line_length=length) for length in (None, 0, 20)),
    *(each.clone(cte_type="7bit") for each in (policy.compat32, policy.default)),
    policy.compat32.clone(raise_on_defect=True),
)

PIECES: Final = (
    *(b"From: a@b\r\n", b"To: ", b"Bcc: ", b"To: group: a@b, c@d;, ", b"Date: \xff\r\n", b"Message-ID: <", b"x" * 80),
    *(b"Subject: =?utf-8?q?=FF?= =?utf-8?b?!!?=\r\n", b"Content-Disposition: x; filename*0*=utf-8''%FF\r\n"),
    *(b"Content-Type: multipart/mixed; boundary=x\r\n", b"Content-Type: message/rfc822\r\n", b"Content-Type: "),
    *(b"Content-Type: text/plain; charset=nonsense\r\n", b"Content-Type: text/plain; charset=utf-8\r\n"),
    *(b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: binary\r\n", b"\r\n--x\r\n", b"\r\n--x--"),
    *(b" ", b"\r\n", b"\n", b"\xff", b"\xc3\xa9", b"<", b">", b'"', b";", b":", b"=", b"=?utf-8?q?", b"?=", b"\0"),
)


def _broken_text() -> Message:
    """Return a mail whose preamble is not ASCII, which the generator takes for text."""
    return message_from_bytes(
        b"From: a@b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\nhello \xff\r\n", policy=policy.compat32
    )


def _broken_group() -> Message:
    """Return a mail with an empty group of addresses, which is to be folded."""
    return message_from_bytes(b"To: g:; \r\n\r\nx\r\n", policy=policy.default.clone(refold_source="all"))


def _no_payload() -> EmailMessage:
    """Return a mail with a payload that is neither text nor parts."""
    mail = EmailMessage()
    payload: Any = 5
    mail.set_payload(payload)
    return mail


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("broken", [_broken_text, _broken_group, _no_payload])
def test_what_cannot_be_written_is_a_message_error(operation: str, broken: Callable[[], Any]) -> None:
    """A message object that Python cannot write is told as such, with the way out and nothing of the text."""
    with pytest.raises(MessageError, match=r"cannot write .*: pass the message as bytes$") as caught:
        OPERATIONS[operation](broken())
    assert caught.value.__context__ is None


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join),
    st.sampled_from(POLICIES),
    st.sampled_from(sorted(OPERATIONS)),
)
def test_whatever_was_parsed_no_other_exception_escapes(raw: bytes, how: Policy[Any], operation: str) -> None:
    """An object made of any octets under any policy is taken, or refused with an error of ours."""
    try:
        message = message_from_bytes(raw, policy=how)
    except Exception:  # noqa: BLE001  # a strict policy refuses it before we see it
        return
    for each in (message, mailbox.mboxMessage(message)):
        try:
            OPERATIONS[operation](each)
        except SmimeError:
            continue


@pytest.mark.parametrize("how", POLICIES[:6], ids=range(6))
def test_a_policy_that_refuses_the_result_is_a_message_error(how: Policy[Any]) -> None:
    """A mail with a defect inside is opened as an object, unless a strict policy refuses it."""
    sealed = message_from_bytes(
        encrypt(b"From: a@b\r\nContent-Type: multipart/mixed\r\n\r\nx\r\n", [PASSWORD]), policy=how
    )
    if how.raise_on_defect:
        with pytest.raises(MessageError, match=r"does not take the result .*: pass the message as bytes$"):
            decrypt(sealed, [PASSWORD])
    else:
        assert decrypt(sealed, [PASSWORD]).message.get_content_type() == "multipart/mixed"


def test_what_a_mailbox_gives_is_a_message() -> None:
    """A message of a mailbox is encrypted and opened, and comes back as a message object."""
    kept = mailbox.mboxMessage(b"From: a@example.org\nSubject: Friday\n\nAt eight?\n")
    encrypted = encrypt(kept, [PASSWORD])
    assert type(encrypted) is Message
    opened = decrypt(encrypted, [PASSWORD]).message
    assert (opened["Subject"], opened.get_payload()) == ("Friday", "At eight?\n")


def test_an_email_message_stays_one_whatever_its_policy() -> None:
    """The class of the object is kept, even where its policy would make another."""
    mail = EmailMessage(policy.compat32)
    mail["Subject"] = "Friday"
    mail.set_payload("At eight?\n")
    encrypted: EmailMessage = encrypt(mail, [PASSWORD])
    assert type(encrypted) is EmailMessage
    assert decrypt(encrypted, [PASSWORD]).message.get_payload() == "At eight?\n"
