"""Keys and certificates, as objects and as the files that other programs want."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from smime_session import new_identity
from smime_session.algorithms import OAEP
from smime_session.cms import capabilities
from smime_session.cms.key_transport import algorithm_identifier

if TYPE_CHECKING:
    from pathlib import Path

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey

PASSPHRASE: Final = b"interoperability"
"""Of every PKCS#12 file here."""
_KEY_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=True,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Keypair:
    """A private key, its self-signed certificate, and the files that hold them.

    Attributes:
        name: the common name, and the files' name.
        certificate: the certificate, for ``name@example.org``.
        private_key: the key.
        folder: where ``name.crt`` (PEM), ``name.key`` (PEM, not locked) and ``name.p12`` lie.
    """

    name: str
    certificate: x509.Certificate
    private_key: PrivateKey
    folder: Path

    @property
    def certificate_file(self) -> Path:
        """The certificate as PEM."""
        return self.folder / f"{self.name}.crt"

    @property
    def key_file(self) -> Path:
        """The private key as PEM, PKCS#8, not locked."""
        return self.folder / f"{self.name}.key"

    @property
    def pkcs12_file(self) -> Path:
        """Both as PKCS#12, locked with :data:`PASSPHRASE`."""
        return self.folder / f"{self.name}.p12"


def make_keypair(name: str, bits: int, folder: Path, *, announce: bool = False) -> Keypair:
    """Make an RSA key of ``bits`` bits with a self-signed certificate, and write its files into ``folder``."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return write_keypair(Keypair(name, certify(name, key, announce=announce), key, folder))


def make_keypair_of(key_type: str, folder: Path) -> Keypair:
    """Make a key of a type that :func:`new_identity` knows, with Alice's certificate, and write its files."""
    made = new_identity("alice@example.org", key_type=key_type)
    key = cast("PrivateKey", load_pem_private_key(made.private_key_pem, None))
    return write_keypair(Keypair("alice", made.certificate, key, folder))


def write_keypair(keypair: Keypair) -> Keypair:
    """Write a keypair's files; there is no PKCS#12 for keys on X25519 and X448, which the library cannot lock."""
    name, key = keypair.name, keypair.private_key
    keypair.certificate_file.write_bytes(keypair.certificate.public_bytes(Encoding.PEM))
    keypair.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        locked = BestAvailableEncryption(PASSPHRASE)
        keypair.pkcs12_file.write_bytes(
            pkcs12.serialize_key_and_certificates(name.encode(), key, keypair.certificate, None, locked)
        )
    return keypair


def certify(name: str, key: rsa.RSAPrivateKey, *, announce: bool = False) -> x509.Certificate:
    """Make a self-signed certificate for ``name@example.org``, each time with another serial number.

    It may announce what is read here, as those of new identities do (RFC 4262).
    """
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(f"{name}@example.org")]), critical=False)
        .add_extension(_KEY_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    )
    if announce:
        encoded = capabilities.encode((*capabilities.CONTENT, *map(algorithm_identifier, OAEP)))
        oid = x509.ObjectIdentifier(capabilities.SMIME_CAPABILITIES_OID)
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, encoded), critical=False)
    return builder.sign(key, hashes.SHA256())
