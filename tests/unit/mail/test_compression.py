"""Compressed entities: what is written unpacks to what went in, whether its size was known or not."""

from __future__ import annotations

import os
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Final

import pytest
from asn1crypto.cms import ContentInfo
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from hypothesis import given
from hypothesis import strategies as st
from pybase64 import b64decode

from smime_session import COMPAT, PresharedKey, decrypt, encrypt, encrypt_stream
from smime_session.mail.compression import compressed_entity, compressed_entity_blocks
from smime_session.mail.entity import split_head
from smime_session.streams.sources import LARGE
from tests.support.readers import Pipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from smime_session.mail.header_policy import HeaderPolicy

READER: Final = PresharedKey(bytes(32), b"reader")
TEXT: Final = b"All work and no play makes a dull mail.\r\n" * 200
MAIL: Final = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" + TEXT


def unpacked(entity: bytes) -> bytes:
    """Return what a compressed entity holds, read by a library that has no part in writing it."""
    head, _, body = entity.partition(b"\r\n\r\n")
    fields = split_head(head, hidden=())
    assert (fields.content_type, fields.transfer_encoding) == ("application/pkcs7-mime", "base64")
    assert fields.parameters == {"smime-type": "compressed-data", "name": "smime.p7z"}
    assert max(map(len, entity.split(b"\r\n"))) <= 998
    info = ContentInfo.load(b64decode(body), strict=True)
    assert info["content_type"].native == "compressed_data"
    data = info["content"]
    assert data["version"].native == "v0"
    assert data["compression_algorithm"]["algorithm"].native == "zlib"
    assert data["encap_content_info"]["content_type"].native == "data"
    return zlib.decompress(bytes(data["encap_content_info"]["content"]))


@pytest.mark.parametrize("content", [b"", b"x", TEXT, os.urandom(200_000)], ids=["empty", "one", "text", "random"])
def test_an_entity_is_compressed(content: bytes) -> None:
    """In one piece and in many, small and large, it comes back."""
    assert unpacked(compressed_entity(content)) == content
    pieces = [content[at : at + 1000] for at in range(0, len(content), 1000)]
    assert unpacked(b"".join(compressed_entity_blocks(pieces))) == content


@given(st.lists(st.binary(max_size=200)))
def test_any_pieces_are_compressed(pieces: list[bytes]) -> None:
    """However they are cut."""
    assert unpacked(b"".join(compressed_entity_blocks(pieces))) == b"".join(pieces)


def content_of(mail: bytes) -> bytes:
    """Return what is sealed in a mail with AES-CBC for a shared key, read by other libraries."""
    data = ContentInfo.load(b64decode(mail.replace(b"\r\n", b"\n").partition(b"\n\n")[2]), strict=True)["content"]
    key = aes_key_unwrap(bytes(32), data["recipient_infos"][0].chosen["encrypted_key"].native)
    sealed = data["encrypted_content_info"]
    nonce = sealed["content_encryption_algorithm"]["parameters"].native
    decryptor = Cipher(AES(key), CBC(nonce)).decryptor()
    padded = decryptor.update(sealed["encrypted_content"].native) + decryptor.finalize()
    return padded[: -padded[-1]]


@pytest.mark.parametrize("headers", ["hcp_no_confidentiality", "hcp_baseline", "none"])
@pytest.mark.parametrize("mail", [MAIL, MAIL.replace(b"\r\n", b"\n"), MAIL + bytes(LARGE)], ids=["crlf", "lf", "large"])
def test_a_mail_is_compressed(headers: HeaderPolicy, mail: bytes) -> None:
    """Each way of encrypting seals, compressed, the entity that would be sealed otherwise."""
    entity = content_of(encrypt(mail, [READER], headers=headers, profile=COMPAT))
    sealed = [encrypt(mail, [READER], headers=headers, profile=COMPAT, compress=True)]
    for source, transactional in ((BytesIO(mail), False), (BytesIO(mail), True), (Pipe(mail), False)):
        target = BytesIO()
        done = encrypt_stream(
            source, target, [READER], headers=headers, profile=COMPAT, compress=True, transactional=transactional
        )
        assert done.encoding == "BER"
        sealed.append(target.getvalue())
    for each in sealed:
        assert unpacked(content_of(each)) == entity
        assert len(each) < len(mail) / 2


@pytest.mark.parametrize("headers", ["hcp_no_confidentiality", "hcp_baseline", "none"])
@pytest.mark.parametrize("source", [BytesIO, Pipe])
def test_a_compressed_mail_comes_back(headers: HeaderPolicy, source: Callable[[bytes], BinaryIO]) -> None:
    """What was compressed is unpacked, and the fields inside are restored, byte for byte."""
    target = BytesIO()
    encrypt_stream(source(MAIL), target, [READER], headers=headers, compress=True)
    for sealed in (target.getvalue(), encrypt(MAIL, [READER], headers=headers, compress=True)):
        assert decrypt(sealed, [READER]).message == MAIL


def test_only_a_mail_is_compressed() -> None:
    """What is no mail has no entity inside, and readers expect one."""
    with pytest.raises(TypeError, match=r"^compress is for a mail"):
        encrypt_stream(BytesIO(MAIL), BytesIO(), [READER], form="der", compress=True)
