"""Opening a message: its content under every session key that may fit, and which of them is right.

What comes out is not proven before :func:`open_content` returns; where it goes until then is for its sink to say.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from cryptography.hazmat.primitives import hashes

from smime_session.algorithms import name_of
from smime_session.cms import codec
from smime_session.cms.attributes import check_content_type
from smime_session.cms.envelope import EnvelopeReader
from smime_session.cms.values import EnvelopeTrailer
from smime_session.content import SLACK, open_whole, opener
from smime_session.errors import DecryptionError, MalformedError, OtherMessageError, PolicyError
from smime_session.mail.detection import open_message
from smime_session.mail.reunion import begins_like_entity
from smime_session.session_key import Proof
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smime_session.algorithms import ContentEncryption
    from smime_session.content import Opener
    from smime_session.mail.blocks import NextBlock
    from smime_session.mail.detection import Incoming
    from smime_session.operations.candidates import Candidate
    from smime_session.profiles import Policy
    from smime_session.streams.sources import Replay

    Write = Callable[[memoryview], object]

_PEEK: Final = 256  # bytes of plaintext that tell an entity from noise
_NOTHING: Final = EnvelopeTrailer()


class Reading(NamedTuple):
    """A message whose header was read; its content comes next, once.

    Attributes:
        replay: where it comes from.
        policy: what is accepted.
        incoming: what the input is.
        reader: the envelope.
    """

    replay: Replay
    policy: Policy
    incoming: Incoming
    reader: EnvelopeReader

    def again(self) -> Reading:
        """Return the same message, read from its beginning once more."""
        self.replay.rewind()
        return begin(self.replay, self.policy)


class Sink(Protocol):
    """Takes plaintext that is not proven yet, if one key alone may fit."""

    def begin(self, reading: Reading, expected: EnvelopeTrailer, /) -> Write:
        """Return what takes the plaintext; what was taken before is void.

        Args:
            reading: the message.
            expected: what is supposed to stand after the content.
        """
        ...


class Opening(NamedTuple):
    """A message that was opened.

    Attributes:
        reading: the message; its content was read.
        candidate: the key that opened it.
        trailer: what stands after the content.
        last: the last bytes of the content, which the sink did not get.
        fingerprint: what tells this message from any other, if it was asked for: SHA-256 over the encoded
            content-encryption algorithm and the ciphertext.
    """

    reading: Reading
    candidate: Candidate
    trailer: EnvelopeTrailer
    last: bytes
    fingerprint: bytes


def begin(replay: Replay, policy: Policy, next_block: NextBlock | None = None) -> Reading:
    """Read a message up to its content.

    Args:
        replay: the message, at its beginning.
        policy: what is accepted.
        next_block: reads from ``replay``, if its own reading is not enough.

    Raises:
        MessageError: it is no envelope, broken, not supported or against the policy.
    """
    incoming = open_message(next_block or replay.read_block)
    return Reading(replay, policy, incoming, envelope_reader(incoming.next_block, policy))


def envelope_reader(next_block: NextBlock, policy: Policy) -> EnvelopeReader:
    """Return the reader of an envelope whose content may be opened.

    Raises:
        MessageError: it is no envelope, broken, not supported or against the policy.
    """
    reader = EnvelopeReader(next_block, policy)
    algorithm = reader.parameters.algorithm
    if algorithm.legacy and not policy.insecure_legacy:
        raise PolicyError(f"the content is sealed with {algorithm.name}, which is weak", option="insecure_legacy")
    refuse_unauthenticated(reader, policy)
    return reader


def refuse_unauthenticated(reader: EnvelopeReader, policy: Policy) -> None:
    """Refuse content that no tag protects, where ``policy`` asks for one.

    Raises:
        PolicyError: it is such content.
    """
    if policy.require_authenticated and not reader.authenticated:
        oid = reader.header.content_encryption.oid
        algorithm = name_of(oid) or excerpt(oid)
        raise PolicyError(f"the content is not authenticated ({algorithm})", option="require_authenticated")


def open_content(  # noqa: PLR0913  # a message, its keys, and what is wanted of them
    reading: Reading,
    candidates: Sequence[Candidate],
    sink: Sink | None = None,
    *,
    expected: EnvelopeTrailer = _NOTHING,
    strict: bool = False,
    fingerprint: bool = False,
) -> Opening:
    """Open the content with every candidate at once, to the end of the message, and tell which of them is right.

    A tag covers attributes that stand after the content (RFC 5083, 2.1). The first pass supposes that they are
    the ``expected`` ones, mostly none; where they are others, it is void, and the message is read again.

    Args:
        reading: the message, at its content.
        candidates: the keys to try; one whose size does not fit is passed over.
        sink: takes the plaintext, which is not proven before this returns; used if there is a single candidate.
        expected: what is known of the trailer from reading the message before.
        strict: whether the key itself is wanted, as for :func:`decide`.
        fingerprint: whether :attr:`Opening.fingerprint` is wanted.

    Raises:
        MessageError: the message is cut off or broken.
        OtherMessageError: no key opened it, and one was saved with another message.
        DecryptionError: no key opened it, or it cannot be told which is right.
    """
    while True:
        write = sink.begin(reading, expected) if sink is not None and len(candidates) == 1 else None
        reader, attributes = reading.reader, expected.authenticated_attributes
        digest = _digest(reader) if fingerprint or _any_saved(candidates) else None
        with ExitStack() as on_end:  # drops every key schedule, which an exception that is kept would keep too
            streams: list[Opener] = []
            for candidate in candidates:
                streams.append(opener(reader.parameters, candidate.key, attributes))
                on_end.callback(streams[-1].close)
            heads = _feed(reader, streams, write, digest)
            trailer = read_trailer(reader)
            if trailer.authenticated_attributes == attributes:
                ends = [partial(stream.finish, trailer.tag) for stream in streams]
                found = digest.finalize() if digest else b""
                winner, last = decide(reader, list(map(Attempt, candidates, heads, ends)), found, strict=strict)
                return Opening(reading, winner, trailer, last, found)
        expected, reading = trailer, reading.again()


def _feed(
    reader: EnvelopeReader, streams: Sequence[Opener], write: Write | None, digest: hashes.Hash | None
) -> Sequence[bytes]:
    """Give all of the ciphertext to every stream; return how the plaintext of each begins if nothing else takes it."""
    heads = [b""] * len(streams)
    buffer = memoryview(b"")
    for piece in reader.ciphertext():
        if len(buffer) < len(piece) + SLACK:
            buffer = memoryview(bytearray(len(piece) + SLACK))
        if digest:
            digest.update(piece)
        for index, stream in enumerate(streams):
            written = stream.update_into(piece, buffer)
            if write is not None:
                write(buffer[:written])
            elif len(heads[index]) < _PEEK:
                heads[index] += bytes(buffer[: min(written, _PEEK)])
    return heads


def open_whole_content(reader: EnvelopeReader, candidates: Sequence[Candidate]) -> tuple[Candidate, bytes]:
    """Open content that is in memory; return the key that opened it, as :func:`decide` does, and the content.

    Args:
        reader: the envelope, all of which is in memory.
        candidates: the keys to try; one whose size does not fit is passed over.

    Raises:
        MessageError: the message is cut off or broken.
        OtherMessageError: no key opened it, and one was saved with another message.
        DecryptionError: no key opened it.
    """
    ciphertext = reader.whole_ciphertext()
    trailer = read_trailer(reader)
    digest = _digest(reader) if _any_saved(candidates) else None
    if digest:
        digest.update(ciphertext)
    tag, attributes = trailer.tag, trailer.authenticated_attributes
    attempts = [
        Attempt(each, b"", partial(open_whole, reader.parameters, each.key, ciphertext, tag, attributes))
        for each in candidates
    ]
    return decide(reader, attempts, digest.finalize() if digest else b"")


def read_trailer(reader: EnvelopeReader) -> EnvelopeTrailer:
    """Read what stands after the content, to the end of the message.

    Raises:
        MalformedError: it is broken, or does not fit what stands before the content.
    """
    trailer = reader.trailer()
    found, announced = len(trailer.tag), reader.parameters.tag_size
    if found != announced:
        raise MalformedError(f"the tag has {found} bytes, not the {announced} announced")
    if reader.authenticated:
        check_content_type(reader.header.inner_content_type, trailer.authenticated_attributes)
    return trailer


class Attempt(NamedTuple):
    """A candidate at the end of the content.

    Attributes:
        candidate: the key.
        head: how the content begins, at least :data:`_PEEK` bytes unless ``finish`` gives the rest of them.
        finish: checks the content and returns the end of it, or raises DecryptionError.
    """

    candidate: Candidate
    head: bytes
    finish: Callable[[], bytes]


def decide(
    reader: EnvelopeReader, attempts: Sequence[Attempt], fingerprint: bytes, *, strict: bool = False
) -> tuple[Candidate, bytes]:
    """Return the candidate that opened the content, and what its attempt finished with.

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
        reader: the envelope.
        attempts: every candidate.
        fingerprint: of the message, if a candidate is a saved session key.
        strict: whether the key itself is wanted.

    Raises:
        OtherMessageError: none did, and one was saved with another message.
        DecryptionError: none did, or it cannot be told which is right.
    """
    mark = mark_of(reader.parameters.algorithm, fingerprint)
    least = Proof.NAMED if strict and not reader.authenticated else Proof.NONE
    opened: list[tuple[Candidate, bytes, bytes]] = []
    for candidate, head, finish in attempts:
        if candidate.key.message in (b"", mark):
            with suppress(DecryptionError):
                last = finish()
                if candidate.key.proof >= least:
                    opened.append((candidate, head, last))
    if not opened and any(each.candidate.key.message not in (b"", mark) for each in attempts):
        raise OtherMessageError
    if len(opened) > 1:
        opened = _likeliest(opened, strict=strict)
    if len(opened) != 1:
        raise DecryptionError(unproven=any(Proof.NONE <= each.candidate.key.proof < least for each in attempts))
    winner, _, last = opened[0]
    return winner, last


def _likeliest(opened: list[tuple[Candidate, bytes, bytes]], *, strict: bool) -> list[tuple[Candidate, bytes, bytes]]:
    """Leave out of several results what is less likely to be right; of equal keys, all but one."""
    best = max(candidate.key.proof for candidate, _, _ in opened)
    different: list[tuple[Candidate, bytes, bytes]] = []
    for result in opened:
        if result[0].key.proof == best and all(result[0].key != other[0].key for other in different):
            different.append(result)
    if len(different) == 1 or strict:
        return different
    return [result for result in different if begins_like_entity((result[1] + result[2])[:_PEEK])]


def mark_of(algorithm: ContentEncryption, fingerprint: bytes) -> bytes:
    """Return what marks a message for a saved session key: how it is sealed, and its :attr:`Opening.fingerprint`."""
    return algorithm.oid.encode("ascii") + fingerprint


def _any_saved(candidates: Sequence[Candidate]) -> bool:
    return any(candidate.key.message for candidate in candidates)


def _digest(reader: EnvelopeReader) -> hashes.Hash:
    digest = hashes.Hash(hashes.SHA256())  # hashlib would load a second OpenSSL
    digest.update(codec.algorithm_identifier(reader.header.content_encryption))
    return digest
