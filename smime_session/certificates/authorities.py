"""Certificate authorities: their certificates lie beside those that they issued, and are no recipients."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from smime_session.certificates.names import (
    addresses_of,
    describe,
    extension_among,
    extension_of,
    issuer_of,
    subject_of,
)
from smime_session.certificates.quiet import quietly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

AUTHORITY: Final = "belongs to a certificate authority"
"""What speaks against a certificate, as a reason that follows on it."""

_CERTIFICATE_AUTHORITY: Final = re.compile(rb"\x06\x03\x55\x1d\x13(?:\x01\x01.)?\x04.\x30.\x01\x01[^\0]", re.DOTALL)
"""Basic constraints that say so: a search of octets that rules most certificates out."""


def may_be_authority(octets: bytes) -> bool:
    """Tell whether a certificate in DER may say that it is an authority's."""
    return _CERTIFICATE_AUTHORITY.search(octets) is not None


def is_only_authority(certificate: x509.Certificate, extensions: x509.Extensions) -> bool:
    """Tell whether a certificate, by its extensions, is an authority's and not some user's too.

    What many programs make for a user who asks for a certificate without an issuer says that it is an authority's,
    and no more. That it signs certificates, and has no mail address, only an authority's says.
    """
    from cryptography import x509

    usage = extension_among(extensions, x509.KeyUsage)
    constraints = extension_among(extensions, x509.BasicConstraints)
    return bool(constraints and constraints.ca and usage and usage.key_cert_sign and not addresses_of(certificate))


def without_issuers(certificates: Sequence[x509.Certificate]) -> tuple[list[x509.Certificate], list[str]]:
    """Return the certificates that issued none of the others, and a sentence about each of the rest."""
    issuers = issuers_among(certificates)
    others = [certificate for certificate in certificates if certificate not in issuers]
    return others, [issuer_sentence(issuer, issued) for issuer, issued in issuers.items()]


def issuer_sentence(issuer: x509.Certificate, issued: x509.Certificate) -> str:
    """Say that a certificate is an issuer's."""
    return f"certificate of {describe(issuer)} {AUTHORITY}: it issued the certificate of {describe(issued)}"


@quietly()
def issuers_among(certificates: Sequence[x509.Certificate]) -> dict[x509.Certificate, x509.Certificate]:
    """Return the certificates that issued another one of them, each with one that it issued."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    authorities: dict[bytes, list[x509.Certificate]] = {}
    for certificate in certificates:
        if not may_be_authority(certificate.public_bytes(Encoding.DER)):
            continue
        constraints = extension_of(certificate, x509.BasicConstraints)
        if constraints and constraints.ca:
            authorities.setdefault(subject_of(certificate), []).append(certificate)
    found: dict[x509.Certificate, x509.Certificate] = {}
    for certificate in certificates if authorities else ():
        name = issuer_of(certificate)
        if name != subject_of(certificate):  # or it is its own issuer, and perhaps an earlier one's successor
            for authority in authorities.get(name, ()):
                if authority not in found and _issued(authority, certificate):
                    found[authority] = certificate
    return found


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Tell whether a certificate of an authority's name is signed with its key, or may be, for all that can be told."""
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(authority)
    except InvalidSignature:
        return False
    except (ValueError, TypeError):  # a kind of key or signature that the library does not know
        return True
    return True
