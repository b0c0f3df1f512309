"""Keys that are made of passwords and passphrases: PBKDF2 makes them (RFC 8018), and they encrypt in CBC mode."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from smime_session.memory import erase, lent
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


def derive_pkcs12(  # noqa: PLR0913, PLR0917  # what the standard makes of it
    purpose: int, passphrase: bytes, salt: bytes, iterations: int, name: str, size: int
) -> SessionKey:
    """Derive ``size`` octets from a passphrase as PKCS#12 does (RFC 7292, B.2), to be wiped like a session key.

    Args:
        purpose: what they are for (RFC 7292, B.3): 1 for a key, 2 for an initialisation vector, 3 for a MAC.
        passphrase: the passphrase as a BMPString.
        salt: what makes them others than the next.
        iterations: how often the hash function is applied for each part as long as a hash.
        name: the hash function, as hashlib has it.
        size: how many.
    """
    hashed = getattr(hashlib, name, partial(hashlib.new, name))  # the former takes a third of the time
    block = hashed().block_size
    derived = SessionKey(bytearray())
    with SessionKey(bytearray(_repeated(salt, block) + _repeated(passphrase, block))) as text:
        while True:
            start = bytes((purpose,)) * block + text.material
            made = hashed(start).digest()
            erase(start)
            for _ in range(iterations - 1):
                made = hashed(made).digest()
            derived = _longer(derived, made)
            if len(derived) >= size:
                erase(made)
                break
            _step(text.material, made, block)
    with derived:
        return SessionKey(derived.material[:size])


def _step(text: bytearray, made: bytes, block: int) -> None:
    """Add what was made to each block of the text, for the next round."""
    step = int.from_bytes(_repeated(made, block)[:block], "big") + 1
    for at in range(0, len(text), block):
        number = (int.from_bytes(text[at : at + block], "big") + step) % (1 << 8 * block)
        text[at : at + block] = number.to_bytes(block, "big")


def _longer(key: SessionKey, more: bytes) -> SessionKey:
    """Return a key that goes on with ``more``, and wipe the one before."""
    with key:
        return SessionKey(key.material + more)


def _repeated(octets: bytes, block_size: int) -> bytes:
    """Return ``octets`` over and over until they fill blocks; none fill none."""
    size = -(-len(octets) // block_size) * block_size
    return (octets * (size // max(len(octets), 1) + 1))[:size]


def decrypt_blocks(
    kek: SessionKey, cipher: ContentEncryption, vector: bytes | bytearray, octets: bytes | bytearray
) -> bytearray:
    """Decrypt whole blocks in CBC mode into memory that can be overwritten."""
    context = block_context(kek, cipher, vector, decrypt=True)
    with SessionKey(bytearray(len(octets) + cipher.block_size)) as buffer:
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
