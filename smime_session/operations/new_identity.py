"""Make a new identity: a private key and a certificate for one mail address."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pybase64 import b64encode

from smime_session.algorithms import CEK_HKDF_SHA256_OID
from smime_session.arguments import check_passphrase, check_text, moment
from smime_session.certificates.names import SMTP_UTF8_MAILBOX, UTF8_STRING, ascii_domain
from smime_session.cms import asn1, capabilities
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.errors import CredentialError
from smime_session.keys.pkcs8 import locked
from smime_session.memory import erase
from smime_session.recipients.registry import key_types

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificatePublicKeyTypes,
        PrivateKeyTypes,
    )

    from smime_session.recipients.kind import KeyType

MAX_ADDRESS_SIZE: Final = 254  # octets: RFC 5321, 4.5.3.1.3 less the angle brackets
MAX_LOCAL_SIZE: Final = 64  # octets before the @: RFC 5321, 4.5.3.1.1
MAX_DAYS: Final = 36_525  # a century; certificates cannot name years past 9999 at all
MAX_PASSPHRASE_SIZE: Final = 1023  # octets: what the library unlocks with
_MAX_COMMON_NAME: Final = 64  # octets: RFC 5280, A.1 has characters, the library is stricter
_PEM_LINE: Final = 64  # characters: RFC 7468, 2
_CLOCK_SKEW_MINUTES: Final = 5  # a reader's clock may be this far behind ours

KEY_TYPES: Final = key_types()
"""The types of key by the names on the command line."""

_ATOM: Final = r"[^\x00-\x20\x7f()<>\[\]:;@\\,.\"]+"  # RFC 5322, 3.2.3, widened by RFC 6532, 3.2
_LOCAL: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123, 2.1


@dataclass(frozen=True, slots=True)
class NewIdentity:
    """What :func:`new_identity` makes.

    Attributes:
        address: the mail address.
        private_key_pem: the private key as PKCS#8 in PEM, encrypted if a passphrase was given.
        certificate_pem: the certificate in PEM.
        certificate: the same.
        issuer_certificate_pem: the certificate of its issuer in PEM, for callers that want a chain; None if it is
            its own issuer.
    """

    address: str
    private_key_pem: bytes = field(repr=False)
    certificate_pem: bytes
    certificate: x509.Certificate
    issuer_certificate_pem: bytes | None = None


def new_identity(  # noqa: PLR0913  # a choice each
    address: str,
    *,
    key_type: str = "rsa3072",
    days: int = 730,
    passphrase: bytes | None = None,
    announce: bool = True,
    at: datetime | None = None,
) -> NewIdentity:
    """Make a private key and an S/MIME certificate for it (RFC 8550).

    A key that signs makes its certificate itself. For one that cannot, an issuer is made that signs
    this one certificate and whose own key is then gone.

    Args:
        address: the mail address, nothing around it.
        key_type: a key of :data:`KEY_TYPES`.
        days: how long the certificate is valid.
        passphrase: locks the private key, with as many iterations of PBKDF2 as a password that is a recipient gets;
            None leaves it unlocked.
        announce: whether the certificate announces what this package reads (RFC 4262): authenticated content and
            RSAES-OAEP, which senders then choose. A key for another mail program should announce nothing.
        at: when its validity begins, with its time zone; now if not given.

    Raises:
        CredentialError: an argument cannot be used.
        TypeError: an argument is of a kind that is not accepted.
    """
    check_passphrase(passphrase)
    local, domain = parse_address(address)
    if key_type not in KEY_TYPES:
        raise CredentialError(f"there is no key type {key_type!r}: choose one of {', '.join(KEY_TYPES)}")
    if not 1 <= days <= MAX_DAYS:
        raise CredentialError(f"a certificate is valid for 1 to {MAX_DAYS:,} days, not {days:,}")
    if passphrase is not None and not 1 <= len(passphrase) <= MAX_PASSPHRASE_SIZE:
        raise CredentialError(f"a passphrase has 1 to {MAX_PASSPHRASE_SIZE:,} octets, not {len(passphrase):,}")
    kind = KEY_TYPES[key_type]
    key = kind.generate()
    validity = _validity(at, days)
    issuer = None if kind.signs else _throw_away_issuer(f"{local}@{domain}", validity)
    certificate = _certificate(key, kind, local, domain, validity, issuer, announce=announce)
    return NewIdentity(
        address=address,
        private_key_pem=_private_key_pem(key, passphrase),
        certificate_pem=certificate.public_bytes(Encoding.PEM),
        certificate=certificate,
        issuer_certificate_pem=issuer.certificate.public_bytes(Encoding.PEM) if issuer else None,
    )


def parse_address(address: str) -> tuple[str, str]:
    """Split a mail address into its local part and its domain with A-labels.

    Raises:
        CredentialError: it is not exactly one address.
        TypeError: it is no text.
    """
    check_text(address, "a mail address")
    local, _, domain = address.rpartition("@")
    if address.isprintable() and _LOCAL.fullmatch(local) and all(map(_is_label, domain.split("."))):
        local, domain = unicodedata.normalize("NFC", local), ascii_domain(domain)
        size = len(local.encode())
        if size <= MAX_LOCAL_SIZE and size + 1 + len(domain) <= MAX_ADDRESS_SIZE:
            return local, domain
        raise CredentialError(f"{address[:MAX_ADDRESS_SIZE]!r} is too long for a mail address")
    raise CredentialError(f"{address[:MAX_ADDRESS_SIZE]!r} is not a mail address")


def _is_label(label: str) -> bool:
    """Tell whether this is one part of a domain: letters, digits and hyphens of any script (RFC 5890, 2.3.1)."""
    letters = all(c.isascii() or unicodedata.category(c)[0] in "LMN" for c in label)
    return letters and _LABEL.fullmatch(ascii_domain(label)) is not None


def _private_key_pem(key: PrivateKeyTypes, passphrase: bytes | None) -> bytes:
    """Return a private key as PKCS#8 in PEM (RFC 7468, 10 and 11)."""
    if passphrase is None:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    unlocked = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    try:
        text = b64encode(locked(unlocked, passphrase))
    finally:
        erase(unlocked)
    lines = [text[at : at + _PEM_LINE] for at in range(0, len(text), _PEM_LINE)]
    return b"\n".join((b"-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, b"-----END ENCRYPTED PRIVATE KEY-----", b""))


def _validity(at: datetime | None, days: int) -> tuple[datetime, datetime]:
    start = moment(at)
    try:
        return start - timedelta(minutes=_CLOCK_SKEW_MINUTES), start + timedelta(days=days)
    except OverflowError as error:
        raise CredentialError(f"a certificate cannot be valid for {days:,} days from {start:%Y-%m-%d}") from error


@dataclass(frozen=True, slots=True)
class _Issuer:
    """Who signs the certificate of a key that cannot sign."""

    key: CertificateIssuerPrivateKeyTypes = field(repr=False)
    certificate: x509.Certificate


def _throw_away_issuer(address: str, validity: tuple[datetime, datetime]) -> _Issuer:
    """Make an issuer for one certificate; its key is in memory alone and ends with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"issuer of {address}")
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), *validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(frozenset({"key_cert_sign"})), critical=True)
        .add_extension(key_identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Issuer(key, certificate)


def _certificate(  # noqa: PLR0913, PLR0917  # what a certificate says
    key: PrivateKeyTypes,
    kind: KeyType,
    local: str,
    domain: str,
    validity: tuple[datetime, datetime],
    issuer: _Issuer | None,
    *,
    announce: bool,
) -> x509.Certificate:
    """Make the certificate of ``key``, signed by ``issuer`` or by the key itself."""
    public_key = cast("CertificatePublicKeyTypes", key.public_key())
    signer = issuer.key if issuer else cast("CertificateIssuerPrivateKeyTypes", key)
    name = _name(f"{local}@{domain}")
    issuer_name = issuer.certificate.subject if issuer else name
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    issuer_identifier = x509.SubjectKeyIdentifier.from_public_key(signer.public_key())
    builder = (
        x509.CertificateBuilder(issuer_name, name, public_key, x509.random_serial_number(), *validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(kind.key_usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(local, domain)]), critical=False)
        .add_extension(key_identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_identifier), critical=False
        )
    )
    if announce:
        builder = builder.add_extension(_capabilities(kind), critical=False)  # RFC 4262, 2
    return builder.sign(signer, _digest(signer))


def _capabilities(kind: KeyType) -> x509.UnrecognizedExtension:
    """Return the extension that announces what is read here (RFC 4262; RFC 9709, 5 for the derived key)."""
    derived = AlgorithmIdentifier(CEK_HKDF_SHA256_OID)
    encoded = capabilities.encode((*capabilities.CONTENT, derived, *kind.capabilities))
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(capabilities.SMIME_CAPABILITIES_OID), encoded)


def _digest(key: CertificateIssuerPrivateKeyTypes) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """Return the hash function to sign with, as large as an EC key: gpgsm refuses a smaller one."""
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.key_size <= hashes.SHA256.digest_size * 8:
        return hashes.SHA256()
    return hashes.SHA384() if key.key_size <= hashes.SHA384.digest_size * 8 else hashes.SHA512()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _common_name(common_name))])


def _common_name(name: str) -> str:
    """Return a name, shortened to fit; the subject alternative name has all of the address."""
    octets = name.encode()
    if len(octets) <= _MAX_COMMON_NAME:
        return name
    return octets[: _MAX_COMMON_NAME - len("…".encode())].decode(errors="ignore") + "…"


def _key_usage(bits: frozenset[str]) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature="digital_signature" in bits,
        content_commitment=False,
        key_encipherment="key_encipherment" in bits,
        data_encipherment=False,
        key_agreement="key_agreement" in bits,
        key_cert_sign="key_cert_sign" in bits,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(local: str, domain: str) -> x509.GeneralName:
    """Return an rfc822Name, or what takes its place if the local part is not ASCII (RFC 9598, 3)."""
    address = f"{local}@{domain}"
    if local.isascii():
        return x509.RFC822Name(address)
    mailbox = asn1.encode(UTF8_STRING, address.encode())
    return x509.OtherName(x509.ObjectIdentifier(SMTP_UTF8_MAILBOX), mailbox)
