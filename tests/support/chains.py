"""Small authorities for the tests: roots, issuers below them, users, and what they revoke."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypedDict

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from smime_session.cms import asn1
from tests.support.making import DAY, NOW, key_usage, subject_with

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificatePublicKeyTypes,
    )

START, END = NOW - 30 * DAY, NOW + 30 * DAY


class Period(TypedDict):
    """From when until when something is valid."""

    start: datetime
    end: datetime


class Authority(NamedTuple):
    """An issuer: its certificate and its key."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes

    def issue(
        self,
        address: str | None = "alice@example.org",
        *,
        subject: x509.Name | None = None,
        key: CertificatePublicKeyTypes | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        start: datetime = START,
        end: datetime = END,
    ) -> x509.Certificate:
        """Issue a certificate for a user."""
        subject = subject or subject_with(NameOID.COMMON_NAME, "Alice")
        names = [x509.SubjectAlternativeName([x509.RFC822Name(address)])] if address else []
        public_key = key or ec.generate_private_key(ec.SECP256R1()).public_key()
        own = [(x509.BasicConstraints(ca=False, path_length=None), True), *((name, False) for name in names)]
        return self._signed(subject, public_key, [*own, *extensions], start, end)

    def below(  # what an authority's certificate says
        self,
        name: str = "Issuing CA",
        *,
        key: CertificateIssuerPrivateKeyTypes | None = None,
        path_length: int | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        start: datetime = START,
        end: datetime = END,
    ) -> Authority:
        """Make an issuer below this one."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        constraints = (x509.BasicConstraints(ca=True, path_length=path_length), True)
        subject = subject_with(NameOID.COMMON_NAME, name)
        return Authority(self._signed(subject, key.public_key(), [constraints, *extensions], start, end), key)

    def crl(  # what a list says
        self,
        *revoked: x509.Certificate,
        start: datetime = NOW - DAY,
        end: datetime = NOW + DAY,
        digest: hashes.SHA256 | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        key: CertificateIssuerPrivateKeyTypes | None = None,
    ) -> x509.CertificateRevocationList:
        """Revoke certificates."""
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, start, end)
        for each in revoked:
            entry = x509.RevokedCertificateBuilder(each.serial_number, start - DAY).build()
            builder = builder.add_revoked_certificate(entry)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(key or self.key, digest or hashes.SHA256())

    def _signed(
        self,
        subject: x509.Name,
        key: CertificatePublicKeyTypes,
        extensions: Sequence[tuple[x509.ExtensionType, bool]],
        start: datetime,
        end: datetime,
    ) -> x509.Certificate:
        return signed(self.certificate.subject, subject, key, self.key, extensions, start, end)


def renamed(
    thing: x509.Certificate | x509.CertificateRevocationList, old: bytes, new: bytes, key: ec.EllipticCurvePrivateKey
) -> bytes:
    """Return a certificate or a list in DER with other octets in it, signed anew: what the library would not write."""
    certificate = isinstance(thing, x509.Certificate)
    signed = (thing.tbs_certificate_bytes if certificate else thing.tbs_certlist_bytes).replace(old, new)  # type: ignore[union-attr]  # as it is
    assert new in signed
    algorithm = asn1.parse(thing.public_bytes(Encoding.DER)).children()[1].encoded
    signature = asn1.encode(0x03, b"\0" + key.sign(signed, ec.ECDSA(hashes.SHA256())))
    return asn1.encode(asn1.SEQUENCE, signed, algorithm, signature)


def root(
    name: str = "Root",
    *,
    path_length: int | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = ((key_usage("key_cert_sign", "crl_sign"), True),),
    start: datetime = START,
    end: datetime = END,
) -> Authority:
    """Make a root."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = subject_with(NameOID.COMMON_NAME, name)
    constraints = (x509.BasicConstraints(ca=True, path_length=path_length), True)
    return Authority(signed(subject, subject, key.public_key(), key, [constraints, *extensions], start, end), key)


def signed(  # noqa: PLR0917  # what a certificate says
    issuer: x509.Name,
    subject: x509.Name,
    key: CertificatePublicKeyTypes,
    signer: CertificateIssuerPrivateKeyTypes,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    start: datetime,
    end: datetime,
) -> x509.Certificate:
    """Sign a certificate."""
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), start, end)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256())
