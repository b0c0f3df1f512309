"""Resealing: a message opened with its session key and sealed with another, in one go; no plaintext is kept."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, Self

from smime_session.algorithms import DATA
from smime_session.cms.attributes import content_type_attribute
from smime_session.cms.revision import version_of
from smime_session.cms.values import EnvelopeHeader, EnvelopeTrailer
from smime_session.content import sealed_size
from smime_session.errors import MessageError
from smime_session.mail.armour import armour_of, for_kind
from smime_session.operations.candidates import Candidates
from smime_session.operations.opening import open_content
from smime_session.operations.sealing import SMIME_TYPES, SealingWriter, choose, envelope_header
from smime_session.session_key import SessionKey
from smime_session.streams.outlets import Whole
from smime_session.streams.sources import is_seekable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smime_session.algorithms import ContentEncryption
    from smime_session.cms.envelope import EnvelopeReader
    from smime_session.mail.armour import Armour, Beginning, Writer
    from smime_session.operations.opening import Opening, Reading
    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Identity, Recipient

    _Resealed = tuple[EnvelopeHeader, Literal["DER", "BER"]]

_ATTRIBUTES_TAGS: Final = {False: 0xA1, True: 0xA2}
"""Of attributes that no tag covers, by whether the content is authenticated (RFC 5652, 6.1; RFC 5083, 2.1)."""


def reseal(  # noqa: PLR0913, PLR0917  # an old message and all that a new one is made of
    reading: Reading,
    beginning: Beginning,
    target: BinaryIO,
    identities: Sequence[Identity],
    recipients: Sequence[Recipient],
    profile: Profile,
    *,
    transactional: bool,
) -> _Resealed:
    """Seal a message anew; return its header, and how it is encoded.

    Args:
        reading: the message, at its content.
        beginning: where it comes from.
        target: where the new message goes, in the form that the old one has.
        identities: who may read the old message.
        recipients: for whom the new one is.
        profile: how it is sealed.
        transactional: whether what was written is thrown away if an exception is raised. Then one pass
            is enough, unless several keys may fit or attributes follow the content.

    Raises:
        MessageError: the old message is broken, or its attributes cannot be kept.
        NoMatchError: it is addressed to none of the identities.
        DecryptionError: it did not open.
    """
    with (
        Candidates(reading.reader.header, identities, reading.policy) as candidates,
        _NewMessage(beginning, target, recipients, profile) as new,
    ):
        opening = open_content(reading, candidates.all, new if transactional else None, strict=True)
        resealed = new.finish(opening)
        if resealed is None:
            again, trailer = new.after(opening), opening.trailer
            resealed = new.finish(open_content(again, [opening.candidate], new, expected=trailer, strict=True))
    if resealed is None:  # the replay has proven that nothing changed
        raise MessageError("the attributes of the message changed while it was being read")
    return resealed


class _NewMessage:
    """A new message, into which content is sealed as it is opened; the end of the ``with`` block drops its key."""

    def __init__(
        self, beginning: Beginning, target: BinaryIO, recipients: Sequence[Recipient], profile: Profile
    ) -> None:
        self._beginning = beginning
        self._target = target
        self._recipients = recipients
        self._profile = profile
        self._content = choose(profile, recipients).content
        self._start = target.tell() if is_seekable(target) else 0
        self._size: int | None = None
        self._on_end = ExitStack()
        self._begun: tuple[EnvelopeTrailer, Writer, SealingWriter, _Resealed] | None = None

    def begin(self, reading: Reading, expected: EnvelopeTrailer) -> Callable[[memoryview], object]:
        """Start the message, another time too; return what takes its content."""
        self._on_end.close()
        if self._begun is not None:
            self._target.seek(self._start)
            self._target.truncate()
        old = reading.reader.header
        key = self._on_end.enter_context(SessionKey.generate(self._content.key_size))
        header, parameters = envelope_header(key, self._recipients, self._profile, self._content)
        trailer = self._carried(old, expected)
        header = header._replace(inner_content_type=old.inner_content_type, originator_info=old.originator_info)
        header = header._replace(version=version_of(header, trailer))
        size = self._expected_size(reading.reader)
        out = self._armour(reading, header).around(Whole(self._target))
        writer = self._on_end.enter_context(SealingWriter(out, header, parameters, key, size, trailer))
        self._begun = expected, out, writer, (header, "BER" if size is None else "DER")
        return writer.write

    def finish(self, opening: Opening) -> _Resealed | None:
        """Complete the message, now that its content is proven; None if it has to be written, or written anew."""
        if self._begun is None:
            return None
        expected, out, writer, resealed = self._begun
        if opening.trailer.unauthenticated_attributes != expected.unauthenticated_attributes:
            return None
        writer.write(opening.last)
        writer.finish()
        out.finish()
        return resealed

    def after(self, opening: Opening) -> Reading:
        """Learn of a message that was opened how much content there is; return the message, to be read again."""
        reader = opening.reading.reader
        size = _opened_size(reader.parameters.algorithm, reader.ciphertext_size, opening.last)
        self._size = sealed_size(self._content, size)
        return opening.reading.again()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._on_end.close()

    def _carried(self, header: EnvelopeHeader, old: EnvelopeTrailer) -> EnvelopeTrailer:
        """Return the attributes that the new message has.

        Raises:
            MessageError: the tag covered some, and there will be no tag.
        """
        algorithm = self._content
        attributes = old.authenticated_attributes
        if attributes and not algorithm.authenticated:
            raise MessageError(f"the message has authenticated attributes, which {algorithm.name} cannot protect")
        if algorithm.authenticated and not attributes and header.inner_content_type != DATA:
            attributes = content_type_attribute(header.inner_content_type)
        others = old.unauthenticated_attributes
        if others:
            others = bytes((_ATTRIBUTES_TAGS[algorithm.authenticated],)) + others[1:]
        return EnvelopeTrailer(authenticated_attributes=attributes, unauthenticated_attributes=others)

    def _expected_size(self, reader: EnvelopeReader) -> int | None:
        """Return the octets of new ciphertext; before the content was read, where the old ones tell them."""
        if self._size is not None:
            return self._size
        same = reader.parameters.algorithm.block_size == self._content.block_size
        return reader.announced_size if same else None

    def _armour(self, reading: Reading, header: EnvelopeHeader) -> Armour:
        """Return what stands around the new message."""
        armour = armour_of(reading.incoming, self._beginning.beginning)
        if header.content_type == reading.reader.header.content_type:
            return armour
        return for_kind(armour, reading.incoming.head, SMIME_TYPES[header.content_type])


def _opened_size(algorithm: ContentEncryption, size: int, last: bytes) -> int:
    """Return the octets of content in ``size`` octets of ciphertext; ``last`` is what its last block had."""
    return size if algorithm.block_size == 1 else size - algorithm.block_size + len(last)
