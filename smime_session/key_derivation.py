"""Derive a key from a secret: from what two keys agree on, or from a session key (RFC 9709).

``hashlib`` and ``hmac`` take a third of the time of the cryptography library's objects, and what they
return can be overwritten; that library's HKDF leaves copies behind.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from smime_session.memory import erase
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from smime_session.algorithms import HashName, KeyAgreement


def derive(algorithm: KeyAgreement, secret: bytes | bytearray, info: bytes, salt: bytes, size: int) -> SessionKey:
    """Derive a key as the algorithm says: with X9.63's function (RFC 8418, 2.1) or HKDF (RFC 8418, 2.2).

    Args:
        algorithm: names the function and its hash.
        secret: what the keys agree on.
        info: the encoded ECC-CMS-SharedInfo.
        salt: HKDF's salt, empty for none.
        size: bytes of key.

    Returns:
        The key, to be wiped after its use like a session key.
    """
    if algorithm.kdf == "HKDF":
        return hkdf(algorithm.hash, secret, info, salt, size)
    return _x963(algorithm.hash, secret, info, size)


def hkdf(hash_name: HashName, secret: bytes | bytearray, info: bytes, salt: bytes, size: int) -> SessionKey:
    """Derive a key of ``size`` bytes with HKDF (RFC 5869), to be wiped after its use like a session key."""
    name = _hashlib_name(hash_name)
    with SessionKey.adopt(hmac.digest(salt, secret, name)) as pseudorandom:  # no salt is the same as one of zeros
        width = len(pseudorandom)
        made = SessionKey(bytearray(-(-size // width) * width))
        for count, at in enumerate(range(0, size, width), start=1):
            before = memoryview(made.material)[max(at - width, 0) : at]
            message = bytearray().join((before, info, bytes((count,))))
            _move(hmac.digest(pseudorandom.material, message, name), made, at)
            message[: len(before)] = bytes(len(before))  # the rest is public
    return _shortened(made, size)


def _x963(hash_name: HashName, secret: bytes | bytearray, info: bytes, size: int) -> SessionKey:
    """Derive a key with X9.63's function (SEC 1, 3.6.1)."""
    name = _hashlib_name(hash_name)
    width = hashlib.new(name).digest_size
    made = SessionKey(bytearray(-(-size // width) * width))
    for count, at in enumerate(range(0, size, width), start=1):
        function = hashlib.new(name, secret)
        function.update(count.to_bytes(4, "big") + info)
        _move(function.digest(), made, at)
    return _shortened(made, size)


def _hashlib_name(hash_name: HashName) -> str:
    return hash_name.replace("-", "").lower()


def _move(block: bytes, made: SessionKey, at: int) -> None:
    """Move a block to its place in ``made``."""
    made.material[at : at + len(block)] = block
    erase(block)


def _shortened(made: SessionKey, size: int) -> SessionKey:
    """Return the first ``size`` bytes of whole blocks."""
    if len(made) == size:
        return made
    with made:
        return SessionKey(made.material[:size])
