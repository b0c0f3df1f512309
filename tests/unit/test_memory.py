"""Keys leave no copy in memory, and nothing shows them."""

from __future__ import annotations

import ctypes
import io
import json
import os
import subprocess
import sys
import traceback
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from smime_session import DecryptionError, PresharedKey, SmimeError, decrypt, encrypt, encrypt_stream, memory
from smime_session.recipients import key_wrap
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smime_session.cms.structures import WrappedKey

OCTETS = b"0123456789abcdef"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process read all of its own memory")
def test_no_copy_of_a_key_remains() -> None:
    """Session keys, key-encryption keys and shared secrets are nowhere in memory, however a message ended."""
    here = Path(__file__)
    probe = [sys.executable, str(here.with_name("memory_probe.py"))]
    tree = os.environ | {"PYTHONPATH": str(here.parents[2])}  # that under test, whatever else is installed
    report = json.loads(subprocess.run(probe, env=tree, capture_output=True, check=True, timeout=300).stdout)
    noted, found = report.pop("planted")
    assert noted == 1
    assert found >= 1, "the search finds nothing at all"
    assert all(noted > 10 for noted, _ in report.values())
    assert {stage: found for stage, (_, found) in report.items()} == dict.fromkeys(report, 0)


def test_bytes_are_erased_where_they_are() -> None:
    """The object itself holds zeros afterwards, however long it was."""
    for size in (2, 16, 33, 4096):
        octets = bytes(bytearray(b"x" * size))
        memory.erase(octets)
        assert octets == bytes(size)


@pytest.mark.parametrize("octets", [b"", b"x"])
def test_what_python_shares_is_left_alone(octets: bytes) -> None:
    """There is one object for each of them in the whole process."""
    memory.erase(octets)
    assert octets in {b"", b"x"}
    assert bytes((0x78,)) == b"x"


def test_lent_octets_are_erased() -> None:
    """They hold the secret in the block and zeros after it, which an exception does not change."""
    secret = bytearray(OCTETS)
    lending = memory.lent(secret)
    octets = lending.__enter__()
    assert octets == OCTETS
    assert not lending.__exit__(KeyError, KeyError(), None)
    assert octets == bytes(16)
    assert secret == OCTETS


def test_elsewhere_nothing_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CPython's memory, or without the right to reach it, all works as before."""
    monkeypatch.setattr(memory, "_functions", lambda: None)
    key = SessionKey.adopt(octets := bytes(bytearray(OCTETS)))
    memory.overwrite_freed(32)
    assert octets == key.material == OCTETS


@pytest.mark.parametrize("failure", [ImportError, MemoryError])
def test_a_python_without_ctypes(monkeypatch: pytest.MonkeyPatch, failure: type[Exception]) -> None:
    """It may not be there, or a hardened system may keep it from starting."""

    class Refusing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "ctypes":
                raise failure

    monkeypatch.delitem(sys.modules, "ctypes", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refusing(), *sys.meta_path])
    assert memory._functions.__wrapped__() is None


def test_freed_blocks_are_overwritten_with_what_python_has_too() -> None:
    """Where C's own functions are not shown, a block is filled with as many octets as it has."""
    functions = memory._functions_of_python(ctypes)
    block = functions.copy(b"\xff" * 31)
    assert block
    assert ctypes.string_at(block, 32) == b"\xff" * 31 + b"\0"
    functions.fill(block, 0, 32)
    assert ctypes.string_at(block, 32) == bytes(32)
    functions.free(block)


def test_adopting_takes_the_octets() -> None:
    """The key has them, and the object that was given does not."""
    octets = bytes(bytearray(OCTETS))
    key = SessionKey.adopt(octets, checked=True)
    assert key.material == OCTETS
    assert key.checked
    assert octets == bytes(16)


class Watched(PresharedKey):
    """A shared key that keeps, for a test, how each session key looks in text."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        super().__init__(bytes(range(32)), b"ours")
        self.seen: list[str] = []

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Encrypt ``key`` and note it."""
        self.seen += _spellings(bytes(key.material))
        return super().wrap(key)


def _spellings(octets: bytes) -> Iterator[str]:
    yield from (octets.hex(), repr(octets)[2:-1], b64encode(octets).decode(), str(list(octets))[1:-1])


class _Unwritable(io.BytesIO):
    """A target that takes nothing."""

    def write(self, _data: object, /) -> int:
        raise OSError("full")


def _shown(error: BaseException) -> str:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def test_a_traceback_with_locals_does_not_show_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when sealing fails, not when opening does, and not when unwrapping does."""
    who = Watched()
    errors: list[BaseException] = []
    sealed = encrypt(b"Subject: x\r\n\r\ntext\r\n", [who])
    with pytest.raises(DecryptionError) as altered:
        decrypt(sealed[:-16] + sealed[-16:].swapcase(), [who])
    errors.append(altered.value)
    with pytest.raises(OSError, match="full") as unwritable:
        encrypt_stream(io.BytesIO(b"Subject: x\r\n\r\ntext\r\n"), _Unwritable(), [who])
    errors.append(unwritable.value)

    def fail(size: int) -> None:
        raise SmimeError(f"{size} octets")

    monkeypatch.setattr(key_wrap, "overwrite_freed", fail)
    with pytest.raises(SmimeError) as unwrapping:
        decrypt(sealed, [who])
    errors.append(unwrapping.value)
    assert len(who.seen) == 8
    for error in errors:
        shown = _shown(error)
        assert "SessionKey" in shown
        assert not [spelling for spelling in who.seen if spelling in shown]
