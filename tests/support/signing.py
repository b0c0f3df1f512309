"""Who signs in the tests: a key of each kind that signs, with its certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from smime_session import Signer
from smime_session.keys.software import private_key
from tests.support.making import key_usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

ADDRESS: Final = "alice@example.org"
LETTER: Final = b"From: Alice <alice@example.org>\nTo: bob@example.org\nSubject: Friday\n\nAt eight?\n"

KEYS: Final[dict[str, Callable[[], CertificateIssuerPrivateKeyTypes]]] = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "brainpoolP256r1": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
    "brainpoolP384r1": lambda: ec.generate_private_key(ec.BrainpoolP384R1()),
    "brainpoolP512r1": lambda: ec.generate_private_key(ec.BrainpoolP512R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
}
"""What makes a key of each kind that signs."""


def signing_key(kind: str = "RSA", owner: str = "alice") -> CertificateIssuerPrivateKeyTypes:
    """Return the key of a kind that somebody has, always the same in one test run."""
    return _key(kind, owner)


@cache
def _key(kind: str, owner: str) -> CertificateIssuerPrivateKeyTypes:
    assert owner
    return KEYS[kind]()


def name(text: str) -> x509.Name:
    """Return a name of one part."""
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def issued(
    key: CertificateIssuerPrivateKeyTypes,
    subject: str = "Alice",
    *,
    addresses: Sequence[str] = (ADDRESS,),
    issuer: tuple[str, CertificateIssuerPrivateKeyTypes] | None = None,
    usage: Sequence[str] = ("digital_signature", "key_encipherment"),
    purposes: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
    authority: bool = False,
    days: tuple[int, int] = (-1, 30),
) -> x509.Certificate:
    """Make a certificate, signed by its issuer or by its own key."""
    issuer_name, issuer_key = issuer or (subject, key)
    now = datetime.now(UTC)
    start, end = (now + timedelta(days=each) for each in days)
    builder = x509.CertificateBuilder(
        name(issuer_name), name(subject), key.public_key(), x509.random_serial_number(), start, end
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    bits = ("key_cert_sign", "crl_sign") if authority else usage
    if bits:
        builder = builder.add_extension(key_usage(*bits), critical=True)
    if purposes and not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if addresses and not authority:
        names = [x509.RFC822Name(address) for address in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    hashed = isinstance(issuer_key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return builder.sign(issuer_key, hashes.SHA256() if hashed else None)


def signer(kind: str = "RSA", owner: str = "alice", **choices: Any) -> Signer:  # noqa: ANN401  # as Signer has them
    """Return who signs with a key of a kind; its certificate is made anew unless it is given."""
    key = signing_key(kind, owner)
    choices.setdefault("certificate", issued(key, owner.title(), addresses=[f"{owner}@example.org"]))
    return Signer(private_key=private_key(key), **choices)


def pem_file(key: CertificateIssuerPrivateKeyTypes, *certificates: x509.Certificate) -> bytes:
    """Return a key that is not locked and certificates in PEM."""
    parts = [each.public_bytes(Encoding.PEM) for each in certificates]
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + b"".join(parts)
