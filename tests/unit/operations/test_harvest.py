"""Certificates come out of mails whose signature holds and whose author is the signer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from smime_session import AES_256_GCM, CertificateStore, CredentialError, encrypt_by_address, inspect, sign
from smime_session.operations.harvest import harvest
from tests.support.signing import LETTER, issued, signer, signing_key

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("opaque", [False, True])
def test_the_signer_s_certificates_are_taken(*, opaque: bool) -> None:
    """The certificate to encrypt for comes first, then the signer's and its issuers', without the root."""
    root, middle = signing_key("P-256", "root"), signing_key("P-256", "middle")
    issuer = issued(middle, "Middle", issuer=("Root", root), authority=True)
    own = issued(signing_key("RSA"), issuer=("Middle", middle), usage=["digital_signature"])
    encryption = issued(signing_key("RSA", "bob"), issuer=("Middle", middle), usage=["key_encipherment"])
    who = signer(certificate=own, chain=(issuer,))
    assert harvest(sign(LETTER, who, opaque=opaque)).certificates == [own, issuer]
    who = signer(certificate=own, chain=(issuer,), encryption_certificate=encryption)
    assert harvest(sign(LETTER, who, opaque=opaque)).certificates == [encryption, own, issuer]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [(b"eight", b"seven", "is broken"), (b"<alice@", b"<mallory@", "is mismatch")],
)
def test_nothing_is_taken_from_a_forged_mail(old: bytes, new: bytes, reason: str) -> None:
    """A mail that was changed, or is from another address, brings no certificate."""
    with pytest.raises(CredentialError, match=f"the mail's signature {reason}, so nothing is taken from it"):
        harvest(sign(LETTER, signer()).replace(old, new))


@pytest.mark.parametrize("mail", [LETTER, b"no mail"])
def test_what_is_not_signed_brings_nothing(mail: bytes) -> None:
    """The error says what it is."""
    with pytest.raises(CredentialError, match="no signature to take certificates from"):
        harvest(mail)


def test_what_a_signer_reads_is_kept_with_its_date(tmp_path: Path) -> None:
    """Capabilities go beside the certificate that they are about; newer ones take the place of older ones."""
    who = signer(insecure_expired=True)
    store = CertificateStore(tmp_path)
    now = datetime.now(UTC).replace(microsecond=0)
    store.add([who.certificate])
    assert store.announced(who.certificate) is None
    for said, known in ((-2, -2), (-1, -1), (-3, -1)):
        found = harvest(sign(LETTER, who, at=now + timedelta(days=said)))
        assert bool(store.add(found.certificates, found.announced)) is (known == said)
        announced = store.announced(who.certificate)
        assert announced
        assert announced.at == now + timedelta(days=known)
        assert announced.capabilities[0].oid == AES_256_GCM.oid
    assert store.find("alice@example.org") == [who.certificate]
    assert len([*store.files()]) == 1
    future = harvest(sign(LETTER, who, at=now + timedelta(days=9)), now)
    assert [each.at for each in future.announced.values()] == [now]
    assert harvest(sign(LETTER, replace(who, announce=False))).announced == {}


def test_recipients_who_announced_gcm_get_it(tmp_path: Path) -> None:
    """Profile auto takes authenticated content once all recipients are known to read it, by their signed mail."""
    alice, bob = signer(), signer("RSA", "bob")
    store = CertificateStore(tmp_path)
    store.add([alice.certificate, bob.certificate])
    mail = b"From: carol@example.org\nTo: alice@example.org, bob@example.org\n\nhello\n"

    def kind() -> str:
        (addressed,) = encrypt_by_address(mail, store)
        return inspect(addressed.message).content_type

    assert kind() == "enveloped-data"
    for who, after in ((alice, "enveloped-data"), (bob, "auth-enveloped-data")):
        letter = LETTER.replace(b"alice@", b"bob@") if who is bob else LETTER
        found = harvest(sign(letter, who))
        store.add(found.certificates, found.announced)
        assert kind() == after


@pytest.mark.parametrize("text", ["", "AAAA", "!", "MAA=", "MBMYDzIwMjYwMTAxMDAwMDAwWg==", "MAYYAS8wAAAA"])
def test_a_broken_announcement_says_nothing(tmp_path: Path, text: str) -> None:
    """What cannot be read beside a certificate is passed over, and the certificate is found."""
    store, who = CertificateStore(tmp_path), signer()
    (name,) = store.add([who.certificate])
    block = f"-----BEGIN SMIME CAPABILITIES-----\n{text}\n-----END SMIME CAPABILITIES-----\n"
    with (tmp_path / name).open("a") as file:
        file.write(block)
    assert store.announced(who.certificate) is None
    assert CertificateStore(tmp_path).find("alice@example.org") == [who.certificate]
