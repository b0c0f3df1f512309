"""Line endings: the canonical CRLF of what is sealed (RFC 8551, 3.1.1), and the way back.

Only a bare line feed is ever changed; a lone carriage return is data. Most large mails are
base64 text, whose lines are all equally long: comparing two columns answers for a block of them
ten times faster than looking for each line ending.
"""

from __future__ import annotations

import re
from io import IncrementalNewlineDecoder
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from smime_session.mail.blocks import Block

CRLF: Final = b"\r\n"
LF: Final = b"\n"

_MARK: Final = rb"(?i)\ncontent-transfer-encoding[ \t]*:[ \t]*binary"  # compiled when it is first used
_LONGEST_MARK: Final = 64  # octets: with more blanks than anybody writes
_FEW: Final = 16  # lines
_SHORT: Final = 1024  # bytes
_WITHOUT_BARE: Final = (None, "\r", "\r\n", ("\r", "\r\n"))  # line endings that are no bare line feed


class BinaryParts:
    """Looks for the first part of a mail whose encoding is binary, block by block.

    Line endings in such a part are data (RFC 2045, 2.9 and 6.2), and where it ends only its boundary tells: from
    what says that it is binary on, nothing is converted.
    """

    def __init__(self) -> None:
        self._found = False
        self._before = LF  # a few octets, of which a mark at the beginning of the next block may be the end

    def begin(self, text: bytes, uniform_lines: int = 0) -> int:
        """Return how many octets of ``text`` come before: all of them until it is found, then none.

        Args:
            text: the next octets.
            uniform_lines: how many of its lines are known to be equally long; the head of a part is no such text.
        """
        if self._found:
            return 0
        border = self._before + text[:_LONGEST_MARK]
        known = len(self._before)
        self._before = (border if len(text) <= _LONGEST_MARK else text)[-_LONGEST_MARK:]
        if uniform_lines > _FEW and len(text) > uniform_lines * _LONGEST_MARK:
            return len(text)
        if match := _search(border):
            end = max(0, match.end() - known)
        elif match := _search(text):
            end = match.end()
        else:
            return len(text)
        self._found = True
        return end


class Canonicaliser:
    """Turn bare line feeds into CRLF, block by block, wherever the borders fall.

    Counting beforehand gives the size of the result: :meth:`count` in a first pass,
    :meth:`convert` with another object in the second.

    Args:
        composite: whether the text has parts, of which one may be binary.
    """

    def __init__(self, *, composite: bool = False) -> None:
        self._after_return = False
        self._binary_parts = BinaryParts() if composite else None

    def count(self, block: Block) -> int:
        """Return how many line feeds of ``block`` are bare: how many bytes converting adds."""
        text = bytes(block)
        start, end = self._lines(text)
        text = text[start:end]
        if b"\r" not in text:
            return text.count(LF)
        return 0 if is_canonical(text) else text.count(LF) - text.count(CRLF)

    def convert(self, block: Block) -> Block:
        """Return the next ``block`` in canonical form; the same object where nothing changes."""
        text = bytes(block)
        start, end = self._lines(text)
        lines = text[start:end]
        converted = _with_returns(lines)
        if converted is lines:
            return block
        return b"".join((text[:start], converted, text[end:])) if len(lines) < len(text) else converted

    def _lines(self, text: bytes) -> tuple[int, int]:
        """Return where those line feeds of the next ``text`` begin and end of which one may have to be converted."""
        start = int(self._after_return and text.startswith(LF))
        self._after_return = text.endswith(b"\r") if text else self._after_return
        uniform = _count_uniform_lines(text)
        end = self._binary_parts.begin(text, uniform) if self._binary_parts else len(text)
        return (start, max(start, end)) if not uniform else (end, end)


class LineFeeds:
    """Turn CRLF into line feeds, block by block: the inverse of :class:`Canonicaliser`.

    Args:
        composite: whether the text has parts, of which one may be binary.
    """

    def __init__(self, *, composite: bool = False) -> None:
        self._held = b""
        self._binary_parts = BinaryParts() if composite else None

    def convert(self, block: Block) -> bytes:
        """Return the next ``block`` with bare line feeds; a return at its end waits for what follows."""
        text = b"".join((self._held, block)) if self._held else bytes(block)
        lines = _count_uniform_lines(text)
        if self._binary_parts is not None and (end := self._binary_parts.begin(text, lines)) < len(text):
            self._held = b""
            return with_line_feeds(text[:end]) + text[end:]
        self._held = b"\r" if text.endswith(b"\r") else b""
        return _with_line_feeds(text[:-1] if self._held else text, lines)

    def finish(self) -> bytes:
        """Return what waited."""
        held, self._held = self._held, b""
        return held


def canonical(text: bytes, *, composite: bool = False) -> bytes:
    """Return ``text`` with CRLF line endings; the same object if it has no others.

    Args:
        text: all of it.
        composite: whether it has parts, of which one may be binary.
    """
    if composite and (end := BinaryParts().begin(text)) < len(text):
        return _with_returns(text[:end]) + text[end:]
    return _with_returns(text)


def _with_returns(text: bytes) -> bytes:
    if b"\r" not in text:
        return text.replace(LF, CRLF)
    return text if is_canonical(text) else text.replace(CRLF, LF).replace(LF, CRLF)


def with_line_feeds(text: bytes, *, composite: bool = False) -> bytes:
    """Return ``text`` with its CRLF turned into bare line feeds; the same object if it has none.

    Args:
        text: all of it.
        composite: whether it has parts, of which one may be binary.
    """
    lines = _count_uniform_lines(text)
    if composite and (end := BinaryParts().begin(text, lines)) < len(text):
        return with_line_feeds(text[:end]) + text[end:]
    return _with_line_feeds(text, lines)


def _with_line_feeds(text: bytes, uniform_lines: int) -> bytes:
    if uniform_lines:
        stripped = text.translate(None, b"\r")
        if len(text) - len(stripped) == uniform_lines:  # no return was lost that stands alone
            return stripped
    return text.replace(CRLF, LF)


def _search(text: bytes) -> re.Match[bytes] | None:
    """Find what says that a part is binary; looking for one word first takes a hundredth of the time."""
    return re.search(_MARK, text) if b"inary" in text or b"INARY" in text else None


def is_canonical(text: bytes) -> bool:
    """Tell whether no line feed is bare, as the reader of text files does: faster than counting, in long text."""
    if len(text) < _SHORT:
        return text.count(LF) == text.count(CRLF)
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
