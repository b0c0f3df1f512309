"""A mail made safe before it is clear-signed (RFC 8551, 3.1.3): what relays re-wrap or re-encode breaks its signature.

Afterwards every part is 7bit, quoted-printable or base64, and no line is longer than 76 characters, ends with a blank,
or begins with ``From ``. What is safe already is kept byte for byte. A part that is signed itself cannot be changed
without breaking its own signature; where it is not safe, that is an error.
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.errors import LimitError, MessageError
from smime_session.mail.blocks import Cursor
from smime_session.mail.fields import parse_fields_leniently
from smime_session.mail.line_endings import CRLF, LF, Canonicaliser, canonical
from smime_session.mail.parts import find_parts
from smime_session.mail.transfer import (
    ALPHABET,
    MAX_QUOTED_LINE,
    MIME_LINE,
    Base64Decoder,
    base64_blocks,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from smime_session.mail.blocks import Block, NextBlock
    from smime_session.mail.parts import Part

    _Again = Callable[[], NextBlock]

_SAFE: Final = bytes((0x09, 0x0A, 0x0D, *range(0x20, 0x7F)))
_BLANKS_AT_END: Final = (b" \n", b" \r\n", b"\t\n", b"\t\r\n")
_FROM: Final = b"From "
_ENCODING_FIELD: Final = b"content-transfer-encoding"
_DECLARED: Final = re.compile(rb"(?im)^content-transfer-encoding[ \t]*:[ \t]*(?:8bit|binary)")
_UNQUOTED: Final = re.compile(rb"[^\t\r\n\x20-\x7e]")
_FROM_LINE: Final = re.compile(rb"(?m)^From ")
_TOO_LONG: Final = re.compile(rb"(?m)^([^\n]{74,})(=(?:20|09))$")  # by the blank that b2a_qp quotes at the end
_BY_FEED: Final = re.compile(rb"[^\n]*\n|[^\n]+\Z")
_QUOTED_FROM: Final = b"=46rom=20=\r\n"  # a soft line break, so that no line grows
_BASE64: Final = ALPHABET + b"="
_FEW: Final = 16  # lines
_ENCODINGS: Final = frozenset({"7bit", "quoted-printable", "base64"})
_REPAIRED: Final = {"quoted-printable": "requote", "base64": "rebase64"}
_PLAIN: Final = frozenset({"7bit", "8bit", "binary"})
_MOSTLY_TEXT: Final = 4  # of so many bytes one may be quoted: base64 would be shorter, but is not readable


class Survey:
    """Looks through text for what may be changed on the way, block by block.

    Attributes:
        safe: whether nothing was found yet.
        size: bytes that were seen.
        strange: how many of them are outside printable ASCII.
        binary: whether there are some that no text has: a NUL, or a carriage return that stands alone.
    """

    def __init__(self) -> None:
        self.safe = True
        self.size = 0
        self.strange = 0
        self.binary = False
        self._rest = b""

    def look(self, block: Block) -> None:
        """Take the next ``block``."""
        self.size += len(block)
        text = b"".join((self._rest, block)) if self._rest else bytes(block)
        end = text.rfind(LF) + 1
        self._rest = text[end:]
        self._look(text[:end])
        if len(self._rest) > MIME_LINE + 1:
            self.safe = False
            self._count(self._rest[:-1])
            self._rest = self._rest[-1:]

    def finish(self) -> Survey:
        """Look at the last line, which may have no ending; return itself."""
        self._look(self._rest)
        if self._rest.endswith((b" ", b"\t")):
            self.safe = False
        self._rest = b""
        return self

    def _look(self, lines: bytes) -> None:
        if _is_base64(lines):
            return
        self._count(lines)
        if self.safe and lines:
            self.safe = not (
                self.strange
                or self.binary
                or lines.startswith(_FROM)
                or b"\nFrom " in lines
                or any(blanks in lines for blanks in _BLANKS_AT_END)
                or _longest(lines) > MIME_LINE
                or (_ENCODING_FIELD in lines.lower() and _DECLARED.search(lines))
            )

    def _count(self, lines: bytes) -> None:
        self.strange += len(lines.translate(None, _SAFE))
        returns = lines.count(b"\r")
        self.binary = self.binary or (returns > 0 and returns != lines.count(CRLF)) or b"\0" in lines


def _is_base64(lines: bytes) -> bool:
    """Tell whether these are lines of base64, all equally long, as most large text is: a fifth of the work."""
    stride = lines.find(LF) + 1
    rows, rest = divmod(len(lines), stride or len(lines) or 1)
    if rows < _FEW or rest or stride > MIME_LINE + len(CRLF):
        return False
    eol = CRLF if lines.startswith(b"\r", stride - 2) else LF
    if stride - len(eol) > MIME_LINE or lines.translate(None, _BASE64) != eol * rows:
        return False
    return all(lines[stride - len(eol) + at :: stride] == eol[at : at + 1] * rows for at in range(len(eol)))


def _longest(lines: bytes) -> int:
    """Return the length of the longest line, its ending not counted; a return stands nowhere else."""
    return max(map(len, (lines.translate(None, b"\r") if b"\r" in lines else lines).split(LF)))


class Piece(NamedTuple):
    """A piece of an entity, and what becomes of it.

    Attributes:
        begin: where it begins.
        end: where it ends.
        work: what is done: ``head``, ``between`` (boundaries and what stands around them), ``copy``, ``quote``,
            ``requote`` (quoted-printable that is not safe), ``base64`` (of text), ``rebase64``, or ``binary``.
        encoding: for a head, the transfer encoding to be declared; empty if it stays.
    """

    begin: int
    end: int
    work: str
    encoding: str = ""


def safe_entity(entity: bytes) -> bytes:
    """Return a MIME entity that is in memory, made safe, with CRLF line endings.

    Raises:
        MessageError: a part would have to be changed and cannot be.
        LimitError: it has too many parts.
    """
    pieces = survey_entity(lambda: iter((entity, b"")).__next__)
    return canonical(entity) if pieces is None else b"".join(rewritten(iter((entity, b"")).__next__, pieces))


def survey_entity(again: _Again) -> list[Piece] | None:
    """Look through a MIME entity for what may be changed on the way.

    Args:
        again: returns the entity's blocks from its first byte; called up to three times.

    Returns:
        What is to be done; None if all of it is safe as soon as its line endings are CRLF.

    Raises:
        MessageError: a part would have to be changed and cannot be.
        LimitError: it has too many parts.
    """
    whole = Survey()
    for block in iter(again(), b""):
        whole.look(block)
        if not whole.safe:
            break
    if whole.finish().safe:
        return None
    parts = find_parts(again())
    leaves = [
        part
        for part, following in zip(parts, (*parts[1:], None), strict=True)
        if following is None or not following.is_inside(part)
    ]
    return _pieces(parts, _surveys(again(), leaves))


def rewritten(next_block: NextBlock, pieces: Sequence[Piece]) -> Iterator[bytes]:
    """Yield an entity with the work of ``pieces`` done.

    Args:
        next_block: the entity from its first byte.
        pieces: what :func:`survey_entity` returned for it.

    Raises:
        MessageError: what is encoded in it is broken.
    """
    cursor = Cursor(next_block)
    for piece in pieces:
        blocks = cursor.take(piece.end - piece.begin)
        match piece.work:
            case "head":
                yield _safe_head(b"".join(blocks), piece.encoding)
            case "between":
                yield _safe_between(b"".join(blocks))
            case "copy":
                line_endings = Canonicaliser()
                for block in blocks:
                    yield bytes(line_endings.convert(block))
            case "quote":
                yield from _quoted(blocks)
            case "requote":
                yield from _requoted(blocks)
            case "base64":
                line_endings = Canonicaliser()
                yield from base64_blocks(map(line_endings.convert, blocks))
            case "rebase64":
                yield from base64_blocks(iter(Base64Decoder(_puller(blocks)), b""))
            case _:
                yield from base64_blocks(blocks)


# --- what is to be done --------------------------------------------------------------------------


def _surveys(next_block: NextBlock, leaves: Sequence[Part]) -> dict[str, Survey]:
    found: dict[str, Survey] = {}
    cursor = Cursor(next_block)
    at = 0
    for part in leaves:
        for _ in cursor.take(part.body - at):
            pass
        survey = Survey()
        for block in cursor.take(part.end - part.body):
            survey.look(block)
        at = part.end
        found[part.number] = survey.finish()
    return found


def _pieces(parts: Sequence[Part], surveys: dict[str, Survey]) -> list[Piece]:
    """Return the pieces of which an entity consists, one after the other."""
    signed = [(part.body, part.end) for part in parts if part.content_type == "multipart/signed"]
    found: list[Piece] = []
    at = 0
    for part in parts:
        kept = any(begin <= part.begin and part.end <= end for begin, end in signed)
        if part.begin > at:
            found.append(Piece(at, part.begin, "copy" if kept else "between"))
        work, encoding = _work_on(part, surveys[part.number]) if part.number in surveys else _around(part)
        if kept and (work != "copy" or part.transfer_encoding not in _ENCODINGS):
            raise _unsafe(part, "is signed already")
        found.append(Piece(part.begin, part.body, "copy" if kept else "head", encoding))
        at = part.body
        if part.number in surveys:
            found.append(Piece(part.body, part.end, work))
            at = part.end
    if parts[0].end > at:
        found.append(Piece(at, parts[0].end, "between"))
    return found


def _around(part: Part) -> tuple[str, str]:
    """Return what is done to a part that has others: its own encoding is declared anew."""
    return "copy", "" if part.transfer_encoding == "7bit" else "7bit"


def _work_on(part: Part, survey: Survey) -> tuple[str, str]:
    """Return what is done to the body of a part without others, and what encoding it has then.

    Raises:
        MessageError: it is not safe, and cannot be encoded.
    """
    encoding = part.transfer_encoding
    if survey.safe and encoding in _ENCODINGS:
        return "copy", ""
    if survey.safe and encoding == "8bit":
        return "copy", "7bit"
    if part.content_type.startswith(("multipart/", "message/")):
        raise _unsafe(part, f"is {part.content_type}, which cannot be encoded")
    if encoding in _REPAIRED:
        return _REPAIRED[encoding], ""
    if encoding not in _PLAIN:
        raise _unsafe(part, "has a transfer encoding that is not known")
    if encoding == "binary":
        return "binary", "base64"
    if survey.binary or survey.strange * _MOSTLY_TEXT > survey.size:
        return "base64", "base64"
    return "quote", "quoted-printable"


def _unsafe(part: Part, why: str) -> MessageError:
    which = "the body" if part.number == "0" else f"part {part.number}"
    return MessageError(f"{which} would not arrive as it is and {why}: only an opaque signature keeps it")


# --- doing it ------------------------------------------------------------------------------------


def _puller(blocks: Iterator[Block]) -> NextBlock:
    return lambda: next(blocks, b"")


def _safe_head(head: bytes, encoding: str) -> bytes:
    """Return the head of a part with short lines, and with another transfer encoding if one is given."""
    fields = parse_fields_leniently(head)
    raws = [raw for name, raw in fields if not (encoding and name == "content-transfer-encoding")]
    if encoding:
        raws.append(b"Content-Transfer-Encoding: " + encoding.encode("ascii") + CRLF)
    lines = [line.rstrip(b" \t\r").replace(b"\r", b" ") for raw in raws for line in raw.split(LF)]  # CR ends no line
    return b"".join(CRLF.join(_folded(line)) + CRLF for line in lines if line) + CRLF


def _folded(line: bytes) -> Iterator[bytes]:
    """Yield a line of a head in pieces of 76 characters or less, as far as it has blanks to fold at."""
    while len(line) > MIME_LINE:
        start = line.find(b":") + 2 if b":" in line else 1
        at = line.rfind(b" ", start, MIME_LINE + 1)
        if at <= start or not line[at:].strip():
            break
        yield line[:at].rstrip(b" \t")
        line = line[at:]
    yield line


def _lines_of(text: bytes) -> list[bytes]:
    """Return lines with their endings; a carriage return that stands alone ends none, and so begins no boundary."""
    return _BY_FEED.findall(text)


def _safe_between(text: bytes) -> bytes:
    """Return boundary lines and what stands around them; of that, what is not safe is dropped: no reader shows it."""
    kept: list[bytes] = []
    for line in _lines_of(text):
        bare = line.rstrip(b" \t\r\n")
        ending = CRLF if line.endswith((b"\n", b"\r")) else b""
        if bare.startswith(b"--") or _is_safe(bare):
            kept.append(bare + ending)
        elif ending:
            kept.append(ending)
    return b"".join(kept)


def _is_safe(line: bytes) -> bool:
    survey = Survey()
    survey.look(line)
    return survey.finish().safe


def _whole_lines(blocks: Iterator[Block]) -> Iterator[bytes]:
    """Yield text in pieces of whole lines; the last may have no ending.

    Raises:
        LimitError: one is too long.
    """
    rest = b""
    for block in blocks:
        text = b"".join((rest, block))
        end = text.rfind(LF) + 1
        rest = text[end:]
        if len(rest) > MAX_QUOTED_LINE:
            raise LimitError("the length of a line of text", MAX_QUOTED_LINE, "bytes")
        if end:
            yield text[:end]
    if rest:
        yield rest


def _quoted(blocks: Iterator[Block]) -> Iterator[bytes]:
    """Yield text in quoted-printable (RFC 2045, 6.7)."""
    for lines in _whole_lines(blocks):
        quoted = binascii.b2a_qp(canonical(lines), istext=True).replace(CRLF, LF)
        yield _without_from(_TOO_LONG.sub(rb"\1=\n\2", quoted).replace(LF, CRLF))


def _without_from(lines: bytes) -> bytes:
    while _FROM_LINE.search(lines):
        lines = _FROM_LINE.sub(_QUOTED_FROM, lines)
    return lines


def _requoted(blocks: Iterator[Block]) -> Iterator[bytes]:
    """Yield quoted-printable text that means the same, and is safe."""
    for lines in _whole_lines(blocks):
        yield _without_from(b"".join(map(_requoted_line, _lines_of(lines))))


def _requoted_line(line: bytes) -> bytes:
    ending = CRLF if line.endswith((b"\n", b"\r")) else b""
    rest = _UNQUOTED.sub(lambda found: b"=%02X" % ord(found[0]), line.rstrip(b" \t\r\n")).replace(b"\r", b"=0D")
    parts: list[bytes] = []
    while len(rest) > MIME_LINE:
        at = MIME_LINE - 1
        before = rest.rfind(b"=", at - 2, at)
        at = before if before >= 0 else at
        parts.append(rest[:at] + b"=\r\n")
        rest = rest[at:]
    return b"".join((*parts, rest, ending))
