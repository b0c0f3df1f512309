"""The way back: the outer fields and the opened entity become one mail again."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.errors import NotMailError
from smime_session.mail.entity import is_composite
from smime_session.mail.fields import find_body, find_value, parse_fields, parse_token
from smime_session.mail.line_endings import CRLF, LF, LineFeeds, with_line_feeds
from smime_session.mail.protection import Restored, holds_wrapped_mail, joined, restore
from smime_session.profiles import MAX_MAIL_HEADER_SIZE

if TYPE_CHECKING:
    from smime_session.mail.blocks import Block
    from smime_session.mail.entity import MailHead
    from smime_session.mail.fields import Field
    from smime_session.mail.main_body import MainBody
    from smime_session.mail.transfer import Target


_WRAPPED: Final = b"message/rfc822"
_ONCE: Final = frozenset(
    {
        "date",
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "message-id",
        "in-reply-to",
        "references",
        "subject",
        "mime-version",
    }
)
"""Fields that a mail has once (RFC 5322, 3.6; RFC 2045, 4): where the sealed part has one too, that one is meant."""


class Reunion:
    """Write the mail that an opened envelope holds: the exact inverse of dividing it.

    The entity takes on the outer mail's line endings, except a body whose encoding is binary. Protected header fields
    are restored (RFC 9788). A whole mail that says nothing of protection, as some programs seal one, brings its own
    From, To, Subject and so on, and the outer ones are left out. Content that is no entity, like the bare text some
    programs encrypt, gets a blank line before it and is left as it is.

    Args:
        head: the encrypted mail's head.
        target: where the mail goes.

    Attributes:
        altered_headers: names of header fields that were changed outside, once the body has begun.
    """

    def __init__(self, head: MailHead, target: Target) -> None:
        self.altered_headers: tuple[str, ...] = ()
        self._head = head
        self._target = target
        self._held: bytes | None = b""
        self._wrapper = 0  # octets of a head that may be that of a wrapped mail, whose own has to follow
        self._main_body: MainBody | None = None
        self._waiting: _Start | None = None
        self._line_feeds: LineFeeds | None = None

    def write(self, data: Block) -> None:
        """Take the next octets of the entity."""
        if self._held is None:
            self._write_body(data)
            return
        seen = max(0, len(self._held) - len(CRLF))
        self._held = b"".join((self._held, data))
        if body := self._find_body(self._held, seen):
            self._begin(self._held, body)
        elif len(self._held) > MAX_MAIL_HEADER_SIZE:
            self._begin(self._held, self._wrapper)

    def finish(self) -> None:
        """Write what waited for more."""
        if self._held is not None:
            self._begin(self._held, len(self._held))
        if self._main_body is not None:
            last, main_body = self._main_body.finish(), self._main_body
            self._main_body = None
            self._write_head(changed=bool(main_body.changed))
            self._write_body(last)
        if self._line_feeds is not None:
            self._target.write(self._line_feeds.finish())

    def _find_body(self, content: bytes, seen: int) -> int:
        """Return where the body begins, behind a second head if it may be that of a wrapped mail; 0 if it does not."""
        if not self._wrapper:
            body = find_body(content, seen)
            if not body or _WRAPPED not in content[:body].lower():
                return body
            self._wrapper = body
        inner = find_body(content[self._wrapper :])
        return self._wrapper + inner if inner else 0

    def _begin(self, content: bytes, body: int) -> None:
        """Write everything up to the body, which begins at octet ``body`` of ``content``, and what is there of it."""
        self._held = None
        start = _start(self._head, content[:body])
        self.altered_headers = start.altered_headers
        self._line_feeds = LineFeeds(composite=start.composite) if start.body_has_line_feeds else None
        self._waiting = start
        self._main_body = start.main_body
        if self._main_body is None:
            self._write_head(changed=False)
        self._write_body(memoryview(content)[len(start.taken) :])

    def _write_head(self, *, changed: bool) -> None:
        """Write the head, which waits until it is known whether it changes with the body."""
        if self._waiting is not None:
            self._target.write(self._waiting.changed_octets if changed else self._waiting.octets)
            self._waiting = None

    def _write_body(self, data: Block) -> None:
        if self._main_body is not None:
            data = self._main_body.convert(data)
            if self._main_body.changed is not None:
                self._write_head(changed=self._main_body.changed)
        self._target.write(data if self._line_feeds is None else self._line_feeds.convert(data))


class Reunited(NamedTuple):
    """A mail that an opened envelope held.

    Attributes:
        mail: its octets.
        altered_headers: names of header fields that were changed outside.
    """

    mail: bytes
    altered_headers: tuple[str, ...]


def reunite(head: MailHead, content: bytes) -> Reunited:
    """Return the mail that an opened envelope holds, as :class:`Reunion` writes it.

    Args:
        head: the encrypted mail's head.
        content: the entity.
    """
    body = find_body(content)
    if 0 < body <= MAX_MAIL_HEADER_SIZE and _WRAPPED not in content[:body].lower():
        start = _start(head, content[:body])
        if not (start.main_body or start.body_has_line_feeds):
            return Reunited(b"".join((start.octets, memoryview(content)[len(start.taken) :])), start.altered_headers)
    with BytesIO() as target:
        reunion = Reunion(head, target)
        reunion.write(content)
        reunion.finish()
        return Reunited(target.getvalue(), reunion.altered_headers)


def in_place(content: bytes, eol: bytes) -> bytes:
    """Return an opened entity as it stands in the place of a part; bare text gets a blank line before it.

    Args:
        content: the entity, in canonical form.
        eol: the line ending around it, which it takes on, except a body whose encoding is binary.
    """
    body = find_body(content) or len(content)
    fields = entity_fields(content[:body])
    if fields is None:
        return eol + content
    if eol == CRLF:
        return content
    after = content[body:]
    if not _is_binary(fields):
        after = with_line_feeds(after, composite=is_composite(fields))
    return with_line_feeds(content[:body]) + after


class _Start(NamedTuple):
    """How a mail begins that holds an entity.

    Attributes:
        octets: the octets that it begins with.
        taken: what they take of the entity.
        body_has_line_feeds: whether what follows is to have bare line feeds.
        composite: whether it has parts, of which one may be binary.
        altered_headers: names of header fields that were changed outside.
        main_body: takes legacy display elements out of its body; None if that has none.
        changed_octets: the octets that it begins with if the mail itself is a part that had one.
    """

    octets: bytes
    taken: bytes = b""
    body_has_line_feeds: bool = False
    composite: bool = False
    altered_headers: tuple[str, ...] = ()
    main_body: MainBody | None = None
    changed_octets: bytes = b""


def _start(head: MailHead, inner: bytes) -> _Start:
    """Join the outer fields and ``inner``, which seems to be the head of an entity, and of a mail wrapped in it."""
    end = find_body(inner) or len(inner)
    fields = entity_fields(inner[:end])
    if fields is None:
        return _Start(head.outer + head.eol)
    inside = _fields_of_wrapped(inner[end:])
    wrapped = bool(inside) and holds_wrapped_mail(head.fields, fields, inside)
    if found := restore(head.fields, inside if wrapped else fields, wrapped=wrapped):
        return _restored(head, inner if wrapped else inner[:end], found)
    outer = head.outer_without([name for name, _ in fields if name in _ONCE])
    if head.eol == CRLF:
        return _Start(outer)
    inner = inner[:end]
    return _Start(outer + with_line_feeds(inner), inner, not _is_binary(fields), is_composite(fields))


def _restored(head: MailHead, taken: bytes, found: Restored) -> _Start:
    """Put what was added on the way before a mail's own fields; lines that are no fields would hide those from some."""
    outer = head.mbox_line + b"".join([raw for name, raw in found.kept if name])

    def octets(fields: tuple[Field, ...]) -> bytes:
        own = joined(fields) + CRLF
        return outer + (own if head.eol == CRLF else with_line_feeds(own))

    line_feeds = head.eol == LF and not _is_binary(found.fields)
    start = _Start(octets(found.fields), taken, line_feeds, is_composite(found.fields), found.altered)
    if not found.display:
        return start
    from smime_session.mail.main_body import MainBody  # loads legacy display elements, which few mails have: 7 ms

    main_body = MainBody(found.fields, None)
    return start._replace(main_body=main_body, changed_octets=octets(main_body.fields(changed=True)))


def _is_binary(fields: tuple[Field, ...]) -> bool:
    return parse_token(find_value(fields, "content-transfer-encoding")) == "binary"


def _fields_of_wrapped(head: bytes) -> tuple[Field, ...]:
    """Return the fields of a mail in another, or none if it is no mail."""
    try:
        return parse_fields(head) if head else ()
    except NotMailError:
        return ()


def entity_fields(head: bytes) -> tuple[Field, ...] | None:
    """Return the fields of a MIME entity's head, or None if ``head`` does not look like one.

    A head needs a ``Content-*`` field or MIME-Version to be believed: bare text may well begin with
    a word and a colon. One without any field, which is a blank line, is one (RFC 2045, 5.2).
    """
    if head in (b"\n", b"\r\n"):
        return ()
    try:
        fields = parse_fields(head)
    except NotMailError:
        return None
    described = [name for name, _ in fields if name.startswith("content-") or name == "mime-version"]
    return fields if described else None


def begins_like_entity(data: bytes) -> bool:
    """Tell whether ``data`` begins with the head of a MIME entity, complete in ``data``; with fields, unlike noise."""
    return bool(entity_fields(data[: find_body(data) or len(data)]))
