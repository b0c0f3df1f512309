"""PKCS#12: every key and certificate by itself, whatever locks it, and what is no matter of the passphrase."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os
import time
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization import pkcs12 as library
from hypothesis import given, settings
from hypothesis import strategies as st

from smime_session.algorithms import DATA, HASH_OIDS, PRF_OIDS
from smime_session.certificates.certificate import Certificate
from smime_session.cms import asn1
from smime_session.errors import CredentialError, PassphraseError
from smime_session.inspection.listing import list_credentials
from smime_session.keys import pkcs12
from smime_session.keys.pkcs12 import mac_key
from smime_session.keys.private_key import UnsupportedLockError, UnusableKeyError
from smime_session.profiles import MAX_PBKDF2_ITERATIONS
from smime_session.recipients.identities import load_identities
from tests.support import locking
from tests.support.making import certificate, der, pem, rsa_key

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from smime_session.algorithms import HashName

SEED = bytes(range(64))
KEY = MLKEM768PrivateKey.from_seed_bytes(SEED)
PUBLIC = KEY.public_key().public_bytes_raw()
EXPANDED = os.urandom(len(PUBLIC) - 32) + PUBLIC + hashlib.sha3_256(PUBLIC).digest() + SEED[32:]
BOTH = locking.pkcs8(locking.sequence(locking.octet_string(SEED), locking.octet_string(EXPANDED)))
WITHOUT_SEED = locking.pkcs8(locking.octet_string(EXPANDED))
ALICE = certificate("alice@example.org", public_key=KEY.public_key())
ISSUER = certificate("issuer@example.org", serial=2)
BAG = locking.certificate_bag(der(ALICE))
MACS = [b"old", b"new", None]


def shrouded(made: bytes = BOTH, passphrase: bytes = b"pw") -> bytes:
    """Return a bag with a locked private key."""
    return locking.bag(2, locking.locked(made, passphrase))


def der_of(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    """Return a PrivateKeyInfo."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def chest(mac: bytes | None = b"old", passphrase: bytes = b"pw", hash_name: HashName = "SHA-256") -> bytes:
    """Return a file as OpenSSL makes it: certificates locked together, the key by itself."""
    issuer = locking.certificate_bag(der(ISSUER))
    parts = [locking.locked_part(passphrase, BAG, issuer), locking.plain_part(shrouded(BOTH, passphrase))]
    return locking.pkcs12(parts, mac, passphrase, hash_name)


def refusal(data: bytes, passphrase: bytes | None = b"pw") -> str:
    """Return why a file is refused, which must be no matter of its passphrase."""
    with pytest.raises(CredentialError) as caught:
        load_identities(data, passphrase)
    assert not isinstance(caught.value, PassphraseError)
    return str(caught.value)


def locked(data: bytes, passphrase: bytes | None) -> bool:
    """Return whether a passphrase is called missing for a file that must be refused for its lock."""
    with pytest.raises(PassphraseError) as caught:
        load_identities(data, passphrase)
    return caught.value.missing


@pytest.mark.parametrize("hash_name", ["SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512"])
@pytest.mark.parametrize("mac", MACS)
def test_a_key_opens_with_its_passphrase(mac: bytes | None, hash_name: HashName) -> None:
    """Under a MAC of either kind or none, the passphrase opens the key and its certificate, and no other does."""
    data = chest(mac, hash_name=hash_name)
    (identity,) = load_identities(data, b"pw")
    assert str(identity) == "ML-KEM-768 private key of alice@example.org (serial 0x1a2b)"
    assert locked(data, None)
    assert not locked(data, b"other")
    assert not locked(data, b"p\0w")


@pytest.mark.parametrize("passphrase", ["pä\N{SNOWMAN}\N{GRINNING FACE}".encode(), b"x" * 200])
@pytest.mark.parametrize("mac", MACS)
def test_a_passphrase_may_be_any_text(mac: bytes | None, passphrase: bytes) -> None:
    """A passphrase beyond ASCII, or longer than a hash's block, fits."""
    assert len(load_identities(chest(mac, passphrase), passphrase)) == 1


@pytest.mark.parametrize("passphrase", [None, b"", b"not needed"])
@pytest.mark.parametrize("mac", [b"old", None])
def test_an_empty_passphrase_needs_none(mac: bytes | None, passphrase: bytes | None) -> None:
    """What is locked with the empty passphrase opens whatever is given."""
    assert len(load_identities(chest(mac, b""), passphrase)) == 1


def test_an_empty_passphrase_may_be_none_at_all() -> None:
    """To some programs the empty passphrase of a MAC is no octets, and not the NUL that ends text."""
    safe = locking.sequence(locking.plain_part(locking.bag(1, BOTH)))
    with mac_key(b"", locking.SALT, locking.ITERATIONS, "sha256") as key:
        digest = hmac.digest(key.material, safe, "sha256")
    info = locking.sequence(locking.algorithm(HASH_OIDS["SHA-256"]), locking.octet_string(digest))
    mac_data = locking.sequence(info, locking.octet_string(locking.SALT), asn1.integer(locking.ITERATIONS))
    content = locking.content_info(DATA, locking.octet_string(safe))
    assert len(load_identities(locking.sequence(asn1.integer(3), content, mac_data))) == 1


def test_what_is_no_certificate_of_x509_is_passed_over() -> None:
    """So are revocation lists and secrets: nobody needs them here."""
    others = (
        locking.bag(3, locking.content_info("1.2.840.113549.1.9.22.2", locking.octet_string(b"SDSI"))),
        locking.bag(4, locking.content_info("1.2.840.113549.1.9.23.1", locking.octet_string(b"a list"))),
        locking.bag(5, locking.content_info("1.2.3.4", locking.octet_string(b"a secret"))),
    )
    data = locking.pkcs12([locking.plain_part(*others, shrouded(), BAG)], b"old", b"pw")
    assert pkcs12.load(data, b"pw")[1:] == [Certificate.of(ALICE)]


@pytest.mark.parametrize("mac", MACS)
def test_a_key_in_the_clear_is_read(mac: bytes | None) -> None:
    """Neither the key nor the certificate need be locked."""
    data = locking.pkcs12([locking.plain_part(locking.bag(1, BOTH), BAG)], mac, b"pw")
    (identity,) = load_identities(data, b"pw")
    assert str(identity).endswith("of alice@example.org (serial 0x1a2b)")


def test_a_key_among_what_is_locked_together_is_read() -> None:
    """A key may be in EncryptedData too, whose octets may be in parts."""
    for bags in ((locking.bag(1, BOTH), BAG), (BAG, shrouded())):
        data = locking.pkcs12([locking.locked_part(b"pw", *bags, parts=True)], b"old", b"pw")
        assert len(load_identities(data, b"pw")) == 1


def test_ber_is_read() -> None:
    """Indefinite lengths, as Java writes them, are no obstacle."""
    data = chest()
    header = len(data) - len(asn1.parse(data).contents)
    assert len(load_identities(b"\x30\x80" + data[header:] + b"\0\0", b"pw")) == 1


def test_the_content_is_read_only_if_its_mac_fits() -> None:
    """A changed octet is noticed before anything is unlocked."""
    data = bytearray(chest())
    at = data.find(asn1.object_identifier("1.2.840.113549.1.9.21"))  # of an attribute, which nobody looks at
    data[at + 2] ^= 0x04
    assert not locked(bytes(data), b"pw")


def test_a_lock_that_is_not_supported_is_named_before_a_passphrase_is_tried() -> None:
    """The error names the algorithm of a key, of a part and of a MAC, whatever the passphrase."""
    older = locking.algorithm("1.2.840.113549.1.5.1", locking.octet_string(bytes(8)) + asn1.integer(1))
    key = locking.plain_part(locking.bag(2, locking.sequence(older, locking.octet_string(bytes(64)))))
    content = locking.sequence(asn1.object_identifier(DATA), older, asn1.encode(0x80, bytes(64)))
    part = locking.content_info("1.2.840.113549.1.7.6", locking.sequence(asn1.integer(0), content))
    for each, passphrase in itertools.product((key, part), (None, b"pw", b"other")):
        with pytest.raises(UnsupportedLockError) as caught:
            load_identities(locking.pkcs12([each], b"old", b"pw"), passphrase)
        assert str(caught.value) == "the PKCS#12 file is locked with PBE with MD2 and DES, which is not supported"
    digest = locking.sequence(locking.algorithm("1.2.840.113549.2.4"), locking.octet_string(bytes(16)))
    mac_data = locking.sequence(digest, locking.octet_string(locking.SALT))
    data = asn1.parse(chest(None)).children()
    assert refusal(locking.sequence(data[0].encoded, data[1].encoded, mac_data)).endswith(
        "locked with MD4, which is not supported"
    )


@pytest.mark.parametrize("mac", MACS)
def test_another_passphrase_inside_is_a_wrong_one_only_without_a_mac(mac: bytes | None) -> None:
    """Where the MAC says that a passphrase is right, what it does not open is told as such, and hides no other key."""
    odd = locking.bag(2, locking.locked(der(rsa_key("bob")), b"other"))
    alone = locking.pkcs12([locking.plain_part(odd)], mac, b"pw")
    both = locking.pkcs12([locking.plain_part(odd, shrouded(), BAG)], mac, b"pw")
    if mac is None:
        assert not locked(alone, b"pw")
        assert not locked(both, b"pw")
        return
    assert refusal(alone) == (
        "the private key in the PKCS#12 file is locked with AES-256-CBC and perhaps another passphrase, "
        "which is not supported"
    )
    assert [str(each) for each in load_identities(both, b"pw")] == [
        str(each) for each in load_identities(chest(), b"pw")
    ]
    assert not locked(both, b"other")


def test_a_key_without_its_seed_is_listed() -> None:
    """What cannot be used is told by name, and that it cannot."""
    data = locking.pkcs12([locking.plain_part(shrouded(WITHOUT_SEED))], b"old", b"pw")
    (key,) = list_credentials(data, b"pw").private_keys
    assert (key.key, key.locked, key.use) == ("ML-KEM-768", True, "not usable: lacks its seed")
    assert refusal(data) == "the ML-KEM-768 private key lacks its seed: export it again with the seed"


def test_a_listing_shows_key_and_certificates() -> None:
    """Everything is listed as it is of other keys."""
    found = list_credentials(chest(), b"pw")
    assert (found.private_keys[0].key, found.private_keys[0].matching_certificates) == ("ML-KEM-768", (1,))
    assert [each.addresses for each in found.certificates] == [("alice@example.org",), ("issuer@example.org",)]
    assert list_credentials(chest(), b"pw").private_keys[0].locked
    assert not list_credentials(chest()).private_keys


@pytest.mark.parametrize("mac", MACS)
@pytest.mark.parametrize(
    "broken",
    [der(ALICE)[:-1], der(ALICE).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04", 1), b"", b"\x30\x00"],
    ids=["cut off", "of an unknown version", "nothing", "empty"],
)
def test_a_broken_certificate_is_no_wrong_passphrase(broken: bytes, mac: bytes | None) -> None:
    """The other keys stay usable and it is listed; but no key loses its only certificate in silence."""
    bad = locking.certificate_bag(broken)
    alone = locking.pkcs12([locking.locked_part(b"pw", bad), locking.plain_part(shrouded())], mac, b"pw")
    assert refusal(alone) == "the PKCS#12 file holds a broken certificate"
    listed = list_credentials(alone, b"pw")
    assert (listed.others, listed.private_keys[0].use) == (("a broken certificate",), "opens messages")
    bob = locking.bag(2, locking.locked(der(rsa_key("bob")), b"pw"))
    pairs = [locking.locked_part(b"pw", bad, BAG), locking.plain_part(bob, shrouded())]
    first, second = load_identities(locking.pkcs12(pairs, mac, b"pw"), b"pw")
    assert str(first).startswith("RSA-2048 private key without a certificate")
    assert str(second).endswith("of alice@example.org (serial 0x1a2b)")


def test_keys_that_cannot_be_used_hide_no_other() -> None:
    """On a curve that is not supported, of a kind that is not known, broken, or without a seed: others are usable."""
    curve = ec.generate_private_key(ec.SECP256K1())
    only_signs = ed25519.Ed25519PrivateKey.generate()
    made = [
        *(der_of(key) for key in (curve, only_signs)),
        locking.pkcs8(b"a key", "1.2.3.4"),
        der(rsa_key())[:-20] + bytes(20),
        WITHOUT_SEED,
    ]
    for each in made:
        for bags in ((shrouded(each), shrouded()), (shrouded(), locking.bag(1, each))):
            data = locking.pkcs12([locking.plain_part(*bags, BAG)], b"old", b"pw")
            (identity,) = load_identities(data, b"pw")
            assert str(identity) == "ML-KEM-768 private key of alice@example.org (serial 0x1a2b)"
            assert len(list_credentials(data, b"pw").private_keys) == 2
        assert refusal(locking.pkcs12([locking.plain_part(shrouded(each))], b"old", b"pw"))


@pytest.mark.parametrize("mac", MACS)
@given(count=st.integers(1, 6), order=st.randoms())
@settings(max_examples=10)
def test_all_pairs_are_read(mac: bytes | None, count: int, order: random.Random) -> None:
    """A file with several key pairs, as mail programs export them, gives an identity for each, wherever they stand."""
    owners = [f"owner{number}" for number in range(count)]
    keys = [locking.bag(2, locking.locked(der(rsa_key(owner)), b"pw")) for owner in owners]
    certificates = [
        locking.certificate_bag(der(certificate(f"{owner}@example.org", public_key=rsa_key(owner).public_key())))
        for owner in owners
    ]
    order.shuffle(certificates)
    parts = [locking.plain_part(*keys[:2]), locking.locked_part(b"pw", *certificates), locking.plain_part(*keys[2:])]
    data = locking.pkcs12(parts, mac, b"pw")
    assert [str(each) for each in load_identities(data, b"pw")] == [
        f"RSA-2048 private key of {owner}@example.org (serial 0x1a2b)" for owner in owners
    ]
    listed = list_credentials(data, b"pw")
    assert sorted(number for key in listed.private_keys for number in key.matching_certificates) == [
        *range(1, count + 1)
    ]
    assert all(each.has_private_key for each in listed.certificates)


def test_without_a_mac_a_wrong_passphrase_is_told_as_one() -> None:
    """Of 256, one leaves what looks like a padding, and of thousands one what looks like a broken key besides."""
    for parts in ([locking.plain_part(shrouded())], [locking.locked_part(b"pw", BAG, locking.bag(1, BOTH))]):
        data = locking.pkcs12(parts, None, b"pw")
        like_a_key = 0
        for number in range(1500):
            try:
                assert not locked(data, b"other %d" % number)
            except UnusableKeyError:
                like_a_key += 1
        assert like_a_key < 4
        assert len(load_identities(data, b"pw")) == 1


@pytest.mark.parametrize("find", [bytes.find, bytes.rfind])
def test_a_pbmac1_that_is_not_supported_is_named(find: Callable[[bytes, bytes], int]) -> None:
    """The pseudorandom function that makes its key, or the one that it goes on with, may be another."""
    *others, mac_data = (part.encoded for part in asn1.parse(chest(b"new")).children())
    at = find(mac_data, asn1.object_identifier(PRF_OIDS["SHA-256"])) + 9
    assert mac_data[at] == 9
    changed = mac_data[:at] + b"\x7f" + mac_data[at + 1 :]
    assert refusal(locking.sequence(*others, changed)).endswith("1.2.840.113549.2.127, which is not supported")


def test_safe_contents_may_be_within_others() -> None:
    """A bag may hold bags."""
    inner = locking.bag(6, locking.sequence(shrouded(), BAG))
    assert len(load_identities(locking.pkcs12([locking.plain_part(inner)], b"old", b"pw"), b"pw")) == 1


LEGACY: Final = [
    *(f"PBE-{name}" for name in ("MD5-DES", "MD5-RC2-64", "SHA1-DES", "SHA1-RC2-64", "SHA1-RC4-128", "SHA1-RC4-40")),
    *(f"PBE-{name}" for name in ("SHA1-3DES", "SHA1-2DES", "SHA1-RC2-128", "SHA1-RC2-40")),
    *("rc2-cbc", "rc2-40-cbc", "rc2-64-cbc", "bf-cbc", "cast5-cbc", "des-cbc", "seed-cbc", "des-ede3-cbc"),
    *(f"{name}-{bits}-cbc" for name in ("aes", "camellia", "aria") for bits in (128, 192, 256)),
]


@pytest.mark.parametrize("passphrase", ["pw", ""])
@pytest.mark.parametrize("cipher", LEGACY)
def test_every_cipher_of_openssl_s_is_opened(
    openssl: Callable[..., bytes], tmp_path: Path, cipher: str, passphrase: str
) -> None:
    """For keys and for certificates, and with no other passphrase."""
    (tmp_path / "key.pem").write_bytes(pem(rsa_key()))
    (tmp_path / "certificate.pem").write_bytes(pem(ISSUER))
    where = f"-inkey key.pem -in certificate.pem -passout pass:{passphrase} -provider legacy -provider default"
    data = openssl(f"pkcs12 -export {where} -keypbe {cipher} -certpbe {cipher}")
    (identity,) = load_identities(data, passphrase.encode())
    assert str(identity) == "RSA-2048 private key of issuer@example.org (serial 0x2)"
    if passphrase:
        assert not locked(data, b"other")
        assert locked(data, None)


@pytest.mark.parametrize("digest", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512-256", "sha3-256"])
def test_every_mac_of_openssl_s_is_checked(openssl: Callable[..., bytes], tmp_path: Path, digest: str) -> None:
    """Whatever hash function it has, the MAC tells the right passphrase from others."""
    (tmp_path / "key.pem").write_bytes(pem(rsa_key()))
    data = openssl(f"pkcs12 -export -nocerts -inkey key.pem -passout pass:pw -keypbe NONE -macalg {digest}")
    assert len(load_identities(data, b"pw")) == 1
    assert not locked(data, b"other")


def test_a_file_is_read_as_far_as_a_limit() -> None:
    """Of a size that no honest file has, nothing is taken apart."""
    many = locking.plain_part(*[locking.bag(4, locking.sequence(locking.octet_string(bytes(1000))))] * 4300)
    assert refusal(locking.pkcs12([many], None, b"pw")).endswith("its size exceeds the limit of 4,194,304 bytes")


@pytest.mark.parametrize("size", [1, 16, 1000])
def test_a_string_in_many_parts_costs_no_more_than_one(size: int) -> None:
    """OCTET STRINGs in parts, as streaming programs write them, are joined once, and have a limited number of them."""
    pieces = locking.octet_string(bytes(size)) * (1_000_000 // (size + 2))
    content = locking.sequence(asn1.object_identifier(DATA), b"\xa0\x80\x24\x80" + pieces + bytes(4))
    begun = time.process_time()
    assert refusal(locking.sequence(asn1.integer(3), content))
    assert time.process_time() - begun < 5  # asn1crypto alone takes many times as long


def test_what_is_signed_or_of_another_version_is_refused() -> None:
    """Only a file of version 3 that a passphrase protects is one (RFC 7292, 4)."""
    version, content, mac = (part.encoded for part in asn1.parse(chest()).children())
    signed = content.replace(asn1.object_identifier(DATA), asn1.object_identifier(DATA[:-1] + "2"), 1)
    assert pkcs12.load(locking.sequence(version, content, mac), b"pw")
    for data in (locking.sequence(asn1.integer(2), content, mac), locking.sequence(version, signed, mac)):
        with pytest.raises(CredentialError, match=r"^the PKCS#12 file is broken$"):
            pkcs12.load(data, b"pw")


def test_a_mac_with_too_many_iterations_is_not_tried() -> None:
    """Hours of work are refused before they begin, of any file."""
    for mac in (b"old", b"new"):
        content, mac_data = asn1.parse(chest(mac)).children()[1:]
        info, *salt_and_iterations = _renumbered(mac_data)
        # PBMAC1 has iterations of its own, and those of the file are not looked at
        rest = salt_and_iterations if mac == b"old" else [each.encoded for each in mac_data.children()[1:]]
        claimed = locking.sequence(info, *rest)
        data = locking.sequence(asn1.integer(3), content.encoded, claimed)
        assert refusal(data) == (
            "the PKCS#12 file cannot be unlocked: the number of iterations exceeds the limit of 10,000,000"
        )


def _renumbered(element: asn1.Element) -> list[bytes]:
    """Return the parts of a value with a number of iterations that is too large, wherever it stands."""
    large = asn1.integer(MAX_PBKDF2_ITERATIONS + 1)
    return [
        large
        if part.encoded == asn1.integer(locking.ITERATIONS)
        else asn1.encode(part.tag, *_renumbered(part))
        if part.constructed
        else part.encoded
        for part in element
    ]


def test_what_the_library_writes_is_read() -> None:
    """What the library writes is read."""
    data = library.serialize_key_and_certificates(None, rsa_key(), ISSUER, None, BestAvailableEncryption(b"pw"))
    assert str(load_identities(data, b"pw")[0]).startswith("RSA-2048 private key of issuer@example.org")


@pytest.mark.parametrize(
    ("passphrase", "salt", "iterations", "expected"),
    [
        ("smeg", "3D83C0E4546AC140", 1, "8D967D88F6CAA9D714800AB3D48051D63F73A312"),
        ("queeg", "263216FCC2FAB31C", 1000, "5EC4C7A80DF652294C3925B6489A7AB857C83476"),
    ],
)
def test_the_key_of_a_mac_is_the_published_one(passphrase: str, salt: str, iterations: int, expected: str) -> None:
    """The derivation of RFC 7292, B.2 agrees with the examples that other programs test themselves with."""
    text = passphrase.encode("utf-16-be") + bytes(2)
    assert mac_key(text, bytes.fromhex(salt), iterations, "sha1").material == bytes.fromhex(expected)


@given(st.integers(0, len(chest(None)) - 1), st.integers(1, 255), st.sampled_from([b"old", b"new", None]))
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_loads_or_is_refused(position: int, difference: int, mac: bytes | None) -> None:
    """No damage leads to any other error than a credential error, and no error shows any of the key."""
    octets = bytearray(chest(mac))
    octets[position] ^= difference
    try:
        assert len(load_identities(bytes(octets), b"pw")) == 1
    except CredentialError as error:
        assert len(str(error)) < 200  # noqa: PT017  # both outcomes are right
