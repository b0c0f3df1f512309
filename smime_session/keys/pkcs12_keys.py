"""Keys that PKCS#12 makes of passphrases in its own way (RFC 7292, B)."""

from __future__ import annotations

import hashlib
from functools import partial

from smime_session.memory import erase
from smime_session.session_key import SessionKey


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
