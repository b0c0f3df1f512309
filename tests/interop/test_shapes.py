"""Mails of every shape are encrypted, opened by OpenSSL to what they were, and come back byte for byte."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage, Message
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import smime_session
from tests.interop.peers.base import missing, program, run
from tests.interop.peers.everyone import report_missing
from tests.interop.peers.openssl import OpenSSL

if TYPE_CHECKING:
    from email.policy import Policy
    from pathlib import Path

    from tests.interop.keypair import Keypair

HEAD: Final = b"From: Alice <a@example.org>\nTo: bob@example.org\nSubject: Friday\nMIME-Version: 1.0\n"
TEXT: Final = b"Content-Type: text/plain; charset=utf-8\n"
LEVELS: Final = 64

POLICIES: Final[dict[str, Policy[EmailMessage]]] = {
    "default": policy.default,
    "SMTP": policy.SMTP,
    "SMTPUTF8": policy.SMTPUTF8,
    "strict": policy.strict,
    "short lines": policy.default.clone(max_line_length=40),
    "8bit": policy.SMTP.clone(cte_type="8bit"),
}


def _mixed(kind: str, *parts: bytes, boundary: bytes = b"=_bound") -> bytes:
    """Return a multipart entity."""
    content_type = f'Content-Type: multipart/{kind}; boundary="{boundary.decode()}"\n\n'.encode()
    return content_type + b"".join(b"--%s\n%s\n" % (boundary, part) for part in parts) + b"--%s--\n" % boundary


def _nested(levels: int) -> bytes:
    entity = TEXT + b"\nAt eight?"
    for level in range(levels):
        entity = _mixed("mixed", entity, boundary=b"level%d" % level)
    return entity


PLAIN: Final = TEXT + b"\nAt eight?"
HTML: Final = b"Content-Type: text/html; charset=utf-8\n\n<p>At <b>eight</b>?</p>"
IMAGE: Final = b"Content-Type: image/png\nContent-Transfer-Encoding: base64\nContent-ID: <1@x>\n\niVBORw0KGgo="

SHAPES: Final = {
    "plain": HEAD + TEXT + b"\nAt eight?\n",
    "nothing is said of the content": b"From: a@example.org\nSubject: Friday\n\nAt eight?\n",
    "alternative": HEAD + _mixed("alternative", PLAIN, HTML),
    "mixed": HEAD + _mixed("mixed", PLAIN, IMAGE),
    "related": HEAD + _mixed("related", HTML, IMAGE),
    "mixed of alternative": HEAD + _mixed("mixed", _mixed("alternative", PLAIN, HTML, boundary=b"inner"), IMAGE),
    "forwarded": HEAD + b"Content-Type: message/rfc822\n\nSubject: old\n\nolder\n",
    "8bit": HEAD + TEXT + b"Content-Transfer-Encoding: 8bit\n\n" + "Um acht, im Caf\xe9?\n".encode(),
    "latin": HEAD + b"Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\nCaf\xe9?\n",
    "quoted-printable": HEAD + TEXT + b"Content-Transfer-Encoding: quoted-printable\n\nCaf=C3=A9 =\n?\n",
    "long lines": HEAD + TEXT + b"\n" + b"x" * 100_000 + b"\n",
    "no final newline": HEAD + TEXT + b"\nAt eight?",
    "blank lines at the end": HEAD + TEXT + b"\nAt eight?\n\n\n\n",
    "trailing blanks": HEAD + TEXT + b"\nAt eight? \t\nFrom me\n.\n-- \n",
    "empty body": HEAD + TEXT + b"\n",
    "10,000 recipients": b"From: a@example.org\nTo: "
    + b",\n ".join(b"r%d@example.org" % number for number in range(10_000))
    + b"\nSubject: Friday\nMIME-Version: 1.0\n"
    + TEXT
    + b"\nAt eight?\n",
    "international": "From: Zo\xeb <zo\xeb@m\xfcnchen.example>\nTo: \u0437\u0430@\u043f.example\n".encode()
    + "Subject: Caf\xe9\n".encode()
    + b"MIME-Version: 1.0\n"
    + TEXT
    + b"Content-Transfer-Encoding: 8bit\n\nAt eight?\n",
    "folded and odd fields": HEAD + b"X-Odd:\n  folded\n\tagain\nX-Empty:\nx-CASE:value\n" + TEXT + b"\nAt eight?\n",
    "parts inside parts": HEAD + _nested(LEVELS),
    "text around parts": HEAD + _mixed("mixed", PLAIN).replace(b"\n\n--", b"\n\nbefore\n--", 1) + b"after\n",
}
ENDINGS: Final = {"LF": b"\n", "CRLF": b"\r\n"}


class Reader(NamedTuple):
    """Alice, with OpenSSL and with us.

    Attributes:
        command: OpenSSL's, which decrypts what it is given.
        certificates: hers, prepared.
        identities: her key with its certificate.
    """

    command: list[Path | str]
    certificates: list[smime_session.Recipient]
    identities: list[smime_session.Identity]

    def extract(self, encrypted: bytes) -> bytes:
        """Return the entity that OpenSSL finds inside."""
        return run(self.command, encrypted)


@pytest.fixture(scope="session")
def reader(alice: Keypair) -> Reader:
    """Alice with the system's OpenSSL."""
    if absent := missing(OpenSSL("system")):
        report_missing("openssl", absent)
    key, certificate = alice.key_file.read_bytes(), alice.certificate_file.read_bytes()
    command = [program("openssl", "system"), "cms", "-decrypt", "-inform", "SMIME"]
    return Reader(
        [*command, "-recip", alice.certificate_file, "-inkey", alice.key_file],
        smime_session.load_recipients(certificate),
        smime_session.load_identities(key + certificate),
    )


def _body(mail: bytes) -> bytes:
    """Return what stands after the first blank line, with CRLF."""
    return mail.replace(b"\r\n", b"\n").partition(b"\n\n")[2].replace(b"\n", b"\r\n")


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("mail", SHAPES.values(), ids=SHAPES)
def test_openssl_extracts_the_mail(reader: Reader, mail: bytes, ending: bytes) -> None:
    """Inside is the mail's body with CRLF, and what we make of it is the mail, whatever its line endings."""
    mail = mail.replace(b"\n", ending)
    encrypted = smime_session.encrypt(mail, reader.certificates)
    assert _body(reader.extract(encrypted)) == _body(mail)
    opened = smime_session.decrypt(encrypted, reader.identities).message
    if b"MIME-Version" in mail:
        assert opened == mail
    else:  # a mail that says nothing of its content is told what that is
        assert _body(opened) == _body(mail)


def test_binary_stays_as_it_is(reader: Reader) -> None:
    """Of a binary body no line ending is converted, by any of the two."""
    body = bytes(range(256)) * 4 + b"\n\r\r\n\n"
    mail = HEAD + b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: binary\n\n" + body
    encrypted = smime_session.encrypt(mail, reader.certificates)
    assert reader.extract(encrypted).partition(b"\r\n\r\n")[2] == body
    assert smime_session.decrypt(encrypted, reader.identities).message == mail


@pytest.mark.parametrize("chosen", POLICIES.values(), ids=POLICIES)
def test_every_policy_of_message_objects(
    reader: Reader,
    chosen: Policy[EmailMessage],
) -> None:
    """A message object comes back with its text, its attachment and its fields, and OpenSSL finds the same body."""
    message = EmailMessage(policy=chosen)
    message["From"], message["To"] = "Zo\xeb <a@example.org>", "bob@example.org"
    message["Subject"] = "A subject that is longer than a line may be, with a caf\xe9 in it, so that it is folded"
    message.set_content("At eight, in the caf\xe9?\n" * 3)
    message.add_attachment(bytes(range(256)), maintype="application", subtype="octet-stream", filename="caf\xe9.bin")
    encrypted = smime_session.encrypt(message, reader.certificates)
    opened = smime_session.decrypt(encrypted, reader.identities).message
    text, attachment = opened.iter_parts()
    assert opened["Subject"] == message["Subject"]
    assert str(opened["From"]) == str(message["From"])
    assert text.get_content() == "At eight, in the caf\xe9?\n" * 3
    assert attachment.get_content() == bytes(range(256))
    assert attachment.get_filename() == "caf\xe9.bin"
    assert _body(reader.extract(encrypted.as_bytes())) == _body(message.as_bytes(policy=chosen))


def test_the_oldest_policy(reader: Reader) -> None:
    """A Message of compat32 comes back as one."""
    message = Message(policy=policy.compat32)
    message["From"], message["Subject"] = "a@example.org", "Friday"
    message.set_payload("At eight?\n", "utf-8")
    encrypted = smime_session.encrypt(message, reader.certificates)
    opened = smime_session.decrypt(encrypted, reader.identities).message
    assert type(opened) is Message
    assert opened.get_payload(decode=True) == b"At eight?\n"
    assert _body(reader.extract(encrypted.as_bytes())) == _body(message.as_bytes())


@given(
    body=st.lists(st.binary(max_size=90).filter(lambda line: not {10, 13} & set(line)), max_size=30),
    ending=st.sampled_from(sorted(ENDINGS.values())),
    ended=st.booleans(),
    boundary=st.from_regex(r"[0-9A-Za-z'()+_,./:=?-]{1,60}", fullmatch=True),
    hidden=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_lines_come_back(  # noqa: PLR0917  # what is drawn
    reader: Reader,
    body: list[bytes],
    ending: bytes,
    ended: bool,  # noqa: FBT001  # drawn
    boundary: str,
    hidden: bool,  # noqa: FBT001  # drawn
) -> None:
    """Lines of any octets, as text or as a part, with any boundary and ending, with the subject shown or hidden."""
    text = TEXT + b"Content-Transfer-Encoding: 8bit\n\n"
    part = (text + b"\n".join(body)).replace(b"\n", ending) + (ending if ended else b"")
    whole = f'Content-Type: multipart/mixed; boundary="{boundary}"\n\n--{boundary}\n'.encode().replace(b"\n", ending)
    mail = HEAD.replace(b"\n", ending) + whole + part + ending + f"--{boundary}--".encode() + ending
    encrypted = smime_session.encrypt(
        mail, reader.certificates, headers="hcp_baseline" if hidden else "hcp_no_confidentiality"
    )
    assert smime_session.decrypt(encrypted, reader.identities).message == mail
    if not hidden:
        assert _body(reader.extract(encrypted)) == _body(mail)
