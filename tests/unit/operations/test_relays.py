"""A clear signature survives relays that re-wrap lines, re-encode parts and header fields, and stuff dots."""

from __future__ import annotations

import re
import textwrap
from typing import Final

import pytest

from smime_session import TrustAnchors, sign, verify
from smime_session.mail.entity import split_head
from tests.support.signing import LETTER, clear_mail, signed_object, signer, signer_info

_HEAD: Final = LETTER.partition(b"\n\n")[0] + b"\nX-Long: " + b"word " * 30 + b"\n"
_TEXT: Final = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n%s\n"
BODIES: Final = {
    "letters outside ASCII": "Grüße aus Bönen\n".encode(),
    "a long line": b"word " * 100 + b"\n",
    "a long word": b"x" * 500 + b"\n",
    "blanks at the end": b"-- \nAlice  \t\n",
    "From": b"one\nFrom here on\n",
    "dots": b".\n..\n.two\nend.\n",
    "no line ending": b"the end ",
}
MAILS: Final = {name: _HEAD + _TEXT % body for name, body in BODIES.items()} | {
    "parts": _HEAD
    + b"Content-Type: multipart/mixed; boundary=outer\nContent-Transfer-Encoding: 8bit\n\n"
    + b"".join(b"--outer\n" + _TEXT % body + b"\n" for body in BODIES.values())
    + b"--outer\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
    + (LETTER.replace(b"eight", "ächt".encode()))
    + b"\n--outer--\n"
}


def relayed(mail: bytes) -> bytes:
    """Return a mail as the worst of relays pass it on."""
    raw_head, _, body = mail.replace(b"\r\n", b"\n").partition(b"\n\n")
    fields = [b" ".join(field.raw.split()) for field in split_head(raw_head + b"\n\n").fields]
    folded = [textwrap.fill(field.decode(), 72, subsequent_indent="\t").encode() for field in fields]
    if not body.isascii():  # the next server knows nothing of 8BITMIME
        body = b"\n".join(line if line.isascii() else _quoted(line) for line in body.split(b"\n"))
        body = body.replace(b"Transfer-Encoding: 8bit", b"Transfer-Encoding: quoted-printable")
    body = body.replace(b"Transfer-Encoding: 8bit", b"Transfer-Encoding: 7bit")
    lines = [piece for line in body.split(b"\n") for piece in _wrapped(line)]
    lines = [b">" + line if line.startswith(b"From ") else line.rstrip(b" \t") for line in lines]
    stuffed = [b"." + line if line.startswith(b".") else line for line in lines]
    sent = b"\r\n".join((*b"\n".join(folded).split(b"\n"), b"", *stuffed))
    return b"\r\n".join(line.removeprefix(b".") if line.startswith(b".") else line for line in sent.split(b"\r\n"))


def _quoted(line: bytes) -> bytes:
    return re.sub(rb"[^\x00-\x3c\x3e-\x7e]", lambda found: b"=%02X" % ord(found[0]), line)


def _wrapped(line: bytes) -> list[bytes]:
    return [line[at : at + 76] for at in range(0, len(line), 76)] or [b""]


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("mail", MAILS.values(), ids=MAILS)
def test_what_is_signed_arrives(mail: bytes, eol: bytes, *, opaque: bool) -> None:
    """Whatever is in a mail, its signature holds at the other end, after one relay and after two."""
    who = signer("P-256")
    arrived = relayed(sign(mail.replace(b"\n", eol), who, opaque=opaque))
    for each in (arrived, relayed(arrived), arrived.replace(b"\r\n", b"\n")):
        (signature,) = verify(each, trust=TrustAnchors([who.certificate])).signatures
        assert signature.verdict == "trusted", signature.reason


@pytest.mark.parametrize("name", sorted(BODIES.keys() - {"dots"}))
def test_what_was_not_made_safe_does_not(name: str) -> None:
    """The same mails, signed as they are, arrive broken: the relay is as bad as real ones are."""
    who = signer()
    content = (_TEXT % BODIES[name]).replace(b"\n", b"\r\n")
    mail = clear_mail(content, signed_object(None, [signer_info(who, content)], [who.certificate]))
    trust = TrustAnchors([who.certificate])
    assert [each.verdict for each in verify(mail, trust=trust).signatures] == ["trusted"]
    assert [each.verdict for each in verify(relayed(mail), trust=trust).signatures] == ["broken"]
