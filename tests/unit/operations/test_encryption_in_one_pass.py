"""A mail with canonical line endings is encrypted in one pass; any other starts again, and nobody sees a difference."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session import COMPAT, MODERN, NotMailError, PresharedKey, Profile, decrypt, encrypt_stream, inspect
from smime_session.streams.sources import BLOCK_SIZE

READER = PresharedKey(bytes(32), b"ours")
HEAD = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
PIECES = st.lists(st.sampled_from([b"a", b"\r\n", b"\n", b"\r", b"bc\r\n", b"x" * 100 + b"\r\n"]), max_size=20)
HEADS = st.sampled_from(
    [
        HEAD,
        HEAD.replace(b"\r\n", b"\n"),
        HEAD + b"Content-Transfer-Encoding: binary\r\n",
        (HEAD + b"Content-Transfer-Encoding: binary\r\n").replace(b"\r\n", b"\n"),
        b"Subject: nothing is said of the content\r\n",
    ]
)


class Counted(io.BytesIO):
    """A file that counts the octets read from it."""

    read_octets = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and count."""
        data = super().read(size)
        self.read_octets += len(data)
        return data


def sealed(mail: bytes, *, transactional: bool, profile: Profile = MODERN) -> tuple[bytes, int]:
    """Encrypt a mail after something that is already in the target; return the result and the octets read."""
    source, target = Counted(mail), io.BytesIO()
    target.write(b"before")
    encrypt_stream(source, target, [READER], profile=profile, transactional=transactional)
    assert target.getvalue().startswith(b"before")
    return target.getvalue().removeprefix(b"before"), source.read_octets


@given(HEADS, PIECES, st.sampled_from([MODERN, COMPAT]))
def test_one_pass_gives_what_two_give(head: bytes, pieces: list[bytes], profile: Profile) -> None:
    """The same plaintext, in an envelope of the same size that is DER, whatever its line endings are."""
    mail = head + (b"\n" if b"\r" not in head else b"\r\n") + b"".join(pieces)
    once, _ = sealed(mail, transactional=True, profile=profile)
    twice, _ = sealed(mail, transactional=False, profile=profile)
    assert len(once) == len(twice)
    assert decrypt(once, [READER]).message == decrypt(twice, [READER]).message
    assert inspect(once).encoding == inspect(twice).encoding == "DER"


def test_canonical_lines_are_read_once() -> None:
    """Many blocks of them, and a return at the very end of one."""
    mail = HEAD + b"\r\n" + (b"x" * 62 + b"\r\n") * 5000 + b"y\r"
    once, read = sealed(mail, transactional=True)
    assert read == len(mail)
    assert decrypt(once, [READER]).message == mail
    assert sealed(mail, transactional=False)[1] == 2 * len(mail)


@pytest.mark.parametrize("place", [0, BLOCK_SIZE, 5 * BLOCK_SIZE - 3])
def test_a_bare_line_feed_starts_it_again(place: int) -> None:
    """Wherever it stands; nothing of the first attempt is left."""
    lines = (b"x" * 62 + b"\r\n") * 5 * (BLOCK_SIZE // 64)
    mail = HEAD + b"\r\n" + lines[:place] + b"bare\n" + lines[place:]
    once, read = sealed(mail, transactional=True)
    assert len(mail) < read <= 3 * len(mail)
    assert len(once) == len(sealed(mail, transactional=False)[0])
    assert decrypt(once, [READER]).message == mail.replace(b"bare\n", b"bare\r\n")


def test_a_source_that_stands_elsewhere_is_encrypted_from_there() -> None:
    """What was read of it before is not part of the mail, in the second attempt either."""
    for body in (b"one\r\n", b"one\n"):
        source, target = io.BytesIO(b"skipped" + HEAD + b"\r\n" + body), io.BytesIO()
        source.seek(len(b"skipped"))
        encrypt_stream(source, target, [READER], transactional=True)
        assert decrypt(target.getvalue(), [READER]).message == HEAD + b"\r\n" + b"one\r\n"


def test_what_is_no_mail_is_refused_as_ever() -> None:
    """With the same words."""
    words = set()
    for transactional in (True, False):
        with pytest.raises(NotMailError) as refused:
            sealed(b"no field\r\n\r\n", transactional=transactional)
        words.add(str(refused.value))
    assert len(words) == 1
