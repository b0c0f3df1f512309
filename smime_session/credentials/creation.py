"""Make a new identity: a private key and a self-signed certificate for one mail address."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from smime_session.cms import tlv
from smime_session.credentials.names import SMTP_UTF8_MAILBOX, UTF8_STRING, ascii_domain
from smime_session.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import KeySerializationEncryption

MAX_ADDRESS_SIZE: Final = 254  # octets: RFC 5321, 4.5.3.1.3 less the angle brackets
MAX_LOCAL_SIZE: Final = 64  # octets before the @: RFC 5321, 4.5.3.1.1
MAX_DAYS: Final = 36_525  # a century; certificates cannot name years past 9999 at all
MAX_PASSPHRASE_SIZE: Final = 1023  # octets: what the library encrypts with
_MAX_COMMON_NAME: Final = 64  # octets: RFC 5280, A.1 has characters, the library is stricter
_CLOCK_SKEW_MINUTES: Final = 5  # a reader's clock may be this far behind ours

_ATOM: Final = r"[^\x00-\x20\x7f()<>\[\]:;@\\,.\"]+"  # RFC 5322, 3.2.3, widened by RFC 6532, 3.2
_LOCAL: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123, 2.1


@dataclass(frozen=True, slots=True)
class KeyType:
    """A kind of key that an identity can have.

    Attributes:
        generate: makes a new private key.
        key_usage: the bits of key usage in its certificate, named as in :class:`cryptography.x509.KeyUsage`.
    """

    generate: Callable[[], RSAPrivateKey]
    key_usage: frozenset[str]


def _rsa(bits: int) -> KeyType:
    def generate() -> RSAPrivateKey:
        from cryptography.hazmat.primitives.asymmetric import rsa

        return rsa.generate_private_key(65537, bits)

    return KeyType(generate, frozenset({"digital_signature", "key_encipherment"}))


KEY_TYPES: Final = {"rsa2048": _rsa(2048), "rsa3072": _rsa(3072), "rsa4096": _rsa(4096)}
"""The kinds of key by the name on the command line."""


@dataclass(frozen=True, slots=True)
class NewIdentity:
    """What :func:`new_identity` makes.

    Attributes:
        address: the mail address.
        private_key_pem: the private key as PKCS#8 in PEM, encrypted if a passphrase was given.
        certificate_pem: the certificate in PEM.
        certificate: the same.
    """

    address: str
    private_key_pem: bytes = field(repr=False)
    certificate_pem: bytes
    certificate: x509.Certificate


def new_identity(
    address: str,
    *,
    key_type: str = "rsa3072",
    days: int = 730,
    passphrase: bytes | None = None,
    at: datetime | None = None,
) -> NewIdentity:
    """Make a private key and a self-signed S/MIME certificate for it (RFC 8550).

    Args:
        address: the mail address, nothing around it.
        key_type: a key of :data:`KEY_TYPES`.
        days: how long the certificate is valid.
        passphrase: locks the private key; None leaves it unlocked.
        at: when its validity begins, with its time zone; now if not given.

    Raises:
        CredentialError: an argument cannot be used.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat

    local, domain = _parsed(address)
    if key_type not in KEY_TYPES:
        raise CredentialError(f"there is no key type {key_type!r}: choose one of {', '.join(KEY_TYPES)}")
    if not 1 <= days <= MAX_DAYS:
        raise CredentialError(f"a certificate is valid for 1 to {MAX_DAYS:,} days, not {days:,}")
    encryption = _encryption(passphrase)
    kind = KEY_TYPES[key_type]
    key = kind.generate()
    certificate = _self_signed(key, kind, local, domain, _validity(at, days))
    return NewIdentity(
        address=address,
        private_key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption),
        certificate_pem=certificate.public_bytes(Encoding.PEM),
        certificate=certificate,
    )


def _parsed(address: str) -> tuple[str, str]:
    """Split a mail address into its local part and its domain with A-labels.

    Raises:
        CredentialError: it is not exactly one address.
    """
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


def _encryption(passphrase: bytes | None) -> KeySerializationEncryption:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption

    if passphrase is None:
        return NoEncryption()
    if not 1 <= len(passphrase) <= MAX_PASSPHRASE_SIZE:
        raise CredentialError(f"a passphrase has 1 to {MAX_PASSPHRASE_SIZE:,} octets, not {len(passphrase):,}")
    return BestAvailableEncryption(passphrase)


def _validity(at: datetime | None, days: int) -> tuple[datetime, datetime]:
    from datetime import UTC, datetime, timedelta

    start = at or datetime.now(UTC)
    try:
        return start - timedelta(minutes=_CLOCK_SKEW_MINUTES), start + timedelta(days=days)
    except OverflowError as error:
        raise CredentialError(f"a certificate cannot be valid for {days:,} days from {start:%Y-%m-%d}") from error


def _self_signed(
    key: RSAPrivateKey, kind: KeyType, local: str, domain: str, validity: tuple[datetime, datetime]
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    public_key = key.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _common_name(f"{local}@{domain}"))])
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    return (
        x509.CertificateBuilder(name, name, public_key, x509.random_serial_number(), *validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(kind.key_usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(local, domain)]), critical=False)
        .add_extension(key_identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_identifier), critical=False)
        .sign(key, hashes.SHA256())
    )


def _common_name(address: str) -> str:
    """Return the address, shortened to fit; the subject alternative name has all of it."""
    octets = address.encode()
    if len(octets) <= _MAX_COMMON_NAME:
        return address
    return octets[: _MAX_COMMON_NAME - len("…".encode())].decode(errors="ignore") + "…"


def _key_usage(bits: frozenset[str]) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature="digital_signature" in bits,
        content_commitment=False,
        key_encipherment="key_encipherment" in bits,
        data_encipherment=False,
        key_agreement="key_agreement" in bits,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(local: str, domain: str) -> x509.GeneralName:
    """Return an rfc822Name, or what takes its place if the local part is not ASCII (RFC 9598, 3)."""
    from cryptography import x509

    address = f"{local}@{domain}"
    if local.isascii():
        return x509.RFC822Name(address)
    mailbox = tlv.encode(UTF8_STRING, address.encode())
    return x509.OtherName(x509.ObjectIdentifier(SMTP_UTF8_MAILBOX), mailbox)
