"""Public keys as values: what they are is told from their octets, and the library loads them when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mlkem, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smime_session import CredentialError
from smime_session.algorithms import EC_PUBLIC_KEY_OID, ML_KEM_512_OID, P_256, RSASSA_PSS_OID
from smime_session.certificates.public_key import PublicKey
from smime_session.cms import asn1

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

KEYS: Final[dict[str, PublicKeyTypes]] = {
    "RSA-2048": rsa.generate_private_key(65537, 2048).public_key(),
    "P-256": ec.generate_private_key(ec.SECP256R1()).public_key(),
    "P-521": ec.generate_private_key(ec.SECP521R1()).public_key(),
    "brainpoolP256r1": ec.generate_private_key(ec.BrainpoolP256R1()).public_key(),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()).public_key(),
    "X25519": x25519.X25519PrivateKey.generate().public_key(),
    "X448": x448.X448PrivateKey.generate().public_key(),
    "ML-KEM-768": mlkem.MLKEM768PrivateKey.generate().public_key(),
    "ML-KEM-1024": mlkem.MLKEM1024PrivateKey.generate().public_key(),
    "Ed25519": ed25519.Ed25519PrivateKey.generate().public_key(),
    "Ed448": ed448.Ed448PrivateKey.generate().public_key(),
    "DSA-2048": dsa.generate_private_key(2048).public_key(),
}
SIGNING: Final = {"Ed25519", "Ed448", "DSA-2048"}


def info_of(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def with_algorithm(info: bytes, *algorithm: bytes) -> bytes:
    """Return the same key with another AlgorithmIdentifier."""
    return asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE, *algorithm), asn1.parse(info).children()[1].encoded)


@pytest.mark.parametrize("name", KEYS)
def test_octets_tell_what_the_library_tells(name: str) -> None:
    """Kind, size and use are the same from the library's object and from the octets, which load as the same key."""
    made, read = PublicKey.of(KEYS[name]), PublicKey.from_info(info_of(KEYS[name]))
    assert made == read
    assert hash(made) == hash(read)
    assert made.info == read.info == info_of(KEYS[name])
    assert {made.name, read.name} == {name}
    assert made.only_signs is read.only_signs is (name in SIGNING)
    assert info_of(read.loaded()) == made.info
    assert (made.algorithm, made.octets) == (read.algorithm, read.octets)


def test_other_keys_are_not_equal() -> None:
    """No two keys are the same, nor is a key anything else."""
    made = [PublicKey.of(key) for key in KEYS.values()]
    assert len(set(made)) == len(KEYS)
    assert made[0] != KEYS["RSA-2048"]


@pytest.mark.parametrize("name", KEYS)
def test_the_key_identifier_is_the_usual_one(name: str) -> None:
    """The key identifier is what the library computes (RFC 5280, 4.2.1.2, method 1)."""
    usual = x509.SubjectKeyIdentifier.from_public_key(KEYS[name])  # type: ignore[arg-type]  # of any kind
    assert PublicKey.of(KEYS[name]).key_identifier == usual.digest


def test_one_key_has_several_encodings() -> None:
    """A compressed point and an RSA key that is kept for signing are the same keys as in full and for any use."""
    key: Any = KEYS["P-256"]
    curve = (asn1.object_identifier(EC_PUBLIC_KEY_OID), asn1.object_identifier(P_256.oid))
    point = asn1.encode(3, b"\0", key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
    short = PublicKey.from_info(asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE, *curve), point))
    full = PublicKey.of(key)
    assert short.info != full.info
    assert (short, hash(short), short.name, short.key_identifier) == (full, hash(full), "P-256", full.key_identifier)

    rsa_info = info_of(KEYS["RSA-2048"])
    signing = PublicKey.from_info(with_algorithm(rsa_info, asn1.object_identifier(RSASSA_PSS_OID)))
    assert signing == PublicKey.of(KEYS["RSA-2048"])
    assert (signing.name, signing.algorithm) == ("RSA-2048", RSASSA_PSS_OID)


@pytest.mark.parametrize(("oid", "name"), [(ML_KEM_512_OID, "ML-KEM-512"), ("1.2.3.4", "1.2.3.4")])
def test_a_kind_that_the_library_does_not_know_has_a_name(oid: str, name: str) -> None:
    """It is named as its algorithm is, compared by its octets, and an error when it is loaded."""
    info = with_algorithm(info_of(KEYS["X25519"]), asn1.object_identifier(oid))
    key = PublicKey.from_info(info)
    assert key.name == name
    assert key == PublicKey.from_info(info)
    with pytest.raises(CredentialError, match="the public key is broken, or of a kind that is not supported"):
        key.loaded()


def test_a_point_that_is_not_on_its_curve_is_an_error_when_it_is_loaded() -> None:
    """What the octets alone do not show is seen when it matters."""
    info = info_of(KEYS["P-256"])
    key = PublicKey.from_info(info[:-1] + bytes((info[-1] ^ 1,)))
    assert key.name == "P-256"
    with pytest.raises(CredentialError):
        key.loaded()


@pytest.mark.parametrize(
    "info",
    [
        b"",
        b"\x30\x00",
        asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE)),
        asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE), asn1.encode(3, b"\0")),
        with_algorithm(info_of(KEYS["X25519"]), asn1.object_identifier(RSASSA_PSS_OID)),
        *(info_of(KEYS["RSA-2048"])[:size] for size in (1, 10, 30, 200, 293)),
    ],
    ids=range(10),
)
def test_what_is_no_public_key_is_refused(info: bytes) -> None:
    """Octets that are no SubjectPublicKeyInfo, or whose RSA key has no modulus, make no public key."""
    with pytest.raises(CredentialError, match="the public key is broken"):
        PublicKey.from_info(info)


def test_a_key_shows_its_name_alone() -> None:
    """What is printed of a key by mistake is short."""
    assert repr(PublicKey.of(KEYS["P-521"])) == "<PublicKey: P-521>"
