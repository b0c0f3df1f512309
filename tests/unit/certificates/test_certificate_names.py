"""The addresses in a certificate, and its name for people."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from smime_session.certificates.load import load_certificates
from smime_session.certificates.names import addresses_of, describe, issuer_of, key_of, subject_of
from smime_session.inspection.listing import list_credentials
from smime_session.profiles import PROFILES
from smime_session.recipients.from_certificates import reasons_against
from smime_session.recipients.identities import load_identities
from tests.support.making import NOW, altered, certificate, der, pem, rsa_key, smtp_utf8_mailbox, subject_with

EMAIL = NameOID.EMAIL_ADDRESS
OTHER = subject_with(NameOID.ORGANIZATION_NAME, "Example")
FOLDER = x509.DirectoryName(subject_with(NameOID.COMMON_NAME, "Alice"))


def test_names_of_a_kind_that_the_library_does_not_know() -> None:
    """An X.400 address among the alternative names keeps nobody from listing and judging the certificate."""
    alternative = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), bytes.fromhex("3004a3023000"))
    made = certificate(None, subject=subject_with(EMAIL, "alice@example.org"), extensions=[(alternative, False)])
    with pytest.raises(x509.UnsupportedGeneralNameType):
        assert made.extensions
    assert addresses_of(made) == ["alice@example.org"]
    assert reasons_against(made, at=NOW) == ["has an extension that cannot be read"]
    assert list_credentials(pem(made)).certificates[0].addresses == ("alice@example.org",)


def with_bit_string(made: x509.Certificate) -> x509.Certificate:
    """Return a certificate whose common name of Alice is a BIT STRING, which no text is."""
    return altered(made, b"\x0c\x05Alice", b"\x03\x05\x00lice")


BIT_STRINGS = {
    "subject": with_bit_string(certificate("alice@example.org")),
    "alternative name": with_bit_string(certificate("alice@example.org", names=[FOLDER], subject=OTHER)),
    "issuer of the issuer": with_bit_string(
        certificate(subject=OTHER, extensions=[(x509.AuthorityKeyIdentifier(None, [FOLDER], 5), False)])
    ),
    "distribution point": with_bit_string(
        certificate(
            subject=OTHER,
            extensions=[(x509.CRLDistributionPoints([x509.DistributionPoint([FOLDER], None, None, None)]), False)],
        )
    ),
}
"""Names of a kind that the library underneath answers with a TypeError."""


@pytest.mark.parametrize("place", BIT_STRINGS)
def test_a_name_that_is_no_text_is_no_obstacle(place: str) -> None:
    """Such a certificate is listed, its key opens messages, and encrypting for it works or is refused in words."""
    made = BIT_STRINGS[place]
    assert list_credentials(der(made), at=NOW).certificates[0].serial_number == "0x1a2b"
    (identity,) = load_identities(pem(rsa_key()) + pem(made))
    assert "0x1a2b" in str(identity)
    for profile in PROFILES.values():
        by_key = replace(profile, identifier="key-identifier")
        for chosen in (profile, by_key):
            reasons = reasons_against(made, profile=chosen, at=NOW)
            assert (place == "subject") == ("has an extension that cannot be read" not in reasons)


def test_addresses_come_from_every_place_in_their_order() -> None:
    """Names of the extension come first, the subject's last."""
    subject = certificate(
        "alice@example.org",
        names=[x509.DNSName("example.org"), smtp_utf8_mailbox("\xe9lise@example.org"), x509.RFC822Name("a@b.example")],
        subject=subject_with(EMAIL, "old@example.org"),
    )
    assert addresses_of(subject) == ["alice@example.org", "\xe9lise@example.org", "a@b.example", "old@example.org"]


def test_an_address_in_several_places_is_given_once() -> None:
    """Letter case in the domain does not make another address, letter case before it does."""
    subject = certificate(
        "alice@example.org",
        names=[x509.RFC822Name("Alice@example.org")],
        subject=subject_with(EMAIL, "alice@EXAMPLE.org"),
    )
    assert addresses_of(subject) == ["alice@example.org", "Alice@example.org"]


@pytest.mark.parametrize(
    "subject",
    [
        certificate(None),
        certificate(None, subject=x509.Name([])),
        certificate(None, subject=subject_with(EMAIL, "example.org")),
        certificate(None, subject=subject_with(EMAIL, "@example.org")),
        certificate(None, subject=subject_with(EMAIL, "alice@")),
        altered(certificate(None, names=[smtp_utf8_mailbox("x@y")]), b"\x0c\x03x@y", b"\x0c\x02x@y"),
        certificate(None, names=[x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), b"\x0c\x03\xffx@")]),
        certificate(None, names=[x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), b"\x13\x03x@y")]),
        certificate(None, names=[x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x0c\x03x@y")]),
        altered(certificate("alice@example.org"), b"\x81\x11alice@", b"\x81\x11ali\x00e@"),
        altered(certificate("alice@example.org"), b"\x81\x11alice@", b"\x8f\x11alice@"),
        altered(certificate(), b"\x0c\x05Alice", b"\x14\x05\xc4lice"),
        *BIT_STRINGS.values(),
    ],
)
def test_what_is_no_address_is_left_out(subject: x509.Certificate) -> None:
    """Broken names, names of other kinds and addresses that do not print are not mail addresses."""
    assert [address for address in addresses_of(subject) if address != "alice@example.org"] == []


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (certificate("alice@example.org"), "alice@example.org"),
        (certificate(None), "Alice"),
        (certificate(None, subject=subject_with(NameOID.ORGANIZATION_NAME, "Example")), "O=Example"),
        (certificate(None, subject=x509.Name([])), "an unnamed subject"),
        (
            altered(certificate(None), b"\x0c\x05Alice", b"\x14\x05\xc4lice"),
            "a subject whose name cannot be read",
        ),
        (with_bit_string(certificate(None)), "a subject whose name cannot be read"),
    ],
)
def test_a_certificate_is_named_by_the_best_it_has(subject: x509.Certificate, name: str) -> None:
    """The mail address names a certificate, or else its common name, or else its whole subject."""
    assert describe(subject) == f"{name} (serial 0x1a2b)"


def test_a_serial_number_is_shown_whole() -> None:
    """Serial numbers of twenty octets are compared by people, so nothing of them is left out."""
    assert describe(certificate(serial=2**159 - 1)) == f"alice@example.org (serial 0x7{'f' * 39})"


def test_a_negative_serial_number_has_a_name() -> None:
    """A serial number that breaks the rules is shown, in silence."""
    (subject,) = load_certificates(der(certificate(serial=5)).replace(b"\x02\x01\x05", b"\x02\x01\xfb", 1))
    assert describe(subject) == "alice@example.org (serial -0x5)"


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=16))
@settings(deadline=None)
def test_a_name_prints_and_does_nothing_else(text: str) -> None:
    """No common name reaches a terminal with control characters in it."""
    words = describe(certificate(None, subject=subject_with(NameOID.COMMON_NAME, text)))
    assert words.isprintable()
    assert words.endswith(" (serial 0x1a2b)")


def test_a_very_long_name_is_shortened() -> None:
    """A name that fills the screen is cut."""
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "x" * 60) for _ in range(50)])
    words = describe(certificate(None, subject=name))
    assert words == f"O={'x' * 60},O={'x' * 15}… and 3,069 more (serial 0x1a2b)"


def test_parts_are_sliced_as_they_stand() -> None:
    """Issuer, subject and key are the very octets of the certificate."""
    subject = certificate(None, subject=subject_with(NameOID.ORGANIZATION_NAME, "Example"))
    assert issuer_of(subject) == subject.issuer.public_bytes()
    assert subject_of(subject) == subject.subject.public_bytes()
    assert key_of(subject) == rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
