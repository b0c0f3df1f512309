"""The AlgorithmIdentifier that says how content is sealed (RFC 5652, 6.1; RFC 5084; RFC 3565; RFC 9709)."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session import algorithms
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, ContentParameters
from smime_session.errors import MalformedError, UnsupportedAlgorithmError
from smime_session.profiles import MIN_TAG_SIZE

if TYPE_CHECKING:
    from smime_session.algorithms import ContentEncryption

_DEFAULT_TAG_SIZE: Final = 12  # octets: RFC 5084, 3.2
_RC2_128_BITS: Final = 58  # RFC 3370, 5.2: the version that means 128
_GCM_NONCE_SIZES: Final = range(8, 129)  # RFC 5084, 3.2 recommends 12; the cipher takes no others than these


def encode(parameters: ContentParameters) -> AlgorithmIdentifier:
    """Describe how content is sealed; the size of a GCM tag is always written out (RFC 5084, 3.2)."""
    if parameters.derivation_info:
        return AlgorithmIdentifier(algorithms.CEK_HKDF_SHA256_OID, parameters.derivation_info)
    before, after = _around_nonce(parameters.algorithm.mode, len(parameters.nonce), parameters.tag_size)
    return AlgorithmIdentifier(parameters.algorithm.oid, before + parameters.nonce + after)


@lru_cache(maxsize=16)
def _around_nonce(mode: str, nonce_size: int, tag_size: int) -> tuple[bytes, bytes]:
    """Return what stands before and after a nonce in an algorithm's parameters, the same in every message."""
    if mode != "gcm":
        return b"\x04" + asn1.length(nonce_size), b""
    after = asn1.integer(tag_size)
    nonce = b"\x04" + asn1.length(nonce_size)
    return b"\x30" + asn1.length(len(nonce) + nonce_size + len(after)) + nonce, after


def with_derived_key(parameters: ContentParameters) -> ContentParameters:
    """Return the same with a content key bound to them, so that the algorithm cannot be exchanged (RFC 9709)."""
    return parameters._replace(derivation_info=codec.algorithm_identifier(encode(parameters)))


def decode(encoded: bytes) -> tuple[AlgorithmIdentifier, ContentParameters | None]:
    """Decode how content is sealed.

    Args:
        encoded: an AlgorithmIdentifier.

    Returns:
        The same decoded, and the parameters; None if they cannot be read: :func:`parameters_from` says why.

    Raises:
        MalformedError: it is no AlgorithmIdentifier.
    """
    for size in _usual_sizes():
        usual = _usual_encryptions().get(encoded[:size])
        if usual and len(encoded) == usual.size and encoded.endswith(usual.after):
            algorithm = usual.algorithm
            parameters = ContentParameters(algorithm, encoded[size : size + algorithm.nonce_size], algorithm.tag_size)
            return AlgorithmIdentifier(algorithm.oid, encoded[usual.start :]), parameters
    identifier = codec.algorithm_identifier_from(asn1.parse(encoded))
    try:
        return identifier, parameters_from(identifier)
    except (UnsupportedAlgorithmError, MalformedError):
        return identifier, None


class _Usual(NamedTuple):
    """An algorithm that content is sealed with, as it is written here: only the nonce differs between messages.

    Attributes:
        algorithm: the algorithm.
        size: octets of it, encoded.
        start: where its parameters begin.
        after: what stands after the nonce.
    """

    algorithm: ContentEncryption
    size: int
    start: int
    after: bytes


@cache
def _usual_encryptions() -> dict[bytes, _Usual]:
    """Return what is usual by the octets that stand before its nonce."""
    found = {}
    for algorithm in algorithms.CONTENT_ENCRYPTION.values():
        if not algorithm.legacy:
            parameters = ContentParameters(algorithm, bytes(algorithm.nonce_size), algorithm.tag_size)
            identifier = encode(parameters)
            encoded = codec.algorithm_identifier(identifier)
            before, after = _around_nonce(algorithm.mode, algorithm.nonce_size, algorithm.tag_size)
            start = len(encoded) - len(identifier.parameters or b"")
            found[encoded[: start + len(before)]] = _Usual(algorithm, len(encoded), start, after)
    return found


@cache
def _usual_sizes() -> frozenset[int]:
    return frozenset(map(len, _usual_encryptions()))


def parameters_from(identifier: AlgorithmIdentifier) -> ContentParameters:
    """Read how content is sealed; limits and policies look at the algorithm that is returned, the inner one.

    Raises:
        UnsupportedAlgorithmError: the algorithm is not supported.
        MalformedError: its parameters are not as its RFC has them.
    """
    if identifier.oid == algorithms.CEK_HKDF_SHA256_OID:
        inner = asn1.parse(_required(identifier, "CEK-HKDF-SHA256"))
        parameters = _direct_parameters(codec.algorithm_identifier_from(inner))
        return parameters._replace(derivation_info=inner.definite())
    return _direct_parameters(identifier)


def _direct_parameters(identifier: AlgorithmIdentifier) -> ContentParameters:
    algorithm = algorithms.CONTENT_ENCRYPTION.get(identifier.oid)
    if algorithm is None:
        raise UnsupportedAlgorithmError(
            "content-encryption algorithm", identifier.oid, algorithms.name_of(identifier.oid)
        )
    parameters = asn1.parse(_required(identifier, algorithm.name))
    if algorithm.mode == "gcm":
        return _gcm_parameters(algorithm, parameters)
    vector = _rc2_vector(parameters) if algorithm is algorithms.RC2_CBC else parameters.octets()
    if len(vector) != algorithm.nonce_size:
        raise MalformedError(f"the initialisation vector of {algorithm.name} has {len(vector)} bytes")
    return ContentParameters(algorithm, vector, algorithm.tag_size)


def _required(identifier: AlgorithmIdentifier, name: str) -> bytes:
    if identifier.parameters is None:
        raise MalformedError(f"the parameters of {name} are absent")
    return identifier.parameters


def _rc2_vector(parameters: asn1.Element) -> bytes:
    """Return the initialisation vector of RC2-CBC with an effective key of 128 bits, the only one that is read."""
    children = parameters.expect(asn1.SEQUENCE).children()
    if len(children) != 2:  # noqa: PLR2004  # version and vector
        raise MalformedError("the parameters of RC2-CBC are malformed")
    if children[0].integer() != _RC2_128_BITS:
        raise UnsupportedAlgorithmError(
            "content-encryption algorithm", algorithms.RC2_CBC.oid, "RC2-CBC with a short key, as of 40 or 64 bits"
        )
    return children[1].octets()


def _gcm_parameters(algorithm: ContentEncryption, parameters: asn1.Element) -> ContentParameters:
    children = parameters.expect(asn1.SEQUENCE).children()
    if not 1 <= len(children) <= 2:  # noqa: PLR2004  # nonce, and a tag size
        raise MalformedError(f"the parameters of {algorithm.name} are malformed")
    nonce = children[0].octets()
    tag_size = children[1].integer() if len(children) > 1 else _DEFAULT_TAG_SIZE
    if len(nonce) not in _GCM_NONCE_SIZES:
        raise MalformedError(f"the nonce of {algorithm.name} has {len(nonce)} bytes")
    if not MIN_TAG_SIZE <= tag_size <= algorithm.tag_size:
        raise MalformedError(f"a tag of {tag_size} bytes is not allowed for {algorithm.name}")
    return ContentParameters(algorithm, nonce, tag_size)
