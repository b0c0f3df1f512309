"""What is sealed of a message that comes as a stream: its blocks, its size if it is known, and the head of the mail.

DER wants the size beforehand. That of a mail depends on its line endings, which become CRLF inside:
it is measured in a pass of its own, or the mail is taken to have no others until one shows.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, NoReturn

from smime_session.errors import AlreadyEncryptedError
from smime_session.mail.blocks import Lookahead
from smime_session.mail.charset import CharsetFinder, charset_of_beginning
from smime_session.mail.compression import compressed_entity_blocks
from smime_session.mail.entity import (
    DKIM_FIELD,
    HIDDEN_FIELDS,
    MailHead,
    read_head,
    require_mail,
    scheme_of,
    split_head,
)
from smime_session.mail.line_endings import LF, Canonicaliser
from smime_session.mail.payload import Payload, payload_of
from smime_session.streams.sources import Replay, is_seekable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import ExitStack

    from smime_session.mail.blocks import Block, NextBlock
    from smime_session.mail.charset import Charset
    from smime_session.mail.header_policy import HeaderPolicy
    from smime_session.operations.signer import Signer


class Treatment(NamedTuple):
    """What is done to a mail before it is sealed.

    Attributes:
        headers: which header fields are readable outside.
        again: whether one that is encrypted already is encrypted once more.
        compress: whether what goes inside is compressed.
        strip_dkim: whether DKIM-Signature is taken out.
        signer: who signs what goes inside; None if it is not signed.
    """

    headers: HeaderPolicy
    again: bool = False
    compress: bool = False
    strip_dkim: bool = False
    signer: Signer | None = None


class Content(NamedTuple):
    """What is sealed.

    Attributes:
        blocks: its octets.
        size: how many they are; None if that is not known beforehand.
        head: the head of the mail that it comes from; None if it is no mail.
        payload: how that was divided.
    """

    blocks: Iterable[Block]
    size: int | None
    head: MailHead | None = None
    payload: Payload | None = None


def plain_content(source: BinaryIO, on_end: ExitStack) -> Content:
    """Take all octets as they are.

    Args:
        source: the octets.
        on_end: closes what reading needs, as for the other functions here.
    """
    size = _size_left(source)
    blocks = Lookahead(on_end.enter_context(Replay(source, replayable=False)).read_block)
    if size == 0 and blocks.peek(1):  # a file that is made as it is read
        size = None
    return Content(iter(blocks, b""), size)


def _size_left(source: BinaryIO) -> int | None:
    """Return how many octets ``source`` says are left of it, or None if it cannot tell."""
    if not is_seekable(source):
        return None
    begin = source.tell()
    try:
        end = source.seek(0, os.SEEK_END)
    except OSError:
        return None
    source.seek(begin)
    return max(0, end - begin)


class MeasureFirstError(Exception):
    """Only reading all of a mail tells how large it is in canonical form, or how to describe it."""


def canonical_content(source: BinaryIO, on_end: ExitStack, treatment: Treatment) -> Content:
    """Split a mail whose line endings are taken to be canonical, so that its size is known beforehand.

    Raises:
        MeasureFirstError: they are not, which may show only while the blocks are read; or it does not say what
            its content is, or is to show hidden fields in it.
    """
    size = _size_left(source)
    replay = on_end.enter_context(Replay(source, replayable=False))
    raw_head, body = read_head(replay.read_block)
    rest = Lookahead(replay.read_block, body)
    head = outgoing_head(raw_head, treatment, rest.peek, _measure_first)
    payload = payload_of(head, treatment.headers)
    if size is None or size < len(raw_head) or (head.eol == LF and not head.binary) or payload.hidden:
        raise MeasureFirstError
    blocks = payload.blocks(_unconverted_blocks(head, rest))
    whole = Content(blocks, _size_without_body(payload) + size - len(raw_head), head, payload)
    return _treated(whole, treatment)


def _treated(content: Content, treatment: Treatment) -> Content:
    """Sign what is to be signed, and compress what is to be compressed."""
    if treatment.signer is not None:
        from smime_session.operations.signing import signed_entity_blocks  # most mails are not signed

        content = content._replace(blocks=signed_entity_blocks(content.blocks, treatment.signer), size=None)
    if treatment.compress:
        content = content._replace(blocks=compressed_entity_blocks(content.blocks), size=None)
    return content


def _measure_first() -> NoReturn:
    raise MeasureFirstError


def _unconverted_blocks(head: MailHead, body: NextBlock) -> Iterator[Block]:
    line_endings = Canonicaliser(composite=head.composite)
    while block := body():
        if not head.binary and line_endings.count(block):
            raise MeasureFirstError
        yield block


def mail_content(source: BinaryIO, on_end: ExitStack, treatment: Treatment) -> Content:
    """Split a mail; where it can be read twice, the first time measures what will be added to it."""
    if not is_seekable(source):
        head, body = _split(on_end.enter_context(Replay(source, replayable=False)), treatment)
        payload = payload_of(head, treatment.headers)
        blocks = payload.blocks(_canonical_blocks(head, body, convert=not head.binary))
        return _treated(Content(blocks, None, head, payload), treatment)
    begin = source.tell()
    with Replay(source, replayable=False) as first:
        head, body = _split(first, treatment)
        payload = payload_of(head, treatment.headers)
        measured = _Measured(head, body, convert=bool(payload.hidden) and not head.binary)
        size = sum(map(len, payload.blocks(measured.blocks()))) + measured.bare - _size_without_body(payload)
    source.seek(begin)
    again = on_end.enter_context(Replay(source, replayable=False))
    head, body = _split(again, treatment, lambda _: measured.charset.name())
    payload = payload_of(head, treatment.headers)  # the character set may be another than its beginning showed
    blocks = _canonical_blocks(head, body, convert=measured.convert or measured.bare > 0)
    return _treated(Content(payload.blocks(blocks), size + _size_without_body(payload), head, payload), treatment)


class _Measured:
    """The first of two passes over a body.

    Args:
        head: the head of its mail.
        body: the body.
        convert: make it canonical already; otherwise only count what that will add.

    Attributes:
        bare: how many line feeds were not converted that are to be.
        charset: the character set, as far as it was looked for.
    """

    def __init__(self, head: MailHead, body: NextBlock, *, convert: bool) -> None:
        self.convert = convert
        self.bare = 0
        self.charset = CharsetFinder()
        self._head = head
        self._body = body

    def blocks(self) -> Iterator[Block]:
        """Yield the body."""
        line_endings = Canonicaliser(composite=self._head.composite)
        while block := self._body():
            if not self._head.described:
                self.charset.look(block)
            if self.convert:
                yield line_endings.convert(block)
                continue
            self.bare += 0 if self._head.binary else line_endings.count(block)
            yield block


def _size_without_body(payload: Payload) -> int:
    return sum(map(len, payload.blocks(())))


def _split(
    replay: Replay, treatment: Treatment, find_charset: Callable[[Lookahead], Charset] = charset_of_beginning
) -> tuple[MailHead, NextBlock]:
    raw_head, body = read_head(replay.read_block)
    blocks = Lookahead(replay.read_block, body)
    return outgoing_head(raw_head, treatment, blocks.peek, lambda: find_charset(blocks)), blocks


def outgoing_head(
    raw_head: bytes, treatment: Treatment, peek: Callable[[int], bytes], find_charset: Callable[[], Charset]
) -> MailHead:
    """Split the head of a mail that is to be encrypted.

    Args:
        raw_head: the octets of the head.
        treatment: what is done to the mail.
        peek: returns at least so many octets of the body, if there are as many.
        find_charset: tells the body's character set.

    Raises:
        NotMailError: it is none, or it is not clear where it ends.
        AlreadyEncryptedError: the mail is encrypted already, and that is not expected.
        SignerError: the certificate of who signs it must not sign this mail.
    """
    hidden = {*HIDDEN_FIELDS, DKIM_FIELD} if treatment.strip_dkim else HIDDEN_FIELDS
    head = split_head(raw_head, find_charset, hidden=hidden)
    require_mail(raw_head, head)
    scheme = scheme_of(head, peek)
    if scheme and not treatment.again:
        raise AlreadyEncryptedError(scheme)
    if treatment.signer is not None:
        treatment.signer.check_mail(head.fields)
    return head._replace(scheme=scheme) if scheme else head


def _canonical_blocks(head: MailHead, body: NextBlock, *, convert: bool) -> Iterator[Block]:
    line_endings = Canonicaliser(composite=head.composite)
    while block := body():
        yield line_endings.convert(block) if convert else block
