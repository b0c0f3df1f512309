"""Checking a signature with a public key; and hash functions as the cryptography library has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes  # hashlib would load a second OpenSSL
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa, utils

from smime_session.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smime_session.algorithms import DigestName, SignatureAlgorithm
    from smime_session.certificates.public_key import PublicKey

_SHAKE_SIZE: Final = 64  # octets of the output of SHAKE256 (RFC 8419, 3.1)

HASHES: Final[dict[DigestName, Callable[[], hashes.HashAlgorithm]]] = {
    "MD5": hashes.MD5,
    "SHA-1": hashes.SHA1,
    "SHA-224": hashes.SHA224,
    "SHA-256": hashes.SHA256,
    "SHA-384": hashes.SHA384,
    "SHA-512": hashes.SHA512,
    "SHAKE256": lambda: hashes.SHAKE256(_SHAKE_SIZE),
}
"""Hash functions by name."""


def new_digest(name: DigestName) -> hashes.Hash:
    """Begin to hash."""
    return hashes.Hash(HASHES[name]())


def pss_padding(algorithm: SignatureAlgorithm) -> padding.PSS:
    """Return the padding of RSASSA-PSS (RFC 4055, 3.1); without other wishes, the salt is as long as the hash."""
    digest = HASHES[algorithm.hash or "SHA-256"]()
    mask = padding.MGF1(HASHES[algorithm.mgf_hash]() if algorithm.mgf_hash else digest)
    return padding.PSS(mask, digest.digest_size if algorithm.salt_size is None else algorithm.salt_size)


def is_signed_by(
    key: PublicKey, signature: bytes, data: bytes, algorithm: SignatureAlgorithm, *, hashed: bool = False
) -> bool:
    """Tell whether ``key`` made a signature of ``data``.

    Args:
        key: the public key.
        signature: the signature; that of ECDSA in DER.
        data: what is signed.
        algorithm: how; a key of another kind made no such signature.
        hashed: whether ``data`` is the hash of what is signed, for schemes that hash it themselves.

    Raises:
        CredentialError: the key is broken, or of a kind that is not supported.
    """
    loaded = key.loaded()
    digest: hashes.HashAlgorithm | utils.Prehashed | None = None
    if algorithm.hash is not None:
        digest = HASHES[algorithm.hash]()
        digest = utils.Prehashed(digest) if hashed else digest
    try:
        match loaded:
            case rsa.RSAPublicKey() if digest and algorithm.scheme == "RSASSA-PKCS1-v1_5":
                loaded.verify(signature, data, padding.PKCS1v15(), digest)
            case rsa.RSAPublicKey() if digest and algorithm.scheme == "RSASSA-PSS":
                loaded.verify(signature, data, pss_padding(algorithm), digest)
            case ec.EllipticCurvePublicKey() if digest and algorithm.scheme == "ECDSA":
                loaded.verify(signature, data, ec.ECDSA(digest))
            case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey() if algorithm.scheme == "EdDSA" and not hashed:
                loaded.verify(signature, data)
            case mldsa.MLDSA44PublicKey() | mldsa.MLDSA65PublicKey() | mldsa.MLDSA87PublicKey() if (
                algorithm.scheme == "ML-DSA" and not hashed
            ):
                loaded.verify(signature, data)
            case _:
                return False
    except (InvalidSignature, ValueError, TypeError):  # the latter two for a salt or a hash that does not fit the key
        return False
    except UnsupportedAlgorithm as error:
        raise CredentialError(f"signatures with {algorithm.name} are not supported") from error
    return True
