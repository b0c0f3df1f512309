"""Octets on the move: a source is a call that returns the next block, and nothing at the end.

Every decoder takes such a call and is one itself, so that they stack. A block is bytes or a view
of bytes, of any size but zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

Block = bytes | memoryview
NextBlock = Callable[[], Block]


class Lookahead:
    """Blocks whose beginning can be looked at before it is taken.

    Args:
        next_block: the source.
        start: octets that come before the source's.
    """

    def __init__(self, next_block: NextBlock, start: Block = b"") -> None:
        self._next_block = next_block
        self._held = start
        self._ended = False

    def peek(self, size: int) -> bytes:
        """Return at least ``size`` octets without taking them, fewer only if there are no more."""
        held = self._held
        if len(held) < size and not self._ended:
            parts = [held] if held else []
            missing = size - len(held)
            while missing > 0:
                block = self._next_block()
                if not block:
                    self._ended = True
                    break
                parts.append(block)
                missing -= len(block)
            held = parts[0] if len(parts) == 1 else b"".join(parts)
        self._held = held = bytes(held)
        return held

    def put_back(self, octets: Block) -> None:
        """Let ``octets``, the last that were taken, be the next again; none are held when they are."""
        self._held = octets

    def skip(self, size: int) -> None:
        """Take ``size`` octets that were seen by :meth:`peek`."""
        self._held = self._held[size:]

    def __call__(self) -> Block:
        """Return the next block, empty at the end."""
        if self._held:
            held, self._held = self._held, b""
            return held
        return b"" if self._ended else self._next_block()


class Cursor:
    """Hands out ranges of blocks in their order.

    Args:
        next_block: the source.
    """

    def __init__(self, next_block: NextBlock) -> None:
        self._next_block = next_block
        self._held: Block = b""

    def take(self, size: int) -> Iterator[Block]:
        """Yield the next ``size`` bytes, fewer at the end."""
        while size > 0:
            if not self._held:
                self._held = self._next_block()
                if not self._held:
                    return
            piece, self._held = self._held[:size], self._held[size:]
            size -= len(piece)
            yield piece

    def skip(self, size: int) -> None:
        """Leave out the next ``size`` bytes."""
        for _ in self.take(size):
            pass
