"""Key encapsulation: the session key encrypted with a key that ML-KEM agreed on (RFC 9629, RFC 9936).

The sender encapsulates a new secret for the recipient's key, derives a key-encryption key from it and
wraps the session key with that. ML-KEM answers a ciphertext that was tampered with by another secret,
never by an error; what follows keeps to that.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, TypeVar, cast

from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from smime_session.algorithms import (
    AES_256_GCM,
    HKDF_OIDS,
    HKDFS,
    KEM_RECIPIENT_OID,
    KEM_SECRET_SIZE,
    KEMS,
    KEY_WRAPS,
    ML_KEM_OIDS,
    key_wrap_for,
    name_of,
)
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, RecipientIdentifier, WrappedKey
from smime_session.errors import LimitError, MalformedError, MessageError, UnsupportedAlgorithmError
from smime_session.key_derivation import hkdf
from smime_session.memory import erase, overwriting_freed
from smime_session.recipients.client_rules import KeyRule
from smime_session.recipients.key_wrap import check_size, unwrap
from smime_session.recipients.kind import KeyIdentity, KeyKind, KeyRecipient, KeyType, content_read
from smime_session.recipients.summary import RecipientSummary, identifier_fields
from smime_session.session_key import Proof, SessionKey
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey

    from smime_session.algorithms import HashName, Kem, KeyWrap
    from smime_session.certificates.certificate import AnyCertificate
    from smime_session.certificates.public_key import PublicKey
    from smime_session.keys.private_key import PrivateKey
    from smime_session.profiles import Profile
    from smime_session.recipients.client_rules import KeyTraits
    from smime_session.recipients.kind import Capabilities

TAG: Final = codec.OTHER_TAG

Known = TypeVar("Known")

_HASH: Final = "SHA-256"  # of HKDF when writing: the one that every reader knows (RFC 9936, 2.1)
_WRAP: Final = key_wrap_for(32)  # AES-256: the one that every reader has (RFC 9936, 2.1), and as strong as ML-KEM
_USER_KEYING_MATERIAL: Final = 0xA0
_MAX_USER_KEYING_MATERIAL: Final = 4096  # bytes: a nonce or a name in practice; HKDF bounds what it takes

_MECHANISMS: Final = {mechanism.name: mechanism for mechanism in KEMS.values()}
"""Key encapsulation mechanisms by the kinds of their keys."""


# --- the recipient info ------------------------------------------------------------------------


class KemRecipientInfo(NamedTuple):
    """A session key encrypted with a key that a KEM agreed on.

    RFC 9629, 3::

        KEMRecipientInfo ::= SEQUENCE {
          version CMSVersion,  -- always set to 0
          rid RecipientIdentifier,
          kem KEMAlgorithmIdentifier,
          kemct OCTET STRING,
          kdf KeyDerivationAlgorithmIdentifier,
          kekLength INTEGER (1..65535),
          ukm [0] EXPLICIT UserKeyingMaterial OPTIONAL,
          wrap KeyEncryptionAlgorithmIdentifier,
          encryptedKey EncryptedKey }

    Attributes:
        recipient: whose key.
        kem: the mechanism.
        ciphertext: what carries the shared secret.
        hash: the hash function of HKDF, which makes the key-encryption key of the shared secret.
        wrap: how the session key is encrypted with that key.
        encrypted_key: the result, 8 bytes longer than the session key.
        user_keying_material: what the sender adds to the derivation, or None.
    """

    recipient: RecipientIdentifier
    kem: Kem
    ciphertext: bytes
    hash: HashName
    wrap: KeyWrap
    encrypted_key: bytes
    user_keying_material: bytes | None = None


class Fields(NamedTuple):
    """The same as it stands, whatever its algorithms are; ``key_size`` is that of the key-encryption key."""

    recipient: RecipientIdentifier
    kem: AlgorithmIdentifier
    ciphertext: bytes
    kdf: AlgorithmIdentifier
    key_size: int
    user_keying_material: bytes | None
    wrap: AlgorithmIdentifier
    encrypted_key: bytes


def encode(info: KemRecipientInfo, key_size: int = 0) -> WrappedKey:
    """Encode a KEMRecipientInfo that holds a session key of ``key_size`` bytes."""
    return _encoded(_around_ciphertext(info), info.ciphertext, info.encrypted_key, key_size)


def _around_ciphertext(info: KemRecipientInfo) -> tuple[bytes, bytes]:
    """Encode what stands before the ciphertext and after it, the same in every message to one recipient."""
    before = asn1.integer(0), codec.recipient_identifier(info.recipient), _without_parameters(info.kem.oid)
    after = (
        _without_parameters(HKDF_OIDS[info.hash]),
        asn1.integer(info.wrap.key_size),
        _explicit(info.user_keying_material),
        _without_parameters(info.wrap.oid),
    )
    return b"".join(before), b"".join(after)


def _encoded(around: tuple[bytes, bytes], ciphertext: bytes, encrypted_key: bytes, key_size: int) -> WrappedKey:
    before, after = around
    carried, encrypted = asn1.encode(asn1.OCTET_STRING, ciphertext), asn1.encode(asn1.OCTET_STRING, encrypted_key)
    value = asn1.encode(asn1.SEQUENCE, before, carried, after, encrypted)
    return WrappedKey(asn1.encode(TAG, asn1.object_identifier(KEM_RECIPIENT_OID), value), 0, key_size)


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
        UnsupportedAlgorithmError: an algorithm in it is not supported.
        LimitError: it is larger than any that is made.
    """
    return interpret(fields(wrapped))


def fields(wrapped: WrappedKey) -> Fields:
    """Return a KEMRecipientInfo's fields as they stand, whatever they are.

    Raises:
        MalformedError: it is none, or broken.
    """
    other, value = codec.other_recipient_info(wrapped.encoded)
    if other != KEM_RECIPIENT_OID:
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


def interpret(found: Fields) -> KemRecipientInfo:
    """Give the fields of a KEMRecipientInfo their meaning.

    Raises:
        MalformedError: they contradict each other.
        UnsupportedAlgorithmError: an algorithm in it is not supported.
        LimitError: it is larger than any that is made.
    """
    material = found.user_keying_material
    if material is not None and len(material) > _MAX_USER_KEYING_MATERIAL:
        raise LimitError("the size of the user keying material", _MAX_USER_KEYING_MATERIAL, "bytes")
    kem = _known(found.kem, KEMS, "key encapsulation mechanism")
    kdf_hash = _known(found.kdf, HKDFS, "key-derivation function")
    wrap = _known(found.wrap, KEY_WRAPS, "key-wrap algorithm")
    if len(found.ciphertext) != kem.ciphertext_size:
        raise MalformedError(f"the ciphertext of {kem.name} has {len(found.ciphertext)} bytes")
    if found.key_size != wrap.key_size:
        raise MalformedError(f"the size of key that is announced is not that of {wrap.name}")
    check_size(found.encrypted_key, wrap)
    return KemRecipientInfo(found.recipient, kem, found.ciphertext, kdf_hash, wrap, found.encrypted_key, material)


def _known(identifier: AlgorithmIdentifier, table: Mapping[str, Known], role: str) -> Known:
    """Return what ``table`` has for an algorithm, whose parameters must be absent."""
    name = name_of(identifier.oid)
    if identifier.oid not in table:
        raise UnsupportedAlgorithmError(role, identifier.oid, name)
    if identifier.parameters is not None:
        raise MalformedError(f"the {role} {name or excerpt(identifier.oid)} has parameters")
    return table[identifier.oid]


def _key_encryption_key(secret: bytes, hash_name: HashName, other_info: bytes, size: int) -> SessionKey:
    """Turn the shared secret into a key that encrypts session keys (RFC 9936, 2.2.1).

    The secret is overwritten; the key is to be wiped after its use.
    """
    try:
        return hkdf(hash_name, secret, other_info, b"", size)
    finally:
        erase(secret)


# --- who writes, and who reads -----------------------------------------------------------------


class EncapsulationRecipient(KeyRecipient):
    """An ML-KEM key that session keys are encrypted for; what is the same for each message is encoded once.

    Args:
        public_key: the ML-KEM key.
        identifier: how the envelope names its owner.
        reads: the content-encryption algorithms that its owner is known to read.
    """

    __slots__ = ("_around", "_other_info", "_public_key")

    def __init__(
        self, public_key: PublicKey, identifier: RecipientIdentifier, reads: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(identifier, reads)
        self._public_key = public_key
        info = KemRecipientInfo(identifier, _MECHANISMS[public_key.kind], b"", _HASH, _WRAP, b"")
        self._around = _around_ciphertext(info)
        self._other_info = other_info(info)

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Encrypt ``key`` with a key that ML-KEM agrees on, new for each message."""
        with overwriting_freed(KEM_SECRET_SIZE):
            secret, ciphertext = cast("MLKEM768PublicKey", self._public_key.loaded()).encapsulate()
        with _key_encryption_key(secret, _HASH, self._other_info, _WRAP.key_size) as wrapping_key:
            encrypted = aes_key_wrap(wrapping_key.material, key.material)
        return _encoded(self._around, ciphertext, encrypted, len(key))


class EncapsulationIdentity(KeyIdentity[KemRecipientInfo]):
    """An ML-KEM private key; a bare one tries every recipient info that has its algorithm."""

    def __init__(self, private_key: PrivateKey, certificate: AnyCertificate | None = None) -> None:
        super().__init__(private_key, certificate)
        self._kem = _MECHANISMS[private_key.public_key.kind]

    def _info(self, wrapped: WrappedKey) -> KemRecipientInfo | None:
        if wrapped.encoded[0] != TAG or not self._names.may_stand_in(wrapped.encoded):
            return None
        if codec.other_recipient_info(wrapped.encoded)[0] != KEM_RECIPIENT_OID:
            return None
        found = fields(wrapped)
        if not self._names.include(found.recipient):
            return None
        if self._bare and found.kem.oid != self._kem.oid and not self._names.name(found.recipient):
            return None  # whatever its algorithms are: others may have some that are not supported
        info = interpret(found)
        if info.kem != self._kem:
            raise MalformedError(f"a recipient info for a key of {self._kem.name} uses {info.kem.name}")
        return info

    def _open(self, info: KemRecipientInfo, size: int) -> SessionKey:
        secret = self._private_key.decapsulate(info.ciphertext)
        with _key_encryption_key(secret, info.hash, other_info(info), info.wrap.key_size) as wrapping_key:
            decoy = hmac.digest(wrapping_key.material, info.encrypted_key, "sha512")[:size]
            opened = unwrap(info.wrap, wrapping_key.material, info.encrypted_key, size)
        return SessionKey(bytearray(decoy), proof=Proof.REFUTED) if opened is None else opened


# --- the kind ----------------------------------------------------------------------------------


class EncapsulationKind(KeyKind):
    """Key encapsulation with ML-KEM."""

    KEY_USAGE: ClassVar = "key_encipherment"
    POST_QUANTUM: ClassVar = True

    def unfit(self, public_key: PublicKey, profile: Profile) -> str | None:
        """Say why ``profile`` must not use this ML-KEM key, or None if it may."""
        if profile.encapsulation:
            return None
        return f"has a kind of key that the readers of profile {profile.name} do not know ({public_key.kind})"

    def recipient(
        self,
        public_key: PublicKey,
        identifier: RecipientIdentifier,
        _profile: Profile,
        capabilities: Capabilities = (),
    ) -> EncapsulationRecipient:
        """Make an ML-KEM recipient; only programs that read AES-256-GCM, which is older, have such keys (RFC 9936)."""
        reads = content_read(capabilities, frozenset({AES_256_GCM.oid}))
        return EncapsulationRecipient(public_key, identifier, reads)

    def identity(
        self, private_key: PrivateKey, certificate: AnyCertificate | None, _others: Sequence[AnyCertificate] = ()
    ) -> EncapsulationIdentity:
        """Make an identity from an ML-KEM private key."""
        return EncapsulationIdentity(private_key, certificate)

    def identifier(self, part: WrappedKey) -> RecipientIdentifier:
        """Return whose key it is."""
        return fields(part).recipient

    def summarize(self, wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
        """Describe a KEMRecipientInfo."""
        found = fields(wrapped)
        problem = None
        try:
            interpret(found)
        except MessageError as error:
            problem = str(error)
        derivation = HKDFS.get(found.kdf.oid)
        parameters = {
            "kdf": f"HKDF-{derivation}" if derivation else name_of(found.kdf.oid) or found.kdf.oid,
            "wrap": name_of(found.wrap.oid) or found.wrap.oid,
        }
        if found.user_keying_material is not None:
            parameters["ukm"] = f"{len(found.user_keying_material):,} bytes"
        return (
            RecipientSummary(
                algorithm=name_of(found.kem.oid) or found.kem.oid,
                algorithm_oid=found.kem.oid,
                parameters=parameters,
                encrypted_key_size=len(found.encrypted_key),
                problem=problem,
                post_quantum=found.kem.oid in ML_KEM_OIDS,
                **identifier_fields(found.recipient),
            ),
        )

    def client_rules(self) -> Mapping[str, Sequence[KeyRule]]:
        """Return what mail programs open."""

        def is_ml_kem(key: KeyTraits) -> bool:
            return key.oid in ML_KEM_OIDS

        return {
            "gpgsm": (KeyRule(is_ml_kem, "no", "it does not know ML-KEM in messages"),),
            "OpenSSL": (KeyRule(is_ml_kem, "yes", "it knows ML-KEM since OpenSSL 3.6"),),
        }

    def key_types(self) -> Mapping[str, KeyType]:
        """Return the keys of both mechanisms; they sign nothing, and have no other use (RFC 9935, 5)."""
        usage = frozenset({"key_encipherment"})
        return {
            "mlkem768": KeyType(mlkem.MLKEM768PrivateKey.generate, usage, signs=False),
            "mlkem1024": KeyType(mlkem.MLKEM1024PrivateKey.generate, usage, signs=False),
        }


KIND: Final = EncapsulationKind()
