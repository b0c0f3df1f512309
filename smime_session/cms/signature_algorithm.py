"""The AlgorithmIdentifiers that say how something is signed (RFC 5754, RFC 4056, RFC 8419, RFC 9882)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smime_session.algorithms import (
    DIGEST_OIDS,
    DIGESTS,
    EC_PUBLIC_KEY_OID,
    MGF1_OID,
    RSAES_PKCS1_V1_5_OID,
    RSASSA_PSS_OID,
    SHA1_OID,
    SignatureAlgorithm,
    name_of,
)
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.errors import MalformedError, UnsupportedAlgorithmError

if TYPE_CHECKING:
    from smime_session.algorithms import DigestName, HashName

ED25519_OID: Final = "1.3.101.112"
ED448_OID: Final = "1.3.101.113"
ML_DSA_OIDS: Final = {f"2.16.840.1.101.3.4.3.{arc}": size for arc, size in ((17, 44), (18, 65), (19, 87))}
"""The size of each ML-DSA by object identifier (RFC 9881, 2)."""

_RSA: Final[dict[str, DigestName]] = {
    "1.2.840.113549.1.1.4": "MD5",
    "1.2.840.113549.1.1.5": "SHA-1",
    "1.3.14.3.2.29": "SHA-1",
    "1.2.840.113549.1.1.14": "SHA-224",
    "1.2.840.113549.1.1.11": "SHA-256",
    "1.2.840.113549.1.1.12": "SHA-384",
    "1.2.840.113549.1.1.13": "SHA-512",
}
_ECDSA: Final[dict[str, DigestName]] = {
    "1.2.840.10045.4.1": "SHA-1",
    "1.2.840.10045.4.3.1": "SHA-224",
    "1.2.840.10045.4.3.2": "SHA-256",
    "1.2.840.10045.4.3.3": "SHA-384",
    "1.2.840.10045.4.3.4": "SHA-512",
}
_ECDSA_OIDS: Final = {name: oid for oid, name in _ECDSA.items()}

_HASH, _MASK, _SALT, _TRAILER = 0xA0, 0xA1, 0xA2, 0xA3
"""Tags of the fields of RSASSA-PSS-params."""
_DEFAULT_SALT_SIZE: Final = 20  # octets: RFC 4055, 3.1
_MAX_SALT_SIZE: Final = 512  # octets: an RSA key of 8,192 bits has no room for twice as many
_ROLE: Final = "signature algorithm"


def digest_identifier(name: DigestName) -> AlgorithmIdentifier:
    """Name a hash function; the parameters of those of SHA-2 and SHA-3 are absent (RFC 5754, 2)."""
    return AlgorithmIdentifier(DIGEST_OIDS[name])


def digest_from(identifier: AlgorithmIdentifier) -> DigestName:
    """Return the hash function that an AlgorithmIdentifier names.

    Raises:
        UnsupportedAlgorithmError: it is not supported.
    """
    name = DIGESTS.get(identifier.oid)
    if name is None:
        raise UnsupportedAlgorithmError("hash function", identifier.oid, name_of(identifier.oid))
    return name


def encode(algorithm: SignatureAlgorithm, key_oid: str) -> AlgorithmIdentifier:
    """Name a way to sign.

    Args:
        algorithm: the way.
        key_oid: the object identifier of the key's own algorithm.
    """
    if algorithm.scheme == "RSASSA-PKCS1-v1_5":
        return AlgorithmIdentifier(RSAES_PKCS1_V1_5_OID, asn1.NULL)  # as all programs write it (RFC 3370, 3.2)
    if algorithm.scheme == "RSASSA-PSS":
        return AlgorithmIdentifier(RSASSA_PSS_OID, _pss_parameters(algorithm))
    if algorithm.scheme == "ECDSA":
        return AlgorithmIdentifier(_ECDSA_OIDS[algorithm.hash or "SHA-256"])
    return AlgorithmIdentifier(key_oid)


def decode(identifier: AlgorithmIdentifier, digest: DigestName) -> SignatureAlgorithm:
    """Return the way to sign that an AlgorithmIdentifier names.

    Args:
        identifier: the algorithm of a signature.
        digest: the hash function of its signer info, which names none of its own where this does.

    Raises:
        UnsupportedAlgorithmError: it is not supported.
        MalformedError: its parameters are broken, or it hashes in another way than the signer info says.
    """
    oid = identifier.oid
    if oid == RSAES_PKCS1_V1_5_OID:
        return SignatureAlgorithm("RSASSA-PKCS1-v1_5", digest)
    if oid in {ED25519_OID, ED448_OID}:
        return SignatureAlgorithm("EdDSA")
    if oid in ML_DSA_OIDS:
        return SignatureAlgorithm("ML-DSA")
    if oid == RSASSA_PSS_OID:
        algorithm = _pss_from(identifier.parameters)
    elif oid in _RSA:
        algorithm = SignatureAlgorithm("RSASSA-PKCS1-v1_5", _RSA[oid])
    elif oid == EC_PUBLIC_KEY_OID:  # as some programs write it
        algorithm = SignatureAlgorithm("ECDSA", digest)
    elif oid in _ECDSA:
        algorithm = SignatureAlgorithm("ECDSA", _ECDSA[oid])
    else:
        raise UnsupportedAlgorithmError(_ROLE, oid, name_of(oid))
    if algorithm.hash != digest:
        raise MalformedError(f"the signature hashes with {algorithm.hash}, not with {digest} as its signer info says")
    return algorithm


def _pss_parameters(algorithm: SignatureAlgorithm) -> bytes:
    """Encode RSASSA-PSS-params (RFC 4055, 3.1); the trailer is the only one there is, and left out."""
    digest = _hash_name(algorithm.hash)
    hashed = codec.hash_identifier(digest)
    mask = codec.hash_identifier(algorithm.mgf_hash or digest)
    mgf = codec.algorithm_identifier(AlgorithmIdentifier(MGF1_OID, mask))
    salt = _SALT_SIZES[digest] if algorithm.salt_size is None else algorithm.salt_size
    return asn1.encode(
        asn1.SEQUENCE,
        asn1.encode(_HASH, hashed),
        asn1.encode(_MASK, mgf),
        asn1.encode(_SALT, asn1.integer(salt)),
    )


_SALT_SIZES: Final[dict[HashName, int]] = {"SHA-1": 20, "SHA-224": 28, "SHA-256": 32, "SHA-384": 48, "SHA-512": 64}


def _hash_name(digest: DigestName | None) -> HashName:
    for name in _SALT_SIZES:
        if name == digest:
            return name
    return "SHA-256"


def _pss_from(parameters: bytes | None) -> SignatureAlgorithm:
    """Decode RSASSA-PSS-params.

    Raises:
        MalformedError: they are broken.
        UnsupportedAlgorithmError: they name what is not supported.
    """
    fields = {field.tag: field for field in (asn1.parse(parameters).expect(asn1.SEQUENCE) if parameters else ())}
    if not fields.keys() <= {_HASH, _MASK, _SALT, _TRAILER}:
        raise MalformedError("the parameters of RSASSA-PSS are malformed")
    digest = codec.hash_from(_identifier_in(fields.get(_HASH), SHA1_OID), "hash function of RSASSA-PSS")
    mask = _identifier_in(fields.get(_MASK), MGF1_OID)
    if mask.oid != MGF1_OID:
        raise UnsupportedAlgorithmError("mask generation of RSASSA-PSS", mask.oid, name_of(mask.oid))
    mgf_digest: HashName = "SHA-1"
    if mask.parameters:
        inner = codec.algorithm_identifier_from(asn1.parse(mask.parameters))
        mgf_digest = codec.hash_from(inner, "hash function of RSASSA-PSS")
    salt = _only(fields[_SALT]).integer() if _SALT in fields else _DEFAULT_SALT_SIZE
    trailer = _only(fields[_TRAILER]).integer() if _TRAILER in fields else 1
    if not 0 <= salt <= _MAX_SALT_SIZE or trailer != 1:
        raise MalformedError("the parameters of RSASSA-PSS are malformed")
    return SignatureAlgorithm(
        "RSASSA-PSS",
        digest,
        None if mgf_digest == digest else mgf_digest,
        None if salt == _SALT_SIZES[digest] else salt,
    )


def _identifier_in(field: asn1.Element | None, default: str) -> AlgorithmIdentifier:
    return AlgorithmIdentifier(default) if field is None else codec.algorithm_identifier_from(_only(field))


def _only(field: asn1.Element) -> asn1.Element:
    """Return the one value in a field.

    Raises:
        MalformedError: there are others, or none.
    """
    children = field.children()
    if len(children) != 1:
        raise MalformedError("the parameters of RSASSA-PSS are malformed")
    return children[0]
