"""One signature, judged: whether it holds, whose it is, and whether that is who the mail says it is from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from smime_session.algorithms import BROKEN_DIGESTS, DATA, name_of
from smime_session.certificates.certificate import Certificate
from smime_session.certificates.names import addresses_of, describe, same_mailbox
from smime_session.certificates.signatures import is_signed_by, new_digest
from smime_session.cms import asn1, codec, signed_attributes
from smime_session.cms.names import same_name
from smime_session.cms.signature_algorithm import decode, digest_from
from smime_session.cms.values import IssuerAndSerialNumber
from smime_session.errors import CredentialError, MessageError
from smime_session.mail.addresses import addresses_in
from smime_session.mail.fields import Field, begins_like_mail, find_body, parse_fields_leniently
from smime_session.mail.protection import holds_wrapped_mail
from smime_session.operations.signer import objections
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cryptography import x509

    from smime_session.algorithms import DigestName, SignatureAlgorithm
    from smime_session.certificates.public_key import PublicKey
    from smime_session.certificates.trust import TrustAnchors
    from smime_session.cms.signed import SignedTrailer, SignerInfo
    from smime_session.cms.signed_attributes import SignedAttributes
    from smime_session.cms.values import AlgorithmIdentifier, RecipientIdentifier
    from smime_session.profiles import Policy

Word = Literal["trusted", "untrusted", "expired", "revoked", "mismatch", "broken"]

_ORDER: Final[tuple[Word, ...]] = ("broken", "revoked", "mismatch", "expired", "untrusted", "trusted")
"""What is said where several apply: the first of them."""

_MAX_HEAD: Final = 64 << 10  # bytes of the head of what is signed: its author stands in what is looked at, or is none
_UNREAD: Final = Field("from", b"From: <")

# What a signature covers is either content or attributes, and nothing in it says which: attributes that are presented
# as content would pass for signed content (RFC 5652, 5.4 and 11.1 leave that open).
_LIKE_ATTRIBUTES: Final = re.compile(
    rb"\x31(?:[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....|\x80)\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...|\x80)\x06",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature of a message.

    Attributes:
        verdict: ``trusted``; ``untrusted``: it holds, but no root that was given vouches for the signer; ``expired``
            or ``revoked``: so is the signer's certificate, or an issuer's; ``mismatch``: it holds, but the mail is
            from another address; ``broken``: it proves nothing.
        reason: why, in a sentence that follows on "the signature" or names the certificate.
        part: the number of the part that is signed: ``0`` is the whole mail, ``1.2`` the second part of its first. What
            stands in what another signature covers follows a slash: ``0/0`` is all of what is signed in ``0``.
        signer: the signer in words.
        addresses: the mail addresses in the signer's certificate.
        from_matches: whether all addresses in From are among them; None if there is no From.
        sender_matches: whether that in Sender is; None if there is no Sender.
        algorithm: the signature algorithm's name.
        signing_time: when the signer claims to have signed; nothing else proves it.
        opaque: whether the content is inside the signature.
        certificate: the signer's certificate; None if it is not known.
        chain: that certificate, its issuers and a trusted root; empty if there is no chain.
        others: the certificates that came with the signature, the signer's among them.
        capabilities: what the signer's program reads, the best first; None if that is not said.
        encryption_certificate: the certificate that the signer wants others to encrypt for, if it is another one and
            came with the message.
    """

    verdict: Word
    reason: str
    part: str
    signer: str
    addresses: tuple[str, ...] = ()
    from_matches: bool | None = None
    sender_matches: bool | None = None
    algorithm: str = ""
    signing_time: datetime | None = None
    opaque: bool = False
    certificate: x509.Certificate | None = field(default=None, repr=False)
    chain: tuple[x509.Certificate, ...] = field(default=(), repr=False)
    others: tuple[x509.Certificate, ...] = field(default=(), repr=False)
    capabilities: tuple[AlgorithmIdentifier, ...] | None = field(default=None, repr=False)
    encryption_certificate: x509.Certificate | None = field(default=None, repr=False)

    @property
    def holds(self) -> bool:
        """Whether the signature is one of the content by the key in the certificate, its owner known or not."""
        return self.verdict != "broken"


class Checks(NamedTuple):
    """What signatures are held against.

    Attributes:
        trust: the roots that are trusted; None if there are none.
        known: certificates that may be a signer's, besides those in the message.
        at: the moment.
        policy: what is accepted.
    """

    trust: TrustAnchors | None
    known: tuple[x509.Certificate, ...]
    at: datetime
    policy: Policy


class Covered(NamedTuple):
    """What the signatures of one CMS object are to cover.

    Attributes:
        part: see :class:`Signature`.
        opaque: see :class:`Signature`.
        content_type: the type of the content, dotted.
        hashes: the content's hash with each function that was asked for.
        start: the first octets of the content.
        fields: the head of the mail; None if it is none.
    """

    part: str
    opaque: bool
    content_type: str
    hashes: Mapping[DigestName, bytes]
    start: bytes
    fields: Sequence[Field] | None


def judged(trailer: SignedTrailer, covered: Covered, checks: Checks) -> list[Signature]:
    """Judge every signature of a CMS object."""
    others = _loaded(trailer.certificates)
    if not all(any(_is_named(each, info.identifier) for each in others) for info in trailer.signers):
        others += map(Certificate.of, checks.known)
    return [_Judgement(info, others, covered, checks).signature() for info in trailer.signers]


def no_signature(covered: Covered, reason: str) -> Signature:
    """Say that something has no signature that could prove anything."""
    return Signature(
        verdict="broken", reason=reason, part=covered.part, signer="an unknown signer", opaque=covered.opaque
    )


def _loaded(encoded: Sequence[bytes]) -> list[Certificate]:
    found: list[Certificate] = []
    for der in encoded:
        try:
            found.append(_certificate(der))
        except ValueError:  # of no signer that can be told
            continue
    return found


@lru_cache(maxsize=64)  # correspondents write more than once
def _certificate(der: bytes) -> Certificate:
    """Load a certificate.

    Raises:
        ValueError: it is broken, or is none.
    """
    return Certificate.load(der)


class _BrokenError(Exception):
    """A signature proves nothing; the text says why."""


class _Judgement:
    def __init__(self, info: SignerInfo, others: Sequence[Certificate], covered: Covered, checks: Checks) -> None:
        self._info = info
        self._others = others
        self._covered = covered
        self._checks = checks
        self._attributes: SignedAttributes | None = None
        self._algorithm: SignatureAlgorithm | None = None
        self._certificate = next((each for each in others if _is_named(each, info.identifier)), None)
        self._inside = _own_fields(covered.start, covered.fields or ())

    def signature(self) -> Signature:
        """Judge it."""
        certificate = self._certificate
        problem = self._problem()
        whole = certificate.whole if certificate else None
        addresses = addresses_of(whole) if whole else []
        from_matches = self._matches("from", addresses)
        sender_matches = self._matches("sender", addresses)
        found: list[tuple[Word, str]] = []
        chain: tuple[x509.Certificate, ...] = ()
        if problem:
            found.append(("broken", problem))
        elif whole:
            word, reason, chain = self._trust(whole)
            found.append((word, reason))
            found += [("untrusted", f"the certificate {reason}") for _, reason in objections(whole)]
            if from_matches is False:
                found.append(("mismatch", self._mismatch(addresses)))
        found.sort(key=lambda each: _ORDER.index(each[0]))
        return Signature(
            verdict=found[0][0],
            reason=", and ".join(dict.fromkeys(reason for word, reason in found if word != "trusted")) or found[0][1],
            part=self._covered.part,
            signer=describe(whole) if whole else _identifier_text(self._info.identifier),
            addresses=tuple(addresses),
            from_matches=from_matches,
            sender_matches=sender_matches,
            algorithm=self._algorithm.name if self._algorithm else name_of(self._info.algorithm.oid) or "unknown",
            signing_time=self._attributes.signing_time if self._attributes else None,
            opaque=self._covered.opaque,
            certificate=whole,
            chain=chain,
            others=tuple(each.whole for each in self._others),
            capabilities=self._attributes.capabilities if self._attributes else None,
            encryption_certificate=None if problem else self._encryption_certificate(),
        )

    def _trust(self, certificate: x509.Certificate) -> tuple[Word, str, tuple[x509.Certificate, ...]]:
        if self._checks.trust is None:
            return "untrusted", "no root was given that could vouch for its signer", ()
        others = [each.whole for each in self._others]
        verdict = self._checks.trust.check(certificate, others, self._checks.at)
        return verdict.word, f"the certificate {verdict.reason}", verdict.chain

    def _problem(self) -> str:
        """Say why the signature proves nothing; empty if it holds."""
        try:
            self._check()
        except _BrokenError as error:
            return str(error)
        except (MessageError, CredentialError) as error:
            return f"cannot be checked: {error}"
        return ""

    def _check(self) -> None:
        """Check the signature, and keep what is found out on the way.

        Raises:
            _BrokenError: it proves nothing.
            MessageError: it is malformed, or made in a way that is not supported.
            CredentialError: likewise its signer's key.
        """
        info = self._info
        digest = digest_from(info.digest)
        self._algorithm = decode(info.algorithm, digest)
        self._attributes = signed_attributes.decode(info.attributes) if info.attributes else None
        if digest in BROKEN_DIGESTS and not self._checks.policy.insecure_legacy:
            raise _BrokenError(f"is made with {digest}, with which others can sign in its signer's place")
        if self._certificate is None:
            raise _BrokenError("cannot be checked: its signer's certificate is not in the message")
        if self._certificate.public_key is None:
            raise _BrokenError("cannot be checked: its signer's certificate has a public key that cannot be read")
        hashed = self._covered.hashes.get(digest)
        if hashed is None:
            raise _BrokenError(f"is made with {digest}, of which the message says nothing beforehand")
        self._check_content(self._attributes, self._certificate, hashed)
        if not self._is_made_by(self._certificate.public_key, hashed, self._algorithm):
            raise _BrokenError("is not one of this content with the key of its signer")

    def _check_content(self, attributes: SignedAttributes | None, certificate: Certificate, hashed: bytes) -> None:
        """Check that the signature is one of this content.

        Raises:
            _BrokenError: it is not.
        """
        if attributes is None:
            if self._covered.content_type != DATA:
                raise _BrokenError("does not cover the type of the content")
            if _LIKE_ATTRIBUTES.match(self._covered.start):
                raise _BrokenError("covers what may be the attributes of another signature")
            return
        if attributes.content_type != self._covered.content_type:
            raise _BrokenError("is one of another type of content")
        if attributes.message_digest != hashed:
            raise _BrokenError("is not one of this content: it was changed")
        if any(_hash(each.hash, certificate.der) != each.value for each in attributes.certificates):
            raise _BrokenError("is meant for another certificate")

    def _is_made_by(self, key: PublicKey, hashed: bytes, algorithm: SignatureAlgorithm) -> bool:
        """Tell whether the key made the signature of the attributes, or without any of the content.

        Raises:
            CredentialError: the key is broken, or of a kind that is not supported.
        """
        signature, attributes = self._info.signature, self._info.attributes
        if not attributes:
            if algorithm.hash is None:
                raise CredentialError(f"{algorithm.scheme} without signed attributes is not supported")
            return is_signed_by(key, signature, hashed, algorithm, hashed=True)
        if is_signed_by(key, signature, attributes, algorithm):
            return True
        in_order = asn1.encode(asn1.SET, *sorted(child.definite() for child in asn1.parse(attributes)))
        return in_order != attributes and is_signed_by(key, signature, in_order, algorithm)

    def _matches(self, name: str, addresses: Sequence[str]) -> bool | None:
        """Tell whether every address in a header field is among others; None if the mail has no such field."""
        raws = self._raws(name)
        if not raws:
            return None
        found = _addresses_in(raws, name)
        return bool(found) and all(any(same_mailbox(each, own) for own in addresses) for each in found)

    def _raws(self, name: str) -> list[bytes]:
        """Return the header fields of a name: of the mail, and of what is signed, which may pass for the mail's."""
        return [raw for field_name, raw in (*(self._covered.fields or ()), *self._inside) if field_name == name]

    def _mismatch(self, addresses: Sequence[str]) -> str:
        raws = self._raws("from")
        sender = ", ".join(map(excerpt, _addresses_in(raws, "from"))) or "an address that cannot be read"
        return f"the mail is from {sender}, and the certificate is for {', '.join(map(excerpt, addresses)) or 'none'}"

    def _encryption_certificate(self) -> x509.Certificate | None:
        wanted = self._attributes.encryption_key if self._attributes else None
        if wanted is None or self._certificate is None:
            return None
        found = next((each for each in self._others if _is_named(each, wanted)), None)
        return None if found is None or found == self._certificate else found.whole


def _own_fields(start: bytes, outer: Sequence[Field]) -> tuple[Field, ...]:
    """Return the header fields of a signed entity, and of a mail in it that readers take for the one around it.

    Args:
        start: the first octets of the entity.
        outer: the fields of the mail.
    """
    body = find_body(start)
    if not body and len(start) >= _MAX_HEAD and begins_like_mail(start):
        return (_UNREAD,)
    body = body or len(start)
    fields = parse_fields_leniently(start[:body])
    inside = parse_fields_leniently(start[body : body + find_body(start[body:])])
    return (*fields, *inside) if holds_wrapped_mail(outer, fields, inside) else fields


def _addresses_in(raws: Sequence[bytes], name: str) -> list[str]:
    """Return the addresses in header fields; none at all if one of them cannot be read."""
    try:
        return [address for raw in raws for address in addresses_in(raw.partition(b":")[2], name.title())]
    except MessageError:
        return []


def _is_named(certificate: Certificate, identifier: RecipientIdentifier) -> bool:
    if isinstance(identifier, IssuerAndSerialNumber):
        facts = certificate.facts
        return facts.serial_number == identifier.serial_number and same_name(facts.issuer, identifier.issuer)
    return certificate.key_identifier == identifier.value


def _identifier_text(identifier: RecipientIdentifier) -> str:
    if isinstance(identifier, IssuerAndSerialNumber):
        return f"serial {identifier.serial_number:#x} of {excerpt(codec.name_text(identifier.issuer))}"
    return f"key identifier {excerpt(identifier.value.hex())}"


def _hash(name: DigestName, data: bytes) -> bytes:
    digest = new_digest(name)
    digest.update(data)
    return digest.finalize()
