"""The sealed content: a message's body under its session key, as streams and in one call.

Authenticated algorithms (AES-GCM, RFC 5084) give a tag; AES-CBC (RFC 3565) pads and proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import (
    AEADDecryptionContext,
    AEADEncryptionContext,
    Cipher,
    CipherContext,
    algorithms,
    modes,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

from smime_session.errors import DecryptionError, LimitError
from smime_session.profiles import MIN_TAG_SIZE

if TYPE_CHECKING:
    from smime_session.algorithms import ContentEncryption
    from smime_session.cms.structures import ContentParameters
    from smime_session.session_key import SessionKey

Buffer = bytes | bytearray | memoryview

SLACK: Final = 32
"""Octets by which an output buffer must exceed its input: a block held back and a block's overhang."""

_MAX_GCM_CONTENT: Final = (1 << 36) - 32  # octets under one key and nonce (NIST SP 800-38D, 5.2.1.1)


def sealed_size(algorithm: ContentEncryption, size: int) -> int:
    """Return how many octets of ciphertext ``size`` octets of content become, the tag not counted."""
    if algorithm.block_size == 1:
        return size
    return size + algorithm.block_size - size % algorithm.block_size


def seal(parameters: ContentParameters, key: SessionKey, content: Buffer) -> tuple[memoryview, memoryview]:
    """Seal content that is in memory; return the ciphertext and the tag (empty for CBC)."""
    if parameters.algorithm.mode == "gcm":
        sealed = memoryview(AESGCM(key.material).encrypt(parameters.nonce, content, None))
        return sealed[: len(content)], sealed[len(content) :]
    sealer = Sealer(parameters, key)
    buffer = memoryview(bytearray(len(content) + SLACK))
    size = sealer.update_into(content, buffer)
    last, tag = sealer.finish()
    buffer[size : size + len(last)] = last
    return buffer[: size + len(last)], memoryview(tag)


class Sealer:
    """Seals one message's content as it comes.

    Args:
        parameters: the algorithm and this message's nonce.
        key: the session key; the caller wipes it.
    """

    def __init__(self, parameters: ContentParameters, key: SessionKey) -> None:
        aes = algorithms.AES(key.material)
        self._block_size = parameters.algorithm.block_size
        self._size = 0
        self._gcm: AEADEncryptionContext | None = None
        if parameters.algorithm.mode == "gcm":
            self._cipher: CipherContext = Cipher(aes, modes.GCM(parameters.nonce)).encryptor()
            self._gcm = self._cipher
        else:
            self._cipher = Cipher(aes, modes.CBC(parameters.nonce)).encryptor()

    def update_into(self, content: Buffer, buffer: Buffer) -> int:
        """Seal ``content`` into ``buffer``, at least ``SLACK`` octets longer; return the octets written.

        Raises:
            LimitError: more content than the algorithm can seal under one key.
        """
        self._size += len(content)
        if self._gcm is not None and self._size > _MAX_GCM_CONTENT:
            raise LimitError("the content of an AES-GCM message", _MAX_GCM_CONTENT)
        return self._cipher.update_into(content, buffer)

    def finish(self) -> tuple[bytes, bytes]:
        """Return the last octets of ciphertext and the tag."""
        if self._gcm is not None:
            return self._gcm.finalize(), self._gcm.tag
        missing = self._block_size - self._size % self._block_size
        return self._cipher.update(bytes((missing,)) * missing) + self._cipher.finalize(), b""


class Opener:
    """Opens one message's content as it comes; what it gives out is proven only by :meth:`finish`.

    Args:
        parameters: the algorithm, the nonce and the tag's size.
        key: the session key; the caller wipes it.
        attributes: the authenticated attributes that the tag covers beside the content, or empty.
    """

    def __init__(self, parameters: ContentParameters, key: SessionKey, attributes: bytes = b"") -> None:
        self._block_size = parameters.algorithm.block_size
        self._held = b""
        if parameters.algorithm.mode == "gcm":
            mode = modes.GCM(parameters.nonce, min_tag_length=MIN_TAG_SIZE)
            self._gcm: AEADDecryptionContext | None = Cipher(algorithms.AES(key.material), mode).decryptor()
            self._gcm.authenticate_additional_data(attributes)
        else:
            self._gcm = None
            self._cbc = Cipher(algorithms.AES(key.material), modes.CBC(parameters.nonce)).decryptor()

    def update_into(self, ciphertext: Buffer, buffer: memoryview) -> int:
        """Open ``ciphertext`` into ``buffer``, at least ``SLACK`` octets longer; return the octets written."""
        if self._gcm is not None:
            return self._gcm.update_into(ciphertext, buffer)
        held = len(self._held)
        buffer[:held] = self._held
        size = held + self._cbc.update_into(ciphertext, buffer[held:])
        keep = min(size, self._block_size)
        self._held = bytes(buffer[size - keep : size])  # it may be the last block, which is padding
        return size - keep

    def finish(self, tag: bytes) -> bytes:
        """Check the tag, or CBC's padding, and return the last octets of content.

        Raises:
            DecryptionError: the key does not fit or the message was altered.
        """
        try:
            if self._gcm is not None:
                return self._gcm.finalize_with_tag(tag)
            self._cbc.finalize()
            unpadder = PKCS7(self._block_size * 8).unpadder()
            return unpadder.update(self._held) + unpadder.finalize()
        except (InvalidTag, ValueError):
            raise DecryptionError from None
