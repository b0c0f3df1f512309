"""Header fields as raw octets, and the little of their meaning that is needed (RFC 5322, 2.2; RFC 2045, 5.1)."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.errors import NotMailError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME: Final = rb"(?>[!-9;-~]+)"
_COLON: Final = rb"(?>[ \t]*):"
_VALUE: Final = rb"(?>[^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)"
_FIELD_OR_REST: Final = re.compile(rb"((" + _NAME + rb")" + _COLON + _VALUE + rb")|((?s:.+))")
_FIELD_START: Final = re.compile(_NAME + _COLON)
_MBOX_LINE: Final = re.compile(rb">?From [^\n]*\n")
_PARSED: Final = 4096  # characters of a value that are parsed; real ones are under a hundred

# Compiled when they are first used, which for many a mail is never.
_MEDIA_TYPE: Final = r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*"
_COMMENT: Final = r'("(?>(?:[^"\\]|\\.)*)"?|\\.)|\((?>(?:[^()\\]|\\.)*)\)'  # no character is tried more than twice
_PARAMETER: Final = r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))'
_ESCAPE: Final = r"\\(.)"
_LINE: Final = rb"[^\n]*\n|[^\n]+"
_SECTION: Final = r"([^*]+)(?:\*(\d{1,3}))?(\*)?"


class Field(NamedTuple):
    """One header field.

    Attributes:
        name: its name in lower case.
        raw: its octets: name, colon, value, folding and the line ending.
    """

    name: str
    raw: bytes

    @property
    def value(self) -> str:
        """The value unfolded and stripped; octets outside UTF-8 are replaced."""
        text = self.raw.partition(b":")[2].decode("utf-8", "replace")
        return text.replace("\r", "").replace("\n", "").strip()


def begins_like_mail(text: bytes) -> bool:
    """Tell whether the first line of ``text`` can be that of a mail."""
    return bool(_MBOX_LINE.match(text) or _FIELD_START.match(text))


def no_mail(text: bytes, what: str = "not a mail") -> NotMailError:
    """Return the error of an input whose first line is none of a mail.

    Args:
        text: the input, or its beginning.
        what: what the input is, in a few words.
    """
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        problem = "it is text in UTF-16"
    elif text.startswith(b"\xef\xbb\xbf"):
        problem = "it begins with a byte order mark"
    else:
        problem = "line 1 is not a header field"
    return NotMailError(f"this is {what}: {problem}")


def find_body(text: bytes, start: int = 0) -> int:
    """Return where the body begins, which is after the first blank line; 0 if ``text`` has none.

    Args:
        text: a mail, or its beginning.
        start: an octet no later than the third before the end of the first blank line.
    """
    if text.startswith((b"\n", b"\r\n")):
        return text.index(b"\n") + 1
    usual, other = (b"\n\r\n", b"\n\n") if text[: text.find(b"\n")].endswith(b"\r") else (b"\n\n", b"\n\r\n")
    found = text.find(usual, start)
    end = found + len(usual) if found >= 0 else 0
    earlier = text.find(other, start, end or None)
    return earlier + len(other) if earlier >= 0 else end


def split_mbox_line(head: bytes) -> tuple[bytes, bytes]:
    """Split the ``From `` line that mail stores put before a mail from the head proper."""
    match = _MBOX_LINE.match(head)
    end = match.end() if match else 0
    return head[:end], head[end:]


def parse_fields(head: bytes, *, first_line: int = 1) -> tuple[Field, ...]:
    """Cut a head into its fields; the blank line at its end may be there or not.

    Args:
        head: the octets of the head.
        first_line: the number of its first line, for errors.

    Raises:
        NotMailError: a line is neither a field nor the continuation of one, or holds a NUL octet.
    """
    position = head.find(b"\0")
    if position >= 0:
        line = first_line + head.count(b"\n", 0, position)
        if line == 1 and not begins_like_mail(head):
            raise no_mail(head)
        raise NotMailError(f"line {line} is not a line of a mail header: it holds a NUL byte")
    found = _FIELD_OR_REST.findall(head)
    rest = found.pop()[2] if found and found[-1][2] else b""
    if not found or rest not in (b"", b"\n", b"\r\n"):
        line = first_line + head.count(b"\n", 0, len(head) - len(rest))
        if line == 1:
            raise no_mail(head)
        raise NotMailError(f"line {line} is not a mail header field")
    return tuple([Field(name.decode("ascii").lower(), raw) for raw, name, _ in found])


def parse_fields_leniently(head: bytes) -> tuple[Field, ...]:
    """Cut a head into its fields, for reading; a line that is no field has no name, and is kept like the others.

    Args:
        head: the bytes of the head; the blank line at its end may be there or not.
    """
    starts: list[int] = []
    at = 0
    for line in re.findall(_LINE, head):
        if line in {b"\n", b"\r\n"}:
            break
        if not starts or not line.startswith((b" ", b"\t")):
            starts.append(at)
        at += len(line)
    lines = [head[begin:end] for begin, end in pairwise((*starts, at))]
    names = [_FIELD_START.match(line) for line in lines]
    return tuple(
        Field(name[0].rstrip(b": \t").decode("ascii").lower() if name else "", line)
        for name, line in zip(names, lines, strict=True)
    )


def find_value(fields: Sequence[Field], name: str) -> str:
    """Return the value of the first field called ``name`` (lower case), or an empty string."""
    for field in fields:
        if field[0] == name:
            return field.value
    return ""


def parse_token(value: str) -> str:
    """Return a value that is a single token, like that of Content-Transfer-Encoding, in lower case."""
    token = _without_comments(value).partition(";")[0].strip().lower()
    return token if token.isprintable() else _printable(token)


def _without_comments(value: str) -> str:
    """Return the beginning of ``value``, as far as it is parsed at all, without its comments."""
    value = value[:_PARSED]
    return re.sub(_COMMENT, r"\1", value) if "(" in value else value


def parse_media_type(value: str) -> str:
    """Return the media type of a Content-Type value in lower case; ``text/plain`` if it has no valid one.

    RFC 2045, 5.2 makes of an invalid value what it makes of none.
    """
    token = parse_token(value).replace(" ", "")
    return token if re.fullmatch(_MEDIA_TYPE, token) else "text/plain"


def parse_parameters(value: str) -> dict[str, str]:
    """Return the parameters of a structured value by lower-case name, forgiving what can be forgiven.

    Quotes, comments, continued and encoded parameters (RFC 2231, 3 and 4) are understood. Control
    characters are dropped: these values are shown to people.
    """
    found: dict[str, dict[int, str]] = {}
    for name, quoted, plain in re.findall(_PARAMETER, _without_comments(value)):
        section = re.fullmatch(_SECTION, name.lower())
        if section is None:
            continue
        text = re.sub(_ESCAPE, r"\1", quoted) if "\\" in quoted else quoted or plain
        number = int(section[2] or 0)
        if section[3]:
            text = _decode_extended(text, has_charset=number == 0)
        found.setdefault(section[1], {}).setdefault(number, text)
    return {name: _printable("".join(text for _, text in sorted(parts.items()))) for name, parts in found.items()}


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def _decode_extended(text: str, *, has_charset: bool) -> str:
    """Undo the percent encoding of RFC 2231, 4, where only names of files are wanted and UTF-8 serves for all."""
    if has_charset and text.count("'") >= 2:  # noqa: PLR2004  # charset'language'text
        text = text.split("'", 2)[2]
    octets = re.sub(r"%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), text)
    return octets.encode("latin-1", "replace").decode("utf-8", "replace")
