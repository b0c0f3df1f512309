"""Textual encoding of CMS: base64 between a BEGIN and an END line (RFC 7468, sections 8 and 9)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from smime_session.errors import MalformedError
from smime_session.mail.line_endings import LF
from smime_session.mail.transfer import Base64Decoder, Base64Writer

if TYPE_CHECKING:
    from smime_session.mail.blocks import Block, Lookahead
    from smime_session.mail.repairs import Repairs
    from smime_session.mail.transfer import Target

CMS_LABEL: Final = "CMS"
CMS_LABELS: Final = frozenset({CMS_LABEL, "PKCS7", "PKCS #7 SIGNED DATA", "ENCRYPTED MESSAGE", "SIGNED MESSAGE"})
"""What CMS objects are called: by RFC 7468, by older programs, and by gpgsm."""
PEM_LINE: Final = 64  # characters: RFC 7468, 2

_BEGIN: Final = re.compile(rb"^(?>[> \t]{0,40})-----BEGIN ([ -,.-~]{1,64})-----[ \t]*\r?\n", re.MULTILINE)


class PemWriter(Base64Writer):
    """Write octets as PEM text; the BEGIN line at once, the END line when finished.

    Args:
        target: where the text goes.
        label: what the object is called.
        eol: the line ending.
    """

    def __init__(self, target: Target, *, label: str = CMS_LABEL, eol: bytes = LF) -> None:
        super().__init__(target, line_length=PEM_LINE, eol=eol)
        self._target.write(_line("BEGIN", label) + eol)
        self._end = _line("END", label) + eol

    def finish(self) -> None:
        """Write what is left and the END line; the text is complete then."""
        super().finish()
        self._target.write(self._end)


def find_pem_label(text: bytes) -> str | None:
    """Return the label of the first BEGIN line in ``text``, or None if there is none."""
    match = _BEGIN.search(text)
    return match[1].decode("ascii") if match else None


class PemDecoder(Base64Decoder):
    """Decode the first PEM object of a text; the object is the call that returns the next octets.

    What stands before the BEGIN line and after the END line is ignored (RFC 7468, 2).

    Args:
        text: the text; a BEGIN line stands in what it shows.
        shown: how many octets to look at for it.
        repairs: takes note of what is unusual, which is then no error.
    """

    def __init__(self, text: Lookahead, shown: int, repairs: Repairs | None = None) -> None:
        super().__init__(self._next_lines, repairs)
        match = _BEGIN.search(text.peek(shown))
        if match is None:
            raise MalformedError("the PEM text has no BEGIN line")
        text.skip(match.end())
        self._text = text
        self._end_line = _line("END", match[1].decode("ascii"))
        self._ended = False
        self._endless = False

    def _next_lines(self) -> Block:
        """Return text up to the END line; no other line of it has a hyphen."""
        if self._ended:
            return b""
        block = bytes(self._text())
        if self._endless:
            return block
        if not block:
            if self._repairs is None:
                raise MalformedError("the PEM text is cut off: it has no END line")
            self._repairs.note("the PEM text has no END line")
            self._endless = True
            return block
        hyphen = block.find(b"-")
        if hyphen < 0:
            return block
        self._ended = True
        while len(block) - hyphen < len(self._end_line) and (more := self._text()):
            block += more
        if not block.startswith(self._end_line, hyphen):
            if self._repairs is not None:
                self._repairs.note("the PEM text does not end with the line that its BEGIN line announces")
                self._ended = block.startswith(b"-----END ", hyphen)
                self._endless = not self._ended
                return block[:hyphen] if self._ended else block
            raise MalformedError("the PEM text does not end with the line that its BEGIN line announces")
        return block[:hyphen]


def _line(word: str, label: str) -> bytes:
    return f"-----{word} {label}-----".encode("ascii")
