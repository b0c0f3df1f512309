"""Header fields from one end to the other: sealed, hidden, changed on the way and restored (RFC 9788)."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smime_session import (
    MessageError,
    PresharedKey,
    decrypt,
    decrypt_stream,
    encrypt,
    encrypt_stream,
    inspect,
    load_identities,
)
from smime_session.mail.fields import find_body, parse_fields
from smime_session.mail.protection import restore

if TYPE_CHECKING:
    from smime_session.mail.header_policy import HeaderPolicy

VECTORS = Path(__file__).parents[2] / "vectors" / "rfc9788"
READER = PresharedKey(bytes(32), b"ours")
POLICIES: list[HeaderPolicy] = ["hcp_no_confidentiality", "hcp_baseline", "hcp_shy", "none"]
LETTER = (
    b"From: Alice <alice@example.org>\r\nTo: Bob <bob@example.org>\r\nSubject: Lunch\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=us-ascii\r\nX-After: all\r\n\r\nAt noon.\r\n"
)


CONTENT_TYPES = (
    *("text/plain", "multipart/mixed", "text", "/", "x", ";", "=", '"', "(", ")", "\\", " ", "\t", "\r\n ", "\r\n\t"),
    *("charset=utf-8", "boundary=b", 'hp="cipher"', "hp=clear", "hp-legacy-display=1"),
)
"""Of what Content-Type fields are made, in any order."""


class Pipe(BytesIO):
    """Octets that can be read once."""

    def seekable(self) -> bool:
        """Say no."""
        return False


def message(kind: str) -> bytes:
    """Return a mail as Python composes it, with a body of a few kilobytes."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Alice <alice@example.org>", "Bob <bob@example.org>", "Grüße aus Köln"
    mail.set_content("Käse\n" * 2000, cte="base64" if "base64" in kind else "quoted-printable")
    if "html" in kind:
        mail.add_alternative("<html><body><p>Käse</p></body></html>" * 100, subtype="html")
    if "attached" in kind:
        mail.add_attachment("Subject: Lunch\n\n" * 5000, filename="a.txt")
    return mail.as_bytes()


MAILS = {
    "letter": LETTER,
    "letter with line feeds": LETTER.replace(b"\r\n", b"\n"),
    "all head": LETTER[: LETTER.index(b"\r\n\r\n") + 4],
    "text": message("text"),
    "base64": message("base64"),
    "html": message("html"),
    "html, base64, attached": message("html base64 attached").replace(b"\n", b"\r\n"),
    "html, attached, line feeds": message("html attached"),
}


def sealed(mail: bytes, headers: HeaderPolicy, *, way: str) -> bytes:
    """Encrypt a mail in one of the ways that there are."""
    if way == "memory":
        return encrypt(mail, [READER], headers=headers)
    target = BytesIO()
    source = Pipe(mail) if way == "pipe" else BytesIO(mail)
    encrypt_stream(source, target, [READER], headers=headers, transactional=way == "transaction")
    return target.getvalue()


@pytest.mark.parametrize("way", ["memory", "file", "transaction", "pipe"])
@pytest.mark.parametrize("headers", POLICIES)
@pytest.mark.parametrize("name", MAILS)
def test_a_mail_comes_back_byte_for_byte(name: str, headers: HeaderPolicy, way: str) -> None:
    """Under every policy and in every way; the envelope is DER where the input can be measured."""
    envelope = sealed(MAILS[name], headers, way=way)
    assert inspect(envelope).encoding == ("BER" if way == "pipe" else "DER")
    hidden = headers in {"hcp_baseline", "hcp_shy"}
    outside = envelope[: find_body(envelope)]
    assert (b"Subject: [...]" in outside) is hidden
    assert (b"Alice" in outside) is (headers != "hcp_shy")
    whole, target = decrypt(envelope, [READER]), BytesIO()
    opened = decrypt_stream(BytesIO(envelope), target, [READER])
    if headers == "none":  # the fields that describe the content come last
        assert sorted(whole.message.splitlines(keepends=True)) == sorted(MAILS[name].splitlines(keepends=True))
    else:
        assert whole.message == MAILS[name]
    assert target.getvalue() == whole.message
    assert whole.altered_headers == opened.altered_headers == ()


@given(
    value=st.lists(
        st.sampled_from(CONTENT_TYPES),
        max_size=8,
    ),
    headers=st.sampled_from(["hcp_no_confidentiality", "hcp_baseline"]),
    ending=st.sampled_from([b"\r\n", b"\n"]),
)
@example(value=[], headers="hcp_no_confidentiality", ending=b"\r\n")
@example(value=["("], headers="hcp_baseline", ending=b"\r\n")
@settings(deadline=None)
def test_any_content_type_comes_back(value: list[str], headers: HeaderPolicy, ending: bytes) -> None:
    """Empty, folded, broken, or one that says of itself that it protects: the mail is the same afterwards."""
    content_type = b"Content-Type:" + "".join(value).encode() + b"\r\n"
    mail = LETTER.replace(b"Content-Type: text/plain; charset=us-ascii\r\n", content_type).replace(b"\r\n", ending)
    envelope = encrypt(mail, [READER], headers=headers)
    opened = decrypt(envelope, [READER])
    expected = mail if "hp" not in "".join(value) else opened.message  # a parameter that protection owns is dropped
    assert opened.message == expected
    assert opened.message.endswith(b"At noon." + ending)
    assert opened.altered_headers == ()


def test_a_subject_changed_on_the_way_is_named() -> None:
    """The message has the subject that was written, and the change is told, in memory and from a file."""
    for headers in POLICIES[:2]:
        envelope = encrypt(LETTER, [READER], headers=headers)
        forged = envelope.replace(b"Subject: Lunch", b"Subject: Pay").replace(b"Subject: [...]", b"Subject: Pay")
        forged = b"Received: by a\r\nReply-To: eve@example.org\r\n" + forged
        whole, target = decrypt(forged, [READER]), BytesIO()
        opened = decrypt_stream(Pipe(forged), target, [READER])
        assert whole.altered_headers == opened.altered_headers == ("Subject", "Reply-To")
        assert whole.message == target.getvalue() == b"Received: by a\r\n" + LETTER


def test_line_endings_changed_on_the_way_are_no_change() -> None:
    """A mail that was sent with CRLF and stored with line feeds has nothing altered."""
    envelope = encrypt(LETTER, [READER], headers="hcp_baseline").replace(b"\r\n", b"\n")
    opened = decrypt(envelope, [READER])
    assert (opened.message, opened.altered_headers) == (LETTER.replace(b"\r\n", b"\n"), ())


def test_a_message_object_has_its_fields_protected() -> None:
    """What goes in as an object comes out as one, with its subject."""
    mail = EmailMessage()
    mail["Subject"] = "Grüße"
    mail.set_content("Hallo")
    sent = encrypt(mail, [READER], headers="hcp_baseline")
    assert sent["Subject"] == "[...]"
    received = decrypt(sent, [READER]).message
    assert received["Subject"] == "Grüße"
    assert received.get_content() == "Hallo\n"
    assert received.get_content_type() == "text/plain"
    assert received.get_param("hp") is None


@pytest.mark.parametrize("kind", [b"multipart/signed; boundary=b", b"application/pkcs7-mime; smime-type=signed-data"])
def test_a_signed_mail_hides_nothing(kind: bytes) -> None:
    """Its payload is closed: it is encrypted as RFC 8551 has it, and refused where a field is to be hidden."""
    mail = LETTER.replace(b"text/plain; charset=us-ascii", kind).replace(b"X-After: all\r\n", b"")
    assert decrypt(encrypt(mail, [READER]), [READER]).message == mail
    with pytest.raises(MessageError, match="no place inside"):
        encrypt(mail, [READER], headers="hcp_baseline")
    target = BytesIO()
    with pytest.raises(MessageError, match="no place inside"):
        encrypt_stream(BytesIO(mail), target, [READER], headers="hcp_shy")
    assert not target.getvalue()


def test_an_unknown_policy_is_refused() -> None:
    """A name that is misspelt hides nothing by mistake."""
    wrong = cast("HeaderPolicy", "hcp_bashful")
    with pytest.raises(TypeError, match=r"^headers is 'hcp_no_confidentiality', .* or 'none', not 'hcp_bashful'$"):
        encrypt(LETTER, [READER], headers=wrong)
    with pytest.raises(TypeError, match=r"^headers is "):
        encrypt_stream(BytesIO(LETTER), BytesIO(), [READER], headers=wrong)


def test_a_subject_that_was_meant_as_fields_makes_none() -> None:
    """Line endings hidden in an encoded word reach neither head nor the lines of the element."""
    mail = LETTER.replace(b"Lunch", b"=?utf-8?q?a=0D=0ABcc:_eve=0D=0A=0D=0Ab?=")
    envelope = encrypt(mail, [READER], headers="hcp_baseline")
    assert b"eve" not in envelope
    fields = parse_fields(envelope[: find_body(envelope)])
    assert [field.name for field in fields][:5] == ["from", "to", "subject", "mime-version", "x-after"]
    assert decrypt(envelope, [READER]).message == mail


def wrapped(payload: bytes) -> bytes:
    """Encrypt a payload as another program made it."""
    head = b"Received: by a\r\nFrom: Alice <alice@example.org>\r\nSubject: ...\r\nMessage-ID: <1@example.org>\r\n"
    return encrypt(head + payload, [READER], headers="none")


@pytest.mark.parametrize("step", [100, 1 << 20])
def test_a_wrapped_mail_is_unwrapped(step: int) -> None:
    """A message/rfc822 that says it is not forwarded is the mail itself, whatever its size (RFC 8551, 3.1)."""
    inside = (
        b"From: Alice <alice@example.org>\r\nSubject: Lunch\r\nContent-Type: text/plain\r\n\r\n" + b"Noon\r\n" * step
    )
    envelope = wrapped(b"Content-Type: message/rfc822; forwarded=no\r\n\r\n" + inside)
    whole, target = decrypt(envelope, [READER]), BytesIO()
    decrypt_stream(BytesIO(envelope), target, [READER], transactional=True)
    kept = b"Received: by a\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n"
    assert whole.message == target.getvalue() == kept + inside
    assert whole.altered_headers == ()


@pytest.mark.parametrize(
    "inside",
    [
        b"Content-Type: message/rfc822\r\n\r\nMessage-ID: <2@example.org>\r\n\r\nforwarded",
        b"Content-Type: message/rfc822; forwarded=no\r\n\r\nnot a mail",
        b"Content-Type: message/rfc822; forwarded=no\r\n\r\nnot a mail\r\n\r\nat all",
        b"Content-Type: message/rfc822; forwarded=no\r\n\r\n",
        b"Content-Type: message/rfc822; forwarded=no\r\n\r\n" + b"X: y\r\n" * 200_000,
    ],
)
def test_what_is_forwarded_or_no_mail_stays_where_it_is(inside: bytes) -> None:
    """It remains the body of the mail that it came in."""
    envelope = wrapped(inside)
    whole, target = decrypt(envelope, [READER]), BytesIO()
    decrypt_stream(BytesIO(envelope), target, [READER])
    assert whole.message == target.getvalue()
    assert whole.message.endswith(inside)


def test_the_encrypted_example_of_the_rfc_opens() -> None:
    """Appendix C.3.5 holds a signed part, whose payload restores the subject and has nothing altered."""
    mail = (VECTORS / "C.3.5.eml").read_bytes().replace(b"\n", b"\r\n")
    opened = decrypt(mail, load_identities((VECTORS / "bob.pem").read_bytes()))
    signed = opened.message
    assert b'smime-type="signed-data"' in signed[: find_body(signed)]
    content = _signed_content(signed)
    found = restore(parse_fields(mail[: find_body(mail)]), parse_fields(content[: find_body(content)]))
    assert found is not None
    assert found.altered == ()
    assert b"Subject: smime-signed-enc-hp-baseline-reply\r\n" in [field.raw for field in found.fields]


def _signed_content(mail: bytes) -> bytes:
    """Return what is signed, which the digest proves that follows it."""
    import binascii

    der = binascii.a2b_base64(mail[find_body(mail) :])
    begin = der.index(b"MIME-Version: 1.0\r\n")
    content = der[begin : begin + int.from_bytes(der[begin - 2 : begin])]
    assert hashlib.sha256(content).digest() in der[begin + len(content) :], b64encode(content)
    return content
