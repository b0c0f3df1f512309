"""Encrypt and decrypt in a process whose memory :mod:`tests.support.memory_search` looks at from outside.

It writes a line feed when a call has just returned, and waits for an octet; only then it tells, as a
line of JSON, which keys there were. Until then it does nothing that could overwrite what the library
left. Keys are noted XORed with a mask, octet by octet, and are never whole again.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final, cast
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

from smime_session import (
    COMPAT,
    MODERN,
    Password,
    PresharedKey,
    SmimeError,
    decrypt,
    decrypt_stream,
    encrypt,
    encrypt_stream,
)
from smime_session.algorithms import AES_128_GCM, CHACHA20_POLY1305
from smime_session.certificates.public_key import PublicKey
from smime_session.cms.values import SubjectKeyIdentifier
from smime_session.key_derivation import derive
from smime_session.keys.software import private_key
from smime_session.recipients import ecdh as key_agreement
from smime_session.recipients import kem as encapsulation
from smime_session.recipients.registry import kind_for
from smime_session.session_key import SessionKey
from smime_session.streams import parallel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from smime_session import Profile
    from smime_session.algorithms import KeyAgreement

COPY: Final = 16
"""Octets in a row that count as a copy: what an allocator's bookkeeping leaves of 32 that were freed."""

_MAIL: Final = b"Subject: Friday\r\n\r\nAt eight?\r\n"  # short: a longer one would use more of the stack after its key


class Notes:
    """Keys that were seen, none of them whole; all memory for them is taken beforehand."""

    def __init__(self) -> None:
        self._masks = memoryview(bytearray(os.urandom(1 << 16)))
        self._masked = memoryview(bytearray(1 << 16))
        self._seen: list[tuple[int, int]] = []
        self._end = 0

    def take(self, material: bytearray) -> bool:
        """Note a key, once; return whether it is one. Calls into C would use the stack that is searched."""
        size = len(material)
        anything = 0
        for octet in material:
            anything |= octet
        if not anything or size < COPY:
            return False
        for start, known in self._seen:
            if known == size and self._is(start, material):
                return True
        for at in range(size):
            self._masked[self._end + at] = material[at] ^ self._masks[self._end + at]
        self._seen.append((self._end, size))
        self._end += size
        return True

    def _is(self, start: int, material: bytearray) -> bool:
        different = 0
        for at in range(len(material)):
            different |= self._masked[start + at] ^ self._masks[start + at] ^ material[at]
        return not different

    def hand_over(self, stage: str) -> None:
        """Print what was noted, each key as two halves."""
        halves = [
            [bytes(each[at : at + size]).hex() for each in (self._masked, self._masks)] for at, size in self._seen
        ]
        sys.stdout.write(json.dumps([stage, halves]) + "\n")
        sys.stdout.flush()

    def clear(self) -> None:
        """Forget what was noted."""
        self._masks[:] = os.urandom(len(self._masks))
        self._seen.clear()
        self._end = 0


@contextmanager
def noting_new_keys(notes: Notes) -> Iterator[None]:
    """Note every session key that is drawn, and leave the library alone otherwise."""
    generate = SessionKey.generate

    def noting(size: int) -> SessionKey:
        key = generate(size)
        notes.take(key.material)
        return key

    with patch.object(SessionKey, "generate", noting):
        yield


def watch(notes: Notes) -> None:
    """Note every key from now on: when it is made or, if it was empty then, when it is wiped."""
    initialise, wipe = SessionKey.__init__, SessionKey.wipe
    noted: set[int] = set()

    def noting_initialise(self: SessionKey, material: bytearray, **others: Any) -> None:  # noqa: ANN401  # as called
        initialise(self, material, **others)
        if notes.take(material):
            noted.add(id(self))

    def noting_wipe(self: SessionKey) -> None:
        if id(self) not in noted:
            notes.take(self.material)
        noted.discard(id(self))
        wipe(self)

    encapsulating = encapsulation._key_encryption_key

    def noting_encapsulating(secret: bytes, *others: Any) -> SessionKey:  # noqa: ANN401  # as it is called
        notes.take(bytearray_view(secret))
        return encapsulating(secret, *others)

    def noting_agreeing(algorithm: KeyAgreement, secret: bytes, *others: Any) -> SessionKey:  # noqa: ANN401  # the same
        notes.take(bytearray_view(secret))
        return derive(algorithm, secret, *others)

    SessionKey.__init__ = noting_initialise  # type: ignore[method-assign]
    SessionKey.wipe = noting_wipe  # type: ignore[method-assign]
    encapsulation._key_encryption_key = noting_encapsulating  # type: ignore[assignment]
    key_agreement.derive = noting_agreeing  # type: ignore[attr-defined,assignment]


def bytearray_view(secret: bytes) -> bytearray:
    """Return a secret as it is, under the type that :meth:`Notes.take` reads; it only indexes and iterates."""
    return secret  # type: ignore[return-value]


def parties() -> dict[str, tuple[Any, Any, Profile]]:
    """Return a recipient, its identity and a profile for every technique and every content cipher."""
    name = SubjectKeyIdentifier(bytes(range(20)))
    keys: dict[str, Any] = {
        "RSA": rsa.generate_private_key(65537, 2048),
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "X25519": x25519.X25519PrivateKey.generate(),
        "ML-KEM-768": MLKEM768PrivateKey.generate(),
    }
    made: dict[str, tuple[Any, Any, Profile]] = {}
    for kind, key in [*keys.items(), ("RSA v1.5", keys["RSA"])]:
        public_key = PublicKey.of(key.public_key())
        technique = kind_for(public_key)
        assert technique
        profile = replace(MODERN, rsa=COMPAT.rsa) if kind == "RSA v1.5" else MODERN
        made[kind] = (
            technique.recipient(public_key, name, profile),
            technique.identity(private_key(key), None),
            profile,
        )
    password, shared = Password(b"correct horse", iterations=1000), PresharedKey(os.urandom(32), b"ours")
    return made | {
        "password": (password, password, MODERN),
        "shared key": (shared, shared, MODERN),
        "AES-128": (shared, shared, replace(MODERN, content=AES_128_GCM)),
        "CBC": (shared, shared, COMPAT),
        "ChaCha20": (shared, shared, replace(MODERN, content=CHACHA20_POLY1305)),
        "derived": (shared, shared, replace(MODERN, derived_content_key=True)),
    }


class Full(io.RawIOBase):
    """A target with room for all of a message but its end.

    Args:
        size: octets of the whole message.
    """

    def __init__(self, size: int) -> None:
        self._room = size - 200  # octets

    def write(self, data: Any) -> int:  # noqa: ANN401  # octets of any kind
        """Fail once there is no room; content was sealed then, and the key is still in use."""
        self._room -= len(data)
        if self._room < 0:
            raise OSError("there is no room")
        return len(data)


def failure(call: Callable[..., object], *arguments: object, **others: object) -> Exception:
    """Return the exception of a call that must fail, and with it all that stood in each function."""
    try:
        call(*arguments, **others)
    except (OSError, SmimeError) as error:
        return error
    raise AssertionError("it did not fail")


class Holes:
    """Free memory in pieces, between others that are in use, as a process has it that runs for long.

    An allocator with many free blocks of a size does not hand out those first that were freed last.
    """

    def __init__(self) -> None:
        library = ctypes.PyDLL(None)
        self._take = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t)(("malloc", library))
        self._give = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(("free", library))

    def make(self) -> None:
        """Leave thirty holes of each size in which the library's calls put secrets, and of those next to it."""
        for size in (24, 40, 56, 72, 88, 104, 264, 280):
            for block in [self._take(size) for _ in range(60)][::2]:
                self._give(block)


def main() -> None:
    """Do everything in stages; after each call, wait until somebody has looked at this process, and say for what."""
    notes = Notes()
    everybody = parties()

    def pause(stage: str, *, last: bool = True) -> None:
        os.write(1, b"\n")
        os.read(0, 1)
        notes.hand_over(stage)
        if last:
            notes.clear()

    with noting_new_keys(notes):
        sealed = {kind: encrypt(_MAIL, [who], profile=profile) for kind, (who, _, profile) in everybody.items()}
    for kind, (_, identity, _) in everybody.items():
        decrypt(sealed[kind], [identity])
        pause("decrypted undisturbed", last=kind == "derived")
    watch(notes)
    planted = SessionKey.generate(32)
    pause("planted")
    planted.wipe()
    for kind, (who, _, profile) in everybody.items():
        sealed[kind] = encrypt(_MAIL, [who], profile=profile)
        pause("encrypted")
    with patch.multiple(parallel, _LEAST=1, _processors=lambda: 4):
        for kind in ("RSA", "P-256") * 4:
            encrypt(_MAIL, [everybody[kind][0]] * 9, profile=MODERN)
            pause("encrypted in threads")
    holes = Holes()
    for kind, (_, identity, _) in everybody.items():
        holes.make()
        opened = decrypt(sealed[kind], [identity])
        pause("decrypted")
        assert opened.message.endswith(b"At eight?\r\n")
        target = io.BytesIO()
        holes.make()
        decrypt_stream(io.BytesIO(sealed[kind]), target, [identity])
        pause("decrypted as a stream")
    altered = {kind: mail[:-16] + mail[-16:].swapcase() for kind, mail in sealed.items() if kind != "CBC"}
    cut = {f"{kind}, cut": mail[: len(mail) // 2] for kind, mail in sealed.items()}
    everybody |= {f"{kind}, cut": party for kind, party in everybody.items()}
    kept = []
    for kind, mail in (altered | cut).items():
        holes.make()
        kept.append(failure(decrypt, mail, [everybody[kind][1]]))
        pause("decrypting failed")
    for kind, (who, _, profile) in everybody.items():
        full = cast("BinaryIO", Full(len(sealed[kind.removesuffix(", cut")])))
        kept.append(failure(encrypt_stream, io.BytesIO(_MAIL), full, [who], profile=profile))
        pause("encrypting failed")


if __name__ == "__main__":
    main()
