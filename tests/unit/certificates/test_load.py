"""Loading certificates."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from smime_session.certificates.load import load_certificates
from smime_session.errors import CredentialError
from tests.support.making import DAY, NOW, altered, certificate, der, pem, rsa_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CERTIFICATES = [certificate(f"user{number}@example.org", serial=number) for number in (1, 2, 3)]
ONE = CERTIFICATES[0]
KEY = rsa_key()


def armoured(octets: bytes, label: str) -> bytes:
    """Return a PEM block."""
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label.encode(), base64.encodebytes(octets), label.encode())


def refusal(data: bytes) -> str:
    """Return the words with which ``data`` is refused."""
    with pytest.raises(CredentialError) as caught:
        load_certificates(data)
    return str(caught.value)


def request() -> bytes:
    """Return a certificate request in DER."""
    return x509.CertificateSigningRequestBuilder(ONE.subject).sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def revocation_list() -> bytes:
    """Return a certificate revocation list in DER."""
    builder = x509.CertificateRevocationListBuilder(ONE.subject, NOW, NOW + DAY)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_pem_file_holds_any_number_of_certificates(count: int) -> None:
    """All certificates of a PEM file are loaded, in their order."""
    assert load_certificates(b"".join(map(pem, CERTIFICATES[:count]))) == CERTIFICATES[:count]


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r", b"\n"])
def test_text_around_pem_blocks_is_ignored(line_end: bytes) -> None:
    """What other programs write around PEM blocks does not matter, nor do line endings."""
    text = b"Subject: CN = Alice\n\n" + pem(ONE) + b"\nBag Attributes\n    x: y\n" + pem(CERTIFICATES[1]) + b"the end"
    assert load_certificates(text.replace(b"\n", line_end)) == CERTIFICATES[:2]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_byte_order_mark_does_not_matter(encoding: str) -> None:
    """PEM that went through an editor on Windows is loaded."""
    assert load_certificates(pem(ONE).decode().encode(encoding)) == [ONE]


@pytest.mark.parametrize(
    ("label", "octets"),
    [
        ("X509 CERTIFICATE", der(ONE)),
        ("TRUSTED CERTIFICATE", der(ONE) + bytes.fromhex("300c300a06082b06010505070304")),
    ],
)
def test_older_labels_are_known(label: str, octets: bytes) -> None:
    """A certificate under one of the labels that OpenSSL writes besides CERTIFICATE is loaded."""
    assert load_certificates(armoured(octets, label)) == [ONE]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_der_is_loaded(end: bytes) -> None:
    """A certificate in DER is loaded, also with the line ending that a transfer appended."""
    assert load_certificates(der(ONE) + end) == [ONE]


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_pkcs7_is_loaded(encoding: Encoding) -> None:
    """All certificates of a PKCS#7 file are loaded."""
    data = pkcs7.serialize_certificates(CERTIFICATES, encoding)
    assert set(load_certificates(data)) == set(CERTIFICATES)


def test_pkcs7_under_the_label_of_a_certificate_is_loaded() -> None:
    """The content decides between a certificate and PKCS#7, not the label."""
    data = armoured(pkcs7.serialize_certificates([ONE], Encoding.DER), "CERTIFICATE")
    assert load_certificates(data) == [ONE]


def test_pkcs7_in_ber_is_loaded_without_a_warning(openssl: Callable[..., bytes], tmp_path: Path) -> None:
    """A signature in indefinite-length BER gives its certificates, and no warning reaches the caller."""
    (tmp_path / "key.pem").write_bytes(pem(KEY))
    (tmp_path / "one.pem").write_bytes(pem(ONE))
    signed = openssl("cms -sign -stream -nodetach -signer one.pem -inkey key.pem -outform DER", b"text")
    assert signed[1] == 0x80
    assert load_certificates(signed) == [ONE]


def test_a_private_key_beside_certificates_is_left_alone() -> None:
    """From a file that holds a private key too, the certificates are taken."""
    assert load_certificates(pem(KEY) + pem(ONE)) == [ONE]


def test_a_negative_serial_number_raises_no_warning() -> None:
    """A certificate that breaks a rule nobody here can mend is loaded in silence."""
    octets = der(certificate(serial=5)).replace(b"\x02\x01\x05", b"\x02\x01\xfb", 1)
    assert len(load_certificates(octets)) == 1


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (pem(KEY), "a private key"),
        (der(KEY), "a private key"),
        (KEY.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()), "a private key"),
        (KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")), "a private key"),
        (KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), "an SSH key"),
        (KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH), "an SSH key"),
        (KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "a public key"),
        (KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1), "a public key"),
        (KEY.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1), "a public key"),
        (pkcs12.serialize_key_and_certificates(None, KEY, ONE, None, NoEncryption()), "a PKCS#12 file"),
        (request(), "a certificate request"),
        (armoured(request(), "NEW CERTIFICATE REQUEST"), "a certificate request"),
        (revocation_list(), "a revocation list"),
        (armoured(revocation_list(), "X509 CRL"), "a revocation list"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINBF\n-----END PGP PUBLIC KEY BLOCK-----\n", "PGP data"),
        (b"From: alice@example.org\r\nTo: bob@example.org\r\n\r\nhello\r\n", "a mail"),
        (b"Subject: caf\xe9\n\nhello", "a mail"),
        (b"0 is a digit, and this is a text about it\n", "text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "data of an unknown kind"),
        (b"\x30\x00", "data of an unknown kind"),
        (armoured(b"?", "SOMETHING"), "data of an unknown kind"),
    ],
)
def test_other_things_are_named(data: bytes, what: str) -> None:
    """The error says what was given instead of a certificate."""
    assert refusal(data) == f"this is {what}, not a certificate"


def test_an_encrypted_message_is_named(openssl: Callable[..., bytes], tmp_path: Path) -> None:
    """An envelope, which has the suffix .p7m or .p7b too, is not taken for a list of certificates."""
    (tmp_path / "one.pem").write_bytes(pem(ONE))
    envelope = openssl("cms -encrypt -outform DER one.pem", b"text")
    assert refusal(envelope) == "this is an encrypted message, not a certificate"


@pytest.mark.parametrize("data", [b"", b" \r\n\n", b"\xff\xfe"])
def test_an_empty_file_is_named(data: bytes) -> None:
    """An empty file is called empty."""
    assert refusal(data) == "the file is empty"


def test_a_pem_block_without_its_end_is_counted() -> None:
    """The error says which of several certificates is cut off."""
    second = pem(CERTIFICATES[1]).partition(b"-----END")[0]
    assert refusal(pem(ONE) + second + pem(CERTIFICATES[2])) == "certificate 2 of 3 is cut off"
    assert refusal(second) == "the certificate is cut off"


@pytest.mark.parametrize("octets", [der(ONE)[:-1], der(ONE) + b"x", b"", der(KEY)])
def test_a_broken_certificate_is_counted(octets: bytes) -> None:
    """The error says which of several certificates is broken."""
    assert refusal(pem(ONE) + armoured(octets, "CERTIFICATE")) == "certificate 2 of 2 is broken"


def test_base64_that_is_broken_is_a_broken_certificate() -> None:
    """A character that is no base64 is not skipped."""
    assert refusal(pem(ONE).replace(b"M", b"*", 1)) == "the certificate is broken"


@pytest.mark.parametrize("certificates", [b"", b"\xa0\x00"])
def test_pkcs7_without_certificates_is_refused(certificates: bytes) -> None:
    """A PKCS#7 file without a certificate is no list of none."""
    body = bytes.fromhex("0201013100300b06092a864886f70d010701") + certificates + bytes.fromhex("3100")
    inner = bytes((0x30, len(body))) + body
    content = bytes.fromhex("06092a864886f70d010702") + bytes((0xA0, len(inner))) + inner
    assert "holds no certificate" in refusal(bytes((0x30, len(content))) + content)


def test_an_impossible_version_is_broken() -> None:
    """A version of X.509 that there is not is refused in each kind of file."""
    old, new = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x50"
    assert refusal(der(ONE).replace(old, new)) == "the certificate is broken"
    assert "broken" in refusal(pkcs7.serialize_certificates([ONE], Encoding.DER).replace(old, new))


@given(st.integers(0, len(der(ONE)) - 1))
@settings(max_examples=50, deadline=None)
def test_every_part_of_a_certificate_is_refused(size: int) -> None:
    """A certificate in DER that is cut off anywhere is a credential error and nothing else."""
    assert refusal(der(ONE)[:size])


@given(st.integers(0, len(der(ONE)) - 1), st.integers(1, 255))
@settings(max_examples=300, deadline=None)
def test_a_damaged_certificate_loads_or_is_refused(position: int, difference: int) -> None:
    """No damage leads to any other error than a credential error."""
    octets = bytearray(der(ONE))
    octets[position] ^= difference
    try:
        assert len(load_certificates(bytes(octets))) == 1
    except CredentialError as error:
        assert str(error)  # noqa: PT017  # both outcomes are right


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_octets_are_refused(data: bytes) -> None:
    """Whatever is no certificate is a credential error and nothing else."""
    assert refusal(data)
    assert refusal(b"-----BEGIN CERTIFICATE-----\n" + data + b"\n-----END CERTIFICATE-----")


def test_a_name_with_latin_1_in_a_t61_string_is_loaded() -> None:
    """A certificate whose issuer the library cannot parse is still a certificate."""
    odd = altered(ONE, b"\x0c\x05Alice", b"\x14\x05\xc4lice")
    assert load_certificates(pem(odd)) == [odd]
