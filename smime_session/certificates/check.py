"""Whether a certificate may be used to encrypt for its owner: what speaks against it, in the words of our errors.

A certificate authority is no recipient, though files often hold its certificate beside those that it issued, and
its key could decrypt. That basic constraints say ``cA`` does not tell: many programs write that into the
certificate that a user makes without an issuer. An authority's is a certificate that says so and

- has a key usage with keyCertSign, and no mail address; or
- issued another one that was given with it: by its name, and by the other's signature.

The second is no matter of one certificate: see :func:`without_issuers`. ``insecure_key_usage`` lifts the refusals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from cryptography.exceptions import InvalidSignature

from smime_session.algorithms import RSASSA_PSS_OID, name_of
from smime_session.certificates.quiet import quietly
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptography import x509

    from smime_session.certificates.certificate import Certificate
    from smime_session.certificates.facts import Facts, Use
    from smime_session.certificates.public_key import PublicKey
    from smime_session.profiles import Profile

_AUTHORITY: Final = "belongs to a certificate authority"


class Demands(Protocol):
    """What a kind of recipient asks of a certificate."""

    KEY_USAGE: ClassVar[str]
    """The key usage bit that it needs (RFC 8550, 4.4.2)."""
    POST_QUANTUM: ClassVar[bool]
    """Whether its keys withstand a quantum computer."""

    def unfit(self, public_key: PublicKey, profile: Profile) -> str | None:
        """Say why ``profile`` must not use this key, or None if it may."""
        ...


def reasons_against(certificate: Certificate, demands: Demands | None, profile: Profile, at: str) -> list[str]:
    """Say why ``profile`` must not use a certificate; none if it may.

    Args:
        certificate: the certificate.
        demands: what the kind of recipient asks that its key makes; None if it makes none.
        profile: what may be used.
        at: the moment at which it must be valid, as :func:`~smime_session.certificates.facts.letters` has it.

    Returns:
        Reasons that each follow on "the certificate": ``expired on 2026-03-01``.
    """
    facts, use = certificate.facts, certificate.facts.use
    reasons = [] if profile.insecure_expired else outside_validity(facts, at)
    if reason := _unfit_key(facts, demands, profile):
        reasons.append(reason)
    if use is None:
        reasons.append("has an extension that cannot be read")
    elif not profile.insecure_key_usage and _is_only_authority(certificate, use):
        reasons.append(_AUTHORITY)
    else:
        reasons += _unfit_use(use, demands, profile)
        if profile.identifier == "key-identifier" and facts.key_identifier is None:
            reasons.append("cannot be named by its key identifier: it has none")
        for oid in use.unknown:  # RFC 5280, 4.2: it means that the certificate is rejected
            reasons.append(f"has a critical extension that is not known here ({excerpt(oid)})")
    return reasons


def outside_validity(facts: Facts, at: str) -> list[str]:
    """Say that a certificate is not valid at a moment, if it is not."""
    if at < facts.not_before:
        return [f"is not valid before {_day(facts.not_before)}"]
    if at > facts.not_after:
        return [f"expired on {_day(facts.not_after)}"]
    return []


def _day(letters: str) -> str:
    return f"{letters[:4]}-{letters[4:6]}-{letters[6:8]}"


def _unfit_key(facts: Facts, demands: Demands | None, profile: Profile) -> str | None:
    key, oid = facts.public_key, facts.algorithm
    reason = None if key is None else _reason_against_key(key, oid, demands, profile)
    if key is None or (reason and not key.is_readable):
        return f"has a public key that cannot be read (algorithm {name_of(oid) or excerpt(oid)})"
    return reason


def _reason_against_key(key: PublicKey, oid: str, demands: Demands | None, profile: Profile) -> str | None:
    if demands is None:
        return f"has a kind of key that {'only signs' if key.only_signs else 'is not supported'}: {key.kind}"
    if oid == RSASSA_PSS_OID:  # RFC 4055, 1.2: an issuer writes this to keep the key from anything else
        return "has a kind of key that only signs: RSASSA-PSS"
    if profile.post_quantum_only and not demands.POST_QUANTUM:
        return f"has no post-quantum key ({key.kind}), which profile {profile.name} requires"
    return demands.unfit(key, profile)


def _is_only_authority(certificate: Certificate, use: Use) -> bool:
    """Tell whether a certificate, by its extensions, is an authority's and not some user's too.

    What many programs make for a user who asks for a certificate without an issuer says that it is an authority's,
    and no more. That it signs certificates, and has no mail address, only an authority's says.
    """
    if not use.authority or use.key_usage is None or "key_cert_sign" not in use.key_usage:
        return False
    return not certificate.mailboxes


def _unfit_use(use: Use, demands: Demands | None, profile: Profile) -> Iterator[str]:
    """Check what the key is for; a certificate that does not say is for anything (RFC 8550, 4.4.2 and 4.4.4)."""
    if use.key_usage is not None and not profile.insecure_key_usage:
        if demands is not None and demands.KEY_USAGE not in use.key_usage:
            yield f"is not for encrypting keys: its key usage lacks {_camel_case(demands.KEY_USAGE)}"
        if "encipher_only" in use.key_usage:
            yield "is not for decrypting: its key usage has encipherOnly"
    if not use.mail and not profile.insecure_extended_key_usage:
        yield "is not for mail: its extended key usage lacks emailProtection"


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def without_issuers(certificates: Sequence[Certificate]) -> tuple[list[Certificate], list[str]]:
    """Return the certificates that issued none of the others, and a sentence about each of the rest."""
    issuers = issuers_among(certificates)
    if not issuers:
        return list(certificates), []
    others = [certificate for certificate in certificates if certificate not in issuers]
    return others, [
        f"certificate of {issuer} {_AUTHORITY}: it issued the certificate of {issued}"
        for issuer, issued in issuers.items()
    ]


def issuers_among(certificates: Sequence[Certificate]) -> dict[Certificate, Certificate]:
    """Return the certificates that issued another one of them, each with one that it issued."""
    authorities: dict[bytes, list[Certificate]] = {}
    for certificate in certificates:
        use = certificate.facts.use
        if use is not None and use.authority:
            authorities.setdefault(certificate.subject, []).append(certificate)
    found: dict[Certificate, Certificate] = {}
    for certificate in certificates if authorities else ():
        name = certificate.facts.issuer
        if name in authorities and name != certificate.subject:  # its own issuer may be an earlier's successor
            for authority in authorities[name]:
                if authority not in found and _issued(authority.whole, certificate.whole):
                    found[authority] = certificate
    return found


@quietly()
def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Tell whether a certificate of an authority's name is signed with its key, or may be, for all that can be told."""
    try:
        certificate.verify_directly_issued_by(authority)
    except InvalidSignature:
        return False
    except (ValueError, TypeError):  # a kind of key or signature that the library does not know
        return True
    return True
