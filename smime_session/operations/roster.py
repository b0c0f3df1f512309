"""Who is addressed by an envelope, recipient by recipient: found by name, taken out, told apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smime_session.arguments import check_certificate, check_several
from smime_session.certificates.names import addresses_of, describe, same_mailbox
from smime_session.cms import asn1, codec
from smime_session.cms.values import (
    AlgorithmIdentifier,
    IssuerAndSerialNumber,
    RecipientIdentifier,
    SubjectKeyIdentifier,
    WrappedKey,
)
from smime_session.errors import MessageError, RecipientError
from smime_session.recipients.registry import each, names_of, summarize
from smime_session.recipients.shared_key import KekIdentifier

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from cryptography import x509

    from smime_session.recipients.naming import OwnNames

    Selector = str | x509.Certificate | Sequence[x509.Certificate]
    """Names recipients: see :meth:`Roster.select`."""

SharedKeyName = tuple[KekIdentifier, AlgorithmIdentifier]
"""What names a pre-shared key: keys of different sizes may go by one identifier."""
Identifier = RecipientIdentifier | SharedKeyName

PASSWORD: Final = "password"  # noqa: S105  # the word that names every password recipient, for want of names

_DECIMAL: Final = re.compile(r"-?[0-9]{1,200}")
_PREFIXED: Final = re.compile(r"-?0[xX][0-9a-fA-F]{1,200}")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}:?)+")


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One recipient of an envelope, who equals nobody else, since two may look alike.

    Attributes:
        index: the place in the envelope of the recipient info that it stands in.
        part: that recipient info with nobody else in it.
        identifier: what names the recipient; None for a password, and for what cannot be read.
    """

    index: int
    part: WrappedKey
    identifier: Identifier | None

    @property
    def name(self) -> str:
        """The recipient in a few words."""
        return "; ".join(summary.name for summary in summarize(self.part))

    @property
    def by_password(self) -> bool:
        """Whether the session key is encrypted with a password."""
        return self.part.encoded[0] == codec.PASSWORD_TAG


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
        """Return those who are addressed by one of the names that a certificate gives.

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
        """Return everybody who is named.

        A certificate names whoever is addressed by it, and so does each of several certificates that are
        given together. Text is one of: a mail address, which stands for the certificates that have it;
        a serial number, decimal or hexadecimal after ``0x``; a key identifier in hexadecimal digits; or
        ``password`` for every recipient with a password.

        Args:
            selectors: who.
            certificates: where a mail address is looked up.

        Raises:
            RecipientError: one names nobody, or several that are not the same; every such one is told.
            TypeError: a single name was given instead of several in a list.
        """
        check_several(selectors, "names")
        found: set[Member] = set()
        refused: list[str] = []
        for selector in selectors:
            try:
                found.update(self._selected(selector, certificates))
            except RecipientError as error:
                refused += error.refused
        if refused:
            raise RecipientError(refused)
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
            there = "; ".join(names_of(self.wrapped_keys)) or "nobody"
            raise RecipientError((f"{who} is not a recipient: the message is addressed to {there}",))
        return matching

    def _named(self, text: str) -> list[Member]:
        if text == PASSWORD:
            return [member for member in self.members if member.by_password]
        prefixed = bool(_PREFIXED.fullmatch(text))
        serial_number = int(text, 16 if prefixed else 10) if prefixed or _DECIMAL.fullmatch(text) else None
        digits = text[2:] if prefixed else text
        octets = bytes.fromhex(digits.replace(":", "")) if _HEX.fullmatch(digits) else None
        return [member for member in self.members if _is_called(member.identifier, serial_number, octets)]

    def repeating(self, others: Roster) -> list[Member]:
        """Return those who are named as one of ``others`` is, or as one before them."""
        seen = {member.identifier for member in others.members}
        repeated = []
        for member in self.members:
            if member.identifier is not None and member.identifier in seen:
                repeated.append(member)
            seen.add(member.identifier)
        return repeated

    def without(self, leaving: Collection[Member]) -> tuple[WrappedKey, ...]:
        """Return the recipient infos of everybody else.

        A recipient info stays as it is, octet for octet, unless some of those it is for leave: then it is
        made anew of what all of them share and of the parts of those who stay, whose octets stay too.
        """
        staying: dict[int, list[Member]] = {}
        for member in self.members:
            if member not in leaving:
                staying.setdefault(member.index, []).append(member)
        touched = {member.index for member in leaving}
        return tuple(
            _together([member.part for member in some]) if index in touched else self.wrapped_keys[index]
            for index, some in staying.items()
        )


def identifier_of(part: WrappedKey) -> Identifier | None:
    """Return what names the recipient of a recipient info; None if nothing does, or it cannot be read."""
    from smime_session.recipients import ecdh, kem, rsa, shared_key

    try:
        match part.encoded[0]:
            case asn1.SEQUENCE:
                return rsa.fields(part)[0]
            case ecdh.TAG:
                members = ecdh.fields(part).encrypted_keys
                return members[0].recipient if len(members) == 1 else None
            case shared_key.TAG:
                return shared_key.fields(part)[:2]
            case kem.TAG:
                return kem.fields(part).recipient
    except MessageError:
        pass  # what is broken has no name here; whoever is asked about it says what is wrong
    return None


def _is_called(identifier: Identifier | None, serial_number: int | None, octets: bytes | None) -> bool:
    match identifier:
        case IssuerAndSerialNumber():
            return identifier.serial_number == serial_number
        case SubjectKeyIdentifier():
            return identifier.value == octets
        case (KekIdentifier() as name, _):
            return name.key_identifier == octets
    return False


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
            raise RecipientError((f"{selector} is in none of the certificates that were given, so it names nobody",))
        return selector, having
    from cryptography import x509

    several = (selector,) if isinstance(selector, x509.Certificate) else selector
    check_several(several, "certificates")
    own = tuple(several)
    for certificate in own:
        check_certificate(certificate)
    if not own:
        raise RecipientError(("no certificate was given that names a recipient",))
    return describe(own[0]), own


def _own_names(certificate: x509.Certificate) -> OwnNames:
    from cryptography.exceptions import UnsupportedAlgorithm

    from smime_session.recipients.naming import OwnNames

    try:
        return OwnNames(certificate.public_key(), certificate)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RecipientError(
            (f"certificate of {describe(certificate)} has a public key that cannot be read",)
        ) from error


def _together(parts: Sequence[WrappedKey]) -> WrappedKey:
    """Join what :func:`~smime_session.cms.key_agree.split` took apart of one recipient info."""
    first = asn1.parse(parts[0].encoded)
    *shared, _ = first.children()
    encrypted_keys = [
        encrypted_key.encoded for part in parts for encrypted_key in asn1.parse(part.encoded).children()[-1]
    ]
    members = asn1.encode(asn1.SEQUENCE, *encrypted_keys)
    encoded = asn1.encode(first.tag, *(child.encoded for child in shared), members)
    return WrappedKey(encoded, parts[0].version, parts[0].key_size)
