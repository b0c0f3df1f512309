"""Certificates as the cryptography library reads them: any that there are; loading it takes longer than most mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from smime_session.certificates.facts import KEY_USAGE, MAIL, Facts, Use, letters
from smime_session.certificates.load import certificates_in, load_part
from smime_session.certificates.names import (
    addresses_of,
    describe,
    extension_among,
    extensions_of,
    issuer_of,
    mailbox_of,
)
from smime_session.certificates.public_key import PublicKey
from smime_session.certificates.quiet import quietly
from smime_session.cms import capabilities

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from smime_session.cms.values import AlgorithmIdentifier


@quietly()
def loaded(der: bytes) -> x509.Certificate:
    """Load a certificate.

    Raises:
        ValueError: it is broken, or is none.
    """
    try:
        return x509.load_der_x509_certificate(der)
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from error


@quietly()
def facts_of(certificate: x509.Certificate) -> Facts:
    """Return what is needed of a certificate."""
    key = public_key_in(certificate)
    extensions = extensions_of(certificate)
    identifier = extension_among(extensions, x509.SubjectKeyIdentifier) if extensions is not None else None
    return Facts(
        issuer_of(certificate),
        certificate.serial_number,
        letters(certificate.not_valid_before_utc),
        letters(certificate.not_valid_after_utc),
        certificate.public_key_algorithm_oid.dotted_string,
        None if key is None else PublicKey.of(key),
        None if identifier is None else identifier.digest,
        None if extensions is None else _use_of(extensions),
    )


def public_key_in(certificate: x509.Certificate) -> CertificatePublicKeyTypes | None:
    """Return the library's public key in a certificate, or None if it cannot be read."""
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):  # of a kind that is not known here, an issuer's perhaps
        return None


def _use_of(extensions: x509.Extensions) -> Use:
    usage = extension_among(extensions, x509.KeyUsage)
    purposes = extension_among(extensions, x509.ExtendedKeyUsage)
    constraints = extension_among(extensions, x509.BasicConstraints)
    return Use(
        None if usage is None else frozenset(bit for bit in KEY_USAGE if _is_set(usage, bit)),
        purposes is None or any(purpose.dotted_string in MAIL for purpose in purposes),
        constraints is not None and constraints.ca,
        tuple(
            extension.oid.dotted_string
            for extension in extensions
            if extension.critical and isinstance(extension.value, x509.UnrecognizedExtension)
        ),
        capabilities=_capabilities(extensions),
    )


def _capabilities(extensions: x509.Extensions) -> tuple[AlgorithmIdentifier, ...]:
    found = (each for each in extensions if each.oid.dotted_string == capabilities.SMIME_CAPABILITIES_OID)
    return capabilities.announced(b"".join(each.value.public_bytes() for each in found))


def _is_set(usage: x509.KeyUsage, bit: str) -> bool:
    """Tell whether a bit is set; one that refines keyAgreement may be asked for only beside that."""
    return (bit != "encipher_only" or usage.key_agreement) and getattr(usage, bit)


def mailboxes_of(certificate: x509.Certificate) -> frozenset[tuple[str, str]]:
    """Return the mail addresses in a certificate, the same for all that are the same to those who write them."""
    return frozenset(map(mailbox_of, addresses_of(certificate)))


class Library:
    """All that :class:`~smime_session.certificates.certificate.Certificate` asks for: one door to what loads slowly."""

    certificates_in = staticmethod(certificates_in)
    describe = staticmethod(describe)
    facts_of = staticmethod(facts_of)
    load_part = staticmethod(load_part)
    loaded = staticmethod(loaded)
    mailboxes_of = staticmethod(mailboxes_of)
