"""A key with its certificate as the older programs want to import it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

if TYPE_CHECKING:
    from benchmarks.fixtures import Group

PASSPHRASE: Final = b"benchmarks"
"""Of what is imported; it protects keys that live for some minutes."""


def locked(group: Group) -> bytes:
    """Return the first recipient's key and certificate as PKCS#12.

    It is locked with 3DES and SHA-1: gpgsm 2.2 reads nothing newer.
    """
    key = group.keys.private(0)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the programs that import PKCS#12 are measured with RSA keys")
    lock = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2048)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303  # what the format had when gpgsm 2.2 was written
        .build(PASSPHRASE)
    )
    return pkcs12.serialize_key_and_certificates(b"recipient0", key, group.certificates[0], None, lock)
