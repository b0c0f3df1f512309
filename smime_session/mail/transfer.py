"""Transfer encodings: base64 written, base64 and quoted-printable read, as streams (RFC 2045, 6.7 and 6.8).

Reading is strict first, so that nothing unusual goes unnoticed. Nearly all base64 is lines of one length, and for
those being strict costs nothing: what is decoded leniently has the full size only if every character was one of the
alphabet. Where a caller keeps notes of repairs, a decoder that met something unusual goes on as RFC 2045, 6.8 has it
and passes over what is not of the alphabet; where the CMS object ends, its own lengths say. In a large message,
putting text into lines costs more than base64 itself; there
:mod:`~smime_session.streams.strided` does it.
"""

from __future__ import annotations

import binascii
import re
from struct import unpack
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from pybase64 import b64decode, b64encode

from smime_session.errors import LimitError, MalformedError
from smime_session.mail.line_endings import CRLF, LF
from smime_session.streams.sources import LARGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smime_session.mail.blocks import Block, NextBlock
    from smime_session.mail.repairs import Repairs
    from smime_session.streams.strided import LineSpreader

ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
MIME_LINE: Final = 76  # characters: RFC 2045, 6.8
MAX_QUOTED_LINE: Final = 1 << 20  # octets of one quoted-printable line, which RFC 2045, 6.7 ends at 76

_LINES: Final = 500  # joined at a time: the fastest number measured
_WHITESPACE: Final = b"\r\n\t "
_OUTSIDE: Final = bytes(octet for octet in range(256) if octet not in ALPHABET)
_EQUALS: Final = re.compile(rb"==+")
_RETURN: Final = 0x0D
_BAD_QUOTE: Final = rb"=(?![0-9A-Fa-f]{2}|(?>[ \t]*)\r?(?:\n|\Z))"
_TRAILING_SPACE: Final = rb"[ \t](?<![ \t]{2})(?>[ \t]*)(?=\r?(?:\n|\Z))"  # tried once in each run of blanks


class Target(Protocol):
    """Where octets go: a file that is buffered, so that it writes all it is given and keeps no reference to it."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Write all of ``data``."""
        ...


def encode_base64(data: Block | bytearray, line_length: int = MIME_LINE, eol: bytes = CRLF) -> bytes:
    """Return ``data`` as base64 lines, each with its ending.

    Args:
        data: the bytes.
        line_length: characters of a line, a multiple of four.
        eol: the line ending.
    """
    text = b64encode(data)
    full, rest = divmod(len(text), line_length)
    return eol.join(unpack(f"{line_length}s" * full + f"{rest}s" * bool(rest) + "0s", text))


def base64_blocks(blocks: Iterable[Block]) -> Iterator[bytes]:
    """Yield blocks as lines of base64, the last with its ending."""
    made: list[bytes] = []
    writer = Base64Writer(_Appending(made))
    for block in blocks:
        writer.write(block)
        yield b"".join(made)
        made.clear()
    writer.finish()
    yield b"".join(made)


class _Appending(NamedTuple):
    parts: list[bytes]

    def write(self, data: bytes | memoryview, /) -> None:
        """Keep a copy of ``data``."""
        self.parts.append(bytes(data))


class Base64Writer:
    """Write bytes as lines of base64.

    Only :meth:`finish` writes the last line: after an exception the text stays cut off.

    Args:
        target: where the text goes; what it is given may be overwritten by the next write.
        line_length: characters of a line, a multiple of four.
        eol: the line ending.
    """

    def __init__(self, target: Target, *, line_length: int = MIME_LINE, eol: bytes = CRLF) -> None:
        self._target = target
        self._line_length = line_length
        self._eol = eol
        self._octets = line_length // 4 * 3  # of a line
        self._pending = bytearray()  # less than a line
        self._left = LARGE
        self._spreader: LineSpreader | None = None

    def write(self, data: Block | bytearray) -> None:
        """Take the next bytes."""
        with memoryview(data) as view:
            taken = 0
            if self._pending:
                taken = self._octets - len(self._pending)
                self._pending += view[:taken]
                if len(self._pending) < self._octets:
                    return
                self._write_lines(self._pending)
                self._pending.clear()
            whole = len(view) - (len(view) - taken) % self._octets
            if whole > taken:
                self._write_lines(view[taken:whole])
            self._pending += view[max(taken, whole) :]

    def finish(self) -> None:
        """Write what is left; the text is complete then."""
        rest = bytes(self._pending)
        self._pending.clear()
        if rest:
            self._target.write(encode_base64(rest, self._line_length, self._eol))

    def _write_lines(self, data: bytearray | memoryview) -> None:
        """Write bytes that fill their lines."""
        if self._spreader is not None:
            self._target.write(self._spreader.lines(b64encode(data)))
            return
        at_once = self._octets * _LINES
        for at in range(0, len(data), at_once):
            self._target.write(encode_base64(data[at : at + at_once], self._line_length, self._eol))
        if self._left >= 0:
            self._left -= len(data)
            if self._left < 0:
                self._spreader = _line_spreader(self._line_length, self._eol)


def _line_spreader(length: int, eol: bytes) -> LineSpreader | None:
    """Return what puts many lines in place faster, or None where the interpreter has no means for it."""
    try:
        from smime_session.streams.strided import LineSpreader  # a small message does without
    except ImportError:
        return None
    return LineSpreader(length, eol)


class Base64Decoder:
    """Decode base64 text, block by block; the object is the call that returns the next octets.

    White space may stand anywhere. Padding ends the data, as RFC 2045, 6.8 has it, and only white
    space may follow; unless repairs are noted.

    Args:
        next_block: the text.
        repairs: takes note of what is unusual, which is then no error.
    """

    def __init__(self, next_block: NextBlock, repairs: Repairs | None = None) -> None:
        self._next_block = next_block
        self._repairs = repairs
        self._mender: _Base64Mender | None = None
        self._decoded = 0
        self._rest = b""
        self._last = b""  # the quantum that padding ended, and a blank if any follow: decoded if nothing else does
        self._last_octets = b""
        self._padded = False
        self._at_end = False

    def __call__(self) -> bytes:
        """Return the next octets, none at the end.

        Raises:
            MalformedError: the text is cut off or holds anything but base64, and no repairs are noted.
        """
        while not self._at_end:
            block = self._next_block()
            self._at_end = not block
            if self._mender is not None:
                decoded = self._mender.decode(block)
            else:
                text = b"".join((self._rest, block))
                try:
                    decoded = self._decode_strictly(text)
                except MalformedError:
                    if self._repairs is None:
                        raise
                    text = self._last + text
                    self._mender = _Base64Mender(self._repairs, self._decoded, text)
                    decoded = self._mender.decode(text) if text else b""
                    if self._at_end:
                        decoded += self._mender.decode(b"")
            if decoded:
                self._decoded += len(decoded)
                return decoded
        return b""

    def _decode_strictly(self, text: bytes) -> bytes:
        decoded = b"" if self._at_end or self._padded else self._decode_uniform(text)
        decoded = decoded or self._decode(text)
        if self._at_end and self._rest:
            raise MalformedError("the base64 text is cut off")
        return decoded + self._last_octets if self._at_end else decoded

    def _decode_uniform(self, text: bytes) -> bytes:
        """Decode the lines at the beginning if all are equally long, keep the rest; else return nothing."""
        feed = text.find(b"\n")
        stride = feed + 1
        rows = len(text) // stride if feed > 0 else 0
        width = feed - 1 if text[feed - 1 : feed] == b"\r" else feed
        end = rows * stride
        if rows < 2 or width % 4 or text[feed:end:stride] != b"\n" * rows:  # noqa: PLR2004  # one line is no pattern
            return b""
        if width < feed and text[width:end:stride] != b"\r" * rows:
            return b""
        try:
            decoded = b64decode(memoryview(text)[:end])
        except binascii.Error:
            return b""
        if len(decoded) != rows * width // 4 * 3:
            return b""
        self._rest = text[end:]
        return decoded

    def _decode(self, text: bytes) -> bytes:
        """Decode what is complete: whole lines, so that the next block may begin with one, in whole quanta."""
        end = len(text) if self._at_end else text.rfind(b"\n") + 1 or len(text)
        characters = text[:end].translate(None, _WHITESPACE)
        if self._padded and characters:
            raise MalformedError("more text follows the end of the base64 text")
        if self._padded:
            self._last += _one_blank(text[:end])
        whole = len(characters) & ~3
        quanta = characters[:whole]
        self._rest = _kept(characters[whole:], text, end)
        try:
            decoded = b64decode(quanta, validate=True)
        except binascii.Error as error:
            raise MalformedError(_explain(characters)) from error
        self._padded = self._padded or quanta.endswith(b"=")
        if self._at_end and characters.translate(None, ALPHABET + b"="):
            raise MalformedError(_explain(characters))
        if self._padded and characters[whole:]:
            raise MalformedError("more text follows the end of the base64 text")
        if quanta.endswith(b"=") and not self._at_end:
            whole = len(decoded) - 1 - (not quanta.endswith(b"=="))
            self._last = quanta[-4:] + _one_blank(text[text.rfind(b"=", 0, end) + 1 : end])
            self._last_octets, decoded = decoded[whole:], decoded[:whole]
        return decoded


def _kept(characters: bytes, text: bytes, end: int) -> bytes:
    """Return what waits for the next block: fewer than four characters, and what stands in ``text`` from ``end`` on.

    Raises:
        MalformedError: they begin no quantum, whatever follows.
    """
    if b"=" in characters:
        if not characters.endswith(b"="):
            raise MalformedError(_explain(characters))
        characters += _one_blank(text[text.rfind(b"=", 0, end) + 1 : end])  # which may be a soft line break
    return characters + text[end:]


def _one_blank(text: bytes) -> bytes:
    """Return one blank, or the end of a line, in place of all in a text that has nothing else; nothing for nothing."""
    return LF if b"\n" in text or b"\r" in text else text[:1]


def decode_lines(text: bytes) -> bytes | None:
    """Decode base64 text that is all there, in lines of one length but the last; None for any other, sound or not.

    A caller that gets None asks :class:`Base64Decoder`, which says what is wrong.
    """
    feed = text.find(b"\n")
    stride = feed + 1
    end = len(text) // stride * stride if feed > 0 else 0
    if not end or text[feed:end:stride] != b"\n" * (end // stride):
        return None
    width = feed
    if text[feed - 1] == _RETURN:
        width -= 1
        if text[width:end:stride] != b"\r" * (end // stride):
            return None
    last = text[end:].rstrip(_WHITESPACE)
    padded = last or text[end - stride : end - stride + width]
    padding = len(padded) - len(padded.rstrip(b"="))
    size = end // stride * width + len(last)
    if width % 4 or size % 4 or padding > 2:  # noqa: PLR2004  # a last quantum has one octet at least
        return None
    try:
        decoded = b64decode(text)
    except binascii.Error:
        return None
    return decoded if len(decoded) == size // 4 * 3 - padding else None


def _explain(characters: bytes) -> str:
    """Say what is wrong with base64 text that was refused, without repeating what might disturb a terminal."""
    strange = characters.translate(None, ALPHABET + b"=")[:1]
    if not strange:
        text = characters.rstrip(b"=")
        return "more text follows the end of the base64 text" if b"=" in text else "the base64 text is padded wrongly"
    return f"the base64 text holds {_kind_of(strange)}"


def _kind_of(character: bytes) -> str:
    if not character.isascii():
        return "a byte outside ASCII"
    if not character.decode("ascii").isprintable():
        return "a control character"
    return f"the character {character.decode('ascii')}"


class _Base64Mender:
    """Decodes what is of the alphabet, from where the strict decoder stopped.

    Padding is passed over like all else: it stands at the end of an object whose own lengths say where that is, and
    an equals sign may also be what is left of quoted-printable, which is undone first.

    Args:
        repairs: takes note of what was met.
        decoded: octets that were decoded before.
        text: what the strict decoder refused.
    """

    def __init__(self, repairs: Repairs, decoded: int, text: bytes) -> None:
        self._characters = b""  # less than four
        self._equals = b""  # an equals sign and what may belong to it
        whole = text.translate(None, _WHITESPACE)
        good = len(whole) - len(whole.lstrip(ALPHABET))
        strange = whole[good:].lstrip(b"=")[:1].translate(None, ALPHABET)
        repairs.met(decoded + good * 3 // 4, _kind_of(strange) if strange else "")

    def decode(self, text: Block) -> bytes:
        """Decode the next block; an empty one ends the text."""
        whole = _EQUALS.sub(b"=", b"".join((self._equals, text)).replace(b"\r", LF))
        self._equals = b""
        if b"=" in whole:
            last = whole.rfind(b"=", -2) if text else -1
            if last >= 0:
                whole, self._equals = whole[:last], whole[last:]
            whole = binascii.a2b_qp(whole)
        characters = self._characters + whole.translate(None, _OUTSIDE)
        end = len(characters) & ~3
        self._characters = characters[end:]
        if not text and len(self._characters) > 1:
            characters += b"=="[: 4 - len(self._characters)]
            end += 4
        return b64decode(characters[:end])


class QuotedPrintableDecoder:
    """Decode quoted-printable text, block by block; the object is the call that returns the next octets.

    Args:
        next_block: the text.
        repairs: takes note of what is unusual, which is then no error.
    """

    def __init__(self, next_block: NextBlock, repairs: Repairs | None = None) -> None:
        self._next_block = next_block
        self._repairs = repairs
        self._rest = b""
        self._at_end = False

    def __call__(self) -> bytes:
        """Return the next octets, none at the end.

        Raises:
            MalformedError: an equals sign is not followed by two hexadecimal digits or a line ending, and no repairs
                are noted.
            LimitError: a line is longer than :data:`MAX_QUOTED_LINE`.
        """
        while not self._at_end:
            block = self._next_block()
            self._at_end = not block
            text = b"".join((self._rest, block))
            end = len(text) if self._at_end else text.rfind(b"\n") + 1
            self._rest = text[end:]
            if len(self._rest) > MAX_QUOTED_LINE:
                raise LimitError("the length of a line of the quoted-printable text", MAX_QUOTED_LINE, "bytes")
            if decoded := self._decode(text[:end]):
                return decoded
        return b""

    def _decode(self, lines: bytes) -> bytes:
        if re.search(_BAD_QUOTE, lines):
            problem = "the quoted-printable text holds an equals sign that introduces nothing"
            if self._repairs is None:
                raise MalformedError(problem)
            self._repairs.note(problem)
        return binascii.a2b_qp(re.sub(_TRAILING_SPACE, b"", lines))
