"""Key agreement: the session key wrapped with what a new key and the recipient's agree on (RFC 5652, 6.2.2).

ECDH on the NIST and Brainpool curves (RFC 5753) and on X25519 and X448 (RFC 8418). Whether an
encrypted key opened is told to nobody: a decoy takes its place, as in key transport. What is said
depends on public fields alone.

The secret that two keys agree on, and what hashing makes of it, are ``bytes`` in all libraries at
hand, which cannot be overwritten; they are dropped at once.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from smime_session.algorithms import KEY_WRAPS, TRIPLE_DES_WRAP, name_of
from smime_session.cms import key_agree
from smime_session.cms.structures import OriginatorKey, RecipientIdentifier
from smime_session.errors import CredentialError, MalformedError, MessageError, NoMatchError
from smime_session.recipients import curves
from smime_session.recipients.key_wrap import unwrap
from smime_session.recipients.naming import OwnNames
from smime_session.recipients.summary import RecipientSummary, identifier_fields
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cryptography import x509

    from smime_session.algorithms import Curve, KeyAgreement, KeyWrap
    from smime_session.cms.structures import KeyAgreeRecipientInfo, WrappedKey
    from smime_session.profiles import Profile

TAG: Final = key_agree.TAG
KEY_USAGE: Final = "key_agreement"

_WRAPS: Final = {wrap.key_size: wrap for wrap in KEY_WRAPS.values()}


def accepts(public_key: object) -> bool:
    """Tell whether this is an EC, X25519 or X448 key."""
    return isinstance(public_key, ec.EllipticCurvePublicKey | x25519.X25519PublicKey | x448.X448PublicKey)


def unfit(public_key: object, _profile: Profile) -> str | None:
    """Say why this key must not be used, or None if it may."""
    key = _public(public_key)
    curve = curves.curve_of(key)
    if curve is None:
        return f"has an EC key on a curve that is not supported: {_curve_name(key)}"
    try:
        curves.agree(_probe(curve), key)
    except MalformedError:
        return f"has an {curve.name} key that agrees on no secret with any other"
    return None


def recipient(public_key: object, identifier: RecipientIdentifier, profile: Profile) -> KeyAgreementRecipient:
    """Prepare a recipient."""
    return KeyAgreementRecipient(_public(public_key), identifier, share_ephemeral=profile.share_ephemeral)


def identity(
    private_key: object, certificate: x509.Certificate | None, originators: Sequence[x509.Certificate] = ()
) -> KeyAgreementIdentity:
    """Make an identity from a private key.

    Raises:
        CredentialError: its curve is not supported.
    """
    if not isinstance(private_key, ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey):
        raise CredentialError("the private key is not an EC, X25519 or X448 key")
    return KeyAgreementIdentity(private_key, certificate, originators)


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
        parameters["key wrap"] = wrap.name
        originator = key_agree.originator_from(found.originator)
    except MessageError as error:
        problem = str(error)
    else:
        if not isinstance(originator, OriginatorKey):
            parameters["originator"] = RecipientSummary(technique="", **identifier_fields(originator)).name
        elif originator.curve:
            parameters["curve"] = originator.curve.name
    if found.user_keying_material is not None:
        parameters["user keying material"] = found.user_keying_material.hex()
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
    _, wrap, _ = key_agree.algorithms_from(key_agree.fields(wrapped).algorithm)
    return wrap.name if wrap == TRIPLE_DES_WRAP else None


def _public(public_key: object) -> curves.PublicKey:
    if not isinstance(public_key, ec.EllipticCurvePublicKey | x25519.X25519PublicKey | x448.X448PublicKey):
        raise CredentialError("the public key is not an EC, X25519 or X448 key")
    return public_key


def _known_curve(key: curves.PublicKey | curves.PrivateKey) -> Curve:
    curve = curves.curve_of(key)
    if curve is None:
        raise CredentialError(f"the key is on an elliptic curve that is not supported: {_curve_name(key)}")
    return curve


def _curve_name(key: curves.PublicKey | curves.PrivateKey) -> str:
    known_by = ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey
    return key.curve.name if isinstance(key, known_by) else type(key).__name__


@cache
def _probe(curve: Curve) -> curves.PrivateKey:
    """Return a private key that does nothing but try public keys out."""
    return curves.generate(curve)


@cache
def _shared_info(wrap: KeyWrap) -> bytes:
    return key_agree.shared_info(key_agree.key_info(wrap), None, wrap.key_size * 8)


def derive(algorithm: KeyAgreement, secret: bytes, info: bytes, salt: bytes, size: int) -> bytes:
    """Derive a key-encryption key from the secret that two keys agree on.

    ``hashlib`` and ``hmac`` take a third of the time of the cryptography library's objects.

    Args:
        algorithm: names the derivation: X9.63 (RFC 8418, 2.1) or HKDF (RFC 8418, 2.2; RFC 5869).
        secret: what the keys agree on.
        info: the encoded ECC-CMS-SharedInfo.
        salt: HKDF's salt, empty for none.
        size: octets of key.
    """
    name = algorithm.hash.replace("-", "").lower()
    if algorithm.kdf == "HKDF":
        pseudorandom = hmac.digest(salt, secret, name)  # to HMAC no salt is the same as one of zeros
        key = block = hmac.digest(pseudorandom, info + b"\x01", name)
        for count in range(2, -(-size // len(block)) + 1):
            block = hmac.digest(pseudorandom, block + info + bytes((count,)), name)
            key += block
        return key[:size]
    key = b""
    for count in range(1, -(-size // hashlib.new(name).digest_size) + 1):
        key += hashlib.new(name, b"".join((secret, count.to_bytes(4, "big"), info))).digest()
    return key[:size]


class KeyAgreementRecipient:
    """A public key that session keys are wrapped for; who it belongs to is encoded once.

    Args:
        public_key: the key.
        identifier: how the envelope names its owner.
        share_ephemeral: whether one new key per message may serve for all recipients on this curve.

    Raises:
        CredentialError: the key's curve is not supported.
    """

    __slots__ = ("_encoded_identifier", "_public_key", "curve", "share_ephemeral")

    def __init__(
        self, public_key: curves.PublicKey, identifier: RecipientIdentifier, *, share_ephemeral: bool = False
    ) -> None:
        self.curve = _known_curve(public_key)
        self.share_ephemeral = share_ephemeral
        self._public_key = public_key
        self._encoded_identifier = key_agree.recipient_identifier(identifier)

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Wrap ``key`` with what a new key and this one agree on."""
        return self.wrap_together((self,), key)

    @property
    def group(self) -> Curve | None:
        """Those with the same curve here are wrapped for together; None keeps to itself."""
        return self.curve if self.share_ephemeral else None

    @staticmethod
    def wrap_together(recipients: Sequence[KeyAgreementRecipient], key: SessionKey) -> WrappedKey:
        """Wrap ``key`` with what one new key and each of the recipients' agree on; all are on one curve.

        Each gets a key-encryption key of its own, because their own keys differ.
        """
        curve = recipients[0].curve
        wrap = _WRAPS[len(key)]  # as large as the session key: RFC 8551, 2.3
        ephemeral = curves.generate(curve)
        encrypted_keys = [member._encrypt(ephemeral, wrap, key) for member in recipients]
        return key_agree.encode(curve, curves.point_of(ephemeral.public_key()), wrap, encrypted_keys, len(key))

    def _encrypt(self, ephemeral: curves.PrivateKey, wrap: KeyWrap, key: SessionKey) -> bytes:
        secret = curves.agree(ephemeral, self._public_key)
        key_encryption_key = derive(self.curve.agreement, secret, _shared_info(wrap), b"", wrap.key_size)
        encrypted = aes_key_wrap(key_encryption_key, key.material)
        return key_agree.recipient_encrypted_key(self._encoded_identifier, encrypted)


class KeyAgreementIdentity:
    """An EC, X25519 or X448 private key, with or without the certificate that names its owner.

    It answers to the same names as an RSA key does. A bare key tries whatever is not for another
    curve.

    Args:
        private_key: the key.
        certificate: its certificate, or None.
        originators: certificates of senders who name their own key instead of making one for each
            message (RFC 5652, 6.2.2), which is rare.

    Raises:
        CredentialError: the key's curve is not supported.
    """

    def __init__(
        self,
        private_key: curves.PrivateKey,
        certificate: x509.Certificate | None = None,
        originators: Iterable[x509.Certificate] = (),
    ) -> None:
        self._curve = _known_curve(private_key)
        self._private_key = private_key
        self._names = OwnNames(private_key.public_key(), certificate)
        self._bare = certificate is None
        self._originators = tuple(originators)

    def matching(self, wrapped: Sequence[WrappedKey]) -> list[WrappedKey]:
        """Return those of ``wrapped`` that are addressed to this identity, judged by public fields alone.

        Of one that is addressed to several recipients, the part for this identity is returned.

        Raises:
            MessageError: one that may be is broken, or its algorithm is not spoken here.
        """
        return [single for single, _ in self._infos(wrapped)]

    def unwrap(self, wrapped: Sequence[WrappedKey]) -> SessionKey:
        """Return the session key from the first that is addressed to this identity, or a decoy (RFC 3218).

        Raises:
            NoMatchError: none of them is.
            MessageError: one that may be is broken, or its algorithm is not spoken here.
        """
        for single, info in self._infos(wrapped):
            return self._open(info, single.key_size)
        raise NoMatchError(identities=[str(self)])

    def _infos(self, wrapped: Sequence[WrappedKey]) -> Iterator[tuple[WrappedKey, KeyAgreeRecipientInfo]]:
        """Find and decode what is for this identity, recipient by recipient."""
        for candidate in wrapped:
            if candidate.encoded[0] != TAG or not self._names.may_stand_in(candidate.encoded):
                continue
            for single in key_agree.split(candidate):
                if self._names.may_stand_in(single.encoded) and (info := self._info(single)):
                    yield single, info

    def _info(self, single: WrappedKey) -> KeyAgreeRecipientInfo | None:
        if not self._names.include(key_agree.fields(single).encrypted_keys[0].recipient):
            return None
        info = key_agree.decode(single)
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
        secret = curves.agree(self._private_key, self._public_key(info.originator))
        ukm, bits = info.user_keying_material, info.wrap.key_size * 8
        shared_info = key_agree.shared_info(info.key_info, ukm, bits)
        key = derive(info.algorithm, secret, shared_info, ukm or b"", info.wrap.key_size)
        encrypted = info.encrypted_keys[0].encrypted_key
        opened = unwrap(info.wrap, key, encrypted)
        decoy = hashlib.sha512(key + encrypted).digest()[:size]
        return SessionKey(bytearray(opened if opened is not None and len(opened) == size else decoy))

    def _public_key(self, originator: RecipientIdentifier | OriginatorKey) -> curves.PublicKey:
        """Return the sender's public key.

        Raises:
            MalformedError: it is none on this identity's curve.
            MessageError: it is in a certificate that is not at hand.
        """
        if isinstance(originator, OriginatorKey):
            return self._originator_key(originator)
        for certificate in self._originators:
            public_key = certificate.public_key()
            if accepts(public_key) and OwnNames(public_key, certificate).include(originator):
                return _public(public_key)
        name = RecipientSummary(technique="", **identifier_fields(originator)).name
        raise MessageError(f"the certificate of the originator is not at hand: {name}")

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
