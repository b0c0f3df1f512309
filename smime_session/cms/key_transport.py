"""How session keys are encrypted for RSA keys, as an AlgorithmIdentifier: in messages and in capabilities."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

from smime_session import algorithms
from smime_session.algorithms import RSAES_OAEP_OID, RSAES_PKCS1_V1_5_OID, KeyTransport, name_of
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.errors import MalformedError, UnsupportedAlgorithmError

_HASH_ROLE: Final = "hash function of RSAES-OAEP"


def algorithm_identifier(algorithm: KeyTransport) -> AlgorithmIdentifier:
    """Describe how a session key is encrypted for an RSA key, defaults left out as DER wants.

    RFC 4055, 4.1::

        RSAES-OAEP-params  ::=  SEQUENCE  {
          hashFunc          [0] AlgorithmIdentifier DEFAULT sha1Identifier,
          maskGenFunc       [1] AlgorithmIdentifier DEFAULT mgf1SHA1Identifier,
          pSourceFunc       [2] AlgorithmIdentifier DEFAULT pSpecifiedEmptyIdentifier  }
    """
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
        UnsupportedAlgorithmError: the algorithm, its hash function or its label source is not supported.
        MalformedError: its parameters are not as its RFC has them.
    """
    if identifier.oid == RSAES_PKCS1_V1_5_OID:
        if identifier.parameters not in (None, asn1.NULL):  # RFC 3370, 4.2.1: NULL; some leave it out
            raise MalformedError("the parameters of RSAES-PKCS1-v1_5 are malformed")
        return algorithms.RSAES_PKCS1_V1_5
    if identifier.oid != RSAES_OAEP_OID:
        raise UnsupportedAlgorithmError("key-encryption algorithm", identifier.oid, name_of(identifier.oid))
    if identifier.parameters is None:
        raise MalformedError("the parameters of RSAES-OAEP are absent")
    return _usual_parameters().get(identifier.parameters) or _oaep_parameters(identifier.parameters)


@cache
def _usual_parameters() -> dict[bytes | None, KeyTransport]:
    """Return RSAES-OAEP as it is mostly used by its parameters: reading them takes a tenth of RSA-2048's time."""
    return {algorithm_identifier(usual).parameters: usual for usual in algorithms.OAEP}


@lru_cache(maxsize=512)  # the certificates of one issuer mostly announce the same
def announced_transport(capabilities: tuple[AlgorithmIdentifier, ...]) -> KeyTransport:
    """Choose how to encrypt for an RSA key by what its certificate announces: RSAES-OAEP, or RSAES-PKCS1-v1_5."""
    announced = {capability.parameters for capability in capabilities if capability.oid == RSAES_OAEP_OID}
    usable = (each for each in algorithms.OAEP if not announced.isdisjoint(_announcements(each)))
    return next(usable, algorithms.RSAES_PKCS1_V1_5)


def _announcements(algorithm: KeyTransport) -> tuple[bytes | None, bytes]:
    """Return RSAES-OAEP-params, and the same as RFC 3560, 5 prints them for capabilities: without their tags."""
    tagged = algorithm_identifier(algorithm).parameters
    fields = [child.children()[0].encoded for child in asn1.parse(tagged or b"").children()]
    return tagged, asn1.encode(asn1.SEQUENCE, *fields)


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
