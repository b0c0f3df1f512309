"""Checking certificates, making recipients of them, choosing among them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from smime_session.certificates.load import load_certificates
from smime_session.cms.values import IssuerAndSerialNumber, SubjectKeyIdentifier, WrappedKey
from smime_session.errors import RecipientError
from smime_session.profiles import MODERN
from smime_session.recipients.by_address import certificates_for
from smime_session.recipients.from_certificates import reasons_against, recipient_for, recipients_for
from smime_session.session_key import SessionKey
from tests.support.making import (
    DAY,
    NOW,
    altered,
    certificate,
    der,
    key_usage,
    rsa_key,
    smtp_utf8_mailbox,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from smime_session.cms.values import RecipientIdentifier
    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Recipient

RSA_OID = bytes.fromhex("06092a864886f70d010101")
KEY_ID = x509.SubjectKeyIdentifier(b"\x01\x02\x03")
BY_KEY = replace(MODERN, identifier="key-identifier")
SIGNING = certificate(usage="digital_signature")


@dataclass(frozen=True)
class Ready:
    """A recipient of another kind."""

    name: str = "ready"

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Wrap nothing."""
        return WrappedKey(b"", 0, len(key))


def reasons(subject: x509.Certificate, profile: Profile = MODERN, at: datetime = NOW) -> list[str]:
    """Return why a certificate must not be used."""
    return reasons_against(subject, profile=profile, at=at)


def identifier_in(monkeypatch: pytest.MonkeyPatch, subject: x509.Certificate, profile: Profile) -> RecipientIdentifier:
    """Return how a recipient made of a certificate is named."""
    seen: list[RecipientIdentifier] = []
    kind = "smime_session.recipients.rsa.KeyTransportKind"
    monkeypatch.setattr(f"{kind}.recipient", lambda _kind, _key, identifier, *_: seen.append(identifier))
    recipient_for(subject, profile=profile, at=NOW)
    return seen[0]


@pytest.mark.parametrize(
    "subject",
    [
        certificate(),
        certificate(None),
        certificate(usage="key_encipherment"),
        certificate(purposes=[ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CLIENT_AUTH]),
        certificate(purposes=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
        certificate(extensions=[(x509.BasicConstraints(ca=True, path_length=None), True)]),
        certificate(extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False)]),
    ],
)
def test_a_fit_certificate_has_nothing_against_it(subject: x509.Certificate) -> None:
    """A certificate that does not limit its use, or allows encrypting mail, can be used."""
    assert reasons(subject) == []
    assert recipient_for(subject, at=NOW).wrap(SessionKey.generate(32)).key_size == 32


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (certificate(end=NOW - DAY), "expired on 2026-02-28"),
        (certificate(start=NOW + DAY), "is not valid before 2026-03-02"),
        (SIGNING, "is not for encrypting keys: its key usage lacks keyEncipherment"),
        (certificate(usage="data_encipherment"), "is not for encrypting keys: its key usage lacks keyEncipherment"),
        (
            certificate(purposes=[ExtendedKeyUsageOID.CLIENT_AUTH]),
            "is not for mail: its extended key usage lacks emailProtection",
        ),
        (
            certificate(
                public_key=ec.generate_private_key(ec.SECP256R1()).public_key(),
                extensions=[(key_usage("key_agreement", "encipher_only"), True)],
            ),
            "is not for decrypting: its key usage has encipherOnly",
        ),
        (
            certificate(public_key=rsa_key("alice", 1024).public_key()),
            "has an RSA key of 1024 bits, under 2048",
        ),
        (
            certificate(public_key=ed25519.Ed25519PrivateKey.generate().public_key()),
            "has a kind of key that only signs: Ed25519",
        ),
        (
            altered(certificate(), RSA_OID, bytes.fromhex("06092a864886f70d010107")),
            "has a public key that cannot be read (algorithm RSAES-OAEP)",
        ),
        (
            altered(certificate(usage="key_encipherment"), b"\x03\x02\x05\x20", b"\x02\x02\x05\x20"),
            "has an extension that cannot be read",
        ),
        (
            altered(
                certificate(usage="key_encipherment", extensions=[(KEY_ID, False)]),
                bytes.fromhex("0603551d0e"),
                bytes.fromhex("0603551d0f"),
            ),
            "has an extension that cannot be read",
        ),
        (
            certificate(extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]),
            "has a critical extension that is not known here (1.2.3.4)",
        ),
    ],
)
def test_an_unfit_certificate_has_its_reason(subject: x509.Certificate, reason: str) -> None:
    """Each thing that is wrong with a certificate has its own words, and refuses it."""
    assert reasons(subject) == [reason]
    with pytest.raises(RecipientError) as caught:
        recipient_for(subject, at=NOW)
    (sentence,) = caught.value.refused
    assert re.fullmatch(rf"certificate of (Alice|alice@example\.org) \(serial 0x1a2b\) {re.escape(reason)}", sentence)


def test_a_key_for_pss_is_not_for_mail(openssl: Callable[..., bytes]) -> None:
    """An RSA key that its issuer keeps for RSASSA-PSS does not encrypt, though it could (RFC 4055, 1.2)."""
    key = "-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048 -keyout /dev/null -nodes"
    (subject,) = load_certificates(openssl(f"req -x509 -subj /CN=Alice {key}"))
    assert reasons_against(subject) == ["has a kind of key that only signs: RSASSA-PSS"]


def test_a_key_of_no_kind_of_recipient_is_named() -> None:
    """A certificate whose kind of key is not supported says which it is."""
    subject = certificate(public_key=ec.generate_private_key(ec.SECP256K1()).public_key())
    assert reasons(subject) == ["has a kind of key that is not supported: secp256k1"]


@pytest.mark.parametrize(
    ("subject", "override"),
    [
        (certificate(end=NOW - DAY), "insecure_expired"),
        (certificate(start=NOW + DAY), "insecure_expired"),
        (SIGNING, "insecure_key_usage"),
        (certificate(purposes=[ExtendedKeyUsageOID.CLIENT_AUTH]), "insecure_extended_key_usage"),
        (certificate(public_key=rsa_key("alice", 1024).public_key()), "insecure_key_size"),
    ],
)
def test_an_override_lifts_its_reason_alone(subject: x509.Certificate, override: str) -> None:
    """Each of the insecure choices of a profile allows what it names, and none allows anything else."""
    overrides = {
        "insecure_expired": replace(MODERN, insecure_expired=True),
        "insecure_key_usage": replace(MODERN, insecure_key_usage=True),
        "insecure_extended_key_usage": replace(MODERN, insecure_extended_key_usage=True),
        "insecure_key_size": replace(MODERN, insecure_key_size=True),
    }
    assert {name for name, profile in overrides.items() if not reasons(subject, profile)} == {override}


def test_several_reasons_are_all_given() -> None:
    """A sender who can mend one thing sees the others too."""
    subject = certificate(end=NOW - DAY, usage="digital_signature", purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])
    with pytest.raises(RecipientError) as caught:
        recipient_for(subject, profile=BY_KEY, at=NOW)
    assert str(caught.value) == (
        "certificate of alice@example.org (serial 0x1a2b) expired on 2026-02-28"
        ", and is not for encrypting keys: its key usage lacks keyEncipherment"
        ", and is not for mail: its extended key usage lacks emailProtection"
        ", and cannot be named by its key identifier: it has none"
    )


@given(st.integers(-2, 2), st.sampled_from(["start", "end"]))
@settings(deadline=None)
def test_both_ends_of_the_validity_time_belong_to_it(seconds: int, end: str) -> None:
    """A certificate is valid from its first second to its last (RFC 5280, 4.1.2.5)."""
    start, stop = NOW - DAY, NOW + DAY
    at = (start if end == "start" else stop) + seconds * (DAY / 86_400)
    assert (reasons(certificate(start=start, end=stop), at=at) == []) == (start <= at <= stop)


def test_the_present_is_what_counts_by_default() -> None:
    """Without a moment given, certificates must be valid now."""
    with pytest.raises(RecipientError, match="expired on 2020-01-01"):
        recipient_for(certificate(start=NOW.replace(2019), end=NOW.replace(2020, 1, 1)))


def test_the_issuer_is_named_by_its_very_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipient identifier holds the issuer as the certificate has it, even if its name cannot be parsed."""
    subject = altered(certificate(), b"\x0c\x05Alice", b"\x14\x05\xc4lice")
    with pytest.raises(ValueError, match="issuer"):
        assert subject.issuer
    identifier = identifier_in(monkeypatch, subject, MODERN)
    assert identifier == IssuerAndSerialNumber(bytes.fromhex("3010310e300c06035504031405") + b"\xc4lice", 0x1A2B)


@pytest.mark.parametrize("version", [x509.Version.v1, x509.Version.v3])
def test_the_issuer_of_each_version_is_found(monkeypatch: pytest.MonkeyPatch, version: x509.Version) -> None:
    """A certificate of version 1, which has no version field, is named like any other."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Ca\N{LATIN SMALL LETTER F WITH HOOK}e"),
        ]
    )
    subject = certificate(None, subject=name)
    if version is x509.Version.v1:
        subject = altered(subject, *_without_version(der(subject)))
    assert subject.version is version
    assert identifier_in(monkeypatch, subject, MODERN) == IssuerAndSerialNumber(name.public_bytes(), 0x1A2B)


def _without_version(octets: bytes) -> tuple[bytes, bytes]:
    """Return the head of a certificate of version 3, and the same of version 1."""
    whole, body = int.from_bytes(octets[2:4]), int.from_bytes(octets[6:8])
    new = b"\x30\x82" + (whole - 5).to_bytes(2) + b"\x30\x82" + (body - 5).to_bytes(2)
    return octets[:13], new


def test_a_profile_can_ask_for_the_key_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key identifier is the one in the certificate, whatever the key."""
    subject = certificate(extensions=[(KEY_ID, False)])
    assert identifier_in(monkeypatch, subject, BY_KEY) == SubjectKeyIdentifier(b"\x01\x02\x03")


def test_recipients_that_are_ready_pass_through() -> None:
    """Certificates and ready recipients mix, in their order."""
    ready = Ready()
    first, second, third = recipients_for([certificate(serial=1), ready, certificate(serial=2)], at=NOW)
    assert second is ready
    assert first is not third


def test_a_certificate_given_twice_is_one_recipient() -> None:
    """Nobody finds two wrapped keys for a certificate that was named twice."""
    assert len(recipients_for([certificate(), certificate(serial=2), certificate()], at=NOW)) == 2


def test_every_unusable_recipient_is_named() -> None:
    """One refusal names all that cannot be used, and no recipient is left over."""
    subjects: list[Recipient | x509.Certificate] = [
        certificate("alice@example.org", end=NOW - DAY),
        Ready(),
        certificate("bob@example.org"),
        certificate("carol@example.org", usage="digital_signature"),
    ]
    with pytest.raises(RecipientError) as caught:
        recipients_for(subjects, at=NOW)
    assert [sentence.split()[2] for sentence in caught.value.refused] == ["alice@example.org", "carol@example.org"]


def test_no_recipient_is_refused() -> None:
    """A message to nobody is a mistake."""
    with pytest.raises(RecipientError, match=r"^no recipient was given$") as caught:
        recipients_for([])
    assert caught.value.refused == ()


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ("alice@example.org", "alice@example.org"),
        ("ALICE@Example.ORG", "alice@example.org"),
        ("alice@m\N{LATIN SMALL LETTER U WITH DIAERESIS}nchen.example", "alice@xn--mnchen-3ya.example"),
        ("alice@MU\N{COMBINING DIAERESIS}NCHEN.example", "alice@xn--mnchen-3ya.example"),
    ],
)
def test_a_certificate_is_found_by_its_address(wanted: str, held: str) -> None:
    """Letter case and the two ways to write a domain do not matter."""
    subject = certificate(held)
    assert certificates_for(wanted, [certificate("bob@example.org"), subject], at=NOW) == [subject]


def test_a_certificate_is_found_by_an_address_beyond_ascii() -> None:
    """A SmtpUTF8Mailbox counts like an rfc822Name, with the domain written either way."""
    local = "\N{LATIN SMALL LETTER E WITH ACUTE}lise"
    subject = certificate(None, names=[smtp_utf8_mailbox(f"{local}@xn--mnchen-3ya.example")])
    assert certificates_for("E\N{COMBINING ACUTE ACCENT}lise@m\xfcnchen.example", [subject], at=NOW) == [subject]


@pytest.mark.parametrize(
    "wanted",
    [
        "alice@strasse.example",
        "alice@example.org.evil.example",
        "alice",
        "@example.org",
        "",
        "alice@xn--strae-oqa-.example",
    ],
)
def test_a_similar_address_is_another_one(wanted: str) -> None:
    """No certificate is chosen for an address that only resembles its own."""
    subjects = [certificate("alice@xn--strae-oqa.example"), certificate("alice@example.org"), certificate(None)]
    assert certificates_for(wanted, subjects, at=NOW) == []


def test_the_newest_fit_certificate_comes_first() -> None:
    """Among several certificates the usable come first, each group from new to old."""
    old = certificate(start=NOW - 9 * DAY, serial=1)
    new = certificate(start=NOW - 5 * DAY, serial=2)
    unfit = certificate(start=NOW - DAY, usage="digital_signature", serial=3)
    assert certificates_for("alice@example.org", [old, unfit, new, old], at=NOW) == [new, old, unfit]


def test_an_expired_certificate_does_not_block_its_successor() -> None:
    """Expired certificates, and those of the future, are left out where another serves."""
    expired = certificate(end=NOW - DAY, serial=1)
    future = certificate(start=NOW + DAY, serial=2)
    valid = certificate(serial=3)
    assert certificates_for("alice@example.org", [expired, future, valid], at=NOW) == [valid]


def test_an_expired_certificate_stays_where_nothing_else_serves() -> None:
    """The caller can say why an address cannot be written to."""
    expired = certificate(start=NOW - 9 * DAY, end=NOW - DAY, serial=1)
    signing = certificate(start=NOW - 5 * DAY, usage="digital_signature", serial=2)
    assert certificates_for("alice@example.org", [expired, signing], at=NOW) == [signing, expired]


def test_an_override_makes_expired_certificates_usable_but_not_better() -> None:
    """A profile that accepts expired certificates takes one only where no other serves."""
    profile = replace(MODERN, insecure_expired=True)
    expired = certificate(start=NOW - 9 * DAY, end=NOW - DAY, serial=1)
    valid = certificate(serial=2)
    assert certificates_for("alice@example.org", [expired, valid], at=NOW, profile=profile) == [valid]
    assert certificates_for("alice@example.org", [expired, SIGNING], at=NOW, profile=profile) == [expired, SIGNING]


def test_key_usage_beside_others_is_enough() -> None:
    """A certificate for signing and for encrypting is fit."""
    both = key_usage("digital_signature", "key_encipherment")
    assert reasons(certificate(extensions=[(both, True)])) == []
