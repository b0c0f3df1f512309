"""The way back: the outer fields and the opened entity become one mail again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.errors import NotMailError
from smime_session.mail.entity import is_composite
from smime_session.mail.fields import find_body, find_value, parse_fields, parse_token
from smime_session.mail.line_endings import CRLF, LineFeeds, with_line_feeds
from smime_session.profiles import MAX_MAIL_HEADER_SIZE

if TYPE_CHECKING:
    from smime_session.mail.blocks import Block
    from smime_session.mail.entity import MailHead
    from smime_session.mail.fields import Field
    from smime_session.mail.transfer import Target


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
    """Write the mail that an opened envelope holds: the exact inverse of splitting it.

    The entity takes on the outer mail's line endings, except a body whose encoding is binary. A whole mail,
    as some programs seal one, brings its own From, To, Subject and so on, and the outer ones are left out.
    Content that is no entity, like the bare text some programs encrypt, gets a blank line before
    it and is left as it is.

    Args:
        head: the encrypted mail's head.
        target: where the mail goes.
    """

    def __init__(self, head: MailHead, target: Target) -> None:
        self._head = head
        self._target = target
        self._held: bytes | None = b""
        self._line_feeds: LineFeeds | None = None

    def write(self, data: Block) -> None:
        """Take the next octets of the entity."""
        if self._held is None:
            self._target.write(data if self._line_feeds is None else self._line_feeds.convert(data))
            return
        seen = max(0, len(self._held) - len(CRLF))
        self._held = b"".join((self._held, data))
        if body := find_body(self._held, seen):
            self._begin(self._held, body)
        elif len(self._held) > MAX_MAIL_HEADER_SIZE:
            self._begin(self._held, 0)

    def finish(self) -> None:
        """Write what waited for more."""
        if self._held is not None:
            self._begin(self._held, len(self._held))
        if self._line_feeds is not None:
            self._target.write(self._line_feeds.finish())

    def _begin(self, content: bytes, body: int) -> None:
        """Write everything up to the body, which begins at octet ``body`` of ``content``, and what is there of it."""
        self._held = None
        start = _start(self._head, content[:body])
        self._target.write(start.octets)
        self._line_feeds = LineFeeds(composite=start.composite) if start.body_has_line_feeds else None
        self.write(memoryview(content)[len(start.taken) :])


def reunite(head: MailHead, content: bytes) -> bytes:
    """Return the mail that an opened envelope holds, as :class:`Reunion` writes it.

    Args:
        head: the encrypted mail's head.
        content: the entity.
    """
    body = find_body(content) or (len(content) if len(content) <= MAX_MAIL_HEADER_SIZE else 0)
    start = _start(head, content[:body])
    rest = content[len(start.taken) :]
    return b"".join(
        (start.octets, with_line_feeds(rest, composite=start.composite) if start.body_has_line_feeds else rest)
    )


class _Start(NamedTuple):
    """How a mail begins that holds an entity.

    Attributes:
        octets: the octets that it begins with.
        taken: what they take of the entity.
        body_has_line_feeds: whether what follows is to have bare line feeds.
        composite: whether it has parts, of which one may be binary.
    """

    octets: bytes
    taken: bytes = b""
    body_has_line_feeds: bool = False
    composite: bool = False


def _start(head: MailHead, inner: bytes) -> _Start:
    """Join the outer fields and ``inner``, which seems to be the head of an entity."""
    fields = entity_fields(inner)
    if fields is None:
        return _Start(head.outer + head.eol)
    repeated = [name for name, _ in fields if name in _ONCE]
    outer = head.outer_without(repeated)
    if head.eol == CRLF:
        return _Start(outer)
    binary = parse_token(find_value(fields, "content-transfer-encoding")) == "binary"
    return _Start(outer + with_line_feeds(inner), inner, not binary, is_composite(fields))


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
