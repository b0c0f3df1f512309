"""Decrypting: find the session key that was wrapped for an identity, check the content, release it.

Plaintext is released after everything was checked and not before. A large message is therefore
read twice, the second time proven to be the same; a small one waits in memory. A caller whose
target throws away what it got when an exception is raised can have it in one pass.
"""

from __future__ import annotations

import io
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, BinaryIO, Final, Generic, Protocol

from smime_session.cms.envelope import EnvelopeReader
from smime_session.cms.structures import EnvelopeTrailer
from smime_session.content import SLACK, Opener, opener
from smime_session.errors import DecryptionError, LimitError, MalformedError, NoMatchError, PolicyError
from smime_session.mail.detection import Incoming, open_message
from smime_session.mail.objects import M, like, octets_of
from smime_session.mail.reunion import Reunion, begins_like_entity
from smime_session.profiles import DEFAULT, Policy
from smime_session.recipients import SelectiveIdentity, legacy_algorithm, names_of, summarize
from smime_session.sources import Replay, Whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from smime_session.cms.structures import WrappedKey
    from smime_session.recipients import Identity
    from smime_session.session_key import SessionKey


_HELD: Final = 1 << 20  # octets of plaintext that wait in memory for their tag; beyond, the input is read twice
_PEEK: Final = 256  # octets of plaintext that tell an entity from noise


@dataclass(frozen=True, slots=True)
class Opened:
    """What decrypting found out about a message.

    Attributes:
        authenticated: whether the content is proven unaltered since it was encrypted; who encrypted it
            is not proven by that.
        content_encryption: the content-encryption algorithm's name.
        form: what the input was: ``mail``, ``der``, ``pem`` or ``base64``.
        wrapped_key: the recipient info that opened; None if a session key was given.
    """

    authenticated: bool
    content_encryption: str
    form: str
    wrapped_key: WrappedKey | None = field(repr=False)

    @property
    def key_management(self) -> str:
        """The algorithm that had wrapped the session key, by name."""
        return (summarize(self.wrapped_key)[0].algorithm or "unknown") if self.wrapped_key else "none"

    @property
    def recipient(self) -> str:
        """The recipient whose wrapped key was opened, in words."""
        return summarize(self.wrapped_key)[0].name if self.wrapped_key else "a session key that was given"


@dataclass(frozen=True, slots=True)
class Decrypted(Opened, Generic[M]):
    """A decrypted message with what was found out about it.

    Attributes:
        message: the message, as the type that was given.
    """

    message: M = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A session key that may open the message, and where it comes from."""

    key: SessionKey
    wrapped: WrappedKey | None


def decrypt(message: M, identities: Iterable[Identity], *, policy: Policy = DEFAULT) -> Decrypted[M]:
    """Decrypt a message that is in memory.

    Args:
        message: a mail, or (as bytes) a bare CMS object in DER, BER, PEM or base64.
        identities: who may read it; all that match are tried.
        policy: what is accepted.

    Returns:
        The message inside, as the type that was given, and what was found out about it.

    Raises:
        MessageError: it is no envelope, broken, not spoken here or against the policy.
        NoMatchError: it is addressed to none of the identities.
        DecryptionError: it did not open.
    """
    target = io.BytesIO()
    source = io.BytesIO(octets_of(message))
    opened = decrypt_stream(source, target, identities, policy=policy, transactional=True)
    facts = {fact.name: getattr(opened, fact.name) for fact in fields(Opened)}
    return Decrypted(**facts, message=like(message, target.getvalue()))


def decrypt_stream(
    source: BinaryIO,
    target: BinaryIO,
    identities: Iterable[Identity],
    *,
    policy: Policy = DEFAULT,
    transactional: bool = False,
) -> Opened:
    """Decrypt a message of any size in flat memory.

    Args:
        source: a mail, or a bare CMS object in DER, BER, PEM or base64. What cannot seek is kept, as it
            came, in a private file while it is checked.
        target: where the message inside goes, after all of it was checked.
        identities: who may read it; all that match are tried.
        policy: what is accepted.
        transactional: the caller's promise that ``target`` can seek and truncate, and that what was
            written to it is thrown away if an exception is raised. Plaintext is then written while it
            is being checked, which takes one pass instead of two.

    Raises:
        MessageError: it is no envelope, broken, not spoken here or against the policy.
        NoMatchError: it is addressed to none of the identities.
        DecryptionError: it did not open.
    """
    with Replay(source) as replay, ExitStack() as wiping:
        reading = _Reading(replay, policy)
        candidates = _candidates(reading, tuple(identities), policy)
        for candidate in candidates:
            wiping.callback(candidate.key.wipe)
        alone = len(candidates) == 1
        sink: _Sink = _Direct(target) if transactional and alone else _Held(target, _HELD if alone else 0)
        attributes = b""
        while missed := reading.open(candidates, attributes, sink):  # the tag covers what comes after the content
            attributes = missed
            replay.rewind()
            reading = _Reading(replay, policy)
            sink.restart()
        winner = reading.judge(candidates)
        if not sink.finish(reading):
            replay.rewind()
            again = _Reading(replay, policy)
            sink = _Direct(target)
            again.open([winner], attributes, sink)
            again.judge([winner])
            sink.finish(again)
        return Opened(
            authenticated=reading.parameters.algorithm.authenticated,
            content_encryption=reading.parameters.algorithm.name,
            form=reading.incoming.form,
            wrapped_key=winner.wrapped,
        )


class _Reading:
    """One pass over the message: its header is read at once, its content by :meth:`open`."""

    def __init__(self, replay: Replay, policy: Policy) -> None:
        self.incoming = open_message(replay.read_block)
        self.reader = EnvelopeReader(self.incoming.next_block, policy)
        self.parameters = self.reader.parameters
        self.last = b""
        self._trailer = EnvelopeTrailer()
        self._openers: list[Opener] = []
        self._heads: list[bytes] = []
        if self.parameters.algorithm.legacy and not policy.insecure_legacy:
            name = self.parameters.algorithm.name
            raise PolicyError(f"the content is sealed with {name}, which is weak", option="insecure_legacy")
        if policy.require_authenticated and not self.parameters.algorithm.authenticated:
            name = self.parameters.algorithm.name
            raise PolicyError(f"the content is not authenticated ({name})", option="require_authenticated")

    def open(self, candidates: Sequence[_Candidate], attributes: bytes, sink: _Sink) -> bytes:
        """Open the content with each candidate at once; return the attributes if they are others than given.

        With one candidate the plaintext goes to ``sink``, which keeps it until it is proven.
        """
        self._openers = [opener(self.parameters, candidate.key, attributes) for candidate in candidates]
        self._heads = [b"" for _ in candidates]
        write = sink.begin(self.incoming) if len(candidates) == 1 else None
        buffer = memoryview(b"")
        for piece in self.reader.ciphertext():
            if len(buffer) < len(piece) + SLACK:
                buffer = memoryview(bytearray(len(piece) + SLACK))
            for index, stream in enumerate(self._openers):
                size = stream.update_into(piece, buffer)
                if write is not None:
                    write(buffer[:size])
                elif len(self._heads[index]) < _PEEK:
                    self._heads[index] += bytes(buffer[: min(size, _PEEK)])
        self._trailer = self.reader.trailer()
        if len(self._trailer.tag) != self.parameters.tag_size:
            raise MalformedError(
                f"the tag has {len(self._trailer.tag)} octets, not the {self.parameters.tag_size} announced"
            )
        found = self._trailer.authenticated_attributes
        return found if found != attributes else b""

    def judge(self, candidates: Sequence[_Candidate]) -> _Candidate:
        """Return the candidate that opened the content; its last octets are then in :attr:`last`.

        Content without authentication can seem to open with a wrong key; among several that do, one
        whose plaintext begins like a mail goes first.

        Raises:
            DecryptionError: none did.
        """
        opened: list[tuple[bool, _Candidate, bytes]] = []
        for candidate, stream, head in zip(candidates, self._openers, self._heads, strict=True):
            with suppress(DecryptionError):
                last = stream.finish(self._trailer.tag)
                opened.append((begins_like_entity(head + last), candidate, last))
        if not opened:
            raise DecryptionError
        _, winner, self.last = max(opened, key=lambda entry: entry[0])
        return winner


class _Sink(Protocol):
    """Where plaintext goes while it is not proven yet."""

    def begin(self, incoming: Incoming) -> Callable[[memoryview], object]:
        """Start taking plaintext; return the function that takes it."""
        ...

    def restart(self) -> None:
        """Forget what was taken."""
        ...

    def finish(self, reading: _Reading) -> bool:
        """Release what was taken, now that it is proven; False if it was not kept."""
        ...


class _Direct:
    """Writes plaintext to its target as it comes."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._start = target.tell() if target.seekable() else 0
        self._whole = Whole(target)
        self._output: Reunion | None = None

    def begin(self, incoming: Incoming) -> Callable[[memoryview], object]:
        self._output = Reunion(incoming.head, self._whole) if incoming.head else None
        return self._output.write if self._output else self._whole.write

    def restart(self) -> None:
        self._target.seek(self._start)
        self._target.truncate()

    def finish(self, reading: _Reading) -> bool:
        if self._output is None:
            self._whole.write(reading.last)
        else:
            self._output.write(memoryview(reading.last))
            self._output.finish()
        return True


class _Held:
    """Keeps plaintext in memory, up to ``limit`` octets; more is not kept at all."""

    def __init__(self, target: BinaryIO, limit: int) -> None:
        self._target = target
        self._limit = limit
        self._held = bytearray()
        self._complete = limit > 0

    def begin(self, _incoming: Incoming) -> Callable[[memoryview], object]:
        return self._keep

    def _keep(self, plaintext: memoryview) -> None:
        if len(self._held) + len(plaintext) > self._limit:
            self._complete = False
            self._held.clear()
        elif self._complete:
            self._held += plaintext

    def restart(self) -> None:
        self._held.clear()
        self._complete = self._limit > 0

    def finish(self, reading: _Reading) -> bool:
        if self._complete:
            direct = _Direct(self._target)
            direct.begin(reading.incoming)(memoryview(self._held))
            direct.finish(reading)
        return self._complete


def _candidates(reading: _Reading, identities: Sequence[Identity], policy: Policy) -> list[_Candidate]:
    """Unwrap every wrapped key that is addressed to an identity.

    Raises:
        NoMatchError: none is.
        LimitError: there are more than the policy allows to try.
    """
    wrapped_keys = reading.reader.header.wrapped_keys
    matches: list[tuple[Identity, WrappedKey | None]] = []
    for identity in identities:
        if isinstance(identity, SelectiveIdentity):
            matches += [(identity, wrapped) for wrapped in identity.matching(wrapped_keys)]
        else:
            matches.append((identity, None))
    if len(matches) > policy.max_trials:
        raise LimitError("the number of wrapped keys to try", policy.max_trials)
    candidates = []
    for identity, match in matches:
        if match and not policy.insecure_legacy and (weak := legacy_algorithm(match)):
            raise PolicyError(f"the session key is wrapped with {weak}, which is weak", option="insecure_legacy")
        with suppress(NoMatchError):
            key = identity.unwrap((match,) if match else wrapped_keys)
            candidates.append(_Candidate(key, match))
    if not candidates:
        raise NoMatchError(names_of(wrapped_keys), [str(identity) for identity in identities])
    return candidates
