"""What an input is: a mail, a bare CMS object, or its PEM or base64 text; and the way to its octets.

The CMS object decides, not what is said about it: gateways rename media types, drop parameters
and re-encode bodies. So the body is opened by what it looks like, and the header only helps to
say what a mail is that holds no CMS object.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from smime_session.errors import MalformedError, NotEnvelopeError, NotMailError
from smime_session.mail.arrival import (
    begins_like_quoted_object,
    contains_object,
    find_object_line,
    holds_mail_head,
    read_arrived_head,
    refuse_other_files,
    with_line_feeds,
)
from smime_session.mail.blocks import Lookahead
from smime_session.mail.entity import CMS_TYPES, split_head
from smime_session.mail.fields import (
    begins_like_mail,
    find_body,
    find_value,
    no_mail,
    parse_media_type,
    parse_parameters,
)
from smime_session.mail.pem import CMS_LABELS, PemDecoder, find_pem_label
from smime_session.mail.repairs import Repairs
from smime_session.mail.transfer import ALPHABET, Base64Decoder, QuotedPrintableDecoder, decode_lines
from smime_session.mail.uuencode import UuDecoder, begins_like_uuencode
from smime_session.profiles import MAX_MAIL_HEADER_SIZE
from smime_session.streams.sources import LARGE
from smime_session.text import excerpt

if TYPE_CHECKING:
    from smime_session.mail.blocks import NextBlock
    from smime_session.mail.entity import MailHead

Form = Literal["mail", "der", "pem", "base64", "quoted-printable", "uuencode"]

_SHOWN: Final = 16 << 10  # octets looked at to tell what something is; text before a PEM object must be shorter
_MARK: Final = b"\xef\xbb\xbf"  # the byte order mark that editors put before UTF-8
_CMS_PART: Final = rb"^content-type:\s{0,9}application/(?:x-)?pkcs7-mime|name=\"?smime\.p7m"
BEFORE: Final = "something stands before the CMS object, which was left out"
_SEQUENCE: Final = b"\x30"
_USUAL: Final = 256  # characters of a value that is parsed once for all mails that have it
_INTEGER: Final = b"\x02"
_OBJECT_IDENTIFIER: Final = b"\x06"


class Incoming(NamedTuple):
    """An opened input.

    Attributes:
        form: what the input is.
        next_block: the call that returns the octets of the CMS object, decoded.
        head: the mail's head, nothing taken out; None if it is no mail.
        raw_head: the octets of that head with its blank line, without the ``From `` line of a mail store.
        repairs: what was damaged and read all the same; complete when all of the object was read.
    """

    form: Form
    next_block: NextBlock
    repairs: Repairs
    head: MailHead | None = None
    raw_head: bytes = b""

    @property
    def smime_type(self) -> str:
        """What the mail says the object is, in lower case; empty if it says nothing."""
        return self.head.parameters.get("smime-type", "").lower() if self.head else ""


def open_message(next_block: NextBlock) -> Incoming:
    """Find the CMS object in an input.

    A byte order mark, blank lines and the ``From `` line of a mail store before it are skipped. What servers and
    programs damage on the way is passed over where that loses nothing, and noted.

    Args:
        next_block: the input.

    Raises:
        NotMailError: it is neither a mail nor a CMS object in any form.
        NotEnvelopeError: it is something else that is known; ``found`` says what.
        MalformedError: it is cut off or its encoding is broken.
        LimitError: its header is too large.
    """
    repairs = Repairs()
    source = with_line_feeds(Lookahead(next_block), _SHOWN, repairs)
    start = source.peek(_SHOWN)
    if not start:
        raise NotMailError("the input is empty")
    text = start.removeprefix(_MARK).lstrip(b"\r\n")
    if not begins_like_mail(text):
        if not holds_mail_head(text) or contains_object(start):
            return _open_other(source, start, repairs)
        text = text.lstrip()
    if text is not start:
        source.skip(len(start) - len(text))
    raw_head, head, body = read_arrived_head(source, _SHOWN, repairs)
    try:
        octets = _open_body(head, body, repairs).octets
    except NotEnvelopeError:
        if text.startswith(b"From "):
            for _ in iter(body, b""):  # which tells if it is a mailbox of several mails
                pass
        raise
    return Incoming("mail", octets, repairs, head, raw_head)


def usual_object(mail: bytes) -> tuple[MailHead, bytes] | None:
    """Find the CMS object of a mail that is in memory, where both are as they mostly are.

    Args:
        mail: the mail.

    Returns:
        The head and the octets of the object, as :func:`open_message` finds them; None for what is large or unusual,
        and for what is not sound, of which :func:`open_message` says what is wrong.
    """
    begin = find_body(mail)
    if not 0 < begin <= MAX_MAIL_HEADER_SIZE or len(mail) > LARGE or not begins_like_mail(mail):
        return None
    first_return = mail.find(b"\r", 0, _SHOWN)
    if first_return >= 0 and not mail.startswith(b"\n", first_return + 1):
        return None  # its lines may end otherwise than those of mail
    try:
        head = split_head(mail[:begin], hidden=())
    except NotMailError:
        return None
    value = find_value(head.content_fields, "content-type")
    if (
        head.mbox_line
        or head.transfer_encoding != "base64"
        or len(value) > _USUAL
        or _usual_media_type(value) not in CMS_TYPES
    ):
        return None
    body = mail[begin:]
    octets = decode_lines(body) if _begins_like_base64(body) else None
    return (head, octets) if octets and _inside_sequence(octets).startswith(_OBJECT_IDENTIFIER) else None


def _open_other(source: Lookahead, start: bytes, repairs: Repairs) -> Incoming:
    """Find the CMS object in what is no mail.

    Raises:
        NotMailError: there is none.
        NotEnvelopeError: it is something else that is known.
    """
    if found := _describe_der(start):
        raise NotEnvelopeError(found)
    refuse_other_files(start)
    if opened := _open_bare(source, repairs, alone=True):
        _refuse_other_der(opened.octets)
        return Incoming(opened.form, opened.octets, repairs)
    raise no_mail(start.removeprefix(_MARK).lstrip(b"\r\n"), "neither a mail nor a CMS object")


class _Object(NamedTuple):
    """A CMS object that was found: its form and its octets."""

    form: Form
    octets: Lookahead


def _open_bare(source: Lookahead, repairs: Repairs, *, alone: bool = False) -> _Object | None:
    """Recognise a CMS object by its first octets, in any form; None if they show none.

    Args:
        source: the octets.
        repairs: takes note of what is unusual.
        alone: whether it is no mail's body, so that what stands before the BEGIN line describes what is in PEM text.

    Raises:
        NotEnvelopeError: it is PEM text of something else.
    """
    start = source.peek(_SHOWN)
    text = start.removeprefix(_MARK).lstrip()
    if text is not start:
        source.skip(len(start) - len(text))
    if _inside_sequence(text).startswith(_OBJECT_IDENTIFIER):  # ContentInfo: RFC 5652, 3
        return _Object("der", source)
    return _open_text(source, text, repairs, alone=alone)


def _open_text(source: Lookahead, text: bytes, repairs: Repairs, *, alone: bool) -> _Object | None:
    """Recognise the text of a CMS object, as :func:`_open_bare` does.

    Args:
        source: the octets.
        text: their beginning.
        repairs: as there, like everything else.
        alone: as there.
    """
    if _begins_like_base64(text):
        return _Object("base64", Lookahead(Base64Decoder(source, repairs)))
    if begins_like_quoted_object(text):
        return _Object("quoted-printable", Lookahead(QuotedPrintableDecoder(source, repairs)))
    if begins_like_uuencode(text):
        return _Object("uuencode", Lookahead(UuDecoder(source, _SHOWN)))
    if text.startswith(b"-----BEGIN ") or ((label := find_pem_label(text)) and (alone or label in CMS_LABELS)):
        _require_cms_label(text)
        if not (alone or text.startswith(b"-----BEGIN ")):
            repairs.note(BEFORE)
        return _Object("pem", Lookahead(PemDecoder(source, _SHOWN, repairs)))
    if (line := find_object_line(text)) >= 0:
        source.skip(line)
        if line:
            repairs.note(BEFORE)
        return _Object("base64", Lookahead(Base64Decoder(source, repairs)))
    return None


def _require_cms_label(text: bytes) -> None:
    label = find_pem_label(text)
    if label is None:
        raise MalformedError("the BEGIN line of the PEM text is broken")
    if label.startswith("PGP "):
        raise NotEnvelopeError(f"PGP text ({excerpt(label)})")
    if label not in CMS_LABELS:
        raise NotEnvelopeError(f"a PEM file that holds {excerpt(label)}")


def _open_body(head: MailHead, body: Lookahead, repairs: Repairs) -> _Object:
    """Return the CMS object that is a mail's body.

    Raises:
        NotEnvelopeError: the body is something else.
        MalformedError: its encoding is broken.
    """
    value = find_value(head.content_fields, "content-type")
    content_type = _usual_media_type(value) if len(value) <= _USUAL else head.content_type
    if content_type.startswith("multipart/") and not _begins_like_object(body.peek(_SHOWN)):
        raise NotEnvelopeError(_describe_mail(head, body))
    start = body.peek(_SHOWN) if head.transfer_encoding == "quoted-printable" else b""
    if start and not (contains_object(start) or begins_like_uuencode(start)):
        body = Lookahead(QuotedPrintableDecoder(body, repairs))
    try:
        opened = _open_bare(body, repairs)
        if opened is None and head.transfer_encoding == "base64":
            body = Lookahead(Base64Decoder(body, repairs))
            opened = _open_bare(body, repairs)
        if opened:
            _refuse_other_der(opened.octets)
            return opened
    except MalformedError:
        if _is_declared(head):
            raise
    refuse_other_files(_peek_or_nothing(body))
    if _is_declared(head) and not body.peek(1):
        raise MalformedError("the body of the mail is empty")
    raise NotEnvelopeError(_describe_mail(head, body))


def _begins_like_object(start: bytes) -> bool:
    """Tell whether a body is a CMS object itself although its media type says that it has parts."""
    text = start.lstrip()
    return _begins_like_base64(text) or contains_object(start)


_usual_media_type: Final = lru_cache(maxsize=16)(parse_media_type)  # of what is encrypted: few programs write it


def _is_declared(head: MailHead) -> bool:
    """Tell whether a mail says that its body is a CMS object, by media type or by file name."""
    disposition = parse_parameters(find_value(head.fields, "content-disposition"))
    names = (head.parameters.get("name", ""), disposition.get("filename", ""))
    return head.content_type in CMS_TYPES or any(name.lower().endswith(".p7m") for name in names)


def _refuse_other_der(octets: Lookahead) -> None:
    """Refuse a well-known object other than CMS; what else ``octets`` are CMS reading will say.

    Raises:
        NotEnvelopeError: they are one.
    """
    if found := _describe_der(octets.peek(16)):
        raise NotEnvelopeError(found)


def _begins_like_base64(text: bytes) -> bool:
    """Tell whether the first line is base64 of a SEQUENCE that is longer than a few octets."""
    if not text.startswith(b"MI"):
        return False
    line = text[: text.find(b"\n") if b"\n" in text else None].strip()
    return len(line) >= 16 and line.startswith(b"MI") and not line.rstrip(b"=").translate(None, ALPHABET)  # noqa: PLR2004  # no word


def _inside_sequence(start: bytes) -> bytes:
    """Return what stands inside the SEQUENCE that ``start`` begins with, nothing if it begins with something else."""
    if not start.startswith(_SEQUENCE):
        return b""
    length = start[1] if len(start) > 1 else 0
    return start[2 + max(0, length - 0x80) :][:16]  # long lengths count their octets (X.690, 8.1.3.5)


def _describe_der(start: bytes) -> str | None:
    inside = _inside_sequence(start)
    if inside.startswith(_INTEGER + b"\x01\x03"):  # the version: RFC 7292, 4
        return "a PKCS#12 file"
    if inside.startswith((_INTEGER + b"\x01\x00", _INTEGER + b"\x01\x01")):  # RFC 5958, 2; RFC 8017, A.1.2
        return "a private key"
    if inside.startswith(_SEQUENCE):
        return "a certificate or an encrypted private key"
    return None


def _describe_mail(head: MailHead, body: Lookahead) -> str:
    """Say in a few words what a mail is that is no envelope."""
    kind = excerpt(head.content_type)
    start = _peek_or_nothing(body)
    if kind.startswith("multipart/") and re.search(_CMS_PART, start, re.IGNORECASE | re.MULTILINE):
        return f"a mail of several parts ({kind}), one of which is an S/MIME object: give that part alone"
    if kind == "multipart/signed":
        return f"a signed message ({kind})"
    pgp = kind.startswith("application/pgp") or "pgp" in head.parameters.get("protocol", "").lower()
    if pgp or b"-----BEGIN PGP MESSAGE-----" in start:
        return f"a PGP message ({kind})"
    if kind.startswith(("multipart/", "message/")):  # what is in it was not looked at
        return f"a mail that is not encrypted as a whole ({kind})"
    if _is_declared(head):
        return f"a mail whose body is no CMS object ({kind})"
    return f"a mail that is not encrypted ({kind})"


def _peek_or_nothing(body: Lookahead) -> bytes:
    try:
        return body.peek(_SHOWN)
    except MalformedError:
        return b""
