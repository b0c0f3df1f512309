"""KeyTransRecipientInfo: a session key encrypted with an RSA key (RFC 5652, 6.2.1; RFC 4055, 4.1)."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

from smime_session import algorithms
from smime_session.algorithms import KeyTransport
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, KeyTransRecipientInfo, RecipientIdentifier, WrappedKey
from smime_session.errors import LimitError, MalformedError, MessageError, UnsupportedAlgorithmError
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE

_MAX_USUAL: Final = 64  # octets of parameters that are read once for all messages that have them
_USUAL_KEYS: Final = {size: b"\x04" + asn1.length(size) for size in (256, 384, 512)}  # and what stands before each
_HASH_ROLE: Final = "hash function of RSAES-OAEP"


@cache
def algorithm_identifier(algorithm: KeyTransport) -> AlgorithmIdentifier:
    """Describe how a session key is encrypted for an RSA key, defaults left out as DER wants (RFC 4055, 4.1)."""
    if algorithm.hash is None or algorithm.mgf_hash is None:
        return AlgorithmIdentifier(algorithm.oid, asn1.NULL)
    fields = []
    if algorithm.hash != "SHA-1":
        fields.append(asn1.encode(0xA0, codec.hash_identifier(algorithm.hash)))
    if algorithm.mgf_hash != "SHA-1":
        mgf = AlgorithmIdentifier(algorithms.MGF1_OID, codec.hash_identifier(algorithm.mgf_hash))
        fields.append(asn1.encode(0xA1, codec.algorithm_identifier(mgf)))
    if algorithm.label:
        source = AlgorithmIdentifier(algorithms.P_SPECIFIED_OID, asn1.encode(asn1.OCTET_STRING, algorithm.label))
        fields.append(asn1.encode(0xA2, codec.algorithm_identifier(source)))
    return AlgorithmIdentifier(algorithm.oid, asn1.encode(asn1.SEQUENCE, *fields))


def algorithm_from(identifier: AlgorithmIdentifier) -> KeyTransport:
    """Read how a session key was encrypted for an RSA key; parameters that are wrong are never guessed around.

    Raises:
        UnsupportedAlgorithmError: the algorithm, its hash function or its label source is not spoken here.
        MalformedError: its parameters are not as its RFC has them.
    """
    if identifier.oid == algorithms.RSAES_PKCS1_V1_5_OID:
        if identifier.parameters not in (None, asn1.NULL):  # RFC 3370, 4.2.1: NULL; some leave it out
            raise MalformedError("the parameters of RSAES-PKCS1-v1_5 are malformed")
        return algorithms.RSAES_PKCS1_V1_5
    if identifier.oid != algorithms.RSAES_OAEP_OID:
        raise UnsupportedAlgorithmError("key-encryption algorithm", identifier.oid, algorithms.name_of(identifier.oid))
    for known in algorithms.OAEP:
        if identifier.parameters == algorithm_identifier(known).parameters:
            return known
    if identifier.parameters is None:
        raise MalformedError("the parameters of RSAES-OAEP are absent")
    return _oaep_parameters(identifier.parameters)


_usual: Final = lru_cache(maxsize=16)(algorithm_from)


def _oaep_parameters(encoded: bytes) -> KeyTransport:
    """Read RSAES-OAEP-params: three fields that are each left out where they have their default (RFC 4055, 4.1)."""
    fields: dict[int, AlgorithmIdentifier] = {}
    for child in asn1.parse(encoded).expect(asn1.SEQUENCE).children():
        wrapped = child.children()
        if child.tag not in (0xA0, 0xA1, 0xA2) or any(tag >= child.tag for tag in fields) or len(wrapped) != 1:
            raise MalformedError("the parameters of RSAES-OAEP are malformed")
        fields[child.tag] = codec.algorithm_identifier_from(wrapped[0])
    hash_name = mgf_name = algorithms.HASHES[algorithms.SHA1_OID]
    label = b""
    if digest := fields.get(0xA0):
        hash_name = codec.hash_from(digest, _HASH_ROLE)
    if mgf := fields.get(0xA1):
        if mgf.oid != algorithms.MGF1_OID:
            raise UnsupportedAlgorithmError("mask generation function of RSAES-OAEP", mgf.oid)
        mgf_name = codec.hash_from(codec.algorithm_identifier_from(asn1.parse(mgf.parameters or b"")), _HASH_ROLE)
    if source := fields.get(0xA2):
        if source.oid != algorithms.P_SPECIFIED_OID:
            raise UnsupportedAlgorithmError("label source of RSAES-OAEP", source.oid)
        label = asn1.parse(source.parameters or b"").octets()
    return KeyTransport(hash_name, mgf_name, label)


def encode(info: KeyTransRecipientInfo) -> WrappedKey:
    """Encode a KeyTransRecipientInfo."""
    identifier = codec.recipient_identifier(info.recipient)
    before = before_encrypted_key(identifier, info.algorithm, len(info.encrypted_key))
    return WrappedKey(before + info.encrypted_key, version_for(identifier), 0)


def version_for(identifier: bytes) -> int:
    """Return the version that an encoded RecipientIdentifier asks for: 0 for issuer and serial number, else 2."""
    return 0 if identifier[0] == asn1.SEQUENCE else 2  # RFC 5652, 6.2.1


def before_encrypted_key(identifier: bytes, algorithm: KeyTransport, size: int) -> bytes:
    """Encode what stands before the octets of an encrypted key, the same in every message to one recipient.

    Args:
        identifier: whose key, an encoded RecipientIdentifier.
        algorithm: how it encrypts.
        size: octets of encrypted key that will follow.
    """
    version, after = asn1.integer(version_for(identifier)), _between(algorithm, size)
    header = b"\x30" + asn1.length(len(version) + len(identifier) + len(after) + size)
    return b"".join((header, version, identifier, after))


@lru_cache(maxsize=64)
def _between(algorithm: KeyTransport, size: int) -> bytes:
    """Encode what stands between a recipient's identifier and the octets of the encrypted key."""
    return codec.algorithm_identifier(algorithm_identifier(algorithm)) + b"\x04" + asn1.length(size)


def decode(wrapped: WrappedKey) -> KeyTransRecipientInfo:
    """Decode a KeyTransRecipientInfo.

    Raises:
        MalformedError: it is none, or broken.
        UnsupportedAlgorithmError: its algorithm is not spoken here.
        LimitError: its encrypted key is larger than any RSA key makes it.
    """
    return _decode(wrapped) if len(wrapped.encoded) <= codec.MAX_REMEMBERED else _decode.__wrapped__(wrapped)


@lru_cache(maxsize=64)  # matching and unwrapping ask for the same
def _decode(wrapped: WrappedKey) -> KeyTransRecipientInfo:
    recipient, identifier, encrypted_key = fields(wrapped)
    if len(encrypted_key) > MAX_ENCRYPTED_KEY_SIZE:
        raise LimitError("the size of an encrypted key", MAX_ENCRYPTED_KEY_SIZE, "octets")
    algorithm = algorithm_from(identifier) if len(identifier.parameters or b"") > _MAX_USUAL else _usual(identifier)
    return KeyTransRecipientInfo(recipient, algorithm, encrypted_key)


Fields = tuple[RecipientIdentifier, AlgorithmIdentifier, bytes]


def fields(wrapped: WrappedKey) -> Fields:
    """Return a KeyTransRecipientInfo's recipient, algorithm and encrypted key as they stand, whatever they are.

    Raises:
        MalformedError: it is none, or broken.
    """
    return _fields(wrapped) if len(wrapped.encoded) <= codec.MAX_REMEMBERED else _fields.__wrapped__(wrapped)


@lru_cache(maxsize=64)  # matching, policy and unwrapping ask for the same
def _fields(wrapped: WrappedKey) -> Fields:
    encoded = wrapped.encoded
    for size, start in _USUAL_KEYS.items():
        if encoded.startswith(start, len(encoded) - size - len(start)):
            before = encoded[:-size]
            if named := _named_before(before, size):
                return (*named, encoded[-size:])
    recipient, algorithm, encrypted_key = _children(encoded)
    return (
        codec.recipient_identifier_from(recipient),
        codec.usual_identifier_from(algorithm),
        encrypted_key.octets(),
    )


@lru_cache(maxsize=64)  # the same in every message to one recipient
def _named_before(encoded: bytes, size: int) -> tuple[RecipientIdentifier, AlgorithmIdentifier] | None:
    """Return recipient and algorithm if the ``size`` octets that follow ``encoded`` are an encrypted key.

    What is inside a primitive value changes nothing around it: all keys are read as one of zeros is.
    """
    try:
        recipient, algorithm, encrypted_key = _children(encoded + bytes(size))
        named = codec.recipient_identifier_from(recipient), codec.usual_identifier_from(algorithm)
    except MessageError:
        return None
    return named if encrypted_key.is_primitive(asn1.OCTET_STRING, len(encoded), size) else None


def _children(encoded: bytes) -> list[asn1.Element]:
    """Return the recipient, the algorithm and the encrypted key."""
    children = asn1.parse(encoded, asn1.FEW_INNER_VALUES).expect(asn1.SEQUENCE).children()
    if len(children) != 4:  # noqa: PLR2004  # version, recipient, algorithm, encrypted key
        raise MalformedError("a KeyTransRecipientInfo is malformed")
    return children[1:]
