"""The mail addresses in a header field (RFC 5322, 3.4; RFC 6532), to find certificates by.

Everything that may stand in an address field is read: groups, comments, quoted names and local parts, routes.
What is no address is an error and never passed over: a recipient that is missed gets no mail, or one that
cannot be read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from smime_session.errors import LimitError, MessageError
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ADDRESSES: Final = 100_000  # in one field: five times what a message may have
_MAX_COMMENT_LEVELS: Final = 64  # of comments in comments

_TOKEN: Final = re.compile(r'[ \t\r\n]+|(?P<special>[,:;<>@.\\()\[\]"])|(?P<atom>[^ \t\r\n,:;<>@.\\()\[\]"]+)')
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_LITERAL: Final = re.compile(r"\[[^\[\]\\]*\]")
_IN_COMMENT: Final = re.compile(r"[^()\\]*(?:\\.|[()])", re.DOTALL)
_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_DOT_ATOM: Final = re.compile(r'[^\x00-\x20\x7f()<>\[\]:;@\\,."]+(?:\.[^\x00-\x20\x7f()<>\[\]:;@\\,."]+)*')
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_WORD: Final = "word"
_QUOTE: Final = "quoted string"
_DOMAIN_LITERAL: Final = "domain literal"


def addresses_in(value: bytes, field: str) -> list[str]:
    """Return the addresses in an address field, in their order, repetitions included.

    A local part that needs quotes keeps them. Display names and comments are dropped without being decoded, so that
    what an encoded word hides is never taken for an address (RFC 2047, 5).

    Args:
        value: what stands behind the colon, folded or not.
        field: the field's name, for errors.

    Raises:
        MessageError: something in it is no address.
        LimitError: there are too many.
    """
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise MessageError(f"the {field} field is neither ASCII nor UTF-8") from None
    found: list[str] = []
    for element in _elements(text, field):
        found.append(_address(element, field))
        if len(found) > MAX_ADDRESSES:
            raise LimitError(f"the number of addresses in the {field} field", MAX_ADDRESSES)
    return found


_Token = tuple[str, str]  # its kind, which for a special character is that character, and its text


def _elements(text: str, field: str) -> Iterator[list[_Token]]:
    """Yield the tokens of each address, without the names of groups and of ``name <address>``."""
    element: list[_Token] = []
    in_group = in_brackets = False
    tokens = iter((*_tokens(text, field), (",", ",")))
    for kind, word in tokens:
        if in_brackets and kind not in {",", ";"}:  # which of them readers take for the address differs
            raise _no_address(field, text)
        if kind == "<":
            element = _in_angle_brackets(tokens, field, text)
            in_brackets = True
        elif kind not in {",", ":", ";"}:
            element.append((kind, word))
        elif (kind == ":" and (in_group or not element)) or (kind == ";" and not in_group):
            raise _no_address(field, text)
        else:
            if element and kind != ":":
                yield element
            element = []
            in_brackets = False
            in_group = kind == ":" or (in_group and kind == ",")
    if in_group:
        raise _no_address(field, text)


def _in_angle_brackets(tokens: Iterator[_Token], field: str, text: str) -> list[_Token]:
    """Return what stands before the closing bracket, without an obsolete route (RFC 5322, 4.4)."""
    inner: list[_Token] = []
    for kind, word in tokens:
        if kind == ">":
            return inner or [(kind, word)]
        if kind == ":" and inner[:1] == [("@", "@")]:
            inner.clear()
        else:
            inner.append((kind, word))
    raise _no_address(field, text)


def _tokens(text: str, field: str) -> Iterator[_Token]:
    """Yield what a field consists of, without white space and comments."""
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:  # every character is white space, special or part of an atom
            raise _no_address(field, text[at:])
        special = match["special"]
        if special == "(":
            at = _after_comment(text, at, field)
        elif special in {'"', "["}:
            whole = (_QUOTED if special == '"' else _LITERAL).match(text, at)
            if whole is None:
                raise _no_address(field, text[at:])
            yield (_QUOTE, _PAIR.sub(r"\1", whole[1])) if special == '"' else (_DOMAIN_LITERAL, whole[0])
            at = whole.end()
        elif special in {")", "]", "\\"}:
            raise _no_address(field, text[at:])
        else:
            at = match.end()
            if special:
                yield special, special
            elif match["atom"]:
                yield _WORD, match["atom"]


def _after_comment(text: str, at: int, field: str) -> int:
    """Return where a comment ends, which may hold others."""
    begin, level = at, 0
    while match := _IN_COMMENT.match(text, at):
        at = match.end()
        if match[0][-2:-1] != "\\":  # else the last two characters are a quoted pair
            level += 1 if match[0][-1] == "(" else -1
        if not level:
            return at
        if level > _MAX_COMMENT_LEVELS:
            raise LimitError(f"the nesting of comments in the {field} field", _MAX_COMMENT_LEVELS)
    raise _no_address(field, text[begin:])


def _address(element: list[_Token], field: str) -> str:
    """Return the address that tokens make: ``local@domain``, alone or in angle brackets."""
    kinds = [kind for kind, _ in element]
    shown = "".join(f'"{word}"' if kind == _QUOTE else word for kind, word in element)
    at = kinds.index("@") if "@" in kinds else len(kinds)
    local, domain = _local_part(element[:at]), _domain(element[at + 1 :])
    if not local or not domain:
        raise _no_address(field, shown)
    return f"{local}@{domain}"


def _local_part(tokens: list[_Token]) -> str:
    """Return a local part, quoted where it must be; empty if the tokens are none."""
    if not _alternates(tokens, {_WORD, _QUOTE}):
        return ""
    plain = "".join(word for _, word in tokens)
    if _CONTROL.search(plain):
        return ""
    if _DOT_ATOM.fullmatch(plain):
        return plain
    return '"{}"'.format(re.sub(r'(["\\])', r"\\\1", plain)) if any(kind == _QUOTE for kind, _ in tokens) else ""


def _domain(tokens: list[_Token]) -> str:
    """Return a domain, or an address literal; empty if the tokens are none."""
    if [kind for kind, _ in tokens] == [_DOMAIN_LITERAL]:
        return "" if _CONTROL.search(tokens[0][1]) else tokens[0][1]
    text = "".join(word for _, word in tokens)
    return text if _alternates(tokens, {_WORD}) and _DOT_ATOM.fullmatch(text) else ""


def _alternates(tokens: list[_Token], kinds: set[str]) -> bool:
    """Tell whether words stand with a dot between each two (RFC 5322, 4.4 allows quoted ones among them)."""
    return len(tokens) % 2 == 1 and all(
        kind in kinds if place % 2 == 0 else kind == "." for place, (kind, _) in enumerate(tokens)
    )


def _no_address(field: str, text: str) -> MessageError:
    return MessageError(f"the {field} field holds what is no mail address: {excerpt(' '.join(text.split()))}")
