"""How RSA pads what it encrypts, as the cryptography library has it: for a sender and for a private key."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

if TYPE_CHECKING:
    from smime_session.algorithms import HashName, KeyTransport


@lru_cache(maxsize=16)  # 4 us for each certificate of a whole company; a label comes from a message
def encryption_padding(algorithm: KeyTransport) -> padding.AsymmetricPadding:
    """Return the padding of RSAES-OAEP or RSAES-PKCS1-v1_5."""
    if algorithm.hash is None or algorithm.mgf_hash is None:
        return padding.PKCS1v15()
    return padding.OAEP(padding.MGF1(_hash(algorithm.mgf_hash)), _hash(algorithm.hash), algorithm.label or None)


def _hash(name: HashName) -> hashes.HashAlgorithm:
    found: hashes.HashAlgorithm = getattr(hashes, name.replace("-", ""))()
    return found
