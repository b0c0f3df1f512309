"""What is sealed of a message that comes as a stream: its blocks, its size if it is known, and the head of the mail.

DER wants the size beforehand. That of a mail depends on its line endings, which become CRLF inside:
it is measured in a pass of its own, or the mail is taken to have no others until one shows.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, NoReturn

from smime_session.mail.blocks import Lookahead
from smime_session.mail.charset import CharsetFinder, charset_of_beginning
from smime_session.mail.entity import MailHead, read_head, require_mail, split_head
from smime_session.mail.line_endings import LF, Canonicaliser
from smime_session.streams.sources import Replay, is_seekable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import ExitStack

    from smime_session.mail.blocks import Block, NextBlock
    from smime_session.mail.charset import Charset


class Content(NamedTuple):
    """What is sealed.

    Attributes:
        blocks: its octets.
        size: how many they are; None if that is not known beforehand.
        head: the head of the mail that it comes from; None if it is no mail.
    """

    blocks: Iterable[Block]
    size: int | None
    head: MailHead | None = None


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


def canonical_content(source: BinaryIO, on_end: ExitStack) -> Content:
    """Split a mail whose line endings are taken to be canonical, so that its size is known beforehand.

    Raises:
        MeasureFirstError: they are not, which may show only while the blocks are read; or it does not say what
            its content is.
    """
    size = _size_left(source)
    replay = on_end.enter_context(Replay(source, replayable=False))
    raw_head, body = read_head(replay.read_block)
    head = outgoing_head(raw_head, _measure_first)
    if size is None or size < len(raw_head) or (head.eol == LF and not head.binary):
        raise MeasureFirstError
    blocks = _unconverted_blocks(head, Lookahead(replay.read_block, body))
    return Content(blocks, len(head.inner) + size - len(raw_head), head)


def _measure_first() -> NoReturn:
    raise MeasureFirstError


def _unconverted_blocks(head: MailHead, body: NextBlock) -> Iterator[Block]:
    line_endings = Canonicaliser(composite=head.composite)
    yield head.inner
    while block := body():
        if not head.binary and line_endings.count(block):
            raise MeasureFirstError
        yield block


def mail_content(source: BinaryIO, on_end: ExitStack) -> Content:
    """Split a mail; where it can be read twice, the first time measures what line endings will add."""
    if not is_seekable(source):
        head, blocks = _split(on_end.enter_context(Replay(source, replayable=False)))
        return Content(_canonical_blocks(head, blocks, convert=not head.binary), None, head)
    begin = source.tell()
    with Replay(source, replayable=False) as first:
        head, blocks = _split(first)
        line_endings, charset = Canonicaliser(composite=head.composite), CharsetFinder()
        size = bare = 0
        while block := blocks():
            size += len(block)
            bare += 0 if head.binary else line_endings.count(block)
            if not head.described:
                charset.look(block)
    source.seek(begin)
    head, blocks = _split(on_end.enter_context(Replay(source, replayable=False)), lambda _: charset.name())
    return Content(_canonical_blocks(head, blocks, convert=bare > 0), len(head.inner) + size + bare, head)


def _split(
    replay: Replay, find_charset: Callable[[Lookahead], Charset] = charset_of_beginning
) -> tuple[MailHead, NextBlock]:
    raw_head, body = read_head(replay.read_block)
    blocks = Lookahead(replay.read_block, body)
    return outgoing_head(raw_head, lambda: find_charset(blocks)), blocks


def outgoing_head(raw_head: bytes, find_charset: Callable[[], Charset]) -> MailHead:
    """Split the head of a mail that is to be encrypted.

    Raises:
        NotMailError: it is none, or it is not clear where it ends.
    """
    head = split_head(raw_head, find_charset)
    require_mail(raw_head, head)
    return head


def _canonical_blocks(head: MailHead, body: NextBlock, *, convert: bool) -> Iterator[Block]:
    line_endings = Canonicaliser(composite=head.composite)
    yield head.inner
    while block := body():
        yield line_endings.convert(block) if convert else block
