"""Reading plain certificates: whatever the reader accepts, the library accepts and understands alike."""

from __future__ import annotations

import re
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from smime_session.certificates.files import read as pieces_of
from smime_session.certificates.library import facts_of
from smime_session.certificates.load import certificates_in
from smime_session.certificates.names import key_of
from smime_session.certificates.plain import read
from smime_session.certificates.public_key import PublicKey
from smime_session.cms import asn1
from smime_session.errors import SmimeError
from tests.support.making import certificate, der, key_usage, rsa_key

if TYPE_CHECKING:
    from pathlib import Path

    from smime_session.certificates.facts import Facts

EC_KEY: Final = ec.generate_private_key(ec.SECP256R1())
SKI: Final = x509.SubjectKeyIdentifier(bytes(range(20)))
AKI: Final = x509.AuthorityKeyIdentifier(bytes(range(20)), None, None)
MAIL: Final = ExtendedKeyUsageOID.EMAIL_PROTECTION
EVERYTHING: Final = [
    (SKI, False),
    (AKI, False),
    (x509.BasicConstraints(ca=False, path_length=None), True),
    (
        x509.CRLDistributionPoints(
            [x509.DistributionPoint([x509.UniformResourceIdentifier("http://example.org/1.crl")], None, None, None)]
        ),
        False,
    ),
    (
        x509.AuthorityInformationAccess(
            [
                x509.AccessDescription(
                    AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://example.org/ocsp")
                )
            ]
        ),
        False,
    ),
    (
        x509.CertificatePolicies(
            [
                x509.PolicyInformation(ObjectIdentifier("2.23.140.1.5.1.1"), ["http://example.org/cps"]),
                x509.PolicyInformation(ObjectIdentifier("1.2.3.4"), None),
            ]
        ),
        False,
    ),
    (
        x509.UnrecognizedExtension(
            ObjectIdentifier("1.2.840.113549.1.9.15"), bytes.fromhex("300d300b060960864801650304012a")
        ),
        False,
    ),
]
NAMES: Final = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example"),
        x509.NameAttribute(NameOID.COMMON_NAME, "J\xfcrgen Fran\xe7ois"),
        x509.NameAttribute(NameOID.EMAIL_ADDRESS, "alice@example.org"),
    ]
)
LONG: Final = x509.Name(
    [x509.NameAttribute(NameOID.COMMON_NAME, "x" * 60), x509.NameAttribute(NameOID.TITLE, "y" * 60)]
)

PLAIN: Final = {
    "RSA": certificate(usage="key_encipherment", purposes=[MAIL], extensions=EVERYTHING),
    "RSA-3072": certificate(public_key=rsa_key("bob", 3072).public_key(), extensions=[(SKI, False)]),
    "P-256": certificate(
        public_key=EC_KEY.public_key(), signer=EC_KEY, usage="key_agreement", extensions=[(AKI, False)]
    ),
    "P-384": certificate(None, public_key=ec.generate_private_key(ec.SECP384R1()).public_key(), purposes=[MAIL]),
    "P-521": certificate(public_key=ec.generate_private_key(ec.SECP521R1()).public_key(), extensions=EVERYTHING[:3]),
    "names of many kinds": certificate(subject=NAMES),
    "a long name": certificate(subject=LONG),
    "a large serial number": certificate(serial=(1 << 159) - 1),
    "a serial number with a leading zero": certificate(serial=0x80),
    "for signing": certificate(usage="digital_signature", purposes=[ExtendedKeyUsageOID.CLIENT_AUTH]),
    "for any purpose": certificate(purposes=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
    "key usage of two octets": certificate(extensions=[(key_usage("key_agreement", "decipher_only"), True)]),
}


def test_extensions_are_not_taken_for_an_extension() -> None:
    """One layer less around a mail address is no certificate, however well the lengths fit."""
    parts = asn1.parse(certificate().public_bytes(Encoding.DER)).children()
    *signed, extensions = parts[0].children()
    (extension,) = extensions.children()[0].children()
    flat = asn1.encode(asn1.SEQUENCE, *(part.encoded for part in signed), asn1.encode(0xA3, extension.encoded))
    octets = asn1.encode(asn1.SEQUENCE, flat, *(part.encoded for part in parts[1:]))
    assert judged_by_library(octets) is None
    assert read(octets) is None


def judged_by_library(octets: bytes) -> x509.Certificate | None:
    """Return a certificate as far as the library reads all that is used of it; None if it refuses some of that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = x509.load_der_x509_certificate(octets)
            assert found.extensions is not None
            assert found.not_valid_before_utc.year
            assert found.not_valid_after_utc.year
        except (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            return None
    return found


def assert_agrees(plain: Facts, octets: bytes) -> None:
    """Fail unless the library accepts a certificate too and finds the same in it, and nothing of it is left out."""
    found = judged_by_library(octets)
    assert found is not None
    assert found.version is x509.Version.v3
    assert found.serial_number > 0
    expected = facts_of(found)
    if expected.public_key is None:
        assert plain.public_key is not None
        assert plain.public_key.kind.startswith("P-")  # a point that is not on its curve, which shows when it is loaded
        assert not plain.public_key.is_readable
        expected = expected._replace(public_key=plain.public_key)
    assert plain == expected
    assert plain.use is not None
    assert plain.public_key is not None
    assert plain.public_key.info == key_of(found)
    assert plain.public_key.octets == PublicKey.from_info(key_of(found)).octets


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_usual_is_plain(name: str) -> None:
    """Certificates as mail issuers make them need nothing of the library, and say the same to both."""
    octets = der(PLAIN[name])
    plain = read(octets)
    assert plain is not None
    assert_agrees(plain, octets)


ODD: Final = {
    "a negative serial number": der(certificate(serial=5)).replace(b"\x02\x01\x05", b"\x02\x01\xfb", 1),
    "a serial number of zero": der(certificate(serial=5)).replace(b"\x02\x01\x05", b"\x02\x01\x00", 1),
    "an unknown version": der(certificate()).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03"),
    "version 2": der(certificate()).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01"),
    "a name in T61": der(certificate()).replace(b"\x0c\x05Alice", b"\x14\x05Alice"),
    "a name that is no UTF-8": der(certificate()).replace(b"\x0c\x05Alice", b"\x0c\x05Al\xffce"),
    "a month that there is not": der(certificate()).replace(b"\x17\x0d2703", b"\x17\x0d2713"),
    "a day that there is not": der(certificate()).replace(b"\x17\x0d270301", b"\x17\x0d270230"),
    "a leap day": der(certificate(end=datetime(2028, 2, 29, tzinfo=UTC))),
    "GeneralizedTime": der(certificate(end=datetime(2051, 1, 1, tzinfo=UTC))),
    "the last century": der(certificate(start=datetime(1999, 1, 1, tzinfo=UTC))),
    "no extension": der(certificate(None)),
    "two names": der(certificate(names=[x509.RFC822Name("b@example.org")])),
    "a critical extension of nobody": der(
        certificate(
            extensions=[(x509.UnrecognizedExtension(ObjectIdentifier("1.2.840.113549.1.9.15"), b"\x05\x00"), True)]
        )
    ),
    "an unknown extension": der(
        certificate(extensions=[(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b"\x05\x00"), False)])
    ),
    "a bit of key usage without the one that it refines": der(
        certificate(extensions=[(key_usage("key_agreement", "decipher_only"), True)])
    ).replace(bytes.fromhex("0303070880"), bytes.fromhex("0303072080")),
    "a short key": der(certificate(public_key=rsa_key("alice", 1024).public_key())),
    "a small exponent": der(certificate(public_key=rsa.generate_private_key(3, 2048).public_key())),
    "Ed25519": der(certificate(public_key=ed25519.Ed25519PrivateKey.generate().public_key())),
    "X25519": der(certificate(public_key=x25519.X25519PrivateKey.generate().public_key())),
    "a curve of another kind": der(certificate(public_key=ec.generate_private_key(ec.SECP256K1()).public_key())),
    "a name of great length": der(
        certificate(subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x" * 60)] * 16))
    ),
    "extensions of great length": der(
        certificate(
            extensions=[
                (
                    x509.UnrecognizedExtension(
                        ObjectIdentifier("2.16.840.1.113730.1.13"), asn1.encode(0x16, b"x" * 4096)
                    ),
                    False,
                )
            ]
        )
    ),
    "something behind it": der(certificate()) + b"\x00",
    "nothing": b"",
    "no certificate": bytes.fromhex("3003020101"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_left_to_the_library(name: str) -> None:
    """Whatever is unusual is not judged here."""
    assert read(ODD[name]) is None


@pytest.mark.parametrize("header", ["3080", "30820080", "3083000080"])
def test_a_name_whose_length_is_not_in_der_is_left_to_the_library(header: str) -> None:
    """Of 128 octets, it has a length of two octets: neither more, nor the one octet that tells no length."""
    attributes = [(NameOID.COMMON_NAME, "x" * 60), (NameOID.TITLE, "y" * 46)]
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    plain = der(certificate(subject=subject))
    name = subject.public_bytes()
    assert name.startswith(b"\x30\x81\x80")
    signed, *signature = asn1.parse(plain).children()
    parts = [part.encoded for part in signed.children()]
    assert [parts[3], parts[5]] == [name, name]
    for places in ([3], [5], [3, 5]):
        changed = [bytes.fromhex(header) + name[3:] if at in places else part for at, part in enumerate(parts)]
        odd = asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE, *changed), *(part.encoded for part in signature))
        assert judged_by_library(odd) is None
        assert read(odd) is None
    assert read(plain) is not None


POINTS: Final = ObjectIdentifier("2.5.29.31")
URI: Final = asn1.encode(0xA0, asn1.encode(0xA0, asn1.encode(0x86, b"http://example.org/1.crl")))


@pytest.mark.parametrize(
    "value",
    [
        asn1.encode(0x30, asn1.encode(0x30, URI, b"\x81\x02\x01\x02")),
        asn1.encode(0x30, b"\x30\x81" + asn1.encode(0x30, URI)[1:]),
        b"\x30\x81" + asn1.encode(0x30, asn1.encode(0x30, URI))[1:],
        b"\x30\x80" + asn1.encode(0x30, URI) + b"\0\0",
    ],
    ids=["reasons", "a long length inside", "a long length", "no definite length"],
)
def test_an_odd_value_of_an_extension_is_left_to_the_library(value: bytes) -> None:
    """What is in a known extension must be usual and in DER to its last octet."""
    for octets, plain in ((asn1.encode(0x30, asn1.encode(0x30, URI)), True), (value, False)):
        found = read(der(certificate(extensions=[(x509.UnrecognizedExtension(POINTS, octets), False)])))
        assert (found is not None) == plain


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        ("2.5.29.32", "3009 3007 06022a03 3000 3000"),
        ("2.5.29.32", "300a 3008 06022a03 3000 0500"),
        ("2.5.29.37", "300e 06082b06010505070304 06028001"),
        ("2.5.29.35", "3016 8014 000102030405060708090a0b0c0d0e0f10111213 0500"),
    ],
)
def test_what_follows_in_an_extension_is_looked_at_too(oid: str, value: str) -> None:
    """A usual beginning proves nothing of the rest."""
    unusual = x509.UnrecognizedExtension(ObjectIdentifier(oid), bytes.fromhex(value))
    assert read(der(certificate(extensions=[(unusual, False)]))) is None


def test_an_extension_that_is_there_twice_is_left_to_the_library() -> None:
    """Two extensions of one kind: those that are cut out count too."""
    twice = der(
        certificate(
            extensions=[
                (SKI, False),
                (x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.99"), SKI.public_bytes()), False),
            ]
        )
    )
    assert read(twice.replace(bytes.fromhex("0603551d63"), bytes.fromhex("0603551d0e"))) is None
    usages = der(
        certificate(
            usage="key_encipherment",
            extensions=[(x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.99"), bytes.fromhex("03020520")), True)],
        )
    )
    assert read(usages.replace(bytes.fromhex("0603551d63"), bytes.fromhex("0603551d0f"))) is None


@pytest.mark.parametrize(
    "hidden",
    [
        bytes.fromhex("301d0603551d0e04160414") + bytes(20),
        bytes.fromhex("300f0603551d11040830068104") + b"a@b.",
    ],
)
def test_an_extension_inside_another_is_not_cut_out(hidden: bytes) -> None:
    """What looks like an extension of its own inside another's value proves nothing, and is left to the library."""
    wrapping = x509.UnrecognizedExtension(ObjectIdentifier("1.2.840.113549.1.9.15"), asn1.encode(asn1.SEQUENCE, hidden))
    octets = der(certificate(None, extensions=[(wrapping, False), (AKI, False)]))
    assert judged_by_library(octets) is not None
    assert read(octets) is None


@given(st.sampled_from(list(PLAIN.values())), st.data())
@settings(max_examples=1500, deadline=None)
def test_one_octet_that_changed_is_no_way_around_the_library(subject: x509.Certificate, data: st.DataObject) -> None:
    """What the reader accepts of a damaged certificate, the library accepts too and understands alike."""
    octets = bytearray(der(subject))
    position = data.draw(st.integers(0, len(octets) - 1 - subject.public_key().key_size // 16))  # type: ignore[union-attr]
    octets[position] = data.draw(st.integers(0, 255))
    if plain := read(bytes(octets)):
        assert_agrees(plain, bytes(octets))


def test_no_single_bit_is_a_way_around_the_library() -> None:
    """The same for every bit of two certificates, and for each octet that becomes one with a meaning in DER."""
    for subject in (PLAIN["P-256"], PLAIN["RSA"]):
        octets = der(subject)
        for position in range(len(octets) - 40):
            changes = {octets[position] ^ 1 << bit for bit in range(8)} | {0x00, 0x30, 0x31, 0x80, 0x81, 0x82, 0xFF}
            for changed in changes - {octets[position]}:
                mutant = octets[:position] + bytes((changed,)) + octets[position + 1 :]
                if plain := read(mutant):
                    assert_agrees(plain, mutant)


@given(st.sampled_from(list(PLAIN.values())), st.data())
@settings(max_examples=500, deadline=None)
def test_octets_that_came_in_or_went_are_no_way_around_the_library(
    subject: x509.Certificate, data: st.DataObject
) -> None:
    """The same with octets removed, inserted and repeated."""
    octets = der(subject)
    start = data.draw(st.integers(0, len(octets)))
    stop = data.draw(st.integers(start, min(start + 40, len(octets))))
    middle = data.draw(st.sampled_from([b"", octets[start:stop] * 2, bytes(stop - start)]) | st.binary(max_size=20))
    mutant = octets[:start] + middle + octets[stop:]
    if plain := read(mutant):
        assert_agrees(plain, mutant)


@pytest.mark.parametrize("name", PLAIN)
def test_a_part_of_a_certificate_is_none(name: str) -> None:
    """A certificate that is cut off anywhere is not plain."""
    octets = der(PLAIN[name])
    assert not any(read(octets[:size]) for size in range(len(octets)))


@given(st.datetimes(datetime(2000, 1, 1), datetime(2049, 12, 31)), st.integers(0, 10**6))  # noqa: DTZ001  # UTC below
@settings(max_examples=60, deadline=None)
def test_times_are_read_as_the_library_reads_them(start: datetime, seconds: int) -> None:
    """Each moment of the century is the same to both; leap days are left to the library."""
    start = start.replace(microsecond=0, tzinfo=UTC)
    end = min(start + timedelta(seconds=seconds), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC))
    octets = der(certificate(start=start, end=end, public_key=EC_KEY.public_key(), signer=EC_KEY))
    plain = read(octets)
    if plain is None:
        assert any((each.month, each.day) == (2, 29) for each in (start, end))
    else:
        assert_agrees(plain, octets)


def test_the_certificates_of_the_corpus_are_read_as_the_library_reads_them(corpus: Path) -> None:
    """Of certificates in other programs' files, the reader and the library agree wherever the reader says something."""
    seen = 0
    for path in sorted(each for each in corpus.rglob("*") if each.is_file() and each.stat().st_size < 1 << 20):
        data = path.read_bytes()
        try:
            found = [der(each) for each in certificates_in(pieces_of(data))]
        except SmimeError:
            found = []
        starts = (match.start() for match in re.finditer(rb"\x30\x82..\x30\x82..\xa0\x03\x02\x01\x02", data, re.DOTALL))
        found += [data[at : at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")] for at in starts]
        for octets in found:
            seen += 1
            if plain := read(octets):
                assert_agrees(plain, octets)
    assert seen > 10
