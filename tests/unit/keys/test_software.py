"""Private keys in memory: what each kind computes, what it refuses, and that it shows nothing of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mlkem, padding, rsa, x448, x25519

from smime_session.algorithms import CURVES, RSAES_OAEP_SHA256, RSAES_PKCS1_V1_5, KeyTransport, SignatureAlgorithm
from smime_session.errors import CredentialError, MalformedError
from smime_session.keys.software import RsaKey, private_key
from smime_session.recipients import curves
from tests.support.making import rsa_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from smime_session.keys.private_key import PrivateKey

KEYS: Final[dict[str, PrivateKeyTypes]] = {
    "RSA": rsa_key(),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "brainpoolP384r1": ec.generate_private_key(ec.BrainpoolP384R1()),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "X25519": x25519.X25519PrivateKey.generate(),
    "X448": x448.X448PrivateKey.generate(),
    "ML-KEM-768": mlkem.MLKEM768PrivateKey.generate(),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "Ed448": ed448.Ed448PrivateKey.generate(),
    "DSA": dsa.generate_private_key(2048),
}
OPERATIONS: Final[dict[str, Callable[[PrivateKey], object]]] = {
    "decrypt": lambda key: key.decrypt(bytes(256), RSAES_OAEP_SHA256),
    "decoys": lambda key: key.decoy_secret(),
    "exchange": lambda key: key.exchange(b""),
    "decapsulate": lambda key: key.decapsulate(bytes(1088)),
    "PKCS#1": lambda key: key.sign(b"data", SignatureAlgorithm("RSASSA-PKCS1-v1_5", "SHA-256")),
    "PSS": lambda key: key.sign(b"data", SignatureAlgorithm("RSASSA-PSS", "SHA-256")),
    "ECDSA": lambda key: key.sign(b"data", SignatureAlgorithm("ECDSA", "SHA-256")),
    "EdDSA": lambda key: key.sign(b"data", SignatureAlgorithm("EdDSA")),
}
_EC: Final = {"exchange", "ECDSA"}
DOES: Final = {
    "RSA": {"decrypt", "decoys", "PKCS#1", "PSS"},
    "P-256": _EC,
    "brainpoolP384r1": _EC,
    "secp256k1": _EC,
    "X25519": {"exchange"},
    "X448": {"exchange"},
    "ML-KEM-768": {"decapsulate"},
    "Ed25519": {"EdDSA"},
    "Ed448": {"EdDSA"},
    "DSA": set[str](),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", KEYS)
def test_each_kind_does_its_part(kind: str, operation: str) -> None:
    """What a kind of key does not do is refused by name; a point that is none is refused as the message's fault."""
    key = private_key(KEYS[kind])
    assert key.public_key.kind == kind
    assert repr(key).endswith(f"Key: {kind}>")
    if operation not in DOES[kind]:
        with pytest.raises(CredentialError, match=f"^a private key of kind {kind} does not "):
            OPERATIONS[operation](key)
    elif operation == "exchange":
        with pytest.raises(MalformedError, match=f"no point on {kind}"):
            OPERATIONS[operation](key)
    else:
        OPERATIONS[operation](key)


@pytest.mark.parametrize("hash_name", ["SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512"])
def test_signatures_are_verified_by_the_library(hash_name: str) -> None:
    """Each scheme with each hash function, and not over other data."""
    digest = getattr(hashes, hash_name.replace("-", ""))()
    rsa_public = rsa_key().public_key()
    elliptic = cast("ec.EllipticCurvePrivateKey", KEYS["P-256"])
    pss = padding.PSS(padding.MGF1(digest), digest.digest_size)  # as long as the hash, exactly
    verifying: dict[str, Callable[[bytes, bytes], object]] = {
        "RSASSA-PKCS1-v1_5": lambda signature, data: rsa_public.verify(signature, data, padding.PKCS1v15(), digest),
        "RSASSA-PSS": lambda signature, data: rsa_public.verify(signature, data, pss, digest),
        "ECDSA": lambda signature, data: elliptic.public_key().verify(signature, data, ec.ECDSA(digest)),
    }
    for scheme, verify in verifying.items():
        algorithm = SignatureAlgorithm(scheme, hash_name)  # type: ignore[arg-type]  # of the names above
        signature = private_key(elliptic if scheme == "ECDSA" else rsa_key()).sign(b"data", algorithm)
        verify(signature, b"data")
        with pytest.raises(InvalidSignature):
            verify(signature, b"other")


@pytest.mark.parametrize("kind", ["Ed25519", "Ed448"])
def test_eddsa_is_verified_by_the_library(kind: str) -> None:
    """It has its hash function inside."""
    key = cast("ed25519.Ed25519PrivateKey", KEYS[kind])
    signature = private_key(key).sign(b"data", SignatureAlgorithm("EdDSA"))
    key.public_key().verify(signature, b"data")
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, b"other")


def test_a_small_key_signs_with_no_large_hash() -> None:
    """An RSA key of 1,024 bits has no room for PSS with SHA-512."""
    with pytest.raises(CredentialError, match="too small to sign with SHA-512"):
        private_key(rsa_key(bits=1024)).sign(b"data", SignatureAlgorithm("RSASSA-PSS", "SHA-512"))


@pytest.mark.parametrize("kind", ["P-256", "brainpoolP384r1", "X25519", "X448"])
def test_two_keys_agree(kind: str) -> None:
    """Each makes the other's secret of a point."""
    one = private_key(KEYS[kind])
    with pytest.raises(MalformedError):
        one.exchange(bytes(57))
    made = curves.generate(next(curve for curve in CURVES.values() if curve.name == kind))
    points = [_point(each) for each in (KEYS[kind], made)]
    assert one.exchange(points[1]) == private_key(made).exchange(points[0])


def _point(key: PrivateKeyTypes) -> bytes:
    info = private_key(key).public_key.info
    size = {"P-256": 65, "brainpoolP384r1": 97, "X25519": 32, "X448": 56}[private_key(key).public_key.kind]
    return info[-size:]


@pytest.mark.parametrize(("kind", "size"), [("X25519", 32), ("X448", 56)])
def test_points_of_low_order_are_refused(kind: str, size: int) -> None:
    """With them every private key agrees on zero (RFC 7748, 6)."""
    for point in (bytes(size), b"\x01" + bytes(size - 1)):
        with pytest.raises(MalformedError, match="agrees on no secret"):
            private_key(KEYS[kind]).exchange(point)


@pytest.mark.parametrize("algorithm", [RSAES_OAEP_SHA256, RSAES_PKCS1_V1_5], ids=lambda each: each.name)
def test_what_is_no_ciphertext_is_none(algorithm: KeyTransport) -> None:
    """A padding that does not fit and a number that is too large raise nothing."""
    key = private_key(rsa_key())
    for ciphertext in (b"", bytes(255), b"\xff" * 256, bytes(257)):
        assert key.decrypt(ciphertext, algorithm) is None


def test_the_secret_for_decoys_stays() -> None:
    """It is the same whenever the key is loaded, and another for each key."""
    secrets = [private_key(key).decoy_secret() for key in (rsa_key(), rsa_key(), rsa_key("bob"))]
    assert secrets[0] == secrets[1] != secrets[2]
    assert len(secrets[0]) == 32


def test_altered_numbers_are_a_broken_key() -> None:
    """A private key with a flipped bit anywhere in its numbers is refused when it is loaded, not when it is used."""
    sound = rsa_key().private_numbers()
    altered: list[dict[str, object]] = [
        {"p": sound.p + 2},
        {"q": sound.q - 2},
        {"p": 1, "q": sound.public_numbers.n},
        {"d": sound.d ^ 2},
        {"dmp1": sound.dmp1 ^ 2},
        {"dmq1": sound.dmq1 ^ 2},
        {"iqmp": sound.iqmp ^ 1},
        {"public_numbers": rsa.RSAPublicNumbers(sound.public_numbers.e, sound.public_numbers.n ^ 4)},
        {"public_numbers": rsa.RSAPublicNumbers(3, sound.public_numbers.n)},
    ]
    assert RsaKey(cast("rsa.RSAPrivateKey", _Numbers(sound))).public_key.kind == "RSA"
    fields: dict[str, object] = {
        name: getattr(sound, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp", "public_numbers")
    }
    for change in altered:
        numbers = rsa.RSAPrivateNumbers(**{**fields, **change})  # type: ignore[arg-type]  # each of its own type
        with pytest.raises(CredentialError, match="the RSA private key is broken"):
            RsaKey(cast("rsa.RSAPrivateKey", _Numbers(numbers)))


class _Numbers:
    """A private key that consists of any numbers; the library would refuse some of them itself."""

    key_size = 2048

    def __init__(self, numbers: rsa.RSAPrivateNumbers) -> None:
        self._numbers = numbers

    def private_numbers(self) -> rsa.RSAPrivateNumbers:
        return self._numbers

    def public_key(self) -> rsa.RSAPublicKey:
        return self._numbers.public_numbers.public_key()
