"""Make a new identity: a private key and a certificate for one mail address."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from smime_session.algorithms import CEK_HKDF_SHA256_OID
from smime_session.arguments import check_passphrase, check_text, moment
from smime_session.certificates.names import ascii_domain
from smime_session.certificates.trust import TrustAnchors
from smime_session.cms import capabilities
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.errors import CredentialError
from smime_session.operations.issuing import (
    Issuer,
    authority_certificate,
    check_choices,
    digest_for,
    general_name,
    issuer_identifier,
    key_usage,
    named,
    private_key_pem,
    validity_from,
)
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
    issuer: Issuer | None = None,
    at: datetime | None = None,
) -> NewIdentity:
    """Make a private key and an S/MIME certificate for it (RFC 8550).

    Without an issuer, a key that signs makes its certificate itself. For one that cannot, an issuer is made that
    signs this one certificate and whose own key is then gone.

    Args:
        address: the mail address, nothing around it.
        key_type: a key of :data:`KEY_TYPES`.
        days: how long the certificate is valid.
        passphrase: locks the private key, with as many iterations of PBKDF2 as a password that is a recipient gets;
            None leaves it unlocked.
        announce: whether the certificate announces what this package reads (RFC 4262): authenticated content and
            RSAES-OAEP, which senders then choose. A key for another mail program should announce nothing.
        issuer: who signs the certificate, as :func:`~smime_session.operations.authority.load_authority` loads one.
        at: when its validity begins, with its time zone; now if not given.

    Raises:
        CredentialError: an argument cannot be used; or the issuer must not issue such a certificate.
        TypeError: an argument is of a kind that is not accepted.
    """
    check_passphrase(passphrase)
    local, domain = parse_address(address)
    if key_type not in KEY_TYPES:
        raise CredentialError(f"there is no key type {key_type!r}: choose one of {', '.join(KEY_TYPES)}")
    check_choices(days, passphrase)
    kind = KEY_TYPES[key_type]
    key = kind.generate()
    validity = validity_from(at, days)
    given, issuer = issuer, issuer or (None if kind.signs else _throw_away_issuer(f"{local}@{domain}", validity))
    certificate = _certificate(key, kind, local, domain, validity, issuer, announce=announce)
    if given:
        _check_chain(certificate, given, address, moment(at))
    return NewIdentity(
        address=address,
        private_key_pem=private_key_pem(key, passphrase),
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


def _throw_away_issuer(address: str, validity: tuple[datetime, datetime]) -> Issuer:
    """Make an issuer for one certificate; its key is in memory alone and ends with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Issuer(key, authority_certificate(f"issuer of {address}", key, validity, ("key_cert_sign",)))


def _check_chain(certificate: x509.Certificate, issuer: Issuer, address: str, at: datetime) -> None:
    """Check what a reader would check who trusts the issuer.

    Raises:
        CredentialError: the reader would not trust the certificate.
    """
    end = issuer.certificate.not_valid_after_utc
    if certificate.not_valid_after_utc > end:
        raise CredentialError(f"the new certificate would end after that of its issuer, which ends on {end:%Y-%m-%d}")
    verdict = TrustAnchors([issuer.certificate]).check(certificate, at=at, address=address)
    if not verdict.trusted:
        raise CredentialError(f"the new certificate would not be trusted: it {verdict.reason}")


def _certificate(  # noqa: PLR0913, PLR0917  # what a certificate says
    key: PrivateKeyTypes,
    kind: KeyType,
    local: str,
    domain: str,
    validity: tuple[datetime, datetime],
    issuer: Issuer | None,
    *,
    announce: bool,
) -> x509.Certificate:
    """Make the certificate of ``key``, signed by ``issuer`` or by the key itself."""
    public_key = cast("CertificatePublicKeyTypes", key.public_key())
    signer = issuer.key if issuer else cast("CertificateIssuerPrivateKeyTypes", key)
    name = named(f"{local}@{domain}")
    issuer_name = issuer.name if issuer else name
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    builder = (
        x509.CertificateBuilder(issuer_name, name, public_key, x509.random_serial_number(), *validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(kind.key_usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectAlternativeName([general_name(local, domain)]), critical=False)
        .add_extension(key_identifier, critical=False)
        .add_extension(issuer_identifier(signer, issuer.certificate if issuer else None), critical=False)
    )
    if announce:
        builder = builder.add_extension(_capabilities(kind), critical=False)  # RFC 4262, 2
    return builder.sign(signer, digest_for(signer))


def _capabilities(kind: KeyType) -> x509.UnrecognizedExtension:
    """Return the extension that announces what is read here (RFC 4262; RFC 9709, 5 for the derived key)."""
    derived = AlgorithmIdentifier(CEK_HKDF_SHA256_OID)
    encoded = capabilities.encode((*capabilities.CONTENT, derived, *kind.capabilities))
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(capabilities.SMIME_CAPABILITIES_OID), encoded)
