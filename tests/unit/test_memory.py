"""Keys leave no copy in memory, and nothing shows them."""

from __future__ import annotations

import ctypes
import hmac
import io
import sys
import traceback
from base64 import b64encode
from operator import attrgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from smime_session import (
    MODERN,
    DecryptionError,
    PresharedKey,
    SmimeError,
    content,
    decrypt,
    encrypt,
    encrypt_stream,
    key_derivation,
    memory,
)
from smime_session.algorithms import DES_EDE3_CBC, ECDH_HKDF_SHA256, P_256, P_384, TRIPLE_DES_WRAP, X25519, Curve
from smime_session.cms.values import ContentParameters
from smime_session.key_derivation import derive
from smime_session.keys import passwords
from smime_session.recipients import curves, key_wrap
from smime_session.recipients import kem as encapsulation
from smime_session.session_key import Proof, SessionKey
from tests.support.agreeing import person
from tests.support.memory_search import search
from tests.support.readers import ML_KEM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smime_session.cms.values import WrappedKey

OCTETS = b"0123456789abcdef"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process read the memory of its child")
def test_no_copy_of_a_key_remains() -> None:
    """Session keys, key-encryption keys and shared secrets are nowhere in memory, however a message ended."""
    report = search()
    planted = report.pop("planted")
    assert planted.keys == 1
    assert planted.copies, "the search finds nothing at all"
    assert all(found.keys > 10 for found in report.values())
    assert not {stage: found.copies for stage, found in report.items() if found.copies}


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


@pytest.mark.parametrize(
    "use",
    [
        lambda key: content.opener(ContentParameters(DES_EDE3_CBC, bytes(8), 0), key),
        lambda key: passwords.decrypt_blocks(key, DES_EDE3_CBC, bytes(8), bytes(8)),
        lambda key: key_wrap.unwrap(TRIPLE_DES_WRAP, key.material, bytes(40), 24),
    ],
    ids=["content", "password", "key wrap"],
)
def test_triple_des_gets_its_key_on_loan(use: Callable[[SessionKey], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """The library wants octets, which are overwritten when it has them."""
    erased: list[bytes] = []
    monkeypatch.setattr(memory, "erase", lambda octets: erased.append(bytes(bytearray(octets))))
    use(SessionKey(bytearray(range(24))))
    assert bytes(range(24)) in erased


def test_elsewhere_nothing_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CPython's memory, or without the right to reach it, all works as before."""
    monkeypatch.setattr(memory, "_functions", lambda: None)
    key = SessionKey.adopt(octets := bytes(bytearray(OCTETS)))
    with memory.overwriting_freed(32):
        pass
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


def test_what_overwrites_freed_blocks_is_freed_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks are held before the first of them is given back, and then all are."""
    calls: list[object] = []

    def copy(octets: bytes) -> int:
        calls.append(len(octets))
        return len(calls)

    monkeypatch.setattr(memory, "_functions", lambda: memory._Functions(lambda *_: None, copy, calls.append))
    with memory.overwriting_freed(32):
        assert not calls
    assert calls == [31] * 17 + list(range(1, 18))


def test_freed_blocks_are_filled_while_a_call_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the last of them has ended, and only then no longer."""
    told: list[object] = []
    functions = memory._Functions(lambda *_: None, lambda _: None, lambda _: None, lambda *option: told.append(option))
    monkeypatch.setattr(memory, "_functions", lambda: functions)
    one, other = memory.overwriting_freed(32), memory.overwriting_freed(32)
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert told == [(-6, 1)] * 3
    other.__exit__(None, None, None)
    assert told[-1] == (-6, 0)


def test_what_is_hashed_on_the_way_to_a_key_is_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A longer key is made block by block, each of the one before."""
    messages: list[bytearray] = []

    def digest(key: bytearray, message: bytearray, name: str) -> bytes:
        messages.append(message)
        return hmac.digest(key, message, name)

    expected = HKDF(hashes.SHA256(), 80, None, b"info").derive(OCTETS)
    monkeypatch.setattr(key_derivation, "hmac", SimpleNamespace(digest=digest))
    with derive(ECDH_HKDF_SHA256, OCTETS, b"info", b"", 80) as key:
        assert key.material == expected
        blocks = [bytes(key.material[at : at + 32]) for at in (0, 32)]
    assert [bytes(message) for message in messages[1:]] == [
        b"info\x01",
        bytes(32) + b"info\x02",
        bytes(32) + b"info\x03",
    ]
    assert all(map(any, blocks))


def test_what_was_encapsulated_is_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The octets of the secret, at the sender's and at the reader's."""
    secrets: list[bytes] = []
    original = encapsulation._key_encryption_key

    def noting(secret: bytes, *others: Any) -> SessionKey:  # noqa: ANN401  # as it is called
        secrets.append(secret)
        return original(secret, *others)

    monkeypatch.setattr(encapsulation, "_key_encryption_key", noting)
    assert decrypt(encrypt(b"Subject: x\r\n\r\ntext\r\n", [ML_KEM.recipient]), ML_KEM.identities).authenticated
    assert [len(secret) for secret in secrets] == [32, 32]
    assert not any(map(any, secrets))


@pytest.mark.parametrize("curve", [P_256, P_384, X25519], ids=attrgetter("name"))
def test_what_keys_agree_on_is_overwritten(curve: Curve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The octets that the library returned to a sender, and the blocks of the keys that are made of them."""
    secrets: list[bytes] = []
    digests: list[bytes] = []
    agreeing, move = curves.agreeing, key_derivation._move

    def noting_agreeing(curve: Curve, private_key: curves.PrivateKey) -> Callable[[object], bytes]:
        def agree(public_key: object) -> bytes:
            secrets.append(agreeing(curve, private_key)(public_key))
            return secrets[-1]

        return agree

    def noting_move(block: bytes, made: SessionKey, at: int) -> None:
        digests.append(block)
        move(block, made, at)

    monkeypatch.setattr(curves, "agreeing", noting_agreeing)
    monkeypatch.setattr(key_derivation, "_move", noting_move)
    sealed = encrypt(
        b"Subject: x\r\n\r\ntext\r\n",
        [person(curve=curve).recipient(), person("bob", curve).recipient()],
        profile=MODERN,
    )
    assert len(secrets) == 2
    assert decrypt(sealed, [person(curve=curve).identity]).authenticated
    assert len(digests) >= 3
    assert not any(map(any, [*secrets, *digests]))


def test_adopting_takes_the_octets() -> None:
    """The key has them, and the object that was given does not."""
    octets = bytes(bytearray(OCTETS))
    key = SessionKey.adopt(octets, proof=Proof.CHECKED)
    assert key.material == OCTETS
    assert key.proof is Proof.CHECKED
    assert octets == bytes(16)
    assert SessionKey.adopt(bytes(bytearray(OCTETS))).proof is Proof.NONE


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

    class Failing(memory.overwriting_freed):
        def __exit__(self, *_exc: object) -> None:
            raise SmimeError("it fails once the key is there")

    monkeypatch.setattr(key_wrap, "overwriting_freed", Failing)
    with pytest.raises(SmimeError) as unwrapping:
        decrypt(sealed, [who])
    errors.append(unwrapping.value)
    assert len(who.seen) == 8
    for error in errors:
        shown = _shown(error)
        assert "SessionKey" in shown
        assert not [spelling for spelling in who.seen if spelling in shown]
