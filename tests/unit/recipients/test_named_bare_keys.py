"""A private key without its certificate is told what is wrong with what names it, like one with its certificate."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from smime_session import (
    MODERN,
    MalformedError,
    NoMatchError,
    UnsupportedAlgorithmError,
    decrypt,
    encrypt_stream,
    load_identities,
)
from smime_session.certificates.public_key import PublicKey
from smime_session.cms import asn1
from tests.hostile.forge import Forgery
from tests.support.making import certificate, pem, rsa_key

NAMED = replace(MODERN, identifier="key-identifier")
RSA_KEM = "1.2.840.113549.1.9.16.3.14"
MAIL = b"From: a@example.org\r\n\r\nhello\r\n"


def _key_transport(identifier: bytes, size: int) -> bytes:
    algorithm = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(RSA_KEM))
    fields = asn1.integer(2), asn1.encode(0x80, identifier), algorithm, asn1.encode(asn1.OCTET_STRING, bytes(size))
    return Forgery(asn1.encode(asn1.SEQUENCE, *fields)).encoded


@pytest.mark.parametrize("size", [256, 310])
def test_an_unsupported_algorithm_for_an_rsa_key_is_told(size: int) -> None:
    """Whatever size its encrypted key has; that of a message for another key is no concern."""
    (identity,) = load_identities(pem(rsa_key()))
    identifier = PublicKey.of(rsa_key().public_key()).key_identifier
    with pytest.raises(UnsupportedAlgorithmError, match=RSA_KEM):
        decrypt(_key_transport(identifier, size), [identity])
    if size != 256:
        with pytest.raises(NoMatchError):
            decrypt(_key_transport(bytes(20), size), [identity])


def _message(key: ec.EllipticCurvePrivateKey | MLKEM768PrivateKey) -> bytes:
    """Return a CMS object for a key, which it names by its identifier."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    owner = certificate(public_key=key.public_key(), signer=rsa_key(), extensions=[(identifier, False)])
    target = io.BytesIO()
    encrypt_stream(io.BytesIO(MAIL), target, [owner], profile=NAMED, form="der")
    return target.getvalue()


def _pem(key: ec.EllipticCurvePrivateKey | MLKEM768PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_an_unsupported_algorithm_for_an_ml_kem_key_is_told() -> None:
    """A KEM that nothing knows, for a key that is named."""
    key, other = MLKEM768PrivateKey.generate(), MLKEM768PrivateKey.generate()
    known, unknown = bytes.fromhex("060960864801650304 0402"), bytes.fromhex("060960864801650304 047f")
    message = _message(key)
    assert message.count(known) == 1
    message = message.replace(known, unknown)
    with pytest.raises(UnsupportedAlgorithmError, match=r"2\.16\.840\.1\.101\.3\.4\.4\.127"):
        decrypt(message, load_identities(_pem(key)))
    with pytest.raises(NoMatchError):
        decrypt(message, load_identities(_pem(other)))


def test_a_broken_originator_for_a_key_on_a_curve_is_told() -> None:
    """A point that is not on the curve, for a key that is named."""
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    message = _message(key)
    point = message.index(bytes.fromhex("03420004")) + 20
    message = message[:point] + bytes((message[point] ^ 1,)) + message[point + 1 :]
    with pytest.raises(MalformedError):
        decrypt(message, load_identities(_pem(key)))
    with pytest.raises(NoMatchError):
        decrypt(message, load_identities(_pem(other)))
