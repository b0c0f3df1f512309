"""PasswordRecipientInfo: a session key encrypted with a password (RFC 5652, 6.2.4; RFC 3211; RFC 8018).

Whoever writes one decides how much work its reader does and how much memory that takes, so every
field is held against its limits before anything is made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smime_session import algorithms
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, PasswordRecipientInfo, Pbkdf2, WrappedKey
from smime_session.errors import LimitError, MalformedError, UnsupportedAlgorithmError
from smime_session.profiles import MAX_PBKDF2_ITERATIONS

if TYPE_CHECKING:
    from smime_session.algorithms import ContentEncryption, HashName

TAG: Final = codec.PASSWORD_TAG
VERSION: Final = 0  # RFC 5652, 6.2.4: always

MAX_SALT_SIZE: Final = 1024  # octets; 8 are written by older programs, 16 by newer ones
MAX_WRAPPED_SIZE: Final = 272  # octets: the count is one octet, so that no key exceeds 255 (RFC 3211, 2.3.1)

_CONTEXT_0_CONSTRUCTED: Final = 0xA0
_DEFAULT_PRF: Final[HashName] = "SHA-1"  # RFC 8018, A.2


def encode(info: PasswordRecipientInfo) -> WrappedKey:
    """Encode a PasswordRecipientInfo."""
    derivation = pbkdf2_identifier(info.derivation)
    cipher = AlgorithmIdentifier(info.cipher.oid, asn1.encode(asn1.OCTET_STRING, info.vector))
    wrap = AlgorithmIdentifier(algorithms.PWRI_KEK_OID, codec.algorithm_identifier(cipher))
    encoded = asn1.encode(
        TAG,
        asn1.integer(VERSION),
        asn1.encode(_CONTEXT_0_CONSTRUCTED, asn1.parse(derivation).contents),
        codec.algorithm_identifier(wrap),
        asn1.encode(asn1.OCTET_STRING, info.encrypted_key),
    )
    return WrappedKey(encoded, VERSION, 0)


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


def decode(wrapped: WrappedKey) -> PasswordRecipientInfo:
    """Decode a PasswordRecipientInfo.

    Raises:
        MalformedError: it is none, or broken.
        UnsupportedAlgorithmError: one of its algorithms is not spoken here.
        LimitError: it asks for more work than any honest one does.
    """
    derivation, wrap, encrypted_key = fields(wrapped)
    cipher, vector = _cipher_from(wrap)
    size = len(encrypted_key)
    if not 2 * cipher.block_size <= size <= MAX_WRAPPED_SIZE or size % cipher.block_size:
        raise MalformedError(f"PWRI-KEK with {cipher.name} makes no encrypted key of {size} octets")
    pbkdf2 = pbkdf2_from(derivation, cipher.key_size, cipher.name)
    return PasswordRecipientInfo(pbkdf2, cipher, vector, encrypted_key)


def fields(wrapped: WrappedKey) -> tuple[AlgorithmIdentifier, AlgorithmIdentifier, bytes]:
    """Return a PasswordRecipientInfo's two algorithms and its encrypted key as they stand, whatever they are.

    Raises:
        MalformedError: it is none, or broken, or its key is not made of a password.
    """
    children = asn1.parse(wrapped.encoded, asn1.FEW_INNER_VALUES).expect(TAG).children()
    if len(children) == 3:  # noqa: PLR2004  # RFC 3211, 1.2.1: the key comes from a smart card or the like
        raise MalformedError("a PasswordRecipientInfo does not say how its key is made of a password")
    if len(children) != 4:  # noqa: PLR2004  # version, derivation, algorithm, encrypted key
        raise MalformedError("a PasswordRecipientInfo is malformed")
    implicit = children[1].expect(_CONTEXT_0_CONSTRUCTED)
    derivation = codec.algorithm_identifier_from(asn1.parse(asn1.encode(asn1.SEQUENCE, implicit.contents)))
    return derivation, codec.algorithm_identifier_from(children[2]), children[3].octets()


def _cipher_from(identifier: AlgorithmIdentifier) -> tuple[ContentEncryption, bytes]:
    """Return the block cipher underneath PWRI-KEK and its initialisation vector (RFC 3211, 2.2)."""
    if identifier.oid != algorithms.PWRI_KEK_OID:
        raise UnsupportedAlgorithmError("key-encryption algorithm", identifier.oid, algorithms.name_of(identifier.oid))
    inner = codec.algorithm_identifier_from(asn1.parse(_required(identifier, "PWRI-KEK")))
    cipher = algorithms.PASSWORD_CIPHERS.get(inner.oid)
    if cipher is None:
        raise UnsupportedAlgorithmError("cipher of PWRI-KEK", inner.oid, algorithms.name_of(inner.oid))
    vector = asn1.parse(_required(inner, cipher.name)).octets()
    if len(vector) != cipher.nonce_size:
        raise MalformedError(f"the initialisation vector of {cipher.name} has {len(vector)} octets")
    return cipher, vector


def pbkdf2_from(identifier: AlgorithmIdentifier, size: int, purpose: str) -> Pbkdf2:
    """Read how a key of ``size`` octets, which ``purpose`` wants, is made of a password (RFC 8018, A.2).

    Raises:
        MalformedError: the parameters are broken.
        UnsupportedAlgorithmError: it is not PBKDF2, or its pseudorandom function is not spoken here.
        LimitError: it asks for more work than any honest one does.
    """
    if identifier.oid != algorithms.PBKDF2_OID:
        raise UnsupportedAlgorithmError("key derivation", identifier.oid, algorithms.name_of(identifier.oid))
    children = asn1.parse(_required(identifier, "PBKDF2")).expect(asn1.SEQUENCE).children()
    if len(children) < 2:  # noqa: PLR2004  # salt and iterations
        raise MalformedError("the parameters of PBKDF2 are malformed")
    salt, iterations, *rest = children
    if rest and rest[0].tag == asn1.INTEGER and (stated := rest.pop(0).integer()) != size:
        raise MalformedError(f"PBKDF2 is to make a key of {stated} octets for {purpose}")
    if len(rest) > 1:
        raise MalformedError("the parameters of PBKDF2 are malformed")
    prf = _prf_from(codec.algorithm_identifier_from(rest[0])) if rest else _DEFAULT_PRF
    return Pbkdf2(_salt_from(salt), _iterations_from(iterations), prf)


def _salt_from(element: asn1.Element) -> bytes:
    salt = element.octets()  # a salt source in its place was never specified (RFC 8018, A.2)
    if len(salt) > MAX_SALT_SIZE:
        raise MalformedError(f"the salt of PBKDF2 has {len(salt)} octets")
    return salt


def _iterations_from(element: asn1.Element) -> int:
    iterations = element.integer()
    if iterations < 1:
        raise MalformedError(f"PBKDF2 cannot have {iterations} iterations")
    if iterations > MAX_PBKDF2_ITERATIONS:
        raise LimitError("the number of PBKDF2's iterations", MAX_PBKDF2_ITERATIONS)
    return iterations


def _prf_from(identifier: AlgorithmIdentifier) -> HashName:
    name = algorithms.PRFS.get(identifier.oid)
    if name is None:
        raise UnsupportedAlgorithmError(
            "pseudorandom function of PBKDF2", identifier.oid, algorithms.name_of(identifier.oid)
        )
    if identifier.parameters not in (None, asn1.NULL):  # RFC 8018, B.1: NULL; the older name has none
        raise MalformedError(f"the parameters of HMAC-{name} are malformed")
    return name


def _required(identifier: AlgorithmIdentifier, name: str) -> bytes:
    if identifier.parameters is None:
        raise MalformedError(f"the parameters of {name} are absent")
    return identifier.parameters
