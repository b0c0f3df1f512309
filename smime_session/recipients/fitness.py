"""From certificates to recipients: check each one, prepare it, choose by mail address.

A certificate authority is no recipient, though files often hold its certificate beside those that it issued, and
its key could decrypt. That basic constraints say ``cA`` does not tell: many programs write that into the
certificate that a user makes without an issuer. An authority's is a certificate that says so and

- has a key usage with keyCertSign, and no mail address; or
- issued another one that was given with it: by its name, and by the other's signature.

The second is no matter of one certificate: :func:`recipients_for` refuses such a one, while from a file
:func:`~smime_session.recipients.loading.load_recipients` leaves it out. ``insecure_key_usage`` lifts the refusals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smime_session.algorithms import RSASSA_PSS_OID, name_of
from smime_session.arguments import check_profile, check_recipient, check_several, moment
from smime_session.certificates.authorities import AUTHORITY, is_only_authority, without_issuers
from smime_session.certificates.load import public_key_in
from smime_session.certificates.names import (
    addresses_of,
    describe,
    extension_among,
    extension_of,
    extensions_of,
    issuer_of,
    same_mailbox,
)
from smime_session.certificates.public_key import PublicKey
from smime_session.certificates.quiet import quietly
from smime_session.cms.values import IssuerAndSerialNumber, RecipientIdentifier, SubjectKeyIdentifier
from smime_session.errors import RecipientError
from smime_session.profiles import MODERN, Profile
from smime_session.recipients.preparation import preparer
from smime_session.recipients.registry import kind_for
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from cryptography import x509

    from smime_session.recipients.kind import KeyKind
    from smime_session.recipients.registry import Recipient

_SIGNING_KINDS = ("DSA", "Ed25519", "Ed448", "MLDSA", "SLHDSA")


def recipients_for(
    recipients: Iterable[Recipient | x509.Certificate], *, profile: Profile = MODERN, at: datetime | None = None
) -> list[Recipient]:
    """Make recipients of certificates, once each; what is a recipient already passes through.

    Args:
        recipients: certificates and recipients, in any mixture.
        profile: what may be used, and how.
        at: the moment at which certificates must be valid, with its time zone; now if not given.

    Raises:
        RecipientError: there is none, or at least one cannot be used; it names every one that cannot.
        TypeError: something else was given as a recipient or as the profile.
    """
    check_profile(profile)
    check_several(recipients, "recipients")
    ready: list[Recipient] = []
    seen: set[x509.Certificate] = set()
    usable: list[x509.Certificate] = []
    refused: list[str] = []
    judge: Callable[[x509.Certificate], Recipient] | None = None
    for recipient in recipients:
        if hasattr(recipient, "wrap"):
            ready.append(recipient)
            continue
        check_recipient(recipient)
        if recipient in seen:
            continue
        seen.add(recipient)
        try:
            judge = judge or judging(profile, at)
            ready.append(judge(recipient))
            usable.append(recipient)
        except RecipientError as error:
            refused += error.refused
    if len(usable) > 1 and not profile.insecure_key_usage:
        refused += without_issuers(usable)[1]
    if refused or not ready:
        raise RecipientError(refused)
    return ready


def recipient_for(certificate: x509.Certificate, *, profile: Profile = MODERN, at: datetime | None = None) -> Recipient:
    """Check a certificate and prepare it, to be used as often as you like.

    Its chain of issuers is not checked: whom to trust is for the caller to know.

    Args:
        certificate: whose key to encrypt for.
        profile: what may be used, and how.
        at: the moment at which it must be valid, with its time zone; now if not given.

    Raises:
        RecipientError: it cannot be used, with every reason.
        TypeError: something else was given as the certificate or the profile.
    """
    check_profile(profile)
    check_recipient(certificate)
    return judging(profile, at)(certificate)


def judging(profile: Profile, at: datetime | None) -> Callable[[x509.Certificate], Recipient]:
    """Return a function that checks certificates and prepares them as :func:`recipient_for` does."""
    from cryptography.hazmat.primitives.serialization import Encoding

    at = moment(at)
    prepare = preparer(profile, at)

    def judge(certificate: x509.Certificate) -> Recipient:
        return prepare(certificate.public_bytes(Encoding.DER)) or _judged_by_library(certificate, profile, at)

    return judge


@quietly()
def _judged_by_library(certificate: x509.Certificate, profile: Profile, at: datetime) -> Recipient:
    reasons = reasons_against(certificate, profile=profile, at=at)
    key = _public_key_of(certificate)
    kind = kind_for(key) if key else None
    identifier = _identifier(certificate, profile)
    if reasons or key is None or kind is None or identifier is None:
        raise RecipientError((f"certificate of {describe(certificate)} {', and '.join(reasons)}",))
    return kind.recipient(key, identifier, profile)


def _public_key_of(certificate: x509.Certificate) -> PublicKey | None:
    found = public_key_in(certificate)
    return None if found is None else PublicKey.of(found)


def certificates_for(
    address: str,
    certificates: Iterable[x509.Certificate],
    *,
    at: datetime | None = None,
    profile: Profile = MODERN,
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
        certificate
        for certificate in dict.fromkeys(certificates)
        if any(same_mailbox(address, own) for own in addresses_of(certificate))
    ]
    fit = {certificate for certificate in matching if not reasons_against(certificate, profile=profile, at=at)}
    current = [certificate for certificate in matching if not any(_outside_validity(certificate, at))]
    chosen = current if fit.intersection(current) else matching
    return sorted(chosen, key=lambda each: (each in fit, each.not_valid_before_utc), reverse=True)


@quietly()
def reasons_against(
    certificate: x509.Certificate, *, profile: Profile = MODERN, at: datetime | None = None
) -> list[str]:
    """Say why ``profile`` must not use a certificate; none if it may.

    Each reason follows on "the certificate": ``expired on 2026-03-01``.
    """
    reasons: list[str] = []
    if not profile.insecure_expired:
        reasons += _outside_validity(certificate, moment(at))
    key = _public_key_of(certificate)
    kind = kind_for(key) if key else None
    reasons += _unfit_key(certificate, key, kind, profile)
    extensions = extensions_of(certificate)
    if extensions is None:
        return [*reasons, "has an extension that cannot be read"]
    if not profile.insecure_key_usage and is_only_authority(certificate, extensions):
        return [*reasons, AUTHORITY]
    return [*reasons, *_unfit_usage(extensions, kind, profile), *_unfit_extensions(extensions, profile)]


def _outside_validity(certificate: x509.Certificate, at: datetime) -> Iterator[str]:
    if at < certificate.not_valid_before_utc:
        yield f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    if at > certificate.not_valid_after_utc:
        yield f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"


def kind_of_key(key: object) -> str:
    """Name the kind of a public or private key: ``RSA``, ``EC``, ``X25519``."""
    return type(key).__name__.removesuffix("PublicKey").removesuffix("PrivateKey")


def only_signs(kind: str) -> bool:
    """Tell whether keys of a kind sign and do nothing else."""
    return kind.startswith(_SIGNING_KINDS)


def _unfit_key(
    certificate: x509.Certificate, key: PublicKey | None, kind: KeyKind | None, profile: Profile
) -> Iterator[str]:
    oid = certificate.public_key_algorithm_oid.dotted_string
    if key is None:
        yield f"has a public key that cannot be read (algorithm {name_of(oid) or excerpt(oid)})"
    elif kind is None:
        does = "only signs" if key.only_signs else "is not supported"
        yield f"has a kind of key that {does}: {key.kind}"
    elif oid == RSASSA_PSS_OID:  # RFC 4055, 1.2: an issuer writes this to keep the key from anything else
        yield "has a kind of key that only signs: RSASSA-PSS"
    elif profile.post_quantum_only and not kind.POST_QUANTUM:
        yield f"has no post-quantum key ({key.kind}), which profile {profile.name} requires"
    elif reason := kind.unfit(key, profile):
        yield reason


def _unfit_usage(extensions: x509.Extensions, kind: KeyKind | None, profile: Profile) -> Iterator[str]:
    """Check what the key is for; a certificate that does not say is for anything (RFC 8550, 4.4.2 and 4.4.4)."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    usage = extension_among(extensions, x509.KeyUsage)
    if usage is not None and kind is not None and not profile.insecure_key_usage and not getattr(usage, kind.KEY_USAGE):
        yield f"is not for encrypting keys: its key usage lacks {_camel_case(kind.KEY_USAGE)}"
    if usage is not None and usage.key_agreement and usage.encipher_only and not profile.insecure_key_usage:
        yield "is not for decrypting: its key usage has encipherOnly"
    purposes = extension_among(extensions, x509.ExtendedKeyUsage)
    mail = {ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if purposes is not None and not profile.insecure_extended_key_usage and mail.isdisjoint(purposes):
        yield "is not for mail: its extended key usage lacks emailProtection"


def _unfit_extensions(extensions: x509.Extensions, profile: Profile) -> Iterator[str]:
    from cryptography import x509

    if profile.identifier == "key-identifier" and extension_among(extensions, x509.SubjectKeyIdentifier) is None:
        yield "cannot be named by its key identifier: it has none"
    for extension in extensions:
        if extension.critical and isinstance(extension.value, x509.UnrecognizedExtension):
            # RFC 5280, 4.2: a critical extension that is not known means that the certificate is rejected
            yield f"has a critical extension that is not known here ({excerpt(extension.oid.dotted_string)})"


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _identifier(certificate: x509.Certificate, profile: Profile) -> RecipientIdentifier | None:
    """Return how the envelope names a certificate, or None if it cannot be named the way ``profile`` asks for."""
    from cryptography import x509

    if profile.identifier == "issuer-serial":
        return IssuerAndSerialNumber(issuer_of(certificate), certificate.serial_number)
    found = extension_of(certificate, x509.SubjectKeyIdentifier)
    return None if found is None else SubjectKeyIdentifier(found.digest)
