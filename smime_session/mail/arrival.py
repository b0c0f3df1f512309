"""Mails as they arrive: with what servers, lists and programs did to their heads, and what is no mail at all.

All of this is for reading only. What is to be encrypted must be sound.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from typing import TYPE_CHECKING, Final

from smime_session.errors import NotEnvelopeError, NotMailError
from smime_session.mail.blocks import Lookahead
from smime_session.mail.entity import read_head, split_head
from smime_session.mail.fields import find_body, parse_fields_leniently, split_mbox_line
from smime_session.mail.line_endings import LF

if TYPE_CHECKING:
    from smime_session.mail.blocks import NextBlock
    from smime_session.mail.entity import MailHead
    from smime_session.mail.repairs import Repairs

_OBJECT_LINE: Final = re.compile(rb"^(?>[> \t|]{0,40})(MI[A-T](?>[A-Za-z0-9+/]{37}))", re.MULTILINE)
_TAKEN: Final = 64  # octets before the end of a block in which such a line may have begun
_CMS: Final = b"\x2a\x86\x48\x86\xf7\x0d\x01"  # how the identifiers of all content types begin (RFC 5652, 14)
_TELLING_LINE: Final = re.compile(
    rb"^(?:from|to|subject|date|received|return-path|delivered-to|message-id|mime-version|content-type)[ \t]*:",
    re.MULTILINE | re.IGNORECASE,
)
_NEXT_MAIL: Final = re.compile(rb"(?<=\n)\r?\nFrom [^\r\n]{0,200}\d\d:\d\d")
_NEXT_MAIL_SIZE: Final = 256

_FILES: Final = (
    (b"\x78\x9f\x3e\x22", "a TNEF file (winmail.dat)", "tnef"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Outlook message file (.msg)", "outlook"),
    (b"PK\x03\x04", "a ZIP archive", "archive"),
    (b"\x1f\x8b\x08", "a file compressed with gzip", "archive"),
    (b"%PDF-", "a PDF file", None),
    (b"\xff\xfe", "text in UTF-16", "utf-16"),
    (b"\xfe\xff", "text in UTF-16", "utf-16"),
)
"""What files of other kinds begin with, what they are, and the kind of way on."""


def refuse_other_files(start: bytes) -> None:
    """Refuse a file that is of another kind, as far as its first octets tell.

    Raises:
        NotEnvelopeError: it is one.
    """
    for magic, what, kind in _FILES:
        if start.startswith(magic):
            raise NotEnvelopeError(what, kind)


def contains_object(encoded: bytes) -> bool:
    """Tell whether ``encoded`` begins with a ContentInfo (RFC 5652, 3), as far as its first octets tell."""
    if len(encoded) < 2 or encoded[0] != 0x30:  # noqa: PLR2004  # a SEQUENCE and its length
        return False
    inside = encoded[2 + max(0, encoded[1] - 0x80) :]  # long lengths count their octets (X.690, 8.1.3.5)
    if inside[:1] != b"\x06" or not inside[2:].startswith(_CMS):
        return False
    return inside[2 + inside[1] :][:1] in {b"", b"\xa0"}  # what stands inside of an envelope has no such content


def find_object_line(text: bytes) -> int:
    """Return where the first line stands that begins a CMS object in base64, quoted or not; -1 if none does."""
    lines = (match.start() for match in _OBJECT_LINE.finditer(text) if contains_object(a2b_base64(match[1])))
    return next(lines, -1)


def begins_like_quoted_object(text: bytes) -> bool:
    """Tell whether ``text`` is a CMS object in quoted-printable."""
    return text.startswith(b"0=") and contains_object(a2b_qp(text[:256]))


def holds_mail_head(text: bytes) -> bool:
    """Tell whether a line before the first blank one is a header field that mails have."""
    body = find_body(text.lstrip())
    return bool(_TELLING_LINE.search(text, 0, len(text) - len(text.lstrip()) + body if body else len(text)))


def with_line_feeds(source: Lookahead, shown: int, repairs: Repairs) -> Lookahead:
    """Return ``source`` with line endings that readers know, if it has CR alone or CR CR LF; else as it is."""
    start = source.peek(shown)
    at = start.find(b"\r")
    if at < 0 or start[at + 1 : at + 2] in {b"\n", b""} or start.startswith(b"\x30"):
        return source
    if start.startswith(b"\r\n", at + 1):
        repairs.note("the lines of the mail end with CR CR LF")
    else:
        blank, feed = start.find(b"\r\r"), start.find(b"\n")
        if feed >= 0 and not 0 <= blank < feed:
            return source  # a stray one: RFC 5322, 2.2 gives it no meaning
        repairs.note("the lines of the mail end with CR alone")
    return Lookahead(_LineEndings(source))


class _LineEndings:
    """Blocks of text with LF in place of CR, CR LF and CR CR LF."""

    def __init__(self, next_block: NextBlock) -> None:
        self._next_block = next_block
        self._rest = b""
        self._ended = False

    def __call__(self) -> bytes:
        while not self._ended:
            block = self._next_block()
            self._ended = not block
            text = b"".join((self._rest, block))
            end = len(text) if self._ended else max(len(text.rstrip(b"\r")), len(text) - 2)
            self._rest = text[end:]
            if end:
                return text[:end].replace(b"\r\r\n", LF).replace(b"\r\n", LF).replace(b"\r", LF)
        return b""


def read_arrived_head(source: Lookahead, shown: int, repairs: Repairs) -> tuple[bytes, MailHead, Lookahead]:
    """Read a mail up to its body, passing over what is no header.

    Args:
        source: the mail from its first line.
        shown: octets to look at for the ``From `` line of a mail store, which is taken off.
        repairs: takes note of what was passed over.

    Returns:
        The octets of the head from its first field to its blank line; the same split, where lines that are no header
        fields are fields without a name; and the source of the body.

    Raises:
        NotMailError: nothing in it is a header field.
        LimitError: it is too large.
    """
    mbox_line, _ = split_mbox_line(source.peek(shown))
    if mbox_line:
        source.skip(len(mbox_line))
        source = Lookahead(_OneMail(source))
    raw, body = read_head(source, find_end=_find_end)
    source.put_back(body)
    if body and not raw.endswith((b"\n\n", b"\n\r\n")) and raw not in {b"\n", b"\r\n"}:
        repairs.note("no blank line ends the mail header")
        raw += b"\r\n" if raw.endswith(b"\r\n") else b"\n"
    try:
        head = split_head(raw, hidden=())
    except NotMailError as error:
        first = next((field for field in parse_fields_leniently(raw) if field.name), None)
        if first is None:
            raise
        repairs.note(f"{str(error).removeprefix('this is not a mail: ')}, and was passed over")
        raw = raw[raw.index(first.raw) :]  # what stands before it would be no mail's beginning
        head = split_head(raw, hidden=(), lenient=True)
    return raw, head, source


def _find_end(text: bytes, start: int = 0) -> int:
    """Return where the body begins: after the blank line, or with a line before it that begins an object; 0 if nowhere.

    Args:
        text: a mail, or its beginning.
        start: an octet no later than the third before the end of the first blank line.
    """
    end = find_body(text, start)
    before = end or len(text)
    feed = text.find(b"\nMI", max(0, start - _TAKEN), before)
    while feed >= 0:
        match = _OBJECT_LINE.match(text, feed + 1)
        if match and contains_object(a2b_base64(match[1])):
            return feed + 1
        feed = text.find(b"\nMI", feed + 1, before)
    return end


class _OneMail:
    """A mailbox file that should hold one mail; that it holds more is told where the next one begins.

    Raises:
        NotEnvelopeError: the ``From `` line of another mail was read.
    """

    def __init__(self, next_block: NextBlock) -> None:
        self._next_block = next_block
        self._before = b""

    def __call__(self) -> bytes:
        block = bytes(self._next_block())
        if _NEXT_MAIL.search(self._before + block):
            raise NotEnvelopeError("a mailbox of several mails (mbox)", kind="mbox")
        self._before = (self._before + block)[-_NEXT_MAIL_SIZE:]
        return block
