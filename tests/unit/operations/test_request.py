"""Requests for certificates; what OpenSSL says of them is in ``tests/interop/test_own_authority.py``."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from smime_session import CredentialError, new_request
from smime_session.operations.request import REQUEST_KEY_TYPES
from tests.support.making import key_usage, smtp_utf8_mailbox


@pytest.mark.parametrize("key_type", REQUEST_KEY_TYPES)
def test_a_request_asks_for_what_mail_needs(key_type: str) -> None:
    """It is signed with its own key, and has the address where certificates have it."""
    made = new_request("bob@example.org", key_type=key_type)
    assert made.request.is_signature_valid
    assert load_pem_private_key(made.private_key_pem, None).public_key() == made.request.public_key()
    assert x509.load_pem_x509_csr(made.request_pem) == made.request
    extensions = made.request.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.RFC822Name("bob@example.org")]
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.EMAIL_PROTECTION]
    wanted = "key_encipherment" if key_type.startswith("rsa") else "key_agreement"
    assert extensions.get_extension_for_class(x509.KeyUsage).value == key_usage("digital_signature", wanted)


def test_an_internationalised_address_is_asked_for() -> None:
    """As certificates have it (RFC 9598)."""
    made = new_request("дарья@example.org", key_type="p256")
    names = made.request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [smtp_utf8_mailbox("дарья@example.org")]


def test_the_private_key_can_be_locked() -> None:
    """It opens with the passphrase, and is in no repr."""
    made = new_request("bob@example.org", key_type="p256", passphrase=b"open sesame")
    assert load_pem_private_key(made.private_key_pem, b"open sesame").public_key() == made.request.public_key()
    assert "PRIVATE KEY" not in repr(made)


@pytest.mark.parametrize(
    ("address", "key_type", "words"),
    [
        ("bob", "p256", "'bob' is not a mail address"),
        ("bob@example.org", "x25519", "the key type 'x25519' signs no request: choose one of rsa2048, "),
        ("bob@example.org", "dsa", "the key type 'dsa' is not known: choose one of "),
    ],
)
def test_what_cannot_be_requested(address: str, key_type: str, words: str) -> None:
    """What is no address, and a key that signs nothing."""
    with pytest.raises(CredentialError, match=words):
        new_request(address, key_type=key_type)
