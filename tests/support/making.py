"""Keys and certificates for the tests, made on the spot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from smime_session.cms import asn1

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificatePublicKeyTypes,
    )

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY: Final = timedelta(days=1)


@cache
def rsa_key(owner: str = "alice", bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the RSA key of ``owner``, always the same in one test run."""
    assert owner
    return rsa.generate_private_key(65537, bits)


def certificate(
    address: str | None = "alice@example.org",
    *,
    public_key: CertificatePublicKeyTypes | None = None,
    signer: CertificateIssuerPrivateKeyTypes | None = None,
    subject: x509.Name | None = None,
    names: Sequence[x509.GeneralName] = (),
    usage: str | None = None,
    purposes: Sequence[x509.ObjectIdentifier] = (),
    start: datetime = NOW - 365 * DAY,
    end: datetime = NOW + 365 * DAY,
    serial: int = 0x1A2B,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.Certificate:
    """Make a certificate; what is not given is absent from it or harmless."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Alice")]) if subject is None else subject
    names = [*([x509.RFC822Name(address)] if address else []), *names]
    builder = x509.CertificateBuilder(subject, subject, public_key or rsa_key().public_key(), serial, start, end)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usage:
        builder = builder.add_extension(key_usage(usage), critical=True)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer or rsa_key(), hashes.SHA256())


def key_usage(*bits: str) -> x509.KeyUsage:
    """Return a key usage with these bits set."""
    return x509.KeyUsage(**{name: name in bits for name in _KEY_USAGE_BITS})


_KEY_USAGE_BITS: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def smtp_utf8_mailbox(address: str) -> x509.OtherName:
    """Return a SmtpUTF8Mailbox (RFC 9598, 3)."""
    return x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), asn1.encode(0x0C, address.encode()))


def subject_with(oid: x509.ObjectIdentifier, value: str) -> x509.Name:
    """Return a name of one attribute."""
    return x509.Name([x509.NameAttribute(oid, value)])


def altered(certificate: x509.Certificate, old: bytes, new: bytes) -> x509.Certificate:
    """Return a certificate with some octets replaced; its signature no longer fits, which nothing here looks at."""
    der = certificate.public_bytes(Encoding.DER)
    assert old in der
    return x509.load_der_x509_certificate(der.replace(old, new))


def pem(thing: x509.Certificate | rsa.RSAPrivateKey) -> bytes:
    """Return a certificate or an unlocked private key in PEM."""
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(Encoding.PEM)
    return thing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def der(thing: x509.Certificate | rsa.RSAPrivateKey) -> bytes:
    """Return a certificate or an unlocked private key in DER."""
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(Encoding.DER)
    return thing.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
