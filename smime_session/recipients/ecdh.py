"""Key agreement: the session key wrapped with what a new key and the recipient's agree on (RFC 5652, 6.2.2).

ECDH on the NIST and Brainpool curves (RFC 5753) and on X25519 and X448 (RFC 8418). Nothing here tells
whether an encrypted key opened: a decoy takes its place, as in key transport. What is said depends on
public fields alone. One recipient info may hold the session key for several recipients, who share the
sender's public key.
"""

from __future__ import annotations

import hmac
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeGuard

from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from smime_session import algorithms
from smime_session.algorithms import TRIPLE_DES_WRAP, Curve, KeyAgreement, KeyWrap, key_wrap_for, name_of
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, RecipientIdentifier, SubjectKeyIdentifier, WrappedKey
from smime_session.errors import (
    CredentialError,
    LimitError,
    MalformedError,
    MessageError,
    NoMatchError,
    UnsupportedAlgorithmError,
)
from smime_session.keys import software
from smime_session.memory import erase
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE
from smime_session.recipients import curves
from smime_session.recipients.key_derivation import derive
from smime_session.recipients.key_wrap import unwrap
from smime_session.recipients.naming import OwnNames
from smime_session.recipients.summary import RecipientSummary, identifier_fields
from smime_session.session_key import Proof, SessionKey
from smime_session.streams.parallel import in_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from smime_session.certificates.reader import PlainCertificate
    from smime_session.keys.private_key import PrivateKey
    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Certificate
    from smime_session.recipients.senders import Senders

TAG: Final = codec.KEY_AGREEMENT_TAG
VERSION: Final = 3  # RFC 5652, 6.2.2: always
KEY_USAGE: Final = "key_agreement"
POST_QUANTUM: Final = False

_BIT_STRING: Final = 0x03
_GENERALIZED_TIME: Final = 0x18
_CONTEXT_0_CONSTRUCTED: Final = 0xA0
_CONTEXT_1_CONSTRUCTED: Final = 0xA1
_CONTEXT_2_CONSTRUCTED: Final = 0xA2

_THREADS: Final = 4  # with which agreeing with many becomes faster
_MAX_SHARED_SIZE: Final = 2048  # bytes before the encrypted keys: each recipient's part is read with a copy of them
_WRAP_BLOCK: Final = 8  # bytes: RFC 3394, 2
_MIN_AES_WRAPPED: Final = 24  # bytes: two blocks and a third to check them (RFC 3394, 2.2.1)
_TRIPLE_DES_WRAPPED: Final = 40  # bytes: RFC 3217, 3.1
_MAX_REMEMBERED: Final = 4096  # bytes of a recipient info whose fields are kept


# --- the recipient info ------------------------------------------------------------------------


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
    parameters = asn1.NULL if wrap == algorithms.TRIPLE_DES_WRAP else None
    return codec.algorithm_identifier(AlgorithmIdentifier(wrap.oid, parameters))


def _algorithm_identifier(algorithm: KeyAgreement, wrap: KeyWrap) -> bytes:
    return codec.algorithm_identifier(AlgorithmIdentifier(algorithm.oid, key_info(wrap)))


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


def split(wrapped: WrappedKey, wanted: Callable[[bytes], bool] | None = None) -> Iterator[WrappedKey]:
    """Take a KeyAgreeRecipientInfo apart: one for each recipient, that recipient's encrypted key alone in it.

    Args:
        wrapped: the recipient info.
        wanted: tells by an encoded RecipientEncryptedKey whether its part is wanted; None wants all.

    Raises:
        MalformedError: it is none, or broken.
        LimitError: it has too many recipients, or what they share is too large.
    """
    shared, members = _children_of(wrapped.encoded)
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
    return _fields(wrapped.encoded) if len(wrapped.encoded) <= _MAX_REMEMBERED else _fields.__wrapped__(wrapped.encoded)


@lru_cache(maxsize=64)  # matching, policy and unwrapping ask for the same
def _fields(encoded: bytes) -> Fields:
    shared, members = _children_of(encoded)
    _, originator, *ukm, algorithm = shared
    return Fields(
        _only_child(originator, _CONTEXT_0_CONSTRUCTED),
        _only_child(ukm[0], _CONTEXT_1_CONSTRUCTED).octets() if ukm else None,
        codec.algorithm_identifier_from(algorithm),
        tuple([_recipient_encrypted_key_from(member) for member in members]),
    )


def _children_of(encoded: bytes) -> tuple[Sequence[asn1.Element], Sequence[asn1.Element]]:
    """Return a KeyAgreeRecipientInfo's fields but for the last, three or four, and what the last is made of.

    What stands before the encrypted keys is small in any message: a public key or the name of a
    certificate, perhaps keying material no longer than the key that is derived, and algorithms.
    """
    children = asn1.parse(encoded).expect(TAG).children()
    if len(children) not in (4, 5):
        raise MalformedError("a KeyAgreeRecipientInfo is malformed")
    if children[-1].start > _MAX_SHARED_SIZE:
        raise LimitError("the size of a KeyAgreeRecipientInfo without its encrypted keys", _MAX_SHARED_SIZE, "octets")
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


# --- the kind ----------------------------------------------------------------------------------


def accepts(public_key: object) -> TypeGuard[curves.PublicKey]:
    """Tell whether this is an EC, X25519 or X448 key."""
    return isinstance(public_key, curves.PublicKey)


def unfit(public_key: object, profile: Profile) -> str | None:
    """Say why ``profile`` must not use this key, or None if it may."""
    key = _public(public_key)
    curve = curves.curve_of(key)
    if profile.post_quantum_only:
        name = curve.name if curve else "EC"
        return f"has no post-quantum key ({name}), which profile {profile.name} requires"
    if curve is None:
        return f"has an EC key on a curve that is not supported: {curves.name_of(key)}"
    if curve.is_parameter:
        return None  # loading has checked that the point is on the curve, and these curves have no weak ones
    try:
        _probe(curve).exchange(curves.point_of(key))
    except MalformedError:
        return f"has an {curve.name} key that agrees on no secret with any other"
    return None


def recipient(public_key: object, identifier: RecipientIdentifier, profile: Profile) -> KeyAgreementRecipient:
    """Prepare a recipient."""
    return KeyAgreementRecipient(_public(public_key), identifier, share_ephemeral=profile.share_ephemeral)


def recipient_of(certificate: PlainCertificate, profile: Profile) -> KeyAgreementRecipient | None:
    """Prepare a recipient from octets, or return None if its key is no point on the curve."""
    curve, point = curves.NAMED[certificate.kind], certificate.material
    if not curves.is_on(curve, point):
        return None
    return KeyAgreementRecipient(point, certificate.identifier, share_ephemeral=profile.share_ephemeral, curve=curve)


def identity(
    private_key: PrivateKey, certificate: Certificate | None, others: Sequence[Certificate] = ()
) -> KeyAgreementIdentity:
    """Make an identity from a private key.

    Raises:
        CredentialError: it is no key for this, or its curve is not supported.
    """
    return KeyAgreementIdentity(private_key, certificate, others)


def summarize(wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
    """Describe a KeyAgreeRecipientInfo, one summary for each recipient.

    Raises:
        MalformedError: it is broken.
        LimitError: it has too many recipients, or a field of it is too large.
    """
    found = fields(wrapped)
    problem, parameters = None, {}
    try:
        _, wrap, _ = algorithms_from(found.algorithm)
        parameters["wrap"] = wrap.name
        originator = originator_from(found.originator)
    except MessageError as error:
        problem = str(error)
    else:
        if not isinstance(originator, OriginatorKey):
            parameters["originator"] = _name(originator)
        elif curve := originator.curve or curves.curve_through(originator.point):
            parameters["curve"] = curve.name
    if found.user_keying_material is not None:
        parameters["ukm"] = f"{len(found.user_keying_material):,} octets"
    return tuple(
        RecipientSummary(
            technique="key agreement",
            algorithm=name_of(found.algorithm.oid) or found.algorithm.oid,
            algorithm_oid=found.algorithm.oid,
            parameters=parameters,
            encrypted_key_size=len(member.encrypted_key),
            problem=problem,
            **identifier_fields(member.recipient),
        )
        for member in found.encrypted_keys
    )


def legacy_algorithm(wrapped: WrappedKey) -> str | None:
    """Return ``Triple-DES key wrap`` if that is what wraps the session key.

    Raises:
        MessageError: it is broken, or its algorithm is not spoken here.
    """
    _, wrap, _ = algorithms_from(fields(wrapped).algorithm)
    return wrap.name if wrap == TRIPLE_DES_WRAP else None


def _name(identifier: RecipientIdentifier) -> str:
    named = identifier_fields(identifier)
    return RecipientSummary(technique="key agreement", parameters={}, encrypted_key_size=None, **named).name


def _public(public_key: object) -> curves.PublicKey:
    if not accepts(public_key):
        raise CredentialError("the public key is not an EC, X25519 or X448 key")
    return public_key


@cache
def _probe(curve: Curve) -> PrivateKey:
    """Return a private key that does nothing but try public keys out."""
    return software.private_key(curves.generate(curve))


class KeyAgreementRecipient:
    """A public key that session keys are wrapped for; who it belongs to is encoded once.

    Args:
        public_key: the key; or, from a plain certificate, its point: the key is then made when it is first
            used, because who has the certificates of all colleagues seldom writes to all of them.
        identifier: how the envelope names its owner, perhaps encoded already.
        share_ephemeral: whether one new key per message may serve for all recipients on this curve.
        curve: the curve of a point.

    Raises:
        CredentialError: the key's curve is not supported.
    """

    __slots__ = ("_public_key", "curve", "encoded_identifier", "share_ephemeral")

    def __init__(
        self,
        public_key: curves.PublicKey | bytes,
        identifier: RecipientIdentifier | bytes,
        *,
        share_ephemeral: bool = False,
        curve: Curve | None = None,
    ) -> None:
        self._public_key = public_key
        self.encoded_identifier = identifier if isinstance(identifier, bytes) else recipient_identifier(identifier)
        self.share_ephemeral = share_ephemeral
        self.curve = curve or curves.supported(self.public_key)

    @property
    def public_key(self) -> curves.PublicKey:
        """The key."""
        if isinstance(self._public_key, bytes):
            self._public_key = curves.public_key_from(self.curve, self._public_key)
        return self._public_key

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Wrap ``key`` with what a new key and this one agree on."""
        return self.wrap_together((self,), key)

    @property
    def group(self) -> str | None:
        """The curve, whose recipients are wrapped for together; None keeps to itself."""
        return self.curve.name if self.share_ephemeral else None

    @staticmethod
    def wrap_together(recipients: Sequence[KeyAgreementRecipient], key: SessionKey) -> WrappedKey:
        """Wrap ``key`` with what one new key and each of the recipients' agree on; all are on one curve.

        Each gets a key-encryption key of its own, because their own keys differ.
        """
        curve = recipients[0].curve
        wrap = key_wrap_for(len(key))
        info = shared_info(key_info(wrap), None, wrap.key_size * 8)
        ephemeral = curves.generate(curve)
        threads = _THREADS if curve.is_parameter else 1  # X25519 and X448 hold Python's lock
        agree = curves.agreeing(curve, ephemeral)
        try:
            secrets = in_parts(lambda members: [agree(member.public_key) for member in members], recipients, threads)
        except ValueError as error:
            raise MalformedError("a recipient's public key agrees on no secret with any other") from error
        encrypted_keys = []
        for member, secret in zip(recipients, secrets, strict=True):
            with derive(curve.agreement, secret, info, b"", wrap.key_size) as key_encryption_key:
                erase(secret)
                encrypted = aes_key_wrap(key_encryption_key.material, key.material)
            encrypted_keys.append(recipient_encrypted_key(member.encoded_identifier, encrypted))
        return encode(curve, curves.point_of(ephemeral.public_key()), wrap, encrypted_keys, len(key))


class KeyAgreementIdentity:
    """An EC, X25519 or X448 private key, with or without the certificate that names its owner.

    It answers to the same names as an RSA key does. A bare key tries whatever is not for another
    curve.

    Args:
        private_key: the key.
        certificate: its certificate, or None.
        originators: certificates of senders who name their own key instead of making one for each
            message (RFC 5652, 6.2.2), which is rare.
        originator_info: the encoded OriginatorInfo of a message, in which such a certificate may be too.

    Raises:
        CredentialError: the key's curve is not supported.
    """

    def __init__(
        self,
        private_key: PrivateKey,
        certificate: Certificate | None = None,
        originators: Iterable[Certificate] = (),
        originator_info: bytes | None = None,
    ) -> None:
        public_key = private_key.public_key.loaded()
        if not accepts(public_key):
            raise CredentialError("the private key is not an EC, X25519 or X448 key")
        self._curve = curves.supported(public_key)
        self._private_key = private_key
        self._certificate = certificate
        self._names = OwnNames(public_key, certificate)
        self._bare = certificate is None
        self._originators = tuple(originators)
        self._originator_info = originator_info

    @property
    def names(self) -> OwnNames:
        """The names it goes by."""
        return self._names

    def with_originator_info(self, info: bytes) -> KeyAgreementIdentity:
        """Return the same identity for one message, in whose encoded OriginatorInfo its sender's certificate may be."""
        return KeyAgreementIdentity(self._private_key, self._certificate, self._originators, info)

    def matching(self, wrapped: Sequence[WrappedKey]) -> list[WrappedKey]:
        """Return those of ``wrapped`` that are addressed to this identity, judged by public fields alone.

        Of one that is addressed to several recipients, the part for this identity's certificate is returned.

        Raises:
            MessageError: one that may be is broken, or its algorithm is not spoken here.
        """
        return [part for part, _ in self._infos(wrapped)]

    def unwrap(self, wrapped: Sequence[WrappedKey]) -> SessionKey:
        """Return the session key from the first that is addressed to this identity, or a decoy (RFC 3218).

        Raises:
            NoMatchError: none of them is.
            MessageError: one that may be is broken, or its algorithm is not spoken here.
        """
        for part, info in self._infos(wrapped):
            return self._open(info, part.key_size)
        raise NoMatchError(identities=[str(self)])

    def _infos(self, wrapped: Sequence[WrappedKey]) -> Iterator[tuple[WrappedKey, KeyAgreeRecipientInfo]]:
        """Find and decode what is for this identity, recipient by recipient or, for a bare key, all at once.

        A bare key cannot know by which of several names it goes. That costs it no trials: the keys of one
        recipient info follow from one agreement, and whether one fits is seen by its own checksum.
        """
        for candidate in wrapped:
            if candidate.encoded[0] != TAG or not self._names.may_stand_in(candidate.encoded):
                continue
            for part in (candidate,) if self._bare else split(candidate, self._names.may_stand_in):
                if info := self._info(part):
                    yield part, info
                    break  # nobody needs it twice, and thousands of parts would fill the memory

    def _info(self, part: WrappedKey) -> KeyAgreeRecipientInfo | None:
        """Decode it and keep what may be for this identity, or return None if nothing is."""
        found = fields(part)
        own = tuple([member for member in found.encrypted_keys if self._names.include(member.recipient)])
        if not own:
            return None
        info = interpret(found._replace(encrypted_keys=own))
        if self._bare and isinstance(info.originator, OriginatorKey):
            try:
                self._check_curve(info.originator)
                curves.public_key_from(self._curve, info.originator.point)
            except MalformedError:  # not on this key's curve: it is for somebody else
                return None
        return info

    def _open(self, info: KeyAgreeRecipientInfo, size: int) -> SessionKey:
        """Decrypt, or make a decoy of the right size, so that what follows is the same either way.

        The decoy depends on the key and the message, so that it stays the same when a message is sent
        twice, as a real key would.
        """
        ukm, wrap = info.user_keying_material, info.wrap
        info_for_key = shared_info(info.key_info, ukm, wrap.key_size * 8)
        decoy = b""
        with SessionKey.adopt(self._private_key.exchange(self._point(info.originator))) as secret:
            for salt in dict.fromkeys((ukm or b"", b"")):  # Bouncy Castle 1.86 leaves HKDF's salt out (RFC 8418, 2.2)
                with derive(info.algorithm, secret.material, info_for_key, salt, wrap.key_size) as key:
                    for member in info.encrypted_keys:
                        if opened := unwrap(wrap, key.material, member.encrypted_key, size):
                            return opened
                    decoy = hmac.digest(key.material, info.encrypted_keys[0].encrypted_key, "sha512")
        return SessionKey(bytearray(decoy[:size]), proof=Proof.REFUTED)

    def _point(self, originator: RecipientIdentifier | OriginatorKey) -> bytes:
        """Return the sender's public key as a point, of which the private key says whether it is on the curve.

        Raises:
            MalformedError: it is none on this identity's curve, or the certificates in the message are broken.
            LimitError: those certificates are too many or too large.
            MessageError: it is in a certificate that is not at hand.
        """
        if isinstance(originator, OriginatorKey):
            self._check_curve(originator)
            return originator.point
        public_key = self._senders.key_of(originator)
        if public_key is None:
            raise MessageError(f"the certificate of the originator is not at hand: {_name(originator)}")
        if curves.curve_of(public_key) != self._curve:
            raise MalformedError(f"the originator's public key is not on {self._curve.name}")
        return curves.point_of(public_key)

    @cached_property
    def _senders(self) -> Senders:
        from smime_session.recipients.senders import Senders  # few messages name one

        return Senders(self._originators, self._originator_info)

    def _check_curve(self, originator: OriginatorKey) -> None:
        if originator.curve is None and not self._curve.is_parameter:
            raise MalformedError(f"the originator's public key is an EC key, not one on {self._curve.name}")
        if originator.curve not in (None, self._curve):
            raise MalformedError(f"the originator's public key is not on {self._curve.name}")

    def __str__(self) -> str:
        return self._names.describe(f"{self._curve.name} private key")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"
