"""The head of a mail, split into fields: those that describe its content, and those that travel outside.

``Bcc`` travels nowhere: it would tell every recipient what it is there to hide (RFC 5322, 3.6.3). Nor does ``Lines``,
the number of lines of a body that is another one afterwards. What goes inside is for
:mod:`~smime_session.mail.payload` to say.
"""

from __future__ import annotations

import binascii
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from smime_session.algorithms import AUTH_ENVELOPED_DATA, ENVELOPED_DATA
from smime_session.cms.asn1 import object_identifier
from smime_session.errors import LimitError, NotMailError
from smime_session.mail.fields import (
    Field,
    begins_like_mail,
    find_body,
    find_value,
    no_mail,
    parse_fields,
    parse_fields_leniently,
    parse_media_type,
    parse_parameters,
    parse_token,
    split_mbox_line,
)
from smime_session.mail.line_endings import CRLF, LF
from smime_session.profiles import MAX_MAIL_HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from smime_session.mail.blocks import Block, NextBlock
    from smime_session.mail.charset import Charset

Scheme = Literal["S/MIME", "PGP/MIME", "multipart/encrypted", ""]
"""How a mail is encrypted; empty if it is not, as far as can be seen."""

HIDDEN_FIELDS: Final = frozenset({"bcc", "resent-bcc", "lines"})
DKIM_FIELD: Final = "dkim-signature"
CMS_TYPES: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})

_ENVELOPED: Final = frozenset({"enveloped-data", "authenveloped-data"})
_ENVELOPE_TYPES: Final = tuple(object_identifier(each) for each in (ENVELOPED_DATA, AUTH_ENVELOPED_DATA))
_PGP: Final = "application/pgp-encrypted"
_LOOKED_AT: Final = 128  # octets of a body that show what its CMS object is
_IDENTIFIED: Final = 32  # octets of the object in which its type stands
_CONTENT: Final = "content-"
_VERSION: Final = "mime-version"
_BARE_RETURN: Final = re.compile(rb"\r(?!\n)")
_TELLING_FIELDS: Final = frozenset({"from", "date", "sender", "received", "message-id"})


class MailHead(NamedTuple):
    """A mail's head, split. What only one direction needs of it is made when it is asked for.

    Attributes:
        fields: every field in order, as the mail had it.
        content_fields: those that go inside; where the mail has none, what it leaves to be understood.
        mbox_line: the ``From `` line of a mail store before the first field, or nothing.
        eol: the line ending of the first line.
        transfer_encoding: the Content-Transfer-Encoding in lower case, ``7bit`` where the mail has none.
        hidden: the lower-case names of fields that go nowhere.
        described: whether the mail itself says what its content is.
        scheme: how the mail is encrypted already, as far as that was looked for.
    """

    fields: tuple[Field, ...]
    content_fields: tuple[Field, ...]
    mbox_line: bytes
    eol: bytes
    transfer_encoding: str
    hidden: Collection[str]
    described: bool
    scheme: Scheme = ""

    @property
    def outer(self) -> bytes:
        """What travels outside: the mbox line and every other field, hidden ones left out, with MIME-Version."""
        return self._outer(self.hidden)

    @property
    def removed(self) -> tuple[str, ...]:
        """The names of fields that go nowhere, as the mail spelt them."""
        return tuple(
            [raw.partition(b":")[0].strip().decode("ascii") for name, raw in self.fields if name in self.hidden]
        )

    @property
    def binary(self) -> bool:
        """Whether line endings of the body are data and must stay as they are (RFC 2045, 6.2)."""
        return self.transfer_encoding == "binary"

    @property
    def composite(self) -> bool:
        """Whether the body has parts with encodings of their own (RFC 2045, 5.1)."""
        return is_composite(self.content_fields)

    @property
    def content_type(self) -> str:
        """The media type in lower case, ``text/plain`` where the mail has none."""
        return parse_media_type(find_value(self.content_fields, "content-type"))

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of Content-Type, by lower-case name."""
        return parse_parameters(find_value(self.content_fields, "content-type"))

    def outer_without(self, names: Collection[str]) -> bytes:
        """Return ``outer`` without the fields called ``names`` (lower case), if there are any."""
        there = [name for name, _ in self.fields if name in names]
        return self._outer({*self.hidden, *names} if there else self.hidden)

    def _outer(self, dropped: Collection[str]) -> bytes:
        kept = [raw for name, raw in self.fields if not (name in dropped or name.startswith(_CONTENT))]
        outer = _ended(b"".join((self.mbox_line, *kept)), self.eol)
        if _VERSION in dropped or _VERSION in [name for name, _ in self.fields]:
            return outer
        return b"".join((outer, b"MIME-Version: 1.0", self.eol))


def scheme_of(head: MailHead, peek: Callable[[int], bytes]) -> Scheme:
    """Return how a mail is encrypted: with S/MIME (RFC 8551, 3.2.2), PGP/MIME (RFC 3156, 4) or not at all.

    Args:
        head: its head.
        peek: returns at least so many octets of the body, if there are as many; called where the head leaves open
            what its CMS object is.
    """
    value = find_value(head.content_fields, "content-type").lower()
    if not any(each in value for each in ("pkcs7-mime", "multipart/encrypted", ".p7m")):
        return ""  # as in most mails: nothing to parse
    content_type, parameters = head.content_type, head.parameters
    if content_type == "multipart/encrypted":
        return "PGP/MIME" if parameters.get("protocol", "").lower() == _PGP else "multipart/encrypted"
    if content_type in CMS_TYPES and (kind := parameters.get("smime-type", "").lower()):
        return "S/MIME" if kind in _ENVELOPED else ""
    named = content_type in CMS_TYPES or parameters.get("name", "").lower().endswith(".p7m")
    return "S/MIME" if named and _begins_envelope(peek(_LOOKED_AT)) else ""


def _begins_envelope(start: bytes) -> bool:
    """Tell whether a body begins with an encrypted CMS object, as octets or as base64 without a flaw."""
    text = b"".join(start[:_LOOKED_AT].split())
    with suppress(binascii.Error):
        start = binascii.a2b_base64(text[: len(text) // 4 * 4], strict_mode=True)
    return any(each in start[:_IDENTIFIED] for each in _ENVELOPE_TYPES)


def is_composite(fields: tuple[Field, ...]) -> bool:
    """Tell whether what ``fields`` describe has, or may have, parts with encodings of their own (RFC 2045, 5.1)."""
    for name, raw in fields:
        if name == "content-type":
            value = raw.lower()
            return b"multipart/" in value or b"message/" in value
    return False


def read_head(
    next_block: NextBlock,
    limit: int = MAX_MAIL_HEADER_SIZE,
    *,
    find_end: Callable[[bytes, int], int] = find_body,
) -> tuple[bytes, Block]:
    """Read a mail up to its body.

    Args:
        next_block: the mail from its first octet.
        limit: octets of head to accept.
        find_end: tells where the body begins.

    Returns:
        The head with its blank line, or all of a mail that has none, and what was read of the body.

    Raises:
        NotMailError: there is nothing to read, or a lot that does not begin like a mail.
        LimitError: the head is larger than ``limit``.
    """
    read = b""
    while block := next_block():
        seen = max(0, len(read) - len(CRLF))
        read = b"".join((read, block)) if read else bytes(block)
        end = find_end(read, seen)
        if (end or len(read)) > limit:
            if not begins_like_mail(read):
                raise no_mail(read)
            raise LimitError("the size of the mail header", limit, "bytes")
        if end:
            return read[:end], memoryview(read)[end:]
    if not read:
        raise NotMailError("the input is empty")
    return read, b""


def split_head(
    head: bytes,
    find_charset: Callable[[], Charset] = lambda: "us-ascii",
    *,
    hidden: Collection[str] = HIDDEN_FIELDS,
    lenient: bool = False,
) -> MailHead:
    """Split a mail's head.

    Args:
        head: the head, with or without its blank line.
        find_charset: tells the body's character set; called where the mail does not describe its content.
        hidden: lower-case names of fields to take out.
        lenient: whether lines that are no header fields are kept as fields without a name; for reading only.

    Raises:
        NotMailError: a line is no header field; the message names it by number.
    """
    mbox_line, rest = split_mbox_line(head)
    fields = parse_fields_leniently(rest) if lenient else parse_fields(rest, first_line=2 if mbox_line else 1)
    eol = CRLF if head.partition(LF)[0].endswith(b"\r") else LF
    content = tuple([field for field in fields if field[0].startswith(_CONTENT)])
    described = bool(content)
    if not described:
        content = parse_fields(_default_content_fields(find_charset()))
    encoding = parse_token(find_value(content, "content-transfer-encoding")) or "7bit"
    return MailHead(fields, content, mbox_line, eol, encoding, hidden, described)


def require_mail(raw_head: bytes, head: MailHead) -> None:
    """Refuse to encrypt where what was meant as the body would stay outside, readable.

    Args:
        raw_head: the octets that were taken for the head.
        head: the same, split.

    Raises:
        NotMailError: a carriage return stands alone, which some take for a line ending; or no blank
            line ends the head and it has no field that only a mail has (RFC 5322, 3.6).
    """
    if match := _BARE_RETURN.search(raw_head):
        line = 1 + raw_head.count(LF, 0, match.start())
        raise NotMailError(
            f"line {line} is not a line of a mail header: it holds a carriage return without a line feed"
        )
    ended = raw_head.endswith((b"\n\n", b"\n\r\n"))
    if not ended and not any(field.name in _TELLING_FIELDS for field in head.fields):
        raise NotMailError("no blank line ends the mail header")


def envelope_fields(smime_type: Literal["enveloped-data", "authEnveloped-data"], eol: bytes = CRLF) -> bytes:
    """Return the ``Content-*`` fields of an encrypted mail and the blank line (RFC 8551, 3.2 to 3.4)."""
    lines = (
        b"Content-Type: application/pkcs7-mime; smime-type=" + smime_type.encode("ascii") + b";",
        b' name="smime.p7m"',
        b"Content-Transfer-Encoding: base64",
        b'Content-Disposition: attachment; filename="smime.p7m"',
        b"Content-Description: S/MIME Encrypted Message",  # by which Mutt knows it where smime-type is lost
        b"",
        b"",
    )
    return eol.join(lines)


def _ended(text: bytes, eol: bytes = CRLF) -> bytes:
    """Give the last line an ending, which a mail that is all head may lack."""
    return text if not text or text.endswith(LF) else text + eol


def _default_content_fields(charset: Charset) -> bytes:
    """Say what RFC 2045, 5.2 makes of a mail that says nothing, or what its octets show."""
    content_type = b"Content-Type: text/plain; charset=" + charset.encode("ascii") + CRLF
    return content_type if charset == "us-ascii" else content_type + b"Content-Transfer-Encoding: 8bit\r\n"
