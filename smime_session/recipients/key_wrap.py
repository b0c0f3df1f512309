"""Decrypt a session key that is wrapped with a key-encryption key: AES (RFC 3394) and Triple-DES (RFC 3217)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from smime_session.algorithms import TRIPLE_DES_WRAP
from smime_session.errors import LimitError, MalformedError
from smime_session.memory import lent, overwriting_freed
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE
from smime_session.session_key import Proof, SessionKey

if TYPE_CHECKING:
    from smime_session.algorithms import KeyWrap

_VECTOR: Final = bytes.fromhex("4adda22c79e82105")  # RFC 3217, 3.1
_BLOCK: Final = 8  # bytes of Triple-DES
_CHECKSUM: Final = 8  # bytes: RFC 3217, 2
_TRIPLE_DES_WRAPPED: Final = 40  # bytes: RFC 3217, 3.1
_AES_BLOCK: Final = 8  # bytes: RFC 3394, 2
_MIN_AES_WRAPPED: Final = 3 * _AES_BLOCK  # bytes: two blocks of key and a third to check them (RFC 3394, 2.2.1)


def check_size(encrypted: bytes, wrap: KeyWrap) -> None:
    """Check what anybody can see of an encrypted key: its size.

    Raises:
        LimitError: it is larger than any.
        MalformedError: ``wrap`` makes none of its size.
    """
    size = len(encrypted)
    if size > MAX_ENCRYPTED_KEY_SIZE:
        raise LimitError("the size of an encrypted key", MAX_ENCRYPTED_KEY_SIZE, "bytes")
    if wrap == TRIPLE_DES_WRAP:
        sound = size == _TRIPLE_DES_WRAPPED
    else:
        sound = size >= _MIN_AES_WRAPPED and size % _AES_BLOCK == 0
    if not sound:
        raise MalformedError(f"an encrypted key of {size} bytes is none that {wrap.name} makes")


def unwrap(wrap: KeyWrap, key: bytearray, encrypted: bytes, size: int) -> SessionKey | None:
    """Decrypt a session key of ``size`` bytes; None if ``key`` is not the one that it was encrypted with.

    Args:
        wrap: how it was encrypted.
        key: the key-encryption key, of the size that ``wrap`` has.
        encrypted: the result, of a size that ``wrap`` makes.
        size: bytes of the session key; another one inside is as good as none.
    """
    opened = (_unwrap_triple_des if wrap == TRIPLE_DES_WRAP else _unwrap_aes)(key, encrypted)
    if opened is None or len(opened) == size:
        return opened
    opened.wipe()
    return None


def _unwrap_aes(key: bytearray, encrypted: bytes) -> SessionKey | None:
    with overwriting_freed(len(encrypted)):
        try:
            return SessionKey.adopt(aes_key_unwrap(key, encrypted), proof=Proof.CHECKED)
        except InvalidUnwrap:
            return None


def _unwrap_triple_des(key: bytearray, encrypted: bytes) -> SessionKey | None:
    """Undo a Triple-DES key wrap, its checksum compared in constant time (RFC 3217, 3.2)."""
    turned = _decrypt(key, _VECTOR, encrypted)
    turned.reverse()
    with SessionKey(_decrypt(key, turned[:_BLOCK], turned[_BLOCK:])) as opened:
        material = SessionKey(opened.material[:-_CHECKSUM], proof=Proof.CHECKED)
        expected = hashlib.sha1(material.material, usedforsecurity=False).digest()[:_CHECKSUM]
        if hmac.compare_digest(opened.material[-_CHECKSUM:], expected):
            return material
        material.wipe()
        return None


def _decrypt(key: bytearray, vector: bytes | bytearray, data: bytes | bytearray) -> bytearray:
    with lent(key) as octets:
        decryptor = Cipher(TripleDES(octets), CBC(bytes(vector))).decryptor()
    with SessionKey(bytearray(len(data) + _BLOCK)) as buffer:
        decryptor.update_into(data, buffer.material)
        return buffer.material[: len(data)]
