"""Encrypting mails that say little about themselves, and sources that say little about their size."""

from __future__ import annotations

from email.message import EmailMessage
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Literal

import pytest

from smime_session import NotMailError, decrypt, decrypt_stream, encrypt, encrypt_stream
from smime_session.streams import sources
from smime_session.streams.sources import BLOCK_SIZE, SPOOL_MEMORY

if TYPE_CHECKING:
    from tests.conftest import Person


class Pipe(BytesIO):
    """Octets that can be read once."""

    def seekable(self) -> bool:
        """Say no."""
        return False

    def seek(self, *_: object) -> int:
        """Refuse."""
        raise OSError("a pipe")

    def tell(self) -> int:
        """Refuse too, as pipes do."""
        raise OSError("a pipe")


class Unmeasured(BytesIO):
    """A file that can seek, but knows no end."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go anywhere but to the end."""
        if whence:
            raise OSError("no end is known")
        return super().seek(offset)


class Sizeless(BytesIO):
    """A file that is made as it is read: until then it has no size."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go anywhere; the end is the beginning."""
        return 0 if whence else super().seek(offset)


@pytest.mark.parametrize("form", ["mail", "der", "pem"])
def test_plaintext_from_a_pipe_is_never_kept(
    form: Literal["mail", "der", "pem"], alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of what is to be encrypted goes to a file, or into memory that waits to be read again."""
    monkeypatch.setattr(sources, "_Spool", lambda: pytest.fail("it was kept"))
    monkeypatch.setattr(sources, "_BlockTags", lambda: pytest.fail("it was kept"))
    target = BytesIO()
    encrypt_stream(Pipe(b"Subject: x\r\n\r\n" + b"x" * SPOOL_MEMORY), target, [alice.certificate], form=form)
    assert len(target.getvalue()) > SPOOL_MEMORY


def stream_round_trip(source: BinaryIO, alice: Person) -> bytes:
    sealed, opened = BytesIO(), BytesIO()
    encrypt_stream(source, sealed, [alice.certificate])
    sealed.seek(0)
    decrypt_stream(sealed, opened, [alice.identity])
    return opened.getvalue()


@pytest.mark.parametrize(
    "mail", [b"user: bob\npassword: hunter2\n", b"From: a\rSubject: x\r\rmy secret\r", b"From: a\nX: \r\r\n\nbody"]
)
@pytest.mark.parametrize("kind", [BytesIO, Pipe])
def test_what_might_leave_a_body_readable_is_not_encrypted(mail: bytes, kind: type[BytesIO], alice: Person) -> None:
    """All ways in refuse it, and nothing is written."""
    with pytest.raises(NotMailError):
        encrypt(mail, [alice.certificate])
    target = BytesIO()
    with pytest.raises(NotMailError):
        encrypt_stream(kind(mail), target, [alice.certificate])
    assert target.getvalue() == b""


@pytest.mark.parametrize("place", [0, 100, 3 * BLOCK_SIZE])
@pytest.mark.parametrize(
    ("character", "charset"), [(b"", b"us-ascii"), ("é".encode(), b"utf-8"), (b"\xe9", b"unknown-8bit")]
)
def test_the_whole_body_tells_its_character_set(place: int, character: bytes, charset: bytes, alice: Person) -> None:
    """A character that comes late counts, whether the mail is in memory or in a file."""
    body = (b"a" * 63 + b"\n") * (BLOCK_SIZE // 16)
    mail = b"Subject: x\n\n" + body[:place] + character + body[place:]
    opened = decrypt(encrypt(mail, [alice.certificate]), [alice.identity]).message
    head = opened.partition(b"\n\n")[0]
    assert b"charset=" + charset in head
    assert (b"Content-Transfer-Encoding: 8bit" in head) == bool(character)
    assert stream_round_trip(BytesIO(mail), alice) == opened


def test_a_pipe_promises_only_what_was_seen(alice: Person) -> None:
    """A long body that begins with ASCII may go on in UTF-8; a short one was seen whole."""
    assert b"charset=us-ascii" in stream_round_trip(Pipe(b"Subject: x\n\nbody\n"), alice)
    long = stream_round_trip(Pipe(b"Subject: x\n\n" + b"body\n" * BLOCK_SIZE + "é".encode()), alice)
    assert b"charset=utf-8\nContent-Transfer-Encoding: 8bit\n" in long


@pytest.mark.parametrize("kind", [Pipe, Unmeasured, Sizeless])
@pytest.mark.parametrize("size", [1, BLOCK_SIZE, 3 * BLOCK_SIZE + 1])
def test_a_source_that_does_not_tell_its_size_is_read_like_a_pipe(
    kind: type[BytesIO], size: int, alice: Person
) -> None:
    """What is there is sealed, whatever the file says about its end."""
    data = b"d" * size
    sealed, opened = BytesIO(), BytesIO()
    assert encrypt_stream(kind(data), sealed, [alice.certificate], form="der").encoding == "BER"
    sealed.seek(0)
    decrypt_stream(sealed, opened, [alice.identity])
    assert opened.getvalue() == data


def test_an_empty_file_has_a_size(alice: Person) -> None:
    """Nothing to read is nothing to seal, in DER, from the beginning or from where the file stands."""
    source = BytesIO(b"read already")
    source.seek(20)
    assert encrypt_stream(source, BytesIO(), [alice.certificate], form="der").encoding == "DER"
    assert encrypt_stream(BytesIO(), BytesIO(), [alice.certificate], form="der").encoding == "DER"


def test_a_binary_message_object_is_sealed_unchanged(alice: Person) -> None:
    """Its data come back with every line ending, and so does the object."""
    mail = EmailMessage()
    mail.set_content(b"a\rb\nc\r\nd\0\xff\n", "application", "octet-stream", cte="binary")
    opened = decrypt(encrypt(mail, [alice.certificate]), [alice.identity]).message
    assert opened.get_payload(decode=True) == b"a\rb\nc\r\nd\0\xff\n"
