"""Rewrapping: other recipients for a message that stays sealed as it is.

The session key is taken from one recipient info and wrapped for those who are to read the message
besides; the sealed content, its nonce, its tag, all attributes and what is wrapped for those who
stay are copied octet for octet. The tag does not cover the recipients (RFC 5083, 2.2), so this is
sound. Removing a recipient needs no key and revokes nothing: who could read the message may
have kept its session key. Resealing gives the content a new one.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from smime_session.algorithms import name_of
from smime_session.arguments import check_certificate, check_profile, check_recipient, check_several
from smime_session.cms import content_algorithm
from smime_session.cms.envelope import EnvelopeReader, EnvelopeWriter, trailer_size
from smime_session.errors import MessageError
from smime_session.mail.armour import Beginning, armour_of
from smime_session.mail.detection import open_message
from smime_session.mail.objects import M, check_readable, check_writable, like, octets_of
from smime_session.operations.candidates import Candidates
from smime_session.operations.opening import begin, open_content, refuse_unauthenticated
from smime_session.operations.reseal import reseal as reseal_content
from smime_session.operations.roster import Change, Roster, remaining, weakening
from smime_session.operations.sealing import choose, locked_out, refuse_unreadable
from smime_session.profiles import AUTO, DEFAULT, MODERN, Policy, Profile
from smime_session.recipients.from_certificates import recipients_for
from smime_session.streams.outlets import Whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cryptography import x509

    from smime_session.certificates.trust import TrustAnchors
    from smime_session.cms.values import AlgorithmIdentifier, EnvelopeHeader, EnvelopeTrailer
    from smime_session.operations.roster import Selector
    from smime_session.recipients.registry import Identity, Recipient

    ProfileChoice = Profile | Callable[[Profile], Profile] | None
    """A profile; None for the one that is like the message; or what makes another of that one."""


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What rewrapping did.

    Attributes:
        content_encryption: the content-encryption algorithm's name; its object identifier if it has no name here.
        form: what the message was: ``mail``, ``der``, ``pem``, ``base64``, ``quoted-printable`` or ``uuencode``; of
            these, the last two become ``base64``.
        encoding: ``DER``, or ``BER`` where a resealed message's size was not known beforehand.
        kept: how many recipients there were before and still are.
        added: how many are new.
        removed: the names of those who are recipients no longer.
        present: the names of those who were to be added, but were recipients already and stay as they were.
        resealed: whether the content has a new session key.
        authenticated: whether the content was authenticated as it came. What was not may have been altered before,
            and resealing authenticates it as it is.
        weakened_by: the names of those recipients who can be broken by a quantum computer, in a message that
            could not be before (:attr:`~smime_session.operations.inspect.Inspection.post_quantum`).
        locked_out: the mail programs that show the message to none of its recipients any more, because of the kind of
            one that is new (``Thunderbird``).
        repairs: what was damaged around the CMS object, or left there by servers and programs, and is not in the
            result: a clause each.
    """

    content_encryption: str
    form: str
    encoding: Literal["DER", "BER"]
    kept: int
    added: int
    removed: tuple[str, ...]
    present: tuple[str, ...]
    resealed: bool
    authenticated: bool
    weakened_by: tuple[str, ...] = ()
    locked_out: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()


def rewrap(  # noqa: PLR0913  # a choice each
    message: M,
    identities: Iterable[Identity] = (),
    *,
    add: Iterable[Recipient | x509.Certificate] = (),
    remove: Iterable[Selector] = (),
    certificates: Iterable[x509.Certificate] = (),
    reseal: bool = False,
    profile: ProfileChoice = None,
    policy: Policy = DEFAULT,
    trust: TrustAnchors | None = None,
) -> M:
    """Give a message that is in memory other recipients.

    Args:
        message: a mail, or (as bytes) a bare CMS object in DER, BER, PEM or base64.
        identities: as for :func:`rewrap_stream`, like everything else.
        add: who is to read it besides.
        remove: who is to be taken out.
        certificates: where a mail address in ``remove`` is looked up.
        reseal: whether to seal the content anew, for exactly those in ``add``.
        profile: how session keys are wrapped for certificates, and what is asked of readers.
        policy: what is accepted.
        trust: checks the chain of each certificate in ``add``; without it, none is checked.

    Returns:
        The message as the type and in the form that was given.

    Raises:
        RecipientError: as :func:`rewrap_stream` does.
        MessageError: the same.
        NoMatchError: the same.
        OtherMessageError: the same.
        DecryptionError: the same.
        TypeError: the same.
    """
    source, target = io.BytesIO(octets_of(message)), io.BytesIO()
    rewrap_stream(
        source,
        target,
        identities,
        add=add,
        remove=remove,
        certificates=certificates,
        reseal=reseal,
        profile=profile,
        policy=policy,
        trust=trust,
    )
    return like(message, target.getvalue())


def rewrap_stream(  # noqa: PLR0913  # a choice each
    source: BinaryIO,
    target: BinaryIO,
    identities: Iterable[Identity] = (),
    *,
    add: Iterable[Recipient | x509.Certificate] = (),
    remove: Iterable[Selector] = (),
    certificates: Iterable[x509.Certificate] = (),
    reseal: bool = False,
    profile: ProfileChoice = None,
    policy: Policy = DEFAULT,
    trust: TrustAnchors | None = None,
    transactional: bool = False,
) -> Rewrapped:
    """Give a message of any size other recipients, in flat memory.

    It is read twice: first it is checked, then copied. Nothing is written before; plaintext is never.
    What is written has definite lengths, whatever the input had.

    Args:
        source: a mail, or a bare CMS object in DER, BER, PEM or base64. What cannot seek is kept, as it
            came, in a private file.
        target: where the message goes, in the form that the input has.
        identities: who may read the message; one of them has to, for a recipient to be added. The whole content
            has to open with its session key and, without authentication, something else has to prove that key
            (:class:`~smime_session.session_key.Proof`): an RSA key may need its certificate.
        add: certificates, which are checked, or prepared recipients. A recipient who is there already
            stays as before; to be wrapped for anew, name them in ``remove`` too.
        remove: who is to be taken out: see :meth:`~smime_session.operations.roster.Roster.select`.
        certificates: where a mail address in ``remove`` is looked up.
        reseal: whether to seal the content with a new session key and the algorithm of ``profile``, for
            exactly those in ``add``: all other recipients are removed.
        profile: how session keys are wrapped for certificates, and what is asked of all who are readers
            afterwards. None takes it from the message (:func:`profile_like`); a function is called with that
            profile and returns the one to take.
        policy: what is accepted.
        trust: checks the chain of each certificate in ``add``; without it, none is checked.
        transactional: the caller's promise that ``target`` can seek and truncate, and that what was
            written to it is thrown away if an exception is raised; resealing then reads the message once.

    Raises:
        RecipientError: a recipient cannot be added, or is not there to be removed, or none would be left;
            every one is named.
        MessageError: the message is no envelope, broken, not supported or against the policy.
        NoMatchError: it is addressed to none of the identities, and a recipient is to be added.
        OtherMessageError: no identity opened it, and one is a saved session key of another message.
        DecryptionError: it did not open.
        TypeError: an argument is of a kind that is not accepted.
    """
    check_readable(source)
    check_writable(target)
    check_several(add, "recipients")
    check_several(remove, "names")
    order = _Order(tuple(identities), tuple(add), tuple(remove), tuple(certificates), profile, policy, trust)
    order.check()
    with Beginning(source) as replay:
        if reseal:
            return _reseal(order, replay, target, transactional=transactional)
        return _rewrap(order, replay, target)


def profile_like(content_encryption: AlgorithmIdentifier) -> Profile:
    """Return the profile whose readers are those of a message.

    It is :data:`~smime_session.profiles.AUTO` for content in CBC mode, which is sealed anew so that those who get it
    read it, and :data:`~smime_session.profiles.MODERN` for any other. A content key that is derived from the session
    key (RFC 9709) is so again.

    Args:
        content_encryption: how the message is sealed.
    """
    try:
        parameters = content_algorithm.parameters_from(content_encryption)
    except MessageError:  # removing a recipient goes without understanding how the content is sealed
        return MODERN
    profile = MODERN if parameters.algorithm.authenticated else AUTO
    return replace(profile, derived_content_key=bool(parameters.derivation_info))


class _Order(NamedTuple):
    """What is asked for, as :func:`rewrap_stream` has it."""

    identities: tuple[Identity, ...]
    wanted: tuple[Recipient | x509.Certificate, ...]
    remove: tuple[Selector, ...]
    certificates: tuple[x509.Certificate, ...]
    profile: ProfileChoice
    policy: Policy
    trust: TrustAnchors | None

    def check(self) -> None:
        """Check what was given, as far as that is possible without the message.

        Raises:
            TypeError: an argument is of a kind that is not accepted.
        """
        for recipient in self.wanted:
            check_recipient(recipient)
        for certificate in self.certificates:
            check_certificate(certificate)

    def profile_for(self, header: EnvelopeHeader) -> Profile:
        """Return the profile for a message.

        Raises:
            TypeError: something else was given.
        """
        given = self.profile
        if given is None or callable(given):
            like = profile_like(header.content_encryption)
            given = given(like) if given else like
        check_profile(given)
        return given


def _rewrap(order: _Order, replay: Beginning, target: BinaryIO) -> Rewrapped:
    """Change the readers and copy what is sealed."""
    policy = order.policy
    reading = begin(replay, policy) if order.wanted else None
    reader = reading.reader if reading else EnvelopeReader(open_message(replay.read_block).next_block, policy)
    readers = Change(reader.header, order.wanted, order.remove, order.certificates)
    profile = order.profile_for(reader.header)
    recipients = readers.prepared(profile, order.trust)
    if reading and recipients:
        with Candidates(reader.header, order.identities, policy) as candidates:
            opening = open_content(reading, candidates.all, strict=True)
            readers.admit(recipients, opening.candidate.key, profile)
        reader, trailer = opening.reading.reader, opening.trailer
        refuse_unreadable(readers.header(trailer), readers.kept + readers.added, policy)
    else:
        refuse_unauthenticated(reader, policy)
        for _ in reader.ciphertext():
            pass
        trailer = reader.trailer()
    header = readers.header(trailer)
    form, repairs = _copy(replay, target, header, reader.ciphertext_size, trailer, policy)
    oid = reader.header.content_encryption.oid
    return Rewrapped(
        content_encryption=name_of(oid) or oid,
        form=form,
        encoding="DER",
        kept=readers.kept,
        added=readers.added,
        removed=readers.removed,
        present=readers.present,
        resealed=False,
        authenticated=reader.authenticated,
        weakened_by=readers.weakened_by,
        locked_out=_newly_locked_out(reader.header, header),
        repairs=repairs,
    )


def _newly_locked_out(old: EnvelopeHeader, new: EnvelopeHeader) -> tuple[str, ...]:
    before = locked_out(old)
    return tuple(program for program in locked_out(new) if program not in before)


def _copy(  # noqa: PLR0913, PLR0917  # what an envelope is made of
    replay: Beginning, target: BinaryIO, header: EnvelopeHeader, size: int, trailer: EnvelopeTrailer, policy: Policy
) -> tuple[str, tuple[str, ...]]:
    """Write the message once more, under another header; return its form, and what was damaged."""
    replay.rewind()
    incoming = open_message(replay.read_block)
    reader = EnvelopeReader(incoming.next_block, policy)
    out = armour_of(incoming, replay.beginning).around(Whole(target))
    writer = EnvelopeWriter(out, header, size, trailer_size(trailer, authenticated=reader.authenticated))
    for piece in reader.ciphertext():
        writer.write(piece)
    writer.finish(reader.trailer())
    out.finish()
    return incoming.form, incoming.repairs.told(reader.end, followed=reader.followed)


def _reseal(order: _Order, replay: Beginning, target: BinaryIO, *, transactional: bool) -> Rewrapped:
    """Seal the content anew for those who are wanted."""
    reading = begin(replay, order.policy)
    old, form = reading.reader.header, reading.incoming.form
    before = Roster(old.wrapped_keys)
    before.select(order.remove, order.certificates)  # each that is named has to be there
    profile = order.profile_for(old)
    recipients = recipients_for(order.wanted, profile=profile, trust=order.trust)
    authenticated = reading.reader.authenticated
    header, encoding = reseal_content(
        reading, replay, target, order.identities, recipients, profile, transactional=transactional
    )
    now = Roster(header.wrapped_keys)
    staying = remaining(before, now, order.wanted)
    return Rewrapped(
        content_encryption=choose(profile, recipients).content.name,
        form=form,
        encoding=encoding,
        kept=len(staying),
        added=max(0, len(now.members) - len(staying)),
        removed=tuple(member.name for member in before.members if member not in staying),
        present=(),
        resealed=True,
        authenticated=authenticated,
        weakened_by=weakening(before.wrapped_keys, now.wrapped_keys),
        locked_out=_newly_locked_out(old, header),
        repairs=reading.incoming.repairs.told(reading.reader.end, followed=reading.reader.followed),
    )
