"""Content that a CMS object holds readable: SignedData (RFC 5652, 5.1) and CompressedData (RFC 3274, 1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import decompressobj, error

from smime_session.algorithms import COMPRESSED_DATA, CONTENT_TYPES, SIGNED_DATA, ZLIB, name_of
from smime_session.cms import asn1, codec
from smime_session.cms.stream import Stream
from smime_session.errors import LimitError, MalformedError, NotEnvelopeError, UnsupportedAlgorithmError
from smime_session.profiles import MAX_HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_EXPANDED_SIZE: Final = 150 << 20  # bytes that the compressed content of a mail may become: large providers' limit
MAX_EXPANSION: Final = 200  # times that it may grow; text grows five times, tables a hundred, what floods a disk 1,000
_SMALL: Final = 1 << 20  # bytes that it may become whatever it was: they harm none

_EXPLICIT: Final = 0xA0
_BEFORE: Final = "the size of what precedes the content"
_STEP: Final = 1 << 20  # bytes that are expanded at a time


class Encapsulated(NamedTuple):
    """A CMS object with readable content.

    Attributes:
        content_type: SignedData or CompressedData, dotted.
        content: what is in it, expanded; None if it stands elsewhere, or there is none.
    """

    content_type: str
    content: bytes | None


def content_type_of(octets: bytes) -> str:
    """Return the name of a CMS object's content type; its object identifier if it has no name here.

    Raises:
        MalformedError: it is no CMS object.
    """
    blocks = iter((octets,))
    stream = Stream(lambda: next(blocks, b""))
    stream.enter(asn1.SEQUENCE)
    oid = asn1.object_identifier_from(stream.contents(asn1.OBJECT_IDENTIFIER, MAX_HEADER_SIZE, _BEFORE))
    return CONTENT_TYPES.get(oid, oid)


def encapsulated(octets: bytes, most: int = MAX_EXPANDED_SIZE) -> Encapsulated:
    """Read the content of a CMS object that is signed or compressed; no signature is verified.

    Args:
        octets: the object; what follows it is not looked at.
        most: bytes that it may become by being expanded.

    Raises:
        NotEnvelopeError: it is neither.
        MalformedError: it is broken.
        UnsupportedAlgorithmError: it is compressed in another way than by zlib.
        LimitError: its content is too large, or was compressed more than any honest one.
    """
    blocks = iter((octets,))
    stream = Stream(lambda: next(blocks, b""))
    stream.enter(asn1.SEQUENCE)
    content_type = asn1.object_identifier_from(stream.contents(asn1.OBJECT_IDENTIFIER, MAX_HEADER_SIZE, _BEFORE))
    if content_type not in {SIGNED_DATA, COMPRESSED_DATA}:
        raise NotEnvelopeError(CONTENT_TYPES.get(content_type, f"a CMS object of type {content_type}"))
    stream.enter(_EXPLICIT)
    stream.enter(asn1.SEQUENCE)
    stream.contents(asn1.INTEGER, MAX_HEADER_SIZE, _BEFORE)
    algorithms = stream.element(MAX_HEADER_SIZE, _BEFORE)
    if content_type == COMPRESSED_DATA:
        _require_zlib(algorithms)
    stream.enter(asn1.SEQUENCE)
    stream.contents(asn1.OBJECT_IDENTIFIER, MAX_HEADER_SIZE, _BEFORE)
    if stream.peek() is None:
        return Encapsulated(content_type, None)
    stream.enter(_EXPLICIT)
    pieces = map(bytes, stream.segments(asn1.OCTET_STRING))
    return Encapsulated(content_type, b"".join(pieces if content_type == SIGNED_DATA else _expanded(pieces, most)))


def _require_zlib(algorithm: asn1.Element) -> None:
    oid = codec.algorithm_identifier_from(algorithm).oid
    if oid != ZLIB:
        raise UnsupportedAlgorithmError("compression algorithm", oid, name_of(oid))


def _expanded(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    """Expand what zlib compressed (RFC 1950)."""
    expander = decompressobj()
    taken = given = 0
    for piece in pieces:
        taken += len(piece)
        rest = piece
        while rest and not expander.eof:
            try:
                block = expander.decompress(rest, _STEP)
            except error:
                raise MalformedError("the compressed content is broken") from None
            rest = expander.unconsumed_tail
            given += len(block)
            if given > most:
                raise LimitError("the size of the compressed content", most, "bytes")
            if given > max(_SMALL, MAX_EXPANSION * taken):
                raise LimitError("the growth of the compressed content", MAX_EXPANSION, "times its size")
            yield block
    if not expander.eof:
        raise MalformedError("the compressed content is cut off")
