"""Choosing among the certificates of a mail address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smime_session.arguments import moment
from smime_session.certificates import check
from smime_session.certificates.certificate import Certificate
from smime_session.certificates.facts import letters
from smime_session.certificates.names import addresses_of, same_mailbox
from smime_session.profiles import AUTO, Profile
from smime_session.recipients.from_certificates import reasons_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cryptography import x509


def certificates_for(
    address: str,
    certificates: Iterable[x509.Certificate],
    *,
    at: datetime | None = None,
    profile: Profile = AUTO,
) -> list[x509.Certificate]:
    """Return the certificates for a mail address, the best first.

    Those that ``profile`` may use come before those it may not, and newer ones before older ones.
    Certificates outside their validity period are left out if there is a usable one within it; they
    stay if there is none, so that the caller can say what became of them.

    Args:
        address: the mail address; letter case does not count.
        certificates: where to look.
        at: the moment at which they must be valid, with its time zone; now if not given.
        profile: what may be used.
    """
    at = moment(at)
    matching = [
        Certificate.of(certificate)
        for certificate in dict.fromkeys(certificates)
        if any(same_mailbox(address, own) for own in addresses_of(certificate))
    ]
    fit = {each for each in matching if not reasons_of(each, profile, at)}
    current = [each for each in matching if not check.outside_validity(each.facts, letters(at))]
    chosen = current if fit.intersection(current) else matching
    best_first = sorted(chosen, key=lambda each: (each in fit, each.facts.not_before), reverse=True)
    return [each.whole for each in best_first]
