"""Key encapsulation: the session key encrypted with a key that ML-KEM agreed on (RFC 9629, RFC 9936).

The sender encapsulates a new secret for the recipient's key, derives a key-encryption key from it and
wraps the session key with that. ML-KEM answers a ciphertext that was tampered with by another secret,
never by an error; what follows keeps to that.
"""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey, MLKEM1024PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from smime_session import algorithms
from smime_session.algorithms import (
    HKDFS,
    KEM_RECIPIENT_OID,
    ML_KEM_768,
    ML_KEM_1024,
    ML_KEM_OIDS,
    Kem,
    KeyWrap,
    key_wrap_for,
    name_of,
)
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, RecipientIdentifier, WrappedKey
from smime_session.errors import (
    CredentialError,
    LimitError,
    MalformedError,
    MessageError,
    NoMatchError,
    UnsupportedAlgorithmError,
)
from smime_session.memory import erase, overwrite_freed
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE
from smime_session.recipients.key_wrap import unwrap
from smime_session.recipients.naming import OwnNames
from smime_session.recipients.summary import RecipientSummary, identifier_fields
from smime_session.session_key import Proof, SessionKey
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from smime_session.algorithms import HashName
    from smime_session.keys.private_key import PrivateKey
    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Certificate

TAG: Final = codec.OTHER_TAG
KEY_USAGE: Final = "key_encipherment"
POST_QUANTUM: Final = True

PublicKey = MLKEM768PublicKey | MLKEM1024PublicKey

_HASH: Final = "SHA-256"  # of HKDF when writing: the one that every reader knows (RFC 9936, 2.1)
_WRAP: Final = key_wrap_for(32)  # AES-256: the one that every reader has (RFC 9936, 2.1), and as strong as ML-KEM
_WRAP_OVERHEAD: Final = 8  # octets that RFC 3394 adds
_USER_KEYING_MATERIAL: Final = 0xA0
_MAX_USER_KEYING_MATERIAL: Final = 4096  # octets: a nonce or a name in practice; HKDF bounds what it takes
_MIN_ENCRYPTED_KEY_SIZE: Final = 24  # octets: RFC 3394 wraps two blocks of 8 at least and adds one

Known = TypeVar("Known")

_HASHES: Final[dict[HashName, Callable[[], hashes.HashAlgorithm]]] = {
    "SHA-256": hashes.SHA256,
    "SHA-384": hashes.SHA384,
    "SHA-512": hashes.SHA512,
}


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
        encrypted_key: the result, 8 octets longer than the session key.
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
        raise MalformedError(f"the {role} {name or excerpt(identifier.oid)} has parameters")
    return table[identifier.oid]


def fields(wrapped: WrappedKey) -> Fields:
    """Return a KEMRecipientInfo's fields as they stand, whatever they are.

    Raises:
        MalformedError: it is none, or broken.
    """
    kind, value = codec.other_recipient_info(wrapped.encoded)
    if kind != KEM_RECIPIENT_OID:
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


# --- the kind ----------------------------------------------------------------------------------


def accepts(public_key: object) -> bool:
    """Tell whether this is an ML-KEM key."""
    return isinstance(public_key, PublicKey)


def unfit(public_key: object, profile: Profile) -> str | None:
    """Say why ``profile`` must not use this ML-KEM key, or None if it may."""
    if profile.encapsulation:
        return None
    name = _kem_of(_ml_kem(public_key)).name
    return f"has a kind of key that the readers of profile {profile.name} do not know ({name})"


def recipient(public_key: object, identifier: RecipientIdentifier, _profile: Profile) -> EncapsulationRecipient:
    """Prepare an ML-KEM recipient."""
    return EncapsulationRecipient(_ml_kem(public_key), identifier)


def identity(
    private_key: PrivateKey, certificate: Certificate | None, _others: Sequence[Certificate] = ()
) -> EncapsulationIdentity:
    """Make an identity from an ML-KEM private key.

    Raises:
        CredentialError: it is none.
    """
    return EncapsulationIdentity(private_key, certificate)


def summarize(wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
    """Describe a KEMRecipientInfo; of an OtherRecipientInfo of another kind nothing more is known.

    Raises:
        MalformedError: it is broken.
    """
    kind = codec.other_recipient_info(wrapped.encoded)[0]
    if kind != KEM_RECIPIENT_OID:
        return (RecipientSummary(technique="other", algorithm=name_of(kind) or kind, algorithm_oid=kind),)
    found = fields(wrapped)
    problem = None
    try:
        decode(wrapped)
    except MessageError as error:
        problem = str(error)
    derivation = HKDFS.get(found.kdf.oid)
    parameters = {
        "kdf": f"HKDF-{derivation}" if derivation else name_of(found.kdf.oid) or found.kdf.oid,
        "wrap": name_of(found.wrap.oid) or found.wrap.oid,
    }
    if found.user_keying_material is not None:
        parameters["ukm"] = f"{len(found.user_keying_material):,} octets"
    return (
        RecipientSummary(
            technique="key encapsulation",
            algorithm=name_of(found.kem.oid) or found.kem.oid,
            algorithm_oid=found.kem.oid,
            parameters=parameters,
            encrypted_key_size=len(found.encrypted_key),
            problem=problem,
            **identifier_fields(found.recipient),
        ),
    )


def is_ml_kem(wrapped: WrappedKey) -> bool:
    """Tell whether this is a KEMRecipientInfo for an ML-KEM key."""
    try:
        return fields(wrapped).kem.oid in ML_KEM_OIDS
    except MessageError:
        return False


def legacy_algorithm(_wrapped: WrappedKey) -> None:
    """Nothing that is read here is left to ``insecure_legacy``."""


def _ml_kem(public_key: object) -> PublicKey:
    if not isinstance(public_key, PublicKey):
        raise CredentialError("the public key is not an ML-KEM key")
    return public_key


def _kem_of(key: PublicKey) -> Kem:
    return ML_KEM_768 if isinstance(key, MLKEM768PublicKey) else ML_KEM_1024


def _key_encryption_key(secret: bytes, hash_name: HashName, size: int, other_info: bytes) -> SessionKey:
    """Turn a secret that ML-KEM returned into a key that encrypts session keys (RFC 9936, 2.2.1).

    The secret is overwritten; the key is to be wiped after its use.
    """
    key = SessionKey(bytearray(size))
    try:
        HKDF(_HASHES[hash_name](), size, None, other_info).derive_into(secret, key.material)
    finally:
        erase(secret)
    return key


class _Template:
    """What one recipient's infos for session keys of one size have in common.

    Args:
        identifier: how the envelope names the recipient.
        mechanism: the KEM.
        size: octets of session key.
    """

    __slots__ = ("after", "before", "key_size", "other_info")

    def __init__(self, identifier: RecipientIdentifier, mechanism: Kem, size: int) -> None:
        marker = os.urandom(mechanism.ciphertext_size)
        encrypted = bytes(size + _WRAP_OVERHEAD)
        info = KemRecipientInfo(identifier, mechanism, marker, _HASH, _WRAP, encrypted)
        self.before, _, after = encode(info).encoded.partition(marker)
        self.after = after[: -len(encrypted)]
        self.key_size = info.wrap.key_size
        self.other_info = other_info(info)


class EncapsulationRecipient:
    """An ML-KEM key that session keys are encrypted for; what is the same for each message is encoded once.

    Args:
        public_key: the ML-KEM key.
        identifier: how the envelope names its owner.
    """

    __slots__ = ("_identifier", "_kem", "_public_key", "_templates")

    def __init__(self, public_key: PublicKey, identifier: RecipientIdentifier) -> None:
        self._public_key = public_key
        self._identifier = identifier
        self._kem = _kem_of(public_key)
        self._templates: dict[int, _Template] = {}

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Encrypt ``key`` with a key that ML-KEM agrees on, new for each message."""
        template = self._templates.get(len(key))
        if template is None:
            template = self._templates[len(key)] = _Template(self._identifier, self._kem, len(key))
        secret, ciphertext = self._public_key.encapsulate()
        overwrite_freed(len(secret))
        with _key_encryption_key(secret, _HASH, template.key_size, template.other_info) as wrapping_key:
            encrypted = aes_key_wrap(wrapping_key.material, key.material)
        return WrappedKey(b"".join((template.before, ciphertext, template.after, encrypted)), 0, len(key))


class EncapsulationIdentity:
    """An ML-KEM private key, with or without the certificate that names its owner.

    With a certificate it answers to that certificate's issuer and serial number and to its key
    identifier. A bare key tries every recipient info that has its algorithm.

    Args:
        private_key: the ML-KEM key.
        certificate: its certificate, or None.
    """

    def __init__(self, private_key: PrivateKey, certificate: Certificate | None = None) -> None:
        public_key = private_key.public_key.loaded()
        if not isinstance(public_key, PublicKey):
            raise CredentialError("the private key is not an ML-KEM key")
        self._private_key = private_key
        self._kem = _kem_of(public_key)
        self._names = OwnNames(public_key, certificate)
        self._bare = certificate is None

    @property
    def names(self) -> OwnNames:
        """The names it goes by."""
        return self._names

    def matching(self, wrapped: Sequence[WrappedKey]) -> list[WrappedKey]:
        """Return those of ``wrapped`` that are addressed to this identity, judged by public fields alone.

        Raises:
            MessageError: one that may be is broken, or an algorithm in it is not spoken here.
        """
        return [candidate for candidate in wrapped if self._info(candidate)]

    def unwrap(self, wrapped: Sequence[WrappedKey]) -> SessionKey:
        """Return the session key from the first that is addressed to this identity, or a decoy.

        Raises:
            NoMatchError: none of them is.
            MessageError: one that may be is broken, or an algorithm in it is not spoken here.
        """
        for candidate in wrapped:
            if info := self._info(candidate):
                return self._open(info, candidate.key_size)
        raise NoMatchError(identities=[str(self)])

    def _info(self, wrapped: WrappedKey) -> KemRecipientInfo | None:
        """Decode a recipient info if it is for this identity."""
        if wrapped.encoded[0] != TAG or not self._names.may_stand_in(wrapped.encoded):
            return None
        if codec.other_recipient_info(wrapped.encoded)[0] != KEM_RECIPIENT_OID:
            return None
        found = fields(wrapped)
        if not self._names.include(found.recipient) or (self._bare and found.kem.oid != self._kem.oid):
            return None  # whatever its algorithms are: others may have some that are not spoken here
        info = decode(wrapped)
        if info.kem != self._kem:
            raise MalformedError(f"a recipient info for a key of {self._kem.name} uses {info.kem.name}")
        return info

    def _open(self, info: KemRecipientInfo, size: int) -> SessionKey:
        """Decrypt, or make a decoy of the right size, so that what follows is the same either way.

        A decoy depends on the private key and the recipient info alone: it stays the same when a message
        is sent twice, as a real key would.
        """
        secret = self._private_key.decapsulate(info.ciphertext)
        with _key_encryption_key(secret, info.hash, info.wrap.key_size, other_info(info)) as wrapping_key:
            decoy = hmac.digest(wrapping_key.material, info.encrypted_key, "sha512")[:size]
            opened = unwrap(info.wrap, wrapping_key.material, info.encrypted_key, size)
        return SessionKey(bytearray(decoy), proof=Proof.REFUTED) if opened is None else opened

    def __str__(self) -> str:
        return self._names.describe(f"{self._kem.name} private key")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"
