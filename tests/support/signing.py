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

from smime_session import SignatureAlgorithm, Signer
from smime_session.algorithms import DATA, SIGNED_DATA
from smime_session.certificates.names import issuer_of
from smime_session.certificates.signatures import new_digest
from smime_session.cms import asn1, codec, signature_algorithm, signed_attributes
from smime_session.cms.signature_algorithm import digest_identifier
from smime_session.cms.signed import SignedTrailer, SignerInfo
from smime_session.cms.signed import signer_info as encoded_signer_info
from smime_session.cms.signed_attributes import SignedAttributes
from smime_session.cms.values import IssuerAndSerialNumber
from smime_session.keys.software import private_key
from smime_session.mail.transfer import encode_base64
from tests.support.making import key_usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from smime_session.algorithms import DigestName

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
    """Return the key of a kind that a person has, always the same in one test run."""
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


def signer_info(
    who: Signer,
    content: bytes,
    *,
    digest: DigestName = "SHA-256",
    algorithm: SignatureAlgorithm | None = None,
    changes: dict[str, Any] | None = None,
    bare: bool = False,
) -> SignerInfo:
    """Return one signature of some content, of any kind that there is.

    Args:
        who: who signs.
        content: what is signed.
        digest: the hash function.
        algorithm: how it is signed.
        changes: other values of attributes than they should have.
        bare: whether it is one without attributes.
    """
    hashed = new_digest(digest)
    hashed.update(content)
    way = algorithm or SignatureAlgorithm("RSASSA-PKCS1-v1_5", digest)
    attributes = SignedAttributes(DATA, hashed.finalize())._replace(**(changes or {}))
    encoded = b"" if bare else signed_attributes.encode(attributes)
    key = who.private_key
    return SignerInfo(
        IssuerAndSerialNumber(issuer_of(who.certificate), who.certificate.serial_number),
        digest_identifier(digest),
        encoded,
        signature_algorithm.encode(way, key.public_key.algorithm),
        key.sign(content if bare else encoded, way),
    )


def signed_object(
    content: bytes | None, infos: Sequence[SignerInfo], certificates: Sequence[x509.Certificate], *, kind: str = DATA
) -> bytes:
    """Return a CMS object with such signatures, which names their hash functions beforehand."""
    trailer = SignedTrailer(tuple(each.public_bytes(Encoding.DER) for each in certificates), (), tuple(infos))
    end = asn1.encode(0xA0, *trailer.certificates) + asn1.encode(
        asn1.SET, *[_encoded(each) for each in trailer.signers]
    )
    digests = {codec.algorithm_identifier(each.digest) for each in infos}
    octets = b"" if content is None else asn1.encode(0xA0, asn1.encode(asn1.OCTET_STRING, content))
    inner = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(kind), octets)
    body = asn1.encode(asn1.SEQUENCE, asn1.integer(1), asn1.encode(asn1.SET, *digests), inner, end)
    return asn1.encode(asn1.SEQUENCE, asn1.object_identifier(SIGNED_DATA), asn1.encode(0xA0, body))


def _encoded(info: SignerInfo) -> bytes:
    if info.attributes:
        return encoded_signer_info(info)
    fields = list(asn1.parse(encoded_signer_info(info._replace(attributes=b"\x31\x00"))))
    return asn1.encode(asn1.SEQUENCE, *[each.encoded for each in fields if each.encoded != b"\xa0\x00"])


def opaque_mail(octets: bytes, head: bytes = b"From: alice@example.org\n") -> bytes:
    """Return a mail with a signed object inside."""
    fields = b"Content-Type: application/pkcs7-mime; smime-type=signed-data\nContent-Transfer-Encoding: base64\n\n"
    return head + fields + encode_base64(octets, eol=b"\n")


def clear_mail(content: bytes, octets: bytes, head: bytes = b"From: alice@example.org\n") -> bytes:
    """Return a mail with a signature beside what it is one of."""
    return (
        head
        + b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary="b"\n\n--b\n'
        + content.replace(b"\r\n", b"\n")
        + b"\n--b\nContent-Type: application/pkcs7-signature\nContent-Transfer-Encoding: base64\n\n"
        + encode_base64(octets, eol=b"\n")
        + b"\n--b--\n"
    )
