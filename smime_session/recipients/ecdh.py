"""Key agreement: the session key wrapped with what a new key and the recipient's agree on (RFC 5652, 6.2.2).

ECDH on the NIST and Brainpool curves (RFC 5753) and on X25519 and X448 (RFC 8418). Whether an
encrypted key opened is told to nobody: a decoy takes its place, as in key transport. What is said
depends on public fields alone.
"""

from __future__ import annotations

import hmac
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final, TypeGuard

from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from smime_session.algorithms import TRIPLE_DES_WRAP, key_wrap_for, name_of
from smime_session.cms import alike, key_agree
from smime_session.cms.values import OriginatorKey, RecipientIdentifier
from smime_session.errors import CredentialError, MalformedError, MessageError, NoMatchError
from smime_session.memory import erase
from smime_session.recipients import curves
from smime_session.recipients.key_derivation import derive
from smime_session.recipients.key_wrap import unwrap
from smime_session.recipients.naming import OwnNames
from smime_session.recipients.summary import RecipientSummary, identifier_fields
from smime_session.session_key import SessionKey
from smime_session.streams.parallel import in_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from smime_session.algorithms import Curve
    from smime_session.certificates.reader import PlainCertificate
    from smime_session.cms.values import KeyAgreeRecipientInfo, WrappedKey
    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Certificate
    from smime_session.recipients.senders import Senders

TAG: Final = key_agree.TAG
KEY_USAGE: Final = "key_agreement"
POST_QUANTUM: Final = False

_THREADS: Final = 4  # with which agreeing with many becomes faster


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
        curves.agree(_probe(curve), key)
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
    private_key: object, certificate: Certificate | None, others: Sequence[Certificate] = ()
) -> KeyAgreementIdentity:
    """Make an identity from a private key.

    Raises:
        CredentialError: its curve is not supported.
    """
    if not isinstance(private_key, curves.PrivateKey):
        raise CredentialError("the private key is not an EC, X25519 or X448 key")
    return KeyAgreementIdentity(private_key, certificate, others)


def summarize(wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
    """Describe a KeyAgreeRecipientInfo, one summary for each recipient.

    Raises:
        MalformedError: it is broken.
        LimitError: it has too many recipients, or a field of it is too large.
    """
    found = key_agree.fields(wrapped)
    problem, parameters = None, {}
    try:
        _, wrap, _ = key_agree.algorithms_from(found.algorithm)
        parameters["wrap"] = wrap.name
        originator = key_agree.originator_from(found.originator)
    except MessageError as error:
        problem = str(error)
    else:
        if not isinstance(originator, OriginatorKey):
            parameters["originator"] = _name(originator)
        elif curve := originator.curve or curves.curve_through(originator.octets):
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
    usual = alike.decode_key_agreement(wrapped)
    wrap = usual.wrap if usual else key_agree.algorithms_from(key_agree.fields(wrapped).algorithm)[1]
    return wrap.name if wrap == TRIPLE_DES_WRAP else None


def _name(identifier: RecipientIdentifier) -> str:
    fields = identifier_fields(identifier)
    return RecipientSummary(technique="key agreement", parameters={}, encrypted_key_size=None, **fields).name


def _public(public_key: object) -> curves.PublicKey:
    if not accepts(public_key):
        raise CredentialError("the public key is not an EC, X25519 or X448 key")
    return public_key


@cache
def _probe(curve: Curve) -> curves.PrivateKey:
    """Return a private key that does nothing but try public keys out."""
    return curves.generate(curve)


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
        self.encoded_identifier = (
            identifier if isinstance(identifier, bytes) else key_agree.recipient_identifier(identifier)
        )
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
        info = key_agree.shared_info(key_agree.key_info(wrap), None, wrap.key_size * 8)
        ephemeral = curves.generate(curve)
        threads = _THREADS if curve.is_parameter else 1  # X25519 and X448 hold Python's lock
        agree = curves.agreeing(ephemeral)
        try:
            secrets = in_parts(lambda members: [agree(member.public_key) for member in members], recipients, threads)
        except ValueError as error:
            raise MalformedError("a recipient's public key agrees on no secret with any other") from error
        encrypted_keys = []
        for member, secret in zip(recipients, secrets, strict=True):
            with derive(curve.agreement, secret, info, b"", wrap.key_size) as key_encryption_key:
                erase(secret)
                encrypted = aes_key_wrap(key_encryption_key.material, key.material)
            encrypted_keys.append(key_agree.recipient_encrypted_key(member.encoded_identifier, encrypted))
        return key_agree.encode(curve, curves.point_of(ephemeral.public_key()), wrap, encrypted_keys, len(key))


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
        private_key: curves.PrivateKey,
        certificate: Certificate | None = None,
        originators: Iterable[Certificate] = (),
        originator_info: bytes | None = None,
    ) -> None:
        self._curve = curves.supported(private_key)
        self._private_key = private_key
        self._certificate = certificate
        self._names = OwnNames(private_key.public_key(), certificate)
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
            whole = self._bare or alike.decode_key_agreement(candidate) is not None
            for part in (candidate,) if whole else key_agree.split(candidate, self._names.may_stand_in):
                if info := self._info(part):
                    yield part, info
                    break  # nobody needs it twice, and thousands of parts would fill the memory

    def _info(self, part: WrappedKey) -> KeyAgreeRecipientInfo | None:
        """Decode it and keep what may be for this identity, or return None if nothing is."""
        found = alike.decode_key_agreement(part) or key_agree.fields(part)
        own = tuple([member for member in found.encrypted_keys if self._names.include(member.recipient)])
        if not own:
            return None
        if isinstance(found, key_agree.Fields):
            everybody = len(own) == len(found.encrypted_keys)
            info = key_agree.decode(part) if everybody else key_agree.interpret(found._replace(encrypted_keys=own))
        else:
            info = found
        if self._bare and isinstance(info.originator, OriginatorKey):
            try:
                self._originator_key(info.originator)
            except MalformedError:  # not on this key's curve: it is for somebody else
                return None
        return info

    def _open(self, info: KeyAgreeRecipientInfo, size: int) -> SessionKey:
        """Decrypt, or make a decoy of the right size, so that what follows is the same either way.

        The decoy depends on the key and the message, so that it stays the same when a message is sent
        twice, as a real key would.
        """
        ukm, wrap = info.user_keying_material, info.wrap
        shared_info = key_agree.shared_info(info.key_info, ukm, wrap.key_size * 8)
        decoy = b""
        with curves.agree(self._private_key, self._public_key(info.originator)) as secret:
            for salt in dict.fromkeys((ukm or b"", b"")):  # Bouncy Castle 1.86 leaves HKDF's salt out (RFC 8418, 2.2)
                with derive(info.algorithm, secret.material, shared_info, salt, wrap.key_size) as key:
                    for member in info.encrypted_keys:
                        if opened := unwrap(wrap, key.material, member.encrypted_key, size):
                            return opened
                    decoy = hmac.digest(key.material, info.encrypted_keys[0].encrypted_key, "sha512")
        return SessionKey(bytearray(decoy[:size]))

    def _public_key(self, originator: RecipientIdentifier | OriginatorKey) -> curves.PublicKey:
        """Return the sender's public key.

        Raises:
            MalformedError: it is none on this identity's curve, or the certificates in the message are broken.
            LimitError: those certificates are too many or too large.
            MessageError: it is in a certificate that is not at hand.
        """
        if isinstance(originator, OriginatorKey):
            return self._originator_key(originator)
        public_key = self._senders.key_of(originator)
        if public_key is None:
            raise MessageError(f"the certificate of the originator is not at hand: {_name(originator)}")
        if curves.curve_of(public_key) != self._curve:
            raise MalformedError(f"the originator's public key is not on {self._curve.name}")
        return public_key

    @cached_property
    def _senders(self) -> Senders:
        from smime_session.recipients.senders import Senders  # few messages name one

        return Senders(self._originators, self._originator_info)

    def _originator_key(self, originator: OriginatorKey) -> curves.PublicKey:
        if originator.curve is None and not self._curve.is_parameter:
            raise MalformedError(f"the originator's public key is an EC key, not one on {self._curve.name}")
        if originator.curve not in (None, self._curve):
            raise MalformedError(f"the originator's public key is not on {self._curve.name}")
        return curves.public_key_from(self._curve, originator.octets)

    def __str__(self) -> str:
        return self._names.describe(f"{self._curve.name} private key")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"
