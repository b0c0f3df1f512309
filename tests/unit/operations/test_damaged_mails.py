"""Mails that were damaged around their CMS object open all the same, and say what was damaged."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from smime_session import (
    COMPAT,
    MODERN,
    DecryptionError,
    MessageError,
    NotEnvelopeError,
    decrypt,
    decrypt_stream,
    encrypt,
    encrypt_stream,
    inspect,
    rewrap,
)
from tests.support.damage import BODIES, ENCODINGS, FOLLOWED, PADDING, divide, quoted, uuencoded
from tests.support.damaged_heads import HEADS, MBOX_LINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

    from tests.conftest import Person

PROFILES = (MODERN, COMPAT)
MAIL = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: lunch\r\n\r\n" + b"4711 is the number\r\n" * 30
SETTINGS = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def sent(alice: Person) -> dict[str, bytes]:
    """A mail for Alice, authenticated and not, whose base64 ends with padding."""
    return {profile.name: _padded(alice, profile.name) for profile in PROFILES}


def _padded(alice: Person, profile: str) -> bytes:
    for size in range(64):
        mail = encrypt(MAIL + b"x" * size, [alice.certificate], profile={"modern": MODERN, "compat": COMPAT}[profile])
        if mail.rstrip().endswith(b"=="):
            return mail
    raise AssertionError


def streamed(mail: bytes, alice: Person) -> tuple[bytes, tuple[str, ...]]:
    """Decrypt a mail as a pipe that delivers little at a time."""
    target = io.BytesIO()
    opened = decrypt_stream(cast("BinaryIO", Trickle(mail)), target, [alice.identity])
    return target.getvalue(), opened.repairs


class Trickle(io.RawIOBase):
    """A pipe that delivers a few octets at a time."""

    def __init__(self, octets: bytes, step: int = 61) -> None:
        self._left = io.BytesIO(octets)
        self._step = step

    def readable(self) -> bool:
        """Tell so."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Deliver a few octets."""
        return self._left.readinto(memoryview(buffer)[: self._step])


@pytest.mark.parametrize("profile", [profile.name for profile in PROFILES])
@pytest.mark.parametrize("name", BODIES)
def test_a_damaged_body_opens(alice: Person, sent: dict[str, bytes], profile: str, name: str) -> None:
    """In memory and as a stream: what is inside comes back byte for byte, and what was damaged is told."""
    damage, words = BODIES[name]
    mail = damage(sent[profile])
    opened = decrypt(mail, [alice.identity])
    assert words in opened.repairs
    whole = decrypt(sent[profile], [alice.identity])
    assert whole.repairs == ()
    assert opened.message == whole.message
    assert streamed(mail, alice) == (opened.message, opened.repairs)
    assert inspect(mail).repairs == opened.repairs


@pytest.mark.parametrize("name", ENCODINGS)
def test_any_transfer_encoding_opens_under_any_name(alice: Person, sent: dict[str, bytes], name: str) -> None:
    """The octets decide and not what is said of them."""
    mail = ENCODINGS[name](sent["modern"])
    opened = decrypt(mail, [alice.identity])
    assert opened.message == decrypt(sent["modern"], [alice.identity]).message
    assert streamed(mail, alice)[0] == opened.message
    assert FOLLOWED not in opened.repairs


@pytest.mark.parametrize("profile", [profile.name for profile in PROFILES])
@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
@pytest.mark.parametrize("name", HEADS)
def test_a_damaged_head_opens(alice: Person, sent: dict[str, bytes], profile: str, eol: bytes, name: str) -> None:
    """What was sealed comes back, its header fields too, and lines that are no fields are kept."""
    damage, words = HEADS[name]
    sound = sent[profile].replace(b"\r\n", eol)
    mail = damage(sound)
    opened = decrypt(mail, [alice.identity])
    assert opened.repairs == words
    assert opened.message.replace(b"\r\n", b"\n").endswith(
        decrypt(sound, [alice.identity]).message.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    )
    assert b"Subject: lunch" in opened.message.splitlines()
    assert not opened.message.startswith(b"From alice")
    assert streamed(mail, alice) == (opened.message, opened.repairs)
    assert inspect(mail).repairs == words


@pytest.mark.parametrize("name", HEADS)
def test_a_damaged_head_is_not_encrypted(alice: Person, name: str) -> None:
    """What is sent must be sound: only what mail stores add is taken as it is."""
    mail = HEADS[name][0](MAIL)
    if name in {"mbox line", ">From first"}:
        assert encrypt(mail, [alice.certificate])
        return
    with pytest.raises(MessageError):
        encrypt(mail, [alice.certificate])
    with pytest.raises(MessageError):
        encrypt_stream(io.BytesIO(mail), io.BytesIO(), [alice.certificate])


@pytest.mark.parametrize("size", [0, 100, 20_000, 300_000])
@pytest.mark.parametrize("first", ["encrypted", "plain"])
def test_a_mailbox_of_several_mails_is_one(alice: Person, first: str, size: int) -> None:
    """However long the first mail is, and whatever it holds, the second is noticed."""
    mail = b"From: a@example.org\nSubject: x\n\n" + b"x" * 70 * (size // 70) + b"\n"
    mail = encrypt(mail, [alice.certificate]) if first == "encrypted" else mail
    mailbox = b"".join(MBOX_LINE + b"\n" + mail + b"\n" for _ in range(2))
    for act in (lambda: decrypt(mailbox, [alice.identity]), lambda: inspect(mailbox), lambda: streamed(mailbox, alice)):
        with pytest.raises(NotEnvelopeError, match="a mailbox of several mails") as refused:
            act()
        assert refused.value.kind == "mbox"
    assert first == "plain" or decrypt(MBOX_LINE + b"\n" + mail, [alice.identity]).repairs == ()


@pytest.mark.parametrize("name", [*BODIES, *ENCODINGS, *HEADS])
def test_rewrapping_leaves_out_what_was_damaged(alice: Person, bob: Person, sent: dict[str, bytes], name: str) -> None:
    """What is written is sound, whatever was read."""
    damage = BODIES[name][0] if name in BODIES else HEADS[name][0] if name in HEADS else ENCODINGS[name]
    mail = rewrap(damage(sent["modern"]), [alice.identity], add=[bob.certificate])
    opened = decrypt(mail, [bob.identity])
    assert all("a mail header" in words or "header field" in words for words in opened.repairs)
    body = decrypt(sent["modern"], [alice.identity]).message.partition(b"\r\n\r\n")[2]
    assert opened.message.endswith(body) or opened.message.endswith(body.replace(b"\r\n", b"\n"))


@SETTINGS
@given(place=st.integers(0, 8 * 1000), name=st.sampled_from(sorted(BODIES)))
def test_repairing_weakens_no_check(alice: Person, sent: dict[str, bytes], place: int, name: str) -> None:
    """A bit that flipped in the object of a damaged mail is noticed as in a sound one."""
    damage = BODIES[name][0]
    head, body, eol = divide(sent["modern"])
    characters = [at for at, octet in enumerate(body.rstrip(b"=\r\n")) if octet not in b"\r\n"][-900:-2]
    at = characters[place // 8 % len(characters)]
    other = body[at] ^ 1 << place % 8
    altered = body[:at] + bytes((other,)) + body[at + 1 :]
    mail = damage(head + eol + altered)
    with pytest.raises((MessageError, DecryptionError)):
        decrypt(mail, [alice.identity])


@SETTINGS
@given(st.lists(st.tuples(st.integers(0, 4000), st.sampled_from([b"!", b"\0", b"> ", b"\xff", b"*-.\r\n", b"\r"]))))
@example(
    [*[(0, b"!")] * 2, (0, b"> "), *[(0, b"*-.\r\n")] * 2, (498, b"*-.\r\n")]
)  # the envelope's content begins a line
def test_what_is_no_base64_may_stand_anywhere(
    alice: Person, sent: dict[str, bytes], strange: list[tuple[int, bytes]]
) -> None:
    """Characters outside the alphabet are passed over wherever they are (RFC 2045, 6.8)."""
    head, body, eol = divide(sent["compat"])
    for place, text in strange:
        at = place % (len(body) + 1)
        body = body[:at] + text + body[at:]
    mail = head + eol + body
    expected = decrypt(sent["compat"], [alice.identity]).message
    assert decrypt(mail, [alice.identity]).message == expected
    assert streamed(mail, alice)[0] == expected


@pytest.mark.parametrize(("encode", "form"), [(quoted, "quoted-printable"), (uuencoded, "uuencode")])
def test_a_bare_object_in_another_encoding_opens(
    alice: Person, bob: Person, encode: Callable[[bytes], bytes], form: str
) -> None:
    """Text that a gateway made of an object is known by what it is; rewrapping makes base64 of it."""
    target = io.BytesIO()
    encrypt_stream(io.BytesIO(MAIL), target, [alice.certificate], form="der")
    text = encode(target.getvalue())
    opened = decrypt(text, [alice.identity])
    assert (opened.message, opened.form, opened.repairs) == (MAIL, form, ())
    assert inspect(text).form == form
    again = decrypt(rewrap(text, [alice.identity], add=[bob.certificate]), [bob.identity])
    assert (again.message, again.form) == (MAIL, "base64")
    long = text + b"\r\n" + b"x" * 3_000_000  # longer than any line may be, and nobody needs it
    assert (decrypt(long, [alice.identity]).message, decrypt(long, [alice.identity]).repairs) == (MAIL, (FOLLOWED,))


@SETTINGS
@given(after=st.binary(min_size=1, max_size=200), profile=st.sampled_from(sorted(each.name for each in PROFILES)))
def test_anything_may_follow(alice: Person, sent: dict[str, bytes], after: bytes, profile: str) -> None:
    """Whatever octets stand behind the base64 text, on its last line or on one of their own."""
    expected = decrypt(sent[profile], [alice.identity]).message
    for mail in (sent[profile].rstrip() + after, sent[profile] + after):
        opened = decrypt(mail, [alice.identity])
        assert opened.message == expected
        assert not opened.repairs or opened.repairs in {(FOLLOWED,), (PADDING,)}
        assert streamed(mail, alice) == (expected, opened.repairs)


@SETTINGS
@given(st.lists(st.tuples(st.integers(0, 6), st.binary(max_size=40)), min_size=1, max_size=4))
def test_any_lines_may_stand_in_a_head(alice: Person, sent: dict[str, bytes], lines: list[tuple[int, bytes]]) -> None:
    """What is no header field harms none of the others, as long as it neither ends the head nor describes the body."""
    head, body, eol = divide(sent["modern"])
    kept = head.splitlines(keepends=True)
    for place, octets in lines:
        line = octets.translate(None, b"\r\n:").lstrip() or b"?"
        at = min(place, kept.index(next(each for each in kept if each.startswith(b"Content-"))))
        kept.insert(at, line + eol)
    opened = decrypt(b"".join(kept) + eol + body, [alice.identity])
    expected = decrypt(sent["modern"], [alice.identity]).message
    assert opened.message == expected
    assert len(opened.repairs) == 1


@pytest.mark.parametrize("after", [b"x", b"\0\0more", bytes(100) + b".", b"-----END CMS-----\n", b"\x30\x80" * 99])
def test_what_follows_a_bare_object_is_told(alice: Person, after: bytes) -> None:
    """Of known length, or indefinite: the object says where it ends."""
    made = []
    for source in (io.BytesIO(MAIL), Trickle(MAIL)):
        target = io.BytesIO()
        encrypt_stream(cast("BinaryIO", source), target, [alice.certificate], form="der")
        made.append(target.getvalue())
    for octets in made:
        opened = decrypt(octets + after, [alice.identity])
        assert (opened.message, opened.repairs) == (MAIL, (FOLLOWED,))
        assert decrypt(octets + b"\0\r\n\0", [alice.identity]).repairs == ()
        with pytest.raises(MessageError):
            decrypt(octets[:-1], [alice.identity])
