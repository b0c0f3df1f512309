"""Who is in, who goes, who comes: the recipients of an envelope, one by one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509

from smime_session.arguments import check_certificate, check_several
from smime_session.certificates.certificate import Certificate
from smime_session.certificates.names import addresses_of, describe, same_mailbox
from smime_session.cms.revision import version_of
from smime_session.cms.values import IssuerAndSerialNumber, SubjectKeyIdentifier
from smime_session.errors import RecipientError, UnknownAddressError
from smime_session.recipients.from_certificates import recipients_for
from smime_session.recipients.naming import OwnNames
from smime_session.recipients.registry import (
    anonymous_name,
    each,
    identifier_of,
    names_of,
    refuse_classical,
    summarize,
    together,
    wrap_all,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Sequence

    from smime_session.certificates.trust import TrustAnchors
    from smime_session.cms.values import EnvelopeHeader, EnvelopeTrailer, WrappedKey
    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Recipient
    from smime_session.session_key import SessionKey

    Selector = str | x509.Certificate | Sequence[x509.Certificate]
    """Names recipients: see :meth:`Roster.select`."""

_DECIMAL: Final = re.compile(r"-?[0-9]{1,200}")
_PREFIXED: Final = re.compile(r"-?0[xX][0-9a-fA-F]{1,200}")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}:?)+")


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One recipient of an envelope, equal to no other, since two may look alike.

    Attributes:
        index: the place in the envelope of the recipient info that it stands in.
        part: that recipient info with no other recipient in it.
        identifier: what names the recipient; None if nothing does, or it cannot be read.
    """

    index: int
    part: WrappedKey
    identifier: Hashable | None

    @property
    def name(self) -> str:
        """The recipient in a few words."""
        return "; ".join(summary.name for summary in summarize(self.part))

    def is_called(self, serial_number: int | None, key_identifier: bytes | None) -> bool:
        """Tell whether this is the recipient's serial number or key identifier."""
        match self.identifier:
            case IssuerAndSerialNumber():
                return self.identifier.serial_number == serial_number
            case SubjectKeyIdentifier():
                return self.identifier.value == key_identifier
            case None:
                return False
        digits = key_identifier and key_identifier.hex()
        return digits is not None and any(summary.key_identifier == digits for summary in summarize(self.part))


class Roster:
    """The recipients of an envelope, each by itself.

    Args:
        wrapped_keys: the envelope's recipient infos.

    Attributes:
        wrapped_keys: the same.
        members: the recipients in their order.
    """

    def __init__(self, wrapped_keys: Sequence[WrappedKey]) -> None:
        self.wrapped_keys = tuple(wrapped_keys)
        self.members = tuple(
            Member(index, part, identifier_of(part))
            for index, wrapped in enumerate(wrapped_keys)
            for part in each(wrapped)
        )

    def of(self, certificate: x509.Certificate) -> list[Member]:
        """Return those that are addressed by one of the names that a certificate gives.

        Raises:
            RecipientError: its public key cannot be read.
        """
        names = _own_names(certificate)
        return [
            member
            for member in self.members
            if isinstance(member.identifier, IssuerAndSerialNumber | SubjectKeyIdentifier)
            and names.include(member.identifier)
        ]

    def select(self, selectors: Iterable[Selector], certificates: Collection[x509.Certificate] = ()) -> set[Member]:
        """Return all recipients that are named.

        A certificate names each recipient that is addressed by it, and so does each of several certificates that
        are given together. Text is one of: a mail address, which stands for the certificates that have it;
        a serial number, decimal or hexadecimal after ``0x``; a key identifier in hexadecimal digits; or
        ``password`` for every recipient with a password.

        Args:
            selectors: the names.
            certificates: where a mail address is looked up.

        Raises:
            RecipientError: one names no recipient, or several that are not the same; every such one is told.
            TypeError: a single name was given instead of several in a list.
        """
        check_several(selectors, "names")
        found: set[Member] = set()
        refused: list[str] = []
        kind: type[RecipientError] = RecipientError
        for selector in selectors:
            try:
                found.update(self._selected(selector, certificates))
            except RecipientError as error:
                refused += error.refused
                kind = UnknownAddressError if isinstance(error, UnknownAddressError) else kind
        if refused:
            raise kind(refused)
        return found

    def _selected(self, selector: Selector, certificates: Collection[x509.Certificate]) -> list[Member]:
        if isinstance(selector, str) and "@" not in selector:
            who, matching = selector, self._named(selector)
            if len({member.identifier for member in matching}) > 1:
                names = "; ".join(names_of([member.part for member in matching]))
                raise RecipientError((f"{who} names several recipients: {names}",))
        else:
            who, own = _certificates_of(selector, certificates)
            matching = [member for certificate in own for member in self.of(certificate)]
        if not matching:
            there = "; ".join(names_of(self.wrapped_keys)) or "no recipient"
            raise RecipientError((f"{who} is not a recipient: the message is addressed to {there}",))
        return matching

    def _named(self, text: str) -> list[Member]:
        prefixed = bool(_PREFIXED.fullmatch(text))
        serial_number = int(text, 16 if prefixed else 10) if prefixed or _DECIMAL.fullmatch(text) else None
        digits = text[2:] if prefixed else text
        key_identifier = bytes.fromhex(digits.replace(":", "")) if _HEX.fullmatch(digits) else None
        called = [member for member in self.members if member.is_called(serial_number, key_identifier)]
        return called or [member for member in self.members if anonymous_name(member.part) == text]

    def repeating(self, others: Roster) -> list[Member]:
        """Return those that are named as one of ``others`` is, or as one before them."""
        seen = {member.identifier for member in others.members}
        repeated = []
        for member in self.members:
            if member.identifier is not None and member.identifier in seen:
                repeated.append(member)
            seen.add(member.identifier)
        return repeated

    def without(self, leaving: Collection[Member]) -> tuple[WrappedKey, ...]:
        """Return the recipient infos of all others.

        A recipient info stays as it is, byte for byte, unless some of those that it is for leave: then it is
        made anew of what all of them share and of the parts of those that stay, whose bytes stay too.
        """
        staying: dict[int, list[Member]] = {}
        for member in self.members:
            if member not in leaving:
                staying.setdefault(member.index, []).append(member)
        touched = {member.index for member in leaving}
        return tuple(
            together([member.part for member in some]) if index in touched else self.wrapped_keys[index]
            for index, some in staying.items()
        )


class Change:
    """Other recipients for a message whose content stays as it is.

    Args:
        header: the envelope's header.
        wanted: who is to be a recipient.
        remove: who is not.
        certificates: where mail addresses are looked up.

    Attributes:
        newcomers: those of ``wanted`` that are no recipients yet, as far as can be told before wrapping.

    Raises:
        RecipientError: one that is to be removed is not there, none would be left, or nothing would change.
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
        for one in wanted:
            there = [] if hasattr(one, "wrap") else self._staying.of(one)
            self._present += there
            self.newcomers += [] if there else [one]
        if not wanted and not leaving:
            raise RecipientError(("there is no recipient to add and none to remove",))
        if not wanted and not self._staying.members:
            names = "; ".join(names_of([member.part for member in self._leaving]))
            raise RecipientError((f"no recipient would be left without {names}",))

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
        """The names of those that are recipients no longer."""
        return tuple(member.name for member in self._leaving)

    @property
    def present(self) -> tuple[str, ...]:
        """The names of those that were wanted and stay as they were, once each."""
        return tuple(dict.fromkeys(member.name for member in self._present))

    @property
    def weakened_by(self) -> tuple[str, ...]:
        """The names of those that make a message breakable that was not: see :func:`weakening`."""
        return weakening(self._header.wrapped_keys, self._new.wrapped_keys)

    def prepared(self, profile: Profile, trust: TrustAnchors | None = None) -> list[Recipient]:
        """Make recipients of the newcomers, and hold those that stay to the profile as well.

        Raises:
            RecipientError: at least one is not what the profile allows, or not trusted; every one is named.
        """
        refused: list[str] = []
        recipients: list[Recipient] = []
        try:
            refuse_classical(self._staying.wrapped_keys, profile)
        except RecipientError as error:
            refused += error.refused
        try:
            recipients = recipients_for(self.newcomers, profile=profile, trust=trust) if self.newcomers else []
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
        """Return the header of the message for those that are its recipients now."""
        everybody: tuple[WrappedKey, ...] = (*self._staying.wrapped_keys, *self._new.wrapped_keys)
        header = self._header._replace(wrapped_keys=everybody)
        return header._replace(version=version_of(header, trailer))


def remaining(before: Roster, now: Roster, wanted: Iterable[Recipient | x509.Certificate]) -> set[Member]:
    """Return those of ``before`` that are recipients of a resealed message too.

    Args:
        before: the recipients of the message that was.
        now: those of the message that is.
        wanted: for whom it was encrypted. A certificate may be named in another way than before.
    """
    names = {member.identifier for member in now.members} - {None}
    kinds = {anonymous_name(member.part) for member in now.members} - {None}
    staying = {
        member for member in before.members if member.identifier in names or anonymous_name(member.part) in kinds
    }
    for one in wanted:
        if not hasattr(one, "wrap"):
            staying.update(before.of(one))
    return staying


def weakening(before: Sequence[WrappedKey], coming: Iterable[WrappedKey]) -> tuple[str, ...]:
    """Name those among ``coming`` whose keys a quantum computer breaks, if it broke none of those before."""
    if not before or not all(summary.post_quantum for wrapped in before for summary in summarize(wrapped)):
        return ()
    return tuple(summary.name for wrapped in coming for summary in summarize(wrapped) if not summary.post_quantum)


def _certificates_of(
    selector: Selector, certificates: Collection[x509.Certificate]
) -> tuple[str, Sequence[x509.Certificate]]:
    """Return who is meant, in words, and the certificates.

    Raises:
        RecipientError: there is none.
    """
    if isinstance(selector, str):
        having = [each for each in certificates if any(same_mailbox(selector, one) for one in addresses_of(each))]
        if not having:
            raise UnknownAddressError((f"{selector} is in none of the given certificates, so it names no recipient",))
        return selector, having
    several = (selector,) if isinstance(selector, x509.Certificate) else selector
    check_several(several, "certificates")
    own = tuple(several)
    for certificate in own:
        check_certificate(certificate)
    if not own:
        raise RecipientError(("no certificate was given that names a recipient",))
    return describe(own[0]), own


def _own_names(certificate: x509.Certificate) -> OwnNames:
    found = Certificate.of(certificate)
    if found.public_key is None or not found.public_key.is_readable:
        raise RecipientError((f"certificate of {describe(certificate)} has a public key that cannot be read",))
    return OwnNames(found.public_key, found)
