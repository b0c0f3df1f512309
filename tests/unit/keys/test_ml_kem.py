"""ML-KEM private keys in each form of RFC 9935, and identities made with them."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from smime_session.algorithms import (
    AES_128_CBC,
    AES_192_CBC,
    AES_256_CBC,
    ML_KEM_512_OID,
    ML_KEM_768,
    ML_KEM_1024,
    ContentEncryption,
    HashName,
)
from smime_session.cms import asn1
from smime_session.errors import CredentialError, PassphraseError
from smime_session.keys import ml_kem
from smime_session.keys.locks import MAX_WORK, Lock
from smime_session.keys.pkcs8 import key_from
from smime_session.operations.new_identity import NewIdentity, new_identity
from smime_session.profiles import MODERN, PQ
from smime_session.recipients.from_certificates import recipient_for
from smime_session.recipients.identities import load_identities
from smime_session.session_key import SessionKey
from tests.support.locking import locked, pem_block, pkcs8
from tests.support.making import der, rsa_key

PrivateKey = MLKEM768PrivateKey | MLKEM1024PrivateKey

SEED = bytes(range(64))
KEY = MLKEM768PrivateKey.from_seed_bytes(SEED)
LARGER_KEY = MLKEM1024PrivateKey.from_seed_bytes(SEED)
BOTH = pytest.mark.parametrize(
    ("oid", "key"), [(ML_KEM_768.oid, KEY), (ML_KEM_1024.oid, LARGER_KEY)], ids=["ML-KEM-768", "ML-KEM-1024"]
)


def expanded(key: PrivateKey) -> bytes:
    """Return an expanded key as FIPS 203, 7.1 has it; its own polynomials, which nobody here uses, are zeros.

    Random ones would leave, one time in 256, what looks like padding after a wrong passphrase.
    """
    public = key.public_key().public_bytes_raw()
    return bytes(len(public) - 32) + public + hashlib.sha3_256(public).digest() + key.private_bytes_raw()[32:]


def seed_form(seed: bytes) -> bytes:
    """Encode an ML-KEM-PrivateKey that is a seed."""
    return asn1.encode(0x80, seed)


def both_form(seed: bytes, key: bytes) -> bytes:
    """Encode an ML-KEM-PrivateKey that is a seed and what it expands to."""
    return asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OCTET_STRING, seed), asn1.encode(asn1.OCTET_STRING, key))


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
    assert key_from(made).public_key.loaded() == key.public_key()


@BOTH
def test_a_seed_with_its_expanded_key_is_loaded(oid: str, key: PrivateKey) -> None:
    """The form with both gives the key, in DER and in PEM."""
    made = pkcs8(both_form(key.private_bytes_raw(), expanded(key)), oid)
    assert key_from(made).public_key.loaded() == key.public_key()
    assert str(load_identities(made)[0]) == str(load_identities(pem_block("PRIVATE KEY", made))[0])


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
    alone = asn1.encode(asn1.OCTET_STRING, expanded(key))
    assert refusal(pkcs8(alone, oid)).endswith("private key lacks its seed: export it again with the seed")


@pytest.mark.parametrize(
    "private_key",
    [
        b"",
        SEED,
        b"\x05\x00",
        seed_form(SEED) + b"\x05\x00",
        asn1.encode(asn1.SEQUENCE),
        asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OCTET_STRING, SEED)),
        asn1.encode(asn1.SEQUENCE, asn1.integer(1), asn1.integer(2)),
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
    problem = f"the ML-KEM-768 private key is broken: its seed has {size} bytes"
    assert refusal(pkcs8(seed_form(bytes(size)))) == problem
    assert refusal(pkcs8(both_form(bytes(size), expanded(KEY)))) == problem


def test_ml_kem_512_is_refused_by_name() -> None:
    """The smallest parameter set is not supported, and the others are named."""
    assert refusal(pkcs8(seed_form(SEED), ML_KEM_512_OID)) == (
        "ML-KEM-512 keys are not supported: ML-KEM-768 and ML-KEM-1024 are"
    )


# --- locked


@pytest.mark.parametrize("prf", ["SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512"])
@pytest.mark.parametrize("cipher", [AES_128_CBC, AES_192_CBC, AES_256_CBC], ids=lambda cipher: cipher.name)
def test_a_locked_key_is_unlocked(cipher: ContentEncryption, prf: HashName) -> None:
    """A seed with what it expands to is unlocked whatever PBES2 locks it with, in DER and in PEM."""
    made = locked(pkcs8(both_form(SEED, expanded(KEY))), b"pw", cipher, prf)
    for data in (made, pem_block("ENCRYPTED PRIVATE KEY", made)):
        (identity,) = load_identities(data, b"pw")
        assert str(identity) == str(load_identities(pkcs8(seed_form(SEED)))[0])


def test_a_locked_seed_is_unlocked() -> None:
    """A seed alone is unlocked with its passphrase, which is missed without."""
    data = pem_block("ENCRYPTED PRIVATE KEY", locked(pkcs8(seed_form(SEED)), b"pw"))
    assert str(load_identities(data, b"pw")[0]).startswith("ML-KEM-768 private key")
    with pytest.raises(PassphraseError) as caught:
        load_identities(data)
    assert caught.value.missing


def test_a_wrong_passphrase_is_told_as_for_other_keys() -> None:
    """One in 256 leaves a sound padding behind, and says no more than the others."""
    data = locked(pkcs8(both_form(SEED, expanded(KEY))), b"pw")
    told = {refusal(data, b"other %d" % number) for number in range(1000)}
    assert told == {"the passphrase does not unlock the private key"}


def test_a_locked_key_without_its_seed_says_so() -> None:
    """Once it is unlocked, a key is refused for what it is."""
    data = locked(pkcs8(asn1.encode(asn1.OCTET_STRING, expanded(KEY))), b"pw")
    assert refusal(data, b"pw") == "the ML-KEM-768 private key lacks its seed: export it again with the seed"
    assert refusal(data, b"other") == "the passphrase does not unlock the private key"


def test_a_lock_with_too_many_iterations_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of work are refused before they begin, with any key and any passphrase."""

    def derive(*_arguments: object) -> None:
        pytest.fail("a key was derived")

    monkeypatch.setattr("smime_session.keys.locks.derive", derive)
    for made in (pkcs8(both_form(SEED, expanded(KEY))), der(rsa_key())):
        data = _with_iterations(made, MAX_WORK + 1)
        for passphrase in (None, b"pw"):
            assert refusal(data, passphrase) == (
                "the private key cannot be unlocked: the number of iterations exceeds the limit of 10,000,000"
            )


def _with_iterations(made: bytes, iterations: int) -> bytes:
    """Lock with one number of iterations and claim another."""
    algorithm, ciphertext = asn1.parse(locked(made, b"pw")).children()
    claimed = asn1.encode(asn1.SEQUENCE, *_renumbered(algorithm, iterations))
    return asn1.encode(asn1.SEQUENCE, claimed, ciphertext.encoded)


def _renumbered(element: asn1.Element, number: int) -> list[bytes]:
    """Return the parts of a value with ``number`` for each INTEGER in it, however deep."""
    return [
        asn1.integer(number)
        if part.tag == asn1.INTEGER
        else asn1.encode(part.tag, *_renumbered(part, number))
        if part.constructed
        else part.encoded
        for part in element
    ]


def test_a_key_that_scrypt_locked_is_unlocked() -> None:
    """PBES2 may make its key with scrypt too."""
    data = locked(pkcs8(both_form(SEED, expanded(KEY))), b"pw", scrypt=True)
    assert len(load_identities(data, b"pw")) == 1
    for passphrase, missing in ((b"wrong passphrase", False), (None, True)):
        with pytest.raises(PassphraseError) as caught:
            load_identities(data, passphrase)
        assert caught.value.missing == missing


def test_what_was_unlocked_is_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The buffers with the key in the clear, and the pieces that were cut out of it, are zeros afterwards."""
    seen: list[SessionKey] = []
    erased: list[bytes] = []
    opened = Lock.open

    def spy(lock: Lock, octets: bytes, passphrase: bytes) -> SessionKey | None:
        found = opened(lock, octets, passphrase)
        assert found is not None
        seen.append(found)
        assert SEED in found.material
        return found

    def erase(octets: bytes) -> None:
        erased.append(bytes(bytearray(octets)))

    monkeypatch.setattr(Lock, "open", spy)
    monkeypatch.setattr(ml_kem, "erase", erase)
    load_identities(locked(pkcs8(both_form(SEED, expanded(KEY))), b"pw"), b"pw")
    assert [len(each) for each in seen] == [0]
    assert SEED in erased
    assert sum(SEED[32:] in octets for octets in erased) == 4


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
    critical = {type(each.value) for each in issuer.extensions if each.critical}
    assert critical == {x509.BasicConstraints, x509.KeyUsage}
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
