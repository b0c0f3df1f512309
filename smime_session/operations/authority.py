"""A small certificate authority of one's own, for a team or a test: a root, and a list of what it revoked.

Its root is one more file that others must get in a way that they trust. A list is made anew before it ends; what was
revoked stays on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from smime_session.arguments import check_certificate, check_passphrase, check_several, check_text, moment
from smime_session.certificates.load import load_certificates
from smime_session.certificates.names import describe, extension_of, issuer_of, key_of, subject_of
from smime_session.certificates.public_key import PublicKey
from smime_session.errors import CredentialError
from smime_session.keys.load import load_private_keys
from smime_session.operations.issuing import (
    Issuer,
    authority_certificate,
    check_choices,
    digest_for,
    issuer_identifier,
    private_key_pem,
    validity_from,
)
from smime_session.operations.new_identity import KEY_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

AUTHORITY_KEY_TYPES: Final = tuple(name for name in KEY_TYPES if name.startswith(("rsa", "p")))
"""Types of key that an authority can have: those with which all programs check chains."""


@dataclass(frozen=True, slots=True)
class NewAuthority:
    """What :func:`new_authority` makes.

    Attributes:
        private_key_pem: the private key as PKCS#8 in PEM, encrypted if a passphrase was given.
        certificate_pem: the certificate in PEM.
        certificate: the same.
        issuer: both, to issue certificates with.
    """

    private_key_pem: bytes = field(repr=False)
    certificate_pem: bytes
    certificate: x509.Certificate
    issuer: Issuer


def new_authority(
    name: str,
    *,
    key_type: str = "rsa3072",
    days: int = 3650,
    passphrase: bytes | None = None,
    at: datetime | None = None,
) -> NewAuthority:
    """Make a private key and a root certificate for an authority that issues to users alone (RFC 5280, 4.2.1.9).

    Args:
        name: its common name.
        key_type: a key of :data:`AUTHORITY_KEY_TYPES`.
        days: how long the certificate is valid.
        passphrase: locks the private key; None leaves it unlocked.
        at: when its validity begins, with its time zone; now if not given.

    Raises:
        CredentialError: an argument cannot be used.
        TypeError: an argument is of a kind that is not accepted.
    """
    check_text(name, "the name of an authority")
    check_passphrase(passphrase)
    if not name.strip() or not name.isprintable():
        raise CredentialError("the name of an authority is printable, and not empty")
    if key_type not in AUTHORITY_KEY_TYPES:
        raise CredentialError(
            f"an authority has no key of type {key_type!r}: choose one of {', '.join(AUTHORITY_KEY_TYPES)}"
        )
    check_choices(days, passphrase)
    key = cast("CertificateIssuerPrivateKeyTypes", KEY_TYPES[key_type].generate())
    certificate = authority_certificate(name, key, validity_from(at, days))
    return NewAuthority(
        private_key_pem=private_key_pem(key, passphrase),
        certificate_pem=certificate.public_bytes(Encoding.PEM),
        certificate=certificate,
        issuer=Issuer(key, certificate),
    )


def load_authority(data: bytes, certificate: bytes | None = None, *, passphrase: bytes | None = None) -> Issuer:
    """Load the private key and the certificate of an authority.

    Args:
        data: the private key, with the certificate unless that is given by itself; PEM, DER or PKCS#12.
        certificate: the certificate; PEM, DER or PKCS#7.
        passphrase: unlocks the private key; None if there is none.

    Raises:
        PassphraseError: the private key is locked and the passphrase is missing or wrong.
        CredentialError: there is no private key, or no certificate of an authority that belongs to it.
        TypeError: an argument is of a kind that is not accepted.
    """
    keys = load_private_keys(data, passphrase)
    given = None if certificate is None else load_certificates(certificate)
    for key in keys:
        own = [each.whole for each in key.certificates] if given is None else given
        for each in own:
            constraints = extension_of(each, x509.BasicConstraints)
            if PublicKey.from_info(key_of(each)) == key.private_key.public_key and constraints and constraints.ca:
                return Issuer(cast("CertificateIssuerPrivateKeyTypes", key.private_key.loaded), each)
    if given is None and not any(key.certificates for key in keys):
        raise CredentialError("there is no certificate with the private key of the authority")
    raise CredentialError("none of the certificates is that of an authority with this private key")


def revocation_list(
    issuer: Issuer,
    revoked: Iterable[x509.Certificate] = (),
    *,
    previous: x509.CertificateRevocationList | None = None,
    days: int = 30,
    at: datetime | None = None,
) -> x509.CertificateRevocationList:
    """Make the list of what an authority revoked (RFC 5280, 5).

    Args:
        issuer: the authority.
        revoked: certificates that it issued, which are revoked now.
        previous: its list so far, which goes on in the new one; without it, the new one is the first.
        days: how long the list is valid.
        at: when it begins, with its time zone; now if not given.

    Raises:
        CredentialError: a certificate, or the list so far, is another authority's; or an argument cannot be used.
        TypeError: an argument is of a kind that is not accepted.
    """
    check_several(revoked, "revoked certificates")
    check_choices(days, None)
    at = moment(at)
    builder = x509.CertificateRevocationListBuilder(issuer.name, *_whole_seconds(at, days))
    listed: dict[int, x509.RevokedCertificate] = {}
    number = 1
    if previous is not None:
        _check_own_list(previous, issuer)
        listed = {each.serial_number: each for each in previous}
        number = _number_of(previous) + 1
    for certificate in revoked:
        check_certificate(certificate)
        _check_own(certificate, issuer)
        entry = x509.RevokedCertificateBuilder(certificate.serial_number, at.replace(microsecond=0)).build()
        listed.setdefault(certificate.serial_number, entry)
    for entry in listed.values():
        builder = builder.add_revoked_certificate(entry)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    builder = builder.add_extension(issuer_identifier(issuer.key, issuer.certificate), critical=False)
    return builder.sign(issuer.key, digest_for(issuer.key))


def _whole_seconds(at: datetime, days: int) -> tuple[datetime, datetime]:
    return tuple(each.replace(microsecond=0) for each in validity_from(at, days))  # type: ignore[return-value]  # a pair


def _number_of(crl: x509.CertificateRevocationList) -> int:
    """Return the number of a list, which grows; 0 if it has none."""
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0


def _check_own_list(crl: x509.CertificateRevocationList, issuer: Issuer) -> None:
    if crl.issuer != issuer.name or not crl.is_signature_valid(issuer.key.public_key()):
        raise CredentialError(f"the revocation list is not that of {describe(issuer.certificate)}")


def _check_own(certificate: x509.Certificate, issuer: Issuer) -> None:
    """Check that an authority issued a certificate, and not itself.

    Raises:
        CredentialError: it did not.
    """
    try:
        certificate.verify_directly_issued_by(issuer.certificate)
    except (InvalidSignature, ValueError, TypeError) as error:
        words = f"{describe(issuer.certificate)} did not issue the certificate of {describe(certificate)}"
        raise CredentialError(words) from error
    if issuer_of(certificate) == subject_of(certificate):
        raise CredentialError(f"the certificate of {describe(certificate)} is the authority's own")
