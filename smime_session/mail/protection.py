"""Header protection: the header fields of a mail travel inside its envelope as well (RFC 9788).

Inside, in the Cryptographic Payload, stands every field as the mail had it, and ``HP-Outer`` fields that tell what
stands outside. So a reader gets the fields as they were written, and learns which of those outside were changed.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.errors import MessageError
from smime_session.mail.fields import Field, find_value, parse_media_type, parse_parameters, parse_token
from smime_session.mail.header_policy import DEFAULT_HEADERS, POLICIES
from smime_session.mail.line_endings import CRLF, LF, canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from smime_session.mail.header_policy import HeaderPolicy

_HP_OUTER: Final = "hp-outer"
_TOLD: Final = b"HP-Outer: "
_FOLDED: Final = 78  # characters of a line, after which addresses stand on lines of their own (RFC 5322, 2.1.1)

_LAYERS: Final = frozenset(
    {"application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/signed", "multipart/encrypted"}
)
_COMPOSED: Final = frozenset(
    {
        "bcc",
        "cc",
        "comments",
        "date",
        "disposition-notification-to",
        "followup-to",
        "from",
        "hp-outer",
        "importance",
        "in-reply-to",
        "keywords",
        "mail-followup-to",
        "mail-reply-to",
        "message-id",
        "organization",
        "priority",
        "references",
        "reply-to",
        "return-receipt-to",
        "sender",
        "subject",
        "to",
    }
)
"""Fields by which a reader, or a reply, is led: where only the outside has one, it is not the author's."""

_TRACE: Final = frozenset(
    {
        "authentication-results",
        "delivered-to",
        "dkim-signature",
        "received",
        "received-spf",
        "return-path",
        "x-received",
    }
)
_TRACE_FAMILIES: Final = ("arc-", "list-", "resent-")
"""With those before, the fields that every station on the way may add once more (RFC 9788, 7)."""

_PLACEHOLDERS: Final = frozenset({b"...", b"[...]", b"encrypted message", b"pep", b"=?utf-8?q?p=e2=89=a1p?="})
"""What older programs write in place of a hidden Subject, in lower case; only of these no ``HP-Outer`` tells."""

_CLOSED: Final = (b"pkcs7-mime", b"signed", b"encrypted")
_AS_IT_IS: Final = frozenset({"7bit", "8bit", "binary"})
_FIELD_START: Final = rb"([!-9;-~]+)[ \t]*:"
_MEDIA_TYPE: Final = rb"[^:]*:(?:[ \t\r\n]|\([^()\\]*\))*[^\s;()/]*(?:[ \t]*/[ \t]*[^\s;()]*)?"
_QUOTED: Final = rb'"(?>(?:[^"\\]+|\\.)*)"?'  # to the end where no quote ends it, which is looked for once
_COMMENT: Final = rb"\((?>(?:[^()\\]+|\\.)*)\)?"
_PARAMETER: Final = rb"(?i)" + _QUOTED + rb"|" + _COMMENT + rb'|(;\s*%s\s*=\s*(?:"[^"\\]*"|[^\s;"]*))'


class Protected(NamedTuple):
    """A mail's head, made ready for its envelope.

    Attributes:
        outer: the fields that stand outside, of the structural ones only MIME-Version.
        inner: the fields of the payload.
        hidden: the fields that stand outside in another form or not at all.
    """

    outer: tuple[Field, ...]
    inner: tuple[Field, ...]
    hidden: tuple[Field, ...]


class Restored(NamedTuple):
    """What a payload says about the mail it came in.

    Attributes:
        kept: fields from outside that were added on the way.
        fields: the mail's own fields, as they were before it was protected.
        altered: names of fields that stand outside in another form than they were sent in, in the order they are found.
        display: whether fields were hidden when it was encrypted, so that its body may have legacy display elements.
    """

    kept: tuple[Field, ...]
    fields: tuple[Field, ...]
    altered: tuple[str, ...]
    display: bool


def is_structural(name: str) -> bool:
    """Tell whether a field, by its name in lower case, describes a body and not a mail (RFC 9787, 1.1.1)."""
    return name.startswith("content-") or name == "mime-version"


def is_layer(content_type: str) -> bool:
    """Tell whether a media type is that of something signed or encrypted: its head is not the payload's."""
    return content_type in _LAYERS


def protect(
    fields: Sequence[Field], policy: HeaderPolicy, *, eol: bytes = CRLF, dropped: Collection[str] = ()
) -> Protected:
    """Divide the fields of a mail that is to be encrypted (RFC 9788, 5.2.1).

    Of a mail that is signed or encrypted already only what describes its content goes inside: its payload, where
    the fields would have to stand, is closed. What a mail says itself of fields that it protects goes nowhere: inside
    they are not those that it spoke of, and readers would leave out what stands outside alone.

    Args:
        fields: all of them. A Content-Type has the ``hp`` parameter added; where there is none, one is made.
        policy: what is shown outside.
        eol: the line ending outside.
        dropped: lower-case names of fields that go nowhere.

    Raises:
        MessageError: what is signed or encrypted already has no place for the fields that are to be hidden.
    """
    shown = POLICIES.get(policy) if policy != DEFAULT_HEADERS else None  # which hides nothing: no value is looked at
    bare = policy == "none" or _is_closed(fields)
    outer: list[Field] = []
    inner: list[Field] = []
    hidden: list[Field] = []
    for whole in fields:
        name, raw = whole
        if name == _HP_OUTER or name in dropped:
            continue
        field = whole if raw.endswith(LF) else Field(name, raw + eol)
        if name.startswith("content-"):
            says = bare and name == "content-type" and b"hp" in raw.lower()
            inner.append(remove_parameter(field, b"hp") if says else field)
            continue
        if not bare:
            inner.append(field)
        if shown is None or name == "mime-version" or (outside := shown(name, value := field.value)) == value:
            outer.append(field)
        else:
            hidden.append(field)
            if outside is not None:
                outer.append(_with_value(field, outside, eol))
    if not bare:
        _mark(inner)
        inner += [_told(name, raw) for name, raw in outer if name != "mime-version"]
    elif hidden:
        raise MessageError("a mail that is signed or encrypted already has no place inside for header fields to hide")
    return Protected(tuple(outer), tuple(inner), tuple(hidden))


def _is_closed(fields: Sequence[Field]) -> bool:
    """Tell whether fields are those of something signed or encrypted."""
    for name, raw in fields:
        if name == "content-type":
            value = raw.lower()  # most mails have none of these words in it, and nothing is parsed
            return any(word in value for word in _CLOSED) and is_layer(parse_media_type(find_value(fields, name)))
    return False


def _mark(inner: list[Field]) -> None:
    """Say in the Content-Type of a payload that it protects its fields (RFC 9788, 2.1.1)."""
    for index, field in enumerate(inner):
        if field.name == "content-type":
            inner[index] = add_parameter(remove_parameter(field, b"hp"), b'hp="cipher"')
            return
    inner.append(Field("content-type", b'Content-Type: text/plain; hp="cipher"' + CRLF))


def restore(outer: Sequence[Field], payload: Sequence[Field], *, wrapped: bool = False) -> Restored | None:
    """Take the fields of a mail out of its payload (RFC 9788, 4.2), and compare those outside with what was sent.

    Fields outside that their author did not send are left out, except those that are known to be added on the way.

    Args:
        outer: the fields of the mail as it came, in their order.
        payload: the fields at the beginning of what it held.
        wrapped: whether these stood in a whole mail inside, which is what RFC 8551, 3.1 protects fields with.

    Returns:
        None if the payload does not say that it protects fields.
    """
    parameters = parse_parameters(find_value(payload, "content-type"))
    scheme = parameters.get("hp", "").lower()
    known = scheme in {"cipher", "clear"}
    if not (known or wrapped or parameters.get("protected-headers", "").lower().startswith("v1")):
        return None
    told = [field for field in payload if field.name == _HP_OUTER]
    fields = tuple([_unmarked(field) for field in payload if field.name != _HP_OUTER])
    if scheme == "cipher" and (stations := _unchanged(outer, fields, told)) is not None:
        return Restored(stations, fields, (), display=False)
    own = _by_name(fields)
    is_told = scheme == "cipher" and bool(told)
    sent = _by_name(_untold(told)) if is_told else own
    if known:
        kept = _added_on_the_way(outer, own, sent)
    else:
        inside = {field.name for field in fields if not is_trace(field.name)}
        kept = tuple(field for field in outer if not (field.name.startswith("content-") or field.name in inside))
    altered = _altered(sent, _by_name(outer), exactly=is_told or scheme == "clear", all_inside=known)
    display = scheme == "cipher" and not (is_told and sent == own)
    return Restored(kept, fields, _spelt(altered, (*outer, *_untold(told), *fields)) if altered else (), display)


def _unchanged(outer: Sequence[Field], fields: Sequence[Field], told: Sequence[Field]) -> tuple[Field, ...] | None:
    """Return what stations on the way put before a mail's fields, if these were not hidden and nothing was changed.

    That is so for most mails, and to see it takes a third of the time of comparing them by name and value.
    """
    own = _text([raw for name, raw in fields if not is_structural(name)])
    if not told or own != _text([raw.removeprefix(_TOLD) for _, raw in told]):
        return None
    shown = [field for field in outer if not is_structural(field.name)]
    stations, sent = shown[: -len(told)], shown[-len(told) :]
    if own != _text([raw for _, raw in sent]) or not all(is_trace(name) for name, _ in stations):
        return None
    return tuple(stations)


def _text(raw: list[bytes]) -> bytes:
    """Return fields one after the other, with one kind of line ending."""
    return b"".join(raw).replace(CRLF, LF)


def is_trace(name: str) -> bool:
    """Tell whether a field, by its name in lower case, is one of those that are added on the way again and again."""
    return name in _TRACE or name.startswith(_TRACE_FAMILIES)


def holds_wrapped_mail(outer: Sequence[Field], payload: Sequence[Field], inside: Sequence[Field]) -> bool:
    """Tell whether a payload is a whole mail whose fields are to be taken for those outside (RFC 9788, 4.10.1).

    One that is only forwarded is not: its message identifier is another, and it does not say that it is not forwarded.

    Args:
        outer: the fields of the mail as it came.
        payload: the fields of the payload.
        inside: the fields of the mail in it.
    """
    value = find_value(payload, "content-type")
    if parse_media_type(value) != "message/rfc822":
        return False
    if (parse_token(find_value(payload, "content-transfer-encoding")) or "7bit") not in _AS_IT_IS:
        return False
    parameters = parse_parameters(value) | parse_parameters(find_value(inside, "content-type"))
    if _is_closed(inside) or "hp" in parameters:
        return False
    if parse_parameters(value).get("forwarded", "").lower() == "no":
        return True
    identifier = find_value(inside, "message-id")
    return bool(identifier) and identifier == find_value(outer, "message-id")


def add_parameter(field: Field, parameter: bytes) -> Field:
    """Add a parameter to a Content-Type field, right behind the media type, where no other text can swallow it."""
    media_type, rest = _split_type(field.raw)
    return Field(field.name, b"".join((media_type, b"; ", parameter, rest)))


def remove_parameter(field: Field, name: bytes) -> Field:
    """Take a parameter out of a Content-Type field; all else stays as it is. The inverse of :func:`add_parameter`."""
    if name not in field.raw.lower():
        return field
    line = field.raw.removesuffix(LF).removesuffix(b"\r")
    media_type, rest = _split_type(line)
    rest = _parameter(name).sub(lambda match: b"" if match[1] else match[0], rest)
    return Field(field.name, media_type + rest + field.raw[len(line) :])


def _split_type(raw: bytes) -> tuple[bytes, bytes]:
    """Split a Content-Type field behind the media type, or where one would end, before the end of its line."""
    value = raw.removesuffix(LF).removesuffix(b"\r")
    end = match.end() if (match := re.match(_MEDIA_TYPE, value)) else len(value)
    return raw[:end], raw[end:]


@lru_cache(maxsize=4)
def _parameter(name: bytes) -> re.Pattern[bytes]:
    """Return what finds a parameter and, so that none is found inside them, quoted strings and comments."""
    return re.compile(_PARAMETER % re.escape(name))


def joined(fields: Sequence[Field]) -> bytes:
    """Return fields one after the other, with CRLF line endings."""
    return canonical(b"".join([raw for _, raw in fields]))


def _with_value(field: Field, value: str, eol: bytes) -> Field:
    """Return a field with another value, which has no line ending; many addresses are folded."""
    text = value.encode("ascii")
    if len(text) > _FOLDED:
        text = text.replace(b", ", b"," + eol + b" ")
    return Field(field.name, b"".join((_spelling(field), b": ", text, eol)))


def _told(name: str, raw: bytes) -> Field:
    """Return the HP-Outer field that tells of a field outside (RFC 9788, 2.2.1)."""
    if not raw.startswith(b": ", len(name)):
        raw = b"".join((raw[: len(name)], b": ", raw.partition(b":")[2].lstrip(b" \t")))
    return Field(_HP_OUTER, _TOLD + raw)


def _untold(told: Sequence[Field]) -> list[Field]:
    """Return the fields that HP-Outer fields tell of; what is none is passed over."""
    fields: list[Field] = []
    for _, raw in told:
        field = raw.partition(b":")[2].lstrip()
        if match := re.match(_FIELD_START, field):
            fields.append(Field(match[1].decode("ascii").lower(), field))
    return fields


def _spelt(names: Sequence[str], fields: Sequence[Field]) -> tuple[str, ...]:
    """Return names as the last field of that name is spelt."""
    spelt = {field.name: _spelling(field).decode("ascii") for field in fields}
    return tuple(spelt[name] for name in names)


def _unmarked(field: Field) -> Field:
    return remove_parameter(field, b"hp") if field.name == "content-type" else field


def _spelling(field: Field) -> bytes:
    return field.raw[: len(field.name)]


def _plain(field: Field) -> bytes:
    """Return a field's value as it reads, however it is folded."""
    return b" ".join(field.raw.partition(b":")[2].split())


_Values = dict[str, list[bytes]]
"""The values that fields have, by their name."""


def _by_name(fields: Sequence[Field]) -> _Values:
    """Return what the fields say that are not structural."""
    found: _Values = {}
    for field in fields:
        if not is_structural(field.name):
            found.setdefault(field.name, []).append(_plain(field))
    return found


def _added_on_the_way(outer: Sequence[Field], own: _Values, sent: _Values) -> tuple[Field, ...]:
    """Return the fields outside that the author did not send and that lead no reader (RFC 9788, 7)."""
    traced = Counter((name, value) for name, values in sent.items() if is_trace(name) for value in values)
    kept: list[Field] = []
    for field in reversed(outer):  # what is added stands before what was there
        name = field.name
        if not is_trace(name):
            if not (is_structural(name) or name in own or name in sent or name in _COMPOSED):
                kept.append(field)
        elif traced[key := (name, _plain(field))] > 0:
            traced[key] -= 1
        else:
            kept.append(field)
    return tuple(reversed(kept))


def _altered(sent: _Values, found: _Values, *, exactly: bool, all_inside: bool) -> list[str]:
    """Return the names of fields that stand outside in another form than they were sent in.

    Args:
        sent: what was sent outside, as far as that is known.
        found: what stands there.
        exactly: whether ``sent`` is all that was sent; otherwise some of it may have been hidden.
        all_inside: whether the scheme has every field inside, so that one of the author's that stands outside alone
            came from another.
    """
    altered: list[str] = []
    for name in dict.fromkeys([*sent, *found]):
        before, after = sent.get(name, []), found.get(name, [])
        if before == after or is_trace(name) or sorted(before) == sorted(after):
            continue
        if not before and (name not in _COMPOSED or not all_inside):
            continue
        if not exactly and before and (not after or (name == "subject" and _is_placeholder(after[0]))):
            continue
        altered.append(name)
    return altered


def _is_placeholder(subject: bytes) -> bool:
    return subject.lower().removeprefix(b"re:").strip() in _PLACEHOLDERS
