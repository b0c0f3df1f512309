"""From the addresses of a mail to certificates, and to one message for each envelope.

An address without a usable certificate is named with the reason, and then nothing is encrypted. A
blind recipient gets a message of their own: neither its header nor its recipient infos show another blind one, and
no other message shows them.
"""

from __future__ import annotations

import io
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, cast

from smime_session.arguments import check_certificate, check_several, check_trust, is_recipient, moment
from smime_session.certificates.certificate import Certificate
from smime_session.certificates.names import addresses_of, alternative_addresses, mailbox_of
from smime_session.certificates.store import CertificateBundle, CertificateSource, CertificateStore
from smime_session.errors import RecipientError
from smime_session.mail.addresses import addresses_in
from smime_session.mail.entity import read_head
from smime_session.mail.header_policy import DEFAULT_HEADERS
from smime_session.mail.objects import M, octets_of
from smime_session.operations.encrypt import encrypt
from smime_session.operations.outgoing import Treatment, outgoing_head
from smime_session.profiles import AUTO
from smime_session.recipients.from_certificates import distrust, reasons_against, recipient_announcing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from cryptography import x509

    from smime_session.certificates.trust import TrustAnchors
    from smime_session.cms.values import AlgorithmIdentifier
    from smime_session.mail.fields import Field
    from smime_session.mail.header_policy import HeaderPolicy
    from smime_session.operations.signer import Signer
    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Recipient

    Certificates = CertificateSource | x509.Certificate | Iterable[CertificateSource | x509.Certificate]

VISIBLE_FIELDS: Final = ("to", "cc")
BLIND_FIELDS: Final = ("bcc",)


class Addressee(NamedTuple):
    """A mail address, and the certificates that a message to it is encrypted for.

    Attributes:
        address: the address, as the mail has it.
        certificates: those that were chosen, mostly one; none if there is no usable one.
        reasons: why there is none; or, if there is one, what speaks against the others. A sentence each.
        announced: what the owner of each certificate announced in signed mail; None where nothing is known of that.
    """

    address: str
    certificates: tuple[x509.Certificate, ...]
    reasons: tuple[str, ...] = ()
    announced: tuple[tuple[AlgorithmIdentifier, ...] | None, ...] = ()


class Envelope(NamedTuple):
    """One message that is to be sent, and to whom.

    Attributes:
        addressees: the addresses with their certificates.
        blind: whether it is for one blind recipient.
    """

    addressees: tuple[Addressee, ...]
    blind: bool = False

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses for the SMTP envelope."""
        return tuple(addressee.address for addressee in self.addressees)

    @property
    def certificates(self) -> list[x509.Certificate]:
        """The certificates that the message is encrypted for."""
        return [certificate for addressee in self.addressees for certificate in addressee.certificates]

    def readers(self, profile: Profile, at: datetime | None = None) -> list[Recipient | x509.Certificate]:
        """Return the same to encrypt for, prepared with what their owners announced, where that is known."""
        return [
            certificate if said is None else recipient_announcing(certificate, said, profile=profile, at=at)
            for addressee in self.addressees
            for certificate, said in zip_longest(addressee.certificates, addressee.announced)
        ]


class Addressed(NamedTuple, Generic[M]):
    """An encrypted message with its envelope.

    Attributes:
        recipients: the addresses for the SMTP envelope.
        message: the encrypted message, as the type that was given.
    """

    recipients: tuple[str, ...]
    message: M


def addresses_of_fields(fields: Sequence[Field], names: Sequence[str]) -> list[str]:
    """Return the addresses in the header fields called ``names`` (lower case), once each.

    Raises:
        MessageError: a field holds what is no address.
        LimitError: it holds too many.
    """
    found: dict[tuple[str, str], str] = {}
    for name, raw in fields:
        if name in names:
            for address in addresses_in(raw.partition(b":")[2], raw.partition(b":")[0].decode("ascii").strip()):
                found.setdefault(mailbox_of(address), address)
    return list(found.values())


def addressee_for(  # noqa: PLR0913  # what a choice depends on
    address: str,
    sources: Iterable[CertificateSource],
    *,
    profile: Profile,
    at: datetime | None = None,
    every: bool = False,
    trust: TrustAnchors | None = None,
) -> Addressee:
    """Choose the certificates for an address.

    Certificates that ``profile`` must not use are passed over. Of the others, one that has the address in its
    subject alternative name goes before one that has it in its subject (RFC 8550, 3), one that spells it in
    the same way before one that does not (RFC 5321, 2.4), and one that became valid later before the others.

    Args:
        address: the mail address.
        sources: where to look.
        profile: what may be used.
        at: the moment at which certificates must be valid, with its time zone; now if not given.
        every: whether to take all that can be used, not only the best one.
        trust: checks the chain of each; what is not trusted, or is not for the address, is passed over too.
    """
    check_trust(trust)
    at, sources = moment(at), tuple(sources)
    usable: list[x509.Certificate] = []
    reasons: list[str] = []
    for certificate in dict.fromkeys(certificate for source in sources for certificate in source.find(address)):
        against = reasons_against(certificate, profile=profile, at=at)
        if trust is not None and not against:
            against = distrust(certificate, trust, profile=profile, at=at, address=address)
        if against:
            serial_number = Certificate.of(certificate).facts.serial_number
            reasons.append(f"the certificate with serial {serial_number:#x} {', and '.join(against)}")
        else:
            usable.append(certificate)
    usable.sort(key=lambda certificate: _rank(certificate, address), reverse=True)
    if not usable and not reasons:
        reasons.append("there is no certificate for it")
    chosen = tuple(usable if every else usable[:1])
    return Addressee(address, chosen, tuple(reasons), tuple(_announced(each, sources) for each in chosen))


def _announced(
    certificate: x509.Certificate, sources: Iterable[CertificateSource]
) -> tuple[AlgorithmIdentifier, ...] | None:
    """Return what the owner of a certificate announced last, if a source has learnt of it."""
    found = [said for each in sources if isinstance(each, CertificateStore) and (said := each.announced(certificate))]
    return max(found, key=lambda said: said.at).capabilities if found else None


def _rank(certificate: x509.Certificate, address: str) -> tuple[bool, bool, datetime]:
    mailbox = mailbox_of(address)
    in_alternative_name = any(mailbox_of(own) == mailbox for own in alternative_addresses(certificate))
    spelt_alike = address.rpartition("@")[0] in {own.rpartition("@")[0] for own in addresses_of(certificate)}
    return in_alternative_name, spelt_alike, certificate.not_valid_before_utc


def envelopes(  # noqa: PLR0913  # what a choice depends on
    visible: Iterable[str],
    blind: Iterable[str],
    sources: Iterable[CertificateSource],
    *,
    profile: Profile,
    at: datetime | None = None,
    every: bool = False,
    trust: TrustAnchors | None = None,
) -> list[Envelope]:
    """Divide addresses into envelopes: one for all who are visible, one for each blind recipient who is not.

    Raises:
        RecipientError: an address has no certificate that can be used; it names every one.
    """
    sources = tuple(sources)
    found = [
        [addressee_for(address, sources, profile=profile, at=at, every=every, trust=trust) for address in addresses]
        for addresses in (visible, blind)
    ]
    refuse_unreachable([addressee for addressees in found for addressee in addressees])
    seen = {mailbox_of(addressee.address) for addressee in found[0]}
    divided = [Envelope(tuple(found[0]))] if found[0] else []
    return divided + [
        Envelope((addressee,), blind=True) for addressee in found[1] if mailbox_of(addressee.address) not in seen
    ]


def refuse_unreachable(addressees: Iterable[Addressee]) -> None:
    """Refuse if an address has no certificate.

    Raises:
        RecipientError: it names every one with its reasons.
    """
    if refused := [f"{each.address}: {'; '.join(each.reasons)}" for each in addressees if not each.certificates]:
        raise RecipientError(refused)


def certificate_sources(certificates: Certificates) -> tuple[CertificateSource, ...]:
    """Return where certificates are found: certificates themselves become a source.

    Raises:
        TypeError: something else was given.
    """
    if _is_source(certificates):
        return (cast("CertificateSource", certificates),)
    several = cast("Iterable[object]", [certificates] if is_recipient(certificates) else certificates)
    check_several(several, "certificates")
    sources: list[CertificateSource] = []
    alone: list[x509.Certificate] = []
    for each in several:
        if _is_source(each):
            sources.append(cast("CertificateSource", each))
        else:
            check_certificate(each)
            alone.append(cast("x509.Certificate", each))
    return (*sources, *([CertificateBundle(alone)] if alone else []))


def _is_source(value: object) -> bool:
    return isinstance(value, CertificateSource) and not isinstance(value, str | bytes | bytearray)  # which find too


def encrypt_by_address(  # noqa: PLR0913  # most leave most of them as they are
    message: M,
    certificates: Certificates,
    *,
    add: Iterable[Recipient | x509.Certificate] = (),
    to: Iterable[str] | None = None,
    bcc: Iterable[str] | None = None,
    profile: Profile = AUTO,
    headers: HeaderPolicy = DEFAULT_HEADERS,
    again: bool = False,
    compress: bool = False,
    strip_dkim: bool = False,
    every: bool = False,
    at: datetime | None = None,
    trust: TrustAnchors | None = None,
    signer: Signer | None = None,
    triple: bool = False,
) -> Iterator[Addressed[M]]:
    """Encrypt a mail for whom it is addressed to: one message for To and Cc, and one for each address in Bcc.

    Everything is checked before the first message is returned.

    Args:
        message: the mail; as bytes, or as a message object.
        certificates: where certificates are found by address: one source or several; or certificates, one or several.
        add: further recipients of the first message, such as the sender.
        to: the addresses that take the place of those in the header.
        bcc: blind recipients that take the place of those in ``Bcc``; with ``to`` alone there are none.
        profile: the algorithms, and what is asked of a certificate.
        headers: as for :func:`~smime_session.operations.encrypt.encrypt`.
        again: as for ``encrypt``.
        compress: as for ``encrypt``.
        strip_dkim: as for ``encrypt``.
        every: whether to encrypt for all certificates of an address that can be used, not only for the best.
        at: the moment at which certificates must be valid, with its time zone; now if not given.
        trust: checks the chain of each certificate, those that are added among them; without it, none is checked.
        signer: as for ``encrypt``.
        triple: as for ``encrypt``.

    Returns:
        The messages, each with the addresses for its SMTP envelope.

    Raises:
        RecipientError: an address has no certificate that can be used, or there is no address; all are named.
        SignerError: the signer's certificate must not sign this mail.
        MessageError: an address field holds what is no address.
        NotMailError: the message does not begin with a mail header.
        AlreadyEncryptedError: it is encrypted already, and ``again`` is not set.
    """
    sources = certificate_sources(certificates)
    treatment = Treatment(headers, again=again, compress=compress, strip_dkim=strip_dkim, signer=signer)
    raw_head, body = read_head(io.BytesIO(octets_of(message)).read)
    fields = outgoing_head(raw_head, treatment, lambda size: bytes(body[:size]), lambda: "us-ascii").fields
    visible = addresses_of_fields(fields, VISIBLE_FIELDS) if to is None else list(to)
    blind = list(bcc or ()) if to is not None or bcc is not None else addresses_of_fields(fields, BLIND_FIELDS)
    divided = envelopes(visible, blind, sources, profile=profile, at=at, every=every, trust=trust)
    if not divided:
        raise RecipientError(())
    others: list[Recipient | x509.Certificate] = list(add)
    if signer is not None:
        signer.check_mail(fields)

    def encrypted(envelope: Envelope) -> M:
        recipients: list[Recipient | x509.Certificate] = [
            *envelope.readers(profile, at),
            *(() if envelope.blind else others),
        ]
        return encrypt(message, recipients, profile=profile, trust=trust, triple=triple, **treatment._asdict())

    return (Addressed(envelope.recipients, encrypted(envelope)) for envelope in divided)
