"""Explaining: why a message is for none of the identities that were given, as far as public fields tell.

What is compared is what anybody can see: recipient infos and certificates. No private key is used,
so that no answer depends on one (RFC 3218).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.certificates.certificate import Certificate
from smime_session.certificates.names import addresses_of, describe, key_of, same_mailbox
from smime_session.recipients.from_certificates import reasons_against
from smime_session.recipients.registry import NamedIdentity, summarize
from smime_session.recipients.summary import identifier_fields
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from cryptography import x509

    from smime_session.cms.values import WrappedKey
    from smime_session.recipients.naming import OwnNames
    from smime_session.recipients.registry import Identity
    from smime_session.recipients.summary import RecipientSummary

MOST_COMPARED: Final = 1000  # recipients: an error about a mailing list need not look at all of them


class Closeness(IntEnum):
    """How near an identity comes to a recipient, the nearest highest."""

    SAME_ISSUER = 1
    SAME_ADDRESS = 2
    SAME_KEY = 3
    SAME_NAME = 4


class _Match(NamedTuple):
    closeness: Closeness
    sentence: str


class Directory:
    """Certificates by the names that messages have for them.

    Args:
        certificates: of possible recipients.
    """

    def __init__(self, certificates: Iterable[x509.Certificate]) -> None:
        self._found: dict[tuple[str | None, ...], x509.Certificate] = {}
        for certificate in map(Certificate.of, certificates):
            self._found.setdefault(_name_of(certificate), certificate.whole)
            for identifier in _identifiers_of(certificate):
                self._found.setdefault((identifier.hex(),), certificate.whole)

    def find(self, recipient: RecipientSummary) -> x509.Certificate | None:
        """Return the certificate that a recipient info names, or None if it is not here."""
        if recipient.key_identifier is not None:
            return self._found.get((recipient.key_identifier,))
        return self._found.get((recipient.issuer, recipient.serial_number))


def _identifiers_of(certificate: Certificate) -> Iterable[bytes]:
    if stated := certificate.key_identifier:
        return (stated,)
    return certificate.public_key.key_identifiers() if certificate.public_key else ()


def closest(
    wrapped_keys: Sequence[WrappedKey],
    identities: Iterable[Identity],
    certificates: Iterable[x509.Certificate] = (),
    *,
    at: datetime | None = None,
) -> str | None:
    """Say which identity comes closest to being addressed, and what is different.

    Args:
        wrapped_keys: the message's recipient infos, none of them for any of the identities.
        identities: those that were given.
        certificates: of possible recipients, to compare with.
        at: the moment at which the identity's certificate should be valid, with its time zone; now if not given.

    Returns:
        A sentence, or None if nothing is close.
    """
    summaries = list(islice(chain.from_iterable(map(summarize, wrapped_keys)), MOST_COMPARED))
    directory = Directory(certificates)
    best: _Match | None = None
    for identity in identities:
        if isinstance(identity, NamedIdentity) and identity.names.certificate is not None:
            own = _Own.of(str(identity), identity.names, identity.names.certificate)
            for match in _matches(own, summaries, directory):
                if best is None or match.closeness > best.closeness:
                    best = _Match(match.closeness, f"{own.who} {match.sentence}{_doubts(own.certificate, at)}")
    return best.sentence if best else None


@dataclass(frozen=True, slots=True)
class _Own:
    """What is compared of an identity.

    Attributes:
        who: the identity in words.
        certificate: its certificate.
        name: its issuer and serial number, as a summary has them.
        key_identifiers: those it answers to, hexadecimal.
        addresses: its mail addresses.
    """

    who: str
    certificate: x509.Certificate
    name: tuple[str, str]
    key_identifiers: frozenset[str]
    addresses: tuple[str, ...]

    @classmethod
    def of(cls, who: str, names: OwnNames, certificate: x509.Certificate) -> _Own:
        """Collect it."""
        identifiers = frozenset(identifier.hex() for identifier in names.key_identifiers)
        addresses = tuple(addresses_of(certificate))
        return cls(who, certificate, _name_of(Certificate.of(certificate)), identifiers, addresses)


def _matches(own: _Own, summaries: Iterable[RecipientSummary], directory: Directory) -> Iterator[_Match]:
    """Yield for each recipient how near it is, if it is; the sentences follow on the identity's name."""
    for summary in summaries:
        if (summary.issuer, summary.serial_number) == own.name or summary.key_identifier in own.key_identifiers:
            wrong = summary.problem or f"for {summary.technique}, which its key is not for"
            yield _Match(Closeness.SAME_NAME, f"is named in the message, but {wrong}")
        elif known := directory.find(summary):
            yield from _compared(own, known)
        elif summary.issuer and (address := _mentioned(own.addresses, summary.issuer)):
            other = f"has the same mail address, {excerpt(address)}, but the message names {summary.name}"
            yield _Match(Closeness.SAME_ADDRESS, f"{other}: an earlier or later certificate")
        elif summary.issuer == own.name[0]:
            other = f"has the same issuer, but the message names serial number {excerpt(summary.serial_number or '')}"
            yield _Match(Closeness.SAME_ISSUER, f"{other}: an earlier or later certificate, or another person's")


def _compared(own: _Own, known: x509.Certificate) -> Iterator[_Match]:
    """Compare with the certificate that the message names."""
    named = f"as the certificate that the message names, that of {describe(known)}"
    if key_of(known) == key_of(own.certificate):
        remedy = "it opens the message once it is loaded with that certificate"
        yield _Match(Closeness.SAME_KEY, f"has the same key {named}: {remedy}")
    elif any(same_mailbox(one, other) for one in own.addresses for other in addresses_of(known)):
        yield _Match(Closeness.SAME_ADDRESS, f"has the same mail address {named}, but another key")


def _mentioned(addresses: Iterable[str], issuer: str) -> str | None:
    """Return the first of the addresses that stands in an issuer's name: many certificates are their own issuer's."""
    return next((each for each in addresses if re.search(_whole(each), issuer, re.IGNORECASE)), None)


def _whole(address: str) -> str:
    """Return a pattern of an address with nothing before or after it that could belong to another one."""
    return rf"(?<![\w.+-]){re.escape(address)}(?![\w.-])"


def _name_of(certificate: Certificate) -> tuple[str, str]:
    fields = identifier_fields(certificate.name)
    return fields["issuer"], fields["serial_number"]


def _doubts(certificate: x509.Certificate, at: datetime | None) -> str:
    """Say what speaks against an identity's own certificate: senders had the same reasons to use another."""
    reasons = reasons_against(certificate, at=at)
    return f"; its own certificate {', and '.join(reasons)}" if reasons else ""
