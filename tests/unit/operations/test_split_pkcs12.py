"""PKCS#12 files in parts; those of browsers are made in ``tests/interop/test_own_authority.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12

from smime_session import (
    CredentialError,
    PassphraseError,
    load_certificates,
    load_identities,
    new_authority,
    split_pkcs12,
)
from tests.support.chains import root
from tests.support.making import NOW, pem

if TYPE_CHECKING:
    from cryptography import x509

PASSPHRASE = b"open sesame"
CA = root()
KEY = ec.generate_private_key(ec.SECP256R1())
ALICE = CA.issue(key=KEY.public_key())


def _file(
    key: ec.EllipticCurvePrivateKey | None = KEY,
    certificate: x509.Certificate | None = ALICE,
    passphrase: bytes | None = PASSPHRASE,
) -> bytes:
    locked = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"alice", key, certificate, [CA.certificate], locked)


@pytest.mark.parametrize("lock", [None, b"another"])
def test_each_part_goes_where_it_belongs(lock: bytes | None) -> None:
    """The key with its certificate, that alone, and those of issuers."""
    parts = split_pkcs12(_file(), PASSPHRASE, lock=lock)
    (identity,) = load_identities(parts.private_keys_pem, lock)
    assert identity
    assert load_certificates(parts.private_keys_pem) == load_certificates(parts.certificates_pem) == [ALICE]
    assert load_certificates(parts.issuers_pem) == [CA.certificate]
    assert (parts.certificates, parts.addresses) == ((ALICE,), ("alice@example.org",))
    assert (b"ENCRYPTED" in parts.private_keys_pem) is (lock is not None)
    assert "PRIVATE KEY" not in repr(parts)


def test_a_file_without_a_lock() -> None:
    """It opens without a passphrase."""
    assert split_pkcs12(_file(passphrase=None)).certificates == (ALICE,)


def test_what_cannot_be_split() -> None:
    """A wrong passphrase or none, another kind of file, no private key, or one without its certificate."""
    with pytest.raises(PassphraseError) as caught:
        split_pkcs12(_file())
    assert caught.value.missing
    with pytest.raises(PassphraseError) as caught:
        split_pkcs12(_file(), b"wrong")
    assert not caught.value.missing
    with pytest.raises(CredentialError, match="this is a certificate, not a PKCS#12 file"):
        split_pkcs12(pem(ALICE))
    with pytest.raises(CredentialError, match="the PKCS#12 file holds no private key"):
        split_pkcs12(_file(None, ALICE), PASSPHRASE)
    with pytest.raises(CredentialError, match="the PKCS#12 file holds a private key without its certificate"):
        split_pkcs12(_file(KEY, None), PASSPHRASE)
    with pytest.raises(CredentialError, match="a passphrase has 1 to 1,023 bytes, not 0"):
        split_pkcs12(_file(), PASSPHRASE, lock=b"")
    made = new_authority("CA", key_type="p256", at=NOW)
    with pytest.raises(CredentialError, match="this is a private key, not a PKCS#12 file"):
        split_pkcs12(made.private_key_pem)
