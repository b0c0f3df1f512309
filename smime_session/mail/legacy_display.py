"""Legacy display elements: hidden header fields shown in a body, for mail programs that know nothing of them.

How one looks, and how it is put into a text/plain or text/html part or taken out (RFC 9788, 4.5.3 and 5.2). All else of
the part stays byte for byte, and taking out is the exact inverse of putting in.
"""

from __future__ import annotations

import binascii
import re
from contextlib import suppress
from email.errors import MessageError as EmailError
from email.header import decode_header, make_header
from functools import lru_cache, partial
from textwrap import wrap
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from smime_session.mail.fields import find_value, parse_parameters, parse_token
from smime_session.mail.line_endings import CRLF, LF
from smime_session.mail.protection import add_parameter, remove_parameter
from smime_session.mail.transfer import MIME_LINE, encode_base64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session.mail.fields import Field

AS_IT_IS: Final = frozenset({"7bit", "8bit", "binary"})

_PARAMETER: Final = "hp-legacy-display"
_CLASS: Final = "header-protection-legacy-display"
_QUOTED: Final = "quoted-printable"
_BASE64: Final = "base64"
_PLAIN: Final = "text/plain"
_HTML: Final = "text/html"
_SPECIAL: Final = "Aa:<>=\"'/&;\n"  # what an element consists of has to look the same in the character set

_MAX_TEXT: Final = 1 << 14  # characters of an element: of thousands of recipients, some are enough to see
_MAX_LINE: Final = 300  # characters of one of its lines
_WINDOW: Final = 1 << 18  # bytes of a part in which an element, or its place, is looked for: HTML has long heads
_FIRST_LOOK: Final = 1 << 14  # bytes after which it is looked for first
_MAX_BASE64: Final = 1 << 22  # bytes of a part in base64, which is edited as a whole

_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;"})
_BLANK_LINE: Final = rb"(?:\A|\n)\r?\n"
_QUOTED_BLANK_LINE: Final = rb"(?:\A|(?<!=)\r\n|(?<![=\r])\n)[ \t]*\r?\n"  # what ends with "=" goes on in the next line
_SOFT_BREAK: Final = b"=\r\n"
_SOFT: Final = rb"(?:=[ \t]*\r?\n)?"


def display_text(hidden: Sequence[Field]) -> str:
    """Return the lines that show hidden fields, each ended by a line feed (RFC 9788, 5.2.2 and 10.3).

    Values are unfolded and decoded; what does not print, and might begin a line of its own, becomes a blank.
    """
    lines: list[str] = []
    left = _MAX_TEXT
    for field in hidden:
        name = field.raw[: len(field.name)].decode("ascii")
        line = f"{name}: {_decoded(field.value[:left])}".rstrip()[:left]
        lines += _wrapped(line)
        left -= len(line)
        if left <= 0:
            break
    return "".join([line + "\n" for line in lines])


def _decoded(value: str) -> str:
    """Return a value as it is read, its encoded words decoded (RFC 2047)."""
    if "=?" in value:
        with suppress(EmailError, LookupError, ValueError):
            value = str(make_header(decode_header(value)))
    return " ".join("".join([c if c.isprintable() else " " for c in value]).split())


def _wrapped(line: str) -> list[str]:
    if len(line) <= _MAX_LINE:
        return [line]
    return wrap(line, _MAX_LINE, subsequent_indent=" ", break_on_hyphens=False)


class Edit(NamedTuple):
    """A change of a text.

    Attributes:
        begin: where what is replaced begins.
        end: where it ends.
        new: what stands there afterwards.
    """

    begin: int
    end: int
    new: bytes


class Find(Protocol):
    """Finds the change to be made in a part."""

    def __call__(self, beginning: bytes, *, last: bool) -> Edit | None:
        """Return the change, or None if it is not found.

        Args:
            beginning: the beginning of the part, as it is encoded.
            last: whether more of it will not be shown.
        """
        ...


class EditedPart:
    """A part that has, or gets, a legacy display element: its head and body pass, changed, block by block.

    Nothing is returned before it is known whether it can be changed, because the head has to say so.

    Args:
        head: its head.
        fields: the fields of that.
        find: finds the change.
        text: what the element shows; None to take one out.
        whole: whether the change is found only in all of the part.

    Attributes:
        changed: whether the part was changed; None as long as that is not known.
    """

    def __init__(self, head: bytes, fields: Sequence[Field], find: Find, text: str | None, *, whole: bool) -> None:
        self._head = head
        self._fields = fields
        self._find = find
        self._text = text
        self._whole = whole
        self._limit = _MAX_BASE64 if whole else _WINDOW
        self._next_look = _FIRST_LOOK
        self._held = b""
        self.changed: bool | None = None

    def convert(self, block: bytes, *, ended: bool) -> bytes:
        """Return what is certain of the part after its next ``block``.

        Args:
            block: the next bytes of its body.
            ended: whether they are the last.
        """
        if self.changed is not None:
            return block
        self._held = b"".join((self._held, block)) if self._held else block
        size = len(self._held)
        if not ended and size < (self._limit if self._whole else self._next_look):
            return b""
        last = ended or size >= self._limit
        known = not self._whole or (ended and size <= self._limit)
        edit = self._find(self._held[: self._limit], last=last) if known else None
        if edit is None and not last:
            self._next_look = size * 2
            return b""
        if edit is None:
            return self.leave()
        self.changed = True
        held, self._held = self._held, b""
        head = self._head
        if head:
            old = b"".join([raw for _, raw in self._fields])
            head = b"".join([raw for _, raw in remarked(self._fields, self._text)]) + head[len(old) :]
        return b"".join((head, held[: edit.begin], edit.new, held[edit.end :]))

    def leave(self) -> bytes:
        """Return all that was held as it is: the part is not changed."""
        self.changed = False
        held, self._held = self._held, b""
        return self._head + held


def edited_part(head: bytes, fields: tuple[Field, ...], text: str | None) -> EditedPart | None:
    """Return the part that begins with ``head``, made ready to be changed; None if it is not to be.

    Args:
        head: its head, or nothing if that is taken care of elsewhere.
        fields: its fields.
        text: what the element shows; None to take one out.
    """
    value = find_value(fields, "content-type")
    media_type, parameters = parse_token(value), parse_parameters(value)
    encoding = parse_token(find_value(fields, "content-transfer-encoding")) or "7bit"
    if media_type not in {_PLAIN, _HTML} or encoding not in {*AS_IT_IS, _QUOTED, _BASE64}:
        return None
    if not (charset := _charset(parameters)) or (parameters.get(_PARAMETER) == "1") != (text is None):
        return None
    return EditedPart(head, fields, _finder(media_type, encoding, charset, text), text, whole=encoding == _BASE64)


def remarked(fields: Sequence[Field], text: str | None) -> tuple[Field, ...]:
    """Return the fields of a part that say that it has an element, or that do so no more if ``text`` is None."""
    name = _PARAMETER.encode("ascii")
    done = False
    changed: list[Field] = []
    for field in fields:
        if field.name == "content-type" and not done:
            done = True
            bare = remove_parameter(field, name)
            changed.append(bare if text is None else add_parameter(bare, name + b'="1"'))
        else:
            changed.append(field)
    return tuple(changed)


def _charset(parameters: dict[str, str]) -> str:
    """Return the character set to write an element in; nothing if it is none in which ASCII stays what it is."""
    charset = parameters.get("charset", "us-ascii")
    try:
        return charset if _SPECIAL.encode(charset, "replace") == _SPECIAL.encode("ascii") else ""
    except LookupError:
        return "ascii"
    except ValueError:
        return ""


def _finder(media_type: str, encoding: str, charset: str, text: str | None) -> Find:
    find: Find
    if text is None:
        find = partial(_cut_lines if media_type == _PLAIN else _cut_element, quoted=encoding == _QUOTED)
    elif media_type == _PLAIN:
        lines = text.replace("\n", "\r\n").encode(charset, "replace") + CRLF
        find = partial(_put_before, new=_in_quoted(lines) if encoding == _QUOTED else lines)
    else:
        lines = text.translate(_ESCAPES).replace("\n", "\r\n").encode(charset, "xmlcharrefreplace")
        element = b'<div class="%s">\r\n<pre>\r\n%s</pre>\r\n</div>' % (_CLASS.encode("ascii"), lines)
        if encoding == _QUOTED:
            element = b"".join((_SOFT_BREAK, _in_quoted(element), _SOFT_BREAK))
        find = partial(_put_into_body, new=element, quoted=encoding == _QUOTED)
    return partial(_change_base64, find=find, exactly=text is not None) if encoding == _BASE64 else find


def _in_quoted(text: bytes) -> bytes:
    return binascii.b2a_qp(text, istext=True)


def _put_before(_beginning: bytes, *, last: bool, new: bytes) -> Edit:  # noqa: ARG001  # the place is always there
    return Edit(0, 0, new)


def _cut_lines(beginning: bytes, *, last: bool, quoted: bool) -> Edit | None:  # noqa: ARG001  # found or not
    match = re.search(_QUOTED_BLANK_LINE if quoted else _BLANK_LINE, beginning)
    return Edit(0, match.end(), b"") if match else None


class _Html(NamedTuple):
    """What is looked for in HTML as it is encoded."""

    place: re.Pattern[bytes]
    comment_end: re.Pattern[bytes]
    element: re.Pattern[bytes]
    div: re.Pattern[bytes]


@lru_cache(maxsize=2)
def _html(*, quoted: bool) -> _Html:
    """Return the patterns; in quoted-printable a line may break within each, and its characters stand as they are."""
    soft = _SOFT if quoted else b""

    def word(text: str) -> bytes:
        return soft.join([re.escape(c).encode("ascii") for c in text])

    ends = rb"(?=[\s/>=])"
    rest = ends + b"[^<>]*>"
    before = b"|".join(word(tag) for tag in ("<!doctype", "<html", "</head"))
    return _Html(
        place=re.compile(b"(?i)(%s)|(?:(%s)|%s)%s" % (word("<!--"), word("<body"), before, rest)),
        comment_end=re.compile(word("-->")),
        element=re.compile(b"(?i)%s%s[^<>]*%s[^<>]*>" % (word("<div"), ends, word(_CLASS))),
        div=re.compile(b"(?i)<%s(/?)%s%s%s" % (soft, soft, word("div"), rest)),
    )


def _put_into_body(beginning: bytes, *, last: bool, new: bytes, quoted: bool) -> Edit | None:
    """Find the place right after the body's tag; where there is none, that after the document's own head."""
    html = _html(quoted=quoted)
    at = place = 0
    while match := html.place.search(beginning, at):
        if match[2]:
            return Edit(match.end(), match.end(), new)
        if match[1]:
            if not (end := html.comment_end.search(beginning, match.end())):
                break
            at = end.end()
        else:
            at = place = match.end()
    return Edit(place, place, new) if last else None


def _cut_element(beginning: bytes, *, last: bool, quoted: bool) -> Edit | None:
    """Find a ``div`` of the class that marks an element, with all that is in it (RFC 9788, 4.5.3.3)."""
    html = _html(quoted=quoted)
    match = html.element.search(beginning)
    if match is None:
        return None
    begin, depth = match.start(), 0
    for tag in html.div.finditer(beginning, begin):
        depth += -1 if tag[1] else 1
        if not depth:
            end = tag.end()
            break
    else:
        return None
    if quoted:
        if len(beginning) < end + len(_SOFT_BREAK) and not last:
            return None
        begin -= len(_SOFT_BREAK) if beginning.endswith(_SOFT_BREAK, 0, begin) else 0
        end += len(_SOFT_BREAK) if beginning.startswith(_SOFT_BREAK, end) else 0
    return Edit(begin, end, b"")


def _change_base64(beginning: bytes, *, last: bool, find: Find, exactly: bool) -> Edit | None:
    """Change what base64 text holds, and write all of it again in lines of the same length.

    Args:
        beginning: all of the part.
        last: true.
        find: finds the change in what is encoded.
        exactly: leave alone what would not look as before once the change is undone.
    """
    lines = beginning.rstrip(b"\r\n")
    first, feed, _ = lines.partition(LF)
    eol = CRLF if not feed or first.endswith(b"\r") else LF
    length = len(first.rstrip(b"\r"))
    if not length or length % 4 or not (feed or length > MIME_LINE):
        length = MIME_LINE
    try:
        content = binascii.a2b_base64(lines)
    except binascii.Error:
        return None
    if exactly and encode_base64(content, length, eol).rstrip() != lines:
        return None
    if (edit := find(content, last=last)) is None:
        return None
    parts = (content[: edit.begin], edit.new, content[edit.end :])
    return Edit(0, len(lines), encode_base64(b"".join(parts), length, eol).removesuffix(eol))
