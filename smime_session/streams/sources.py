"""Where bytes come from: sources that can be read twice, the second time proven to be the same.

Decrypting reads its input twice: the first pass checks the tag, the second releases plaintext on
the strength of it. A file that changes between the passes would slip unchecked plaintext through,
so the first pass keeps a short tag of each block and the second compares.
"""

from __future__ import annotations

import os
from contextlib import suppress
from io import BytesIO
from typing import BinaryIO, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from smime_session.errors import MalformedError

BLOCK_SIZE: Final = 64 << 10  # octets: drowns the cost of a call and stays in the cache
LARGE_BLOCK_SIZE: Final = 512 << 10  # octets: drowns the cost of handing a block from thread to thread
LARGE: Final = 8 << 20  # octets after which a message is large: loading what helps it takes a tenth of the time so far
SPOOL_MEMORY: Final = 1 << 20  # octets of a pipe kept in memory: most mails; what is larger goes to a file
_TAG_SIZE: Final = 16


def is_seekable(source: bytes | BinaryIO) -> bool:
    """Tell whether ``source`` can be read again without keeping a copy of it."""
    return isinstance(source, bytes) or (hasattr(source, "seekable") and source.seekable())


class Replay:
    """A source of blocks that can be rewound to where it began.

    Octets in memory are handed out as views. A seekable source is read again from where it stood.
    What comes from a pipe is kept, in memory or in a private file without a name: it must be
    ciphertext, so encrypting reads a pipe with ``replayable=False``.

    Args:
        source: octets, or a binary file to read them from; it is never closed here.
        replayable: whether :meth:`rewind` may be called. Without it nothing is kept, and what a
            pipe has ready is handed out as it comes.
    """

    def __init__(self, source: bytes | BinaryIO, *, replayable: bool = True) -> None:
        self._replayable = replayable
        self._memory: bytes | memoryview | None = None
        if isinstance(source, bytes):
            self._memory = source if len(source) <= BLOCK_SIZE else memoryview(source)  # whole, or in views of it
        self._position = 0
        self._source = BytesIO() if isinstance(source, bytes) else source
        self._tags: _BlockTags | None = None
        self._spool: _Spool | None = None
        self._start = 0
        if replayable and self._memory is None:
            self._tags = _BlockTags()
            if is_seekable(source):
                self._start = self._source.tell()
            else:
                self._spool = _Spool()

    def read_block(self) -> bytes | memoryview:
        """Return the next octets, at most :data:`LARGE_BLOCK_SIZE`; none at the end.

        Raises:
            MalformedError: this pass meets other octets than the first.
        """
        if self._memory is not None:
            block = self._memory[self._position : self._position + BLOCK_SIZE]
            self._position += len(block)
            return block
        return self._read_from_file()

    def _read_from_file(self) -> bytes:
        """Read the next block; where it ends depends on nothing but where it begins."""
        size = BLOCK_SIZE if self._position < LARGE else LARGE_BLOCK_SIZE
        if self._tags is None:
            block = _read(self._source, size)
        else:
            block = _fill(self._source, size)
            if self._spool is not None:
                self._spool.keep(block)
            self._tags.check(block, last=len(block) < size)
        self._position += len(block)
        return block

    def rewind(self) -> None:
        """Go back to the beginning; what the first pass left unread is read first, so that it is known too.

        Raises:
            RuntimeError: the source was opened for a single pass.
            MalformedError: this pass meets other octets than the first.
        """
        if not self._replayable:
            raise RuntimeError("the source was opened for a single pass")
        while self._tags is not None and not self._tags.complete:
            self._read_from_file()
        self._position = 0
        if self._tags is None:
            return
        if self._spool is not None:
            self._source = self._spool.finish()
        self._source.seek(self._start)
        self._tags.restart()

    def close(self) -> None:
        """Drop what was kept of a pipe; the caller's source stays open, and nothing reads it any more."""
        if self._spool is not None:
            self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class _BlockTags:
    """Proof that every pass sees the same blocks: an AES-GMAC tag of each, under a key that never leaves it.

    Attributes:
        complete: whether the first pass came to the end.
    """

    def __init__(self) -> None:
        self._mac = AESGCM(os.urandom(16))
        self._known = bytearray()
        self._count = 0
        self.complete = False

    def check(self, block: bytes, *, last: bool) -> None:
        """Learn ``block``; compare it once the end, the ``last`` one, is known.

        Raises:
            MalformedError: it is not the block that stood here in the first pass.
        """
        if not self.complete:
            if block:
                self._known += self._mac.encrypt(self._nonce, b"", block)
            self.complete = last
        elif not self._is_known(block):
            raise MalformedError("the input changed while it was being read")
        self._count += bool(block)

    def restart(self) -> None:
        """Begin another pass."""
        self._count = 0

    @property
    def _nonce(self) -> bytes:
        # Each pass uses the same nonces again. That would help an attacker who sees tags; none leaves this object.
        return self._count.to_bytes(12, "big")

    def _is_known(self, block: bytes) -> bool:
        tag = self._known[self._count * _TAG_SIZE : (self._count + 1) * _TAG_SIZE]
        if not block or not tag:
            return not block and not tag
        try:
            self._mac.decrypt(self._nonce, tag, block)
        except InvalidTag:
            return False
        return True


def private_file() -> tuple[BinaryIO, str]:
    """Open a new file that has no name; return it and the folder that it is in."""
    from tempfile import TemporaryFile, gettempdir  # loads random and shutil, for large messages alone: 4 ms

    return TemporaryFile(), gettempdir()


class _Spool:
    """What a pipe delivered: in memory, then in a private file that has no name."""

    def __init__(self) -> None:
        self._file: BinaryIO = BytesIO()
        self._folder: str | None = None
        self._size = 0
        self._in_memory = True
        self._finished = False

    def keep(self, block: bytes) -> None:
        """Append ``block``, unless the pipe was read to its end already."""
        if self._finished:
            return
        self._size += len(block)
        try:
            if self._in_memory and self._size > SPOOL_MEMORY:
                self._move_to_disk()
            self._file.write(block)
        except OSError as error:
            error.filename = error.filename or self._folder  # the file has no name, but its folder has
            raise

    def finish(self) -> BinaryIO:
        """Return the file, which takes no more blocks.

        Raises:
            OSError: there is no room for the last of them.
        """
        self._finished = True
        try:
            self._file.flush()
        except OSError as error:
            error.filename = error.filename or self._folder  # the file has no name, but its folder has
            raise
        return self._file

    def close(self) -> None:
        """Drop what was kept; what never reached the disk is not missed."""
        with suppress(OSError):
            self._file.close()

    def _move_to_disk(self) -> None:
        memory = self._file
        memory.seek(0)
        self._file, self._folder = private_file()  # close() closes it
        self._file.write(memory.read())
        self._in_memory = False


def _read(source: BinaryIO, size: int) -> bytes:
    """Read what ``source`` has ready; a source that would have to be asked again later is refused."""
    data: bytes | None = source.read(size)
    if data is None:
        raise BlockingIOError("the input is a non-blocking file with nothing to read yet")
    return data


def _fill(source: BinaryIO, size: int) -> bytes:
    """Read exactly ``size`` octets, fewer only at the end, so that every pass meets the same blocks."""
    data = _read(source, size)
    if len(data) in (0, size):
        return data
    parts = [data]
    missing = size - len(data)
    while missing and (data := _read(source, missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)
