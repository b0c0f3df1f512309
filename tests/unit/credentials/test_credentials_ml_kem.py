"""ML-KEM private keys in each form of RFC 9935, and identities made with them."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from smime_session.algorithms import ML_KEM_512_OID, ML_KEM_768, ML_KEM_1024
from smime_session.cms import tlv
from smime_session.credentials import ml_kem
from smime_session.credentials.creation import NewIdentity, new_identity
from smime_session.credentials.fitness import recipient_for
from smime_session.credentials.private_keys import load_identities
from smime_session.errors import CredentialError, PassphraseError
from smime_session.profiles import MODERN, PQ
from smime_session.session_key import SessionKey
from tests.unit.credentials.making import rsa_key

if TYPE_CHECKING:
    from smime_session.recipients.encapsulation import PrivateKey

SEED = bytes(range(64))
KEY = MLKEM768PrivateKey.from_seed_bytes(SEED)
LARGER_KEY = MLKEM1024PrivateKey.from_seed_bytes(SEED)
BOTH = pytest.mark.parametrize(
    ("oid", "key"), [(ML_KEM_768.oid, KEY), (ML_KEM_1024.oid, LARGER_KEY)], ids=["ML-KEM-768", "ML-KEM-1024"]
)


def pkcs8(private_key: bytes, oid: str = ML_KEM_768.oid, more: bytes = b"") -> bytes:
    """Encode a PrivateKeyInfo (RFC 5958, 2)."""
    algorithm = tlv.encode(tlv.SEQUENCE, tlv.object_identifier(oid))
    return tlv.encode(tlv.SEQUENCE, tlv.integer(0), algorithm, tlv.encode(tlv.OCTET_STRING, private_key), more)


def expanded(key: PrivateKey) -> bytes:
    """Return an expanded key as FIPS 203, 7.1 has it; its own polynomials, which nobody here uses, are random."""
    public = key.public_key().public_bytes_raw()
    return os.urandom(len(public) - 32) + public + hashlib.sha3_256(public).digest() + key.private_bytes_raw()[32:]


def seed_form(seed: bytes) -> bytes:
    """Encode an ML-KEM-PrivateKey that is a seed."""
    return tlv.encode(0x80, seed)


def both_form(seed: bytes, key: bytes) -> bytes:
    """Encode an ML-KEM-PrivateKey that is a seed and what it expands to."""
    return tlv.encode(tlv.SEQUENCE, tlv.encode(tlv.OCTET_STRING, seed), tlv.encode(tlv.OCTET_STRING, key))


def refusal(data: bytes, passphrase: bytes | None = None) -> str:
    """Return why a file is refused."""
    with pytest.raises(CredentialError) as caught:
        load_identities(data, passphrase)
    assert SEED.hex() not in str(caught.value)
    return str(caught.value)


# --- forms


@BOTH
def test_a_seed_is_loaded(oid: str, key: PrivateKey) -> None:
    """The seed form, which is what the library writes, gives the key."""
    made = pkcs8(seed_form(key.private_bytes_raw()), oid)
    assert made == key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    loaded = ml_kem.load(made)
    assert loaded is not None
    assert loaded.public_key() == key.public_key()


@BOTH
def test_a_seed_with_its_expanded_key_is_loaded(oid: str, key: PrivateKey) -> None:
    """The form with both gives the key, in DER and in PEM."""
    made = pkcs8(both_form(key.private_bytes_raw(), expanded(key)), oid)
    loaded = ml_kem.load(made)
    assert loaded is not None
    assert loaded.public_key() == key.public_key()
    assert str(load_identities(made)[0]) == str(load_identities(_pem("PRIVATE KEY", made))[0])


@pytest.mark.parametrize("position", [-1, -32, -33, -64, -65, -1248])
def test_a_seed_with_another_s_expanded_key_is_refused(position: int) -> None:
    """The public key, its hash and the rejection value in the expanded key are all compared (RFC 9935, 8)."""
    octets = bytearray(expanded(KEY))
    octets[position] ^= 1
    assert refusal(pkcs8(both_form(SEED, bytes(octets)))) == (
        "the ML-KEM-768 private key is broken: its seed and its expanded key contradict each other"
    )


@pytest.mark.parametrize("change", [b"\x00", None], ids=["longer", "shorter"])
def test_an_expanded_key_of_another_size_is_refused(change: bytes | None) -> None:
    """An expanded key that ends as it must but is too long or too short is refused."""
    octets = expanded(KEY)
    wrong = change + octets if change else octets[1:]
    assert "contradict each other" in refusal(pkcs8(both_form(SEED, wrong)))


@BOTH
def test_an_expanded_key_alone_is_refused(oid: str, key: PrivateKey) -> None:
    """The error says what to do."""
    alone = tlv.encode(tlv.OCTET_STRING, expanded(key))
    assert refusal(pkcs8(alone, oid)).endswith("private key lacks its seed: export it again with the seed")


@pytest.mark.parametrize(
    "private_key",
    [
        b"",
        SEED,
        b"\x05\x00",
        seed_form(SEED) + b"\x05\x00",
        tlv.encode(tlv.SEQUENCE),
        tlv.encode(tlv.SEQUENCE, tlv.encode(tlv.OCTET_STRING, SEED)),
        tlv.encode(tlv.SEQUENCE, tlv.integer(1), tlv.integer(2)),
        seed_form(SEED)[:-1],
    ],
    ids=["nothing", "bare seed", "NULL", "more", "neither", "one of both", "numbers", "cut off"],
)
def test_what_is_no_ml_kem_key_is_broken(private_key: bytes) -> None:
    """Anything else under the name of ML-KEM is broken."""
    assert refusal(pkcs8(private_key)) == "the ML-KEM-768 private key is broken"


@pytest.mark.parametrize("size", [0, 1, 32, 63, 65, 128])
def test_a_seed_of_another_size_is_refused(size: int) -> None:
    """A seed has 64 octets."""
    problem = f"the ML-KEM-768 private key is broken: its seed has {size} octets"
    assert refusal(pkcs8(seed_form(bytes(size)))) == problem
    assert refusal(pkcs8(both_form(bytes(size), expanded(KEY)))) == problem


def test_ml_kem_512_is_refused_by_name() -> None:
    """The smallest parameter set is not spoken here, and the others are named."""
    assert refusal(pkcs8(seed_form(SEED), ML_KEM_512_OID)) == (
        "ML-KEM-512 keys are not supported: ML-KEM-768 and ML-KEM-1024 are"
    )


def test_other_keys_are_left_to_the_library() -> None:
    """Whatever is no ML-KEM key in the clear is somebody else's matter."""
    rsa = rsa_key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for octets in (rsa, b"", b"\x30\x00", _locked(pkcs8(seed_form(SEED)), b"pw")):
        assert ml_kem.load(octets) is None


# --- locked


def _pem(label: str, der: bytes) -> bytes:
    from base64 import encodebytes

    return f"-----BEGIN {label}-----\n{encodebytes(der).decode()}-----END {label}-----\n".encode()


def _locked(made: bytes, passphrase: bytes) -> bytes:
    """Lock a PrivateKeyInfo with PBES2 (RFC 8018, 6.2), as other programs do."""
    salt, vector = bytes(16), bytes(16)
    key = PBKDF2HMAC(hashes.SHA256(), 32, salt, 2048).derive(passphrase)
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    sealed = encryptor.update(padder.update(made) + padder.finalize()) + encryptor.finalize()

    def algorithm(oid: str, *parameters: bytes) -> bytes:
        return tlv.encode(tlv.SEQUENCE, tlv.object_identifier(oid), *parameters)

    pseudo_random = algorithm("1.2.840.113549.2.9", tlv.NULL)
    derivation = tlv.encode(tlv.SEQUENCE, tlv.encode(tlv.OCTET_STRING, salt), tlv.integer(2048), pseudo_random)
    scheme = tlv.encode(
        tlv.SEQUENCE,
        algorithm("1.2.840.113549.1.5.12", derivation),
        algorithm("2.16.840.1.101.3.4.1.42", tlv.encode(tlv.OCTET_STRING, vector)),
    )
    return tlv.encode(tlv.SEQUENCE, algorithm("1.2.840.113549.1.5.13", scheme), tlv.encode(tlv.OCTET_STRING, sealed))


def test_a_locked_seed_is_unlocked() -> None:
    """A seed alone is unlocked with its passphrase."""
    locked = _pem("ENCRYPTED PRIVATE KEY", _locked(pkcs8(seed_form(SEED)), b"pw"))
    assert str(load_identities(locked, b"pw")[0]).startswith("ML-KEM-768 private key")
    with pytest.raises(PassphraseError):
        load_identities(locked)


@pytest.mark.parametrize(
    "private_key",
    [both_form(SEED, expanded(KEY)), tlv.encode(tlv.OCTET_STRING, expanded(KEY))],
    ids=["both", "expanded"],
)
def test_a_locked_key_of_another_form_is_refused(private_key: bytes) -> None:
    """What the library cannot unlock is not blamed on the passphrase alone."""
    locked = _locked(pkcs8(private_key), b"pw")
    assert refusal(locked, b"pw") == (
        "the passphrase does not fit, or the file holds an ML-KEM key that is not stored as its seed alone"
    )
    assert refusal(locked, b"wrong passphrase") == "the passphrase does not unlock the private key"


# --- new identities


@pytest.fixture(scope="module", params=["mlkem768", "mlkem1024"])
def made(request: pytest.FixtureRequest) -> NewIdentity:
    """A new identity with an ML-KEM key."""
    return new_identity("alice@example.org", key_type=request.param)


def test_a_new_identity_reads_what_is_written_for_it(made: NewIdentity) -> None:
    """Its certificate is fit for the post-quantum profile, and its key opens."""
    (identity,) = load_identities(made.private_key_pem + made.certificate_pem)
    key = SessionKey.generate(32)
    for profile in (MODERN, PQ):
        assert identity.unwrap([recipient_for(made.certificate, profile=profile).wrap(key)]) == key


def test_the_private_key_of_a_new_identity_is_its_seed(made: NewIdentity) -> None:
    """What is written is short, and every program that follows RFC 9935 reads it."""
    assert len(made.private_key_pem) < 200


def test_the_certificate_of_a_new_identity_has_an_issuer(made: NewIdentity) -> None:
    """A key that cannot sign is certified by an issuer that is certified to certify, for this one (RFC 9935, 5)."""
    assert made.issuer_certificate_pem is not None
    issuer = x509.load_pem_x509_certificate(made.issuer_certificate_pem)
    made.certificate.verify_directly_issued_by(issuer)
    issuer.verify_directly_issued_by(issuer)
    assert _usage(issuer) == ["key_cert_sign"]
    assert issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert _usage(made.certificate) == ["key_encipherment"]
    assert made.certificate.not_valid_after_utc == issuer.not_valid_after_utc


def test_no_two_identities_have_one_issuer(made: NewIdentity) -> None:
    """An issuer's key is gone as soon as it has signed."""
    other = new_identity("alice@example.org", key_type="mlkem768")
    assert other.issuer_certificate_pem != made.issuer_certificate_pem


def test_a_key_that_signs_is_its_own_issuer() -> None:
    """Nobody else is needed."""
    assert new_identity("alice@example.org", key_type="rsa2048").issuer_certificate_pem is None


def _usage(certificate: x509.Certificate) -> list[str]:
    """Return the bits of key usage that are set."""
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    return [name for name in (*names, "key_cert_sign", "crl_sign") if getattr(usage, name)]
