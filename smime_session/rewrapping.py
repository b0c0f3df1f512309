"""Rewrapping: other recipients for a message that stays sealed as it is.

The session key is taken from one recipient info and wrapped for whoever is to read the message
besides; the sealed content, its nonce, its tag, all attributes and what is wrapped for those who
stay are copied octet for octet. The tag does not cover the recipients (RFC 5083, 2.2), so this is
sound. Taking somebody out needs no key and revokes nothing: whoever could read the message may
have kept its session key. Resealing gives the content a new one.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Literal

from smime_session.algorithms import name_of
from smime_session.cms.envelope import EnvelopeReader, EnvelopeWriter, trailer_size
from smime_session.cms.revision import version_of
from smime_session.credentials.fitness import recipients_for
from smime_session.errors import RecipientError
from smime_session.mail.armour import Beginning, armour_of
from smime_session.mail.detection import open_message
from smime_session.mail.objects import M, like, octets_of
from smime_session.opening import Candidates, Pass, prove
from smime_session.profiles import DEFAULT, MODERN, Policy, Profile
from smime_session.recipients import refuse_classical, wrap_all
from smime_session.recipients.selection import Member, Roster
from smime_session.resealing import Resealing
from smime_session.sources import Whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from cryptography import x509

    from smime_session.cms.structures import EnvelopeHeader, EnvelopeTrailer, WrappedKey
    from smime_session.recipients import Identity, Recipient
    from smime_session.recipients.selection import Selector
    from smime_session.session_key import SessionKey


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What rewrapping did.

    Attributes:
        content_encryption: the content-encryption algorithm's name; its object identifier if it has no name here.
        form: what the message is: ``mail``, ``der``, ``pem`` or ``base64``.
        encoding: ``DER``, or ``BER`` where a resealed message's size was not known beforehand.
        kept: how many recipients there were before and still are.
        added: how many are new.
        removed: the names of those who are recipients no longer.
        present: the names of those who were to be added, but were recipients already and stay as they were.
        resealed: whether the content has a new session key.
    """

    content_encryption: str
    form: str
    encoding: Literal["DER", "BER"]
    kept: int
    added: int
    removed: tuple[str, ...]
    present: tuple[str, ...]
    resealed: bool


def rewrap(  # noqa: PLR0913  # a choice each
    message: M,
    identities: Iterable[Identity] = (),
    *,
    add: Iterable[Recipient | x509.Certificate] = (),
    remove: Iterable[Selector] = (),
    certificates: Iterable[x509.Certificate] = (),
    reseal: bool = False,
    profile: Profile = MODERN,
    policy: Policy = DEFAULT,
) -> M:
    """Give a message that is in memory other recipients.

    Args:
        message: a mail, or (as bytes) a bare CMS object in DER, BER, PEM or base64.
        identities: as for :func:`rewrap_stream`, like everything else.
        add: who is to read it besides.
        remove: who is to be taken out.
        certificates: where a mail address in ``remove`` is looked up.
        reseal: whether to seal the content anew, for exactly those in ``add``.
        profile: how session keys are wrapped for certificates, and what is asked of those.
        policy: what is accepted.

    Returns:
        The message as the type and in the form that was given.

    Raises:
        RecipientError: as :func:`rewrap_stream` does.
        MessageError: the same.
        NoMatchError: the same.
        DecryptionError: the same.
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
    profile: Profile = MODERN,
    policy: Policy = DEFAULT,
    transactional: bool = False,
) -> Rewrapped:
    """Give a message of any size other recipients, in flat memory.

    It is read twice: first it is checked, then copied. Nothing is written before; plaintext is never.
    What is written has definite lengths, whatever the input had.

    Args:
        source: a mail, or a bare CMS object in DER, BER, PEM or base64. What cannot seek is kept, as it
            came, in a private file.
        target: where the message goes, in the form that the input has.
        identities: who may read the message; one of them has to, for somebody to be added. A session
            key is believed when the whole content opened with it; content without authentication
            shows a wrong one by its padding alone, which fails to in one case of 256.
        add: certificates, which are checked, or prepared recipients. Whoever is a recipient already
            stays as before; to be wrapped for anew, name them in ``remove`` too.
        remove: who is to be taken out: see :meth:`~smime_session.recipients.selection.Roster.select`.
        certificates: where a mail address in ``remove`` is looked up.
        reseal: whether to seal the content with a new session key and the algorithm of ``profile``, for
            exactly those in ``add``: whoever else was a recipient is one no longer.
        profile: how session keys are wrapped for certificates, and what is asked of those.
        policy: what is accepted.
        transactional: the caller's promise that ``target`` can seek and truncate, and that what was
            written to it is thrown away if an exception is raised; resealing then reads the message once.

    Raises:
        RecipientError: somebody cannot be added, or is not there to be removed, or nobody would be left;
            every one is named.
        MessageError: the message is no envelope, broken, not spoken here or against the policy.
        NoMatchError: it is addressed to none of the identities, and somebody is to be added.
        DecryptionError: it did not open.
    """
    wanted = tuple(add)
    with Beginning(source) as replay:
        if reseal:
            return _reseal(
                Resealing(replay, target, recipients_for(wanted, profile=profile), profile, policy),
                wanted,
                tuple(identities),
                remove=remove,
                certificates=tuple(certificates),
                transactional=transactional,
            )
        reading = Pass(replay, policy) if wanted else None
        reader = reading.reader if reading else EnvelopeReader(open_message(replay.read_block).next_block, policy)
        changes = _Changes(reader.header, wanted, remove, tuple(certificates))
        if reading and changes.newcomers:
            with Candidates(reader.header.wrapped_keys, tuple(identities), policy) as candidates:
                reading, winner = prove(replay, reading, candidates, policy)
                changes.wrap(winner.key, profile)
            reader, trailer = reading.reader, reading.trailer
        else:
            for _ in reader.ciphertext():
                pass
            trailer = reader.trailer()
        form = _copy(replay, target, changes.header(trailer), reader.ciphertext_size, trailer, policy)
        return changes.outcome(form)


class _Changes:
    """Who comes, who goes and who stays.

    Args:
        header: the envelope's header.
        wanted: who is to be a recipient.
        remove: who is not.
        certificates: where mail addresses are looked up.

    Attributes:
        newcomers: those of ``wanted`` who are no recipients yet, as far as can be told before wrapping.

    Raises:
        RecipientError: somebody is not there to be removed, nobody would be left, or nothing would change.
    """

    def __init__(
        self,
        header: EnvelopeHeader,
        wanted: Sequence[Recipient | x509.Certificate],
        remove: Iterable[Selector],
        certificates: Collection[x509.Certificate],
    ) -> None:
        self._header = header
        everybody = Roster(header.wrapped_keys)
        leaving = everybody.select(remove, certificates)
        self._leaving = [member for member in everybody.members if member in leaving]
        self._staying = Roster(everybody.without(leaving))
        self._new = Roster(())
        self._present: list[Member] = []
        self.newcomers: list[Recipient | x509.Certificate] = []
        for each in wanted:
            there = [] if hasattr(each, "wrap") else self._staying.of(each)
            self._present += there
            self.newcomers += [] if there else [each]
        if not wanted and not leaving:
            raise RecipientError(("there is nobody to add and nobody to remove",))
        if not wanted and not self._staying.members:
            names = "; ".join(member.name for member in self._leaving)
            raise RecipientError((f"nobody would be left to read the message without {names}",))

    def wrap(self, key: SessionKey, profile: Profile) -> None:
        """Wrap the session key for the newcomers.

        Raises:
            RecipientError: at least one cannot be used; every one is named.
        """
        wrapped = wrap_all(recipients_for(self.newcomers, profile=profile), key)
        refuse_classical(wrapped, profile)
        coming = Roster(wrapped)
        repeated = coming.repeating(self._staying)
        self._present += repeated
        self._new = Roster(coming.without(repeated))

    def header(self, trailer: EnvelopeTrailer) -> EnvelopeHeader:
        """Return the new header."""
        everybody: tuple[WrappedKey, ...] = (*self._staying.wrapped_keys, *self._new.wrapped_keys)
        header = replace(self._header, wrapped_keys=everybody)
        return replace(header, version=version_of(header, trailer))

    def outcome(self, form: str) -> Rewrapped:
        """Return what was done."""
        oid = self._header.content_encryption.oid
        return Rewrapped(
            content_encryption=name_of(oid) or oid,
            form=form,
            encoding="DER",
            kept=len(self._staying.members),
            added=len(self._new.members),
            removed=tuple(member.name for member in self._leaving),
            present=tuple(dict.fromkeys(member.name for member in self._present)),
            resealed=False,
        )


def _copy(  # noqa: PLR0913, PLR0917  # what an envelope is made of
    replay: Beginning, target: BinaryIO, header: EnvelopeHeader, size: int, trailer: EnvelopeTrailer, policy: Policy
) -> str:
    """Write the message once more, under another header; return its form."""
    replay.rewind()
    incoming = open_message(replay.read_block)
    reader = EnvelopeReader(incoming.next_block, policy)
    out = armour_of(incoming, replay.beginning).around(Whole(target))
    writer = EnvelopeWriter(out, header, size, trailer_size(trailer, authenticated=reader.authenticated))
    for piece in reader.ciphertext():
        writer.write(piece)
    writer.finish(reader.trailer())
    out.finish()
    return incoming.form


def _reseal(  # noqa: PLR0913  # a choice each
    resealing: Resealing,
    wanted: Sequence[Recipient | x509.Certificate],
    identities: Sequence[Identity],
    *,
    remove: Iterable[Selector],
    certificates: Collection[x509.Certificate],
    transactional: bool,
) -> Rewrapped:
    before = Roster(resealing.old.wrapped_keys)
    before.select(remove, certificates)  # whoever is named has to be there
    header, encoding = resealing.run(identities, transactional=transactional)
    now = Roster(header.wrapped_keys)
    names = {member.identifier for member in now.members} - {None}
    staying = {member for member in before.members if member.identifier in names}
    for each in wanted:
        if not hasattr(each, "wrap"):
            staying.update(before.of(each))
    if any(member.by_password for member in now.members):
        staying.update(member for member in before.members if member.by_password)
    return Rewrapped(
        content_encryption=resealing.profile.content.name,
        form=resealing.form,
        encoding=encoding,
        kept=len(staying),
        added=max(0, len(now.members) - len(staying)),
        removed=tuple(member.name for member in before.members if member not in staying),
        present=(),
        resealed=True,
    )
