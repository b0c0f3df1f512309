"""KeyAgreeRecipientInfo: the bytes of key agreement (RFC 5652, 6.2.2; RFC 5753; RFC 8418)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.algorithms import (
    CURVES,
    EC_PUBLIC_KEY_OID,
    KEY_AGREEMENTS,
    KEY_WRAPS,
    TRIPLE_DES_WRAP,
    Curve,
    KeyAgreement,
    KeyWrap,
    name_of,
)
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, RecipientIdentifier, SubjectKeyIdentifier, WrappedKey
from smime_session.errors import LimitError, MalformedError, MessageError, UnsupportedAlgorithmError
from smime_session.recipients.key_wrap import check_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

TAG: Final = codec.KEY_AGREEMENT_TAG
VERSION: Final = 3  # RFC 5652, 6.2.2: always

_BIT_STRING: Final = 0x03
_GENERALIZED_TIME: Final = 0x18
_CONTEXT_0_CONSTRUCTED: Final = 0xA0
_CONTEXT_1_CONSTRUCTED: Final = 0xA1
_CONTEXT_2_CONSTRUCTED: Final = 0xA2

_MAX_SHARED_SIZE: Final = 2048  # bytes before the encrypted keys: each recipient's part is read with a copy of them
_MAX_REMEMBERED: Final = 4096  # bytes of a recipient info that is remembered


class OriginatorKey(NamedTuple):
    """The public key with which a sender agrees on a key, made for one message (RFC 5652, 6.2.2).

    Attributes:
        curve: its curve, or None if it is the recipient's, whichever that is (RFC 5753, 7.1.2).
        point: the key itself.
    """

    curve: Curve | None
    point: bytes


class RecipientEncryptedKey(NamedTuple):
    """A session key as one of the recipients gets it (RFC 5652, 6.2.2).

    Attributes:
        recipient: whose key.
        encrypted_key: the session key, wrapped.
    """

    recipient: RecipientIdentifier
    encrypted_key: bytes


class KeyAgreeRecipientInfo(NamedTuple):
    """A session key wrapped with keys that the sender agrees on with each recipient.

    RFC 5652, 6.2.2::

        KeyAgreeRecipientInfo ::= SEQUENCE {
          version CMSVersion,  -- always set to 3
          originator [0] EXPLICIT OriginatorIdentifierOrKey,
          ukm [1] EXPLICIT UserKeyingMaterial OPTIONAL,
          keyEncryptionAlgorithm KeyEncryptionAlgorithmIdentifier,
          recipientEncryptedKeys RecipientEncryptedKeys }

    Attributes:
        originator: the sender's public key, or the name of a certificate that holds it.
        algorithm: how they agree.
        wrap: how the session key is encrypted with what they agreed on.
        key_info: the encoded AlgorithmIdentifier of ``wrap`` as it stands: the key derivation takes it in.
        encrypted_keys: the result for each recipient.
        user_keying_material: what the sender adds to the derivation, or None.
    """

    originator: RecipientIdentifier | OriginatorKey
    algorithm: KeyAgreement
    wrap: KeyWrap
    key_info: bytes
    encrypted_keys: tuple[RecipientEncryptedKey, ...]
    user_keying_material: bytes | None = None


class Fields(NamedTuple):
    """The same as it stands; the algorithm's parameters say how the session key is wrapped."""

    originator: asn1.Element
    user_keying_material: bytes | None
    algorithm: AlgorithmIdentifier
    encrypted_keys: tuple[RecipientEncryptedKey, ...]


def key_info(wrap: KeyWrap) -> bytes:
    """Encode how the session key is wrapped; an AES key wrap has no parameters (RFC 3565, 2.3.2)."""
    parameters = asn1.NULL if wrap == TRIPLE_DES_WRAP else None
    return codec.algorithm_identifier(AlgorithmIdentifier(wrap.oid, parameters))


def _algorithm_identifier(algorithm: KeyAgreement, wrap: KeyWrap) -> bytes:
    return codec.algorithm_identifier(AlgorithmIdentifier(algorithm.oid, key_info(wrap)))


def _key_algorithm(curve: Curve) -> bytes:
    """Encode the kind of the sender's key: the curve is left to the recipient's (RFC 5753, 7.1.2)."""
    return codec.algorithm_identifier(AlgorithmIdentifier(EC_PUBLIC_KEY_OID if curve.is_parameter else curve.oid))


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
        key_size: bytes of the session key.
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


def fields(wrapped: WrappedKey) -> Fields:
    """Return a KeyAgreeRecipientInfo's fields, whatever its algorithms are.

    Raises:
        MalformedError: it is none, or broken.
        LimitError: what its recipients share is too large.
    """
    shared, members = _parts_of(wrapped.encoded)
    version, originator, *ukm, algorithm = shared
    version.expect(asn1.INTEGER)
    return Fields(
        _only_child(originator, _CONTEXT_0_CONSTRUCTED),
        _only_child(ukm[0], _CONTEXT_1_CONSTRUCTED).octets() if ukm else None,
        codec.algorithm_identifier_from(algorithm),
        tuple([_recipient_encrypted_key_from(member) for member in members]),
    )


def split(wrapped: WrappedKey, wanted: Callable[[bytes], bool] | None = None) -> Iterator[WrappedKey]:
    """Take a KeyAgreeRecipientInfo apart: one for each recipient, that recipient's encrypted key alone in it.

    Args:
        wrapped: the recipient info.
        wanted: tells by an encoded RecipientEncryptedKey whether its part is wanted; None wants all.

    Raises:
        MalformedError: it is none, or broken.
        LimitError: what its recipients share is too large.
    """
    shared, members = _parts_of(wrapped.encoded)
    before = b"".join([child.encoded for child in shared])
    for encoded in (member.encoded for member in members):
        if wanted is None or wanted(encoded):
            yield wrapped if len(members) == 1 else wrapped._replace(encoded=_joined(before, encoded))


def join(parts: Sequence[WrappedKey]) -> WrappedKey:
    """Make one recipient info of some that :func:`split` made of another; what they hold stays byte for byte."""
    taken_apart = [_parts_of(part.encoded) for part in parts]
    before = b"".join([child.encoded for child in taken_apart[0][0]])
    members = [member.encoded for _, some in taken_apart for member in some]
    return parts[0]._replace(encoded=_joined(before, *members))


def _joined(before: bytes, *members: bytes) -> bytes:
    return asn1.encode(TAG, before, asn1.encode(asn1.SEQUENCE, *members))


def _parts_of(encoded: bytes) -> tuple[Sequence[asn1.Element], Sequence[asn1.Element]]:
    """Return what the recipients share, three fields or four, and a RecipientEncryptedKey for each.

    What they share is small in any message: a public key or the name of a certificate, perhaps keying
    material no longer than the key that is derived, and algorithms.
    """
    children = asn1.parse(encoded).expect(TAG).children()
    if len(children) not in (4, 5):
        raise MalformedError("a KeyAgreeRecipientInfo is malformed")
    if children[-1].start > _MAX_SHARED_SIZE:
        raise LimitError("the size of a KeyAgreeRecipientInfo without its encrypted keys", _MAX_SHARED_SIZE, "bytes")
    *shared, encrypted_keys = children
    return shared, list(encrypted_keys.expect(asn1.SEQUENCE))  # reading the envelope has counted them


def decode(wrapped: WrappedKey) -> KeyAgreeRecipientInfo:
    """Decode a KeyAgreeRecipientInfo.

    Raises:
        MalformedError: it is none, or broken.
        UnsupportedAlgorithmError: its algorithms or the sender's kind of key are not supported.
        LimitError: it has too many recipients, or a field of it is too large.
    """
    return interpret(fields(wrapped))


def decode_single(wrapped: WrappedKey) -> KeyAgreeRecipientInfo | None:
    """Decode a KeyAgreeRecipientInfo for one recipient, as most are; None of any other, and of one that is broken.

    Matching, policy and unwrapping ask for the same, so it is remembered: that brings the time to unwrap on P-256
    from 219 us to 151.
    """
    return _decode_single(wrapped) if len(wrapped.encoded) <= _MAX_REMEMBERED else None


@lru_cache(maxsize=64)
def _decode_single(wrapped: WrappedKey) -> KeyAgreeRecipientInfo | None:
    try:
        found = fields(wrapped)
        return interpret(found) if len(found.encrypted_keys) == 1 else None
    except MessageError:
        return None


def interpret(found: Fields) -> KeyAgreeRecipientInfo:
    """Give the fields of a KeyAgreeRecipientInfo their meaning.

    Raises:
        MalformedError: it is broken.
        UnsupportedAlgorithmError: its algorithms or the sender's kind of key are not supported.
        LimitError: an encrypted key is too large.
    """
    algorithm, wrap, info = algorithms_from(found.algorithm)
    for member in found.encrypted_keys:
        check_size(member.encrypted_key, wrap)
    originator = originator_from(found.originator)
    return KeyAgreeRecipientInfo(originator, algorithm, wrap, info, found.encrypted_keys, found.user_keying_material)


def algorithms_from(identifier: AlgorithmIdentifier) -> tuple[KeyAgreement, KeyWrap, bytes]:
    """Read how keys are agreed on, how the session key is wrapped, and the encoding of the latter.

    Raises:
        UnsupportedAlgorithmError: one of them is not supported.
        MalformedError: its parameters are not as its RFC has them.
    """
    algorithm = KEY_AGREEMENTS.get(identifier.oid)
    if algorithm is None:
        raise UnsupportedAlgorithmError("key agreement", identifier.oid, name_of(identifier.oid))
    if identifier.parameters is None:
        raise MalformedError(f"the parameters of {algorithm.name} are absent")
    parameters = asn1.parse(identifier.parameters)
    wrapping = codec.algorithm_identifier_from(parameters)
    wrap = KEY_WRAPS.get(wrapping.oid)
    if wrapping.oid == TRIPLE_DES_WRAP.oid:
        wrap = TRIPLE_DES_WRAP
    if wrap is None:
        raise UnsupportedAlgorithmError("key wrap", wrapping.oid, name_of(wrapping.oid))
    if wrapping.parameters not in (None, asn1.NULL):  # absent for AES, NULL for Triple-DES; some mix them up
        raise MalformedError(f"the parameters of the {wrap.name} are malformed")
    return algorithm, wrap, parameters.definite()


def originator_from(element: asn1.Element) -> RecipientIdentifier | OriginatorKey:
    """Read the sender's public key, or the name of the certificate that holds it.

    Raises:
        MalformedError: it is neither.
        UnsupportedAlgorithmError: its kind of key or its curve is not supported.
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
    if identifier.oid == EC_PUBLIC_KEY_OID:
        if parameters in (None, asn1.NULL):  # RFC 5753, 3.1.1: NULL is what its predecessor wanted
            return None
        oid = asn1.parse(parameters or b"").object_identifier()
        curve = CURVES.get(oid)
        if curve is None or not curve.is_parameter:
            raise UnsupportedAlgorithmError("elliptic curve", oid)
        return curve
    curve = CURVES.get(identifier.oid)
    if curve is None or curve.is_parameter:
        name = name_of(identifier.oid)
        raise UnsupportedAlgorithmError("kind of the originator's key", identifier.oid, name)
    if parameters is not None:  # RFC 8410, 3: absent in every case
        raise MalformedError(f"the parameters of the originator's {curve.name} key are malformed")
    return curve


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
