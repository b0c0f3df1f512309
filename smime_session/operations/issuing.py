"""What certificates, requests and revocation lists are made of, and who signs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pybase64 import b64encode

from smime_session.arguments import moment
from smime_session.certificates.names import SMTP_UTF8_MAILBOX, UTF8_STRING, extension_of
from smime_session.cms import asn1
from smime_session.errors import CredentialError
from smime_session.keys.pkcs8 import locked
from smime_session.memory import erase

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, PrivateKeyTypes

MAX_DAYS: Final = 36_525  # a century; certificates cannot name years past 9999 at all
MAX_PASSPHRASE_SIZE: Final = 1023  # octets: what the library unlocks with
_MAX_COMMON_NAME: Final = 64  # octets: RFC 5280, A.1 has characters, the library is stricter
_PEM_LINE: Final = 64  # characters: RFC 7468, 2
_CLOCK_SKEW_MINUTES: Final = 5  # a reader's clock may be this far behind ours


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs a certificate.

    Attributes:
        key: the private key.
        certificate: the certificate of its public key.
    """

    key: CertificateIssuerPrivateKeyTypes = field(repr=False)
    certificate: x509.Certificate

    @property
    def name(self) -> x509.Name:
        """The name in its certificate.

        Raises:
            CredentialError: it cannot be read.
        """
        try:
            return self.certificate.subject
        except (ValueError, TypeError) as error:
            raise CredentialError("the name of the issuer cannot be read") from error


def check_choices(days: int, passphrase: bytes | None) -> None:
    """Check how long a certificate is to be valid, and what locks its private key.

    Raises:
        CredentialError: one of them is out of bounds.
    """
    if not 1 <= days <= MAX_DAYS:
        raise CredentialError(f"a certificate is valid for 1 to {MAX_DAYS:,} days, not {days:,}")
    if passphrase is not None and not 1 <= len(passphrase) <= MAX_PASSPHRASE_SIZE:
        raise CredentialError(f"a passphrase has 1 to {MAX_PASSPHRASE_SIZE:,} bytes, not {len(passphrase):,}")


def validity_from(at: datetime | None, days: int) -> tuple[datetime, datetime]:
    """Return from when until when a certificate is valid.

    Raises:
        CredentialError: no calendar has so many days.
    """
    start = moment(at)
    try:
        return start - timedelta(minutes=_CLOCK_SKEW_MINUTES), start + timedelta(days=days)
    except OverflowError as error:
        raise CredentialError(f"a certificate cannot be valid for {days:,} days from {start:%Y-%m-%d}") from error


def authority_certificate(
    name: str,
    key: CertificateIssuerPrivateKeyTypes,
    validity: tuple[datetime, datetime],
    usage: Iterable[str] = ("key_cert_sign", "crl_sign"),
) -> x509.Certificate:
    """Make the certificate of an authority that has no other authority below it, signed by its own key."""
    subject = named(name)
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), *validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(usage), critical=True)
        .add_extension(key_identifier, critical=False)
        .sign(key, digest_for(key))
    )


def issuer_identifier(
    key: CertificateIssuerPrivateKeyTypes, certificate: x509.Certificate | None
) -> x509.AuthorityKeyIdentifier:
    """Return what names the key of an issuer (RFC 5280, 4.2.1.1): as its certificate has it, if that does."""
    stated = None if certificate is None else extension_of(certificate, x509.SubjectKeyIdentifier)
    if stated is None:
        stated = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(stated)


def digest_for(key: CertificateIssuerPrivateKeyTypes) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """Return the hash function to sign with, as large as an EC key: gpgsm refuses a smaller one."""
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.key_size <= hashes.SHA256.digest_size * 8:
        return hashes.SHA256()
    return hashes.SHA384() if key.key_size <= hashes.SHA384.digest_size * 8 else hashes.SHA512()


def named(common_name: str) -> x509.Name:
    """Return a name of one attribute."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _common_name(common_name))])


def _common_name(name: str) -> str:
    """Return a name, shortened to fit; the subject alternative name has all of the address."""
    octets = name.encode()
    if len(octets) <= _MAX_COMMON_NAME:
        return name
    return octets[: _MAX_COMMON_NAME - len("…".encode())].decode(errors="ignore") + "…"


def key_usage(bits: Iterable[str]) -> x509.KeyUsage:
    """Return a key usage with these bits, named as the library names them."""
    bits = frozenset(bits)
    return x509.KeyUsage(
        digital_signature="digital_signature" in bits,
        content_commitment=False,
        key_encipherment="key_encipherment" in bits,
        data_encipherment=False,
        key_agreement="key_agreement" in bits,
        key_cert_sign="key_cert_sign" in bits,
        crl_sign="crl_sign" in bits,
        encipher_only=False,
        decipher_only=False,
    )


def general_name(local: str, domain: str) -> x509.GeneralName:
    """Return an rfc822Name, or what takes its place if the local part is not ASCII (RFC 9598, 3)."""
    address = f"{local}@{domain}"
    if local.isascii():
        return x509.RFC822Name(address)
    mailbox = asn1.encode(UTF8_STRING, address.encode())
    return x509.OtherName(x509.ObjectIdentifier(SMTP_UTF8_MAILBOX), mailbox)


def private_key_pem(key: PrivateKeyTypes, passphrase: bytes | None) -> bytes:
    """Return a private key as PKCS#8 in PEM (RFC 7468, 10 and 11), locked if a passphrase is given."""
    if passphrase is None:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    unlocked = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    try:
        text = b64encode(locked(unlocked, passphrase))
    finally:
        erase(unlocked)
    lines = [text[at : at + _PEM_LINE] for at in range(0, len(text), _PEM_LINE)]
    return b"\n".join((b"-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, b"-----END ENCRYPTED PRIVATE KEY-----", b""))
