"""KeyAgreeRecipientInfo: a session key wrapped with what two keys agree on (RFC 5652, 6.2.2; RFC 5753; RFC 8418).

One of them may hold the session key for several recipients, who share the sender's public key.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session import algorithms
from smime_session.cms import asn1, codec
from smime_session.cms.values import (
    AlgorithmIdentifier,
    KeyAgreeRecipientInfo,
    OriginatorKey,
    RecipientEncryptedKey,
    RecipientIdentifier,
    SubjectKeyIdentifier,
    WrappedKey,
)
from smime_session.errors import LimitError, MalformedError, UnsupportedAlgorithmError
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from smime_session.algorithms import Curve, KeyAgreement, KeyWrap

TAG: Final = codec.KEY_AGREEMENT_TAG
VERSION: Final = 3  # RFC 5652, 6.2.2: always

_BIT_STRING: Final = 0x03
_GENERALIZED_TIME: Final = 0x18
_CONTEXT_0_CONSTRUCTED: Final = 0xA0
_CONTEXT_1_CONSTRUCTED: Final = 0xA1
_CONTEXT_2_CONSTRUCTED: Final = 0xA2

_MAX_SHARED_SIZE: Final = 2048  # octets before the encrypted keys: each recipient's part is read with a copy of them
_WRAP_BLOCK: Final = 8  # octets: RFC 3394, 2
_MIN_AES_WRAPPED: Final = 24  # octets: two blocks and a third to check them (RFC 3394, 2.2.1)
_TRIPLE_DES_WRAPPED: Final = 40  # octets: RFC 3217, 3.1


# --- writing -----------------------------------------------------------------------------------


@cache
def key_info(wrap: KeyWrap) -> bytes:
    """Encode how the session key is wrapped; an AES key wrap has no parameters (RFC 3565, 2.3.2)."""
    parameters = asn1.NULL if wrap == algorithms.TRIPLE_DES_WRAP else None
    return codec.algorithm_identifier(AlgorithmIdentifier(wrap.oid, parameters))


@cache
def _algorithm_identifier(algorithm: KeyAgreement, wrap: KeyWrap) -> bytes:
    return codec.algorithm_identifier(AlgorithmIdentifier(algorithm.oid, key_info(wrap)))


@cache
def _key_algorithm(curve: Curve) -> bytes:
    """Encode the kind of the sender's key: the curve is left to the recipient's (RFC 5753, 7.1.2)."""
    return codec.algorithm_identifier(
        AlgorithmIdentifier(algorithms.EC_PUBLIC_KEY_OID if curve.is_parameter else curve.oid)
    )


def recipient_identifier(identifier: RecipientIdentifier) -> bytes:
    """Encode whom an encrypted key is for; a key identifier is a field of a RecipientKeyIdentifier here."""
    if isinstance(identifier, SubjectKeyIdentifier):
        return asn1.encode(_CONTEXT_0_CONSTRUCTED, asn1.encode(asn1.OCTET_STRING, identifier.value))
    return codec.recipient_identifier(identifier)


def recipient_encrypted_key(recipient: bytes, encrypted_key: bytes) -> bytes:
    """Encode an encrypted key with its encoded recipient."""
    return asn1.encode(asn1.SEQUENCE, recipient, asn1.encode(asn1.OCTET_STRING, encrypted_key))


def encode(
    curve: Curve, public_key: bytes, wrap: KeyWrap, encrypted_keys: Iterable[bytes], key_size: int
) -> WrappedKey:
    """Encode a KeyAgreeRecipientInfo.

    Args:
        curve: the curve of the sender's key; it decides how keys are agreed on.
        public_key: the sender's key, a point.
        wrap: how the session key is wrapped.
        encrypted_keys: a :func:`recipient_encrypted_key` for each recipient.
        key_size: octets of the session key.
    """
    originator = asn1.encode(
        _CONTEXT_1_CONSTRUCTED, _key_algorithm(curve), asn1.encode(_BIT_STRING, b"\x00", public_key)
    )
    encoded = asn1.encode(
        TAG,
        asn1.integer(VERSION),
        asn1.encode(_CONTEXT_0_CONSTRUCTED, originator),
        _algorithm_identifier(curve.agreement, wrap),
        asn1.encode(asn1.SEQUENCE, *encrypted_keys),
    )
    return WrappedKey(encoded, VERSION, key_size)


@lru_cache(maxsize=64)  # the same in most messages
def shared_info(key_info: bytes, user_keying_material: bytes | None, bits: int) -> bytes:
    """Encode the ECC-CMS-SharedInfo, which ties a derived key to its use (RFC 5753, 7.2).

    Args:
        key_info: the encoded AlgorithmIdentifier of the key wrap.
        user_keying_material: what the sender adds, or None.
        bits: size of the key that is derived.
    """
    entity = b""
    if user_keying_material is not None:
        entity = asn1.encode(_CONTEXT_0_CONSTRUCTED, asn1.encode(asn1.OCTET_STRING, user_keying_material))
    public = asn1.encode(_CONTEXT_2_CONSTRUCTED, asn1.encode(asn1.OCTET_STRING, bits.to_bytes(4, "big")))
    return asn1.encode(asn1.SEQUENCE, key_info, entity, public)


# --- reading -----------------------------------------------------------------------------------


class Fields(NamedTuple):
    """A KeyAgreeRecipientInfo's fields as they stand (RFC 5652, 6.2.2).

    Attributes:
        originator: the OriginatorIdentifierOrKey.
        user_keying_material: what the sender adds to the derivation, or None.
        algorithm: how keys are agreed on; its parameters say how the session key is wrapped.
        encrypted_keys: one for each recipient.
    """

    originator: asn1.Element
    user_keying_material: bytes | None
    algorithm: AlgorithmIdentifier
    encrypted_keys: tuple[RecipientEncryptedKey, ...]


Children = tuple["Sequence[asn1.Element]", "Sequence[asn1.Element]"]


def split(wrapped: WrappedKey, wanted: Callable[[bytes], bool] | None = None) -> Iterator[WrappedKey]:
    """Take a KeyAgreeRecipientInfo apart: one for each recipient, that recipient's encrypted key alone in it.

    Args:
        wrapped: the recipient info.
        wanted: tells by an encoded RecipientEncryptedKey whether its part is wanted; None wants all.

    Raises:
        MalformedError: it is none, or broken.
        LimitError: it has too many recipients, or what they share is too large.
    """
    shared, members = _children(wrapped)
    if len(members) == 1:
        if wanted is None or wanted(members[0].encoded):
            yield wrapped
        return
    before = b"".join([child.encoded for child in shared])
    for member in members:
        encoded = member.encoded
        if wanted is None or wanted(encoded):
            part = asn1.encode(TAG, before, asn1.encode(asn1.SEQUENCE, encoded))
            yield WrappedKey(part, wrapped.version, wrapped.key_size)


def fields(wrapped: WrappedKey) -> Fields:
    """Return a KeyAgreeRecipientInfo's fields, whatever its algorithms are.

    Raises:
        MalformedError: it is none, or broken.
        LimitError: it has too many recipients, or what they share is too large.
    """
    return _fields(wrapped) if len(wrapped.encoded) <= codec.MAX_REMEMBERED else _fields.__wrapped__(wrapped)


@lru_cache(maxsize=64)  # matching, policy and unwrapping ask for the same
def _fields(wrapped: WrappedKey) -> Fields:
    return fields_of(_children(wrapped))


def fields_of(children: Children) -> Fields:
    """Return the fields that :func:`children_of` found.

    Raises:
        MalformedError: they are broken.
    """
    shared, members = children
    _, originator, *ukm, algorithm = shared
    return Fields(
        _only_child(originator, _CONTEXT_0_CONSTRUCTED),
        _only_child(ukm[0], _CONTEXT_1_CONSTRUCTED).octets() if ukm else None,
        codec.usual_identifier_from(algorithm),
        tuple([_recipient_encrypted_key_from(member) for member in members]),
    )


def decode(wrapped: WrappedKey) -> KeyAgreeRecipientInfo:
    """Decode a KeyAgreeRecipientInfo.

    Raises:
        MalformedError: it is none, or broken.
        UnsupportedAlgorithmError: its algorithms or the sender's kind of key are not spoken here.
        LimitError: it has too many recipients, or a field of it is too large.
    """
    return _decode(wrapped) if len(wrapped.encoded) <= codec.MAX_REMEMBERED else interpret(fields(wrapped))


@lru_cache(maxsize=64)  # matching and unwrapping ask for the same
def _decode(wrapped: WrappedKey) -> KeyAgreeRecipientInfo:
    return interpret(_fields(wrapped))


def interpret(found: Fields) -> KeyAgreeRecipientInfo:
    """Give the fields of a KeyAgreeRecipientInfo their meaning.

    Raises:
        MalformedError: it is broken.
        UnsupportedAlgorithmError: its algorithms or the sender's kind of key are not spoken here.
        LimitError: an encrypted key is too large.
    """
    algorithm, wrap, info = algorithms_from(found.algorithm)
    for member in found.encrypted_keys:
        _check_size(member.encrypted_key, wrap)
    originator = originator_from(found.originator)
    return KeyAgreeRecipientInfo(originator, algorithm, wrap, info, found.encrypted_keys, found.user_keying_material)


@lru_cache(maxsize=64)  # few are in use
def algorithms_from(identifier: AlgorithmIdentifier) -> tuple[KeyAgreement, KeyWrap, bytes]:
    """Read how keys are agreed on, how the session key is wrapped, and the encoding of the latter.

    Raises:
        UnsupportedAlgorithmError: one of them is not spoken here.
        MalformedError: its parameters are not as its RFC has them.
    """
    algorithm = algorithms.KEY_AGREEMENTS.get(identifier.oid)
    if algorithm is None:
        raise UnsupportedAlgorithmError("key agreement", identifier.oid, algorithms.name_of(identifier.oid))
    if identifier.parameters is None:
        raise MalformedError(f"the parameters of {algorithm.name} are absent")
    parameters = asn1.parse(identifier.parameters)
    wrapping = codec.algorithm_identifier_from(parameters)
    wrap = algorithms.KEY_WRAPS.get(wrapping.oid)
    if wrapping.oid == algorithms.TRIPLE_DES_WRAP.oid:
        wrap = algorithms.TRIPLE_DES_WRAP
    if wrap is None:
        raise UnsupportedAlgorithmError("key wrap", wrapping.oid, algorithms.name_of(wrapping.oid))
    if wrapping.parameters not in (None, asn1.NULL):  # absent for AES, NULL for Triple-DES; some mix them up
        raise MalformedError(f"the parameters of the {wrap.name} are malformed")
    return algorithm, wrap, parameters.definite()


def originator_from(element: asn1.Element) -> RecipientIdentifier | OriginatorKey:
    """Read the sender's public key, or the name of the certificate that holds it.

    Raises:
        MalformedError: it is neither.
        UnsupportedAlgorithmError: its kind of key or its curve is not spoken here.
    """
    if element.tag != _CONTEXT_1_CONSTRUCTED:
        return codec.recipient_identifier_from(element)
    children = element.children()
    if len(children) != 2:  # noqa: PLR2004  # algorithm and public key
        raise MalformedError("the originator's public key is malformed")
    point = children[1].expect(_BIT_STRING).contents
    if point[:1] != b"\x00":  # the number of unused bits
        raise MalformedError("the originator's public key is malformed")
    return OriginatorKey(_curve_from(codec.algorithm_identifier_from(children[0])), point[1:])


def _curve_from(identifier: AlgorithmIdentifier) -> Curve | None:
    parameters = identifier.parameters
    if identifier.oid == algorithms.EC_PUBLIC_KEY_OID:
        if parameters in (None, asn1.NULL):  # RFC 5753, 3.1.1: NULL is what its predecessor wanted
            return None
        oid = asn1.parse(parameters or b"").object_identifier()
        curve = algorithms.CURVES.get(oid)
        if curve is None or not curve.is_parameter:
            raise UnsupportedAlgorithmError("elliptic curve", oid)
        return curve
    curve = algorithms.CURVES.get(identifier.oid)
    if curve is None or curve.is_parameter:
        name = algorithms.name_of(identifier.oid)
        raise UnsupportedAlgorithmError("kind of the originator's key", identifier.oid, name)
    if parameters is not None:  # RFC 8410, 3: absent in every case
        raise MalformedError(f"the parameters of the originator's {curve.name} key are malformed")
    return curve


def _children(wrapped: WrappedKey) -> Children:
    encoded = wrapped.encoded
    return _remembered_children(encoded) if len(encoded) <= codec.MAX_REMEMBERED else children_of(encoded)


@lru_cache(maxsize=64)  # matching and unwrapping ask for the same
def _remembered_children(encoded: bytes) -> Children:
    return children_of(encoded)


def children_of(encoded: bytes) -> Children:
    """Return a KeyAgreeRecipientInfo's fields but for the last, three or four, and what the last is made of.

    What stands before the encrypted keys is small in any message: a public key or the name of a
    certificate, perhaps keying material no longer than the key that is derived, and algorithms.

    Raises:
        MalformedError: it is none, or broken.
        LimitError: what its recipients share is too large.
    """
    children = asn1.parse(encoded).expect(TAG).children()
    if len(children) not in (4, 5):
        raise MalformedError("a KeyAgreeRecipientInfo is malformed")
    if children[-1].start > _MAX_SHARED_SIZE:
        raise LimitError("the size of a KeyAgreeRecipientInfo without its encrypted keys", _MAX_SHARED_SIZE, "octets")
    *shared, encrypted_keys = children
    return shared, list(encrypted_keys.expect(asn1.SEQUENCE))  # whoever walked the envelope has counted them


def _only_child(element: asn1.Element, tag: int) -> asn1.Element:
    children = element.expect(tag).children()
    if len(children) != 1:
        raise MalformedError("a KeyAgreeRecipientInfo is malformed")
    return children[0]


def _recipient_encrypted_key_from(element: asn1.Element) -> RecipientEncryptedKey:
    children = element.expect(asn1.SEQUENCE).children()
    if len(children) != 2:  # noqa: PLR2004  # recipient and encrypted key
        raise MalformedError("a RecipientEncryptedKey is malformed")
    return RecipientEncryptedKey(_recipient_identifier_from(children[0]), children[1].octets())


def _recipient_identifier_from(element: asn1.Element) -> RecipientIdentifier:
    """Read whom an encrypted key is for; the date and other hints of a RecipientKeyIdentifier are not needed."""
    if element.tag != _CONTEXT_0_CONSTRUCTED:
        return codec.recipient_identifier_from(element.expect(asn1.SEQUENCE))
    identifier, *hints = element.children() or [element]
    tags = [hint.tag for hint in hints]
    if tags not in ([], [_GENERALIZED_TIME], [asn1.SEQUENCE], [_GENERALIZED_TIME, asn1.SEQUENCE]):
        raise MalformedError("a RecipientKeyIdentifier is malformed")
    return SubjectKeyIdentifier(identifier.octets())


def _check_size(encrypted_key: bytes, wrap: KeyWrap) -> None:
    """Check what anybody can see of an encrypted key: its size.

    Raises:
        LimitError: it is larger than any.
        MalformedError: the key wrap makes none of its size.
    """
    size = len(encrypted_key)
    if size > MAX_ENCRYPTED_KEY_SIZE:
        raise LimitError("the size of an encrypted key", MAX_ENCRYPTED_KEY_SIZE, "octets")
    if wrap == algorithms.TRIPLE_DES_WRAP:
        sound = size == _TRIPLE_DES_WRAPPED
    else:
        sound = size >= _MIN_AES_WRAPPED and size % _WRAP_BLOCK == 0
    if not sound:
        raise MalformedError(f"an encrypted key of {size} octets is none that {wrap.name} makes")
