"""Opening a message: one pass over it with every session key that may fit, and the verdict.

What comes out of a pass is not proven before :meth:`Pass.judge` has answered; where it goes
until then is for the operations to say.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

from smime_session.algorithms import name_of
from smime_session.cms import codec
from smime_session.cms.attributes import check_content_type
from smime_session.cms.envelope import EnvelopeReader
from smime_session.cms.values import EnvelopeTrailer
from smime_session.content import SLACK, Opener, open_whole, opener
from smime_session.errors import DecryptionError, MalformedError, OtherMessageError, PolicyError
from smime_session.mail.detection import open_message
from smime_session.mail.reunion import begins_like_entity
from smime_session.session_key import Proof
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from hashlib import _Hash as Hash

    from smime_session.algorithms import ContentEncryption
    from smime_session.operations.candidates import Candidate, Candidates
    from smime_session.profiles import Policy
    from smime_session.streams.sources import Replay

_PEEK: Final = 256  # octets of plaintext that tell an entity from noise


class Pass:
    """One pass over a message: the header is read at once, the content by :meth:`open`.

    Args:
        replay: the message, at its beginning.
        policy: what is accepted.

    Attributes:
        incoming: what the input is.
        reader: the envelope.
        parameters: how its content is sealed.
        trailer: what stands after the content, once it was opened.
        last: the last octets of the content, once :meth:`judge` has answered.
        fingerprint: what tells this message from any other, if :meth:`open` computed it: SHA-256 over the
            encoded content-encryption algorithm and the ciphertext.

    Raises:
        MessageError: it is no envelope, broken, not supported or against the policy.
    """

    def __init__(self, replay: Replay, policy: Policy) -> None:
        self.incoming = open_message(replay.read_block)
        self.reader = EnvelopeReader(self.incoming.next_block, policy)
        self.parameters = self.reader.parameters
        self.trailer = EnvelopeTrailer()
        self.last = b""
        self.fingerprint = b""
        self._candidates: Sequence[Candidate] = ()
        self._openers: list[tuple[Candidate, Opener]] = []
        self._heads: list[bytes] = []
        algorithm = self.parameters.algorithm
        if algorithm.legacy and not policy.insecure_legacy:
            raise PolicyError(f"the content is sealed with {algorithm.name}, which is weak", option="insecure_legacy")
        refuse_unauthenticated(self.reader, policy)

    def open(
        self,
        candidates: Sequence[Candidate],
        attributes: bytes = b"",
        write: Callable[[memoryview], object] | None = None,
        *,
        fingerprint: bool = False,
    ) -> bytes:
        """Open the content with every candidate at once, to the end of the message.

        Args:
            candidates: the keys to try; one whose size does not fit is passed over.
            attributes: the authenticated attributes that the tag covers. They stand after the content, so
                the first pass supposes that there are none.
            write: takes the plaintext, which is not proven yet; only for a single candidate.
            fingerprint: compute it; that is also done for a candidate which names one.

        Returns:
            The attributes that were found, if they are others than supposed: the pass is then void, and
            another one with them is needed. Else nothing.

        Raises:
            MessageError: the message is cut off or broken.
        """
        with ExitStack() as on_end:
            on_end.callback(self._close)
            self._open(candidates, attributes, write, fingerprint=fingerprint)
            self._read_trailer()
            covered = self.trailer.authenticated_attributes
            missed = covered if covered != attributes else b""
            if not missed:
                on_end.pop_all()  # until it is judged
            return missed

    def open_at_once(self, candidates: Sequence[Candidate]) -> tuple[Candidate, bytes]:
        """Open content that is in memory; return the key that opened it, as :meth:`judge` does, and the content.

        Only for what is :attr:`~smime_session.mail.detection.Incoming.short`: what stands after the content is
        known before it is opened then, and one pass is enough.

        Args:
            candidates: the keys to try; one whose size does not fit is passed over.

        Raises:
            MessageError: the message is cut off or broken.
            OtherMessageError: no key opened it, and one was saved with another message.
            DecryptionError: no key opened it.
        """
        ciphertext = self.reader.whole_ciphertext()
        self._read_trailer()
        self._candidates = candidates
        if any(candidate.key.message for candidate in candidates):
            digest = self._digest()
            digest.update(ciphertext)
            self.fingerprint = digest.digest()
        tag, attributes = self.trailer.tag, self.trailer.authenticated_attributes
        opened: list[tuple[Candidate, bytes, bytes]] = []
        for candidate in candidates:
            if not self._belongs_elsewhere(candidate):
                try:
                    content = open_whole(self.parameters, candidate.key, ciphertext, tag, attributes)
                except DecryptionError:
                    continue
                opened.append((candidate, content[:_PEEK], content))
        return self._likeliest(opened)

    def _read_trailer(self) -> None:
        """Read what stands after the content, to the end of the message."""
        self.trailer = self.reader.trailer()
        found, announced = len(self.trailer.tag), self.parameters.tag_size
        if found != announced:
            raise MalformedError(f"the tag has {found} octets, not the {announced} announced")
        if self.reader.authenticated:
            check_content_type(self.reader.header.inner_content_type, self.trailer.authenticated_attributes)

    def _open(
        self,
        candidates: Sequence[Candidate],
        attributes: bytes,
        write: Callable[[memoryview], object] | None,
        *,
        fingerprint: bool,
    ) -> None:
        """Open the content and compute the fingerprint if it is asked for."""
        self._candidates = candidates
        digest = self._digest() if fingerprint or any(candidate.key.message for candidate in candidates) else None
        size = self.parameters.algorithm.key_size
        fitting = [candidate for candidate in candidates if len(candidate.key) == size]
        self._openers = [(candidate, opener(self.parameters, candidate.key, attributes)) for candidate in fitting]
        self._heads = [b"" for _ in fitting]
        buffer = memoryview(b"")
        for piece in self.reader.ciphertext():
            if len(buffer) < len(piece) + SLACK:
                buffer = memoryview(bytearray(len(piece) + SLACK))
            if digest:
                digest.update(piece)
            for index, (_, stream) in enumerate(self._openers):
                written = stream.update_into(piece, buffer)
                if write is not None:
                    write(buffer[:written])
                elif len(self._heads[index]) < _PEEK:
                    self._heads[index] += bytes(buffer[: min(written, _PEEK)])
        if digest:
            self.fingerprint = digest.digest()

    def _digest(self) -> Hash:
        import hashlib

        return hashlib.sha256(codec.algorithm_identifier(self.reader.header.content_encryption))

    def _close(self) -> None:
        """Drop every key schedule; an exception that is kept would keep them too."""
        for _, stream in self._openers:
            stream.close()

    def judge(self, *, strict: bool = False) -> Candidate:
        """Return the candidate that opened the content; its last octets are then in :attr:`last`.

        A tag proves its key. Content without one seems to open with one wrong key in 256, so that there the
        key's own proof counts (:class:`~smime_session.session_key.Proof`):

        - A decoy never opens anything. It is tried all the same, in the same time.
        - Of several keys that open, those with the best proof remain; among these, the only one whose plaintext
          begins like a mail. Where that does not decide, none is taken.
        - Where the key itself is wanted, to be passed on or saved, the plaintext decides nothing, and a key that
          nothing proves is not taken: what a bare RSA key unwraps with RSAES-PKCS1-v1_5, or a session key that
          was given as it is.

        None of this tells an attacker anything about RSAES-PKCS1-v1_5: its keys and its decoys have the same proof,
        which follows from public fields.

        Args:
            strict: whether the key itself is wanted.

        Raises:
            OtherMessageError: none did, and one was saved with another message.
            DecryptionError: none did, or it cannot be told which is right.
        """
        try:
            return self._judge(strict=strict)
        finally:
            self._close()

    def _judge(self, *, strict: bool) -> Candidate:
        opened: list[tuple[Candidate, bytes, bytes]] = []
        for (candidate, stream), head in zip(self._openers, self._heads, strict=True):
            if not self._belongs_elsewhere(candidate):
                with suppress(DecryptionError):
                    last = stream.finish(self.trailer.tag)
                    opened.append((candidate, head + last, last))
        winner, self.last = self._likeliest(opened, strict=strict)
        return winner

    def _likeliest(self, opened: Sequence[_Result], *, strict: bool = False) -> tuple[Candidate, bytes]:
        """Return the key that is meant of those that opened, and the end of what came out: see :meth:`judge`."""
        least = Proof.NAMED if strict and not self.reader.authenticated else Proof.NONE
        opened = [result for result in opened if result[0].key.proof >= least]
        if not opened and any(map(self._belongs_elsewhere, self._candidates)):
            raise OtherMessageError
        if len(opened) > 1:
            opened = _decided(opened, strict=strict)
        if len(opened) != 1:
            raise DecryptionError(unproven=any(Proof.NONE <= each.key.proof < least for each in self._candidates))
        winner, _, last = opened[0]
        return winner, last

    def _belongs_elsewhere(self, candidate: Candidate) -> bool:
        """Tell whether a key was saved with another message, which public octets decide."""
        return candidate.key.message not in (b"", mark_of(self.parameters.algorithm, self.fingerprint))


_Result = tuple["Candidate", bytes, bytes]
"""A candidate that opened, with the beginning and the end of what came out."""


def _decided(opened: Sequence[_Result], *, strict: bool) -> Sequence[_Result]:
    """Leave out of several results what is less likely to be right; of equal keys, all but one."""
    best = max(candidate.key.proof for candidate, _, _ in opened)
    different: list[_Result] = []
    for result in opened:
        if result[0].key.proof == best and all(result[0].key != other[0].key for other in different):
            different.append(result)
    if len(different) == 1 or strict:
        return different
    return [result for result in different if begins_like_entity(result[1])]


def mark_of(algorithm: ContentEncryption, fingerprint: bytes) -> bytes:
    """Return what marks a message for a saved session key: how it is sealed, and its :attr:`Pass.fingerprint`."""
    return algorithm.oid.encode("ascii") + fingerprint


def refuse_unauthenticated(reader: EnvelopeReader, policy: Policy) -> None:
    """Refuse content that no tag protects, where ``policy`` asks for one.

    Raises:
        PolicyError: it is such content.
    """
    if policy.require_authenticated and not reader.authenticated:
        oid = reader.header.content_encryption.oid
        algorithm = name_of(oid) or excerpt(oid)
        raise PolicyError(f"the content is not authenticated ({algorithm})", option="require_authenticated")


def prove(
    replay: Replay, reading: Pass, candidates: Candidates, policy: Policy, *, fingerprint: bool = False
) -> tuple[Pass, Candidate]:
    """Open the whole content, throw away what comes out, and return the pass with the key that opened it.

    Args:
        replay: the message.
        reading: a pass over it whose content was not read yet.
        candidates: the keys to try.
        policy: what is accepted.
        fingerprint: compute what tells this message from any other.

    Raises:
        MessageError: the message is cut off or broken.
        OtherMessageError: a saved session key belongs to another message.
        DecryptionError: no key opened it, or several and it cannot be told which is right.
    """
    attributes = b""
    while missed := reading.open(candidates.all, attributes, fingerprint=fingerprint):
        attributes = missed
        replay.rewind()
        reading = Pass(replay, policy)
    return reading, reading.judge(strict=True)
