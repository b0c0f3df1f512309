"""The sealed content: a message's body under its session key, as streams and in one call.

AES-GCM (RFC 5084) and ChaCha20-Poly1305 (RFC 8103) give a tag. CBC (RFC 3565, RFC 3370) pads and
proves nothing. With RFC 9709 the key is not the session key itself but derived from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import RC2, TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.poly1305 import Poly1305

from smime_session.errors import DecryptionError, LimitError
from smime_session.memory import lent
from smime_session.profiles import MIN_TAG_SIZE
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.ciphers import CipherContext

    from smime_session.algorithms import ContentEncryption
    from smime_session.cms.values import ContentParameters

Buffer = bytes | bytearray | memoryview

SLACK: Final = 32
"""Octets by which an output buffer must exceed its input: a block held back and a block's overhang."""

_MAX_CONTENT: Final = {"gcm": (1 << 36) - 32, "poly1305": (1 << 38) - 64}
"""Octets under one key and nonce (NIST SP 800-38D, 5.2.1.1; RFC 8439, 2.8)."""
_WHOLE_TAG: Final = 16  # octets of the one size of tag that the library opens in one call
_COVER: Final = AESGCM(bytes(32))
_DERIVATION_SALT: Final = b"The Cryptographic Message Syntax"  # RFC 9709, 2


class Sealer(Protocol):
    """Seals one message's content as it comes."""

    def update_into(self, content: Buffer, buffer: memoryview) -> int:
        """Seal ``content`` into ``buffer``, at least ``SLACK`` octets longer; return the octets written.

        Raises:
            LimitError: more content than the algorithm can seal under one key.
        """
        ...

    def finish(self) -> tuple[bytes, bytes]:
        """Return the last octets of ciphertext and the tag (empty without authentication)."""
        ...

    def close(self) -> None:
        """Drop the key, finished or not, which overwrites its schedule; nothing can be called after that."""
        ...


class Opener(Protocol):
    """Opens one message's content as it comes; what it gives out is proven only by :meth:`finish`."""

    def update_into(self, ciphertext: Buffer, buffer: memoryview) -> int:
        """Open ``ciphertext`` into ``buffer``, at least ``SLACK`` octets longer; return the octets written."""
        ...

    def finish(self, tag: bytes) -> bytes:
        """Check the tag, or CBC's padding, and return the last octets of content.

        Raises:
            DecryptionError: the key does not fit or the message was altered.
        """
        ...

    def close(self) -> None:
        """Drop the key, finished or not, which overwrites its schedule; nothing can be called after that."""
        ...


def sealed_size(algorithm: ContentEncryption, size: int) -> int:
    """Return how many octets of ciphertext ``size`` octets of content become, the tag not counted."""
    if algorithm.block_size == 1:
        return size
    return size + algorithm.block_size - size % algorithm.block_size


def seal(parameters: ContentParameters, key: SessionKey, content: Buffer) -> tuple[memoryview, bytes]:
    """Seal content that is in memory, less than 2 GB; return the ciphertext and the tag (empty without authentication).

    Args:
        parameters: the algorithm and this message's nonce.
        key: the session key; the caller wipes it.
        content: all of it.
    """
    if parameters.algorithm.mode == "gcm" and not parameters.derivation_info:  # 8 % of a mail of 10 KB by one call
        sealed = AESGCM(key.material).encrypt(parameters.nonce, content, None)
        _cover_key()
        return memoryview(sealed)[: len(content)], sealed[len(content) :]
    stream = sealer(parameters, key)
    try:
        buffer = memoryview(bytearray(len(content) + SLACK))
        size = stream.update_into(content, buffer)
        last, tag = stream.finish()
    finally:
        stream.close()
    end = size + len(last)
    buffer[size:end] = last
    return buffer[:end], tag


def sealer(parameters: ContentParameters, key: SessionKey, attributes: bytes = b"") -> Sealer:
    """Make what seals one message.

    Args:
        parameters: the algorithm and this message's nonce.
        key: the session key; the caller wipes it.
        attributes: the authenticated attributes that the tag covers beside the content, or empty.
    """
    with _content_key(parameters, key) as own:
        if parameters.algorithm.mode == "gcm":
            return _GcmSealer(parameters, own, attributes)
        if parameters.algorithm.mode == "poly1305":
            return _ChaCha20Poly1305(parameters, own, attributes)
        return _CbcSealer(parameters, own)


def opener(parameters: ContentParameters, key: SessionKey, attributes: bytes = b"") -> Opener:
    """Make what opens one message.

    Args:
        parameters: the algorithm, the nonce and the tag's size.
        key: the session key; the caller wipes it.
        attributes: the authenticated attributes that the tag covers beside the content, or empty.
    """
    if len(key) != parameters.algorithm.key_size:
        return _NoOpener()
    with _content_key(parameters, key) as own:
        if parameters.algorithm.mode == "gcm":
            return _GcmOpener(parameters, own, attributes)
        if parameters.algorithm.mode == "poly1305":
            return _ChaCha20Poly1305Opener(parameters, own, attributes)
        return _CbcOpener(parameters, own)


def open_whole(
    parameters: ContentParameters, key: SessionKey, ciphertext: Buffer, tag: bytes, attributes: bytes = b""
) -> bytes:
    """Open content that is in memory; return it, proven by its tag or, with CBC, by its padding alone.

    Args:
        parameters: the algorithm, the nonce and the tag's size.
        key: the session key; the caller wipes it.
        ciphertext: the sealed content.
        tag: what stands after it; empty without authentication.
        attributes: the authenticated attributes that the tag covers beside the content, or empty.

    Raises:
        DecryptionError: the key does not fit or the message was altered.
    """
    if parameters.algorithm.mode == "gcm" and len(tag) == _WHOLE_TAG and len(key) == parameters.algorithm.key_size:
        with _content_key(parameters, key) as own:
            try:
                return AESGCM(own.material).decrypt(parameters.nonce, b"".join((ciphertext, tag)), attributes)
            except InvalidTag:
                raise DecryptionError from None
            finally:
                _cover_key()
    stream = opener(parameters, key, attributes)
    try:
        buffer = memoryview(bytearray(len(ciphertext) + SLACK))
        size = stream.update_into(ciphertext, buffer)
        return b"".join((buffer[:size], stream.finish(tag)))
    finally:
        stream.close()


def _content_key(parameters: ContentParameters, key: SessionKey) -> SessionKey:
    """Return the key that seals the content, to be wiped: a copy of the session key, or derived from it."""
    if not parameters.derivation_info:
        return SessionKey(bytearray(key.material))
    from smime_session.key_derivation import hkdf  # loads hashlib and hmac, which most messages do without

    return hkdf("SHA-256", key.material, parameters.derivation_info, _DERIVATION_SALT, len(key))


def _cover_key() -> None:
    """Overwrite what AES-GCM left of a key on the C stack, its first two round keys: another key goes the same way."""
    _COVER.encrypt(bytes(12), b"", None)


class _Keyed:
    """What has a key in some attribute; the library that it belongs to overwrites it when it goes."""

    def close(self) -> None:
        vars(self).clear()
        _cover_key()


class _GcmSealer(_Keyed):
    def __init__(self, parameters: ContentParameters, key: SessionKey, attributes: bytes) -> None:
        self._cipher = Cipher(algorithms.AES(key.material), modes.GCM(parameters.nonce)).encryptor()
        self._cipher.authenticate_additional_data(attributes)
        self._size = 0

    def update_into(self, content: Buffer, buffer: memoryview) -> int:
        self._size += len(content)
        _check_size("AES-GCM", self._size, _MAX_CONTENT["gcm"])
        return self._cipher.update_into(content, buffer)

    def finish(self) -> tuple[bytes, bytes]:
        return self._cipher.finalize(), self._cipher.tag


class _GcmOpener(_Keyed):
    def __init__(self, parameters: ContentParameters, key: SessionKey, attributes: bytes) -> None:
        mode = modes.GCM(parameters.nonce, min_tag_length=MIN_TAG_SIZE)
        self._cipher = Cipher(algorithms.AES(key.material), mode).decryptor()
        self._cipher.authenticate_additional_data(attributes)
        self._size = 0

    def update_into(self, ciphertext: Buffer, buffer: memoryview) -> int:
        self._size += len(ciphertext)
        _check_size("AES-GCM", self._size, _MAX_CONTENT["gcm"])
        return self._cipher.update_into(ciphertext, buffer)

    def finish(self, tag: bytes) -> bytes:
        try:
            return self._cipher.finalize_with_tag(tag)
        except (InvalidTag, ValueError):  # the latter for a tag that is too short
            raise DecryptionError from None


class _CbcSealer(_Keyed):
    def __init__(self, parameters: ContentParameters, key: SessionKey) -> None:
        self._block_size = parameters.algorithm.block_size
        self._size = 0
        self._cipher = _cbc(parameters, key, Cipher.encryptor)

    def update_into(self, content: Buffer, buffer: memoryview) -> int:
        self._size += len(content)
        return self._cipher.update_into(content, buffer)

    def finish(self) -> tuple[bytes, bytes]:
        missing = self._block_size - self._size % self._block_size
        return self._cipher.update(bytes((missing,)) * missing) + self._cipher.finalize(), b""


class _CbcOpener(_Keyed):
    def __init__(self, parameters: ContentParameters, key: SessionKey) -> None:
        self._block_size = parameters.algorithm.block_size
        self._cipher = _cbc(parameters, key, Cipher.decryptor)
        self._held = b""  # the last block so far: it may be padding

    def update_into(self, ciphertext: Buffer, buffer: memoryview) -> int:
        held = len(self._held)
        buffer[:held] = self._held
        size = held + self._cipher.update_into(ciphertext, buffer[held:])
        keep = min(size, self._block_size)
        self._held = bytes(buffer[size - keep : size])
        return size - keep

    def finish(self, tag: bytes) -> bytes:  # noqa: ARG002  # there is no tag
        try:
            self._cipher.finalize()
            unpadder = PKCS7(self._block_size * 8).unpadder()
            return unpadder.update(self._held) + unpadder.finalize()
        except ValueError:
            raise DecryptionError from None


class _NoOpener(_Keyed):
    """Opens nothing: the key has another size, like one that its user saved of another message."""

    def update_into(self, ciphertext: Buffer, buffer: memoryview) -> int:  # noqa: ARG002  # nothing comes out
        return 0

    def finish(self, tag: bytes) -> bytes:  # noqa: ARG002  # no tag fits
        raise DecryptionError


def _cbc(
    parameters: ContentParameters, key: SessionKey, start: Callable[[Cipher[modes.CBC]], CipherContext]
) -> CipherContext:
    """Start encrypting or decrypting; what is returned has a key schedule of its own."""
    mode = modes.CBC(parameters.nonce)
    if parameters.algorithm.cipher == "AES":
        return start(Cipher(algorithms.AES(key.material), mode))
    with lent(key.material) as octets:
        return start(Cipher((TripleDES if parameters.algorithm.cipher == "TripleDES" else RC2)(octets), mode))


class _ChaCha20Poly1305(_Keyed):
    """ChaCha20-Poly1305 as a stream (RFC 8439, 2.8): the library's own takes a message only whole."""

    def __init__(self, parameters: ContentParameters, key: SessionKey, attributes: bytes = b"") -> None:
        counter_and_nonce = bytes(4) + parameters.nonce
        self._cipher = Cipher(algorithms.ChaCha20(key.material, counter_and_nonce), None).encryptor()
        first_block = bytearray(64)  # its first half keys the authenticator; the content begins with the next
        self._cipher.update_into(bytes(64), first_block)
        self._authenticator: Poly1305 = Poly1305(memoryview(first_block)[:32])
        first_block[:] = bytes(64)
        self._attributes_size = len(attributes)
        self._size = 0
        self._authenticate(attributes, len(attributes))

    def update_into(self, content: Buffer, buffer: memoryview) -> int:
        written = self._count_and_apply(content, buffer)
        self._authenticator.update(buffer[:written])
        return written

    def finish(self) -> tuple[bytes, bytes]:
        self._authenticate_sizes()
        return b"", self._authenticator.finalize()

    def _count_and_apply(self, octets: Buffer, buffer: memoryview) -> int:
        self._size += len(octets)
        _check_size("ChaCha20-Poly1305", self._size, _MAX_CONTENT["poly1305"])
        return self._cipher.update_into(octets, buffer)

    def _authenticate(self, octets: bytes, size: int) -> None:
        self._authenticator.update(octets + bytes(-size % 16))

    def _authenticate_sizes(self) -> None:
        self._authenticate(b"", self._size)
        for size in (self._attributes_size, self._size):
            self._authenticator.update(size.to_bytes(8, "little"))


class _ChaCha20Poly1305Opener(_ChaCha20Poly1305):
    def update_into(self, ciphertext: Buffer, buffer: memoryview) -> int:
        self._authenticator.update(ciphertext)
        return self._count_and_apply(ciphertext, buffer)

    def finish(self, tag: bytes) -> bytes:  # type: ignore[override]  # opening finishes with a tag, sealing makes it
        self._authenticate_sizes()
        try:
            self._authenticator.verify(tag)
        except InvalidSignature:
            raise DecryptionError from None
        return b""


def _check_size(name: str, size: int, limit: int) -> None:
    if size > limit:
        raise LimitError(f"the size of the content of an {name} message", limit, "bytes")
