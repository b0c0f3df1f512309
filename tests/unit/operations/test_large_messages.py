"""Large messages take other ways through the same code: a thread, larger blocks, lines moved by the interpreter."""

from __future__ import annotations

import os
import sys
import threading
from functools import partial
from io import BytesIO, FileIO
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import pytest
from pybase64 import b64encode

from smime_session import (
    COMPAT,
    MODERN,
    PresharedKey,
    SessionKey,
    decrypt_stream,
    encrypt,
    encrypt_stream,
    rewrap_stream,
)
from smime_session.errors import DecryptionError, MalformedError
from smime_session.mail import transfer
from smime_session.streams.outlets import Outlet
from smime_session.streams.sources import BLOCK_SIZE, LARGE_BLOCK_SIZE, Replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from smime_session.operations.encrypt import Form
    from smime_session.profiles import Profile

READER: Final = PresharedKey(bytes(32), b"reader")
LARGE: Final = 2 * BLOCK_SIZE  # for these tests
NEVER: Final = 1 << 60
SIZES: Final = [
    LARGE - 1,
    LARGE,
    LARGE + 1,
    LARGE + LARGE_BLOCK_SIZE - 1,
    LARGE + LARGE_BLOCK_SIZE,
    LARGE + LARGE_BLOCK_SIZE + 1,
    5 * LARGE_BLOCK_SIZE + 12345,
]


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Whatever a test does, the threads that it started have ended when it has."""
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def set_large(monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    for module in ("streams.sources", "streams.outlets", "mail.transfer", "operations.encrypt"):
        monkeypatch.setattr(f"smime_session.{module}.LARGE", large)


@pytest.fixture(autouse=True)
def soon_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let messages be large that take no time."""
    set_large(monkeypatch, LARGE)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of all threads that are started from now on."""
    started: list[str] = []
    start = threading.Thread.start

    def noting(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noting)
    return started


def a_mail(size: int, eol: bytes = b"\r\n") -> bytes:
    head = eol.join((b"From: a@example.org", b"MIME-Version: 1.0", b"Content-Type: text/plain", b"", b""))
    line = os.urandom(38).hex().encode() + eol
    return head + (line * (size // len(line) + 1))[: size - len(head)]


class Failing(FileIO):
    """A file that fails once ``limit`` octets of it were read or written."""

    def __init__(self, path: Path, mode: str, limit: int, failure: BaseException) -> None:
        super().__init__(path, mode)
        self.left = limit
        self.failure = failure

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, or fail."""
        data = super().read(size)
        self._spend(len(data or b""))
        return data or b""

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # all that is needed of it
        """Write, or fail."""
        self._spend(len(data))
        return super().write(data)

    def _spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise self.failure


def sealed_in_files(tmp_path: Path, data: bytes, form: Form, profile: Profile) -> bytes:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    with source.open("rb") as read, target.open("wb") as write:
        encrypt_stream(read, write, [READER], profile=profile, form=form)
    return target.read_bytes()


def opened_in_files(tmp_path: Path, data: bytes, *, transactional: bool) -> bytes:
    source, target = tmp_path / "sealed", tmp_path / "opened"
    source.write_bytes(data)
    with source.open("rb") as read, target.open("wb") as write:
        decrypt_stream(read, write, [READER], transactional=transactional)
    return target.read_bytes()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=["gcm", "cbc"])
@pytest.mark.parametrize("form", ["mail", "der", "pem"])
def test_large_messages_are_what_small_ones_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int, profile: Profile, form: Form
) -> None:
    """With the same key and nonce the result is the same octet for octet, and it gives back what was sealed."""
    monkeypatch.setattr(os, "urandom", lambda count: b"\x5a" * count)
    monkeypatch.setattr(SessionKey, "generate", lambda count: SessionKey(bytearray(b"\x5a" * count)))
    data = a_mail(size)
    large = sealed_in_files(tmp_path, data, form, profile)
    assert opened_in_files(tmp_path, large, transactional=True) == data
    assert opened_in_files(tmp_path, large, transactional=False) == data
    set_large(monkeypatch, NEVER)
    assert sealed_in_files(tmp_path, data, form, profile) == large


@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
def test_both_ways_of_encrypting_a_large_mail_make_the_same_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, eol: bytes
) -> None:
    """In memory or in files: the same octets, whichever line endings."""
    monkeypatch.setattr(os, "urandom", lambda count: b"\x5a" * count)
    monkeypatch.setattr(SessionKey, "generate", lambda count: SessionKey(bytearray(b"\x5a" * count)))
    data = a_mail(3 * LARGE, eol)
    assert encrypt(data, [READER], profile=MODERN) == sealed_in_files(tmp_path, data, "mail", MODERN)


def test_only_large_files_get_threads(tmp_path: Path, threads: list[str]) -> None:
    """Small messages, pipes and memory do without."""
    sealed_in_files(tmp_path, a_mail(LARGE - 10_000), "der", MODERN)
    encrypt_stream(BytesIO(a_mail(3 * LARGE)), BytesIO(), [READER])
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as read, os.fdopen(writing, "wb") as write:
        write.write(bytes(10_000))
        write.flush()
        os.set_blocking(reading, False)
        with Replay(read, replayable=False) as replay, Outlet(write) as out:
            replay.read_block()
            for _ in range(5):
                out.write(bytes(LARGE // 4))
                while read.read():
                    pass
    assert threads == []
    sealed_in_files(tmp_path, a_mail(3 * LARGE), "mail", MODERN)
    assert threads == ["write-behind"]


def test_without_threads_the_work_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A system that has no thread left is no reason to fail."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    data = a_mail(5 * LARGE)
    assert opened_in_files(tmp_path, sealed_in_files(tmp_path, data, "der", MODERN), transactional=True) == data


def test_without_the_interpreters_help_the_lines_are_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no ctypes, large base64 is written the other way."""
    monkeypatch.setitem(sys.modules, "smime_session.streams.strided", None)
    assert transfer._line_spreader(76, b"\n") is None
    data = a_mail(5 * LARGE)
    sealed = sealed_in_files(tmp_path, data, "pem", MODERN)
    assert opened_in_files(tmp_path, sealed, transactional=True) == data


@pytest.mark.parametrize("failure", [OSError("the disk is broken"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("limit", [LARGE + 1, LARGE + 2 * LARGE_BLOCK_SIZE])
@pytest.mark.parametrize("end", ["source", "target"])
def test_a_failure_in_a_thread_ends_everything(tmp_path: Path, end: str, limit: int, failure: BaseException) -> None:
    """What a file raises is raised by the operation, itself, from either end, while encrypting and decrypting."""
    data = a_mail(6 * LARGE_BLOCK_SIZE)
    sealed = sealed_in_files(tmp_path, data, "der", MODERN)
    source, target = tmp_path / "from", tmp_path / "to"
    encrypting = partial(encrypt_stream, recipients=[READER], form="der")
    decrypting = partial(decrypt_stream, identities=[READER], transactional=end == "target")
    for content, work in ((data, encrypting), (sealed, decrypting)):
        source.write_bytes(content)
        with (
            Failing(source, "rb", limit if end == "source" else NEVER, failure) as read,
            Failing(target, "wb", limit if end == "target" else NEVER, failure) as write,
        ):
            with pytest.raises(type(failure)) as raised:
                work(cast("BinaryIO", read), cast("BinaryIO", write))
            assert raised.value is failure


def test_an_interruption_of_the_work_ends_the_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, threads: list[str]
) -> None:
    """What a signal raises between two blocks leaves nobody reading or writing."""
    data = a_mail(16 * LARGE_BLOCK_SIZE)
    blocks = iter(range(12))

    def interrupted(octets: bytes) -> bytes:
        if next(blocks, None) is None:
            raise KeyboardInterrupt
        return b64encode(octets)

    monkeypatch.setattr("smime_session.mail.transfer.b64encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sealed_in_files(tmp_path, data, "mail", MODERN)
    assert threads == ["write-behind"]


def test_a_large_mail_that_was_altered_is_refused(tmp_path: Path) -> None:
    """Nothing is released of a file whose last block is damaged."""
    sealed = bytearray(sealed_in_files(tmp_path, a_mail(6 * LARGE_BLOCK_SIZE), "der", MODERN))
    sealed[-1] ^= 1
    with pytest.raises(DecryptionError):
        opened_in_files(tmp_path, bytes(sealed), transactional=False)
    assert (tmp_path / "opened").read_bytes() == b""


@pytest.mark.parametrize("place", [0, LARGE - 1, LARGE, LARGE + LARGE_BLOCK_SIZE, -1])
def test_a_change_of_a_large_file_between_the_passes_is_noticed(tmp_path: Path, place: int) -> None:
    """Larger blocks are compared like others, and the first pass may have been left anywhere."""
    data = bytearray(os.urandom(LARGE + 3 * LARGE_BLOCK_SIZE))
    path = tmp_path / "message"
    for taken in (1, 3, NEVER):
        path.write_bytes(data)
        with path.open("rb") as file, Replay(file) as replay:
            for _, _block in zip(range(taken), iter(replay.read_block, b""), strict=False):
                pass
            replay.rewind()
            assert b"".join(iter(replay.read_block, b"")) == data
            data[place] ^= 1
            path.write_bytes(data)
            replay.rewind()
            with pytest.raises(MalformedError, match="changed while it was being read"):
                for _block in iter(replay.read_block, b""):
                    pass


def test_a_large_message_gets_other_recipients(tmp_path: Path) -> None:
    """Rewrapping reads large files in larger blocks too, twice."""
    data = a_mail(6 * LARGE_BLOCK_SIZE)
    (tmp_path / "first").write_bytes(sealed_in_files(tmp_path, data, "mail", MODERN))
    other = PresharedKey(bytes(31) + b"1", b"other")
    with (tmp_path / "first").open("rb") as read, (tmp_path / "second").open("wb") as write:
        rewrap_stream(read, write, [READER], add=[other])
    assert opened_in_files(tmp_path, (tmp_path / "second").read_bytes(), transactional=True).endswith(data[-1000:])
