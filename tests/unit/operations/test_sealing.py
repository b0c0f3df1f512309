"""Sealing: what is never written, because it is broken or because nobody would read it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from smime_session import COMPAT, DEFAULT, Password, Policy, PresharedKey, decrypt, encrypt, encrypt_stream, rewrap
from smime_session.algorithms import AUTH_ENVELOPED_DATA, DATA, DES_EDE3_CBC, RC2_CBC, ContentEncryption
from smime_session.cms.values import AlgorithmIdentifier, EnvelopeHeader, WrappedKey
from smime_session.errors import AlreadyEncryptedError, LimitError, UnsupportedAlgorithmError
from smime_session.operations.sealing import refuse_unreadable
from smime_session.profiles import (
    MAX_HEADER_SIZE,
    MAX_PBKDF2_ITERATIONS,
    MAX_RECIPIENTS,
    MAX_TRIALS,
    MIN_PBKDF2_ITERATIONS,
    PBKDF2_ITERATIONS,
)
from smime_session.streams.sources import LARGE
from tests.support.readers import Pipe

if TYPE_CHECKING:
    from smime_session import Recipient
    from smime_session.mail.header_policy import HeaderPolicy
    from smime_session.session_key import SessionKey

MAIL = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\ntext\r\n"


class Copied:
    """A recipient who costs no work: everybody gets what one pre-shared key makes, once per message."""

    def __init__(self) -> None:
        self.reader = PresharedKey(bytes(32), b"reader")
        self._stranger = PresharedKey(bytes(32), b"somebody else")
        self._made: tuple[SessionKey, WrappedKey] | None = None

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Wrap once for a stranger, and give everybody the same."""
        if self._made is None or self._made[0] is not key:
            self._made = key, self._stranger.wrap(key)
        return self._made[1]


@pytest.mark.parametrize("algorithm", [DES_EDE3_CBC, RC2_CBC], ids=lambda each: each.name)
def test_broken_algorithms_are_never_written(algorithm: ContentEncryption) -> None:
    """What is broken by now is only read, whatever profile somebody makes."""
    reader = PresharedKey(bytes(32), b"reader")
    with pytest.raises(UnsupportedAlgorithmError, match=f"^the writing of content with {algorithm.name} .* is not sup"):
        encrypt(b"Subject: x\r\n\r\ntext\r\n", [reader], profile=replace(COMPAT, content=algorithm))


def test_as_many_recipients_are_written_as_are_read() -> None:
    """A message for as many as the default policy allows opens; for one more it is not made at all."""
    stranger = Copied()
    most: list[Recipient] = [*[stranger] * (MAX_RECIPIENTS - 1), stranger.reader]
    assert decrypt(encrypt(MAIL, most), [stranger.reader]).message == MAIL
    target = io.BytesIO()
    with pytest.raises(
        LimitError, match=f"^the number of recipients exceeds the limit of {MAX_RECIPIENTS:,}$"
    ) as caught:
        encrypt_stream(io.BytesIO(MAIL), target, [stranger, *most])
    assert (caught.value.limit, caught.value.option) == (MAX_RECIPIENTS, "max_recipients")
    assert not target.getvalue()


def test_as_many_passwords_are_written_as_are_tried() -> None:
    """Each takes the reader as long as it took the writer: those that reading allows open, one more is refused."""
    most = [Password(f"password {number}") for number in range(MAX_PBKDF2_ITERATIONS // PBKDF2_ITERATIONS)]
    assert decrypt(encrypt(MAIL, most), most[-1:]).message == MAIL
    words = (
        f"^the number of PBKDF2's iterations for all passwords together exceeds the limit of {MAX_PBKDF2_ITERATIONS:,} "
    )
    with pytest.raises(LimitError, match=words):
        encrypt(MAIL, [*most, Password("one more")])


def test_as_many_quick_passwords_are_written_as_are_tried() -> None:
    """However little work each is, reading tries no more than its limit of anything."""
    most = [Password(f"{number}", iterations=MIN_PBKDF2_ITERATIONS) for number in range(MAX_TRIALS)]
    assert decrypt(encrypt(MAIL, most), most[-1:]).message == MAIL
    with pytest.raises(LimitError, match=f"^the number of passwords exceeds the limit of {MAX_TRIALS}$"):
        encrypt(MAIL, [*most, Password("one more", iterations=MIN_PBKDF2_ITERATIONS)])


def _header(size: int, originator: bytes | None = None) -> EnvelopeHeader:
    encryption = AlgorithmIdentifier("1.2.3", b"")
    wrapped = (WrappedKey(b"\x30" + bytes(size - 1), 0, 32),)
    return EnvelopeHeader(AUTH_ENVELOPED_DATA, 0, wrapped, DATA, encryption, originator)


def test_a_header_that_is_too_large_to_read_is_not_written() -> None:
    """Long keys reach the limit of a header before the limit of recipients; an originator's certificates count too."""
    room = MAX_HEADER_SIZE - 1024
    refuse_unreadable(_header(room), 1)
    refuse_unreadable(_header(room - 5, b"\xa0\x03\x30\x01\x00"), 1)
    for header in (_header(room + 1), _header(room - 4, b"\xa0\x03\x30\x01\x00")):
        with pytest.raises(LimitError, match=r"^the size of the keys encrypted for all recipients exceeds .* bytes$"):
            refuse_unreadable(header, 1)
    refuse_unreadable(_header(room + 1), 1, replace(DEFAULT, max_header_size=MAX_HEADER_SIZE + 1))


def test_rewrapping_writes_what_its_policy_reads() -> None:
    """Somebody more than the policy allows is not added; who lifts the limit of reading lifts that of writing."""
    first, second = PresharedKey(bytes(32), b"first"), PresharedKey(bytes(32), b"second")
    sealed = encrypt(MAIL, [first])
    with pytest.raises(LimitError, match=r"^the number of recipients exceeds the limit of 1$"):
        rewrap(sealed, [first], add=[second], policy=Policy(max_recipients=1))
    wider = rewrap(sealed, [first], add=[second], policy=Policy(max_recipients=2))
    assert decrypt(wider, [second]).message == MAIL


def test_what_is_encrypted_already_is_refused() -> None:
    """A mail that is encrypted already is encrypted again only on request; any other file is not looked at."""
    reader = PresharedKey(bytes(32), b"reader")
    once, target = encrypt(MAIL, [reader]), io.BytesIO()
    for mail in (once, once + bytes(2 * LARGE)):
        with pytest.raises(AlreadyEncryptedError, match=r"^the mail is encrypted already \(S/MIME\)$"):
            encrypt(mail, [reader])
    for transactional in (False, True):
        with pytest.raises(AlreadyEncryptedError):
            encrypt_stream(io.BytesIO(once), target, [reader], transactional=transactional)
    with pytest.raises(AlreadyEncryptedError):
        encrypt_stream(Pipe(once), target, [reader])
    assert not target.getvalue()
    assert not encrypt_stream(io.BytesIO(once), target, [reader], form="der").already_encrypted


def test_what_is_encrypted_twice_is_said_to_be() -> None:
    """Where that is asked for, it is encrypted twice, and the result tells."""
    reader = PresharedKey(bytes(32), b"reader")
    once, twice = io.BytesIO(), io.BytesIO()
    assert not encrypt_stream(io.BytesIO(MAIL), once, [reader], again=True).already_encrypted
    assert encrypt_stream(io.BytesIO(once.getvalue()), twice, [reader], again=True).already_encrypted
    for sealed in (twice.getvalue(), encrypt(once.getvalue(), [reader], again=True)):
        opened = decrypt(sealed, [reader])
        assert opened.message == MAIL
        assert [(part.number, part.opened) for part in opened.parts] == [("0/0", True)]


@pytest.mark.parametrize("headers", ["hcp_no_confidentiality", "hcp_baseline", "none"])
def test_what_is_wrong_afterwards_is_left_out(headers: HeaderPolicy) -> None:
    """A number of lines is, and a DKIM signature where that is asked for; neither comes back."""
    reader = PresharedKey(bytes(32), b"reader")
    mail = b"LINES: 1\r\nDKIM-Signature: v=1;\r\n bh=x\r\n" + MAIL
    sealed = encrypt(mail, [reader], headers=headers)
    assert b"LINES" not in sealed
    assert b"bh=x" in sealed
    assert decrypt(sealed, [reader]).message == mail.partition(b"\r\n")[2]
    target = io.BytesIO()
    done = encrypt_stream(io.BytesIO(mail), target, [reader], headers=headers, strip_dkim=True)
    assert done.removed_fields == ("LINES", "DKIM-Signature")
    for stripped in (target.getvalue(), encrypt(mail, [reader], headers=headers, strip_dkim=True)):
        assert b"bh=x" not in stripped
        assert decrypt(stripped, [reader]).message == MAIL
