"""A short message is opened at once, a long one in passes: whatever the message, both say the same of it."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session import COMPAT, MODERN, Password, PresharedKey, SessionKey, decrypt, decrypt_stream
from smime_session.cms.envelope import EnvelopeReader
from smime_session.errors import SmimeError
from smime_session.mail import detection
from smime_session.mail.detection import open_message
from smime_session.profiles import DEFAULT
from tests.support.chunks import SIZES, blocks
from tests.support.readers import PASSWORD, SHARED, sealed_for, with_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smime_session import Identity, Profile

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
    return bytes(message[: draw(st.none() | st.integers(0, len(message)))])


def _outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except SmimeError as error:
        return type(error), str(error)


def _opened(message: bytes, identities: Sequence[Identity]) -> object:
    found = decrypt(message, identities)
    return found.message, found.authenticated, found.content_encryption, found.form, found.wrapped_key


@given(_damaged(MESSAGES), st.sampled_from(IDENTITIES))
def test_opening_at_once_and_in_passes_says_the_same(message: bytes, identities: Sequence[Identity]) -> None:
    """The content, what is told about it, and every error are the same."""
    at_once = _outcome(lambda: _opened(message, identities))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection, "_SHORT", -1)
        in_passes = _outcome(lambda: _opened(message, identities))
    assert at_once == in_passes


@pytest.mark.parametrize("message", MESSAGES)
def test_honest_messages_open_at_once(message: bytes) -> None:
    """All of them are short, but for a body that is quoted and in base64 besides."""
    incoming = open_message(io.BytesIO(message).read)
    assert incoming.short == (b"quoted-printable" not in message)
    assert b"Good morning" in decrypt(message, SHARED.identities).message


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("form", FORMS)
def test_what_is_short_is_told_by_its_size(form: str, more: int) -> None:
    """A text, or an object without one, is short up to the limit; beyond it is opened all the same."""
    message = sealed_for(SHARED, form=form)
    body = message.partition(b"\r\n\r\n")[2] if form == "mail" else message
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection, "_SHORT", len(body) + more)
        assert open_message(io.BytesIO(message).read).short == (more >= 0)
        target = io.BytesIO()
        decrypt_stream(io.BytesIO(message), target, SHARED.identities)
    assert target.getvalue().endswith(b"Good morning\r\n")


@pytest.mark.parametrize("definite", [True, False], ids=["DER", "BER"])
def test_plaintext_that_waits_is_written_once(*, definite: bool) -> None:
    """Attributes after the content take another pass, for which what was kept of the first is forgotten."""
    message = with_attributes(SHARED.identities[0], authenticated=True, definite=definite)  # type: ignore[arg-type]
    head = b"Subject: x\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    quoted = head + b"".join(b"=%02X" % octet for octet in message)
    assert not open_message(io.BytesIO(quoted).read).short
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
