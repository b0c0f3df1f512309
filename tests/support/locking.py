"""Private keys in PKCS#8 and PKCS#12, in the clear and locked, made by hand as other programs make them."""

from __future__ import annotations

import hashlib
import hmac
from base64 import encodebytes
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7

from smime_session.algorithms import (
    AES_256_CBC,
    HASH_OIDS,
    ML_KEM_768,
    PBES2_OID,
    PBKDF2_OID,
    PBMAC1_OID,
    PRF_OIDS,
    ContentEncryption,
    HashName,
)
from smime_session.cms import asn1

if TYPE_CHECKING:
    from collections.abc import Sequence

ITERATIONS: Final = 3
SALT: Final = b"sixteen octets.."
_SCRYPT_OID: Final = "1.3.6.1.4.1.11591.4.11"
_BAGS: Final = "1.2.840.113549.1.12.10.1"


def sequence(*parts: bytes) -> bytes:
    """Encode a SEQUENCE."""
    return asn1.encode(asn1.SEQUENCE, *parts)


def octet_string(octets: bytes) -> bytes:
    """Encode an OCTET STRING."""
    return asn1.encode(asn1.OCTET_STRING, octets)


def algorithm(oid: str, *parameters: bytes) -> bytes:
    """Encode an AlgorithmIdentifier."""
    return sequence(asn1.object_identifier(oid), *parameters)


def pem_block(label: str, der: bytes) -> bytes:
    """Return a PEM block."""
    return f"-----BEGIN {label}-----\n{encodebytes(der).decode()}-----END {label}-----\n".encode()


def pkcs8(private_key: bytes, oid: str = ML_KEM_768.oid, more: bytes = b"") -> bytes:
    """Encode a PrivateKeyInfo (RFC 5958, 2)."""
    return sequence(asn1.integer(0), algorithm(oid), octet_string(private_key), more)


def _pbkdf2(prf: HashName, *size: bytes) -> bytes:
    function = b"" if prf == "SHA-1" else algorithm(PRF_OIDS[prf], asn1.NULL)  # RFC 8018, A.2: the default
    return algorithm(PBKDF2_OID, sequence(octet_string(SALT), asn1.integer(ITERATIONS), *size, function))


def _derived(passphrase: bytes, size: int, prf: HashName) -> bytes:
    return hashlib.pbkdf2_hmac(prf.replace("-", ""), passphrase, SALT, ITERATIONS, size)


def _scrypt() -> bytes:
    return algorithm(_SCRYPT_OID, sequence(octet_string(SALT), *map(asn1.integer, (2, 1, 1))))


def lock(
    made: bytes,
    passphrase: bytes,
    cipher: ContentEncryption = AES_256_CBC,
    prf: HashName = "SHA-256",
    *,
    scrypt: bool = False,
) -> tuple[bytes, bytes]:
    """Lock something with PBES2 (RFC 8018, 6.2): return the algorithm, encoded, and the ciphertext."""
    if scrypt:
        key = Scrypt(SALT, cipher.key_size, 2, 1, 1).derive(passphrase)
    else:
        key = _derived(passphrase, cipher.key_size, prf)
    vector = bytes(16)
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    sealed = encryptor.update(padder.update(made) + padder.finalize()) + encryptor.finalize()
    derivation = _scrypt() if scrypt else _pbkdf2(prf)
    return algorithm(PBES2_OID, sequence(derivation, algorithm(cipher.oid, octet_string(vector)))), sealed


def locked(
    made: bytes,
    passphrase: bytes,
    cipher: ContentEncryption = AES_256_CBC,
    prf: HashName = "SHA-256",
    *,
    scrypt: bool = False,
) -> bytes:
    """Lock a PrivateKeyInfo: encode an EncryptedPrivateKeyInfo (RFC 5958, 3)."""
    scheme, sealed = lock(made, passphrase, cipher, prf, scrypt=scrypt)
    return sequence(scheme, octet_string(sealed))


def content_info(oid: str, value: bytes) -> bytes:
    """Encode a ContentInfo, or what is built the same way."""
    return sequence(asn1.object_identifier(oid), asn1.encode(0xA0, value))


def bag(kind: int, value: bytes) -> bytes:
    """Encode a SafeBag with an attribute that nobody looks at (RFC 7292, 4.2)."""
    attribute = sequence(asn1.object_identifier("1.2.840.113549.1.9.21"), asn1.encode(asn1.SET, octet_string(b"1")))
    bag_id = asn1.object_identifier(f"{_BAGS}.{kind}")
    return sequence(bag_id, asn1.encode(0xA0, value), asn1.encode(asn1.SET, attribute))


def certificate_bag(der: bytes) -> bytes:
    """Encode a SafeBag with a certificate."""
    return bag(3, content_info("1.2.840.113549.1.9.22.1", octet_string(der)))


def plain_part(*bags: bytes) -> bytes:
    """Encode a part of the AuthenticatedSafe that is not locked itself."""
    return content_info("1.2.840.113549.1.7.1", octet_string(sequence(*bags)))


def locked_part(passphrase: bytes, *bags: bytes, parts: bool = False) -> bytes:
    """Encode a part of the AuthenticatedSafe that is EncryptedData; ``parts`` makes its OCTET STRING constructed."""
    scheme, sealed = lock(sequence(*bags), passphrase)
    octets = (
        asn1.encode(0xA0, octet_string(sealed[:5]), octet_string(sealed[5:])) if parts else asn1.encode(0x80, sealed)
    )
    content = sequence(asn1.object_identifier("1.2.840.113549.1.7.1"), scheme, octets)
    return content_info("1.2.840.113549.1.7.6", sequence(asn1.integer(0), content))


def pkcs12(parts: Sequence[bytes], mac: bytes | None, passphrase: bytes, hash_name: HashName = "SHA-256") -> bytes:
    """Encode a PFX (RFC 7292, 4).

    Args:
        parts: those of its AuthenticatedSafe.
        mac: ``b"old"`` for a MAC of RFC 7292, ``b"new"`` for PBMAC1 (RFC 9579), None for none.
        passphrase: makes the MAC's key.
        hash_name: of the MAC.
    """
    safe = sequence(*parts)
    mac_data = b""
    if mac:
        identifier, key = _mac_key(passphrase, hash_name) if mac == b"old" else _pbmac1_key(passphrase, hash_name)
        digest = hmac.digest(key, safe, hash_name.replace("-", "").lower())
        mac_data = sequence(sequence(identifier, octet_string(digest)), octet_string(SALT), asn1.integer(ITERATIONS))
    return sequence(asn1.integer(3), content_info("1.2.840.113549.1.7.1", octet_string(safe)), mac_data)


def _mac_key(passphrase: bytes, hash_name: HashName) -> tuple[bytes, bytes]:
    """Make a MAC's key by RFC 7292, B.2."""
    hashed = getattr(hashlib, hash_name.replace("-", "").lower())
    size = hashed().block_size
    text = passphrase.decode().encode("utf-16-be") + bytes(2)
    key = b"\x03" * size + (SALT * size)[:size]
    key += (text * size)[: -(-len(text) // size) * size]
    for _ in range(ITERATIONS):
        key = hashed(key).digest()
    return algorithm(HASH_OIDS[hash_name], asn1.NULL), key


def _pbmac1_key(passphrase: bytes, hash_name: HashName) -> tuple[bytes, bytes]:
    size = hashlib.new(hash_name.replace("-", "")).digest_size
    derivation = _pbkdf2(hash_name, asn1.integer(size))
    scheme = algorithm(PBMAC1_OID, sequence(derivation, algorithm(PRF_OIDS[hash_name], asn1.NULL)))
    return scheme, _derived(passphrase, size, hash_name)
