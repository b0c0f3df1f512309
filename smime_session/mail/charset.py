"""The character set of a body that the mail does not name, told from its octets (RFC 2045, 5.2; RFC 1428)."""

from __future__ import annotations

from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Final, Literal

from smime_session.streams.sources import BLOCK_SIZE

if TYPE_CHECKING:
    from smime_session.mail.blocks import Block, Lookahead

Charset = Literal["us-ascii", "utf-8", "unknown-8bit"]

_SHOWN: Final = BLOCK_SIZE  # octets of a body that is read only once


class CharsetFinder:
    """Tell the character set of text that comes in blocks, wherever their borders fall."""

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")()
        self._is_ascii = True
        self._is_utf8 = True

    def look(self, block: Block) -> None:
        """Look at the next octets."""
        octets = bytes(block)
        if not self._is_utf8 or (self._is_ascii and octets.isascii()):
            return
        self._is_ascii = False
        try:
            self._decoder.decode(octets)
        except UnicodeDecodeError:
            self._is_utf8 = False

    def name(self, *, whole: bool = True) -> Charset:
        """Return the name of the character set.

        Args:
            whole: whether all of the text was seen. A beginning of ASCII is called ``utf-8``: that is true
                of ASCII too, and of most of what may follow.
        """
        if self._is_ascii:
            return "us-ascii" if whole else "utf-8"
        cut_off = whole and self._decoder.getstate()[0]  # the beginning of a character that never ended
        return "utf-8" if self._is_utf8 and not cut_off else "unknown-8bit"


def charset_of(body: Block) -> Charset:
    """Return the character set of a whole ``body``."""
    finder = CharsetFinder()
    finder.look(body)
    return finder.name()


def charset_of_beginning(body: Lookahead) -> Charset:
    """Return the character set of a ``body`` as far as its beginning tells; nothing of it is taken."""
    shown = body.peek(_SHOWN)
    finder = CharsetFinder()
    finder.look(shown)
    return finder.name(whole=len(shown) < _SHOWN)
