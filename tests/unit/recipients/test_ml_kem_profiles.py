"""Key encapsulation in whole mails: who is admitted under which profile, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from smime_session import MODERN, PQ, Password, PresharedKey, decrypt, encrypt, inspect
from smime_session.cms import asn1
from smime_session.cms.values import WrappedKey
from smime_session.errors import RecipientError
from smime_session.keys.software import private_key
from smime_session.recipients import kem
from smime_session.recipients.from_certificates import recipient_for, recipients_for
from smime_session.recipients.kem import EncapsulationIdentity
from smime_session.recipients.registry import refuse_classical
from smime_session.session_key import SessionKey
from tests.support.encapsulating import ALICE, BOB, BOTH, MAIL, TODAY, Person
from tests.support.making import certificate, key_usage

if TYPE_CHECKING:
    from tests.conftest import Person as RsaPerson


@pytest.fixture
def key() -> SessionKey:
    """A session key of 32 octets."""
    return SessionKey(bytearray(range(32)))


def test_modern_and_pq_use_ml_kem_and_compat_does_not() -> None:
    """Readers before S/MIME 4.0 know no KEMRecipientInfo, and are told by name."""
    for name in ("modern", "pq"):
        recipient_for(ALICE.certificate, profile=TODAY[name])
    with pytest.raises(RecipientError, match=r"alice@example.org .* readers of profile compat .* \(ML-KEM-768\)$"):
        recipient_for(ALICE.certificate, profile=TODAY["compat"])


def test_a_post_quantum_message_has_no_other_recipients(alice: RsaPerson) -> None:
    """One key that is not post-quantum stops the whole message, and each such recipient is named."""
    curve = certificate("bob@example.org", public_key=ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(RecipientError) as caught:
        recipients_for([ALICE.certificate, alice.certificate, curve], profile=TODAY["pq"])
    rsa, elliptic = caught.value.refused
    assert rsa.endswith("has no post-quantum key (RSA), which profile pq requires")
    assert "Alice" in rsa
    assert elliptic.endswith("has no post-quantum key (P-256), which profile pq requires")
    assert "bob@example.org" in elliptic


def test_recipients_that_were_prepared_for_another_profile_are_found_out(alice: RsaPerson, key: SessionKey) -> None:
    """What counts in the end is how the key was wrapped: with ML-KEM, or the message is refused."""
    rsa = recipient_for(alice.certificate, profile=TODAY["modern"])
    fine = recipient_for(ALICE.certificate, profile=TODAY["modern"])
    refuse_classical([fine.wrap(key)], PQ)
    refuse_classical([rsa.wrap(key), Password("pw").wrap(key)], MODERN)
    other_kind = WrappedKey(asn1.encode(kem.TAG, asn1.object_identifier("1.2.3.4"), asn1.NULL), 0, 32)
    with pytest.raises(RecipientError) as caught:
        refuse_classical([fine.wrap(key), rsa.wrap(key), other_kind], PQ)
    first, second = caught.value.refused
    assert first.startswith("serial 0x")
    assert first.endswith("has no post-quantum key (RSAES-OAEP with SHA-256), which profile pq requires")
    assert second.startswith("a recipient of another kind has no post-quantum key (1.2.3.4)")


def test_shared_secrets_are_not_ml_kem() -> None:
    """A password and a pre-shared key are refused by name where ML-KEM is required, even beside it."""
    everybody = [recipient_for(ALICE.certificate, profile=TODAY["pq"]), Password("pw"), PresharedKey(bytes(32), b"us")]
    with pytest.raises(RecipientError) as caught:
        encrypt(MAIL, everybody, profile=TODAY["pq"])
    by_password, preshared = caught.value.refused
    words = "has no post-quantum public key (PWRI-KEK with AES-256-CBC), which profile pq requires"
    assert by_password == f"a password recipient {words}"
    assert preshared.startswith("key identifier 7573 has no post-quantum public key (")


def test_a_prepared_classical_recipient_stops_encrypting(alice: RsaPerson) -> None:
    """Encrypting itself refuses a recipient that was prepared for another profile."""
    rsa = recipient_for(alice.certificate, profile=TODAY["modern"])
    with pytest.raises(RecipientError, match=r"has no post-quantum key \(RSAES-OAEP"):
        encrypt(MAIL, [rsa], profile=TODAY["pq"])


def test_a_certificate_for_signing_is_refused() -> None:
    """A key usage without keyEncipherment keeps the key from use (RFC 9629, 3)."""
    signing = certificate(public_key=ALICE.key.public_key(), extensions=[(key_usage("digital_signature"), True)])
    with pytest.raises(RecipientError, match="its key usage lacks keyEncipherment"):
        recipient_for(signing, profile=TODAY["pq"])


@BOTH
@pytest.mark.parametrize("identifier", ["issuer-serial", "key-identifier"])
def test_a_post_quantum_mail(person: Person, identifier: str) -> None:
    """A mail for ML-KEM keys alone has a derived content key and opens for its recipient."""
    extension = x509.SubjectKeyIdentifier.from_public_key(person.key.public_key())
    named = certificate(public_key=person.key.public_key(), extensions=[(extension, False)])
    profile = replace(TODAY["pq"], identifier=identifier)  # type: ignore[arg-type]  # one of the two
    sealed = encrypt(MAIL, [named], profile=profile)
    found = inspect(sealed)
    assert (found.post_quantum, found.notes, found.content.key_derivation) == (True, (), "HKDF-SHA-256")
    decrypted = decrypt(sealed, [EncapsulationIdentity(private_key(person.key), named)])
    assert decrypted.message.endswith(b"\r\n\r\nAt eight?\r\n")


def test_a_mixed_message_is_only_as_strong_as_its_weaker_keys(alice: RsaPerson) -> None:
    """Whoever inspects a mail for classical and post-quantum keys together is told what that means."""
    sealed = encrypt(MAIL, [ALICE.certificate, BOB.certificate, alice.certificate], profile=TODAY["modern"])
    found = inspect(sealed)
    assert not found.post_quantum
    (note,) = found.notes
    assert note == "the message is only as strong as its classical keys: 1 of 3 recipients have no other"
    assert found.to_dict()["post_quantum"] is False
    for identity in (EncapsulationIdentity(private_key(BOB.key), BOB.certificate), alice.identity):
        assert decrypt(sealed, [identity]).message.endswith(b"At eight?\r\n")


def test_a_classical_message_needs_no_note(alice: RsaPerson) -> None:
    """Where no key is post-quantum, nothing is weakened."""
    found = inspect(encrypt(MAIL, [alice.certificate], profile=TODAY["modern"]))
    assert (found.post_quantum, found.notes) == (False, ())
