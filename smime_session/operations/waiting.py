"""Mails that wait in memory until it is known whether there are S/MIME objects in their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smime_session.errors import LimitError
from smime_session.mail.fields import find_body
from smime_session.operations.layers import OpenedPart, may_hold_objects, mention_objects
from smime_session.profiles import MAX_MAIL_HEADER_SIZE

if TYPE_CHECKING:
    from smime_session.mail.blocks import Block, NextBlock
    from smime_session.mail.transfer import Target
    from smime_session.operations.layers import Layers

MAX_TAKEN_APART: Final = 150 << 20  # bytes of a mail of parts, as it came: large providers accept as many
MAX_WAITING: Final = 32 << 20  # bytes of a mail that was opened and has parts, in which others may be encrypted
SMALL: Final = 1 << 20  # bytes of a mail that waits rather than being decrypted twice
_LONGEST: Final = 32  # bytes: more than what a part says that is an S/MIME object


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


class Mentions:
    """Looks for S/MIME objects in a mail as it passes: what holds some says so in its head, and in those of its parts.

    Attributes:
        found: whether there may be some.
        size: bytes that passed.
    """

    def __init__(self) -> None:
        self.found = False
        self.size = 0
        self._head = bytearray()
        self._before: bytes | None = None  # the end of the block before, once the head has passed
        self._looks = True

    def look(self, data: Block) -> None:
        """Look at the next bytes."""
        self.size += len(data)
        if not self._looks:
            return
        if self._before is None:
            self._head += data
            if not find_body(head := bytes(self._head)) and len(head) <= MAX_MAIL_HEADER_SIZE:
                return
            self._before, data = b"", head
            self._head.clear()
            self._looks = may_hold_objects(head)
        if self._looks:
            window = self._before + data
            self.found = mention_objects(window)
            self._before = window[-_LONGEST:]
            self._looks = not self.found and self.size <= MAX_WAITING

    @property
    def nothing(self) -> bool:
        """Whether it is known by the head already that there are none."""
        return not self._looks and not self.found and self.size <= MAX_WAITING

    @property
    def is_too_large(self) -> bool:
        """Whether objects may be there that are not opened, as the mail is too large to wait."""
        return self.found and self.size > MAX_WAITING


class Gate:
    """Writes a mail that was opened, with the S/MIME objects in it opened too.

    A small one waits until it is known whether there are any. A large one is written as it comes, and once more
    if there are some; where that is not possible, it waits too.

    Args:
        out: where it goes.
        layers: what opens them.
        known: what is known of the mail from reading it before, if it was.
        again: whether it can be written once more.
    """

    def __init__(self, out: Target, layers: Layers, known: Mentions | None, *, again: bool) -> None:
        self._out = out
        self._layers = layers
        self.mentions = Mentions()
        if known is None:
            self._room = SMALL if again else MAX_WAITING
        else:
            self._room = MAX_WAITING if known.found and not known.is_too_large else 0
        self._again = again
        self._held: bytearray | None = bytearray()

    def write(self, data: Block) -> None:
        """Take the next bytes."""
        self.mentions.look(data)
        if self._held is not None:
            self._held += data
            if self.mentions.size > self._room or self.mentions.nothing:
                self._release()
        else:
            self._out.write(data)

    def finish(self) -> bool:
        """Write what waits, now that it is proven; False if the whole has to be written once more."""
        if not self.mentions.found:
            self._release()
        elif self._held is not None:
            mail = bytes(self._held)
            self._held.clear()
            self._out.write(self._layers.open_inside(mail))
        elif self.mentions.is_too_large:
            problem = f"the mail is larger than {MAX_WAITING:,} bytes: what was written has to be decrypted again"
            self._layers.parts.append(OpenedPart("0/0", "unknown", opened=False, problem=problem))
        else:
            return not self._again
        return True

    def _release(self) -> None:
        held, self._held = self._held, None
        if held:
            self._out.write(memoryview(held))
