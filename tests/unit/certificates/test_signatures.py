"""Signatures of every kind are checked, and one of another key, of other data or made in another way is none."""

from __future__ import annotations

import pytest

from smime_session.algorithms import SignatureAlgorithm
from smime_session.certificates.public_key import PublicKey
from smime_session.certificates.signatures import is_signed_by, new_digest
from smime_session.errors import CredentialError
from smime_session.keys.software import private_key
from smime_session.operations.signer import default_algorithm
from tests.support.signing import KEYS, signing_key

PSS = SignatureAlgorithm("RSASSA-PSS", "SHA-384", "SHA-256", 20)


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_signature(kind: str) -> None:
    """What a key signs is its signature, of these octets alone."""
    key = private_key(signing_key(kind))
    algorithm = default_algorithm(key.public_key)
    signature = key.sign(b"data", algorithm)
    assert is_signed_by(key.public_key, signature, b"data", algorithm)
    assert not is_signed_by(key.public_key, signature, b"Data", algorithm)
    assert not is_signed_by(key.public_key, signature[:-1] + bytes((signature[-1] ^ 1,)), b"data", algorithm)
    other = PublicKey.of(signing_key(kind, "bob").public_key())
    assert not is_signed_by(other, signature, b"data", algorithm)


def test_a_way_to_sign_belongs_to_a_kind_of_key() -> None:
    """A signature that is said to be made in a way that its key does not sign in is none."""
    keys = {kind: private_key(signing_key(kind)) for kind in ("RSA", "P-256", "Ed25519", "ML-DSA-44")}
    ways = {kind: default_algorithm(key.public_key) for kind, key in keys.items()}
    for kind, key in keys.items():
        signature = key.sign(b"data", ways[kind])
        for other, way in ways.items():
            assert is_signed_by(key.public_key, signature, b"data", way) is (other == kind)


def test_parameters_of_pss_count() -> None:
    """Mask generation and salt are what the message says, and no others."""
    key = private_key(signing_key("RSA"))
    signature = key.sign(b"data", PSS)
    assert is_signed_by(key.public_key, signature, b"data", PSS)
    for other in (PSS._replace(mgf_hash=None), PSS._replace(salt_size=21), PSS._replace(hash="SHA-256")):
        assert not is_signed_by(key.public_key, signature, b"data", other)
    assert not is_signed_by(key.public_key, signature, b"data", PSS._replace(salt_size=500))


@pytest.mark.parametrize("kind", ["RSA", "P-384"])
def test_hashed_before(kind: str) -> None:
    """Where the hash is at hand, the data need not be."""
    key = private_key(signing_key(kind))
    algorithm = default_algorithm(key.public_key)
    assert algorithm.hash
    digest = new_digest(algorithm.hash)
    digest.update(b"data")
    hashed = digest.finalize()
    assert is_signed_by(key.public_key, key.sign(b"data", algorithm), hashed, algorithm, hashed=True)
    assert not is_signed_by(key.public_key, key.sign(b"data", algorithm), hashed[:-1], algorithm, hashed=True)


@pytest.mark.parametrize("kind", ["Ed25519", "ML-DSA-65"])
def test_some_schemes_hash_themselves(kind: str) -> None:
    """What signs data whole has no signature of a hash."""
    key = private_key(signing_key(kind))
    algorithm = default_algorithm(key.public_key)
    assert not is_signed_by(key.public_key, key.sign(b"data", algorithm), b"data", algorithm, hashed=True)


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_signs_in_its_ways_alone(kind: str) -> None:
    """Asked for another way, a private key refuses by name."""
    key = private_key(signing_key(kind))
    way = SignatureAlgorithm("ML-DSA") if not kind.startswith("ML-DSA") else SignatureAlgorithm("ECDSA", "SHA-256")
    with pytest.raises(CredentialError, match="does not sign with"):
        key.sign(b"data", way)
