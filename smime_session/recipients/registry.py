"""Key management: how one session key reaches each recipient, a file per CMS technique.

Each technique module holds wrapping and unwrapping side by side and offers them through the
same few functions (:class:`Technique`, :class:`KeyTechnique`). A new kind of key is a new module
here and its place in a list below.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeGuard, cast, runtime_checkable

from smime_session.streams.parallel import in_parts

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from cryptography import x509

    from smime_session.certificates.held import HeldCertificate
    from smime_session.certificates.reader import PlainCertificate
    from smime_session.cms.values import RecipientIdentifier, WrappedKey
    from smime_session.keys.private_key import PrivateKey
    from smime_session.profiles import Profile
    from smime_session.recipients.naming import OwnNames
    from smime_session.recipients.summary import RecipientSummary
    from smime_session.session_key import SessionKey

    Certificate = x509.Certificate | HeldCertificate


MOST_NAMED: Final = 10  # recipients named in one sentence; the rest are counted
MOST_TOGETHER: Final = 1000  # recipients in one recipient info: readers take one for small


class Recipient(Protocol):
    """Who can be addressed: the one open joint for wrapping."""

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Encrypt ``key`` for this recipient."""
        ...


class Identity(Protocol):
    """Who can read: the mirror of :class:`Recipient`."""

    def unwrap(self, wrapped: Sequence[WrappedKey]) -> SessionKey:
        """Return the session key from the first of ``wrapped`` that is addressed to this identity.

        A wrapped key that does not decrypt is no error here: the answer is then a random key of
        the right size, and opening the content fails as it does for an altered message (RFC 3218).
        What was found out meanwhile is the key's :attr:`~smime_session.session_key.SessionKey.proof`.

        Raises:
            NoMatchError: none of them is addressed to this identity.
        """
        ...


class GroupRecipient(Recipient, Protocol):
    """A recipient that one recipient info can hold together with others."""

    @property
    def group(self) -> Hashable | None:
        """Recipients with the same group here go together; None keeps to itself."""
        ...

    @staticmethod
    def wrap_together(recipients: Sequence[Any], key: SessionKey) -> WrappedKey:
        """Encrypt ``key`` for each of ``recipients``, all of one group."""
        ...


class SelectiveIdentity(Identity, Protocol):
    """An identity that can tell which wrapped keys are for it without using its private key."""

    def matching(self, wrapped: Sequence[WrappedKey]) -> list[WrappedKey]:
        """Return those of ``wrapped`` that are addressed to this identity, judged by public fields alone."""
        ...


class AgreeingIdentity(Identity, Protocol):
    """An identity that may need the certificate of a sender who uses a key of their own (RFC 5652, 6.2.2)."""

    def with_originator_info(self, info: bytes) -> Identity:
        """Return the same identity for one message, whose encoded OriginatorInfo may hold that certificate."""
        ...


@runtime_checkable
class NamedIdentity(Identity, Protocol):
    """An identity that goes by the names of one key."""

    @property
    def names(self) -> OwnNames:
        """The names, for whoever compares them with those in a message."""
        ...


def is_selective(identity: Identity) -> TypeGuard[SelectiveIdentity]:
    """Tell whether an identity knows what is addressed to it."""
    return hasattr(identity, "matching")  # asking the protocol itself takes ten times as long


def may_need_senders(identity: Identity) -> TypeGuard[AgreeingIdentity]:
    """Tell whether an identity can use certificates of senders."""
    return hasattr(identity, "with_originator_info")


class Technique(Protocol):
    """What each technique module offers for reading.

    Attributes:
        TAG: the tag of its RecipientInfo (RFC 5652, 6.2).
    """

    TAG: int

    def summarize(self, wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
        """Describe a recipient info, one summary for each recipient in it.

        Raises:
            MessageError: it is broken.
        """
        ...

    def legacy_algorithm(self, wrapped: WrappedKey) -> str | None:
        """Return the name of an algorithm in it that is only used with ``insecure_legacy``, or None.

        Raises:
            MessageError: it is broken.
        """
        ...


class KeyTechnique(Technique, Protocol):
    """What a technique module for asymmetric keys offers besides.

    Attributes:
        KEY_USAGE: the key usage bit that a certificate needs (RFC 8550, 4.4.2), named as in
            :class:`cryptography.x509.KeyUsage`.
        POST_QUANTUM: whether its keys withstand a quantum computer.
    """

    KEY_USAGE: str
    POST_QUANTUM: bool

    def accepts(self, public_key: object) -> bool:
        """Tell whether this technique is the one for such a key."""
        ...

    def unfit(self, public_key: object, profile: Profile) -> str | None:
        """Say in a few words why ``profile`` must not use this key, or None if it may."""
        ...

    def recipient(self, public_key: object, identifier: RecipientIdentifier, profile: Profile) -> Recipient:
        """Prepare a recipient: everything that is the same for each message is encoded here, once."""
        ...

    def identity(
        self, private_key: PrivateKey, certificate: Certificate | None, others: Sequence[Certificate] = ()
    ) -> Identity:
        """Make an identity from a private key and, if it is at hand, its certificate.

        Among ``others`` may be that of a sender whose key is needed too.

        Raises:
            CredentialError: it is a key of another kind.
        """
        ...


class PlainTechnique(KeyTechnique, Protocol):
    """What a technique module for keys of plain certificates offers besides."""

    def recipient_of(self, certificate: PlainCertificate, profile: Profile) -> Recipient | None:
        """Prepare a recipient from octets, or return None if ``profile``, whichever, must not use its key."""
        ...


def _key_techniques() -> Iterator[KeyTechnique]:
    """Yield techniques, the usual first, and import each when it is come to: one mail needs one."""
    from smime_session.recipients import rsa as key_transport

    yield key_transport
    from smime_session.recipients import ecdh as key_agreement

    yield key_agreement
    from smime_session.recipients import kem as encapsulation

    yield encapsulation


def _techniques() -> Iterator[Technique]:
    yield from _key_techniques()
    from smime_session.recipients import password
    from smime_session.recipients import shared_key as preshared

    yield preshared
    yield password


def technique_for(public_key: object) -> KeyTechnique | None:
    """Return the technique for a public key, or None if its kind is not spoken here."""
    return next((technique for technique in _key_techniques() if technique.accepts(public_key)), None)


@cache  # there are four kinds
def technique_for_kind(kind: str) -> PlainTechnique:
    """Return the technique for a kind of key in a plain certificate."""
    from smime_session.certificates.reader import RSA

    if kind == RSA:
        from smime_session.recipients import rsa as key_transport

        return key_transport
    from smime_session.recipients import ecdh as key_agreement

    return key_agreement


def _technique_of(wrapped: WrappedKey) -> Technique | None:
    return _technique_with(wrapped.encoded[0])


@cache
def _technique_with(tag: int) -> Technique | None:
    return next((technique for technique in _techniques() if tag == technique.TAG), None)


def wrap_all(recipients: Sequence[Recipient], key: SessionKey) -> tuple[WrappedKey, ...]:
    """Wrap the session key for every recipient, for those of one group (:class:`GroupRecipient`) together.

    Raises:
        RecipientError: a recipient's key cannot be used after all.
    """
    alone: list[Recipient] = []
    groups: dict[Hashable, list[GroupRecipient]] = {}
    for recipient in recipients:
        group = getattr(recipient, "group", None)
        if group is None:
            alone.append(recipient)
        else:
            groups.setdefault(group, []).append(cast("GroupRecipient", recipient))
    wrapped = [recipient.wrap(key) for recipient in alone[:1]]  # makes what the key's users share, before threads do
    if len(alone) > 1:
        threads = min([getattr(recipient, "THREADS", 1) for recipient in alone])
        wrapped += in_parts(lambda part: [recipient.wrap(key) for recipient in part], alone[1:], threads)
    for members in groups.values():
        parts = (members[at : at + MOST_TOGETHER] for at in range(0, len(members), MOST_TOGETHER))
        wrapped += [part[0].wrap_together(part, key) for part in parts]
    return tuple(wrapped)


def each(wrapped: WrappedKey) -> tuple[WrappedKey, ...]:
    """Take a recipient info apart: one for each recipient in it; what has only one, or is broken, stays whole."""
    from smime_session.errors import MessageError
    from smime_session.recipients import ecdh

    if wrapped.encoded[0] != ecdh.TAG:
        return (wrapped,)
    try:
        return tuple(ecdh.split(wrapped)) or (wrapped,)
    except MessageError:
        return (wrapped,)


def refuse_classical(wrapped: Sequence[WrappedKey], profile: Profile) -> None:
    """Refuse whatever is wrapped without ML-KEM if ``profile`` does, whoever prepared the recipients.

    Passwords and shared keys are no exception: a quantum computer does not break them, but guessing or
    a copy does, and the profile promises ML-KEM.

    Raises:
        RecipientError: there is such a wrapped key; it names every one.
    """
    if not profile.post_quantum_only:
        return
    from smime_session.errors import RecipientError
    from smime_session.recipients import kem as encapsulation

    refused = [
        f"{summary.name} has no {'ML-KEM' if summary.post_quantum else 'post-quantum'} key ({summary.algorithm}), "
        f"which profile {profile.name} requires"
        for key in wrapped
        if not encapsulation.is_ml_kem(key)
        for summary in summarize(key)
    ]
    if refused:
        raise RecipientError(refused)


def matching(identity: Identity, wrapped: Sequence[WrappedKey]) -> list[WrappedKey]:
    """Return those of ``wrapped`` that are addressed to ``identity``, as far as it can tell without its private key."""
    return identity.matching(wrapped) if is_selective(identity) else []


def summarize(wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
    """Describe a recipient info, one summary for each recipient in it; a broken one as far as it goes."""
    from smime_session.cms.codec import TECHNIQUES
    from smime_session.errors import MessageError
    from smime_session.recipients.summary import RecipientSummary

    name = TECHNIQUES.get(wrapped.encoded[0], "unknown")
    technique = _technique_of(wrapped)
    if technique is None:
        return (RecipientSummary(technique=name),)
    try:
        return technique.summarize(wrapped)
    except MessageError as error:
        return (RecipientSummary(technique=name, problem=str(error)),)


def legacy_algorithm(wrapped: WrappedKey) -> str | None:
    """Return the name of an algorithm in a recipient info that is only used with ``insecure_legacy``, or None."""
    technique = _technique_of(wrapped)
    return technique.legacy_algorithm(wrapped) if technique else None


def names_of(wrapped: Sequence[WrappedKey]) -> list[str]:
    """Name the first recipients of an envelope, with the technique of each, and count the rest."""
    everyone = [single for key in wrapped for single in each(key)]
    named = [summary.description for single in everyone[:MOST_NAMED] for summary in summarize(single)]
    if len(everyone) > MOST_NAMED:
        named.append(f"and {len(everyone) - MOST_NAMED:,} more")
    return named
