"""Derive a key-encryption key from the secret that two keys agree on."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from smime_session.memory import erase
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from smime_session.algorithms import KeyAgreement


def derive(algorithm: KeyAgreement, secret: bytes | bytearray, info: bytes, salt: bytes, size: int) -> SessionKey:
    """Derive a key as the algorithm says: with X9.63's function (RFC 8418, 2.1) or HKDF (RFC 8418, 2.2; RFC 5869).

    ``hashlib`` and ``hmac`` take a third of the time of the cryptography library's objects.

    Args:
        algorithm: names the function and its hash.
        secret: what the keys agree on.
        info: the encoded ECC-CMS-SharedInfo.
        salt: HKDF's salt, empty for none.
        size: octets of key.

    Returns:
        The key, to be wiped after its use like a session key.
    """
    name = algorithm.hash.replace("-", "").lower()
    whole = _hkdf(name, secret, info, salt, size) if algorithm.kdf == "HKDF" else _x963(name, secret, info, size)
    if len(whole) == size:
        return whole
    with whole:
        return SessionKey(whole.material[:size])


def _x963(name: str, secret: bytes | bytearray, info: bytes, size: int) -> SessionKey:
    """Return as many whole blocks as it takes for ``size`` octets (SEC 1, 3.6.1)."""
    width = hashlib.new(name).digest_size
    made = SessionKey(bytearray(-(-size // width) * width))
    for count, at in enumerate(range(0, size, width), start=1):
        function = hashlib.new(name, secret)
        function.update(count.to_bytes(4, "big") + info)
        _move(function.digest(), made, at)
    return made


def _hkdf(name: str, secret: bytes | bytearray, info: bytes, salt: bytes, size: int) -> SessionKey:
    """Return as many whole blocks as it takes for ``size`` octets (RFC 5869, 2)."""
    with SessionKey.adopt(hmac.digest(salt, secret, name)) as pseudorandom:  # no salt is the same as one of zeros
        width = len(pseudorandom)
        made = SessionKey(bytearray(-(-size // width) * width))
        for count, at in enumerate(range(0, size, width), start=1):
            before = memoryview(made.material)[max(at - width, 0) : at]
            message = bytearray().join((before, info, bytes((count,))))
            _move(hmac.digest(pseudorandom.material, message, name), made, at)
            message[: len(before)] = bytes(len(before))  # the rest is public
    return made


def _move(block: bytes, made: SessionKey, at: int) -> None:
    """Move a block to its place in ``made``."""
    made.material[at : at + len(block)] = block
    erase(block)
