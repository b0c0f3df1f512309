"""KeyTransRecipientInfo: a session key encrypted with an RSA key (RFC 5652, 6.2.1; RFC 4055, 4.1)."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

from smime_session import algorithms
from smime_session.algorithms import KeyTransport
from smime_session.cms import codec, tlv
from smime_session.cms.structures import (
    AlgorithmIdentifier,
    IssuerAndSerialNumber,
    KeyTransRecipientInfo,
    RecipientIdentifier,
    WrappedKey,
)
from smime_session.errors import LimitError, MalformedError, UnsupportedAlgorithmError
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE

_HASH_ROLE: Final = "hash function of RSAES-OAEP"


@cache
def algorithm_identifier(algorithm: KeyTransport) -> AlgorithmIdentifier:
    """Describe how a session key is encrypted for an RSA key, defaults left out as DER wants (RFC 4055, 4.1)."""
    if algorithm.hash is None or algorithm.mgf_hash is None:
        return AlgorithmIdentifier(algorithm.oid, tlv.NULL)
    fields = []
    if algorithm.hash != "SHA-1":
        fields.append(tlv.encode(0xA0, codec.hash_identifier(algorithm.hash)))
    if algorithm.mgf_hash != "SHA-1":
        mgf = AlgorithmIdentifier(algorithms.MGF1_OID, codec.hash_identifier(algorithm.mgf_hash))
        fields.append(tlv.encode(0xA1, codec.algorithm_identifier(mgf)))
    if algorithm.label:
        source = AlgorithmIdentifier(algorithms.P_SPECIFIED_OID, tlv.encode(tlv.OCTET_STRING, algorithm.label))
        fields.append(tlv.encode(0xA2, codec.algorithm_identifier(source)))
    return AlgorithmIdentifier(algorithm.oid, tlv.encode(tlv.SEQUENCE, *fields))


def algorithm_from(identifier: AlgorithmIdentifier) -> KeyTransport:
    """Read how a session key was encrypted for an RSA key; parameters that are wrong are never guessed around.

    Raises:
        UnsupportedAlgorithmError: the algorithm, its hash function or its label source is not spoken here.
        MalformedError: its parameters are not as its RFC has them.
    """
    if identifier.oid == algorithms.RSAES_PKCS1_V1_5_OID:
        if identifier.parameters not in (None, tlv.NULL):  # RFC 3370, 4.2.1: NULL; some leave it out
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


def _oaep_parameters(encoded: bytes) -> KeyTransport:
    """Read RSAES-OAEP-params: three fields that are each left out where they have their default (RFC 4055, 4.1)."""
    fields: dict[int, AlgorithmIdentifier] = {}
    for child in tlv.parse(encoded).expect(tlv.SEQUENCE).children():
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
        mgf_name = codec.hash_from(codec.algorithm_identifier_from(tlv.parse(mgf.parameters or b"")), _HASH_ROLE)
    if source := fields.get(0xA2):
        if source.oid != algorithms.P_SPECIFIED_OID:
            raise UnsupportedAlgorithmError("label source of RSAES-OAEP", source.oid)
        label = tlv.parse(source.parameters or b"").octets()
    return KeyTransport(hash_name, mgf_name, label)


def encode(info: KeyTransRecipientInfo) -> WrappedKey:
    """Encode a KeyTransRecipientInfo: version 0 for issuer and serial number, else 2 (RFC 5652, 6.2.1)."""
    version = 0 if isinstance(info.recipient, IssuerAndSerialNumber) else 2
    encoded = tlv.encode(
        tlv.SEQUENCE,
        tlv.integer(version),
        codec.recipient_identifier(info.recipient),
        codec.algorithm_identifier(algorithm_identifier(info.algorithm)),
        tlv.encode(tlv.OCTET_STRING, info.encrypted_key),
    )
    return WrappedKey(encoded, version, 0)


def decode(wrapped: WrappedKey) -> KeyTransRecipientInfo:
    """Decode a KeyTransRecipientInfo.

    Raises:
        MalformedError: it is none, or broken.
        UnsupportedAlgorithmError: its algorithm is not spoken here.
        LimitError: its encrypted key is larger than any RSA key makes it.
    """
    recipient, identifier, encrypted_key = fields(wrapped)
    if len(encrypted_key) > MAX_ENCRYPTED_KEY_SIZE:
        raise LimitError("the size of an encrypted key", MAX_ENCRYPTED_KEY_SIZE)
    return KeyTransRecipientInfo(recipient, algorithm_from(identifier), encrypted_key)


Fields = tuple[RecipientIdentifier, AlgorithmIdentifier, bytes]


def fields(wrapped: WrappedKey) -> Fields:
    """Return a KeyTransRecipientInfo's recipient, algorithm and encrypted key as they stand, whatever they are.

    Raises:
        MalformedError: it is none, or broken.
    """
    return _fields(wrapped) if len(wrapped.encoded) <= codec.MAX_REMEMBERED else _fields.__wrapped__(wrapped)


@lru_cache(maxsize=64)  # matching, policy and unwrapping ask for the same
def _fields(wrapped: WrappedKey) -> Fields:
    children = tlv.parse(wrapped.encoded).expect(tlv.SEQUENCE).children()
    if len(children) != 4:  # noqa: PLR2004  # version, recipient, algorithm, encrypted key
        raise MalformedError("a KeyTransRecipientInfo is malformed")
    return (
        codec.recipient_identifier_from(children[1]),
        codec.algorithm_identifier_from(children[2]),
        children[3].octets(),
    )
