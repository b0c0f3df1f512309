"""A MIME entity inside another one that holds it compressed (RFC 8551, 3.6; RFC 3274)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import compress

from smime_session.cms.compressed import compressed_blocks, compressed_data
from smime_session.mail.transfer import base64_blocks, encode_base64

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smime_session.mail.blocks import Block

_HEAD: Final = (
    b'Content-Type: application/pkcs7-mime; smime-type=compressed-data; name="smime.p7z"\r\n'
    b"Content-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="smime.p7z"\r\n'
    b"\r\n"
)


def compressed_entity(entity: bytes) -> bytes:
    """Return an entity that holds ``entity`` compressed, in DER."""
    return _HEAD + encode_base64(compressed_data(compress(entity)))


def compressed_entity_blocks(entity: Iterable[Block]) -> Iterator[Block]:
    """Yield an entity that holds one of unknown size compressed, in BER.

    Base64, because what reads compressed entities reads no binary ones.
    """
    yield _HEAD
    yield from filter(None, base64_blocks(compressed_blocks(entity)))
