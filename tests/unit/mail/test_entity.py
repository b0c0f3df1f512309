"""Splitting a mail and putting it together again."""

from __future__ import annotations

from binascii import b2a_base64
from io import BytesIO
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.errors import LimitError, NotMailError
from smime_session.mail.charset import charset_of
from smime_session.mail.entity import envelope_fields, read_head, require_mail, scheme_of, split_head
from smime_session.mail.fields import find_value
from smime_session.mail.line_endings import canonical
from smime_session.mail.payload import payload_of
from smime_session.mail.reunion import Reunion, begins_like_entity
from smime_session.mail.reunion import reunite as at_once
from smime_session.profiles import MAX_MAIL_HEADER_SIZE

if TYPE_CHECKING:
    from smime_session.mail.blocks import NextBlock
    from smime_session.mail.entity import MailHead
    from smime_session.mail.header_policy import HeaderPolicy

POLICIES: list[HeaderPolicy] = ["none", "hcp_no_confidentiality", "hcp_baseline", "hcp_shy"]
EVERY_POLICY = pytest.mark.parametrize("headers", POLICIES)

MAIL = (
    b"Received: from a\r\n\tby b\r\nFrom: a@example.org\r\nSubject: =?utf-8?q?x?=\r\n =?utf-8?q?y?=\r\n"
    b"MIME-Version: 1.0\r\ncontent-type: text/plain;\r\n charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    b"\r\nGr\xc3\xbc\xc3\x9fe\r\n\r\n.\r\n"
)


def blocks(text: bytes, size: int) -> NextBlock:
    iterator = iter([text[at : at + size] for at in range(0, len(text), size)])
    return lambda: next(iterator, b"")


def inner(head: MailHead) -> bytes:
    """Return what goes inside without a body and header protection."""
    return b"".join(payload_of(head, "none").blocks(()))


def round_trip(mail: bytes, step: int = 1000, headers: HeaderPolicy = "none") -> bytes:
    """Divide a mail as for sealing, put an envelope's head in its place, and reunite it with what was sealed."""
    raw, body = read_head(blocks(mail, step))
    body = bytes(body) + mail[len(raw) + len(body) :]
    head = split_head(raw, lambda: charset_of(body))
    payload = payload_of(head, headers)
    sealed = b"".join(payload.blocks([body if head.binary else canonical(body, composite=head.composite)]))
    travelled = split_head(payload.outer + envelope_fields("enveloped-data", head.eol), hidden=())
    target = BytesIO()
    reunion = Reunion(travelled, target)
    for at in range(0, len(sealed), step):
        reunion.write(memoryview(sealed)[at : at + step])
    reunion.finish()
    return target.getvalue()


@pytest.mark.parametrize("size", [1, 2, 3, 50, 1000])
@pytest.mark.parametrize("blank", [b"\n\n", b"\r\n\r\n", b"\n\r\n"])
def test_the_head_ends_at_the_first_blank_line(size: int, blank: bytes) -> None:
    """The head has its blank line, and what was read of the body is not lost."""
    mail = b"Subject: x" + blank + b"body\n\nmore"
    head, body = read_head(blocks(mail, size))
    assert head == b"Subject: x" + blank
    assert mail.startswith(head + body)


def test_a_mail_may_be_all_head() -> None:
    """Without a blank line everything is head."""
    assert read_head(blocks(b"Subject: x\n", 3)) == (b"Subject: x\n", b"")


def test_an_empty_input_is_no_mail() -> None:
    """Nothing at all gets its own words."""
    with pytest.raises(NotMailError, match=r"^the input is empty$"):
        read_head(lambda: b"")


def test_a_head_is_limited() -> None:
    """A head of the limit is read, one octet more is refused."""
    head = b"X: " + b"a" * 93 + b"\r\n\r\n"
    assert read_head(blocks(head + b"body", 7), limit=100)[0] == head
    with pytest.raises(LimitError, match=r"^the size of the mail header exceeds the limit of 99 bytes$"):
        read_head(blocks(head + b"body", 7), limit=99)
    with pytest.raises(LimitError):
        read_head(lambda: b"X: no end\n")


def test_a_large_file_that_is_no_mail_is_called_so() -> None:
    """Not its size is wrong with a picture, but what it is."""
    with pytest.raises(NotMailError, match=r"^this is not a mail: line 1 is not a header field$"):
        read_head(lambda: b"\xff\xd8" * 50_000)


def test_content_fields_go_inside_and_the_others_stay() -> None:
    """Both keep order, folding and spelling."""
    head = split_head(MAIL[: MAIL.index(b"\r\n\r\n") + 4])
    assert head.outer == MAIL[: MAIL.index(b"content-type")]
    assert inner(head) == MAIL[MAIL.index(b"content-type") : MAIL.index(b"\r\n\r\n") + 4]
    assert head.eol == b"\r\n"
    assert head.removed == ()
    assert (head.content_type, head.parameters, head.transfer_encoding) == ("text/plain", {"charset": "utf-8"}, "8bit")


def test_the_inside_is_canonical_and_the_outside_is_not_touched() -> None:
    """A mail with line feeds keeps them outside and gets CRLF inside."""
    head = split_head(b"Subject: x\n y\nContent-Type: a/b;\n c=d\n\n")
    assert head.outer == b"Subject: x\n y\nMIME-Version: 1.0\n"
    assert inner(head) == b"Content-Type: a/b;\r\n c=d\r\n\r\n"
    assert head.eol == b"\n"


def test_blind_copies_are_removed_and_reported() -> None:
    """Neither half names who got a blind copy."""
    head = split_head(b"To: a\r\nBCC: secret,\r\n secret\r\nResent-Bcc: secret\r\nMIME-Version: 1.0\r\n\r\n")
    assert head.removed == ("BCC", "Resent-Bcc")
    assert head.outer == b"To: a\r\nMIME-Version: 1.0\r\n"
    assert b"secret" not in inner(head)


ENVELOPED: Final = bytes.fromhex("30820120 06092a864886f70d010703 a0820111")
AUTH_ENVELOPED: Final = bytes.fromhex("3080 060b2a864886f70d0109100117 a080 3080")
SIGNED: Final = bytes.fromhex("30820120 06092a864886f70d010702 a0820111")


@pytest.mark.parametrize(
    ("content_type", "body", "scheme"),
    [
        (b"application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", b"", "S/MIME"),
        (b"application/x-pkcs7-mime;\r\n\tname=smime.p7m;\r\n\tsmime-type=Enveloped-Data", b"", "S/MIME"),
        (b"Application/PKCS7-MIME; smime-type=authEnveloped-data", b"", "S/MIME"),
        (b'application/pkcs7-mime (mail); smime-type="authenveloped-data"', b"", "S/MIME"),
        (b'multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b', b"", "PGP/MIME"),
        (b"Multipart/Encrypted; boundary=b", b"", "multipart/encrypted"),
        (b"application/pkcs7-mime; smime-type=signed-data", ENVELOPED, ""),
        (b"application/pkcs7-mime; smime-type=compressed-data", ENVELOPED, ""),
        (b"application/pkcs7-mime; name=smime.p7m", b2a_base64(ENVELOPED), "S/MIME"),  # smime-type was lost
        (b"application/pkcs7-mime", b"\r\n " + AUTH_ENVELOPED.hex(" ").encode(), ""),
        (b"application/pkcs7-mime", AUTH_ENVELOPED, "S/MIME"),
        (b"application/pkcs7-mime; name=smime.p7m", b2a_base64(SIGNED), ""),
        (b"application/pkcs7-mime; name=smime.p7m", b"", ""),
        (b"application/octet-stream; name=SMIME.P7M", b2a_base64(AUTH_ENVELOPED), "S/MIME"),
        (b"application/octet-stream; name=notes.bin", b2a_base64(AUTH_ENVELOPED), ""),
        (b"text/plain; name=pkcs7-mime; smime-type=enveloped-data", ENVELOPED, ""),
        (b"multipart/mixed; boundary=multipart/encrypted", ENVELOPED, ""),
        (b"text/plain", ENVELOPED, ""),
    ],
)
def test_a_mail_that_is_encrypted_is_known(content_type: bytes, body: bytes, scheme: str) -> None:
    """S/MIME by its kind or by the object itself, PGP/MIME by its type, and nothing by words that stand elsewhere."""
    head = split_head(b"Subject: x\r\nContent-Type: " + content_type + b"\r\n\r\n")
    assert scheme_of(head, lambda size: body[:size]) == scheme
    assert not scheme_of(split_head(b"Subject: " + content_type + b"\r\n\r\n"), lambda size: body[:size])


def test_an_mbox_line_stays_first() -> None:
    """A mail from a mail store keeps the line that makes it one; errors count it."""
    head = split_head(b"From a Thu\nSubject: x\nMIME-Version: 1.0\n\n")
    assert head.outer == b"From a Thu\nSubject: x\nMIME-Version: 1.0\n"
    with pytest.raises(NotMailError, match="line 3"):
        split_head(b"From a Thu\nSubject: x\nbroken\n\n")


def test_a_head_without_line_ending_gets_one() -> None:
    """Fields that are added do not run into the last one."""
    assert split_head(b"Subject: x").outer == b"Subject: x\nMIME-Version: 1.0\n"
    assert inner(split_head(b"Content-Type: a/b")) == b"Content-Type: a/b\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", b"Content-Type: text/plain; charset=us-ascii\r\n\r\n"),
        (b"plain", b"Content-Type: text/plain; charset=us-ascii\r\n\r\n"),
        (b"\xc3\xa9", b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"),
        (b"\xe2\x82", b"Content-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"),
        (b"\xe9 ", b"Content-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"),
    ],
)
def test_a_mail_that_does_not_describe_its_content_is_described(body: bytes, fields: bytes) -> None:
    """What is sealed is always a MIME entity: plain text, in the character set its octets show."""
    head = split_head(b"Subject: x\r\n\r\n", lambda: charset_of(memoryview(body)))
    assert inner(head) == fields
    assert not head.described


def test_the_character_set_of_a_mail_that_states_its_content_is_not_looked_for() -> None:
    """Any field that describes the content is left to speak for itself."""
    head = split_head(b"Content-Language: en\r\n\r\n", lambda: pytest.fail("nobody asked"))
    assert head.described
    assert inner(head) == b"Content-Language: en\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "line"),
    [
        (b"From: a\rSubject: x\r\rthe body\r\n\r\n", 1),
        (b"From: a\r\nSubject: x\r\r\nTo: b\r\n\r\n", 2),
        (b"From me Thu\nFrom: a\nSubject: x\ry\n\n", 3),
        (b"From: a\nSubject: x\r", 2),
    ],
)
def test_a_carriage_return_that_stands_alone_ends_no_line(head: bytes, line: int) -> None:
    """Where others would see the body begin, nothing is encrypted; reading goes on."""
    read = split_head(head)
    with pytest.raises(NotMailError, match=f"^line {line} is not .* carriage return without a line feed$"):
        require_mail(head, read)


@pytest.mark.parametrize("head", [b"user: bob\npassword: hunter2\n", b"Subject: x\r\n", b"To: a", b"From me\nX: y\n"])
def test_lines_with_colons_are_no_mail_to_encrypt(head: bytes) -> None:
    """What might be anything but a mail is not sent on readable."""
    with pytest.raises(NotMailError, match=r"^no blank line ends the mail header$"):
        require_mail(head, split_head(head))


@pytest.mark.parametrize("name", [b"From", b"date", b"SENDER", b"Received", b"Message-ID"])
def test_a_mail_that_is_all_head_is_known_by_its_fields(name: bytes) -> None:
    """A field that only mails have makes a mail of a head without a blank line; with one any field does."""
    for head in (b"Subject: x\n" + name + b": y\n", b"Subject: x\n\n", b"Subject: x\r\n\r\n"):
        require_mail(head, split_head(head))


@pytest.mark.parametrize("kind", ["enveloped-data", "authEnveloped-data"])
@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
def test_the_envelopes_fields_are_read_as_meant(kind: str, eol: bytes) -> None:
    """Media type, type, name and encoding are those of RFC 8551, in lines of at most 78 characters."""
    written = envelope_fields("enveloped-data" if kind == "enveloped-data" else "authEnveloped-data", eol)
    assert written.endswith(eol + eol)
    assert max(map(len, written.split(eol))) <= 78
    head = split_head(written, hidden=())
    assert head.content_type == "application/pkcs7-mime"
    assert head.parameters == {"smime-type": kind, "name": "smime.p7m"}
    assert head.transfer_encoding == "base64"
    assert head.eol == eol
    assert find_value(head.fields, "content-description") == "S/MIME Encrypted Message"


@EVERY_POLICY
@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_a_mail_comes_back_byte_for_byte(step: int, headers: HeaderPolicy) -> None:
    """A mail whose MIME fields stand last survives dividing and reuniting, in pieces of any size."""
    assert round_trip(MAIL, step, headers) == MAIL
    assert round_trip(MAIL.replace(b"\r\n", b"\n"), step, headers) == MAIL.replace(b"\r\n", b"\n")


@given(
    st.lists(st.sampled_from([b"\n", b"x", b"\r\n", b"\r", b"\xff"])).map(b"".join),
    st.integers(1, 50),
    st.sampled_from(POLICIES),
    st.sampled_from([b"a/b", b"text/plain", b"text/html"]),
)
def test_a_binary_body_is_not_touched(body: bytes, step: int, headers: HeaderPolicy, kind: bytes) -> None:
    """Line endings in a body whose encoding is binary are data, outside mails with either kind."""
    head = b"Subject: x\nMIME-Version: 1.0\nContent-Type: " + kind + b"\nContent-Transfer-Encoding: binary\n\n"
    assert round_trip(head + body, step, headers) == head + body
    assert round_trip(head.replace(b"\n", b"\r\n") + body, step, headers) == head.replace(b"\n", b"\r\n") + body


@EVERY_POLICY
@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_binary_part_is_not_touched(eol: bytes, step: int, headers: HeaderPolicy) -> None:
    """Line endings in a part whose encoding is binary are data, and stay as they are with all that follows."""
    lines = (
        b"Subject: x",
        b"MIME-Version: 1.0",
        b"Content-Type: multipart/mixed; boundary=b",
        b"",
        b"--b",
        b"",
        b"text",
    )
    part = (
        b"--b",
        b"Content-Type: image/x",
        b"Content-Transfer-Encoding: BINARY",
        b"",
        b"\x00\n\r\xff\r\n\n",
        b"--b--",
        b"",
    )
    mail = eol.join((*lines, *part))
    assert round_trip(mail, step, headers) == mail
    head = split_head(mail[: mail.index(b"--b")])
    assert head.composite
    assert canonical(mail, composite=True).endswith(eol.join((b"", *part[3:])))


def test_a_whole_mail_inside_brings_its_own_fields() -> None:
    """Of the fields that a mail has once, those that were sealed are meant; the trace of the outer mail stays."""
    outer = b"Received: by b\nFrom: evil@x\nTo: b\nSubject: outer\nList-Id: l\nContent-Type: application/pkcs7-mime\n\n"
    inner = b"Received: by a\r\nFrom: a\r\nSubject: inner\r\nDate: today\r\nContent-Type: text/plain\r\n\r\ntext\r\n"
    joined = reunite(outer, inner)
    assert joined == b"Received: by b\nTo: b\nList-Id: l\nMIME-Version: 1.0\n" + inner.replace(b"\r\n", b"\n")


@given(
    st.lists(st.sampled_from([b"\r\n", b"x", b"\xc3\xa9", b"\r", b"=", b"<body>", b"</div>"])).map(b"".join),
    st.integers(1, 50),
    st.sampled_from(POLICIES),
    st.sampled_from([b"a/b", b"text/plain", b"text/html"]),
    st.sampled_from([b"8bit", b"quoted-printable", b"base64"]),
)
def test_any_canonical_body_comes_back(
    body: bytes, step: int, headers: HeaderPolicy, kind: bytes, encoding: bytes
) -> None:
    """Whatever a body with CRLF line endings holds, it is the same afterwards."""
    mail = (
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: " + kind + b"\r\nContent-Transfer-Encoding: " + encoding
    ) + (b"\r\n\r\n" + body)
    assert round_trip(mail, step, headers) == mail


@given(
    st.sampled_from([b"\n", b"\r\n"]),
    st.lists(
        st.sampled_from(
            [
                b"\n",
                b"\r\n",
                b"\r",
                b"x",
                b"Content-Type: a/b",
                b"MIME-Version: 1.0",
                b"Content-Transfer-Encoding: binary",
            ]
        )
    ).map(b"".join),
    st.integers(1, 50),
)
def test_what_is_in_memory_is_joined_at_once_to_the_same(eol: bytes, content: bytes, step: int) -> None:
    """Whatever an envelope holds, the mail is the same whether it comes in pieces or whole."""
    head = OUTER.replace(b"\n", eol)
    assert at_once(split_head(head, hidden=()), content).mail == reunite(head, content, step)


def test_a_head_that_is_too_long_for_one_is_text_at_once_too() -> None:
    """Content without a blank line that is longer than any head is kept as it is."""
    head = split_head(OUTER, hidden=())
    content = b"Content-Type: a/b\r\n" * (MAX_MAIL_HEADER_SIZE // 19 + 1)
    assert at_once(head, content).mail == OUTER.replace(b"Content-Type: application/pkcs7-mime\n", b"") + content
    assert at_once(head, content[: 19 * 2]).mail == KEPT + content[: 19 * 2].replace(b"\r\n", b"\n")


def reunite(head: bytes, content: bytes, step: int = 1000) -> bytes:
    target = BytesIO()
    reunion = Reunion(split_head(head, hidden=()), target)
    for at in range(0, len(content), step):
        reunion.write(content[at : at + step])
    reunion.finish()
    return target.getvalue()


OUTER = b"Subject: x\nMIME-Version: 1.0\nBcc: me\nContent-Type: application/pkcs7-mime\n\n"
KEPT = b"Subject: x\nMIME-Version: 1.0\nBcc: me\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Dear Bob,\r\nhello\r\n",
        b"note: this\r\nis text\r\n\r\nend",
        b"Note: remember the milk\r\n\r\nand bread\r\n",
        b"Subject: forged\r\n\r\nbody\r\n",
        b"a: b",
        b"\0\x01",
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_content_that_is_no_entity_becomes_the_body(content: bytes, step: int) -> None:
    """Bare text gets a blank line before it and is left as it is."""
    assert reunite(OUTER, content, step) == KEPT + b"\n" + content
    assert not begins_like_entity(content)


@pytest.mark.parametrize(
    "content",
    [
        b"\r\nbody\r\n",
        b"Content-Type: a/b",
        b"X: y\r\nContent-Language: en\r\n\r\nbody\r\n",
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_an_entity_follows_the_outer_fields(content: bytes, step: int) -> None:
    """A blank line first, fields, or fields without a body: all are entities."""
    assert reunite(OUTER, content, step) == KEPT + content.replace(b"\r\n", b"\n")
    assert begins_like_entity(content) == (not content.startswith(b"\r\n"))


def test_content_without_a_blank_line_is_passed_on() -> None:
    """Something that never ends its head is no entity, and is not collected without bound."""
    content = b"a" * (MAX_MAIL_HEADER_SIZE + 1) + b"\r\n\r\nrest"
    assert reunite(OUTER, content, 65_536) == KEPT + b"\n" + content


def test_there_is_one_mime_version() -> None:
    """An entity that states it brings its own (RFC 2045, 4)."""
    assert reunite(OUTER, b"MIME-Version: 1.0\r\nContent-Type: a/b\r\n\r\n") == (
        b"Subject: x\nBcc: me\nMIME-Version: 1.0\nContent-Type: a/b\n\n"
    )
    assert reunite(OUTER, b"MIME-Version: 1.0\r\nX: y\r\n\r\nbody\r\n") == (
        b"Subject: x\nBcc: me\nMIME-Version: 1.0\nX: y\n\nbody\n"
    )
