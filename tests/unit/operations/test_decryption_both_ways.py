"""A usual mail in memory is opened by one straight function, anything else as a stream: both say the same of it."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smime_session import COMPAT, MODERN, Password, PresharedKey, SessionKey, decrypt, decrypt_stream
from smime_session.algorithms import CHACHA20_POLY1305
from smime_session.cms.envelope import EnvelopeReader
from smime_session.errors import SmimeError
from smime_session.operations import decrypt as decrypting
from smime_session.profiles import DEFAULT
from tests.support.chunks import SIZES, blocks
from tests.support.readers import PASSWORD, SHARED, Pipe, sealed_for, with_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smime_session import Identity, Opened, Profile

FORMS = ("mail", "der", "pem")
STRANGER = PresharedKey(bytes(32), b"ours")  # the name of another's key
IDENTITIES: tuple[Sequence[Identity], ...] = (
    SHARED.identities,
    [STRANGER, *SHARED.identities],
    [STRANGER],
    [SessionKey(bytearray(32), message=b"another"), *SHARED.identities],
    [Password("wrong")],
)


def _messages() -> list[bytes]:
    made = [
        sealed_for(SHARED, form=form, profile=profile, pipe=pipe)
        for form in FORMS
        for profile in (MODERN, COMPAT)
        for pipe in (False, True)
    ]
    made += [
        with_attributes(SHARED.identities[0], authenticated=authenticated, definite=definite)  # type: ignore[arg-type]
        for authenticated in (True, False)
        for definite in (True, False)
    ]
    head, _, body = made[0].partition(b"\r\n\r\n")
    quoted = head.replace(b"base64", b"quoted-printable") + b"\r\n\r\n" + body.replace(b"=", b"=3D")
    return [*made, made[0].replace(b"\r\n", b"\n"), quoted, base64.b64encode(base64.b64decode(body))]


MESSAGES = _messages()


@st.composite
def _damaged(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """Draw a message with a few octets exchanged, lost, doubled or inserted, or cut off."""
    message = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(message) - 1) | st.integers(max(0, len(message) - 40), len(message) - 1))
        size = draw(st.integers(0, 2))
        message[at : at + size] = draw(
            st.sampled_from((b"", b"\x80", b"\x1f", b"=", b"-", b"\n")) | st.binary(max_size=2)
        )
        if not message:
            break
    if draw(st.booleans()):  # cut off after a line, so that what is left of the text is sound
        lines = bytes(message).splitlines(keepends=True)
        return b"".join(lines[: draw(st.integers(0, len(lines)))])
    return bytes(message[: draw(st.none() | st.integers(0, len(message)))])


class Outlet:
    """A target that can do nothing but take bytes."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def write(self, data: bytes) -> None:
        """Take bytes."""
        self.taken += data

    def getvalue(self) -> bytes:
        """Return what was taken."""
        return bytes(self.taken)


WAYS = {
    "seekable": (io.BytesIO, io.BytesIO, False),
    "seekable, transactional": (io.BytesIO, io.BytesIO, True),
    "from a pipe": (Pipe, io.BytesIO, False),
    "from a pipe, transactional": (Pipe, io.BytesIO, True),
    "from a pipe to a pipe": (Pipe, Outlet, False),
}
ALONE = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def _outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except SmimeError as error:
        return type(error), str(error)


def _findings(found: Opened) -> tuple[object, ...]:
    return found.authenticated, found.content_encryption, found.form, found.wrapped_key, found.altered_headers


def _opened(message: bytes, identities: Sequence[Identity]) -> object:
    found = decrypt(message, identities)
    return found.message, *_findings(found)


def _opened_as_stream(message: bytes, identities: Sequence[Identity], way: str) -> object:
    make_source, make_target, transactional = WAYS[way]
    target: Any = make_target()
    try:
        found = decrypt_stream(make_source(message), target, identities, transactional=transactional)
    except SmimeError:
        assert transactional or not target.getvalue()
        raise
    return target.getvalue(), *_findings(found)


@st.composite
def _mails(draw: st.DrawFn) -> bytes:
    """Draw a mail: fields that are there or not, any endings, sizes about those where something changes."""
    eol = draw(st.sampled_from((b"\r\n", b"\n")))
    fields = draw(
        st.lists(
            st.sampled_from(
                (
                    b"From: a@example.org",
                    b"Subject: at\teight",
                    b"Subject: =?utf-8?q?folded?=\r\n here".replace(b"\r\n", eol),
                    b"X-Odd:  kept ",
                    b"MIME-Version: 1.0",
                    b"Content-Type: text/plain; charset=utf-8",
                    b"Content-Type: multipart/mixed; boundary=x",
                    b"Content-Transfer-Encoding: 8bit",
                    b"Content-Transfer-Encoding: binary",
                )
            ),
            min_size=1,
        )
    )
    line = draw(st.sampled_from((b"text", b"", b"--x", b".", b"\xe4\xf6", b"text\r", b"\n", b"\r\n")))
    size = draw(st.sampled_from((0, 1, 15, 16, 17, 200, 64 << 10, (1 << 20) + 1)) | st.integers(0, 2000))
    body = ((line + eol) * (size // len(line + eol) + 1))[:size]
    return eol.join((*fields, b"", body))


@st.composite
def _sealed(draw: st.DrawFn) -> bytes:
    """Draw a mail or any bytes, encrypted in any form, with line endings that may have been changed on the way."""
    content = draw(_mails())
    form = draw(st.sampled_from(("mail", "mail", *FORMS)))
    profile = draw(st.sampled_from((MODERN, COMPAT, replace(MODERN, content=CHACHA20_POLY1305, name="other"))))
    message = sealed_for(SHARED, form=form, profile=profile, pipe=draw(st.booleans()), content=content)
    if form == "mail" and draw(st.booleans()):
        head, blank, body = message.partition(b"\r\n\r\n" if b"\r\n\r\n" in message else b"\n\n")
        message = draw(st.sampled_from((b"", b"Received: by x\r\n", b"From a@b Thu\n", b"\n"))) + head + blank + body
        message = draw(st.sampled_from((message, message.replace(b"\r\n", b"\n"), message.rstrip(), message + b"\n")))
    return message


@ALONE
@given(_sealed(), st.sampled_from(tuple(WAYS)), st.sampled_from(IDENTITIES))
def test_every_mail_is_opened_the_same_in_every_way(message: bytes, way: str, identities: Sequence[Identity]) -> None:
    """What comes out and what is told about it are the same from memory and as a stream, and so are errors."""
    expected = _outcome(lambda: _opened(message, identities))
    assert _outcome(lambda: _opened_as_stream(message, identities, way)) == expected


@ALONE
@given(_damaged(MESSAGES), st.sampled_from(tuple(WAYS)), st.sampled_from(IDENTITIES))
def test_what_is_damaged_is_told_the_same_in_every_way(
    message: bytes, way: str, identities: Sequence[Identity]
) -> None:
    """The content, what is told about it, and every error are the same."""
    expected = _outcome(lambda: _opened(message, identities))
    assert _outcome(lambda: _opened_as_stream(message, identities, way)) == expected


@pytest.mark.parametrize("message", MESSAGES)
def test_honest_messages_open(message: bytes) -> None:
    """All of them, in every way; so the tests above compare more than errors."""
    assert b"Good morning" in decrypt(message, SHARED.identities).message
    expected = _opened(message, SHARED.identities)
    assert [_opened_as_stream(message, SHARED.identities, way) for way in WAYS] == [expected] * len(WAYS)


@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=lambda profile: profile.name)
@pytest.mark.parametrize("pipe", [False, True], ids=["DER", "BER"])
@pytest.mark.parametrize("eol", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_a_usual_mail_takes_the_straight_way(
    profile: Profile, eol: bytes, monkeypatch: pytest.MonkeyPatch, *, pipe: bool
) -> None:
    """It is never read as a stream; bare objects, which are unusual, are."""
    sealed = sealed_for(SHARED, profile=profile, pipe=pipe).replace(b"\r\n", eol)
    bare = sealed_for(SHARED, profile=profile, form="der")
    monkeypatch.setattr(decrypting, "Replay", None)
    assert b"Good morning" in decrypt(sealed, SHARED.identities).message
    with pytest.raises(TypeError):
        decrypt(bare, SHARED.identities)


@pytest.mark.parametrize("definite", [True, False], ids=["DER", "BER"])
def test_plaintext_that_waits_is_written_once(*, definite: bool) -> None:
    """Attributes after the content take another pass, for which what was kept of the first is forgotten."""
    message = with_attributes(SHARED.identities[0], authenticated=True, definite=definite)  # type: ignore[arg-type]
    head = b"Subject: x\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    quoted = head + b"".join(b"=%02X" % octet for octet in message)
    for transactional in (False, True):
        target = io.BytesIO()
        decrypt_stream(io.BytesIO(quoted), target, SHARED.identities, transactional=transactional)
        assert target.getvalue().count(b"Good morning") == 1
        assert target.getvalue() == decrypt(quoted, SHARED.identities).message


@pytest.mark.parametrize("transactional", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=lambda profile: profile.name)
def test_plaintext_that_is_too_much_to_wait_is_written_once(
    profile: Profile, form: str, *, transactional: bool
) -> None:
    """The last octets, and the head of a mail, come in the pass that writes the others and in no other."""
    content = b"Subject: x\r\nContent-Type: text/plain\r\n\r\n" + b"0123456789abcdef" * (1 << 17) + b"the end"
    message, target = sealed_for(SHARED, form=form, profile=profile, content=content), io.BytesIO()
    decrypt_stream(io.BytesIO(message), target, SHARED.identities, transactional=transactional)
    assert target.getvalue().count(b"Content-Type: text/plain") == target.getvalue().count(b"the end") == 1
    assert target.getvalue() == decrypt(message, SHARED.identities).message


@pytest.mark.parametrize("transactional", [False, True])
@pytest.mark.parametrize("eol", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"bare text",
        b"Content-Type: text/plain\r\n",
        b"Content-Type: text/plain\r\n\r\n",
        b"Content-Type: text/plain\r\n\r\ntext\r",
        b"Content-Type: text/plain\r\n\r\ntext\r\n\r",
    ],
)
def test_content_that_ends_early_is_written_whole(content: bytes, eol: bytes, *, transactional: bool) -> None:
    """What waits for a blank line, or for a line feed, is written when nothing more comes."""
    message = sealed_for(SHARED, form="der", content=content)
    head = b"Subject: x\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    quoted = head.replace(b"\r\n", eol) + b"".join(b"=%02X" % octet for octet in message)
    plain = head.replace(b"quoted-printable", b"base64").replace(b"\r\n", eol) + base64.b64encode(message)
    target = io.BytesIO()
    decrypt_stream(io.BytesIO(quoted), target, SHARED.identities, transactional=transactional)
    found, expected = target.getvalue(), decrypt(plain, SHARED.identities).message
    assert found.replace(b"quoted-printable", b"base64") == expected
    assert found.endswith(content.replace(b"\r\n", eol))


def _read(message: bytes, size: int) -> object:
    reader = EnvelopeReader(blocks(message, size), DEFAULT)
    ciphertext = b"".join(bytes(piece) for piece in reader.ciphertext())
    return reader.header, ciphertext, reader.trailer(), reader.indefinite


OBJECTS = [message for message in MESSAGES if message.startswith(b"\x30")]


@given(_damaged(OBJECTS), st.sampled_from(SIZES))
def test_an_envelope_is_read_the_same_in_every_chunking(message: bytes, size: int) -> None:
    """What is read, and every error with its place, is the same whether it comes in one block or in many."""
    assert _outcome(lambda: _read(message, size)) == _outcome(lambda: _read(message, len(message) + 1))


def test_a_password_is_tried_at_once_too() -> None:
    """A message for several kinds of recipients opens for each of them."""
    message = sealed_for(SHARED, PASSWORD)
    for reader in (SHARED, PASSWORD):
        assert decrypt(message, reader.identities).message.endswith(b"Good morning\r\n")
