"""Inspecting: what an envelope says to anybody, without a key, and who can be expected to open it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from smime_session.algorithms import AUTH_ENVELOPED_DATA, CEK_HKDF_SHA256_OID, CONTENT_TYPES, ENVELOPED_DATA, name_of
from smime_session.arguments import check_certificate, check_identities
from smime_session.certificates.names import describe
from smime_session.cms.envelope import EnvelopeReader
from smime_session.errors import MessageError, NotEnvelopeError
from smime_session.inspection.explanation import Directory, closest
from smime_session.inspection.inspected import InspectedContent, InspectedPart, InspectedRecipient
from smime_session.inspection.interoperability import ClientNote, notes_for
from smime_session.mail.detection import open_message
from smime_session.mail.objects import source_of
from smime_session.mail.parts import find_parts
from smime_session.operations.layers import MAX_LAYERS, may_hold_objects, mentions_objects
from smime_session.operations.places import find_place, inside_of, kind_of, places_in
from smime_session.operations.waiting import Recorded
from smime_session.profiles import DEFAULT, Policy
from smime_session.recipients.registry import NamedIdentity, each, matching, summarize
from smime_session.streams.sources import Replay
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from email.message import Message

    from cryptography import x509

    from smime_session.cms.values import WrappedKey
    from smime_session.mail.detection import Incoming
    from smime_session.recipients.registry import Identity
    from smime_session.recipients.summary import RecipientSummary


_ENVELOPES: Final = frozenset({CONTENT_TYPES[ENVELOPED_DATA], CONTENT_TYPES[AUTH_ENVELOPED_DATA]})


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an envelope says to anybody.

    Attributes:
        form: ``mail``, ``der``, ``pem``, ``base64``, ``quoted-printable`` or ``uuencode``.
        transfer_encoding: of the CMS object in a mail (``base64``, ``binary``, ...); None if it is no mail.
        content_type: ``auth-enveloped-data`` or ``enveloped-data``.
        version: the CMSVersion.
        encoding: ``DER``, or ``BER`` where any length is indefinite or the content is in pieces.
        authenticated: whether its content is authenticated.
        post_quantum: whether every recipient is addressed in a way that withstands a quantum computer.
        notes: what the rest taken together means, a sentence each.
        content: how the content is sealed.
        recipients: the recipient infos, in their order.
        closest: if it is addressed to none of the given identities, which of them comes closest and what is
            different; else None.
        clients: which mail programs open it.
        has_originator_info: whether it carries the originator's certificates.
        authenticated_attributes_size: octets of attributes that the tag covers.
        unauthenticated_attributes_size: octets of those that it does not.
        repairs: what was damaged around the CMS object, or left there, and read all the same: a clause each.
        parts: of a mail of several parts, those that have no others; everything else here is said of the first of them
            that is an envelope, or of the one that was asked for. Empty for a mail that is an envelope itself.
    """

    form: str
    transfer_encoding: str | None
    content_type: str
    version: int
    encoding: str
    authenticated: bool
    post_quantum: bool
    notes: tuple[str, ...]
    content: InspectedContent
    recipients: tuple[InspectedRecipient, ...]
    closest: str | None
    clients: tuple[ClientNote, ...]
    has_originator_info: bool
    authenticated_attributes_size: int
    unauthenticated_attributes_size: int
    repairs: tuple[str, ...]
    parts: tuple[InspectedPart, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain values for JSON; its keys are the attributes' names and stay."""
        found = asdict(self)
        for recipient in found["recipients"]:
            recipient.update(recipient.pop("summary"))
            del recipient["post_quantum"]  # what counts is whether all are
        return found


def inspect(
    message: Message[Any, Any] | bytes | BinaryIO,
    identities: Iterable[Identity] = (),
    certificates: Iterable[x509.Certificate] = (),
    *,
    policy: Policy = DEFAULT,
    part: str | None = None,
) -> Inspection:
    """Tell what an envelope says without opening it; it is read to its end in flat memory.

    A mail of several parts waits in memory; what is signed in them is looked into.

    Args:
        message: a mail, or a bare CMS object in DER, BER, PEM or base64.
        identities: for each recipient, which of these it is addressed to; no private key is used.
        certificates: for each recipient, which of these it names.
        policy: the limits.
        part: the number of the part to tell of; None for the mail itself or, if it is no envelope, the first that is.

    Raises:
        MessageError: it is no envelope and has none in its parts, or is broken.
        TypeError: it is neither a message nor a binary file, or another argument is of a kind that is not accepted.
    """
    identities, certificates = tuple(identities), tuple(certificates)
    check_identities(identities)
    for certificate in certificates:
        check_certificate(certificate)
    with Replay(source_of(message), replayable=False) as replay:
        recorded = Recorded(replay.read_block)
        try:
            if part is not None:
                return _inspect_part(recorded.rest(), part, policy, identities, certificates)
            incoming = open_message(recorded)
            reader = EnvelopeReader(incoming.next_block, policy)
        except NotEnvelopeError as error:
            if part is not None or error.kind == "mbox" or not may_hold_objects(recorded.beginning):
                raise
            mail = recorded.rest()
            first = next((each.number for each in _parts(mail) if each.object in _ENVELOPES), None)
            if first is None:
                raise
            return _inspect_part(mail, first, policy, identities, certificates)
        recorded.forget()
        return _describe(incoming, reader, identities, certificates)


def _inspect_part(
    mail: bytes, number: str, policy: Policy, identities: Sequence[Identity], certificates: Sequence[x509.Certificate]
) -> Inspection:
    """Tell what the envelope in one part of a mail says.

    Raises:
        MessageError: it is none, or broken.
    """
    place = find_place(mail, number)
    if place is None:
        raise NotEnvelopeError(f"a mail without a part {excerpt(number)}")
    incoming = place.incoming()
    reader = EnvelopeReader(incoming.next_block, policy)
    return replace(_describe(incoming, reader, identities, certificates), parts=tuple(_parts(mail)))


def _parts(mail: bytes, prefix: str = "", depth: int = 0) -> Iterator[InspectedPart]:
    """Yield the parts of a mail that have no others, and those in what can be read in them."""
    for place in places_in(mail, find_parts(iter((mail, b"")).__next__), prefix):
        if not (place.is_encoded_mail or place.part.is_declared):
            yield InspectedPart(place.number, place.part.content_type, None)
            continue
        try:
            kind = None if place.is_encoded_mail else kind_of(place)
            yield InspectedPart(place.number, place.part.content_type, kind)
            inside = None if kind in _ENVELOPES else inside_of(place)
        except MessageError as error:
            yield InspectedPart(place.number, place.part.content_type, str(error))
            continue
        if inside is not None and depth < MAX_LAYERS and mentions_objects(inside):
            yield from _parts(inside, f"{place.number}/", depth + 1)


def _describe(
    incoming: Incoming,
    reader: EnvelopeReader,
    identities: Sequence[Identity],
    certificates: Sequence[x509.Certificate],
) -> Inspection:
    for _ in reader.ciphertext():
        pass
    trailer = reader.trailer()
    header = reader.header
    content = _content(reader)
    recipients = _recipients(header.wrapped_keys, identities, Directory(certificates))
    missed = not any(recipient.opened_by or recipient.may_be_opened_by for recipient in recipients)
    classical = sum(not recipient.summary.post_quantum for recipient in recipients)
    return Inspection(
        form=incoming.form,
        transfer_encoding=incoming.head.transfer_encoding if incoming.head else None,
        content_type=CONTENT_TYPES[header.content_type],
        version=header.version,
        encoding="BER" if reader.indefinite or reader.constructed else "DER",
        authenticated=reader.authenticated,
        post_quantum=bool(recipients) and not classical,
        notes=tuple(_notes(classical, len(recipients))),
        content=content,
        recipients=recipients,
        closest=closest(header.wrapped_keys, identities, certificates) if missed else None,
        clients=notes_for(content, recipients),
        has_originator_info=header.originator_info is not None,
        authenticated_attributes_size=len(trailer.authenticated_attributes),
        unauthenticated_attributes_size=len(trailer.unauthenticated_attributes),
        repairs=incoming.repairs.told(reader.end, followed=reader.followed),
    )


def _notes(classical: int, total: int) -> Iterator[str]:
    if 0 < classical < total:
        yield f"the message is only as strong as its classical keys: {classical} of {total} recipients have no other"


def _content(reader: EnvelopeReader) -> InspectedContent:
    identifier = reader.header.content_encryption
    parameters = problem = None
    try:
        parameters = reader.parameters
    except MessageError as error:
        problem = str(error)
    oid = parameters.algorithm.oid if parameters else identifier.oid
    inner = reader.header.inner_content_type
    return InspectedContent(
        type=name_of(inner) or inner,
        algorithm=name_of(oid) or oid,
        algorithm_oid=oid,
        key_bits=parameters.algorithm.key_size * 8 if parameters else None,
        key_derivation="HKDF-SHA-256" if identifier.oid == CEK_HKDF_SHA256_OID else None,
        nonce_size=len(parameters.nonce) if parameters else None,
        tag_size=parameters.tag_size if parameters else None,
        ciphertext_size=reader.ciphertext_size,
        constructed=reader.constructed,
        problem=problem,
    )


def _recipients(
    wrapped_keys: Sequence[WrappedKey], identities: Sequence[Identity], directory: Directory
) -> tuple[InspectedRecipient, ...]:
    return tuple(
        _recipient(index, summary, [identity for identity in identities if _addressed_to(identity, wrapped)], directory)
        for index, whole in enumerate(wrapped_keys, 1)
        for wrapped in each(whole)
        for summary in summarize(wrapped)
    )


def _recipient(
    index: int, summary: RecipientSummary, readers: Sequence[Identity], directory: Directory
) -> InspectedRecipient:
    certificate = directory.find(summary)
    named = [identity for identity in readers if _goes_by_name(identity, summary)]
    return InspectedRecipient(
        index=index,
        summary=summary,
        opened_by=tuple(map(str, named)),
        may_be_opened_by=tuple(str(identity) for identity in readers if identity not in named),
        certificate=describe(certificate) if certificate else None,
    )


def _goes_by_name(identity: Identity, summary: RecipientSummary) -> bool:
    """Tell whether the name in a recipient info is one of the identity's, which the recipient info may be for."""
    if isinstance(identity, NamedIdentity):
        identifiers = {identifier.hex() for identifier in identity.names.key_identifiers}
        return identity.names.certificate is not None or summary.key_identifier in identifiers
    return summary.is_named


def _addressed_to(identity: Identity, wrapped: WrappedKey) -> bool:
    try:
        return bool(matching(identity, (wrapped,)))
    except MessageError:
        return False  # its summary says what is wrong with it
