"""A small authority: its root, what it issues, and its list of what it revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from smime_session import (
    CredentialError,
    PassphraseError,
    TrustAnchors,
    load_authority,
    new_authority,
    new_identity,
    revocation_list,
)
from smime_session.operations.authority import AUTHORITY_KEY_TYPES
from smime_session.operations.issuing import Issuer
from smime_session.operations.new_identity import KEY_TYPES
from tests.support.chains import root
from tests.support.making import DAY, NOW, key_usage

if TYPE_CHECKING:
    from smime_session.operations.authority import NewAuthority


@pytest.fixture(scope="module")
def ca() -> NewAuthority:
    """An authority with the key that is made fastest."""
    return new_authority("Example CA", key_type="p256", at=NOW)


@pytest.mark.parametrize("key_type", AUTHORITY_KEY_TYPES)
def test_a_root_of_each_type_of_key_is_trusted(key_type: str) -> None:
    """What it issues has a chain to it, and it issues to users alone."""
    made = new_authority("Example CA", key_type=key_type, at=NOW)
    assert made.certificate.subject.rfc4514_string() == "CN=Example CA"
    constraints = made.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value) == (True, x509.BasicConstraints(ca=True, path_length=0))
    usage = made.certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value) == (True, key_usage("key_cert_sign", "crl_sign"))
    issued = new_identity("bob@example.org", key_type="p256", issuer=made.issuer, at=NOW)
    anchors = TrustAnchors([made.certificate], crls=[revocation_list(made.issuer, at=NOW)])
    assert anchors.check(issued.certificate, at=NOW, address="bob@example.org").trusted


@pytest.mark.parametrize("key_type", [name for name in KEY_TYPES if not name.startswith("rsa")])
def test_certificates_are_issued_for_every_type_of_key(ca: NewAuthority, key_type: str) -> None:
    """One that signs nothing needs no issuer of its own."""
    made = new_identity("bob@example.org", key_type=key_type, issuer=ca.issuer, at=NOW)
    assert TrustAnchors([ca.certificate]).check(made.certificate, at=NOW).trusted
    assert made.issuer_certificate_pem == ca.certificate_pem
    own = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    named = made.certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert named.key_identifier == own.digest


def test_an_authority_comes_from_its_files(ca: NewAuthority) -> None:
    """The certificate in the same file or in another, PEM or PKCS#12, locked or not."""
    locked = new_authority("Example CA", key_type="p256", passphrase=b"open sesame", at=NOW)
    both = pkcs12.serialize_key_and_certificates(b"ca", ca.issuer.key, ca.certificate, None, NoEncryption())  # type: ignore[arg-type]  # it may be one of those
    for found in (
        load_authority(ca.private_key_pem + ca.certificate_pem),
        load_authority(ca.private_key_pem, ca.certificate.public_bytes(Encoding.DER)),
        load_authority(both),
    ):
        assert found.certificate == ca.certificate
        assert "PrivateKey" not in repr(found)
    assert load_authority(locked.private_key_pem, locked.certificate_pem, passphrase=b"open sesame")
    with pytest.raises(PassphraseError):
        load_authority(locked.private_key_pem, locked.certificate_pem)


def test_what_is_no_authority_is_refused(ca: NewAuthority) -> None:
    """A key without a certificate, with another one, or with that of a user."""
    with pytest.raises(CredentialError, match="there is no certificate with the private key of the authority"):
        load_authority(ca.private_key_pem)
    other = new_authority("Other", key_type="p256", at=NOW)
    with pytest.raises(CredentialError, match="none of the certificates is that of an authority with this private key"):
        load_authority(ca.private_key_pem, other.certificate_pem)
    user = new_identity("bob@example.org", key_type="p256", at=NOW)
    with pytest.raises(CredentialError, match="none of the certificates is that of an authority"):
        load_authority(user.private_key_pem + user.certificate_pem)


def test_what_no_reader_would_trust_is_not_issued(ca: NewAuthority) -> None:
    """An authority for other names, one that ended, one that would end before its certificate, and a key of another."""
    constraint = x509.NameConstraints([x509.RFC822Name("example.com")], None)
    narrow = root(extensions=[(constraint, True)])
    with pytest.raises(CredentialError, match="would not be trusted: it has an issuer that must not issue for such"):
        new_identity("bob@example.org", key_type="p256", days=9, issuer=Issuer(narrow.key, narrow.certificate), at=NOW)
    ended = root(end=NOW - DAY)
    with pytest.raises(CredentialError, match="would end after that of its issuer, which ends on 2026-02-28"):
        new_identity("bob@example.org", key_type="p256", issuer=Issuer(ended.key, ended.certificate), at=NOW)
    with pytest.raises(CredentialError, match="would end after that of its issuer, which ends on 2036-02-27"):
        new_identity("bob@example.org", key_type="p256", issuer=ca.issuer, days=9000, at=NOW)
    foreign = Issuer(ec.generate_private_key(ec.SECP256R1()), root().certificate)
    with pytest.raises(CredentialError, match="would not be trusted"):
        new_identity("bob@example.org", key_type="p256", days=9, issuer=foreign, at=NOW)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("", {}, "the name of an authority is printable, and not empty"),
        ("a\nb", {}, "the name of an authority is printable"),
        ("CA", {"key_type": "x25519"}, "an authority has no key of type 'x25519': choose one of rsa2048, "),
        ("CA", {"days": 0}, "a certificate is valid for 1 to 36,525 days, not 0"),
        ("CA", {"passphrase": b""}, "a passphrase has 1 to 1,023 bytes, not 0"),
    ],
)
def test_what_an_authority_cannot_have(name: str, options: dict[str, object], words: str) -> None:
    """Each choice that is out of bounds is named."""
    with pytest.raises(CredentialError, match=words):
        new_authority(name, **options)  # type: ignore[arg-type]  # a choice each


def test_a_list_grows(ca: NewAuthority) -> None:
    """What was revoked stays, with its date; numbers grow; nothing is listed twice."""
    bob, carol = (
        new_identity(f"{name}@example.org", key_type="p256", issuer=ca.issuer, at=NOW).certificate
        for name in ("bob", "carol")
    )
    first = revocation_list(ca.issuer, [bob], at=NOW)
    second = revocation_list(ca.issuer, [carol, bob], previous=first, days=9, at=NOW + DAY)
    third = revocation_list(ca.issuer, previous=second, at=NOW + 2 * DAY)
    numbers = [
        each.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for each in (first, second, third)
    ]
    assert numbers == [1, 2, 3]
    dates = {each.serial_number: each.revocation_date_utc for each in third}
    assert dates == {bob.serial_number: NOW, carol.serial_number: NOW + DAY}
    assert second.next_update_utc == NOW + 10 * DAY
    anchors = TrustAnchors([ca.certificate], crls=[third])
    verdict = anchors.check(bob, at=NOW + 3 * DAY)
    assert (verdict.word, verdict.reason) == ("revoked", "was revoked on 2026-03-01")


def test_what_another_issued_is_not_revoked(ca: NewAuthority) -> None:
    """Nor its own certificate; nor does the list of another one go on."""
    other = new_authority("Example CA", key_type="p256", at=NOW)
    bob = new_identity("bob@example.org", key_type="p256", issuer=other.issuer, at=NOW).certificate
    with pytest.raises(CredentialError, match=r"Example CA \(serial .*\) did not issue the certificate of bob@example"):
        revocation_list(ca.issuer, [bob], at=NOW)
    with pytest.raises(CredentialError, match=r"the certificate of Example CA \(serial .*\) is the authority's own"):
        revocation_list(ca.issuer, [ca.certificate], at=NOW)
    with pytest.raises(CredentialError, match="the revocation list is not that of Example CA"):
        revocation_list(ca.issuer, previous=revocation_list(other.issuer, at=NOW), at=NOW)


def test_the_private_key_is_in_no_repr(ca: NewAuthority) -> None:
    """Nor is it in that of what holds it."""
    assert "PRIVATE KEY" not in repr(ca)
    assert "PrivateKey" not in repr(ca)
    secret = ca.issuer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert secret.hex() not in repr(ca)
