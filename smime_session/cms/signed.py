"""SignedData as values and as a stream (RFC 5652, 5): written and read in pieces, flat in memory.

The content passes through; hashing it is for those above. What stands after it, certificates and signer infos,
is held against limits and decoded whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.algorithms import CONTENT_TYPES, DATA, SIGNED_DATA
from smime_session.cms import asn1, codec
from smime_session.cms.stream import Stream
from smime_session.errors import LimitError, MalformedError, NotSignedError
from smime_session.profiles import MAX_HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from smime_session.cms.values import AlgorithmIdentifier, RecipientIdentifier

Buffer = bytes | memoryview

MAX_SIGNERS: Final = 32  # of one message: each costs an operation with a public key; programs write one
MAX_CERTIFICATES: Final = 256  # with one message: a chain has four
MAX_REVOCATIONS: Final = 64  # lists with one message; one for each authority
MAX_TRAILER_SIZE: Final = 16 << 20  # octets after the content: lists of revoked certificates have megabytes

_CONTEXT_0: Final = 0x80
_CONTEXT_0_CONSTRUCTED: Final = 0xA0
_CONTEXT_1_CONSTRUCTED: Final = 0xA1
_MAX_DIGESTS: Final = 16
_FIELDS: Final = 5  # of a SignerInfo without attributes
_PADDING: Final = b"\r\n\x00"  # what some mailers leave after a binary object
_HEADER: Final = "the size of what precedes the signed content"
_TRAILER: Final = "the size of what follows the signed content"


class SignerInfo(NamedTuple):
    """One signature (RFC 5652, 5.3).

    Attributes:
        identifier: whose it is.
        digest: the hash function of the content.
        attributes: what is signed besides, as a SET OF with definite lengths, in the order it came; empty if nothing.
        algorithm: how it is signed.
        signature: the signature.
    """

    identifier: RecipientIdentifier
    digest: AlgorithmIdentifier
    attributes: bytes
    algorithm: AlgorithmIdentifier
    signature: bytes


class SignedTrailer(NamedTuple):
    """What stands after the content.

    Attributes:
        certificates: certificates in DER, in their order.
        revocations: lists of revoked certificates in DER.
        signers: the signatures.
    """

    certificates: tuple[bytes, ...]
    revocations: tuple[bytes, ...]
    signers: tuple[SignerInfo, ...]


# --- writing -----------------------------------------------------------------------------------


def signer_info(signer: SignerInfo) -> bytes:
    """Encode a SignerInfo that names its certificate by issuer and serial number, which makes it version 1."""
    return asn1.encode(
        asn1.SEQUENCE,
        asn1.integer(1),
        codec.recipient_identifier(signer.identifier),
        codec.algorithm_identifier(signer.digest),
        asn1.OCTETS[_CONTEXT_0_CONSTRUCTED] + signer.attributes[1:],
        codec.algorithm_identifier(signer.algorithm),
        asn1.encode(asn1.OCTET_STRING, signer.signature),
    )


def signed_end(trailer: SignedTrailer) -> bytes:
    """Encode what stands after the content."""
    certificates = asn1.encode(_CONTEXT_0_CONSTRUCTED, *sorted(trailer.certificates)) if trailer.certificates else b""
    return certificates + asn1.encode(asn1.SET, *sorted(map(signer_info, trailer.signers)))


def signed_start(digest: AlgorithmIdentifier, size: int | None, end_size: int, *, content_type: str = DATA) -> bytes:
    """Encode all that stands before the content inside.

    Args:
        digest: the hash function of the content.
        size: octets of content; None opens an indefinite-length object, whose content follows in separate OCTET
            STRINGs and whose end is :data:`INDEFINITE_END`.
        end_size: octets that :func:`signed_end` will return; not used for an object of indefinite length.
        content_type: the type of the content, dotted.
    """
    before = asn1.integer(1) + asn1.encode(asn1.SET, codec.algorithm_identifier(digest))
    outer, inner = asn1.object_identifier(SIGNED_DATA), asn1.object_identifier(content_type)
    if size is None:
        opened = b"\x30\x80", outer, b"\xa0\x80\x30\x80", before, b"\x30\x80", inner, b"\xa0\x80\x24\x80"
        return b"".join(opened)
    octets = asn1.begin(asn1.OCTET_STRING, size)
    content = asn1.begin(_CONTEXT_0_CONSTRUCTED, len(octets) + size) + octets
    before += asn1.begin(asn1.SEQUENCE, len(inner) + len(content) + size) + inner + content
    after = size + end_size
    before = asn1.begin(asn1.SEQUENCE, len(before) + after) + before
    before = b"".join((outer, asn1.begin(_CONTEXT_0_CONSTRUCTED, len(before) + after), before))
    return asn1.begin(asn1.SEQUENCE, len(before) + after) + before


CONTENT_END: Final = asn1.END_OF_CONTENTS * 3
"""What stands between content and trailer in an object of indefinite length."""
INDEFINITE_END: Final = asn1.END_OF_CONTENTS * 3
"""What stands after the trailer in one."""


def detached(digest: AlgorithmIdentifier, trailer: SignedTrailer, *, content_type: str = DATA) -> bytes:
    """Encode an object without its content, which travels beside it (RFC 5652, 5.2)."""
    inner = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(content_type))
    digests = asn1.encode(asn1.SET, codec.algorithm_identifier(digest))
    signed = asn1.encode(asn1.SEQUENCE, asn1.integer(1), digests, inner, signed_end(trailer))
    return asn1.encode(asn1.SEQUENCE, asn1.object_identifier(SIGNED_DATA), asn1.encode(_CONTEXT_0_CONSTRUCTED, signed))


# --- reading -----------------------------------------------------------------------------------


class SignedReader:
    """Reads SignedData from blocks: what precedes the content at once, then the content, then what follows.

    Args:
        next_block: returns the next octets of the CMS object, empty at the end.

    Attributes:
        digests: the hash functions that the signatures are said to use.
        content_type: the type of the content, dotted.
        attached: whether the content is inside.

    Raises:
        NotSignedError: it is another kind of CMS object.
        MalformedError: it is broken or cut off.
        LimitError: it exceeds a limit.
    """

    def __init__(self, next_block: Callable[[], Buffer]) -> None:
        self._stream = stream = Stream(next_block)
        stream.enter(asn1.SEQUENCE)
        content_type = asn1.object_identifier_from(stream.contents(asn1.OBJECT_IDENTIFIER, MAX_HEADER_SIZE, _HEADER))
        if content_type != SIGNED_DATA:
            raise NotSignedError(CONTENT_TYPES.get(content_type) or f"a CMS object of type {content_type}")
        stream.enter(_CONTEXT_0_CONSTRUCTED)
        stream.enter(asn1.SEQUENCE)
        stream.contents(asn1.INTEGER, MAX_HEADER_SIZE, _HEADER)
        self.digests = _digests(stream.element(MAX_HEADER_SIZE, _HEADER))
        stream.enter(asn1.SEQUENCE)
        inner = stream.contents(asn1.OBJECT_IDENTIFIER, MAX_HEADER_SIZE, _HEADER)
        self.content_type = asn1.object_identifier_from(inner)
        self.attached = stream.peek() == _CONTEXT_0_CONSTRUCTED

    def content(self) -> Iterator[Buffer]:
        """Yield the content in pieces, if it is inside; a piece lives until the next is asked for."""
        if self.attached:
            self._stream.enter(_CONTEXT_0_CONSTRUCTED)
            yield from self._stream.segments(asn1.OCTET_STRING)
            self._stream.leave()

    def trailer(self) -> SignedTrailer:
        """Read what stands after the content, to the end of the input.

        Raises:
            MalformedError: it is broken, cut off, or something follows the object.
            LimitError: it exceeds a limit.
        """
        stream = self._stream
        stream.leave()
        limit = stream.offset + MAX_TRAILER_SIZE
        certificates: tuple[bytes, ...] = ()
        revocations: tuple[bytes, ...] = ()
        if stream.peek() == _CONTEXT_0_CONSTRUCTED:
            certificates = _members(stream.element(limit, _TRAILER), MAX_CERTIFICATES, "certificates")
        if stream.peek() == _CONTEXT_1_CONSTRUCTED:
            revocations = _members(stream.element(limit, _TRAILER), MAX_REVOCATIONS, "lists of revoked certificates")
        signers = tuple(map(_signer_from, _few(stream.element(limit, _TRAILER).expect(asn1.SET))))
        for _ in range(3):
            stream.leave()
        while rest := stream.rest():
            if bytes(rest).strip(_PADDING):
                raise MalformedError("something follows the signed object", stream.offset)
        return SignedTrailer(certificates, revocations, signers)


def _digests(element: asn1.Element) -> tuple[AlgorithmIdentifier, ...]:
    if element.expect(asn1.SET).count(_MAX_DIGESTS) > _MAX_DIGESTS:
        raise LimitError("the number of hash functions of the message", _MAX_DIGESTS)
    return tuple(map(codec.algorithm_identifier_from, element))


def _members(element: asn1.Element, most: int, what: str) -> tuple[bytes, ...]:
    """Return the plain members of a set of certificates or of lists, in DER; other kinds are passed over."""
    if element.count(most) > most:
        raise LimitError(f"the number of {what} in the message", most)
    return tuple(member.encoded for member in element if member.tag == asn1.SEQUENCE)


def _few(signers: asn1.Element) -> Sequence[asn1.Element]:
    if signers.count(MAX_SIGNERS) > MAX_SIGNERS:
        raise LimitError("the number of signatures of the message", MAX_SIGNERS)
    return list(signers)


def _definite(value: asn1.Element) -> bytes:
    """Return a value whose lengths are definite; most are so already, and are kept as they are."""
    encoded = value.encoded
    return value.definite() if asn1.INDEFINITE in encoded else encoded


def _signer_from(element: asn1.Element) -> SignerInfo:
    """Decode a SignerInfo.

    Raises:
        MalformedError: it is broken.
    """
    fields = element.expect(asn1.SEQUENCE).children()
    covered = fields.pop(3) if [field.tag for field in fields[3:4]] == [_CONTEXT_0_CONSTRUCTED] else None
    if len(fields) < _FIELDS or [field.tag for field in fields[_FIELDS:]] not in ([], [_CONTEXT_1_CONSTRUCTED]):
        raise MalformedError("a signer info is malformed")
    fields[0].integer()
    attributes = b"" if covered is None else asn1.encode(asn1.SET, *map(_definite, covered))
    return SignerInfo(
        codec.recipient_identifier_from(fields[1]),
        codec.algorithm_identifier_from(fields[2]),
        attributes,
        codec.algorithm_identifier_from(fields[3]),
        fields[4].octets(),
    )
