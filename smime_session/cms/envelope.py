"""An envelope as a stream: written and read in pieces, flat in memory.

What is sealed passes through as ciphertext; sealing and opening it are the business of
:mod:`~smime_session.content`. The same reader and writer therefore serve to encrypt, to decrypt, to
inspect, and to change an envelope's recipients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from smime_session.algorithms import AUTH_ENVELOPED_DATA, CONTENT_TYPES, ENVELOPED_DATA
from smime_session.arguments import check_policy
from smime_session.cms import asn1, codec, content_algorithm
from smime_session.cms.stream import Stream
from smime_session.cms.values import ContentParameters, EnvelopeHeader, EnvelopeTrailer
from smime_session.errors import LimitError, MalformedError, NotEnvelopeError
from smime_session.profiles import MAX_TRAILER_SIZE, Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Buffer = bytes | memoryview

_CONTEXT_0: Final = 0x80
_CONTEXT_0_CONSTRUCTED: Final = 0xA0
_CONTEXT_1_CONSTRUCTED: Final = 0xA1
_CONTEXT_2_CONSTRUCTED: Final = 0xA2

_GATHER_BELOW: Final = 4096  # octets: smaller pieces are gathered, since each costs a call of the cipher
_GATHERED: Final = 64 << 10  # octets handed on together
_PADDING: Final = b"\r\n\x00"  # what some mailers leave after a binary object, which is not worth a note

_HEADER: Final = "the size of the envelope's header"
_TRAILER: Final = "the size of what follows the content"

_NOT_ENVELOPES: Final = {
    "signed-data": "a signed message (signed-data)",
    "compressed-data": "a compressed message (compressed-data)",
    "encrypted-data": "encrypted-data, which has no recipients",
    "data": "plain data",
}


class Target(Protocol):
    """Where octets are written: the part of a binary file that is needed here."""

    def write(self, data: bytes | bytearray | memoryview, /) -> object:
        """Write ``data``."""
        ...


class EnvelopeWriter:
    """Writes an envelope around ciphertext that comes in pieces.

    It is complete after :meth:`finish` and not before: whatever stops the writing leaves something
    that no reader takes for a message.

    Args:
        target: where to write.
        header: what stands before the ciphertext.
        ciphertext_size: octets that will be written, which makes the envelope DER; None if they are not
            known beforehand, which makes it indefinite-length BER.
        trailer_size: octets of encoded trailer, from :func:`trailer_size`; only used with ``ciphertext_size``.
    """

    def __init__(self, target: Target, header: EnvelopeHeader, ciphertext_size: int | None, trailer_size: int) -> None:
        self._target = target
        self._size = ciphertext_size
        self._left = ciphertext_size
        self._trailer_size = trailer_size
        self._authenticated = header.content_type == AUTH_ENVELOPED_DATA
        target.write(codec.envelope_start(header, ciphertext_size, trailer_size))

    def write(self, ciphertext: Buffer) -> None:
        """Write the next piece of ciphertext.

        Raises:
            MalformedError: there is more than was announced.
        """
        if not ciphertext:
            return
        if self._left is None:
            self._target.write(b"\x04" + asn1.length(len(ciphertext)))
        elif len(ciphertext) > self._left:
            raise MalformedError("the input grew while it was being read")
        else:
            self._left -= len(ciphertext)
        self._target.write(ciphertext)

    def finish(self, trailer: EnvelopeTrailer) -> None:
        """Write what stands after the ciphertext.

        Raises:
            MalformedError: there is less ciphertext than was announced.
        """
        if self._left:
            raise MalformedError("the input shrank while it was being read")
        end = codec.envelope_end(trailer, authenticated=self._authenticated, indefinite=self._size is None)
        if self._size is not None and len(end) != self._trailer_size:
            raise MalformedError("the size of the envelope's trailer is not as announced")
        self._target.write(end)


class EnvelopeReader:
    """Reads an envelope from blocks: the header at once, then the ciphertext, then the trailer.

    Args:
        next_block: returns the next octets of the CMS object, empty at the end.
        policy: the limits.

    Attributes:
        header: what stands before the ciphertext.
        authenticated: whether it is an AuthEnvelopedData.
        ciphertext_size: octets of ciphertext read so far.
        constructed: whether they come as several OCTET STRINGs.
        end: octets of the whole envelope, once its trailer was read.
        followed: whether anything but line endings and zeros follows it, once its trailer was read.

    Raises:
        NotEnvelopeError: it is another kind of CMS object.
        MalformedError: it is broken or cut off.
        LimitError: it exceeds a limit of ``policy``.
        TypeError: something else was given as the policy.
    """

    def __init__(self, next_block: Callable[[], Buffer], policy: Policy) -> None:
        check_policy(policy)
        self._stream = Stream(next_block)
        self._policy = policy
        self.ciphertext_size = 0
        self.constructed = False
        self.end = 0
        self.followed = False
        self._parameters: ContentParameters | None = None
        self.header = self._read_header()
        self.authenticated = self.header.content_type == AUTH_ENVELOPED_DATA

    @property
    def indefinite(self) -> bool:
        """Whether any length read so far is indefinite, so that it is BER and not DER."""
        return self._stream.indefinite

    @property
    def parameters(self) -> ContentParameters:
        """How the content is sealed.

        Raises:
            UnsupportedAlgorithmError: not in a way that is supported.
            MalformedError: its parameters are broken, or do not fit this kind of envelope.
        """
        if self._parameters is None:
            self._parameters = content_algorithm.parameters_from(self.header.content_encryption)
        if self._parameters.algorithm.authenticated != self.authenticated:
            kind = CONTENT_TYPES[self.header.content_type]
            raise MalformedError(f"{self._parameters.algorithm.name} does not belong in {kind}")
        return self._parameters

    @property
    def announced_size(self) -> int | None:
        """Octets of ciphertext, told before any of it is read; None if it comes in pieces."""
        return self._stream.definite_size(_CONTEXT_0)

    def _read_header(self) -> EnvelopeHeader:
        stream, limit = self._stream, self._policy.max_header_size
        stream.enter(asn1.SEQUENCE)
        content_type = asn1.object_identifier_from(stream.contents(asn1.OBJECT_IDENTIFIER, limit, _HEADER))
        if content_type not in (ENVELOPED_DATA, AUTH_ENVELOPED_DATA):
            name = CONTENT_TYPES.get(content_type)
            raise NotEnvelopeError(_NOT_ENVELOPES.get(name or "", name or f"a CMS object of type {content_type}"))
        stream.enter(_CONTEXT_0_CONSTRUCTED)
        stream.enter(asn1.SEQUENCE)
        version = asn1.integer_from(stream.contents(asn1.INTEGER, limit, _HEADER))
        originator = stream.encoded(limit, _HEADER) if stream.peek() == _CONTEXT_0_CONSTRUCTED else None
        infos = stream.element(limit, _HEADER)
        stream.enter(asn1.SEQUENCE)
        inner = asn1.object_identifier_from(stream.contents(asn1.OBJECT_IDENTIFIER, limit, _HEADER))
        encryption, parameters = content_algorithm.decode(stream.encoded(limit, _HEADER))
        self._parameters = parameters
        key_size = parameters.algorithm.key_size if parameters else 0
        wrapped = codec.recipient_infos(infos, key_size, self._policy.max_recipients)
        if stream.peek() not in (_CONTEXT_0, _CONTEXT_0_CONSTRUCTED):
            raise MalformedError("the envelope holds no encrypted content", stream.offset)
        return EnvelopeHeader(content_type, version, wrapped, inner, encryption, originator)

    def ciphertext(self) -> Iterator[memoryview]:
        """Yield the ciphertext in pieces; a piece lives until the next is asked for."""
        self.constructed = self._stream.peek() == _CONTEXT_0_CONSTRUCTED
        gathered = bytearray()
        for piece in self._stream.segments(_CONTEXT_0):
            self.ciphertext_size += len(piece)
            if len(piece) < _GATHER_BELOW and len(gathered) < _GATHERED:
                gathered += piece
                continue
            if gathered:
                yield memoryview(gathered)
                gathered = bytearray()
            yield piece
        if gathered:
            yield memoryview(gathered)

    def whole_ciphertext(self) -> Buffer:
        """Return all of the ciphertext; only for what is in memory anyway."""
        whole = self._stream.piece(_CONTEXT_0)
        if whole is None:
            return b"".join(self.ciphertext())
        self.ciphertext_size = len(whole)
        return whole

    def trailer(self) -> EnvelopeTrailer:
        """Read what stands after the ciphertext, to the end of the input.

        What follows the envelope is no part of it: lists, gateways and programs leave all sorts of things there. It is
        passed over, and told by :attr:`followed`.

        Raises:
            MalformedError: it is broken or cut off.
        """
        stream = self._stream
        stream.leave()
        limit = stream.offset + MAX_TRAILER_SIZE
        tag = attributes = unauthenticated = b""
        if self.authenticated:
            found = stream.peek()
            if found == _CONTEXT_1_CONSTRUCTED:
                attributes = codec.attributes_for_tag(stream.element(limit, _TRAILER))
            if found == asn1.OCTET_STRING:
                tag = stream.contents(found, limit, _TRAILER)
            else:
                tag = stream.element(limit, _TRAILER).octets()
        last = _CONTEXT_2_CONSTRUCTED if self.authenticated else _CONTEXT_1_CONSTRUCTED
        if stream.peek() == last:
            unauthenticated = stream.element(limit, _TRAILER).encoded
        for _ in range(3):
            stream.leave()
        self.end = stream.offset
        try:
            while rest := stream.rest():
                self.followed = self.followed or bool(bytes(rest).strip(_PADDING))
        except (MalformedError, LimitError):  # it cannot even be decoded
            self.followed = True
        return EnvelopeTrailer(tag, attributes, unauthenticated)


def trailer_size(trailer: EnvelopeTrailer, *, authenticated: bool) -> int:
    """Return how many octets a definite-length envelope's trailer takes; the tag's size matters, not its value."""
    return len(codec.envelope_end(trailer, authenticated=authenticated, indefinite=False))
