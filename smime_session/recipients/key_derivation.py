"""Derive a key-encryption key from the secret that two keys agree on."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smime_session.algorithms import KeyAgreement


def derive(algorithm: KeyAgreement, secret: bytes, info: bytes, salt: bytes, size: int) -> bytes:
    """Derive a key as the algorithm says: with X9.63's function (RFC 8418, 2.1) or HKDF (RFC 8418, 2.2; RFC 5869).

    ``hashlib`` and ``hmac`` take a third of the time of the cryptography library's objects.

    Args:
        algorithm: names the function and its hash.
        secret: what the keys agree on.
        info: the encoded ECC-CMS-SharedInfo.
        salt: HKDF's salt, empty for none.
        size: octets of key.
    """
    name = algorithm.hash.replace("-", "").lower()
    if algorithm.kdf == "HKDF":
        pseudorandom = hmac.digest(salt, secret, name)  # to HMAC no salt is the same as one of zeros
        key = block = hmac.digest(pseudorandom, info + b"\x01", name)
        for count in range(2, -(-size // len(block)) + 1):
            block = hmac.digest(pseudorandom, block + info + bytes((count,)), name)
            key += block
        return key[:size]
    key = b""
    for count in range(1, -(-size // hashlib.new(name).digest_size) + 1):
        key += hashlib.new(name, b"".join((secret, count.to_bytes(4, "big"), info))).digest()
    return key[:size]
