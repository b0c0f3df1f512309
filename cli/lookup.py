"""Certificates of recipients by mail address, and the report about them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import smime_session
from smime_session.certificates.certificate import Certificate
from smime_session.errors import RecipientError
from smime_session.operations.addressees import (
    BLIND_FIELDS,
    VISIBLE_FIELDS,
    addressee_for,
    addresses_of_fields,
    envelopes,
)

from .console import emit, say, to_json
from .credentials import certificates_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smime_session import CertificateSource, Profile, TrustAnchors
    from smime_session.mail.fields import Field
    from smime_session.operations.addressees import Addressee, Envelope

    from .addressing import Addressing


class Lookup(NamedTuple):
    """Whom a mail is for, to be looked up.

    Attributes:
        addressing: what the options say.
        fields: the mail's header fields.
        profile: what may be used.
        trust: whom to trust, or None.
    """

    addressing: Addressing
    fields: Sequence[Field]
    profile: Profile
    trust: TrustAnchors | None

    def envelopes(self) -> list[Envelope]:
        """Divide a mail into one message for all who may see each other and one for each blind recipient.

        Raises:
            RecipientError: an address has no certificate that can be used; it names every one.
            MessageError: an address field holds what is no address.
        """
        given = self.addressing
        visible, blind = self.addresses()
        sources = sources_in(given.stores)
        return envelopes(visible, blind, sources, profile=self.profile, every=given.every, trust=self.trust)

    def report(self, *, alone: bool) -> bool:
        """Write the report; tell whether all have a certificate.

        Args:
            alone: whether there are no other recipients.

        Raises:
            RecipientError: the mail is for none.
        """
        given = self.addressing
        visible, blind = self.addresses()
        if alone and not visible and not blind:
            raise RecipientError(())
        found = choose([*visible, *blind], given.stores, self.profile, every=given.every, trust=self.trust)
        report(found, as_json=given.as_json)
        return all(each.certificates for each in found)

    def addresses(self) -> tuple[list[str], list[str]]:
        """Return whom the mail is for: those whom all may see, and blind recipients.

        Raises:
            MessageError: an address field holds what is no address.
        """
        given = self.addressing
        if given.to or given.no_header_recipients or not given.stores:
            return [*given.to, *given.more], []
        visible = addresses_of_fields(self.fields, VISIBLE_FIELDS)
        return [*visible, *given.more], addresses_of_fields(self.fields, BLIND_FIELDS)


def sources_in(paths: Iterable[str]) -> list[CertificateSource]:
    """Open each folder as a store, and each file as a bundle of certificates.

    Raises:
        CredentialError: a file holds no certificate.
        OSError: it cannot be read.
    """
    return [
        smime_session.CertificateStore(path)
        if os.path.isdir(path)  # noqa: PTH112
        else smime_session.CertificateBundle(certificates_in([path]))
        for path in paths
    ]


def choose(
    addresses: Iterable[str],
    stores: Iterable[str],
    profile: Profile,
    *,
    every: bool = False,
    trust: TrustAnchors | None = None,
) -> list[Addressee]:
    """Choose the certificates for each address."""
    sources = sources_in(stores)
    return [addressee_for(address, sources, profile=profile, every=every, trust=trust) for address in addresses]


def report(addressees: Sequence[Addressee], *, as_json: bool, aside: bool = False) -> None:
    """Write which certificates were chosen for each address, or why there is none; ``aside`` is to standard error."""
    found = [
        {
            "address": each.address,
            "certificates": [str(Certificate.of(certificate)) for certificate in each.certificates],
            "valid_until": [f"{certificate.not_valid_after_utc:%Y-%m-%d}" for certificate in each.certificates],
            "reasons": list(each.reasons),
        }
        for each in addressees
    ]
    if as_json:
        emit(to_json(found).split("\n"))
        return
    lines = []
    for each in found:
        chosen = zip(each["certificates"], each["valid_until"], strict=True)
        lines += [f"{each['address']}: {name}, valid until {until}" for name, until in chosen]
        outcome = "passed over" if each["certificates"] else "no certificate can be used"
        lines += [f"{each['address']}: {outcome}: {reason}" for reason in each["reasons"]]
    if not aside:
        emit(lines)
    else:
        for line in lines:
            say(line)
