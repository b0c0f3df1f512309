"""Keys that are made of passwords and passphrases: PBKDF2 makes them (RFC 8018), and they encrypt in CBC mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from smime_session.memory import lent, overwriting_freed
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

    from smime_session.algorithms import ContentEncryption, HashName
    from smime_session.cms.pbkdf2 import Pbkdf2

SALT_SIZE: Final = 16  # octets: NIST SP 800-132, 5.1
PRF: Final[HashName] = "SHA-256"


def derive(password: bytearray, derivation: Pbkdf2, size: int) -> SessionKey:
    """Derive a key of ``size`` octets from a password with PBKDF2 (RFC 8018, 5.2), to be wiped like a session key."""
    prf: hashes.HashAlgorithm = getattr(hashes, derivation.prf.replace("-", ""))()
    made = bytearray(size)
    PBKDF2HMAC(prf, size, derivation.salt, derivation.iterations).derive_into(password, made)
    return SessionKey(made)


def decrypt_blocks(
    kek: SessionKey, cipher: ContentEncryption, vector: bytes | bytearray, octets: bytes | bytearray
) -> bytearray:
    """Decrypt whole blocks in CBC mode into memory that can be overwritten."""
    context = block_context(kek, cipher, vector, decrypt=True)
    with SessionKey(bytearray(len(octets) + cipher.block_size)) as buffer:
        size = len(buffer) + cipher.block_size  # of the block in which the library makes them first
        with overwriting_freed(size):
            context.update_into(octets, buffer.material)
        return buffer.material[: len(octets)]


def block_context(
    kek: SessionKey, cipher: ContentEncryption, vector: bytes | bytearray, *, decrypt: bool
) -> CipherContext:
    """Return what encrypts or decrypts whole blocks in CBC mode."""
    mode = modes.CBC(bytes(vector))
    if cipher.cipher == "AES":
        both = Cipher(algorithms.AES(kek.material), mode)
        return both.decryptor() if decrypt else both.encryptor()
    with lent(kek.material) as octets:
        both = Cipher(TripleDES(octets), mode)
        return both.decryptor() if decrypt else both.encryptor()
