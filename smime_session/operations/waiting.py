"""Mails that wait in memory until it is known whether there are S/MIME objects in their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smime_session.errors import LimitError
from smime_session.mail.fields import find_body
from smime_session.operations.layers import OpenedPart, may_hold_objects, mentions_objects
from smime_session.profiles import MAX_MAIL_HEADER_SIZE

if TYPE_CHECKING:
    from smime_session.mail.blocks import Block, NextBlock
    from smime_session.mail.transfer import Target
    from smime_session.operations.layers import Layers

MAX_TAKEN_APART: Final = 150 << 20  # bytes of a mail of parts, as it came: large providers accept as many
MAX_WAITING: Final = 32 << 20  # bytes of a mail that was opened and has parts, in which others may be encrypted


class Recorded:
    """Blocks that are remembered as they are read.

    Args:
        next_block: reads them.
    """

    def __init__(self, next_block: NextBlock) -> None:
        self._next_block = next_block
        self._blocks: list[Block] | None = []
        self._left = MAX_TAKEN_APART

    def __call__(self) -> Block:
        """Return the next block, empty at the end."""
        block = self._next_block()
        if self._blocks is not None and self._left >= 0:
            self._left -= len(block)
            self._blocks.append(block)
        return block

    @property
    def beginning(self) -> bytes:
        """What was read so far."""
        return b"".join(self._blocks or ())

    def forget(self) -> None:
        """Remember nothing any more."""
        self._blocks = None

    def rest(self) -> bytes:
        """Return all that was read, and all that is left.

        Raises:
            LimitError: it is more than :data:`MAX_TAKEN_APART` bytes.
        """
        while self._left >= 0 and self():
            pass
        if self._left < 0:
            raise LimitError("the size of a mail of several parts", MAX_TAKEN_APART, "bytes")
        return b"".join(self._blocks or ())


class Gate:
    """Writes a mail that was opened; one that may have S/MIME objects in it waits, and is written with them opened.

    Args:
        out: where it goes.
        layers: what opens them.
    """

    def __init__(self, out: Target, layers: Layers) -> None:
        self._out = out
        self._layers = layers
        self._held: bytearray | None = bytearray()
        self._waits = False

    def write(self, data: Block) -> None:
        """Take the next bytes."""
        if self._held is None:
            self._out.write(data)
            return
        self._held += data
        if not self._waits:
            if not find_body(bytes(self._held)) and len(self._held) <= MAX_MAIL_HEADER_SIZE:
                return
            self._waits = may_hold_objects(bytes(self._held))
        if not self._waits or len(self._held) > MAX_WAITING:
            self._release()

    def finish(self) -> None:
        """Write what waits, now that it is proven."""
        held, self._held = self._held, None
        if held is not None:
            mail = bytes(held)
            self._out.write(self._layers.open_inside(mail) if mentions_objects(mail) else mail)

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            if self._waits and mentions_objects(bytes(held)):
                problem = f"the mail is larger than {MAX_WAITING:,} bytes: what was written has to be decrypted again"
                self._layers.parts.append(OpenedPart("0/0", "unknown", opened=False, problem=problem))
            self._out.write(bytes(held))
