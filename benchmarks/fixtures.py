"""Keys, certificates and mails to measure with, made anew for each run."""

from __future__ import annotations

import base64
import math
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import combinations, islice
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from smime_session import load_identities
from smime_session.operations.new_identity import KEY_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificatePublicKeyTypes,
        PrivateKeyTypes,
    )

    from smime_session import Identity

_FIRST_SERIAL: Final = 1 << 63  # all of one size, so that the order in an envelope is theirs
_NAME: Final = x509.Name(
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


class _Keys:
    """As many private keys of one kind as are needed, every one another.

    Making ten thousand RSA keys would take half an hour, so they are made of a few primes: each
    pair of them is a key, and a good one for everything but secrecy.
    """

    def __init__(self, kind: str, count: int) -> None:
        if kind != "rsa2048":
            self._keys = [KEY_TYPES[kind].generate() for _ in range(count)]
            return
        made = (math.isqrt(2 * count) + 3) // 2  # two primes each: n of them make n (n - 1) / 2 pairs
        numbers = [rsa.generate_private_key(65537, 2048).private_numbers() for _ in range(made)]
        primes = [prime for number in numbers for prime in (number.p, number.q)]
        self._pairs = list(islice(combinations(primes, 2), count))
        self._keys = []

    def private(self, number: int) -> PrivateKeyTypes:
        """Return one of them."""
        return self._keys[number] if self._keys else _rsa_key(*self._pairs[number])

    def public(self, number: int) -> CertificatePublicKeyTypes:
        """Return its public key."""
        if self._keys:
            key: CertificatePublicKeyTypes = self._keys[number].public_key()  # type: ignore[assignment]  # never DH
            return key
        p, q = self._pairs[number]
        return rsa.RSAPublicNumbers(65537, p * q).public_key()


def _rsa_key(p: int, q: int) -> rsa.RSAPrivateKey:
    d = pow(65537, -1, math.lcm(p - 1, q - 1))
    crt = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *crt, rsa.RSAPublicNumbers(65537, p * q)).private_key()


@dataclass(frozen=True)
class Group:
    """Recipients with keys of one kind, all of them different.

    Attributes:
        kind: a name that the library has for a kind of key.
        certificates: one for each recipient, in the order of their serial numbers.
        issuer: who signed them.
        folder: where files for other programs are made when they are asked for.
    """

    kind: str
    certificates: Sequence[x509.Certificate]
    issuer: x509.Certificate
    folder: Path
    keys: _Keys = field(repr=False)

    def files(self, count: int) -> list[Path]:
        """Return the files of the first ``count`` certificates."""
        return [self._certificate_file(number) for number in range(count)]

    def bundle(self, count: int) -> Path:
        """Return one file with the first ``count`` certificates."""
        path = self.folder / f"first-{count}.pem"
        if not path.exists():
            path.write_bytes(b"".join(pem(certificate) for certificate in self.certificates[:count]))
        return path

    def key_file(self, number: int) -> Path:
        """Return the file with the key and the certificate of one of them."""
        path = self.folder / f"{number}.key"
        if not path.exists():
            private = self.keys.private(number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            path.write_bytes(private + pem(self.certificates[number]))
        return path

    def identities(self, number: int) -> list[Identity]:
        """Load that key."""
        return load_identities(self.key_file(number).read_bytes())

    @cached_property
    def issuer_file(self) -> Path:
        """The issuer's certificate, for programs that want to see a chain."""
        path = self.folder / "issuer.pem"
        path.write_bytes(pem(self.issuer))
        return path

    def _certificate_file(self, number: int) -> Path:
        path = self.folder / f"{number}.pem"
        if not path.exists():
            path.write_bytes(pem(self.certificates[number]))
        return path


def make_group(kind: str, count: int, folder: Path) -> Group:
    """Make ``count`` recipients with keys of one kind; their files will be in a new folder below ``folder``."""
    own = folder / kind
    own.mkdir()
    issuer_key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.BasicConstraints(ca=True, path_length=0)
    issuer = (
        _builder(_NAME, issuer_key.public_key(), 1, {"key_cert_sign"})
        .add_extension(authority, critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    keys = _Keys(kind, count)
    certificates = [_certificate(keys.public(number), kind, number, issuer_key) for number in range(count)]
    return Group(kind, certificates, issuer, own, keys)


def _certificate(
    key: CertificatePublicKeyTypes, kind: str, number: int, issuer_key: CertificateIssuerPrivateKeyTypes
) -> x509.Certificate:
    address = f"recipient{number}@example.org"
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
    return (
        _builder(subject, key, _FIRST_SERIAL + number, KEY_TYPES[kind].key_usage)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, key: CertificatePublicKeyTypes, serial: int, usages: frozenset[str] | set[str]
) -> x509.CertificateBuilder:
    now, day = datetime.now(UTC), timedelta(days=1)
    usage = x509.KeyUsage(**{bit: bit in usages for bit in _USAGES})
    builder = x509.CertificateBuilder(_NAME, subject, key, serial, now - day, now + day)
    return builder.add_extension(usage, critical=True)


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM)


def text_mail(size: int) -> bytes:
    """Return a mail of about ``size`` octets of text in lines of many lengths."""
    fields = b'Content-Type: text/plain; charset="us-ascii"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n'
    lines = [_LINE[: 30 + number * 17 % 40] for number in range(size // 51)]  # of 51 octets on average
    return b"".join((_HEAD, fields, *(line + b"\r\n" for line in lines)))


def write_mail(path: Path, size: int) -> None:
    """Write a mail of about ``size`` octets, nearly all of it an attachment in base64 as large mails are."""
    octets = os.urandom(57 * 1000)
    lines = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    with path.open("wb") as file:
        file.write(_HEAD + b'Content-Type: multipart/mixed; boundary="part"\r\n\r\n')
        file.write(b"--part\r\nContent-Type: text/plain\r\n\r\nSee the attachment.\r\n--part\r\n")
        file.write(b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n")
        for _ in range(size // len(lines)):
            file.write(lines)
        file.write(lines[: size % len(lines) // 78 * 78])  # whole lines
        file.write(b"--part--\r\n")
