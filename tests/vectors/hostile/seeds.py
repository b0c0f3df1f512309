"""Keys, certificates and random-looking octets that are the same each time: each from its label.

Signatures and wrapped keys that would be random elsewhere are made without chance here, so that each vector can be
made again and compared. None of it guards anything.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from hashlib import sha256, shake_256
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support import agreeing, encapsulating
from tests.support.making import key_usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

START: Final = datetime(2020, 1, 1, tzinfo=UTC)
END: Final = datetime(2099, 1, 1, tzinfo=UTC)
ADDRESS: Final = "alice@example.org"

_SMALL: Final = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)


def octets(label: str, size: int) -> bytes:
    """Return octets that look random."""
    return shake_256(label.encode()).digest(size)


def number(label: str, bits: int) -> int:
    """Return a number with its two highest bits set."""
    return int.from_bytes(octets(label, bits // 8), "big") | 0b11 << bits - 2


def _prime(label: str, bits: int) -> int:
    found = number(label, bits) | 1
    while any(found % each == 0 for each in _SMALL) or pow(2, found - 1, found) != 1 or found % 65537 == 1:
        found += 2
    return found


@cache
def rsa_key(owner: str = "alice", bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a private key."""
    p, q = (_prime(f"{owner} {half}", bits // 2) for half in "pq")
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key()


@cache
def ec_key(owner: str = "alice") -> ec.EllipticCurvePrivateKey:
    """Return a private key on P-256."""
    return ec.derive_private_key(number(owner, 248), ec.SECP256R1())


@cache
def kem_key(owner: str = "alice") -> MLKEM768PrivateKey:
    """Return a private key for ML-KEM-768."""
    return MLKEM768PrivateKey.from_seed_bytes(octets(owner, 64))


def name(text: str) -> x509.Name:
    """Return a name of one part."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(  # what a certificate says
    public_key: CertificatePublicKeyTypes,
    subject: str = "Alice",
    *,
    address: str | None = ADDRESS,
    issuer: tuple[str, rsa.RSAPrivateKey] | None = None,
    usage: Sequence[str] = (),
    authority: bool = False,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    subject_name: x509.Name | None = None,
) -> x509.Certificate:
    """Return a certificate, signed with RSA by its issuer or, under its own name, by Alice's key."""
    issuer_name, issuer_key = issuer or (subject, rsa_key())
    own_name = subject_name if subject_name is not None else name(subject)
    serial = int.from_bytes(sha256(f"{issuer_name} {subject}".encode()).digest()[:8], "big") | 1 << 62
    builder = x509.CertificateBuilder(
        own_name if issuer is None else name(issuer_name), own_name, public_key, serial, START, END
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    bits = ("key_cert_sign", "crl_sign") if authority else usage
    if bits:
        builder = builder.add_extension(key_usage(*bits), critical=True)
    if address and not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


@cache
def alice() -> x509.Certificate:
    """Return the certificate of Alice's RSA key."""
    return certificate(rsa_key().public_key(), usage=("digital_signature", "key_encipherment"))


@cache
def alice_on_curve() -> agreeing.Person:
    """Return Alice with a key on P-256."""
    made = certificate(ec_key().public_key(), "Alice EC", usage=("key_agreement",))
    return agreeing.Person(ec_key(), made)


@cache
def alice_on_montgomery() -> agreeing.Person:
    """Return Alice with an X25519 key."""
    key = X25519PrivateKey.from_private_bytes(octets("alice X25519", 32))
    return agreeing.Person(key, certificate(key.public_key(), "Alice X25519", usage=("key_agreement",)))


@cache
def alice_after_quantum() -> encapsulating.Person:
    """Return Alice with an ML-KEM key."""
    made = certificate(kem_key().public_key(), "Alice KEM", usage=("key_encipherment",))
    return encapsulating.Person(kem_key(), made, encapsulating.ALICE.mechanism)


def key_file() -> bytes:
    """Return all of Alice's private keys with their certificates, in PEM and not locked."""
    pairs = (
        (rsa_key(), alice()),
        (ec_key(), alice_on_curve().certificate),
        (alice_on_montgomery().key, alice_on_montgomery().certificate),
        (kem_key(), alice_after_quantum().certificate),
    )
    parts = []
    for key, its_certificate in pairs:
        parts.append(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        parts.append(its_certificate.public_bytes(Encoding.PEM))
    return b"".join(parts)


def _masked(data: bytes, seed: bytes) -> bytes:
    mask = b"".join(sha256(seed + count.to_bytes(4, "big")).digest() for count in range(len(data) // 32 + 1))
    return bytes(a ^ b for a, b in zip(data, mask, strict=False))


def oaep(key: bytes, *, label: bytes = b"") -> bytes:
    """Encrypt with RSAES-OAEP, SHA-256 (RFC 8017, 7.1.1)."""
    seed = octets("oaep", 32)
    block = sha256(label).digest() + bytes(256 - len(key) - 66) + b"\x01" + key
    masked = _masked(block, seed)
    hidden = _masked(seed, masked)
    return raw(b"\0" + hidden + masked)


def v1_5(key: bytes) -> bytes:
    """Encrypt with RSAES-PKCS1-v1_5 (RFC 8017, 7.2.1)."""
    padding = bytes(each or 1 for each in octets("v1.5", 253 - len(key)))
    return raw(b"\0\2" + padding + b"\0" + key)


def raw(block: bytes) -> bytes:
    """Encrypt 256 octets with Alice's RSA key and no padding of its own."""
    numbers = rsa_key().public_key().public_numbers()
    return pow(int.from_bytes(block, "big"), numbers.e, numbers.n).to_bytes(256, "big")
