"""Key agreement: the session key wrapped with what a new key and the recipient's agree on (RFC 5652, 6.2.2).

ECDH on the NIST and Brainpool curves (RFC 5753) and on X25519 and X448 (RFC 8418). Nothing here tells
whether an encrypted key opened: a decoy takes its place, as in key transport. What is said depends on
public fields alone. One recipient info may hold the session key for several recipients, who share the
sender's public key.
"""

from __future__ import annotations

import hmac
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar, Final

from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from smime_session.algorithms import AES_256_GCM, CURVES, TRIPLE_DES_WRAP, key_wrap_for, name_of
from smime_session.errors import MalformedError, MessageError
from smime_session.key_derivation import derive
from smime_session.memory import erase
from smime_session.recipients import curves
from smime_session.recipients.client_rules import KeyRule
from smime_session.recipients.ecdh_encoding import (
    TAG,
    Fields,
    KeyAgreeRecipientInfo,
    OriginatorKey,
    algorithms_from,
    decode_single,
    encode,
    fields,
    interpret,
    join,
    key_info,
    originator_from,
    recipient_encrypted_key,
    recipient_identifier,
    shared_info,
    split,
)
from smime_session.recipients.key_wrap import unwrap
from smime_session.recipients.kind import KeyIdentity, KeyKind, KeyRecipient, KeyType, content_read
from smime_session.recipients.senders import Senders
from smime_session.recipients.summary import RecipientSummary, identifier_fields
from smime_session.session_key import Proof, SessionKey
from smime_session.streams.parallel import in_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from smime_session.certificates.certificate import AnyCertificate
    from smime_session.certificates.public_key import PublicKey
    from smime_session.cms.values import RecipientIdentifier, WrappedKey
    from smime_session.keys.private_key import PrivateKey
    from smime_session.profiles import Profile
    from smime_session.recipients.client_rules import KeyTraits
    from smime_session.recipients.kind import Capabilities

_THREADS: Final = 4  # with which agreeing with many becomes faster


# --- who writes, and who reads -----------------------------------------------------------------


class KeyAgreementRecipient(KeyRecipient):
    """A public key that session keys are wrapped for; who it belongs to is encoded once.

    Args:
        public_key: the key.
        identifier: how the envelope names its owner.
        share_ephemeral: whether one new key per message may serve for all recipients on this curve.
        reads: the content-encryption algorithms that its owner is known to read.
    """

    __slots__ = ("curve", "encoded_identifier", "public_key", "share_ephemeral")

    def __init__(
        self,
        public_key: PublicKey,
        identifier: RecipientIdentifier,
        *,
        share_ephemeral: bool = False,
        reads: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(identifier, reads)
        self.public_key = public_key
        self.encoded_identifier = recipient_identifier(identifier)
        self.share_ephemeral = share_ephemeral
        self.curve = curves.NAMED[public_key.kind]

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
        agree = curves.agreeing(curve, ephemeral)
        threads = _THREADS if curve.is_parameter else 1  # X25519 and X448 hold Python's lock
        try:
            secrets = in_parts(lambda some: [agree(each.public_key.loaded()) for each in some], recipients, threads)
        except ValueError as error:
            raise MalformedError("a recipient's public key agrees on no secret with any other") from error
        encrypted_keys = []
        for recipient, secret in zip(recipients, secrets, strict=True):
            with derive(curve.agreement, secret, info, b"", wrap.key_size) as key_encryption_key:
                erase(secret)
                encrypted = aes_key_wrap(key_encryption_key.material, key.material)
            encrypted_keys.append(recipient_encrypted_key(recipient.encoded_identifier, encrypted))
        return encode(curve, curves.point_of(ephemeral), wrap, encrypted_keys, len(key))


class KeyAgreementIdentity(KeyIdentity[KeyAgreeRecipientInfo]):
    """An EC, X25519 or X448 private key; a bare one tries whatever is not for another curve.

    Args:
        private_key: the key.
        certificate: its certificate, or None.
        originators: certificates of senders who name their own key instead of making one for each
            message (RFC 5652, 6.2.2), which is rare.
        originator_info: the encoded OriginatorInfo of a message, in which such a certificate may be too.
    """

    def __init__(
        self,
        private_key: PrivateKey,
        certificate: AnyCertificate | None = None,
        originators: Iterable[AnyCertificate] = (),
        originator_info: bytes | None = None,
    ) -> None:
        super().__init__(private_key, certificate)
        self._curve = curves.NAMED[private_key.public_key.kind]
        self._certificate = certificate
        self._originators = tuple(originators)
        self._originator_info = originator_info

    def with_originator_info(self, info: bytes) -> KeyAgreementIdentity:
        """Return the same identity for one message, in whose encoded OriginatorInfo its sender's certificate may be."""
        return KeyAgreementIdentity(self._private_key, self._certificate, self._originators, info)

    def _infos(self, wrapped: Sequence[WrappedKey]) -> Iterator[tuple[WrappedKey, KeyAgreeRecipientInfo]]:
        """Find and decode what is for this identity, recipient by recipient or, for a bare key, all at once.

        A bare key cannot know by which of several names it goes. That costs it no trials: the keys of one
        recipient info follow from one agreement, and whether one fits is seen by its own checksum.
        """
        for candidate in wrapped:
            if candidate.encoded[0] != TAG or not self._names.may_stand_in(candidate.encoded):
                continue
            single = decode_single(candidate)
            for part in (candidate,) if single or self._bare else split(candidate, self._names.may_stand_in):
                if info := self._own(single or fields(part)):
                    yield part, info
                    break  # one is enough, and thousands of parts would fill the memory

    def _own(self, found: KeyAgreeRecipientInfo | Fields) -> KeyAgreeRecipientInfo | None:
        """Keep what may be for this identity, or return None if nothing is."""
        own = tuple([member for member in found.encrypted_keys if self._names.include(member.recipient)])
        if not own:
            return None
        info = found if isinstance(found, KeyAgreeRecipientInfo) else interpret(found._replace(encrypted_keys=own))
        if self._bare and isinstance(info.originator, OriginatorKey):
            try:
                self._check_curve(info.originator)
                curves.check_point(self._curve, info.originator.point)
            except MalformedError:  # not on this key's curve: it is for another recipient, if that is not named
                if any(self._names.name(member.recipient) for member in own):
                    raise
                return None
        return info

    def _open(self, info: KeyAgreeRecipientInfo, size: int) -> SessionKey:
        ukm, wrap = info.user_keying_material, info.wrap
        shared = shared_info(info.key_info, ukm, wrap.key_size * 8)
        decoy = b""
        with SessionKey.adopt(self._private_key.exchange(self._point(info.originator))) as secret:
            for salt in dict.fromkeys((ukm or b"", b"")):  # Bouncy Castle 1.86 leaves HKDF's salt out (RFC 8418, 2.2)
                with derive(info.algorithm, secret.material, shared, salt, wrap.key_size) as key:
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
        if public_key.kind != self._curve.name:
            raise MalformedError(f"the originator's public key is not on {self._curve.name}")
        return public_key.octets

    @cached_property
    def _senders(self) -> Senders:
        return Senders(self._originators, self._originator_info)

    def _check_curve(self, originator: OriginatorKey) -> None:
        if originator.curve is None and not self._curve.is_parameter:
            raise MalformedError(f"the originator's public key is an EC key, not one on {self._curve.name}")
        if originator.curve not in (None, self._curve):
            raise MalformedError(f"the originator's public key is not on {self._curve.name}")


def _name(identifier: RecipientIdentifier) -> str:
    return RecipientSummary(**identifier_fields(identifier)).name


# --- the kind ----------------------------------------------------------------------------------


class KeyAgreementKind(KeyKind):
    """Key agreement with ECDH."""

    KEY_USAGE: ClassVar = "key_agreement"

    def unfit(self, public_key: PublicKey, profile: Profile) -> str | None:
        """Say why ``profile`` must not use this key, or None if it may."""
        del profile  # any may
        return (
            None
            if curves.is_sound(public_key)
            else f"has an {public_key.kind} key that agrees on no secret with any other"
        )

    def recipient(
        self,
        public_key: PublicKey,
        identifier: RecipientIdentifier,
        profile: Profile,
        capabilities: Capabilities = (),
    ) -> KeyAgreementRecipient:
        """Make a recipient; on X25519 and X448 are only programs that read AES-256-GCM, which is older (RFC 8418)."""
        known = frozenset() if curves.NAMED[public_key.kind].is_parameter else frozenset({AES_256_GCM.oid})
        return KeyAgreementRecipient(
            public_key,
            identifier,
            share_ephemeral=profile.share_ephemeral,
            reads=content_read(capabilities, known),
        )

    def identity(
        self, private_key: PrivateKey, certificate: AnyCertificate | None, others: Sequence[AnyCertificate] = ()
    ) -> KeyAgreementIdentity:
        """Make an identity from a private key."""
        return KeyAgreementIdentity(private_key, certificate, others)

    def identifier(self, part: WrappedKey) -> RecipientIdentifier | None:
        """Return whose key it is; None if it is for several recipients."""
        members = fields(part).encrypted_keys
        return members[0].recipient if len(members) == 1 else None

    def split(self, wrapped: WrappedKey) -> Iterator[WrappedKey]:
        """Take a KeyAgreeRecipientInfo apart."""
        return split(wrapped)

    def join(self, parts: Sequence[WrappedKey]) -> WrappedKey:
        """Put parts of a KeyAgreeRecipientInfo together again."""
        return join(parts)

    def legacy_algorithm(self, wrapped: WrappedKey) -> str | None:
        """Return ``Triple-DES key wrap`` if that is what wraps the session key."""
        single = decode_single(wrapped)
        wrap = single.wrap if single else algorithms_from(fields(wrapped).algorithm)[1]
        return wrap.name if wrap == TRIPLE_DES_WRAP else None

    def summarize(self, wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
        """Describe a KeyAgreeRecipientInfo, one summary for each recipient."""
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
            parameters["ukm"] = f"{len(found.user_keying_material):,} bytes"
        oid = found.algorithm.oid
        return tuple(
            RecipientSummary(
                algorithm=name_of(oid) or oid,
                algorithm_oid=oid,
                parameters=parameters,
                encrypted_key_size=len(member.encrypted_key),
                problem=problem,
                **identifier_fields(member.recipient),
            )
            for member in found.encrypted_keys
        )

    def client_rules(self) -> Mapping[str, Sequence[KeyRule]]:
        """Return what mail programs open."""

        def is_on(*beginnings: str) -> Callable[[KeyTraits], bool]:
            return lambda key: key.curve is not None and key.curve.startswith(beginnings)

        openssl = (
            KeyRule(is_on("P-", "brainpool"), "yes", "it agrees on keys on NIST and Brainpool curves"),
            KeyRule(is_on(""), "no", "it agrees on keys on NIST and Brainpool curves only"),
        )
        return {
            "Thunderbird": (
                KeyRule(is_on("P-"), "yes", "it agrees on keys on NIST curves"),
                KeyRule(is_on("brainpool"), "no", "it does not agree on keys on Brainpool curves"),
                KeyRule(is_on("X"), "no", "it takes no keys on X25519 or X448"),
            ),
            "gpgsm": (
                KeyRule(
                    lambda key: key.follows,
                    "no",
                    "it finds only the first of the recipients that share an ephemeral key",
                ),
                KeyRule(
                    is_on("P-", "brainpool"), "yes", "it agrees on keys on NIST and Brainpool curves since GnuPG 2.3"
                ),
            ),
            "Mutt and NeoMutt with OpenSSL": openssl,
            "OpenSSL": openssl,
        }

    def key_types(self) -> Mapping[str, KeyType]:
        """Return a key on each curve; those of X25519 and X448 do not sign (RFC 8410, 5)."""
        signing, only_agreeing = frozenset({"digital_signature", "key_agreement"}), frozenset({"key_agreement"})
        return {
            curve.name.replace("-", "").lower(): KeyType(
                partial(curves.generate, curve),
                signing if curve.is_parameter else only_agreeing,
                signs=curve.is_parameter,
            )
            for curve in CURVES.values()
        }


KIND: Final = KeyAgreementKind()
