"""Certificates, keys, chains, revocation lists and saved session keys that no honest program makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from smime_session.cms import asn1
from tests.vectors.hostile import seeds
from tests.vectors.hostile.vector import TOLD, Vector

if TYPE_CHECKING:
    from collections.abc import Iterator

LOADED: Final = {"load": TOLD, "encrypt": "RecipientError"}
"""What becomes of a certificate that is read, and to which nothing is encrypted."""
TAKEN: Final = {"load": TOLD, "encrypt": TOLD}
"""What becomes of a certificate that is odd, and can be used: such ones are in use."""
REFUSED: Final = {"load": "CredentialError", "encrypt": "CredentialError"}
"""What becomes of what is no certificate."""


def resigned(certificate: x509.Certificate, old: bytes, new: bytes) -> bytes:
    """Return a certificate in DER with one value in place of another one, and a signature that fits again."""
    signed = exchanged(certificate.tbs_certificate_bytes, old, new)
    signature = seeds.rsa_key().sign(signed, padding.PKCS1v15(), hashes.SHA256())
    algorithm = asn1.parse(certificate.public_bytes(Encoding.DER)).children()[1].encoded
    return asn1.encode(asn1.SEQUENCE, signed, algorithm, asn1.encode(0x03, b"\0" + signature))


def exchanged(encoded: bytes, old: bytes, new: bytes) -> bytes:
    """Return a value with another one in place of the first of its kind in it."""
    if encoded == old:
        return new
    element = asn1.parse(encoded)
    if not element.constructed or old not in encoded:
        return encoded
    done = False
    parts = []
    for each in element.children():
        changed = each.encoded if done else exchanged(each.encoded, old, new)
        done = done or changed != each.encoded
        parts.append(changed)
    return asn1.encode(encoded[0], *parts)


def _certificates() -> Iterator[Vector]:
    honest = seeds.alice()
    usage = ("key_encipherment",)
    yield Vector("honest.crt", honest.public_bytes(Encoding.DER), {"load": TOLD, "encrypt": TOLD})
    serial = asn1.integer(honest.serial_number)
    numbers = {
        "negative": asn1.integer(-5),
        "zero": asn1.integer(0),
        "empty": b"\x02\0",
        "of-100-octets": asn1.encode(2, b"\1" * 100),
    }
    for label, number in numbers.items():
        expected = REFUSED if label == "empty" else TAKEN
        yield Vector(f"serial-{label}.crt", resigned(honest, serial, number), expected)
    empty = seeds.certificate(seeds.rsa_key().public_key(), usage=usage, subject_name=x509.Name([]))
    yield Vector("issuer-empty.crt", empty.public_bytes(Encoding.DER), TAKEN)
    modulus = seeds.rsa_key().public_key().public_numbers().n
    keys = {
        "rsa-16384-bits": rsa.RSAPublicNumbers(65537, seeds.number("16K", 16_384) | 1),
        "rsa-exponent-3": rsa.RSAPublicNumbers(3, modulus),
        "rsa-1024-bits": rsa.RSAPublicNumbers(65537, seeds.number("1K", 1024) | 1),
    }
    for label, numbers_ in keys.items():
        made = seeds.certificate(numbers_.public_key(), usage=usage)
        yield Vector(f"{label}.crt", made.public_bytes(Encoding.DER), TAKEN if "exponent" in label else LOADED)
    for exponent in (0, 1, 2):
        old, new = asn1.integer(65537), asn1.integer(exponent)
        yield Vector(f"rsa-exponent-{exponent}.crt", _with_exponent(honest, old, new), LOADED)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0")
    critical = seeds.certificate(seeds.rsa_key().public_key(), usage=usage, extensions=[(unknown, True)])
    yield Vector("critical-extension-unknown.crt", critical.public_bytes(Encoding.DER), LOADED)
    rude = seeds.certificate(seeds.rsa_key().public_key(), "Alice\r\n\x1b[2J\u202e\0", usage=usage)
    yield Vector("name-with-line-breaks.crt", rude.public_bytes(Encoding.DER), {"load": TOLD, "encrypt": TOLD})
    whole = honest.public_bytes(Encoding.DER)
    for size in (0, 1, 4, 100, len(whole) - 1):
        yield Vector(f"certificate-cut-at-{size:04}.crt", whole[:size], REFUSED)
    yield Vector("certificate-nested.crt", b"\x30\x80" * 5000 + bytes(10_000), REFUSED)
    for bits in (32, 63, 64):
        yield Vector(f"certificate-length-2-{bits}.crt", b"\x30" + asn1.length((1 << bits) - 1) + whole[4:], REFUSED)


def _with_exponent(certificate: x509.Certificate, old: bytes, new: bytes) -> bytes:
    """Return a certificate whose RSA key has another exponent, which stands in a BIT STRING."""
    numbers = seeds.rsa_key().public_key().public_numbers()
    key = asn1.encode(0x30, asn1.integer(numbers.n), old)
    other = asn1.encode(0x30, asn1.integer(numbers.n), new)
    return resigned(certificate, asn1.encode(3, b"\0" + key), asn1.encode(3, b"\0" + other))


def _chains() -> Iterator[Vector]:
    """Yield chains, each as PEM: the signer's certificate, then the others; nothing of them is a root."""
    key, other = seeds.rsa_key(), seeds.rsa_key("mallory")
    user = seeds.certificate(key.public_key(), "Alice", issuer=("A", other), usage=("digital_signature",))
    first = seeds.certificate(other.public_key(), "A", issuer=("B", other), authority=True)
    second = seeds.certificate(other.public_key(), "B", issuer=("A", other), authority=True)
    yield Vector("chain-that-loops.pem", pem(user, first, second), {"load": TOLD, "verify": "untrusted"})
    own = seeds.certificate(other.public_key(), "A", issuer=("A", other), authority=True)
    twins = [seeds.certificate(seeds.rsa_key(f"twin {n}").public_key(), "A", authority=True) for n in range(3)]
    yield Vector("chain-of-one-name.pem", pem(user, *twins, own), {"load": TOLD, "verify": "untrusted"})
    many = [
        seeds.certificate(other.public_key(), f"CA {n}", issuer=(f"CA {n + 1}", other), authority=True)
        for n in range(100)
    ]
    below = seeds.certificate(key.public_key(), "Alice", issuer=("CA 0", other), usage=("digital_signature",))
    yield Vector("chain-of-100.pem", pem(below, *many), {"load": TOLD, "verify": "untrusted"})


def pem(*certificates: x509.Certificate) -> bytes:
    """Return certificates in PEM."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def _revocations() -> Iterator[Vector]:
    """Yield revocation lists."""
    key = seeds.rsa_key()
    builder = x509.CertificateRevocationListBuilder(seeds.name("Alice"), seeds.START, seeds.END)
    whole = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    yield Vector("honest.crl", whole, {"load-crl": TOLD})
    for size in (0, 1, 100, len(whole) - 1):
        yield Vector(f"list-cut-at-{size:04}.crl", whole[:size], {"load-crl": "CredentialError"})
    altered = whole[:-1] + bytes((whole[-1] ^ 1,))
    yield Vector("list-signature-altered.crl", altered, {"load-crl": TOLD})
    yield Vector("list-is-a-certificate.crl", seeds.alice().public_bytes(Encoding.DER), {"load-crl": "CredentialError"})


def _keys() -> Iterator[Vector]:
    """Yield files of private keys and of saved session keys."""
    whole = seeds.key_file()
    refused = {"load-identity": "CredentialError"}
    for name, octets in {
        "empty": b"",
        "noise": seeds.octets("noise", 500),
        "certificate-alone": seeds.alice().public_bytes(Encoding.PEM),
        "cut-off": whole[: len(whole) // 8],
        "label-of-another": whole.replace(b"PRIVATE KEY", b"PUBLIC KEY")[:1000],
        "with-nul": whole[:500].replace(b"A", b"\0"),
        "nested": b"-----BEGIN PRIVATE KEY-----\n" * 1000,
    }.items():
        yield Vector(f"key-file-{name}.key", octets, refused)
    saved = b'{"version": 1}'
    for name, octets in {
        "empty": b"",
        "brace": b"{",
        "list": b"[]",
        "half": saved,
        "nested": b"[" * 100_000,
        "number": b"1" * 10_000,
        "not-utf-8": b"\xff\xfe",
        "nul": b"\0" * 100,
    }.items():
        yield Vector(f"saved-key-{name}.session", octets, {"load-session-key": "CredentialError"})


def vectors() -> Iterator[Vector]:
    """Yield all of them."""
    for some in (_certificates, _chains, _revocations, _keys):
        yield from some()
