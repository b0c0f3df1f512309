"""KEMRecipientInfo: a session key encrypted with a key that a KEM agreed on (RFC 9629, RFC 9936)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from smime_session import algorithms
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, KemRecipientInfo, RecipientIdentifier, WrappedKey
from smime_session.errors import LimitError, MalformedError, UnsupportedAlgorithmError
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

Known = TypeVar("Known")

TAG: Final = codec.OTHER_TAG
"""The tag of an OtherRecipientInfo (RFC 5652, 6.2)."""

_USER_KEYING_MATERIAL: Final = 0xA0
_MAX_USER_KEYING_MATERIAL: Final = 4096  # octets: a nonce or a name in practice; HKDF bounds what it takes
_MIN_ENCRYPTED_KEY_SIZE: Final = 24  # octets: RFC 3394 wraps two blocks of 8 at least and adds one


@dataclass(frozen=True, slots=True)
class Fields:
    """A KEMRecipientInfo's fields as they stand, whatever they are (RFC 9629, 3).

    Attributes:
        recipient: whose key.
        kem: the mechanism.
        ciphertext: what carries the shared secret.
        kdf: how the key-encryption key is derived.
        key_size: the octets of key-encryption key that are announced.
        user_keying_material: what the sender adds to the derivation, or None.
        wrap: how the session key is encrypted.
        encrypted_key: the result.
    """

    recipient: RecipientIdentifier
    kem: AlgorithmIdentifier
    ciphertext: bytes
    kdf: AlgorithmIdentifier
    key_size: int
    user_keying_material: bytes | None
    wrap: AlgorithmIdentifier
    encrypted_key: bytes


def encode(info: KemRecipientInfo) -> WrappedKey:
    """Encode a KEMRecipientInfo; its version is 0 whoever it is for (RFC 9629, 3)."""
    encoded = asn1.encode(
        asn1.SEQUENCE,
        asn1.integer(0),
        codec.recipient_identifier(info.recipient),
        _without_parameters(info.kem.oid),
        asn1.encode(asn1.OCTET_STRING, info.ciphertext),
        _without_parameters(algorithms.HKDF_OIDS[info.hash]),
        asn1.integer(info.wrap.key_size),
        _explicit(info.user_keying_material),
        _without_parameters(info.wrap.oid),
        asn1.encode(asn1.OCTET_STRING, info.encrypted_key),
    )
    return WrappedKey(asn1.encode(TAG, asn1.object_identifier(algorithms.KEM_RECIPIENT_OID), encoded), 0, 0)


def other_info(info: KemRecipientInfo) -> bytes:
    """Encode CMSORIforKEMOtherInfo, which binds the key-encryption key to its use (RFC 9629, 5)."""
    return asn1.encode(
        asn1.SEQUENCE,
        _without_parameters(info.wrap.oid),
        asn1.integer(info.wrap.key_size),
        _explicit(info.user_keying_material),
    )


def _without_parameters(oid: str) -> bytes:
    """Encode an AlgorithmIdentifier whose parameters are absent, as all have them here (RFC 3565, 8619, 9936)."""
    return codec.algorithm_identifier(AlgorithmIdentifier(oid))


def _explicit(user_keying_material: bytes | None) -> bytes:
    if user_keying_material is None:
        return b""
    return asn1.encode(_USER_KEYING_MATERIAL, asn1.encode(asn1.OCTET_STRING, user_keying_material))


def decode(wrapped: WrappedKey) -> KemRecipientInfo:
    """Decode a KEMRecipientInfo.

    Raises:
        MalformedError: it is none, broken, or contradicts itself.
        UnsupportedAlgorithmError: an algorithm in it is not spoken here.
        LimitError: it is larger than any that is made.
    """
    found = fields(wrapped)
    if len(found.encrypted_key) > MAX_ENCRYPTED_KEY_SIZE:
        raise LimitError("the size of an encrypted key", MAX_ENCRYPTED_KEY_SIZE, "octets")
    material = found.user_keying_material
    if material is not None and len(material) > _MAX_USER_KEYING_MATERIAL:
        raise LimitError("the size of the user keying material", _MAX_USER_KEYING_MATERIAL, "octets")
    kem = _known(found.kem, algorithms.KEMS, "key encapsulation mechanism")
    kdf_hash = _known(found.kdf, algorithms.HKDFS, "key-derivation function")
    wrap = _known(found.wrap, algorithms.KEY_WRAPS, "key-wrap algorithm")
    if len(found.ciphertext) != kem.ciphertext_size:
        raise MalformedError(f"the ciphertext of {kem.name} has {len(found.ciphertext)} octets")
    if found.key_size != wrap.key_size:
        raise MalformedError(f"the size of key that is announced is not that of {wrap.name}")
    if len(found.encrypted_key) % 8 or len(found.encrypted_key) < _MIN_ENCRYPTED_KEY_SIZE:
        raise MalformedError(f"an encrypted key of {len(found.encrypted_key)} octets is not of {wrap.name}")
    return KemRecipientInfo(found.recipient, kem, found.ciphertext, kdf_hash, wrap, found.encrypted_key, material)


def _known(identifier: AlgorithmIdentifier, table: Mapping[str, Known], role: str) -> Known:
    """Return what ``table`` has for an algorithm, whose parameters must be absent."""
    name = algorithms.name_of(identifier.oid)
    if identifier.oid not in table:
        raise UnsupportedAlgorithmError(role, identifier.oid, name)
    if identifier.parameters is not None:
        raise MalformedError(f"the {role} {name or identifier.oid} has parameters")
    return table[identifier.oid]


def kind_of(wrapped: WrappedKey) -> str:
    """Return the object identifier of an OtherRecipientInfo's kind (RFC 5652, 6.2.5).

    Raises:
        MalformedError: it is none, or broken.
    """
    return _kind_and_value(wrapped)[0].object_identifier()


def _kind_and_value(wrapped: WrappedKey) -> list[asn1.Element]:
    children = asn1.parse(wrapped.encoded, asn1.FEW_INNER_VALUES).expect(TAG).children()
    if len(children) != 2:  # noqa: PLR2004  # kind and value
        raise MalformedError("an OtherRecipientInfo is malformed")
    return children


def fields(wrapped: WrappedKey) -> Fields:
    """Return a KEMRecipientInfo's fields as they stand, whatever they are.

    Raises:
        MalformedError: it is none, or broken.
    """
    kind, value = _kind_and_value(wrapped)
    if kind.object_identifier() != algorithms.KEM_RECIPIENT_OID:
        raise MalformedError("an OtherRecipientInfo is no KEMRecipientInfo")
    children = value.expect(asn1.SEQUENCE).children()
    material = children.pop(6) if len(children) == 9 else None  # noqa: PLR2004  # the one optional field
    if len(children) != 8 or children[0].integer() != 0:  # noqa: PLR2004  # RFC 9629, 3: the version is always 0
        raise MalformedError("a KEMRecipientInfo is malformed")
    _, recipient, kem, ciphertext, kdf, key_size, wrap, encrypted_key = children
    return Fields(
        recipient=codec.recipient_identifier_from(recipient),
        kem=codec.algorithm_identifier_from(kem),
        ciphertext=ciphertext.octets(),
        kdf=codec.algorithm_identifier_from(kdf),
        key_size=key_size.integer(),
        user_keying_material=None if material is None else _explicit_octets(material),
        wrap=codec.algorithm_identifier_from(wrap),
        encrypted_key=encrypted_key.octets(),
    )


def _explicit_octets(element: asn1.Element) -> bytes:
    children = element.expect(_USER_KEYING_MATERIAL).children()
    if len(children) != 1:
        raise MalformedError("the user keying material is malformed")
    return children[0].octets()
