"""Decrypting: find the session key that was wrapped for an identity, check the content, release it.

Plaintext is released after everything was checked and not before. A large message is therefore
read twice, the second time proven to be the same; a small one waits in memory. A caller whose
target throws away what it got when an exception is raised can have it in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Generic

from smime_session.errors import NotEnvelopeError
from smime_session.mail.blocks import Lookahead
from smime_session.mail.detection import usual_object
from smime_session.mail.objects import M, check_readable, check_writable, like, octets_of
from smime_session.mail.repairs import Repairs
from smime_session.mail.reunion import Reunion, reunite
from smime_session.operations.candidates import Candidates
from smime_session.operations.layers import Layers, OpenedPart, may_hold_objects, mentions_objects
from smime_session.operations.opening import begin, envelope_reader, open_content, open_whole_content
from smime_session.operations.waiting import SMALL, Gate, Mentions, Recorded
from smime_session.profiles import DEFAULT, Policy
from smime_session.recipients.registry import summarize
from smime_session.streams.outlets import Outlet, Whole
from smime_session.streams.sources import Replay, is_seekable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from smime_session.certificates.trust import TrustAnchors
    from smime_session.cms.envelope import EnvelopeReader
    from smime_session.cms.values import EnvelopeTrailer, WrappedKey
    from smime_session.operations.candidates import Candidate
    from smime_session.operations.opening import Opening, Reading
    from smime_session.operations.signatures import Signature
    from smime_session.recipients.registry import Identity


@dataclass(frozen=True, slots=True)
class Opened:
    """What decrypting found out about a message.

    Attributes:
        authenticated: whether the content is proven unaltered since it was encrypted; who encrypted it
            is not proven by that.
        content_encryption: the content-encryption algorithm's name.
        form: what the input was: ``mail``, ``der``, ``pem``, ``base64``, ``quoted-printable`` or ``uuencode``.
        wrapped_key: the recipient info that opened; None if a session key was given.
        altered_headers: names of header fields that stand outside in another form than they were sent in, or that
            only others wrote, where the mail has protected ones inside (RFC 9788); those inside are in the message.
        repairs: what was damaged around the CMS object, or left there by servers and programs, and read all the same:
            a clause each. The envelope itself is never repaired.
        parts: what became of the S/MIME objects in the parts of a mail and inside what was opened; empty for a mail
            that is one envelope and nothing else. Where it is not, the attributes above are those of the outermost
            envelope that opened, and ``authenticated`` holds for all of them, but not for what stands around them.
        signatures: the signatures around and inside of what was opened, each judged as by
            :func:`~smime_session.operations.verify.verify`; empty if there is none. That something was encrypted proves
            nothing of who wrote it.
    """

    authenticated: bool
    content_encryption: str
    form: str
    wrapped_key: WrappedKey | None = field(repr=False)
    altered_headers: tuple[str, ...]
    repairs: tuple[str, ...]
    parts: tuple[OpenedPart, ...] = ()
    signatures: tuple[Signature, ...] = ()

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

    message: M = field(repr=False, kw_only=True)


def decrypt(
    message: M,
    identities: Iterable[Identity],
    *,
    policy: Policy = DEFAULT,
    part: str | None = None,
    trust: TrustAnchors | None = None,
) -> Decrypted[M]:
    """Decrypt a message that is in memory.

    Args:
        message: a mail, or (as bytes, or octets in another buffer) a bare CMS object in DER, BER, PEM or base64.
        identities: who may read it; all that match are tried.
        policy: what is accepted.
        part: the number of the one part of a mail to open, without the rest (:attr:`Inspection.parts
            <smime_session.operations.inspect.Inspection.parts>`); None opens every part that can be, in its place.
        trust: the roots that are trusted, for the signatures that are found; without one, none is.

    Returns:
        The message inside, as the type that was given, and what was found out about it.

    Raises:
        MessageError: it is no envelope, broken, not supported or against the policy.
        NoMatchError: it is addressed to none of the identities.
        OtherMessageError: no identity opened it, and one is a saved session key of another message.
        DecryptionError: it did not open.
        TypeError: an argument is of a kind that is not accepted.
    """
    mail = octets_of(message)
    usual = None if part is not None else usual_object(mail)
    if usual is None:
        return _decrypt_unusual(message, mail, Layers(tuple(identities), policy, trust), part)
    head, octets = usual
    try:
        reader = envelope_reader(Lookahead(bytes, octets), policy)
    except NotEnvelopeError:  # it may be around one
        return _decrypt_unusual(message, mail, Layers(tuple(identities), policy, trust), part)
    layers = Layers(tuple(identities), policy, trust)
    with Candidates(reader.header, layers.identities, policy) as candidates:
        winner, content = open_whole_content(reader, candidates.all)
        more = mentions_objects(content)
        if more:
            layers.spend(candidates)
    whole, altered = reunite(head, content)
    if more:
        whole = layers.open_inside(whole)
    return Decrypted(*_findings(reader, "mail", winner, altered, Repairs(), layers), message=like(message, whole))


def _decrypt_unusual(message: M, mail: bytes, layers: Layers, part: str | None) -> Decrypted[M]:
    """Decrypt a message that is in memory and large, bare, of several parts, in an unusual form, or broken."""
    with BytesIO() as target:  # closed by an exception, which would keep the plaintext as long as it is kept
        findings = _decrypt(mail, target, layers, part, transactional=True)
        whole = target.getvalue()
    return Decrypted(*findings, message=like(message, whole))


_Told = tuple[str, ...]
_Findings = tuple[bool, str, str, "WrappedKey | None", _Told, _Told, tuple["OpenedPart", ...], tuple["Signature", ...]]
"""The attributes of :class:`Opened`."""


def _findings(  # noqa: PLR0913, PLR0917  # an attribute each
    reader: EnvelopeReader, form: str, winner: Candidate, altered: tuple[str, ...], repairs: Repairs, layers: Layers
) -> _Findings:
    algorithm = reader.parameters.algorithm
    told = repairs.told(reader.end, followed=reader.followed)
    if layers.parts:
        altered = tuple(dict.fromkeys((*altered, *layers.altered)))
        told = tuple(dict.fromkeys((*told, *layers.repairs)))
    return (
        algorithm.authenticated,
        algorithm.name,
        form,
        winner.wrapped,
        altered,
        told,
        tuple(layers.parts),
        tuple(layers.signatures),
    )


def decrypt_stream(  # noqa: PLR0913  # two that most leave as they are
    source: BinaryIO,
    target: BinaryIO,
    identities: Iterable[Identity],
    *,
    policy: Policy = DEFAULT,
    part: str | None = None,
    transactional: bool = False,
    trust: TrustAnchors | None = None,
) -> Opened:
    """Decrypt a message of any size, in flat memory if it is one envelope; a mail of several parts waits in memory.

    A large one is read and written in threads beside the work: ``source`` and ``target`` are used by one
    of them at a time, and by none any more when this returns or raises.

    Args:
        source: a mail, or a bare CMS object in DER, BER, PEM or base64. What cannot seek is kept, as it
            came, in a private file while it is checked.
        target: where the message inside goes, after all of it was checked.
        identities: who may read it; all that match are tried.
        policy: what is accepted.
        part: the number of the one part to open, as for :func:`decrypt`.
        transactional: the caller's promise that ``target`` can seek and truncate, and that what was
            written to it is thrown away if an exception is raised. Plaintext is then written while it
            is being checked, which takes one pass instead of two.
        trust: as for :func:`decrypt`. In what is larger than 32 MiB, signatures are not looked for.

    Raises:
        MessageError: it is no envelope, broken, not supported or against the policy.
        NoMatchError: it is addressed to none of the identities.
        OtherMessageError: no identity opened it, and one is a saved session key of another message.
        DecryptionError: it did not open.
        TypeError: an argument is of a kind that is not accepted.
    """
    check_readable(source)
    check_writable(target)
    layers = Layers(tuple(identities), policy, trust)
    return Opened(*_decrypt(source, target, layers, part, transactional=transactional))


def _decrypt(
    source: bytes | BinaryIO, target: BinaryIO, layers: Layers, part: str | None, *, transactional: bool
) -> _Findings:
    """Decrypt a message of any size and form; return what was found out about it."""
    policy = layers.policy
    with Replay(source) as replay:
        recorded = Recorded(replay.read_block)
        if part is not None:
            opened = layers.open_alone(recorded.rest(), part)
            return _write_parts(
                opened, target, layers, NotEnvelopeError(f"a mail whose part {part} is no S/MIME object")
            )
        try:
            reading = begin(replay, policy, recorded)
        except NotEnvelopeError as error:
            if error.kind == "mbox" or not may_hold_objects(recorded.beginning):
                raise
            return _write_parts(layers.open(recorded.rest()), target, layers, error)
        recorded.forget()
        with Candidates(reading.reader.header, layers.identities, policy) as candidates, Outlet(target) as out:
            direct = _Direct(target, out, layers, again=transactional)
            sink = direct if transactional else _Held(direct)
            opening = open_content(reading, candidates.all, sink)
            layers.spend(candidates)
            while not sink.finish(opening):
                sink, again = direct, opening.reading.again()
                opening = open_content(again, [opening.candidate], direct, expected=opening.trailer)
    incoming, reader = opening.reading.incoming, opening.reading.reader
    return _findings(reader, incoming.form, opening.candidate, direct.altered_headers, incoming.repairs, layers)


def _write_parts(opened: bytes | None, target: BinaryIO, layers: Layers, error: NotEnvelopeError) -> _Findings:
    """Write what was opened in the parts of a mail; if that is nothing, ``error`` says what the mail is."""
    first = layers.first
    if opened is None or first is None:
        raise layers.failure or error
    Whole(target).write(opened)
    authenticated = all(each.authenticated is not False for each in layers.parts)
    return (
        authenticated,
        first.content_encryption,
        "mail",
        first.wrapped_key,
        tuple(layers.altered),
        tuple(layers.repairs),
        tuple(layers.parts),
        tuple(layers.signatures),
    )


class _Direct:
    """Writes plaintext to its target as it comes; what may have further objects in it waits, or is written twice."""

    def __init__(self, target: BinaryIO, out: Outlet, layers: Layers, *, again: bool) -> None:
        self._target = target
        self._start = target.tell() if is_seekable(target) else 0
        self._out = out
        self._layers = layers
        self._again = again
        self.known: Mentions | None = None
        self._begun = False
        self._output: Reunion | None = None
        self._gate = self._new_gate()

    def _new_gate(self) -> Gate:
        return Gate(self._out, self._layers, self.known, again=self._again)

    def begin(self, reading: Reading, _expected: EnvelopeTrailer) -> Callable[[memoryview], object]:
        if self._begun:
            self._out.flush()
            self._target.seek(self._start)
            self._target.truncate()
        self._begun = True
        self._gate = self._new_gate()
        self._output = Reunion(reading.incoming.head, self._gate) if reading.incoming.head else None
        return self._output.write if self._output else self._out.write

    @property
    def altered_headers(self) -> tuple[str, ...]:
        """The names of header fields that were changed outside."""
        return self._output.altered_headers if self._output else ()

    def finish(self, opening: Opening) -> bool:
        """Write the end of the content, now that it is proven; False if all has to be written, or once more."""
        if not self._begun:
            return False
        if self._output is None:
            self._out.write(opening.last)
        else:
            self._output.write(memoryview(opening.last))
            self._output.finish()
            if not self._gate.finish():
                self.known = self._gate.mentions
                return False
        self._out.flush()
        return True


class _Held:
    """Keeps plaintext in memory until it is proven, as long as it is not too much."""

    def __init__(self, direct: _Direct) -> None:
        self._direct = direct
        self._held = bytearray()
        self._mentions = Mentions()
        self._complete = False

    def begin(self, _reading: Reading, _expected: EnvelopeTrailer) -> Callable[[memoryview], object]:
        self._held.clear()
        self._mentions = Mentions()
        self._complete = True
        return self._keep

    def _keep(self, plaintext: memoryview) -> None:
        self._mentions.look(plaintext)
        if len(self._held) + len(plaintext) > SMALL:  # the input is read twice
            self._complete = False
            self._held.clear()
        elif self._complete:
            self._held += plaintext

    def finish(self, opening: Opening) -> bool:
        """Release what was kept, now that it is proven; False if it was too much, or several keys might have fit."""
        if self._complete:
            self._direct.begin(opening.reading, opening.trailer)(memoryview(self._held))
            return self._direct.finish(opening)
        if self._mentions.size:
            self._mentions.look(opening.last)
            self._direct.known = self._mentions
        return False
