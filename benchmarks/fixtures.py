"""Keys, certificates and mails to measure with, made anew for each run."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from smime_session import RecipientError, load_identities, recipient_for
from smime_session.credentials.creation import KEY_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from smime_session import Identity, Profile

KINDS: Final = {"rsa2048": "RSA-2048", "p256": "P-256", "x25519": "X25519", "mlkem768": "ML-KEM-768"}
"""Kinds of key by the name that the library has for them; those it does not have are not measured."""


_DISTINCT_KEYS: Final = 8  # making a thousand RSA keys would take minutes; certificates and key objects are distinct
_FIRST_SERIAL: Final = 1 << 63  # all of one size, so that the order in an envelope is theirs
_ISSUER: Final = x509.Name(
    [
        x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "NL"),
        x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Example Mail"),
        x509.NameAttribute(x509.NameOID.COMMON_NAME, "Example Issuer"),
    ]
)
_USAGES: Final = (
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
_HEAD: Final = (
    b"From: Alice <alice@example.org>\r\n"
    b"To: Bob <bob@example.org>\r\n"
    b"Subject: The figures for March\r\n"
    b"Date: Mon, 6 Apr 2026 09:30:00 +0200\r\n"
    b"Message-ID: <march@example.org>\r\n"
    b"MIME-Version: 1.0\r\n"
)
_LINE: Final = b"The figures for March are complete, and nobody but you should read them."


@dataclass(frozen=True, slots=True)
class Group:
    """Recipients with keys of one kind.

    Attributes:
        kind: a name of :data:`KINDS`.
        certificates: one for each recipient, in the order of their serial numbers.
        folder: holds ``N.pem`` for each, and ``first.key`` and ``last.key`` with key and certificate.
    """

    kind: str
    certificates: Sequence[x509.Certificate]
    folder: Path

    def files(self, count: int) -> list[Path]:
        """Return the files of the first ``count`` certificates."""
        return [self.folder / f"{number}.pem" for number in range(count)]

    def bundle(self, count: int) -> Path:
        """Return one file with the first ``count`` certificates."""
        path = self.folder / f"first-{count}.pem"
        if not path.exists():
            path.write_bytes(b"".join(_pem(certificate) for certificate in self.certificates[:count]))
        return path

    def key_file(self, which: str) -> Path:
        """Return the file with the key and the certificate of the ``first`` or the ``last``."""
        return self.folder / f"{which}.key"

    def identities(self, which: str) -> list[Identity]:
        """Load that key."""
        return load_identities(self.key_file(which).read_bytes())

    def fits(self, profile: Profile) -> bool:
        """Tell whether a profile can use keys of this kind."""
        try:
            recipient_for(self.certificates[0], profile=profile)
        except RecipientError:
            return False
        return True


def make_groups(count: int, folder: Path) -> dict[str, Group]:
    """Make ``count`` recipients of every kind that the library has, below ``folder``."""
    return {kind: _make_group(kind, count, folder / kind) for kind in KINDS if kind in KEY_TYPES}


def _make_group(kind: str, count: int, folder: Path) -> Group:
    folder.mkdir()
    issuer_key = ec.generate_private_key(ec.SECP256R1())
    keys = [KEY_TYPES[kind].generate() for _ in range(min(count, _DISTINCT_KEYS))]
    certificates = []
    for number in range(count):
        key = keys[number % len(keys)]
        certificate = _builder(key.public_key(), kind, number).sign(issuer_key, hashes.SHA256())
        certificates.append(certificate)
        (folder / f"{number}.pem").write_bytes(_pem(certificate))
    for which, number in (("first", 0), ("last", count - 1)):
        key = keys[number % len(keys)]
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{which}.key").write_bytes(private + _pem(certificates[number]))
    return Group(kind, certificates, folder)


def _builder(public_key: object, kind: str, number: int) -> x509.CertificateBuilder:
    address = f"recipient{number}@example.org"
    now = datetime.now(UTC)
    usage = x509.KeyUsage(**{bit: bit in KEY_TYPES[kind].key_usage for bit in _USAGES})
    return (
        x509.CertificateBuilder(
            _ISSUER,
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)]),
            public_key,  # type: ignore[arg-type]  # any kind that the library makes
            _FIRST_SERIAL + number,
            now - timedelta(days=1),
            now + timedelta(days=1),
        )
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), critical=False)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def text_mail(size: int) -> bytes:
    """Return a mail of about ``size`` octets of text in lines of many lengths."""
    fields = b'Content-Type: text/plain; charset="us-ascii"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n'
    lines = [_LINE[: 30 + number * 17 % 40] for number in range(size // 51)]  # of 51 octets on average
    return b"".join((_HEAD, fields, *(line + b"\r\n" for line in lines)))


def write_large_mail(path: Path, size: int) -> None:
    """Write a mail of about ``size`` octets, nearly all of it an attachment in base64 as large mails are."""
    octets = os.urandom(57 * 1000)
    lines = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    with path.open("wb") as file:
        file.write(_HEAD + b'Content-Type: multipart/mixed; boundary="part"\r\n\r\n')
        file.write(b"--part\r\nContent-Type: text/plain\r\n\r\nSee the attachment.\r\n--part\r\n")
        file.write(b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n")
        for _ in range(max(1, size // len(lines))):
            file.write(lines)
        file.write(b"--part--\r\n")
