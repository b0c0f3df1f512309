"""CompressedData: content that zlib made smaller (RFC 3274)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import compressobj

from smime_session.algorithms import COMPRESSED_DATA, DATA, ZLIB
from smime_session.cms import asn1

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_EXPLICIT: Final = 0xA0
_HEAD: Final = asn1.integer(0) + asn1.encode(asn1.SEQUENCE, asn1.object_identifier(ZLIB))  # version and algorithm


def compressed_data(stream: bytes) -> bytes:
    """Return the DER of a ContentInfo with CompressedData around a zlib stream."""
    octets = asn1.encode(_EXPLICIT, asn1.encode(asn1.OCTET_STRING, stream))
    inner = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(DATA), octets)
    value = asn1.encode(_EXPLICIT, asn1.encode(asn1.SEQUENCE, _HEAD, inner))
    return asn1.encode(asn1.SEQUENCE, asn1.object_identifier(COMPRESSED_DATA), value)


def compressed_blocks(blocks: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Compress content whose size is not known beforehand, and yield the BER of a ContentInfo with it.

    Args:
        blocks: the content.
    """
    sequence, explicit = (asn1.OCTETS[tag] + asn1.INDEFINITE for tag in (asn1.SEQUENCE, _EXPLICIT))
    string = asn1.OCTETS[asn1.OCTET_STRING | asn1.CONSTRUCTED] + asn1.INDEFINITE
    begun = [sequence, asn1.object_identifier(COMPRESSED_DATA), explicit]
    begun += [sequence, _HEAD, sequence, asn1.object_identifier(DATA), explicit, string]
    yield b"".join(begun)
    compressor = compressobj()
    for block in blocks:
        if piece := compressor.compress(block):
            yield asn1.encode(asn1.OCTET_STRING, piece)
    yield asn1.encode(asn1.OCTET_STRING, compressor.flush())
    yield asn1.END_OF_CONTENTS * 6  # of the string, the values around it, and the ContentInfo
