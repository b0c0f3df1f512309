"""Decrypting: find the session key that was wrapped for an identity, check the content, release it.

Plaintext is released after everything was checked and not before. A large message is therefore
read twice, the second time proven to be the same; a small one waits in memory. A caller whose
target throws away what it got when an exception is raised can have it in one pass.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, Generic, Protocol

from smime_session.mail.objects import M, check_readable, check_writable, like, octets_of
from smime_session.mail.reunion import Reunion, reunite
from smime_session.operations.candidates import Candidates
from smime_session.operations.opening import Pass
from smime_session.profiles import DEFAULT, Policy
from smime_session.recipients.registry import summarize
from smime_session.streams.outlets import Outlet, Whole
from smime_session.streams.sources import Replay, is_seekable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from smime_session.cms.values import WrappedKey
    from smime_session.operations.candidates import Candidate
    from smime_session.recipients.registry import Identity

_HELD: Final = 1 << 20  # octets of plaintext that wait in memory for their tag; beyond, the input is read twice


@dataclass(frozen=True, slots=True)
class Opened:
    """What decrypting found out about a message.

    Attributes:
        authenticated: whether the content is proven unaltered since it was encrypted; who encrypted it
            is not proven by that.
        content_encryption: the content-encryption algorithm's name.
        form: what the input was: ``mail``, ``der``, ``pem`` or ``base64``.
        wrapped_key: the recipient info that opened; None if a session key was given.
        altered_headers: names of header fields that stand outside in another form than they were sent in, or that
            only others wrote, where the mail has protected ones inside (RFC 9788); those inside are in the message.
    """

    authenticated: bool
    content_encryption: str
    form: str
    wrapped_key: WrappedKey | None = field(repr=False)
    altered_headers: tuple[str, ...]

    @property
    def key_management(self) -> str:
        """The name of the algorithm that the session key was wrapped with; ``none`` if a session key was given."""
        return (summarize(self.wrapped_key)[0].algorithm or "unknown") if self.wrapped_key else "none"

    @property
    def recipient(self) -> str:
        """The recipient whose wrapped key was opened, in words."""
        if self.wrapped_key is None:
            return "a session key that was given"
        names = [summary.name for summary in summarize(self.wrapped_key)]
        return names[0] if len(names) == 1 else f"one of {len(names)} recipients who share an ephemeral key"


@dataclass(frozen=True, slots=True)
class Decrypted(Opened, Generic[M]):
    """A decrypted message with what was found out about it.

    Attributes:
        message: the message, as the type that was given.
    """

    message: M = field(repr=False)


def decrypt(message: M, identities: Iterable[Identity], *, policy: Policy = DEFAULT) -> Decrypted[M]:
    """Decrypt a message that is in memory.

    Args:
        message: a mail, or (as bytes, or octets in another buffer) a bare CMS object in DER, BER, PEM or base64.
        identities: who may read it; all that match are tried.
        policy: what is accepted.

    Returns:
        The message inside, as the type that was given, and what was found out about it.

    Raises:
        MessageError: it is no envelope, broken, not supported or against the policy.
        NoMatchError: it is addressed to none of the identities.
        OtherMessageError: no identity opened it, and one is a saved session key of another message.
        DecryptionError: it did not open.
        TypeError: an argument is of a kind that is not accepted.
    """
    with io.BytesIO() as target:  # closed by an exception, which would keep the plaintext as long as it is kept
        whole, findings = _decrypt(octets_of(message), target, identities, policy=policy, transactional=True)
        if whole is None:
            whole = target.getvalue()
    return Decrypted(*findings, like(message, whole))


def decrypt_stream(
    source: BinaryIO,
    target: BinaryIO,
    identities: Iterable[Identity],
    *,
    policy: Policy = DEFAULT,
    transactional: bool = False,
) -> Opened:
    """Decrypt a message of any size in flat memory.

    A large one is read and written in threads beside the work: ``source`` and ``target`` are used by one
    of them at a time, and by none any more when this returns or raises.

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
        MessageError: it is no envelope, broken, not supported or against the policy.
        NoMatchError: it is addressed to none of the identities.
        OtherMessageError: no identity opened it, and one is a saved session key of another message.
        DecryptionError: it did not open.
        TypeError: an argument is of a kind that is not accepted.
    """
    check_readable(source)
    check_writable(target)
    whole, findings = _decrypt(source, target, identities, policy=policy, transactional=transactional)
    if whole is not None:
        Whole(target).write(whole)
    return Opened(*findings)


_Findings = tuple[bool, str, str, "WrappedKey | None", tuple[str, ...]]  # the attributes of Opened


def _decrypt(
    source: bytes | BinaryIO, target: BinaryIO, identities: Iterable[Identity], *, policy: Policy, transactional: bool
) -> tuple[bytes | None, _Findings]:
    """Return the message inside if it is short, or write it to ``target``; and what was found out about it."""
    with Replay(source) as replay:
        reading = Pass(replay, policy)
        incoming, algorithm = reading.incoming, reading.parameters.algorithm
        with Candidates(reading.reader.header, tuple(identities), policy) as candidates:
            whole: bytes | None = None
            altered: tuple[str, ...] = ()
            if incoming.short:
                winner, whole = reading.open_at_once(candidates.all)
            else:
                winner, altered = _open_in_passes(
                    replay, reading, candidates.all, target, policy, transactional=transactional
                )
        if whole is not None and incoming.head is not None:
            whole, altered = reunite(incoming.head, whole)
        return whole, (algorithm.authenticated, algorithm.name, incoming.form, winner.wrapped, altered)


def _open_in_passes(  # noqa: PLR0913  # what a pass is made of
    replay: Replay,
    reading: Pass,
    candidates: Sequence[Candidate],
    target: BinaryIO,
    policy: Policy,
    *,
    transactional: bool,
) -> tuple[Candidate, tuple[str, ...]]:
    """Open what may be too large for memory; return the key that opened it, and which header fields were changed."""
    alone = len(candidates) == 1
    with Outlet(target) as out:
        direct = _Direct(target, out)
        sink: _Sink = direct if transactional and alone else _Held(direct, _HELD if alone else 0)
        attributes = b""
        while missed := reading.open(candidates, attributes, sink.begin(reading) if alone else None):
            attributes = missed
            replay.rewind()
            reading = Pass(replay, policy)
            sink.restart()
        winner = reading.judge()
        if not sink.finish(reading):
            replay.rewind()
            again = Pass(replay, policy)
            again.open([winner], attributes, direct.begin(again))
            again.judge()
            direct.finish(again)
    return winner, direct.altered_headers


class _Sink(Protocol):
    """Where plaintext goes while it is not proven yet."""

    def begin(self, reading: Pass) -> Callable[[memoryview], object]:
        """Start taking plaintext; return the function that takes it."""
        ...

    def restart(self) -> None:
        """Forget what was taken."""
        ...

    def finish(self, reading: Pass) -> bool:
        """Release what was taken, now that it is proven; False if it was not kept."""
        ...


class _Direct:
    """Writes plaintext to its target as it comes."""

    def __init__(self, target: BinaryIO, out: Outlet) -> None:
        self._target = target
        self._start = target.tell() if is_seekable(target) else 0
        self._out = out
        self._output: Reunion | None = None

    def begin(self, reading: Pass) -> Callable[[memoryview], object]:
        self._output = Reunion(reading.incoming.head, self._out) if reading.incoming.head else None
        return self._output.write if self._output else self._out.write

    @property
    def altered_headers(self) -> tuple[str, ...]:
        """The names of header fields that were changed outside."""
        return self._output.altered_headers if self._output else ()

    def restart(self) -> None:
        self._out.flush()
        self._target.seek(self._start)
        self._target.truncate()

    def finish(self, reading: Pass) -> bool:
        if self._output is None:
            self._out.write(reading.last)
        else:
            self._output.write(memoryview(reading.last))
            self._output.finish()
        self._out.flush()
        return True


class _Held:
    """Keeps plaintext in memory, up to ``limit`` octets; more is not kept at all."""

    def __init__(self, direct: _Direct, limit: int) -> None:
        self._direct = direct
        self._limit = limit
        self._held = bytearray()
        self._complete = limit > 0

    def begin(self, _reading: Pass) -> Callable[[memoryview], object]:
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

    def finish(self, reading: Pass) -> bool:
        if self._complete:
            self._direct.begin(reading)(memoryview(self._held))
            self._direct.finish(reading)
        return self._complete
