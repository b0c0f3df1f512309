"""Encrypt and decrypt, then search this process's own memory for the keys; prints how many copies it found.

Whoever looks for a key must not keep it: keys are noted XORed with a mask, octet by octet, and are
never whole again. Only runs on Linux, in a process of its own.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

from smime_session import COMPAT, MODERN, Password, PresharedKey, SmimeError, decrypt, encrypt, encrypt_stream
from smime_session.algorithms import AES_128_GCM, CHACHA20_POLY1305
from smime_session.cms.values import SubjectKeyIdentifier
from smime_session.keys.software import private_key
from smime_session.recipients import ecdh as key_agreement
from smime_session.recipients import kem as encapsulation
from smime_session.recipients.key_derivation import derive
from smime_session.recipients.registry import technique_for
from smime_session.session_key import SessionKey
from smime_session.streams import parallel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from smime_session import Profile
    from smime_session.algorithms import KeyAgreement

COPY: Final = 16
"""Octets in a row that count as a copy: what an allocator's bookkeeping leaves of 32 that were freed."""

_STEP: Final = 8  # octets from one such row to the next: allocators keep to multiples of it
_NEEDLE: Final = 4  # octets of a row that are whole while it is searched for
_BLOCK: Final = 1 << 20
_MAIL: Final = b"Subject: Friday\r\n\r\nAt eight?\r\n" * 20


class Notes:
    """Keys that were seen, none of them whole; all memory for them is taken beforehand."""

    def __init__(self) -> None:
        self._masks = memoryview(bytearray(os.urandom(1 << 16)))
        self._masked = memoryview(bytearray(1 << 16))
        self._seen: list[tuple[int, int]] = []
        self._end = 0

    def take(self, material: bytearray) -> None:
        """Note a key, once."""
        size = len(material)
        if (
            size < COPY
            or not any(material)
            or any(self._is(start, material) for start, known in self._seen if known == size)
        ):
            return
        for at in range(size):
            self._masked[self._end + at] = material[at] ^ self._masks[self._end + at]
        self._seen.append((self._end, size))
        self._end += size

    def clear(self) -> None:
        """Forget all."""
        self._seen.clear()
        self._end = 0

    def __len__(self) -> int:
        return len(self._seen)

    def _is(self, start: int, material: bytearray) -> bool:
        return all(self._octet(start + at) == octet for at, octet in enumerate(material))

    def _octet(self, at: int) -> int:
        return self._masked[at] ^ self._masks[at]

    def rows(self) -> Iterator[int]:
        """Yield where each row begins; one of zeros says nothing."""
        for start, size in self._seen:
            for at in range(start, start + size - COPY + 1, _STEP):
                if any(self._octet(at + offset) for offset in range(COPY)):
                    yield at

    def count(self, row: int, buffer: bytearray, size: int) -> int:
        """Return how often a row stands in the first ``size`` octets of ``buffer``."""
        needle = bytes(self._octet(row + offset) for offset in range(_NEEDLE))
        found, at = 0, -1
        while (at := buffer.find(needle, at + 1, size)) >= 0:
            found += all(
                at + offset < size and buffer[at + offset] == self._octet(row + offset) for offset in range(COPY)
            )
        return found


def writable() -> list[tuple[int, int]]:
    """Return the addresses of all memory that can be written."""
    columns = [line.split() for line in Path("/proc/self/maps").read_text(encoding="ascii").splitlines()]
    return [(int(low, 16), int(high, 16)) for low, high in (c[0].split("-") for c in columns if c[1].startswith("rw"))]


def copies(notes: Notes) -> int:
    """Count the rows of the noted keys in this process's memory."""
    found = 0
    buffer = bytearray(_BLOCK + COPY)
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    for low, high in writable():
        for start in range(low, high, _BLOCK):
            buffer[:] = bytes(len(buffer))  # what was read before must not be found in here
            with suppress(OSError):  # memory that belongs to a device
                size = os.preadv(memory, [memoryview(buffer)[: min(len(buffer), high - start)]], start)
                found += sum(notes.count(row, buffer, size) for row in notes.rows())
    os.close(memory)
    return found


def watch(notes: Notes) -> None:
    """Note every key from now on, when it is made and when it is wiped."""
    initialise, wipe = SessionKey.__init__, SessionKey.wipe

    def noting_initialise(self: SessionKey, material: bytearray, **others: Any) -> None:  # noqa: ANN401  # as called
        initialise(self, material, **others)
        notes.take(material)

    def noting_wipe(self: SessionKey) -> None:
        notes.take(self.material)
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
        technique = technique_for(key.public_key())
        assert technique
        profile = replace(MODERN, rsa=COMPAT.rsa) if kind == "RSA v1.5" else MODERN
        made[kind] = (
            technique.recipient(key.public_key(), name, profile),
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


def main() -> None:
    """Print the number of keys that were noted and of copies found, stage by stage."""
    notes = Notes()
    everybody = parties()
    watch(notes)
    report: dict[str, tuple[int, int]] = {}

    def tell(stage: str) -> None:
        report[stage] = len(notes), copies(notes)
        notes.clear()

    planted = SessionKey.generate(32)
    tell("planted")
    planted.wipe()
    sealed = {kind: encrypt(_MAIL, [who], profile=profile) for kind, (who, _, profile) in everybody.items()}
    tell("encrypted")
    with patch.multiple(parallel, _LEAST=1, _processors=lambda: 4):
        for kind in ("RSA", "P-256") * 4:
            encrypt(_MAIL, [everybody[kind][0]] * 9)
    tell("encrypted in threads")
    for kind, (_, identity, _) in everybody.items():
        assert decrypt(sealed[kind], [identity]).message.endswith(b"At eight?\r\n")
    tell("decrypted")
    altered = {kind: mail[:-16] + mail[-16:].swapcase() for kind, mail in sealed.items() if kind != "CBC"}
    cut = {f"{kind}, cut": mail[: len(mail) // 2] for kind, mail in sealed.items()}
    everybody |= {f"{kind}, cut": party for kind, party in everybody.items()}
    kept = [failure(decrypt, mail, [everybody[kind][1]]) for kind, mail in (altered | cut).items()]
    tell("decrypting failed")
    for kind, (who, _, profile) in everybody.items():
        full = cast("BinaryIO", Full(len(sealed[kind.removesuffix(", cut")])))
        kept.append(failure(encrypt_stream, io.BytesIO(_MAIL), full, [who], profile=profile))
    tell("encrypting failed")
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
