"""What a file of certificates and keys is said to hold."""

from __future__ import annotations

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)

from smime_session import load_identities, new_identity
from smime_session.algorithms import ML_KEM_512_OID
from smime_session.certificates.public_key import PublicKey
from smime_session.cms import asn1
from smime_session.errors import CredentialError, PassphraseError
from smime_session.inspection.listing import list_credentials
from smime_session.keys.load import load_private_keys
from smime_session.operations.new_identity import KEY_TYPES
from smime_session.profiles import PROFILES
from tests.support.locking import algorithm, locked, octet_string, pem_block, pkcs8, sequence
from tests.support.making import DAY, NOW, altered, certificate, der, pem, rsa_key, subject_with

ALICE = certificate("alice@example.org", serial=1, usage="key_encipherment")
BOB_KEY = rsa_key("bob")
BOB = certificate("bob@example.org", public_key=BOB_KEY.public_key(), serial=2)
KEY_PEM = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
LOCK = BestAvailableEncryption(b"pw")
LOCKED = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, LOCK)
CHEST = pkcs12.serialize_key_and_certificates(b"alice", rsa_key(), ALICE, [BOB], LOCK)


def test_a_certificate_is_listed_with_everything_public() -> None:
    """Kind, names, number, time, identifiers and fingerprint are those of the certificate."""
    (listed,) = list_credentials(pem(ALICE), at=NOW).certificates
    assert (listed.key, listed.addresses) == ("RSA-2048", ("alice@example.org",))
    assert (listed.subject, listed.issuer, listed.serial_number) == ("CN=Alice", "CN=Alice", "0x1")
    assert (listed.not_before, listed.not_after) == (ALICE.not_valid_before_utc, ALICE.not_valid_after_utc)
    assert listed.key_identifier == PublicKey.of(rsa_key().public_key()).key_identifier.hex()
    assert bytes.fromhex(listed.fingerprint.replace(":", "")) == ALICE.fingerprint(hashes.SHA256())
    assert listed.has_private_key is False


def test_a_stated_key_identifier_goes_before_the_usual_one() -> None:
    """Messages name a certificate by what it states."""
    own = certificate(extensions=[(x509.SubjectKeyIdentifier(b"\x01\x02"), False)])
    assert list_credentials(der(own)).certificates[0].key_identifier == "0102"


@pytest.mark.parametrize(("days", "valid"), [(-366, False), (-365, True), (365, True), (366, False)])
def test_validity_is_told_for_the_moment(days: int, *, valid: bool) -> None:
    """The first and the last moment belong to it."""
    (listed,) = list_credentials(pem(ALICE), at=NOW + days * DAY).certificates
    assert listed.valid is valid
    assert listed.profiles[0].usable is valid


def test_each_profile_says_why_not() -> None:
    """The reasons are those for which encrypting refuses a certificate."""
    signing = certificate(usage="digital_signature")
    (listed,) = list_credentials(pem(signing), at=NOW).certificates
    fitness = {each.name: each for each in listed.profiles}
    assert list(fitness) == list(PROFILES)
    assert fitness["compat"].reasons == ("is not for encrypting keys: its key usage lacks keyEncipherment",)
    assert len(fitness["pq"].reasons) == 2
    (usable,) = list_credentials(pem(ALICE), at=NOW).certificates
    assert [each.usable for each in usable.profiles] == [True, True, True, False]


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_every_kind_of_key_has_its_name(key_type: str) -> None:
    """Kind and size are told of keys and certificates alike, and which belong together."""
    made = new_identity("erin@example.org", key_type=key_type)
    found = list_credentials(made.private_key_pem + made.certificate_pem)
    (key,), (listed,) = found.private_keys, found.certificates
    assert key.key == listed.key
    assert listed.key.replace("-", "").lower() == key_type
    assert (key.use, key.locked, key.matching_certificates) == ("opens messages", False, (1,))
    assert listed.has_private_key
    assert key.key_identifier == listed.key_identifier
    assert listed.profiles[0].usable


def test_a_key_that_only_signs_is_listed() -> None:
    """It is told what such a key does, not refused."""
    key = ed25519.Ed25519PrivateKey.generate()
    octets = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    (listed,) = list_credentials(octets).private_keys
    assert (listed.key, listed.use) == ("Ed25519", "only signs")


def test_an_ml_kem_key_without_its_seed_is_listed() -> None:
    """A key that cannot be used is told by name with the reason, unlocked and locked."""
    alone = pkcs8(octet_string(bytes(2400)))
    for made, passphrase in ((alone, None), (locked(alone, b"pw"), b"pw")):
        (key,) = list_credentials(made, passphrase).private_keys
        assert (key.key, key.use) == ("ML-KEM-768", "not usable: lacks its seed")
        assert key.locked is (passphrase is not None)
        assert (key.key_identifier, key.matching_certificates) == (None, ())


def test_an_ml_kem_key_of_another_size_is_listed() -> None:
    """So is a key of a size that is not spoken."""
    (key,) = list_credentials(pkcs8(asn1.encode(0x80, bytes(64)), ML_KEM_512_OID)).private_keys
    assert (key.key, key.use) == ("ML-KEM-512", "is not supported")


def test_a_key_of_a_kind_that_is_not_spoken_is_listed() -> None:
    """A curve that nothing here uses is no reason to say nothing."""
    key = ec.generate_private_key(ec.SECP256K1())
    octets = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (listed,) = list_credentials(octets).private_keys
    assert listed.key == "secp256k1"
    assert listed.use


def test_a_certificate_with_an_unknown_key_is_listed() -> None:
    """The algorithm's name or identifier stands in for a key that cannot be read."""
    unknown = altered(ALICE, bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d010163"))
    (listed,) = list_credentials(der(unknown), at=NOW).certificates
    assert listed.key == "1.2.840.113549.1.1.99"
    assert listed.key_identifier is None
    assert not any(each.usable for each in listed.profiles)
    assert not list_credentials(LOCKED + pem(unknown)).certificates[0].has_private_key


def test_keys_and_certificates_are_paired() -> None:
    """Numbers tell which certificates are of a key, in whatever order they come."""
    renewed = certificate("alice@example.org", serial=3)
    found = list_credentials(pem(BOB) + pem(ALICE) + KEY_PEM + pem(renewed), at=NOW)
    assert found.private_keys[0].matching_certificates == (2, 3)
    assert [each.has_private_key for each in found.certificates] == [False, True, True]


def test_a_key_whose_lock_is_not_supported_is_listed() -> None:
    """Whatever the passphrase, it is told with what the key is locked, and what lies beside it is listed."""
    scheme = algorithm("1.2.840.113549.1.5.1", octet_string(bytes(8)))
    data = pem_block("ENCRYPTED PRIVATE KEY", sequence(scheme, octet_string(bytes(64)))) + pem(ALICE)
    for passphrase in (None, b"pw"):
        found = list_credentials(data, passphrase)
        (key,) = found.private_keys
        words = "not usable: locked with PBE with MD2 and DES, which is not supported"
        assert (key.key, key.locked, key.use) == (None, True, words)
        assert found.certificates[0].has_private_key is None


@pytest.mark.parametrize("count", [10, 40])
def test_the_work_grows_with_the_size_of_the_file(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and certificates are brought together without comparing each with each."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(count)]
    certificates = [certificate(public_key=key.public_key(), serial=number) for number, key in enumerate(keys, 1)]
    octets = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for key in keys]
    compared = 0
    same = PublicKey.__eq__

    def comparing(self: PublicKey, other: object) -> bool:
        nonlocal compared
        compared += 1
        return same(self, other)

    monkeypatch.setattr(PublicKey, "__eq__", comparing)
    found = list_credentials(b"".join((*octets, *map(pem, reversed(certificates)))))
    assert [key.matching_certificates for key in found.private_keys] == [(number,) for number in range(count, 0, -1)]
    assert all(each.has_private_key for each in found.certificates)
    assert compared <= 4 * count
    compared = 0
    loaded = load_private_keys(b"".join((*octets, *map(pem, reversed(certificates)))))
    assert [len(key.certificates) for key in loaded] == [1] * count
    assert compared <= 4 * count


def test_a_locked_key_stays_locked() -> None:
    """Without a passphrase nothing is asked, and what lies beside the key is listed all the same."""
    found = list_credentials(LOCKED + pem(ALICE), at=NOW)
    (key,) = found.private_keys
    assert (key.key, key.locked, key.use, key.key_identifier, key.matching_certificates) == (None, True, None, None, ())
    assert found.certificates[0].addresses == ("alice@example.org",)
    assert found.certificates[0].has_private_key is None
    assert list_credentials(LOCKED + KEY_PEM + pem(ALICE), at=NOW).certificates[0].has_private_key is True


@pytest.mark.parametrize("curve", [ec.SECP224R1(), ec.SECP256K1()], ids=lambda curve: curve.name)
def test_a_curve_that_is_not_supported_is_told(curve: ec.EllipticCurve) -> None:
    """A key that would be refused as an identity is not said to open anything."""
    unlocked = ec.generate_private_key(curve).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(CredentialError, match="this kind of key is not supported: secp"):
        load_identities(unlocked)
    (key,) = list_credentials(unlocked).private_keys
    assert (key.key, key.use) == (curve.name, "is not supported")


def test_an_older_file_tells_the_kind_of_a_locked_key() -> None:
    """What is known without a passphrase is told."""
    locked = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, LOCK)
    assert list_credentials(locked).private_keys[0].key == "RSA"


def test_a_passphrase_unlocks() -> None:
    """With it the key is told like any other, and that it was locked."""
    (key,) = list_credentials(LOCKED + pem(ALICE), b"pw").private_keys
    assert (key.key, key.locked, key.matching_certificates) == ("RSA-2048", True, (1,))
    (never,) = list_credentials(KEY_PEM, b"pw").private_keys
    assert never.locked is False


def test_a_wrong_passphrase_is_an_error() -> None:
    """Whoever gives one wants to see what it unlocks."""
    for closed in (LOCKED, CHEST):
        with pytest.raises(PassphraseError) as wrong:
            list_credentials(closed, b"other")
        assert not wrong.value.missing


def test_pkcs12_needs_its_passphrase() -> None:
    """Locked, it does not tell whether there is a key; unlocked, it tells everything, its own certificate first."""
    empty = pkcs12.serialize_key_and_certificates(None, None, None, [BOB], LOCK)
    for chest in (CHEST, empty):
        locked = list_credentials(chest)
        assert (locked.private_keys, locked.certificates) == ((), ())
        assert locked.others == ("a locked PKCS#12 file, which tells nothing without its passphrase",)
    found = list_credentials(CHEST, b"pw", at=NOW)
    assert found.private_keys[0].matching_certificates == (1,)
    assert [each.serial_number for each in found.certificates] == ["0x1", "0x2"]


def test_pkcs12_may_hold_no_key() -> None:
    """Certificates alone are listed."""
    chest = pkcs12.serialize_key_and_certificates(None, None, None, [BOB], NoEncryption())
    found = list_credentials(chest)
    assert (found.private_keys, len(found.certificates)) == ((), 1)


def test_pkcs7_and_the_rest() -> None:
    """Certificates of a PKCS#7 file are listed, and what is neither key nor certificate is named."""
    bundle = pkcs7.serialize_certificates([ALICE, BOB], Encoding.PEM)
    request = x509.CertificateSigningRequestBuilder(subject_with(x509.NameOID.COMMON_NAME, "x"))
    found = list_credentials(bundle + request.sign(BOB_KEY, hashes.SHA256()).public_bytes(Encoding.PEM))
    assert {each.serial_number for each in found.certificates} == {"0x1", "0x2"}
    assert found.others == ("a certificate request",)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"From: a@b\n\nhello\n", "this is a mail, neither a certificate nor a private key"),
        (b"ssh-ed25519 AAAA", "this is an SSH key, neither"),
        (b"", "the file is empty"),
        (KEY_PEM[:200], "the private key is cut off"),
    ],
)
def test_other_files_are_refused(data: bytes, words: str) -> None:
    """The error says what there is instead."""
    with pytest.raises(CredentialError, match=words):
        list_credentials(data)


def test_nothing_secret_is_told() -> None:
    """Neither the listing nor its dictionary holds a private number."""
    found = list_credentials(LOCKED, b"pw")
    told = repr(found) + json.dumps(found.to_dict())
    numbers = rsa_key().private_numbers()
    for secret in (numbers.d, numbers.p, numbers.q):
        assert f"{secret:x}" not in told
        assert str(secret) not in told


def test_names_cannot_steer_a_terminal() -> None:
    """What does not print is escaped, wherever a certificate has it."""
    rude = certificate(None, subject=subject_with(x509.NameOID.COMMON_NAME, "\x1b[2J\u202ealice"))
    (listed,) = list_credentials(pem(rude)).certificates
    assert listed.subject == listed.issuer == "CN=\\x1b[2J\\u202ealice"


def test_the_dictionary_is_plain() -> None:
    """Moments are ISO 8601 in UTC."""
    found = json.loads(json.dumps(list_credentials(pem(ALICE) + KEY_PEM, at=NOW).to_dict()))
    assert found["certificates"][0]["not_before"] == "2025-03-01T12:00:00Z"
    assert found["private_keys"][0]["matching_certificates"] == [1]
    assert found["others"] == []
