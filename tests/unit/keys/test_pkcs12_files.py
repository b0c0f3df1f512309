"""Files of PKCS#12 that programs write, loaded as identities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    NoEncryption,
    pkcs12,
)

from tests.support.loading import locked, opens, refusal, the_one
from tests.support.making import certificate, rsa_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALICE = certificate("alice@example.org", serial=1)
RENEWED = certificate("alice@example.org", serial=2)
BOB_KEY = rsa_key("bob")
BOB = certificate("bob@example.org", public_key=BOB_KEY.public_key(), serial=3)
KEY = rsa_key()


@pytest.mark.parametrize(
    "options",
    [
        "",
        "-legacy",
        "-legacy -keypbe PBE-SHA1-RC2-40 -certpbe PBE-SHA1-RC2-40",
        "-macalg sha512 -keypbe AES-128-CBC",
        "-nomac",
    ],
)
def test_pkcs12_opens_with_its_passphrase(openssl: Callable[..., bytes], alice: Path, options: str) -> None:
    """PKCS#12 of any age opens with its passphrase, and with no other."""
    assert alice.is_dir()
    data = openssl(f"pkcs12 -export -inkey key.pem -in certificate.pem -passout pass:pw {options}")
    assert opens(the_one(data, b"pw"), ALICE)
    assert locked(data, None)
    assert not locked(data, b"other")


@pytest.mark.parametrize("options", ["", "-legacy", "-keypbe NONE -certpbe NONE", "-keypbe NONE -certpbe NONE -nomac"])
@pytest.mark.parametrize("passphrase", [None, b"", b"not needed", b"not\0possible", b"\xff"])
def test_pkcs12_without_a_passphrase_needs_none(
    openssl: Callable[..., bytes], alice: Path, options: str, passphrase: bytes | None
) -> None:
    """PKCS#12 that is locked with the empty passphrase, or not at all, opens whatever passphrase is given."""
    assert alice.is_dir()
    data = openssl(f"pkcs12 -export -inkey key.pem -in certificate.pem -passout pass: {options}")
    assert opens(the_one(data, passphrase), ALICE)


@pytest.mark.parametrize("passphrase", [b"p\0w", b"\xff"])
def test_pkcs12_refuses_a_passphrase_that_it_cannot_hold(passphrase: bytes) -> None:
    """A passphrase that is no text is a wrong one."""
    data = pkcs12.serialize_key_and_certificates(None, KEY, ALICE, None, BestAvailableEncryption(b"pw"))
    assert not locked(data, passphrase)


def test_a_passphrase_may_be_any_text() -> None:
    """A passphrase beyond ASCII opens PKCS#12."""
    passphrase = "pä\N{SNOWMAN}".encode()
    data = pkcs12.serialize_key_and_certificates(None, KEY, ALICE, None, BestAvailableEncryption(passphrase))
    assert opens(the_one(data, passphrase), ALICE)


def test_pkcs12_in_ber_opens_without_a_warning() -> None:
    """PKCS#12 in indefinite-length BER, as older programs write it, opens in silence."""
    data = pkcs12.serialize_key_and_certificates(None, KEY, ALICE, None, NoEncryption())
    body = data[4:]
    assert opens(the_one(b"\x30\x80" + body + b"\x00\x00"), ALICE)


def test_pkcs12_with_a_chain_gives_one_identity() -> None:
    """The issuers' certificates in PKCS#12 are not taken for the owner's."""
    data = pkcs12.serialize_key_and_certificates(None, KEY, ALICE, [BOB], NoEncryption())
    assert opens(the_one(data), ALICE)


def test_pkcs12_with_a_key_alone_gives_a_bare_identity(openssl: Callable[..., bytes], alice: Path) -> None:
    """PKCS#12 need not hold a certificate."""
    assert alice.is_dir()
    data = openssl("pkcs12 -export -inkey key.pem -in certificate.pem -nocerts -passout pass:")
    assert opens(the_one(data), RENEWED)


def test_pkcs12_without_a_key_is_refused() -> None:
    """PKCS#12 that holds certificates only says so."""
    data = pkcs12.serialize_key_and_certificates(None, None, ALICE, [BOB], NoEncryption())
    assert refusal(data) == "the PKCS#12 file holds no private key"


def test_damaged_pkcs12_is_told_from_a_locked_one() -> None:
    """PKCS#12 whose structure is damaged is no matter of its passphrase."""
    data = pkcs12.serialize_key_and_certificates(None, KEY, ALICE, None, BestAvailableEncryption(b"pw"))
    assert refusal(data[:-1], b"pw") == "the file is cut off or broken"
    assert refusal(data[:4] + b"\x02\x01\x03\x30\x00", b"pw") == "the file is cut off or broken"
    assert refusal(b"\x30\x05\x02\x01\x03\x30\x00", b"pw") == "the PKCS#12 file is broken"


def test_pkcs12_with_a_broken_certificate_is_refused(openssl: Callable[..., bytes], alice: Path) -> None:
    """A certificate with an impossible version in PKCS#12 is not passed over."""
    assert alice.is_dir()
    plain = "-keypbe NONE -certpbe NONE -nomac -passout pass:"
    data = openssl(f"pkcs12 -export -inkey key.pem -in certificate.pem {plain}")
    damaged = data.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x50")
    assert refusal(damaged) == "the PKCS#12 file holds a broken certificate"
