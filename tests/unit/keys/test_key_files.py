"""Loading private keys as identities."""

from __future__ import annotations

import itertools
import re
from base64 import b64decode
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from smime_session.errors import CredentialError
from smime_session.inspection.listing import list_credentials
from smime_session.recipients.identities import load_identities
from tests.support.loading import locked, opens, refusal, the_one
from tests.support.making import altered, certificate, der, pem, rsa_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALICE = certificate("alice@example.org", serial=1)
RENEWED = certificate("alice@example.org", serial=2)
BOB_KEY = rsa_key("bob")
BOB = certificate("bob@example.org", public_key=BOB_KEY.public_key(), serial=3)
KEY = rsa_key()
LOCKED = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("private_format", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("passphrase", [None, b"not needed"])
def test_an_unlocked_key_needs_no_passphrase(
    encoding: Encoding, private_format: PrivateFormat, passphrase: bytes | None
) -> None:
    """PKCS#8 and PKCS#1, in PEM and DER, load alike; a passphrase that is not needed is ignored."""
    data = KEY.private_bytes(encoding, private_format, NoEncryption())
    assert opens(the_one(data, passphrase), ALICE)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    "conversion",
    [
        "pkcs8 -topk8 -in key.pem -passout pass:pw",
        "pkcs8 -topk8 -in key.pem -passout pass:pw -scrypt",
        "pkcs8 -topk8 -in key.pem -passout pass:pw -v1 PBE-SHA1-3DES",
        "pkcs8 -topk8 -in key.pem -passout pass:pw -v2 aes256 -v2prf hmacWithSHA512",
        "rsa -in key.pem -passout pass:pw -traditional -aes128",
        "rsa -in key.pem -passout pass:pw -traditional -des3",
    ],
)
def test_a_locked_key_in_pem_opens_with_its_passphrase(
    openssl: Callable[..., bytes], alice: Path, conversion: str, line_end: bytes
) -> None:
    """Whatever OpenSSL locks a PEM key with, its passphrase opens it, and nothing else does."""
    assert alice.is_dir()
    data = openssl(conversion).replace(b"\n", line_end)
    assert opens(the_one(data, b"pw"), ALICE)
    assert locked(data, None)
    assert locked(data, b"")
    assert not locked(data, b"other")


def test_a_locked_key_in_der_opens_with_its_passphrase() -> None:
    """An encrypted PKCS#8 in DER is told from an unlocked one."""
    data = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    assert opens(the_one(data, b"pw"), ALICE)
    assert locked(data, None)
    assert not locked(data, b"\xff\x00")


def test_a_passphrase_whose_padding_fits_by_chance_is_wrong() -> None:
    """However far a wrong passphrase comes, it is told as wrong, so that whoever asks for it asks again."""
    data = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"pw"))
    assert not any(locked(data, b"other %d" % number) for number in range(2500))


def test_a_key_that_is_labelled_as_another_is_broken() -> None:
    """An X25519 key under the name of X448, which the library answers with an internal error, is a broken key."""
    key = x25519.X25519PrivateKey.generate()
    data = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    relabelled = data.replace(bytes.fromhex("2b656e"), bytes.fromhex("2b656f"))
    words = "the private key is broken, or of a kind that is not supported"
    assert refusal(relabelled) == words
    with pytest.raises(CredentialError, match=words):
        list_credentials(relabelled)


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("-v2 seed-cbc", "SEED-CBC"),
        ("-v2 bf-cbc", "Blowfish-CBC"),
        ("-v2 cast5-cbc", "CAST5-CBC"),
        ("-v2 rc2-cbc", "RC2-CBC"),
        ("-v2 rc2-40-cbc", "RC2-CBC"),
        ("-v2 des-cbc", "DES-CBC"),
        ("-v2 camellia-256-cbc", "Camellia-256-CBC"),
        ("-v2 aria-128-cbc", "ARIA-128-CBC"),
        ("-v2 aes-256-ofb", "AES-256-OFB"),
        ("-v2 aes256 -v2prf hmacWithSHA512-256", "HMAC-SHA-512/256"),
        ("-v1 PBE-SHA1-DES", "PBE with SHA-1 and DES"),
        ("-v1 PBE-MD5-RC2-64", "PBE with MD5 and RC2"),
        ("-v1 PBE-SHA1-RC4-40", "PBE with SHA-1 and RC4 of 40 bits"),
        ("-v1 PBE-SHA1-RC2-128", "PBE with SHA-1 and RC2 of 128 bits"),
    ],
)
def test_a_lock_that_is_not_supported_is_named(
    openssl: Callable[..., bytes], alice: Path, option: str, name: str
) -> None:
    """Its algorithm is named before a passphrase is asked for or tried."""
    assert alice.is_dir()
    data = openssl(f"pkcs8 -topk8 -in key.pem -passout pass:pw {option} -provider legacy -provider default")
    for each, passphrase in itertools.product((data, load_pem(data)), (None, b"pw", b"other")):
        assert refusal(each, passphrase) == f"the private key is locked with {name}, which is not supported"


@pytest.mark.parametrize("scheme", ["PBE-MD5-DES", "PBE-SHA1-RC4-128", "PBE-SHA1-3DES", "PBE-SHA1-RC2-40"])
def test_an_older_lock_opens_with_its_passphrase(openssl: Callable[..., bytes], alice: Path, scheme: str) -> None:
    """What the library opens, it opens, and every other passphrase is a wrong one, whatever it leaves behind."""
    assert alice.is_dir()
    data = openssl(f"pkcs8 -topk8 -in key.pem -passout pass:pw -v1 {scheme} -provider legacy -provider default")
    assert opens(the_one(data, b"pw"), ALICE)
    assert locked(data, None)
    assert not any(locked(data, b"other %d" % number) for number in range(600))


@pytest.mark.parametrize(
    ("option", "name"),
    [("-aes192", "AES-192-CBC"), ("-camellia128", "CAMELLIA-128-CBC"), ("-aria256", "ARIA-256-CBC")],
)
def test_an_older_pem_lock_that_is_not_supported_is_named(
    openssl: Callable[..., bytes], alice: Path, option: str, name: str
) -> None:
    """Older files name their cipher, and so does the error."""
    assert alice.is_dir()
    data = openssl(f"rsa -in key.pem -passout pass:pw -traditional {option}")
    for passphrase in (None, b"pw", b"other"):
        assert refusal(data, passphrase) == f"the private key is locked with {name}, which is not supported"


@pytest.mark.parametrize(
    "parts",
    [[pem(KEY), pem(BOB_KEY), pem(BOB), pem(ALICE)], [pem(ALICE), pem(KEY), pem(BOB), pem(BOB_KEY), pem(KEY)]],
)
def test_keys_and_certificates_are_paired_in_any_order(parts: list[bytes]) -> None:
    """Each key goes with the certificate that carries its public key, once, wherever both stand."""
    first, second = load_identities(b"".join(parts))
    assert [opens(first, ALICE), opens(first, BOB)] == [True, False]
    assert [opens(second, ALICE), opens(second, BOB)] == [False, True]


def test_a_renewed_certificate_is_an_identity_of_its_own() -> None:
    """One key with two certificates answers to both."""
    identities = load_identities(pem(KEY) + pem(ALICE) + pem(RENEWED) + pem(ALICE))
    assert [(opens(each, ALICE), opens(each, RENEWED)) for each in identities] == [(True, False), (False, True)]


def test_certificates_may_be_ignored() -> None:
    """A key that does not go by its certificates is one identity, for whatever may be for it."""
    (identity,) = load_identities(pem(KEY) + pem(RENEWED) + pem(BOB), ignore_certificates=True)
    assert opens(identity, ALICE)
    assert opens(identity, RENEWED)
    assert not opens(the_one(pem(KEY) + pem(RENEWED)), ALICE)


def test_a_key_without_its_certificate_is_an_identity() -> None:
    """A certificate that belongs to another key does not name this one."""
    identity = the_one(pem(KEY) + pem(BOB))
    assert opens(identity, ALICE)
    assert opens(identity, RENEWED)


def test_a_certificate_with_a_key_of_an_unknown_kind_does_no_harm() -> None:
    """An issuer's certificate with an algorithm from elsewhere can stand in the file."""
    odd = altered(ALICE, bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d010107"))
    assert opens(the_one(pem(KEY) + pem(odd) + pem(ALICE)), ALICE)


def test_a_key_that_signs_does_not_hide_one_that_decrypts() -> None:
    """From a file with keys for both purposes, the one for mail is taken."""
    signing = ed25519.Ed25519PrivateKey.generate()
    data = signing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert opens(the_one(data + pem(KEY) + pem(ALICE)), ALICE)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (ed25519.Ed25519PrivateKey.generate(), "this kind of key cannot decrypt mail: Ed25519"),
        (ed448.Ed448PrivateKey.generate(), "this kind of key cannot decrypt mail: Ed448"),
        (dsa.generate_private_key(2048), "this kind of key cannot decrypt mail: DSA"),
    ],
)
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_key_that_only_signs_is_refused(
    key: ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey | dsa.DSAPrivateKey, words: str, encoding: Encoding
) -> None:
    """A key that cannot decrypt anything says so, with its kind."""
    assert refusal(key.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())) == words


@pytest.mark.parametrize(
    ("key", "kind"),
    [(ec.generate_private_key(ec.SECP256R1()), "P-256"), (x25519.X25519PrivateKey.generate(), "X25519")],
)
def test_a_key_of_no_kind_of_recipient_is_refused(
    key: ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that makes no recipient is refused with its kind."""
    monkeypatch.setattr("smime_session.recipients.identities.kind_for", lambda _key: None)
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert refusal(data) == f"this kind of key is not supported: {kind}"


def test_a_key_on_an_unknown_curve_is_refused(openssl: Callable[..., bytes]) -> None:
    """A key on a curve from elsewhere is named as not supported."""
    key = openssl("ecparam -name secp112r1 -genkey")
    assert refusal(key) == "this kind of private key is not supported"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (pem(ALICE), "a certificate"),
        (der(ALICE), "a certificate"),
        (KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "a public key"),
        (KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), "an SSH key"),
        (b"Subject: hello\n\nworld\n", "a mail"),
        (b"hunter2\n", "text"),
    ],
)
def test_other_things_are_named(data: bytes, what: str) -> None:
    """The error says what was given instead of a private key."""
    assert refusal(data) == f"this is {what}, not a private key"


def test_an_empty_file_is_named() -> None:
    """An empty file is called empty."""
    assert refusal(b"") == "the file is empty"


def test_a_pem_block_without_its_end_is_cut_off() -> None:
    """A private key whose PEM block does not end is cut off."""
    assert refusal(pem(KEY).partition(b"-----END")[0]) == "the private key is cut off"


@pytest.mark.parametrize(
    "data", [der(KEY)[:-1], der(KEY)[:40], LOCKED.replace(b"M", b"", 1)], ids=["cut off", "head only", "damaged"]
)
def test_a_damaged_file_is_broken(data: bytes) -> None:
    """A private key that cannot be parsed is called broken."""
    assert "broken" in refusal(data, b"pw")


def test_a_broken_certificate_is_not_passed_over() -> None:
    """An identity does not lose its certificate in silence."""
    assert refusal(pem(KEY) + pem(ALICE).replace(b"M", b"*", 1)) == "the certificate is broken"


def test_numbers_that_contradict_each_other_are_noticed() -> None:
    """An RSA key whose file was damaged is refused though loading skips the slow check."""
    numbers = KEY.private_numbers()
    sound = KEY.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    exponent = numbers.dmp1.to_bytes((numbers.dmp1.bit_length() + 7) // 8)
    damaged = sound.replace(exponent, exponent[:-1] + bytes((exponent[-1] ^ 2,)))
    assert "contradict" in refusal(damaged)


@given(st.integers(0, len(der(KEY)) - 1), st.integers(1, 255))
@settings(max_examples=300, deadline=None)
def test_a_damaged_key_loads_or_is_refused(position: int, difference: int) -> None:
    """No damage leads to any other error than a credential error, and no error shows any of the key."""
    octets = bytearray(der(KEY))
    octets[position] ^= difference
    try:
        assert len(load_identities(bytes(octets))) == 1
    except CredentialError as error:
        assert len(str(error)) < 100  # noqa: PT017  # both outcomes are right


@given(st.integers(0, len(LOCKED) - 1), st.integers(1, 255), st.sampled_from([None, b"pw"]))
@settings(max_examples=100, deadline=None)
def test_a_damaged_locked_key_loads_or_is_refused(position: int, difference: int, passphrase: bytes | None) -> None:
    """The same holds for a locked key."""
    octets = bytearray(LOCKED)
    octets[position] ^= difference
    try:
        assert len(load_identities(bytes(octets), passphrase)) == 1
    except CredentialError as error:
        assert len(str(error)) < 100  # noqa: PT017  # both outcomes are right


def test_an_rsa_key_for_pss_only_signs(openssl: Callable[..., bytes]) -> None:
    """A key that its file keeps for signatures is refused, left out beside another, and listed so (RFC 4055, 1.2)."""
    data = openssl("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048")
    words = "this private key cannot decrypt mail: it is only for signing (RSASSA-PSS)"
    for each in (data, load_pem(data)):
        assert refusal(each) == words
        assert list_credentials(each).private_keys[0].use == "only signs"
    assert opens(the_one(data + pem(KEY)), ALICE)


def load_pem(data: bytes) -> bytes:
    """Return the DER in the one PEM block of a file."""
    return b64decode(b"".join(data.splitlines()[1:-1]))


TRADITIONAL = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"pw"))


@pytest.mark.parametrize("cipher", [b"AES-128-CBC", b"AES-256-CBC", b"DES-EDE3-CBC", b"aes-128-cbc", b"NONE"])
@given(size=st.integers(0, 40), line=st.sampled_from([b"DEK-Info: %s,%s", b" DEK-Info :%s,%s ", b"DEK-Info: %s,%s0"]))
@settings(max_examples=60, deadline=None)
def test_a_locked_key_with_any_vector_is_refused_in_words(cipher: bytes, size: int, line: bytes) -> None:
    """An initialisation vector of any length, which the library does not check, leads to no other error than ours."""
    data = re.sub(rb"DEK-Info.*", line % (cipher, b"00" * size), TRADITIONAL)
    for passphrase in (None, b"pw"):
        with pytest.raises(CredentialError) as caught:
            load_identities(data, passphrase)
        fits = size == {b"AES-128-CBC": 16, b"AES-256-CBC": 16, b"DES-EDE3-CBC": 8}.get(cipher, size)
        known = cipher in {b"AES-128-CBC", b"AES-256-CBC", b"DES-EDE3-CBC"}
        assert "broken" in str(caught.value) or fits or not known
        if known:
            with pytest.raises(CredentialError):
                list_credentials(data, b"pw")


def test_a_cipher_that_is_not_known_is_not_blamed_on_the_passphrase() -> None:
    """Older files name their cipher, and so does the error."""
    data = re.sub(rb"DEK-Info: [^,]*", b"DEK-Info: IDEA-CBC", TRADITIONAL)
    assert refusal(data, b"pw") == "the private key is locked with IDEA-CBC, which is not supported"
