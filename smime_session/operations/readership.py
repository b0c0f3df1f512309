"""The readers of a sealed message: who comes, who goes, who stays, and what the message is worth with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smime_session.cms.revision import version_of
from smime_session.errors import RecipientError
from smime_session.operations.roster import Member, Roster
from smime_session.recipients.fitness import recipients_for
from smime_session.recipients.registry import names_of, refuse_classical, summarize, wrap_all

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from cryptography import x509

    from smime_session.cms.values import EnvelopeHeader, EnvelopeTrailer, WrappedKey
    from smime_session.operations.roster import Selector
    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Recipient
    from smime_session.session_key import SessionKey


class Readership:
    """The readers of a message that stays sealed as it is.

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
            names = "; ".join(names_of([member.part for member in self._leaving]))
            raise RecipientError((f"nobody would be left to read the message without {names}",))

    @property
    def kept(self) -> int:
        """How many were recipients before and still are."""
        return len(self._staying.members)

    @property
    def added(self) -> int:
        """How many are new."""
        return len(self._new.members)

    @property
    def removed(self) -> tuple[str, ...]:
        """The names of those who are recipients no longer."""
        return tuple(member.name for member in self._leaving)

    @property
    def present(self) -> tuple[str, ...]:
        """The names of those who were wanted and stay as they were, once each."""
        return tuple(dict.fromkeys(member.name for member in self._present))

    @property
    def weakened_by(self) -> tuple[str, ...]:
        """The names of those who make a message breakable that was not: see :func:`weakening`."""
        return weakening(self._header.wrapped_keys, self._new.wrapped_keys)

    def prepared(self, profile: Profile) -> list[Recipient]:
        """Make recipients of the newcomers, and hold those who stay to the profile as well.

        Raises:
            RecipientError: at least one is not what the profile allows; every one is named.
        """
        refused: list[str] = []
        recipients: list[Recipient] = []
        try:
            refuse_classical(self._staying.wrapped_keys, profile)
        except RecipientError as error:
            refused += error.refused
        try:
            recipients = recipients_for(self.newcomers, profile=profile) if self.newcomers else []
        except RecipientError as error:
            refused += error.refused
        if refused:
            raise RecipientError(refused)
        return recipients

    def admit(self, recipients: Sequence[Recipient], key: SessionKey, profile: Profile) -> None:
        """Wrap the session key for the newcomers.

        Raises:
            RecipientError: at least one is not what the profile allows; every one is named.
        """
        wrapped = wrap_all(recipients, key)
        refuse_classical(wrapped, profile)
        coming = Roster(wrapped)
        repeated = coming.repeating(self._staying)
        self._present += repeated
        self._new = Roster(coming.without(repeated))

    def header(self, trailer: EnvelopeTrailer) -> EnvelopeHeader:
        """Return the header of the message for those who are its readers now."""
        everybody: tuple[WrappedKey, ...] = (*self._staying.wrapped_keys, *self._new.wrapped_keys)
        header = self._header._replace(wrapped_keys=everybody)
        return header._replace(version=version_of(header, trailer))


def remaining(before: Roster, now: Roster, wanted: Iterable[Recipient | x509.Certificate]) -> set[Member]:
    """Return those of ``before`` who are readers of a resealed message too.

    Args:
        before: the readers of the message that was.
        now: those of the message that is.
        wanted: for whom it was sealed. A certificate may be named in another way than before.
    """
    names = {member.identifier for member in now.members} - {None}
    staying = {member for member in before.members if member.identifier in names}
    for each in wanted:
        if not hasattr(each, "wrap"):
            staying.update(before.of(each))
    if any(member.by_password for member in now.members):
        staying.update(member for member in before.members if member.by_password)
    return staying


def weakening(before: Sequence[WrappedKey], coming: Iterable[WrappedKey]) -> tuple[str, ...]:
    """Name those among ``coming`` whose keys a quantum computer breaks, if it broke none of those before."""
    if not before or not all(summary.post_quantum for wrapped in before for summary in summarize(wrapped)):
        return ()
    return tuple(summary.name for wrapped in coming for summary in summarize(wrapped) if not summary.post_quantum)
