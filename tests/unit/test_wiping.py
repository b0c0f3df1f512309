"""Wiping: when an operation is over, every key that it made holds zeros, wherever that key came from."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

from smime_session import (
    COMPAT,
    MODERN,
    DecryptionError,
    PresharedKey,
    SmimeError,
    decrypt,
    decrypt_stream,
    encrypt,
    encrypt_stream,
    export_session_key,
    load_identities,
    rewrap,
    rewrap_stream,
)
from smime_session.algorithms import CHACHA20_POLY1305, P_384, P_521, TRIPLE_DES_WRAP
from smime_session.keys import pkcs8
from smime_session.operations import opening, sealing
from smime_session.session_key import SessionKey
from tests.support import locking
from tests.support.agreeing import person, sealed
from tests.support.readers import MAIL, READERS, SHARED, Reader, prepared_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from smime_session import Profile

NEW = PresharedKey(bytes(32), b"new")
READY = {name: prepared_for(who) for name, who in READERS.items()}
CHACHA = replace(MODERN, content=CHACHA20_POLY1305)
LARGE = os.urandom(2 << 20)
OPERATIONS: dict[str, Callable[[bytes, Reader], object]] = {
    "encrypt": lambda _, who: encrypt(MAIL, READY[who.name]),
    "encrypt_stream": lambda _, who: encrypt_stream(io.BytesIO(MAIL), io.BytesIO(), READY[who.name]),
    "decrypt": lambda message, who: decrypt(message, who.identities),
    "decrypt_stream": lambda message, who: decrypt_stream(io.BytesIO(message), io.BytesIO(), who.identities),
    "rewrap": lambda message, who: rewrap(message, who.identities, add=[NEW]),
    "reseal": lambda message, who: rewrap(message, who.identities, add=[NEW], reseal=True),
    "reseal in one pass": lambda message, who: rewrap_stream(
        io.BytesIO(message), io.BytesIO(), who.identities, add=[NEW], reseal=True, transactional=True
    ),
    "export": lambda message, who: export_session_key(message, who.identities).wipe(),
}


class Full(io.BytesIO):
    """A target with room for a part of a large message."""

    def write(self, data: Any, /) -> int:  # noqa: ANN401  # octets of any kind
        """Fail once there is no room."""
        if self.tell() > 1 << 20:
            raise OSError("full")
        return super().write(data)


class Ledger:
    """The keys that were made, with the buffers that hold them."""

    def __init__(self) -> None:
        self.keys: list[tuple[SessionKey, bytearray]] = []

    def check(self) -> None:
        """Fail unless keys were made, and all are empty and overwritten."""
        assert self.keys
        assert not [key for key, buffer in self.keys if len(key) or any(buffer)]
        self.keys.clear()


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Note every key from now on."""
    noted, initialise = Ledger(), SessionKey.__init__

    def initialise_and_note(self: SessionKey, material: bytearray, **others: Any) -> None:  # noqa: ANN401  # as called
        initialise(self, material, **others)
        noted.keys.append((self, material))

    monkeypatch.setattr(SessionKey, "__init__", initialise_and_note)
    return noted


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("who", READERS.values(), ids=READERS)
def test_every_key_is_wiped(who: Reader, operation: Callable[[bytes, Reader], object], ledger: Ledger) -> None:
    """Session keys, key-encryption keys and secrets, with each kind of reader and in each operation."""
    message = encrypt(MAIL, READY[who.name])
    ledger.keys.clear()
    operation(message, who)
    ledger.check()


@pytest.mark.parametrize("name", [name for name in OPERATIONS if not name.startswith("encrypt")])
@pytest.mark.parametrize("who", READERS.values(), ids=READERS)
def test_every_key_is_wiped_after_a_failure(who: Reader, name: str, ledger: Ledger) -> None:
    """The same where the message was altered, in memory and in passes, while somebody keeps the exception."""
    target = io.BytesIO()
    encrypt_stream(io.BytesIO(LARGE if "stream" in name else MAIL), target, READY[who.name], form="der")
    message = target.getvalue()
    ledger.keys.clear()
    with pytest.raises(DecryptionError) as caught:
        OPERATIONS[name](message[:-1] + bytes((message[-1] ^ 1,)), who)
    ledger.check()
    assert caught.value


@pytest.mark.parametrize("profile", [MODERN, COMPAT, CHACHA], ids=lambda profile: profile.content.name)
def test_every_cipher_is_dropped_after_a_failure(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that somebody keeps has no key schedule with it: of a message altered, cut off, or without room."""
    made: list[object] = []
    for module, name in ((opening, "opener"), (sealing, "sealer")):
        original = getattr(module, name)

        def making(*arguments: object, original: Callable[..., object] = original) -> object:
            made.append(original(*arguments))
            return made[-1]

        monkeypatch.setattr(module, name, making)
    target = io.BytesIO()
    encrypt_stream(io.BytesIO(LARGE), target, [SHARED.recipient], profile=profile, form="der")
    message = target.getvalue()
    altered = message[:-1] + bytes((message[-1] ^ 1,))
    calls: list[Callable[[], object]] = [
        lambda: encrypt_stream(io.BytesIO(LARGE), Full(), [SHARED.recipient], profile=profile, form="der"),
        lambda: decrypt_stream(io.BytesIO(message[: 3 << 19]), io.BytesIO(), SHARED.identities),
        lambda: decrypt_stream(io.BytesIO(message), Full(), SHARED.identities, transactional=True),
    ]
    for _ in range(8 if profile is COMPAT else 1):  # one wrong key in 256 seems to open what has no tag
        stranger = PresharedKey(os.urandom(32), b"ours")
        calls.append(lambda stranger=stranger: decrypt_stream(io.BytesIO(altered), io.BytesIO(), [stranger]))  # type: ignore[misc]
    kept: list[Exception] = []
    for call in calls:
        made.clear()
        try:
            call()
        except (SmimeError, OSError) as error:
            kept.append(error)
            assert made
        assert not any(map(vars, made))
    assert len(kept) >= 4


def test_every_key_is_wiped_whatever_seals_the_content(ledger: Ledger) -> None:
    """With CBC, and with a content key that is derived from the session key."""
    for profile in (COMPAT, replace(MODERN, derived_content_key=True)):
        message = encrypt(MAIL, [SHARED.recipient], profile=profile)
        assert decrypt(message, SHARED.identities).message.endswith(b"\r\n\r\nGood morning\r\n")
        ledger.check()


def test_every_key_of_key_agreement_is_wiped(ledger: Ledger) -> None:
    """Where more is derived than is wanted, with Triple-DES key wrap, and where a key of another size is inside."""
    for curve in (P_384, P_521):
        who = person(curve=curve)
        assert decrypt(encrypt(MAIL, [who.recipient()], profile=MODERN), [who.identity]).authenticated
        ledger.check()
    old = sealed(person(), bytes(range(24)), wrap=TRIPLE_DES_WRAP)
    for info in (old, old._replace(key_size=16), sealed(person(), bytes(range(32)))._replace(key_size=16)):
        ledger.keys.clear()
        person().identity.unwrap([info]).wipe()
        ledger.check()
    damaged = old._replace(encoded=old.encoded[:-1] + bytes((old.encoded[-1] ^ 1,)))
    ledger.keys.clear()
    person().identity.unwrap([damaged]).wipe()
    ledger.check()


def test_every_candidate_is_wiped(ledger: Ledger) -> None:
    """Those that did not open the message too."""
    message = encrypt(MAIL, [SHARED.recipient], profile=COMPAT)
    stranger = PresharedKey(bytes(32), b"ours")
    ledger.keys.clear()
    for operation in list(OPERATIONS.values())[2:]:
        several = replace(SHARED, identities=[stranger, *SHARED.identities, stranger])
        operation(message, several)
        ledger.check()


def _ml_kem_key() -> bytes:
    """Return a private key with its expanded key, which the library does not load."""
    seed = bytes(range(64))
    public = MLKEM768PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()
    expanded = b"".join((bytes(len(public) - 32), public, hashlib.sha3_256(public).digest(), seed[32:]))
    return locking.pkcs8(locking.sequence(locking.octet_string(seed), locking.octet_string(expanded)))


@pytest.mark.parametrize("mac", [b"old", b"new", None])
@pytest.mark.parametrize("within", [False, True])
def test_what_unlocks_a_private_key_is_wiped(
    mac: bytes | None,
    within: bool,  # noqa: FBT001  # a parameter of the test
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The passphrase, the keys made of it and what they unlock, as octets too, in PKCS#12 and in PKCS#8."""
    made, original, seen = _ml_kem_key(), pkcs8.key_from, list[bytes]()

    def key_from(octets: bytes) -> object:
        seen.append(octets)
        return original(octets)

    monkeypatch.setattr(pkcs8, "key_from", key_from)
    bag = locking.bag(2, locking.locked(made, b"pw")) if within else locking.bag(1, made)
    chest = locking.pkcs12([locking.locked_part(b"pw", bag)], mac, b"pw")
    block = locking.pem_block("ENCRYPTED PRIVATE KEY", locking.locked(made, b"pw"))
    for data in (chest, block) if within else (chest,):
        assert load_identities(data, b"pw")
        ledger.check()
        assert not any(seen.pop()) or not within
