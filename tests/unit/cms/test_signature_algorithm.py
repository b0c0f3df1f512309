"""What names a way to sign: written as other programs read it, read as they write it."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from smime_session.algorithms import MGF1_OID, RSASSA_PSS_OID, SignatureAlgorithm
from smime_session.cms import asn1, codec
from smime_session.cms.signature_algorithm import decode, digest_from, digest_identifier, encode
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.errors import MalformedError, UnsupportedAlgorithmError
from tests.support.making import NOW
from tests.support.signing import name, signing_key

RSA_OID = "1.2.840.113549.1.1.1"


@pytest.mark.parametrize("digest", ["SHA-224", "SHA-256", "SHA-384", "SHA-512"])
@pytest.mark.parametrize("scheme", ["RSASSA-PKCS1-v1_5", "RSASSA-PSS", "ECDSA"])
def test_what_is_written_is_read(scheme: str, digest: str) -> None:
    """Each way to sign that hashes comes back."""
    algorithm = SignatureAlgorithm(scheme, digest)  # type: ignore[arg-type]  # the names are those above
    assert decode(encode(algorithm, RSA_OID), digest) == algorithm  # type: ignore[arg-type]
    assert algorithm.name == f"{scheme} with {digest}"


@pytest.mark.parametrize(
    ("oid", "scheme"),
    [
        ("1.3.101.112", "EdDSA"),
        ("1.3.101.113", "EdDSA"),
        ("2.16.840.1.101.3.4.3.17", "ML-DSA"),
        ("2.16.840.1.101.3.4.3.18", "ML-DSA"),
        ("2.16.840.1.101.3.4.3.19", "ML-DSA"),
    ],
)
def test_schemes_that_hash_themselves_are_named_by_the_key(oid: str, scheme: str) -> None:
    """What needs no hash function is named as its key is, without parameters."""
    algorithm = decode(AlgorithmIdentifier(oid), "SHA-512")
    assert algorithm == SignatureAlgorithm(scheme)  # type: ignore[arg-type]
    assert algorithm.name == scheme
    assert encode(algorithm, oid) == AlgorithmIdentifier(oid)


@pytest.mark.parametrize("digest", ["MD5", "SHA-1", "SHA-256", "SHA-512", "SHAKE256"])
def test_hash_functions_are_named_without_parameters(digest: str) -> None:
    """RFC 5754, 2 has none; those that are there are not looked at."""
    identifier = digest_identifier(digest)  # type: ignore[arg-type]
    assert identifier.parameters is None
    assert digest_from(identifier) == digest
    assert digest_from(AlgorithmIdentifier(identifier.oid, asn1.NULL)) == digest


def test_the_library_reads_the_parameters_of_pss() -> None:
    """A certificate that the cryptography library signed with RSASSA-PSS names it as is done here."""
    key = signing_key("RSA")
    assert isinstance(key, rsa.RSAPrivateKey)
    for salt in (32, 20):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
        certificate = x509.CertificateBuilder(name("A"), name("A"), key.public_key(), 1, NOW, NOW).sign(
            key, hashes.SHA256(), rsa_padding=pss
        )
        (_, identifier, _) = asn1.parse(certificate.public_bytes(Encoding.DER)).children()
        algorithm = decode(codec.algorithm_identifier_from(identifier), "SHA-256")
        assert algorithm == SignatureAlgorithm("RSASSA-PSS", "SHA-256", None, None if salt == 32 else 20)
        if salt == 32:  # the default is left out there
            assert codec.algorithm_identifier(encode(algorithm, RSA_OID)) == identifier.encoded


def test_the_defaults_of_pss_are_sha_1() -> None:
    """Parameters that are left out are those of RFC 4055, 3.1."""
    for parameters in (None, b"\x30\x00"):
        assert decode(AlgorithmIdentifier(RSASSA_PSS_OID, parameters), "SHA-1") == ("RSASSA-PSS", "SHA-1", None, None)


def test_the_key_s_algorithm_is_ecdsa_too() -> None:
    """Some programs write id-ecPublicKey, and leave the hash function to the signer info."""
    assert decode(AlgorithmIdentifier("1.2.840.10045.2.1"), "SHA-384") == ("ECDSA", "SHA-384", None, None)


def _pss(*fields: bytes) -> AlgorithmIdentifier:
    return AlgorithmIdentifier(RSASSA_PSS_OID, asn1.encode(asn1.SEQUENCE, *fields))


@pytest.mark.parametrize(
    "identifier",
    [
        AlgorithmIdentifier("1.2.840.113549.1.1.13"),
        AlgorithmIdentifier("1.2.840.10045.4.3.4"),
        _pss(),
        _pss(asn1.encode(0xA4, asn1.integer(1))),
        _pss(asn1.encode(0xA2, asn1.integer(-1))),
        _pss(asn1.encode(0xA2, asn1.integer(1 << 20))),
        _pss(asn1.encode(0xA3, asn1.integer(2))),
        _pss(asn1.encode(0xA0)),
    ],
)
def test_contradictions_are_malformed(identifier: AlgorithmIdentifier) -> None:
    """Another hash function than the signer info's, and parameters that RFC 4055 does not have, are refused."""
    with pytest.raises(MalformedError):
        decode(identifier, "SHA-256")


@pytest.mark.parametrize(
    "identifier",
    [AlgorithmIdentifier("1.2.840.10040.4.3"), _pss(asn1.encode(0xA1, codec.hash_identifier("SHA-256")))],
)
def test_what_is_not_supported_is_named(identifier: AlgorithmIdentifier) -> None:
    """DSA, and a mask generation that is none."""
    assert identifier.oid != MGF1_OID
    with pytest.raises(UnsupportedAlgorithmError):
        decode(identifier, "SHA-1")


def test_an_unknown_hash_function_is_named() -> None:
    """MD4 is not supported."""
    with pytest.raises(UnsupportedAlgorithmError, match="MD4"):
        digest_from(AlgorithmIdentifier("1.2.840.113549.2.4"))
