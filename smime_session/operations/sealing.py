"""Sealing a message: its session key wrapped for everybody, its content sealed once, piece by piece.

For every operation that makes a new envelope.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Self

from smime_session.algorithms import AES_256_CBC, AES_256_GCM, AUTH_ENVELOPED_DATA, DATA, ENVELOPED_DATA
from smime_session.cms import content_algorithm
from smime_session.cms.envelope import EnvelopeWriter, Target, trailer_size
from smime_session.cms.revision import version_for
from smime_session.cms.values import ContentParameters, EnvelopeHeader, EnvelopeTrailer
from smime_session.content import SLACK, sealer
from smime_session.errors import LimitError, MessageError, UnsupportedAlgorithmError
from smime_session.profiles import DEFAULT
from smime_session.recipients.kind import KeyRecipient, summary
from smime_session.recipients.registry import check_limits, is_for_certificates, kinds_of, refuse_classical, wrap_all
from smime_session.streams.sources import BLOCK_SIZE, LARGE_BLOCK_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session.algorithms import ContentEncryption
    from smime_session.cms.values import RecipientIdentifier
    from smime_session.mail.blocks import Block
    from smime_session.profiles import Policy, Profile
    from smime_session.recipients.registry import Recipient
    from smime_session.session_key import SessionKey

SMIME_TYPES: Final[dict[str, Literal["authEnveloped-data", "enveloped-data"]]] = {
    AUTH_ENVELOPED_DATA: "authEnveloped-data",
    ENVELOPED_DATA: "enveloped-data",
}
"""What a mail calls the content types."""

_MOST_NAMED: Final = 3  # recipients in a reason; the rest are counted
_ALL_BUT_RECIPIENTS: Final = 1024  # octets of a header without recipients and originator; real ones are under 200


class Choice(NamedTuple):
    """How the content of a message is encrypted.

    Attributes:
        content: the content-encryption algorithm.
        by_readers: whether the recipients decided, and not the profile.
        unaware: the first of those recipients who are not known to read AES-256-GCM, three at most: how the message
            names them, or else in words.
        more: how many such recipients there are besides.
    """

    content: ContentEncryption
    by_readers: bool = False
    unaware: tuple[RecipientIdentifier | str, ...] = ()
    more: int = 0

    @property
    def reason(self) -> str:
        """Why, as a clause; of the recipients it names a few at most."""
        if not self.by_readers:
            return "the profile says so"
        if not self.unaware:
            return f"every recipient is known to read {self.content.name}"
        names = [each if isinstance(each, str) else summary(each).name for each in self.unaware]
        if self.more:
            names.append(f"{self.more:,} more")
        return f"not known to read {AES_256_GCM.name}: {', '.join(names)}"


def choose(profile: Profile, recipients: Sequence[Recipient]) -> Choice:
    """Choose how the content of one message is encrypted.

    A profile that leaves it open (:data:`~smime_session.profiles.AUTO`) has AES-256-GCM if every recipient is known to
    read it, and AES-256-CBC otherwise. What a recipient is known to read, by object identifier, is its attribute
    ``reads``; of one without it, like a password, nothing is known. RFC 8551, 2.7.1.2 would have AES-256-GCM for
    recipients of whom nothing is known, but mail programs show nothing in its place.
    """
    if profile.content is not None:
        return Choice(profile.content)
    unaware = [recipient for recipient in recipients if AES_256_GCM.oid not in getattr(recipient, "reads", ())]
    content = AES_256_CBC if unaware else AES_256_GCM
    return Choice(content, True, tuple(map(_named, unaware[:_MOST_NAMED])), max(0, len(unaware) - _MOST_NAMED))  # noqa: FBT003  # a field


def _named(recipient: Recipient) -> RecipientIdentifier | str:
    """Return what names a recipient, and holds nothing of its key."""
    if isinstance(recipient, KeyRecipient):
        return recipient.identifier
    has_name = type(recipient).__str__ is not object.__str__
    return str(recipient) if has_name else f"a recipient of type {type(recipient).__name__}"


def envelope_header(
    key: SessionKey, recipients: Sequence[Recipient], profile: Profile, algorithm: ContentEncryption
) -> tuple[EnvelopeHeader, ContentParameters]:
    """Wrap the session key for everybody and draw the message's nonce.

    Args:
        key: the session key.
        recipients: everybody.
        profile: what is asked of them.
        algorithm: how the content will be encrypted (:func:`choose`).

    Raises:
        UnsupportedAlgorithmError: the content encryption is broken by now: it is only read.
        RecipientError: a prepared recipient is not one that the profile allows.
        LimitError: there are more recipients than reading accepts.
    """
    if algorithm.legacy:
        raise UnsupportedAlgorithmError("writing of content with", algorithm.oid, algorithm.name)
    wrapped = wrap_all(recipients, key)
    refuse_classical(wrapped, profile)
    parameters = ContentParameters(algorithm, os.urandom(algorithm.nonce_size), algorithm.tag_size)
    if profile.derived_content_key:
        parameters = content_algorithm.with_derived_key(parameters)
    header = EnvelopeHeader(
        content_type=AUTH_ENVELOPED_DATA if algorithm.authenticated else ENVELOPED_DATA,
        version=version_for(wrapped, authenticated=algorithm.authenticated),
        wrapped_keys=wrapped,
        inner_content_type=DATA,
        content_encryption=content_algorithm.encode(parameters),
    )
    refuse_unreadable(header, len(recipients))
    return header, parameters


def locked_out(header: EnvelopeHeader) -> tuple[str, ...]:
    """Return the mail programs that show a message to none of its recipients, because of the kind of one of them."""
    kinds = kinds_of(header.wrapped_keys)
    if len(kinds) < 2 or not any(map(is_for_certificates, kinds)):  # noqa: PLR2004  # most messages have one
        return ()
    from smime_session.inspection.interoperability import refusing_for_kinds  # slow to load

    try:
        parameters = content_algorithm.parameters_from(header.content_encryption)
    except MessageError:
        return ()
    return refusing_for_kinds(kinds, parameters.algorithm, derived=bool(parameters.derivation_info))


def refuse_unreadable(header: EnvelopeHeader, recipients: int, policy: Policy = DEFAULT) -> None:
    """Refuse to write for recipients whom reading with ``policy`` would refuse: what is written here is read here.

    Args:
        header: what is to be written.
        recipients: how many there are in it.
        policy: the limits of who reads it.

    Raises:
        LimitError: they are too many, or need too much room, or more than ``policy`` allows of one kind.
    """
    if recipients > policy.max_recipients:
        raise LimitError("the number of recipients", policy.max_recipients, option="max_recipients")
    room = policy.max_header_size - _ALL_BUT_RECIPIENTS - len(header.originator_info or b"")
    if sum([len(wrapped.encoded) for wrapped in header.wrapped_keys]) > room:
        raise LimitError("the size of the keys encrypted for all recipients", room, "bytes")
    check_limits(header.wrapped_keys, policy)


class SealingWriter:
    """Seals content that comes in pieces, and writes the envelope around it.

    Nothing is complete before :meth:`finish`.

    Args:
        target: where the envelope goes.
        header: what stands before the content.
        parameters: how to seal.
        key: the session key; the caller wipes it.
        size: octets of ciphertext, or None if they are not known beforehand.
        trailer: the attributes that stand after the content; its tag does not count.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what an envelope is made of
        self,
        target: Target,
        header: EnvelopeHeader,
        parameters: ContentParameters,
        key: SessionKey,
        size: int | None,
        trailer: EnvelopeTrailer = EnvelopeTrailer(),  # noqa: B008  # a value
    ) -> None:
        self._trailer = trailer
        announced = trailer._replace(tag=bytes(parameters.tag_size))
        authenticated = parameters.algorithm.authenticated
        self._writer = EnvelopeWriter(target, header, size, trailer_size(announced, authenticated=authenticated))
        self._stream = sealer(parameters, key, trailer.authenticated_attributes)
        self._piece = BLOCK_SIZE if size is None else LARGE_BLOCK_SIZE  # BER has a value for each piece
        self._buffer = memoryview(bytearray(BLOCK_SIZE + SLACK))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        """Drop the key schedule, which an exception that is kept would keep too; nothing is finished by that."""
        self._stream.close()

    def write(self, content: Block) -> None:
        """Seal the next octets.

        Raises:
            LimitError: they are more than the algorithm can seal.
            MalformedError: they are more than was announced.
        """
        for at in range(0, len(content), self._piece):
            piece = memoryview(content)[at : at + self._piece]
            if len(self._buffer) < len(piece) + SLACK:
                self._buffer = memoryview(bytearray(self._piece + SLACK))
            self._writer.write(self._buffer[: self._stream.update_into(piece, self._buffer)])

    def finish(self) -> None:
        """Write the last octets and the tag; the envelope is complete then.

        Raises:
            MalformedError: there is less content than was announced.
        """
        last, tag = self._stream.finish()
        self._writer.write(last)
        self._writer.finish(self._trailer._replace(tag=tag))
