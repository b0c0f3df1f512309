"""PBKDF2: how a key is made of a password (RFC 8018, 5.2 and A.2).

Its author decides how much work its reader does, so every field is held against its
limits before anything is made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session import algorithms
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.errors import LimitError, MalformedError, UnsupportedAlgorithmError
from smime_session.profiles import MAX_PBKDF2_ITERATIONS

if TYPE_CHECKING:
    from smime_session.algorithms import HashName

MAX_SALT_SIZE: Final = 1024  # bytes; 8 are written by older programs, 16 by newer ones

_DEFAULT_PRF: Final[HashName] = "SHA-1"  # RFC 8018, A.2


class Pbkdf2(NamedTuple):
    """How a key is made of a password (RFC 8018, 5.2); its size is its user's.

    Attributes:
        salt: the salt.
        iterations: how often HMAC is repeated.
        prf: HMAC's hash function.
    """

    salt: bytes
    iterations: int
    prf: HashName


def pbkdf2_identifier(derivation: Pbkdf2) -> bytes:
    """Encode PBKDF2's AlgorithmIdentifier; the key's size, which the cipher tells, is left out (RFC 8018, A.2)."""
    prf = AlgorithmIdentifier(algorithms.PRF_OIDS[derivation.prf], asn1.NULL)
    parameters = asn1.encode(
        asn1.SEQUENCE,
        asn1.encode(asn1.OCTET_STRING, derivation.salt),
        asn1.integer(derivation.iterations),
        b"" if derivation.prf == _DEFAULT_PRF else codec.algorithm_identifier(prf),
    )
    return codec.algorithm_identifier(AlgorithmIdentifier(algorithms.PBKDF2_OID, parameters))


def pbkdf2_from(identifier: AlgorithmIdentifier, size: int, purpose: str, limit: int = MAX_PBKDF2_ITERATIONS) -> Pbkdf2:
    """Read how a key of ``size`` octets, which ``purpose`` wants, is made of a password (RFC 8018, A.2).

    Args:
        identifier: PBKDF2, with its parameters.
        size: bytes of the key.
        purpose: what for, in words.
        limit: iterations to accept.

    Raises:
        MalformedError: the parameters are broken.
        UnsupportedAlgorithmError: it is not PBKDF2, or its pseudorandom function is not supported.
        LimitError: it asks for more work than any honest one does.
    """
    if identifier.oid != algorithms.PBKDF2_OID:
        raise UnsupportedAlgorithmError("key derivation", identifier.oid, algorithms.name_of(identifier.oid))
    children = asn1.parse(required_parameters(identifier, "PBKDF2")).expect(asn1.SEQUENCE).children()
    if len(children) < 2:  # noqa: PLR2004  # salt and iterations
        raise MalformedError("the parameters of PBKDF2 are malformed")
    salt, iterations, *rest = children
    if rest and rest[0].tag == asn1.INTEGER and (stated := rest.pop(0).integer()) != size:
        raise MalformedError(f"PBKDF2 is to make a key of {stated} bytes for {purpose}")
    if len(rest) > 1:
        raise MalformedError("the parameters of PBKDF2 are malformed")
    prf = _prf_from(codec.algorithm_identifier_from(rest[0])) if rest else _DEFAULT_PRF
    return Pbkdf2(_salt_from(salt), _iterations_from(iterations, limit), prf)


def _salt_from(element: asn1.Element) -> bytes:
    salt = element.octets()  # a salt source in its place was never specified (RFC 8018, A.2)
    if len(salt) > MAX_SALT_SIZE:
        raise MalformedError(f"the salt of PBKDF2 has {len(salt)} bytes")
    return salt


def _iterations_from(element: asn1.Element, limit: int) -> int:
    iterations = element.integer()
    if iterations < 1:
        raise MalformedError(f"PBKDF2 cannot have {iterations} iterations")
    if iterations > limit:
        raise LimitError("the number of PBKDF2's iterations", limit)
    return iterations


def too_many_iterations(limit: int) -> LimitError:
    """Return the error of a message that takes more iterations for its passwords than a policy allows."""
    what = "the number of PBKDF2's iterations for all passwords together"
    return LimitError(what, limit, "(max_password_iterations raises it)", option="max_password_iterations")


def _prf_from(identifier: AlgorithmIdentifier) -> HashName:
    name = algorithms.PRFS.get(identifier.oid)
    if name is None:
        raise UnsupportedAlgorithmError(
            "pseudorandom function of PBKDF2", identifier.oid, algorithms.name_of(identifier.oid)
        )
    if identifier.parameters not in (None, asn1.NULL):  # RFC 8018, B.1: NULL; the older name has none
        raise MalformedError(f"the parameters of HMAC-{name} are malformed")
    return name


def required_parameters(identifier: AlgorithmIdentifier, name: str) -> bytes:
    """Return the parameters of the algorithm called ``name``, which has some.

    Raises:
        MalformedError: they are absent.
    """
    if identifier.parameters is None:
        raise MalformedError(f"the parameters of {name} are absent")
    return identifier.parameters
