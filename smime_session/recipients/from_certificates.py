"""From certificates to recipients: read each one, check it, and prepare the recipient that its key makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from smime_session.arguments import (
    check_octets,
    check_profile,
    check_recipient,
    check_several,
    check_trust,
    is_recipient,
    moment,
    octets_in,
)
from smime_session.certificates import check
from smime_session.certificates.certificate import Certificate, read_certificates
from smime_session.certificates.facts import letters
from smime_session.cms.values import SubjectKeyIdentifier
from smime_session.errors import RecipientError
from smime_session.profiles import AUTO, Profile
from smime_session.recipients.registry import kind_for

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from cryptography import x509

    from smime_session.certificates.trust import TrustAnchors
    from smime_session.cms.values import AlgorithmIdentifier
    from smime_session.recipients.kind import KeyKind
    from smime_session.recipients.registry import Recipient


def recipients_for(
    recipients: Recipient | x509.Certificate | Iterable[Recipient | x509.Certificate],
    *,
    profile: Profile = AUTO,
    at: datetime | None = None,
    trust: TrustAnchors | None = None,
) -> list[Recipient]:
    """Make recipients of certificates, once each; what is a recipient already passes through.

    Args:
        recipients: certificates and recipients, in any mixture; or one.
        profile: what may be used, and how.
        at: the moment at which certificates must be valid, with its time zone; now if not given.
        trust: checks the chain of each certificate; without it, none is checked.

    Raises:
        RecipientError: there is none, or at least one cannot be used; it names every one that cannot.
        TypeError: something else was given as a recipient or as the profile.
    """
    check_profile(profile)
    several = cast("Iterable[Recipient | x509.Certificate]", [recipients] if is_recipient(recipients) else recipients)
    check_several(several, "recipients")
    ready: list[Recipient] = []
    seen: set[x509.Certificate] = set()
    usable: list[Certificate] = []
    refused: list[str] = []
    prepare: Callable[[Certificate], Recipient] | None = None
    for recipient in several:
        if hasattr(recipient, "wrap"):
            ready.append(recipient)
            continue
        check_recipient(recipient)
        if recipient in seen:
            continue
        seen.add(recipient)
        certificate = Certificate.of(recipient)
        prepare = prepare or _preparing(profile, at, trust)
        try:
            ready.append(prepare(certificate))
            usable.append(certificate)
        except RecipientError as error:
            refused += error.refused
    if len(usable) > 1 and not profile.insecure_key_usage:
        refused += check.without_issuers(usable)[1]
    if refused or not ready:
        raise RecipientError(refused)
    return ready


def recipient_for(
    certificate: x509.Certificate,
    *,
    profile: Profile = AUTO,
    at: datetime | None = None,
    trust: TrustAnchors | None = None,
) -> Recipient:
    """Check a certificate and prepare it, to be used as often as you like.

    Its chain of issuers is checked if it is said whom to trust.

    Args:
        certificate: whose key to encrypt for.
        profile: what may be used, and how.
        at: the moment at which it must be valid, with its time zone; now if not given.
        trust: checks its chain; without it, that is not checked.

    Raises:
        RecipientError: it cannot be used, with every reason.
        TypeError: something else was given as the certificate or the profile.
    """
    check_profile(profile)
    check_recipient(certificate)
    return _preparing(profile, at, trust)(Certificate.of(certificate))


def recipient_announcing(
    certificate: x509.Certificate,
    capabilities: tuple[AlgorithmIdentifier, ...],
    *,
    profile: Profile = AUTO,
    at: datetime | None = None,
) -> Recipient:
    """Check a certificate and prepare it, as :func:`recipient_for` does, with what its owner announced elsewhere.

    Raises:
        RecipientError: it cannot be used, with every reason.
    """
    return _preparing(profile, at, None)(Certificate.of(certificate).announcing(capabilities))


def load_recipients(
    data: bytes | str | os.PathLike[str],
    *,
    profile: Profile = AUTO,
    at: datetime | None = None,
    trust: TrustAnchors | None = None,
) -> list[Recipient]:
    """Load the certificates in a file, check them and make recipients of them, once each, in their order.

    That takes a fraction of the time of three steps. Their chains of issuers are checked if it is said whom to trust.
    The certificate of an issuer that lies in the file beside one that it issued is left out.

    Args:
        data: PEM, DER or PKCS#7 as bytes; PEM as text; or a path (:class:`pathlib.Path`) of a file that holds one.
        profile: what may be used, and how.
        at: the moment at which the certificates must be valid, with its time zone; now if not given.
        trust: checks the chain of each; without it, none is checked.

    Raises:
        CredentialError: there is no certificate, and the error says what there is instead; or one is broken.
        RecipientError: at least one cannot be used; it names every one that cannot, with every reason.
        TypeError: something else was given as the profile.
    """
    made, _ = made_of(octets_in(data), profile=profile, at=at, trust=trust)
    recipients = [each for _, each in made]
    refused = [sentence for each in recipients if isinstance(each, RecipientError) for sentence in each.refused]
    if refused:
        raise RecipientError(refused)
    return cast("list[Recipient]", recipients)


def made_of(
    data: bytes, *, profile: Profile = AUTO, at: datetime | None = None, trust: TrustAnchors | None = None
) -> tuple[list[tuple[Certificate, Recipient | RecipientError]], list[str]]:
    """Return each certificate in a file with its recipient or with what speaks against it, in their order.

    Issuers of others in the file are left out; what is returned besides is a sentence about each of them.

    Raises:
        CredentialError: there is no certificate, and the error says what there is instead; or one is broken.
        TypeError: something else was given as the profile.
    """
    check_octets(data, "what a file holds")
    check_profile(profile)
    found = read_certificates(data)
    prepare = _preparing(profile, at, trust, found)
    certificates, left_out = check.without_issuers(found)
    made: list[tuple[Certificate, Recipient | RecipientError]] = []
    for certificate in certificates:
        try:
            made.append((certificate, prepare(certificate)))
        except RecipientError as error:
            made.append((certificate, error))
    return made, left_out


def _preparing(
    profile: Profile, at: datetime | None, trust: TrustAnchors | None, beside: Iterable[Certificate] = ()
) -> Callable[[Certificate], Recipient]:
    """Return a function that checks certificates and prepares them as :func:`recipient_for` does."""
    check_trust(trust)
    at = moment(at)
    now = letters(at)
    issuers = [each.whole for each in beside if trust is not None and (use := each.facts.use) and use.authority]
    by_key_identifier = profile.identifier == "key-identifier"
    kinds: dict[str, KeyKind | None] = {}  # looking there takes a fifth of the time that a company's certificates take

    def prepare(certificate: Certificate) -> Recipient:
        key = certificate.public_key
        kind = None
        if key is not None:
            kind = kinds[key.kind] if key.kind in kinds else kinds.setdefault(key.kind, kind_for(key))
        reasons = check.reasons_against(certificate, kind, profile, now)
        if trust is not None and not reasons:
            reasons = distrust(certificate.whole, trust, profile=profile, at=at, beside=issuers)
        if reasons or key is None or kind is None:
            sentence = f"certificate of {certificate} {', and '.join(reasons)}"
            raise RecipientError((sentence,))
        stated, use = certificate.key_identifier, certificate.facts.use
        name = SubjectKeyIdentifier(stated) if by_key_identifier and stated else certificate.name
        return kind.recipient(key, name, profile, use.capabilities if use else ())

    return prepare


def distrust(  # noqa: PLR0913  # what a verdict depends on
    certificate: x509.Certificate,
    trust: TrustAnchors,
    *,
    profile: Profile,
    at: datetime,
    beside: Iterable[x509.Certificate] = (),
    address: str | None = None,
) -> list[str]:
    """Say why a certificate is not trusted, for an address if one is given; nothing if it is.

    What ``profile`` accepts all the same does not count.
    """
    any_purpose = profile.insecure_extended_key_usage
    verdict = trust.check(certificate, beside, at, address=address, any_purpose=any_purpose)
    accepted = verdict.trusted or (verdict.word == "expired" and profile.insecure_expired)
    return [] if accepted else [verdict.reason]


def reasons_against(certificate: x509.Certificate, *, profile: Profile = AUTO, at: datetime | None = None) -> list[str]:
    """Say why ``profile`` must not use a certificate; none if it may.

    Each reason follows on "the certificate": ``expired on 2026-03-01``.
    """
    return reasons_of(Certificate.of(certificate), profile, moment(at))


def reasons_of(certificate: Certificate, profile: Profile, at: datetime) -> list[str]:
    """Say the same of a certificate that is read already."""
    key = certificate.public_key
    return check.reasons_against(certificate, kind_for(key) if key else None, profile, letters(at))
