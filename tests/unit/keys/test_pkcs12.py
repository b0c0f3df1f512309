"""PKCS#12 with an ML-KEM key, which is read here and not by the library underneath."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization import pkcs12 as library
from hypothesis import given, settings
from hypothesis import strategies as st

from smime_session.algorithms import DATA, HASH_OIDS
from smime_session.cms import asn1
from smime_session.errors import CredentialError, PassphraseError
from smime_session.inspection.listing import list_credentials
from smime_session.keys import pkcs12
from smime_session.keys.pkcs12 import mac_key
from smime_session.profiles import MAX_PBKDF2_ITERATIONS
from smime_session.recipients.identities import load_identities
from tests.support import locking
from tests.support.making import certificate, der, rsa_key

if TYPE_CHECKING:
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
    with mac_key(b"", locking.SALT, locking.ITERATIONS, "SHA-256") as key:
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
    found = pkcs12.load(data, b"pw")
    assert found is not None
    assert found[1] == [ALICE]


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


def test_another_lock_is_named() -> None:
    """Locks of older files are not opened here, and the error says what to do."""
    older = locking.sequence(locking.octet_string(b"8 octets"), asn1.integer(1))
    scheme = locking.algorithm("1.2.840.113549.1.12.1.3", older)
    value = locking.sequence(scheme, locking.octet_string(bytes(64)))
    data = locking.pkcs12([locking.plain_part(locking.bag(2, value))], b"old", b"pw")
    with pytest.raises(CredentialError) as caught:
        pkcs12.load(data, b"pw")
    assert str(caught.value) == (
        "the PKCS#12 file is broken, or holds an ML-KEM key locked with PBE with SHA-1 and Triple-DES, "
        "which is not supported: export it again with AES"
    )


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


def test_a_broken_certificate_is_not_passed_over() -> None:
    """An identity does not lose its certificate in silence."""
    broken = locking.certificate_bag(der(ALICE)[:-1])
    with pytest.raises(CredentialError, match="the PKCS#12 file holds a broken certificate"):
        pkcs12.load(locking.pkcs12([locking.plain_part(shrouded(), broken)], b"old", b"pw"), b"pw")


def test_a_certificate_of_an_unknown_version_is_broken_too() -> None:
    """The library has an error of its own for that, which does not get through."""
    odd = der(ALICE).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04", 1)
    data = locking.pkcs12([locking.plain_part(shrouded(), locking.certificate_bag(odd))], b"old", b"pw")
    with pytest.raises(CredentialError, match="the PKCS#12 file holds a broken certificate"):
        pkcs12.load(data, b"pw")


def test_a_file_without_a_key_is_refused() -> None:
    """Certificates alone are no identity."""
    with pytest.raises(CredentialError, match=r"^the PKCS#12 file is broken$"):
        pkcs12.load(locking.pkcs12([locking.plain_part(BAG)], b"old", b"pw"), b"pw")


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
        assert refusal(data).startswith("the PKCS#12 file cannot be unlocked: the number of ")
        assert refusal(data).endswith("iterations exceeds the limit of 10,000,000")


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


def test_other_keys_are_left_to_the_library() -> None:
    """A file that the library reads is not looked at here."""
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
    assert mac_key(text, bytes.fromhex(salt), iterations, "SHA-1").material == bytes.fromhex(expected)


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
