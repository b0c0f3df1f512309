"""Line endings: the canonical CRLF of what is sealed (RFC 8551, 3.1.1), and the way back.

Only a bare line feed is ever changed; a lone carriage return is data. Most large mails are
base64 text, whose lines are all equally long: comparing two columns answers for a block of them
ten times faster than looking for each line ending.
"""

from __future__ import annotations

from io import IncrementalNewlineDecoder
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from smime_session.mail.blocks import Block

CRLF: Final = b"\r\n"
LF: Final = b"\n"

_SHORT: Final = 1024  # octets in which counting is faster than anything clever
_WITHOUT_BARE: Final = (None, "\r", "\r\n", ("\r", "\r\n"))  # line endings that are no bare line feed


class Canonicaliser:
    """Turn bare line feeds into CRLF, block by block, wherever the borders fall.

    Counting beforehand gives the size of the result: :meth:`count` in a first pass,
    :meth:`convert` with another object in the second.
    """

    def __init__(self) -> None:
        self._after_return = False

    def count(self, block: Block) -> int:
        """Return how many line feeds of ``block`` are bare: how many octets converting adds."""
        return self._examine(bytes(block))

    def convert(self, block: Block) -> Block:
        """Return the next ``block`` in canonical form; the same object where nothing changes."""
        head, text = b"", bytes(block)
        after_return = self._after_return
        bare = self._examine(text)
        if not bare:
            return block
        if after_return and text.startswith(LF):
            head, text = LF, text[1:]
        if bare != text.count(LF):
            text = text.replace(CRLF, LF)
        return head + text.replace(LF, CRLF)

    def _examine(self, text: bytes) -> int:
        if not text:
            return 0
        split = self._after_return and text.startswith(LF)
        self._after_return = text.endswith(b"\r")
        return _count_bare_line_feeds(text) - split


class LineFeeds:
    """Turn CRLF into line feeds, block by block: the inverse of :class:`Canonicaliser`."""

    def __init__(self) -> None:
        self._held = b""

    def convert(self, block: Block) -> bytes:
        """Return the next ``block`` with bare line feeds; a return at its end waits for what follows."""
        text = b"".join((self._held, block)) if self._held else bytes(block)
        self._held = b"\r" if text.endswith(b"\r") else b""
        return with_line_feeds(text[:-1] if self._held else text)

    def finish(self) -> bytes:
        """Return what waited."""
        held, self._held = self._held, b""
        return held


def canonical(text: bytes) -> bytes:
    """Return ``text`` with CRLF line endings; the same object if it has no others."""
    if not _count_bare_line_feeds(text):
        return text
    converted = Canonicaliser().convert(text)
    return converted if isinstance(converted, bytes) else bytes(converted)


def with_line_feeds(text: bytes) -> bytes:
    """Return ``text`` with its CRLF turned into bare line feeds; the same object if it has none."""
    if lines := _count_uniform_lines(text):
        stripped = text.translate(None, b"\r")
        if len(text) - len(stripped) == lines:  # no return was lost that stands alone
            return stripped
    return text.replace(CRLF, LF)


def _count_bare_line_feeds(text: bytes) -> int:
    if b"\r" not in text:
        return text.count(LF)
    if len(text) < _SHORT:
        return text.count(LF) - text.count(CRLF)
    if _count_uniform_lines(text) or _is_canonical(text):
        return 0
    return text.count(LF) - text.count(CRLF)


def _is_canonical(text: bytes) -> bool:
    """Tell whether no line feed is bare, as the reader of text files does, which is faster than counting."""
    seen = IncrementalNewlineDecoder(None, translate=False)
    seen.decode(text.decode("latin-1"))
    return seen.newlines in _WITHOUT_BARE


def _count_uniform_lines(text: bytes) -> int:
    """Count the line feeds if all follow a return and stand equally far apart, else return 0."""
    first = text.find(LF)
    second = text.find(LF, first + 1)
    if first < 1 or second < 0:
        return 0
    feeds = text[first :: second - first]
    returns = text[first - 1 : -1 : second - first]
    lines = len(feeds)
    if feeds != LF * lines or returns != b"\r" * lines:
        return 0
    rest = bytearray(text)
    rest[first :: second - first] = returns
    return 0 if LF in rest else lines
