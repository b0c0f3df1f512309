"""Opening a message: one pass over it with every session key that may fit, and the verdict.

What comes out of a pass is not proven before :meth:`Pass.judge` has answered; where it goes
until then is for the operations to say.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from smime_session.cms import codec
from smime_session.cms.envelope import EnvelopeReader
from smime_session.cms.structures import EnvelopeTrailer
from smime_session.content import SLACK, Opener, opener
from smime_session.errors import (
    DecryptionError,
    LimitError,
    MalformedError,
    MessageError,
    NoMatchError,
    OtherMessageError,
    PolicyError,
)
from smime_session.mail.detection import open_message
from smime_session.mail.reunion import begins_like_entity
from smime_session.recipients import NamedIdentity, is_selective, legacy_algorithm, names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from hashlib import _Hash as Hash

    from smime_session.cms.structures import WrappedKey
    from smime_session.profiles import Policy
    from smime_session.recipients import Identity, SelectiveIdentity
    from smime_session.session_key import SessionKey
    from smime_session.sources import Replay

_PEEK: Final = 256  # octets of plaintext that tell an entity from noise


@dataclass(frozen=True, slots=True)
class Candidate:
    """A session key that may open the message, and where it comes from.

    Attributes:
        key: the session key, or a decoy.
        wrapped: the recipient info that it was wrapped in; None if the identity did not say.
    """

    key: SessionKey
    wrapped: WrappedKey | None


class Candidates:
    """All session keys that may open a message; wiped when the ``with`` block ends.

    Args:
        wrapped_keys: the message's recipient infos.
        identities: who may read it.
        policy: what is accepted.

    Raises:
        NoMatchError: the message is addressed to none of the identities.
        MessageError: every recipient info that is addressed to one is broken, not spoken here, or
            against the policy.
        LimitError: there are more than the policy allows to try.
        TypeError: something else was given as an identity.
    """

    def __init__(self, wrapped_keys: Sequence[WrappedKey], identities: Sequence[Identity], policy: Policy) -> None:
        _check_identities(identities)
        self.all: list[Candidate] = []
        problems: list[MessageError] = []
        with ExitStack() as on_failure:
            on_failure.callback(self.wipe)
            for identity, match in _matches(wrapped_keys, identities, policy, problems):
                with suppress(NoMatchError):
                    key = identity.unwrap((match,) if match else wrapped_keys)
                    self.all.append(Candidate(key, match))
            if not self.all and problems:
                raise problems[0]
            if not self.all:
                raise _no_match(wrapped_keys, identities)
            on_failure.pop_all()

    def wipe(self) -> None:
        """Overwrite every key."""
        for candidate in self.all:
            candidate.key.wipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.wipe()


def _matches(
    wrapped_keys: Sequence[WrappedKey], identities: Sequence[Identity], policy: Policy, problems: list[MessageError]
) -> list[tuple[Identity, WrappedKey | None]]:
    """Pair identities with what is addressed to them, judged by public fields; note what cannot be used."""
    matches: list[tuple[Identity, WrappedKey | None]] = []
    for identity in identities:
        if not is_selective(identity):
            matches.append((identity, None))
            continue
        for wrapped in _matching(identity, wrapped_keys, problems):
            weak = legacy_algorithm(wrapped)
            if weak and not policy.insecure_legacy:
                problem = f"the session key is wrapped with {weak}, which is weak"
                problems.append(PolicyError(problem, option="insecure_legacy"))
            else:
                matches.append((identity, wrapped))
    if len(matches) > policy.max_trials:
        bare = any(_without_certificate(identity) for identity, _ in matches)
        remedy = " (fewer if you give the certificate with the private key)" if bare else ""
        raise LimitError(f"the number of wrapped keys to try{remedy}", policy.max_trials)
    return matches


def _without_certificate(identity: Identity) -> bool:
    """Tell whether an identity is a key alone, which has to try whatever may be for it."""
    return isinstance(identity, NamedIdentity) and identity.names.certificate is None


def _check_identities(identities: Sequence[object]) -> None:
    for identity in identities:
        if not hasattr(identity, "unwrap"):
            wanted = "what load_identities() makes of a private key, or has a method unwrap"
            raise TypeError(f"an identity is {wanted}, and is not an object of type {type(identity).__name__}")


def _no_match(wrapped_keys: Sequence[WrappedKey], identities: Sequence[Identity]) -> NoMatchError:
    from smime_session.explanation import closest

    given = [str(identity) for identity in identities]
    return NoMatchError(names_of(wrapped_keys), given, closest(wrapped_keys, identities))


def _matching(
    identity: SelectiveIdentity, wrapped_keys: Sequence[WrappedKey], problems: list[MessageError]
) -> list[WrappedKey]:
    """Return what is addressed to an identity; a broken recipient info hides no other."""
    with suppress(MessageError):
        return identity.matching(wrapped_keys)
    found = []
    for wrapped in wrapped_keys:
        try:
            found += identity.matching((wrapped,))
        except MessageError as error:
            problems.append(error)
    return found


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
        MessageError: it is no envelope, broken, not spoken here or against the policy.
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
        if policy.require_authenticated and not algorithm.authenticated:
            raise PolicyError(f"the content is not authenticated ({algorithm.name})", option="require_authenticated")

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
            self.trailer = self.reader.trailer()
            if len(self.trailer.tag) != self.parameters.tag_size:
                found, announced = len(self.trailer.tag), self.parameters.tag_size
                raise MalformedError(f"the tag has {found} octets, not the {announced} announced")
            covered = self.trailer.authenticated_attributes
            missed = covered if covered != attributes else b""
            if not missed:
                on_end.pop_all()  # until it is judged
            return missed

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
        """Drop every key schedule; an exception that somebody keeps would keep them too."""
        for _, stream in self._openers:
            stream.close()

    def judge(self) -> Candidate:
        """Return the candidate that opened the content; its last octets are then in :attr:`last`.

        Content without authentication can seem to open with a wrong key. Among several that do, one
        whose unwrapping was checked goes first, then one whose plaintext begins like a mail; neither
        tells an attacker anything about RSAES-PKCS1-v1_5, whose keys are never checked.

        Raises:
            OtherMessageError: none did, and one was saved with another message.
            DecryptionError: none did.
        """
        try:
            return self._judge()
        finally:
            self._close()

    def _judge(self) -> Candidate:
        opened: list[tuple[tuple[bool, bool], Candidate, bytes]] = []
        for (candidate, stream), head in zip(self._openers, self._heads, strict=True):
            if self._belongs_elsewhere(candidate):
                continue
            with suppress(DecryptionError):
                last = stream.finish(self.trailer.tag)
                likelihood = (candidate.key.checked, begins_like_entity(head + last))
                opened.append((likelihood, candidate, last))
        if not opened and any(map(self._belongs_elsewhere, self._candidates)):
            raise OtherMessageError
        if not opened:
            raise DecryptionError
        _, winner, self.last = max(opened, key=lambda entry: entry[0])
        return winner

    def _belongs_elsewhere(self, candidate: Candidate) -> bool:
        """Tell whether a key was saved with another message, which public octets decide."""
        return candidate.key.message not in (b"", self.fingerprint)


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
        DecryptionError: no key opened it.
    """
    attributes = b""
    while missed := reading.open(candidates.all, attributes, fingerprint=fingerprint):
        attributes = missed
        replay.rewind()
        reading = Pass(replay, policy)
    return reading, reading.judge()
