"""Targets that take little, that are not ready, or that are nearly files."""

from __future__ import annotations

from io import BytesIO, RawIOBase, UnsupportedOperation
from typing import TYPE_CHECKING, cast

import pytest

from smime_session import PresharedKey, decrypt_stream, encrypt_stream
from smime_session.streams import outlets
from smime_session.streams.outlets import Whole

if TYPE_CHECKING:
    from typing import BinaryIO


class Narrow(RawIOBase):
    """Takes at most three octets at a time, as a raw file may, or none when it is not ready."""

    def __init__(self, *, ready: bool = True) -> None:
        self.taken = bytearray()
        self._ready = ready

    def write(self, data: bytes, /) -> int | None:  # type: ignore[override]  # all that is needed of it
        """Take some of ``data``."""
        if not self._ready:
            return None
        self.taken += bytes(data)[:3]
        return min(3, len(bytes(data)))


def test_a_target_that_takes_little_at_a_time_gets_all() -> None:
    """What an unbuffered target leaves over is written until nothing is left."""
    target = Narrow()
    Whole(cast("BinaryIO", target)).write(bytearray(b"0123456789"))
    assert target.taken == b"0123456789"


def test_a_target_that_does_not_wait_is_an_error() -> None:
    """A target that takes nothing and says so ends the writing instead of losing octets."""
    with pytest.raises(BlockingIOError):
        Whole(cast("BinaryIO", Narrow(ready=False))).write(b"0")


class _Bare:
    """Writes and reads, and has nothing else that files have; it does not say how much it took."""

    def __init__(self, content: bytes = b"") -> None:
        self._content = BytesIO(content)
        self.taken = b""

    def read(self, size: int = -1) -> bytes:
        """Return the next octets."""
        return self._content.read(size)

    def write(self, data: bytes) -> None:
        """Take all of ``data``."""
        self.taken += bytes(data)


def test_reading_and_writing_is_all_that_is_needed() -> None:
    """An object that is nearly a file, as a web framework's response, serves as one."""
    mail, reader = b"Subject: x\r\nContent-Type: text/plain\r\n\r\ntext\r\n", PresharedKey(bytes(32), b"x")
    sealed, opened = _Bare(), _Bare()
    encrypt_stream(cast("BinaryIO", _Bare(mail)), cast("BinaryIO", sealed), [reader])
    decrypt_stream(cast("BinaryIO", _Bare(sealed.taken)), cast("BinaryIO", opened), [reader])
    assert opened.taken == mail


@pytest.mark.parametrize("failure", [AttributeError, OSError, UnsupportedOperation])
def test_an_object_that_is_no_file_is_used_without_threads(failure: type[Exception]) -> None:
    """It may have no descriptor, or not even a way to ask for one."""

    class Own(BytesIO):
        def fileno(self) -> int:
            raise failure

    assert not outlets._gains_by_thread(Own())
