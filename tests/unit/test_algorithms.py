"""The table of algorithms agrees with itself and with what others call them."""

from __future__ import annotations

from collections import Counter

import pytest
from asn1crypto import algos, cms

from smime_session import algorithms
from smime_session.algorithms import (
    CONTENT_ENCRYPTION,
    HASH_OIDS,
    HASHES,
    OTHER_NAMES,
    PRF_OIDS,
    PRFS,
    ContentEncryption,
    name_of,
)

THEIR_NAMES = {
    "AES-128-GCM": "aes128_gcm",
    "AES-192-GCM": "aes192_gcm",
    "AES-256-GCM": "aes256_gcm",
    "AES-128-CBC": "aes128_cbc",
    "AES-192-CBC": "aes192_cbc",
    "AES-256-CBC": "aes256_cbc",
    "DES-EDE3-CBC": "tripledes_3key",
    "RC2-CBC": "rc2",
    "ChaCha20-Poly1305": "1.2.840.113549.1.9.16.3.18",  # RFC 8103, 3; asn1crypto does not know it
}
EVERY_ALGORITHM = pytest.mark.parametrize("algorithm", CONTENT_ENCRYPTION.values(), ids=lambda each: each.name)


@EVERY_ALGORITHM
def test_content_encryption_is_what_asn1crypto_knows(algorithm: ContentEncryption) -> None:
    """An object identifier means the same to asn1crypto, down to an AES key's size."""
    name = algos.EncryptionAlgorithmId.map(algorithm.oid)
    assert name == THEIR_NAMES[algorithm.name]
    if algorithm.cipher == "AES":
        assert algorithm.key_size * 8 == int(name[3:6])


@EVERY_ALGORITHM
def test_an_algorithm_authenticates_or_pads(algorithm: ContentEncryption) -> None:
    """CBC pads to its block, whose size is its vector's, and proves nothing; all others have a tag and a nonce."""
    sizes = (algorithm.nonce_size, algorithm.tag_size, algorithm.block_size)
    if algorithm.mode == "cbc":
        assert not algorithm.authenticated
        assert sizes == (algorithm.block_size, 0, {"AES": 16, "TripleDES": 8, "RC2": 8}[algorithm.cipher])
    else:
        assert algorithm.authenticated
        assert sizes == (12, 16, 1)


@EVERY_ALGORITHM
def test_only_broken_ciphers_are_legacy(algorithm: ContentEncryption) -> None:
    """What is only read when asked for is what has blocks of 64 bits."""
    assert algorithm.legacy == (algorithm.block_size == 8)


def test_hashes_are_what_asn1crypto_knows() -> None:
    """A hash function's object identifier means the same to asn1crypto, and the two tables mirror each other."""
    for oid, name in HASHES.items():
        assert algos.DigestAlgorithmId.map(oid) == name.replace("-", "").lower()
        assert HASH_OIDS[name] == oid
    assert len(HASH_OIDS) == len(HASHES)


def test_prfs_are_what_asn1crypto_knows() -> None:
    """An HMAC's object identifier means the same to asn1crypto; the name that is written is RFC 8018's."""
    for oid, name in PRFS.items():
        if oid != "1.3.6.1.5.5.8.1.2":  # which asn1crypto does not know
            assert algos.HmacAlgorithmId.map(oid) == name.replace("-", "").lower()
            assert PRF_OIDS[name] == oid
    assert len(PRF_OIDS) == len(PRFS) - 1


def test_content_types_are_what_asn1crypto_knows() -> None:
    """A content type's object identifier means the same to asn1crypto."""
    theirs = {
        algorithms.DATA: "data",
        algorithms.SIGNED_DATA: "signed_data",
        algorithms.ENVELOPED_DATA: "enveloped_data",
        algorithms.AUTH_ENVELOPED_DATA: "authenticated_enveloped_data",
    }
    for oid, name in theirs.items():
        assert cms.ContentType.map(oid) == name


def test_no_name_is_given_twice() -> None:
    """What is spoken and what is only named have no object identifier in common, and no two the same name."""
    spoken = {algorithm.oid: algorithm.name for algorithm in CONTENT_ENCRYPTION.values()}
    assert spoken.keys().isdisjoint(OTHER_NAMES)
    names = Counter([*spoken.values(), *OTHER_NAMES.values(), *HASHES.values(), *algorithms.CONTENT_TYPES.values()])
    assert names.most_common(1)[0][1] == 1


@pytest.mark.parametrize(
    ("oid", "name"),
    [
        ("2.16.840.1.101.3.4.1.46", "AES-256-GCM"),
        ("1.2.840.113549.1.1.1", "RSAES-PKCS1-v1_5"),
        ("1.2.840.113549.1.1.7", "RSAES-OAEP"),
        ("1.2.840.113549.3.7", "DES-EDE3-CBC"),
        ("2.16.840.1.101.3.4.2.1", "SHA-256"),
        ("1.2.840.113549.1.7.1", "data"),
        ("1.2.3.4", None),
    ],
)
def test_names_of_everything(oid: str, name: str | None) -> None:
    """Whatever has a name here is found by its object identifier, of whatever kind it is."""
    assert name_of(oid) == name


def test_key_transport_is_named_with_its_hashes() -> None:
    """OAEP's name tells the hash functions apart where they differ."""
    assert algorithms.RSAES_PKCS1_V1_5.name == "RSAES-PKCS1-v1_5"
    assert algorithms.RSAES_OAEP_SHA256.name == "RSAES-OAEP with SHA-256"
    assert algorithms.KeyTransport("SHA-256", "SHA-1").name == "RSAES-OAEP with SHA-256, MGF1 with SHA-1"
    assert algorithms.RSAES_PKCS1_V1_5.oid != algorithms.RSAES_OAEP_SHA1.oid
