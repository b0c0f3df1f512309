"""By which names an identity may be addressed."""

from __future__ import annotations

import hashlib
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from asn1crypto import keys
from asn1crypto import x509 as their_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smime_session.certificates.certificate import Certificate
from smime_session.certificates.load import load_certificates
from smime_session.certificates.names import issuer_of
from smime_session.certificates.public_key import PublicKey
from smime_session.certificates.quiet import quietly
from smime_session.cms import asn1
from smime_session.cms.values import IssuerAndSerialNumber, SubjectKeyIdentifier
from smime_session.inspection.explanation import Directory, closest
from smime_session.keys.software import private_key
from smime_session.recipients.naming import OwnNames
from smime_session.recipients.rsa import KeyTransportIdentity
from smime_session.recipients.summary import RecipientSummary

if TYPE_CHECKING:
    from tests.conftest import Person

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Alice Example")])


def _certificate(serial: int = 7, *, key_id: bytes | None = b"any octets") -> x509.Certificate:
    builder = x509.CertificateBuilder(
        NAME, NAME, KEY.public_key(), serial, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    )
    if key_id is not None:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(key_id), critical=False)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.99"), b"\x04\x00")
    return builder.add_extension(unknown, critical=False).sign(KEY, hashes.SHA256())


def test_the_usual_key_identifier_is_what_asn1crypto_computes() -> None:
    """The identifier is SHA-1 of the public key's octets (RFC 5280, 4.2.1.2, method 1), as the library makes it too."""
    encoded = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert PublicKey.of(KEY.public_key()).key_identifier == keys.PublicKeyInfo.load(encoded).sha1
    assert (
        PublicKey.of(KEY.public_key()).key_identifier
        == x509.SubjectKeyIdentifier.from_public_key(KEY.public_key()).digest
    )


@pytest.mark.parametrize("serial", [1, 127, 128, 255, 256, 1 << 158])
def test_a_certificate_is_named_three_ways(serial: int) -> None:
    """Its issuer and number, the identifier it states and the one it would usually have are its names."""
    names = OwnNames(PublicKey.of(KEY.public_key()), _certificate(serial))
    issuer = NAME.public_bytes()
    assert names.include(IssuerAndSerialNumber(issuer, serial))
    assert names.include(SubjectKeyIdentifier(b"any octets"))
    assert names.include(SubjectKeyIdentifier(PublicKey.of(KEY.public_key()).key_identifier))
    assert not names.include(IssuerAndSerialNumber(issuer, serial + 1))
    assert not names.include(IssuerAndSerialNumber(issuer, -serial))
    assert not names.include(IssuerAndSerialNumber(b"\x30\x00", serial))
    assert not names.include(SubjectKeyIdentifier(b"other octets"))
    assert not names.include(SubjectKeyIdentifier(b""))


def test_an_issuer_may_be_spelt_otherwise() -> None:
    """Gateways write a name with another string type; it stays the same name (RFC 5280, 7.1)."""
    other = their_x509.Name.build({"common_name": "alice  EXAMPLE"}, use_printable=True).dump()
    assert OwnNames(PublicKey.of(KEY.public_key()), _certificate()).include(IssuerAndSerialNumber(other, 7))


def test_nothing_is_ruled_out_wrongly() -> None:
    """The search of octets finds every name that is one, and rules others out."""
    names = OwnNames(PublicKey.of(KEY.public_key()), _certificate(0x1234567890))
    for octets in (asn1.integer(0x1234567890), b"..any octets..", PublicKey.of(KEY.public_key()).key_identifier):
        assert names.may_stand_in(octets)
    assert not names.may_stand_in(asn1.integer(0x1234567891))


def test_a_key_alone_rules_nothing_out() -> None:
    """Without a certificate any issuer and number may be its own, and any key identifier: issuers choose them."""
    names = OwnNames(PublicKey.of(KEY.public_key()), None)
    assert names.may_stand_in(b"")
    assert names.include(IssuerAndSerialNumber(b"\x30\x00", 1))
    assert names.include(SubjectKeyIdentifier(PublicKey.of(KEY.public_key()).key_identifier))
    assert names.include(SubjectKeyIdentifier(b"any octets"))


def test_a_certificate_without_a_key_identifier_has_the_usual_one() -> None:
    """An extension that is not there is no obstacle."""
    names = OwnNames(PublicKey.of(KEY.public_key()), _certificate(key_id=None))
    assert names.include(SubjectKeyIdentifier(PublicKey.of(KEY.public_key()).key_identifier))


@pytest.mark.parametrize("broken", ["twice", "unreadable"])
def test_a_certificate_with_broken_extensions_is_named_by_its_number(broken: str) -> None:
    """Extensions that cannot be read leave the other names as they are."""
    encoded = _certificate().public_bytes(Encoding.DER)
    if broken == "twice":
        encoded = encoded.replace(bytes.fromhex("0603551d63"), bytes.fromhex("0603551d0e"))
    else:
        encoded = encoded.replace(b"\x04\x0aany octets", b"\x05\x0aany octets")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        certificate = x509.load_der_x509_certificate(encoded)
    names = OwnNames(PublicKey.of(KEY.public_key()), certificate)
    assert names.include(IssuerAndSerialNumber(NAME.public_bytes(), 7))
    assert names.include(SubjectKeyIdentifier(PublicKey.of(KEY.public_key()).key_identifier))
    assert not names.include(SubjectKeyIdentifier(b"any octets"))


def test_a_key_is_described_by_its_owner() -> None:
    """With a certificate a key is its owner's; alone it is told by its identifier."""
    assert (
        OwnNames(PublicKey.of(KEY.public_key()), _certificate()).describe("P-256 key")
        == "P-256 key of Alice Example (serial 0x7)"
    )
    usual = PublicKey.of(KEY.public_key()).key_identifier.hex()
    described = OwnNames(PublicKey.of(KEY.public_key()), None).describe("P-256 key")
    assert described == f"P-256 key without a certificate, key identifier {usual}"


def test_names_tell_what_they_are_made_of() -> None:
    """Whoever compares them with a message finds the certificate and every key identifier."""
    certificate = _certificate()
    names = OwnNames(PublicKey.of(KEY.public_key()), certificate)
    assert names.certificate is certificate
    assert names.key_identifiers == {b"any octets", PublicKey.of(KEY.public_key()).key_identifier}
    alone = OwnNames(PublicKey.of(KEY.public_key()), None)
    assert alone.certificate is None
    assert alone.key_identifiers == set(_identifiers().values())


def test_a_key_identifier_is_stated_or_not() -> None:
    """What a certificate does not state is not made up."""
    assert Certificate.of(_certificate()).key_identifier == b"any octets"
    assert Certificate.of(_certificate(key_id=None)).key_identifier is None


@pytest.mark.parametrize("serial", ["00", "85"])
def test_odd_serial_numbers_warn_nobody(alice: Person, serial: str) -> None:
    """A certificate whose serial number is zero or negative is compared without the library's warnings."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Odd")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    usual = x509.CertificateBuilder(subject, subject, alice.key.public_key(), 5, start, start + timedelta(days=1))
    der = usual.sign(alice.key, hashes.SHA256()).public_bytes(Encoding.DER)
    (odd,) = load_certificates(der.replace(bytes.fromhex("020105"), bytes.fromhex("0201" + serial), 1))
    with quietly():
        number = odd.serial_number
    assert number <= 0
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        identity = KeyTransportIdentity(private_key(alice.key), odd)
        assert identity.names.include(IssuerAndSerialNumber(issuer_of(odd), number))
        assert Directory([odd])
        assert closest([], [identity]) is None
    assert not heard


def _identifiers() -> dict[str, bytes]:
    """Return what programs call the key where its certificate does not say."""
    info = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    point = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    sha1 = hashlib.sha1(point, usedforsecurity=False).digest()
    return {
        "RFC 5280, method 1": sha1,
        "RFC 5280, method 2": (int.from_bytes(sha1, "big") % (1 << 60) | 4 << 60).to_bytes(8, "big"),
        "Windows": hashlib.sha1(info, usedforsecurity=False).digest(),
        "RFC 7093, method 1": hashlib.sha256(point).digest()[:20],
        "RFC 7093, method 2": hashlib.sha384(point).digest()[:20],
        "RFC 7093, method 3": hashlib.sha512(point).digest()[:20],
        "RFC 7093, method 4": hashlib.sha256(info).digest(),
    }


@pytest.mark.parametrize("way", _identifiers())
def test_a_certificate_that_states_no_key_identifier_has_those_that_programs_make(way: str) -> None:
    """Outlook 2010 names a recipient by a hash of the key although the certificate says nothing of it."""
    identifier = _identifiers()[way]
    silent, speaking = _certificate(key_id=None), _certificate()
    public_key = PublicKey.of(KEY.public_key())
    assert OwnNames(public_key, silent).name(SubjectKeyIdentifier(identifier))
    assert OwnNames(public_key, silent).may_stand_in(b"..." + identifier + b"...")
    assert OwnNames(public_key, None).name(SubjectKeyIdentifier(identifier))
    assert OwnNames(public_key, speaking).name(SubjectKeyIdentifier(identifier)) == (way == "RFC 5280, method 1")
    recipient = RecipientSummary(key_identifier=identifier.hex())
    assert Directory([silent]).find(recipient) == silent
    assert Directory([speaking]).find(recipient) is None


@pytest.mark.parametrize("cut", [0, 1, 19])
@pytest.mark.parametrize("form", ["length", "long length", "no length"])
def test_a_key_identifier_in_pieces_is_not_ruled_out(cut: int, form: str) -> None:
    """BER has an OCTET STRING made of others (X.690, 8.7.3), as in a RecipientKeyIdentifier."""
    names = OwnNames(PublicKey.of(KEY.public_key()), _certificate(2**64 + 1, key_id=bytes(range(40, 60))))
    (stated,) = names.key_identifiers - {PublicKey.of(KEY.public_key()).key_identifier}
    parts = asn1.encode(0x04, stated[:cut]) + asn1.encode(0x04, stated[cut:])
    string = {
        "length": asn1.encode(0x24, parts),
        "long length": b"\x24\x81" + bytes((len(parts),)) + parts,
        "no length": b"\x24\x80" + parts + b"\0\0",
    }[form]
    assert names.may_stand_in(asn1.encode(0xA0, string))
    assert not names.may_stand_in(asn1.encode(0xA0, asn1.encode(0x04, stated[::-1])))
