"""Decrypt a session key that is wrapped with a key-encryption key: AES (RFC 3394) and Triple-DES (RFC 3217)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from smime_session.algorithms import TRIPLE_DES_WRAP

if TYPE_CHECKING:
    from smime_session.algorithms import KeyWrap

_VECTOR: Final = bytes.fromhex("4adda22c79e82105")  # RFC 3217, 3.1
_BLOCK: Final = 8  # octets of Triple-DES
_CHECKSUM: Final = 8  # octets: RFC 3217, 2


def unwrap(wrap: KeyWrap, key: bytes | bytearray, encrypted: bytes) -> bytes | None:
    """Decrypt a session key, or return None if ``key`` is not the one that it was encrypted with.

    Args:
        wrap: how it was encrypted.
        key: the key-encryption key, of the size that ``wrap`` has.
        encrypted: the result, of a size that ``wrap`` makes.
    """
    if wrap == TRIPLE_DES_WRAP:
        return _unwrap_triple_des(bytes(key), encrypted)
    from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

    try:
        return aes_key_unwrap(key, encrypted)
    except InvalidUnwrap:
        return None


def _unwrap_triple_des(key: bytes, encrypted: bytes) -> bytes | None:
    """Undo a Triple-DES key wrap, its checksum compared in constant time (RFC 3217, 3.2)."""
    turned = _decrypt(key, _VECTOR, encrypted)[::-1]
    opened = _decrypt(key, turned[:_BLOCK], turned[_BLOCK:])
    material, checksum = opened[:-_CHECKSUM], opened[-_CHECKSUM:]
    expected = hashlib.sha1(material, usedforsecurity=False).digest()[:_CHECKSUM]
    return material if hmac.compare_digest(checksum, expected) else None


def _decrypt(key: bytes, vector: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    decryptor = Cipher(TripleDES(key), CBC(vector)).decryptor()
    return decryptor.update(data) + decryptor.finalize()
