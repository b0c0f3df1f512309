"""The kinds of recipients: a table, and what is asked of whichever kind a recipient info or a key is of.

A new kind is one new file beside this one, with a :class:`~smime_session.recipients.kind.Kind`, and one
row of :data:`TABLE`; nothing else knows a kind by name. Its module is loaded when one of its recipient
infos or keys is met, because one mail mostly needs one.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeGuard, cast, runtime_checkable

from smime_session.algorithms import CURVES, KEM_RECIPIENT_OID, KEMS, name_of
from smime_session.cms import codec
from smime_session.errors import MalformedError, MessageError, RecipientError
from smime_session.recipients.kind import Kind, summary
from smime_session.streams.parallel import in_parts

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from smime_session.certificates.public_key import PublicKey
    from smime_session.cms.values import WrappedKey
    from smime_session.profiles import Policy, Profile
    from smime_session.recipients.client_rules import KeyRule
    from smime_session.recipients.kind import KeyKind, KeyType
    from smime_session.recipients.naming import OwnNames
    from smime_session.recipients.summary import RecipientSummary
    from smime_session.session_key import SessionKey


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


class LaboriousIdentity(SelectiveIdentity, Protocol):
    """An identity that does as much work as the author of a message chooses, within a limit."""

    def with_policy(self, policy: Policy) -> LaboriousIdentity:
        """Return the same identity, with the limit of ``policy``."""
        ...

    def iterations_for(self, wrapped: WrappedKey) -> int:
        """Return how many iterations of PBKDF2 unwrapping takes."""
        ...


@runtime_checkable
class NamedIdentity(Identity, Protocol):
    """An identity that goes by the names of one key."""

    @property
    def names(self) -> OwnNames:
        """The names, to be compared with those in a message."""
        ...


def is_selective(identity: Identity) -> TypeGuard[SelectiveIdentity]:
    """Tell whether an identity knows what is addressed to it."""
    return hasattr(identity, "matching")  # asking the protocol itself takes ten times as long


def may_need_senders(identity: Identity) -> TypeGuard[AgreeingIdentity]:
    """Tell whether an identity can use certificates of senders."""
    return hasattr(identity, "with_originator_info")


def is_laborious(identity: Identity) -> TypeGuard[LaboriousIdentity]:
    """Tell whether the author of a message chooses how much work an identity does."""
    return hasattr(identity, "iterations_for")


def is_locked(identity: Identity) -> bool:
    """Tell whether a passphrase may be wanted before an identity can read."""
    return getattr(identity, "locked", False)


class Row(NamedTuple):
    """What is known of a kind of recipient before its module is loaded.

    Attributes:
        name: the kind's name for people, which also selects recipients that have no other name.
        module: where the kind is, as ``KIND``.
        tag: of its RecipientInfo (RFC 5652, 6.2).
        other: the object identifier of its OtherRecipientInfo (RFC 5652, 6.2.5); empty with another tag.
        keys: the kinds of public key (:attr:`PublicKey.kind`) that it is for; none if it is for secrets.
    """

    name: str
    module: str
    tag: int
    other: str = ""
    keys: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """The kind itself."""
        kind: Kind = import_module(self.module).KIND
        return kind


TABLE: Final = (
    Row("key transport", "smime_session.recipients.rsa", codec.KEY_TRANSPORT_TAG, keys=("RSA",)),
    Row(
        "key agreement",
        "smime_session.recipients.ecdh",
        codec.KEY_AGREEMENT_TAG,
        keys=tuple(curve.name for curve in CURVES.values()),
    ),
    Row(
        "key encapsulation",
        "smime_session.recipients.kem",
        codec.OTHER_TAG,
        KEM_RECIPIENT_OID,
        keys=tuple(kem.name for kem in KEMS.values()),
    ),
    Row("pre-shared key", "smime_session.recipients.shared_key", codec.KEK_TAG),
    Row("password", "smime_session.recipients.password", codec.PASSWORD_TAG),
)
"""The kinds of recipients, the usual first."""


def row_of(wrapped: WrappedKey) -> Row | None:
    """Return the row of a recipient info's kind, or None if it has none.

    Raises:
        MalformedError: it is a broken OtherRecipientInfo.
    """
    tag = wrapped.encoded[0]
    other = codec.other_recipient_info(wrapped.encoded)[0] if tag == codec.OTHER_TAG else ""
    return next((row for row in TABLE if row.tag == tag and row.other == other), None)


def _kind_of(wrapped: WrappedKey) -> Kind:
    """Return a recipient info's kind; what has none, or is broken, has nothing special about it."""
    try:
        row = row_of(wrapped)
    except MalformedError:
        row = None
    return row.kind if row else Kind()


def kind_for(public_key: PublicKey) -> KeyKind | None:
    """Return the kind of recipient that a public key makes, or None if it makes none."""
    row = next((row for row in TABLE if public_key.kind in row.keys), None)
    return cast("KeyKind", row.kind) if row else None


def kinds_of(wrapped: Iterable[WrappedKey]) -> frozenset[str]:
    """Return the names of the kinds of recipients that a message has; those that have none here are not among them."""
    tags: dict[int, list[WrappedKey]] = {}
    for key in wrapped:
        tags.setdefault(key.encoded[0], []).append(key)
    of_one_kind = (keys if tag == codec.OTHER_TAG else keys[:1] for tag, keys in tags.items())
    rows = (row_of(key) for keys in of_one_kind for key in keys)
    return frozenset(row.name for row in rows if row)


def key_types() -> dict[str, KeyType]:
    """Return the types of key that a new identity can have, by their names on the command line."""
    kinds = [cast("KeyKind", row.kind) for row in TABLE if row.keys]
    return {name: key_type for kind in kinds for name, key_type in kind.key_types().items()}


def client_rules(name: str) -> Mapping[str, Sequence[KeyRule]]:
    """Return what the kind of that name says about mail programs; nothing if there is none."""
    return next((row.kind.client_rules() for row in TABLE if row.name == name), {})


def is_for_certificates(name: str) -> bool:
    """Tell whether recipients of the kind of that name have a certificate, and not a secret."""
    return any(row.keys for row in TABLE if row.name == name)


def summarize(wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
    """Describe a recipient info, one summary for each recipient in it; a broken one as far as it goes."""
    name, oid = "unknown", None
    try:
        if row := row_of(wrapped):
            name = row.name
            return tuple([replace(one, technique=name) for one in row.kind.summarize(wrapped)])
        if wrapped.encoded[0] == codec.OTHER_TAG:
            name, (oid, _) = "other", codec.other_recipient_info(wrapped.encoded)
    except MessageError as error:
        return (summary(technique=name, problem=str(error)),)
    return (summary(technique=name, algorithm=oid and (name_of(oid) or oid), algorithm_oid=oid),)


def each(wrapped: WrappedKey) -> tuple[WrappedKey, ...]:
    """Take a recipient info apart: one for each recipient in it; what has only one, or is broken, stays whole."""
    try:
        return tuple(_kind_of(wrapped).split(wrapped)) or (wrapped,)
    except MessageError:
        return (wrapped,)


def together(parts: Sequence[WrappedKey]) -> WrappedKey:
    """Make one recipient info of some of those that :func:`each` made of another."""
    return _kind_of(parts[0]).join(parts)


def identifier_of(part: WrappedKey) -> Hashable | None:
    """Return what names the recipient of a recipient info; None if nothing does, or it cannot be read."""
    try:
        return _kind_of(part).identifier(part)
    except MessageError:
        return None


def anonymous_name(part: WrappedKey) -> str | None:
    """Return the name of a recipient info's kind if nothing tells its recipients from each other, else None."""
    try:
        row = row_of(part)
    except MalformedError:
        return None
    return row.name if row and row.kind.ANONYMOUS else None


def legacy_algorithm(wrapped: WrappedKey) -> str | None:
    """Return the name of an algorithm in a recipient info that is only read with ``insecure_legacy``, or None."""
    return _kind_of(wrapped).legacy_algorithm(wrapped)


def check_limits(wrapped: Sequence[WrappedKey], policy: Policy) -> None:
    """Check that reading with ``policy`` accepts a message with these recipient infos, whatever their kinds.

    Raises:
        LimitError: it does not.
    """
    tags: dict[int, list[WrappedKey]] = {}
    for key in wrapped:
        tags.setdefault(key.encoded[0], []).append(key)
    kinds: dict[Kind, list[WrappedKey]] = {}
    for tag, some in tags.items():
        if tag == codec.OTHER_TAG:
            for key in some:
                kinds.setdefault(_kind_of(key), []).append(key)
        else:
            kinds[_kind_of(some[0])] = some  # there is one kind for each of the other tags
    for kind, some in kinds.items():
        kind.check_limits(some, policy)


def refuse_classical(wrapped: Sequence[WrappedKey], profile: Profile) -> None:
    """Refuse whatever is wrapped without a post-quantum public key if ``profile`` does, however it was made.

    Passwords and shared keys are no exception: a quantum computer does not break them, but guessing or
    a copy does.

    Raises:
        RecipientError: there is such a wrapped key; it names every one.
    """
    if not profile.post_quantum_only:
        return
    refused = [
        f"{summary.name} has no post-quantum {'public ' if summary.post_quantum else ''}key ({summary.algorithm}), "
        f"which profile {profile.name} requires"
        for key in wrapped
        for summary in summarize(key)
        if not summary.post_quantum or not is_for_certificates(summary.technique)
    ]
    if refused:
        raise RecipientError(refused)


def names_of(wrapped: Sequence[WrappedKey]) -> list[str]:
    """Name the first recipients of an envelope, with the kind of each, and count the rest."""
    everyone = [single for key in wrapped for single in each(key)]
    named = [summary.description for single in everyone[:MOST_NAMED] for summary in summarize(single)]
    if len(everyone) > MOST_NAMED:
        named.append(f"and {len(everyone) - MOST_NAMED:,} more")
    return named


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


def matching(identity: Identity, wrapped: Sequence[WrappedKey]) -> list[WrappedKey]:
    """Return those of ``wrapped`` that are addressed to ``identity``, as far as it can tell without its private key."""
    return identity.matching(wrapped) if is_selective(identity) else []
