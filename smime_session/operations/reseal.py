"""Resealing: a message opened with its session key and sealed with another, in one go; no plaintext is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final, Literal

from smime_session.algorithms import DATA
from smime_session.cms.attributes import content_type_attribute
from smime_session.cms.revision import version_of
from smime_session.cms.values import EnvelopeHeader, EnvelopeTrailer
from smime_session.content import sealed_size
from smime_session.errors import MessageError
from smime_session.mail.armour import armour_of, for_kind
from smime_session.operations.candidates import Candidates
from smime_session.operations.opening import Pass, prove
from smime_session.operations.sealing import SMIME_TYPES, SealingWriter, envelope_header
from smime_session.session_key import SessionKey
from smime_session.streams.outlets import Whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session.algorithms import ContentEncryption
    from smime_session.mail.armour import Beginning
    from smime_session.operations.candidates import Candidate
    from smime_session.profiles import Policy, Profile
    from smime_session.recipients.registry import Identity, Recipient

_ATTRIBUTES_TAGS: Final = {False: 0xA1, True: 0xA2}
"""Of attributes that no tag covers, by whether the content is authenticated (RFC 5652, 6.1; RFC 5083, 2.1)."""


class Resealing:
    """One message on its way from one session key to another.

    Args:
        replay: the message.
        reading: a pass over it whose content was not read yet.
        target: where the new message goes, in the form that the old one has.
        recipients: for whom.
        profile: how it is sealed.
        policy: what is accepted.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # an old message and all that a new one is made of
        self,
        replay: Beginning,
        reading: Pass,
        target: BinaryIO,
        recipients: Sequence[Recipient],
        profile: Profile,
        policy: Policy,
    ) -> None:
        self._replay = replay
        self._reading = reading
        self._target = target
        self._recipients = recipients
        self._profile = profile
        self._policy = policy
        self._old = reading.reader.header

    def run(
        self, identities: Sequence[Identity], *, transactional: bool
    ) -> tuple[EnvelopeHeader, Literal["DER", "BER"]]:
        """Seal the message anew; return its header, and how it is encoded.

        Args:
            identities: who may read the old message.
            transactional: whether what was written is thrown away if an exception is raised. Then one pass
                is enough, unless several keys may fit or attributes follow the content.

        Raises:
            MessageError: the old message is broken, or its attributes cannot be kept.
            NoMatchError: it is addressed to none of the identities.
            DecryptionError: it did not open.
        """
        with Candidates(self._old, identities, self._policy) as candidates:
            if transactional and len(candidates.all) == 1:
                start = self._target.tell()
                size = self._expected_size()
                if header := self._pipe(candidates.all[0], size, EnvelopeTrailer()):
                    return header, "BER" if size is None else "DER"
                self._target.seek(start)
                self._target.truncate()
                self._restart()
            self._reading, winner = prove(self._replay, self._reading, candidates, self._policy)
            size, trailer = self._proven_size(), self._reading.trailer
            self._restart()
            header = self._pipe(winner, size, trailer)
        if header is None:  # the replay has proven that nothing changed
            raise MessageError("the attributes of the message changed while it was being read")
        return header, "DER"

    def _restart(self) -> None:
        self._replay.rewind()
        self._reading = Pass(self._replay, self._policy)

    def _pipe(self, candidate: Candidate, size: int | None, expected: EnvelopeTrailer) -> EnvelopeHeader | None:
        """Open the content with one key and seal it with a new one; None if other attributes follow than expected."""
        reading, incoming = self._reading, self._reading.incoming
        with SessionKey.generate(self._profile.content.key_size) as key:
            header, parameters = envelope_header(key, self._recipients, self._profile)
            trailer = self._carried(expected)
            header = header._replace(
                inner_content_type=self._old.inner_content_type, originator_info=self._old.originator_info
            )
            header = header._replace(version=version_of(header, trailer))
            armour = armour_of(incoming, self._replay.beginning)
            if header.content_type != self._old.content_type:
                armour = for_kind(armour, incoming.head, SMIME_TYPES[header.content_type])
            out = armour.around(Whole(self._target))
            with SealingWriter(out, header, parameters, key, size, trailer) as writer:
                missed = reading.open([candidate], expected.authenticated_attributes, writer.write)
                if missed or reading.trailer.unauthenticated_attributes != expected.unauthenticated_attributes:
                    return None
                reading.judge()
                writer.write(reading.last)
                writer.finish()
            out.finish()
        return header

    def _carried(self, old: EnvelopeTrailer) -> EnvelopeTrailer:
        """Return the attributes that the new message has.

        Raises:
            MessageError: the tag covered some, and there will be no tag.
        """
        algorithm = self._profile.content
        attributes = old.authenticated_attributes
        if attributes and not algorithm.authenticated:
            raise MessageError(f"the message has authenticated attributes, which {algorithm.name} cannot protect")
        if algorithm.authenticated and not attributes and self._old.inner_content_type != DATA:
            attributes = content_type_attribute(self._old.inner_content_type)
        others = old.unauthenticated_attributes
        if others:
            others = bytes((_ATTRIBUTES_TAGS[algorithm.authenticated],)) + others[1:]
        return EnvelopeTrailer(authenticated_attributes=attributes, unauthenticated_attributes=others)

    def _expected_size(self) -> int | None:
        """Return the octets of new ciphertext before the content is read, where the old ones tell them."""
        same = self._reading.parameters.algorithm.block_size == self._profile.content.block_size
        return self._reading.reader.announced_size if same else None

    def _proven_size(self) -> int:
        """Return the octets of new ciphertext after the content was opened."""
        reading = self._reading
        return sealed_size(
            self._profile.content,
            _opened_size(reading.parameters.algorithm, reading.reader.ciphertext_size, reading.last),
        )


def _opened_size(algorithm: ContentEncryption, size: int, last: bytes) -> int:
    """Return the octets of content in ``size`` octets of ciphertext; ``last`` is what its last block had."""
    return size if algorithm.block_size == 1 else size - algorithm.block_size + len(last)
