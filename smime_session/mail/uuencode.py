"""uuencode, read as a stream: what old gateways write in place of base64 (POSIX.1-2017, uuencode)."""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Final

from smime_session.errors import MalformedError

if TYPE_CHECKING:
    from smime_session.mail.blocks import Block, Lookahead, NextBlock

_BEGIN: Final = re.compile(rb"\s*begin [0-7]{3,4} [^\n]*\n")
_END: Final = b"end"
_SPACE: Final = 0x20
_LONGEST: Final = 63  # octets of a line, whose first character counts them
_USUAL: Final = 45  # octets of every line but the last
_LOST: Final = 16  # blanks at the end of a line that may be missing
_MAX_LINE: Final = 1 << 10  # octets of one line of text, which has 85 with its line ending


def begins_like_uuencode(text: bytes) -> bool:
    """Tell whether ``text`` begins with the line that begins a uuencoded file, or blank lines and that."""
    return bool(_BEGIN.match(text))


class UuDecoder:
    """Decode a uuencoded file, block by block; the object is the call that returns the next octets.

    Lines whose trailing blanks were lost count as if they were there. What follows the end is given back as
    text, so that the reader of the object sees that something follows.

    Args:
        text: the text; the line that begins it stands in what it shows.
        shown: how many octets to look at for it.
    """

    def __init__(self, text: Lookahead, shown: int) -> None:
        match = _BEGIN.match(text.peek(shown))
        if match is None:
            raise MalformedError("the uuencoded text has no begin line")
        text.skip(match.end())
        self._next_block: NextBlock = text
        self._rest = b""
        self._ending = False
        self._finished = False

    def __call__(self) -> bytes:
        """Return the next octets, none at the end.

        Raises:
            MalformedError: a line is broken.
        """
        block: Block = b" "
        while block:
            block = self._next_block()
            text = b"".join((self._rest, block))
            end = text.rfind(b"\n") + 1 if block and not self._finished else len(text)
            self._rest = text[end:]
            decoded = self._decode(text[:end])
            if len(self._rest) > _MAX_LINE and not self._finished:
                raise MalformedError("a line of the uuencoded text is too long")
            if decoded:
                return decoded
        return b""

    def _decode(self, text: bytes) -> bytes:
        if self._finished:
            return text
        octets: list[bytes] = []
        lines = filter(None, text.translate(None, b"\r").split(b"\n"))
        for line in lines:
            size = line[0] - _SPACE & _LONGEST
            if line == _END or (self._ending and size):
                self._finished = True
                octets += [] if line == _END else [line]
                octets.append(b"\n".join(lines))
            elif size:
                octets.append(self._decode_line(line, size))
            self._ending = size != _USUAL  # this was the last line, or one of no octets, which comes after it
        return b"".join(octets)

    def _decode_line(self, line: bytes, size: int) -> bytes:
        needed = 1 + (size * 8 + 5) // 6
        if len(line) < needed - _LOST:
            raise MalformedError("a line of the uuencoded text is cut off")
        try:
            return binascii.a2b_uu(line[:needed])
        except binascii.Error:
            raise MalformedError("the uuencoded text holds characters that do not belong there") from None
