"""A mail as it travels in SMTP: lines that end with CRLF, dots doubled, in blocks of any size."""

from __future__ import annotations

import io
import re
from email.message import Message
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from smime_session import SubmissionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

BLOCK_SIZE: Final = 1 << 16  # bytes read and sent at a time
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_BLIND: Final = re.compile(rb"(?:^|\n)((?:resent-)?bcc)[ \t]*:", re.IGNORECASE)


class Measured(NamedTuple):
    """What a server is told of a mail before it comes.

    Attributes:
        size: octets, with CRLF at the end of each line and without doubled dots (RFC 1870, 5).
        utf8_head: whether the header has octets outside ASCII (RFC 6532).
        eight_bit: whether the body has (RFC 6152).
    """

    size: int
    utf8_head: bool
    eight_bit: bool


class MailContent:
    """A mail that can be sent more than once.

    Args:
        message: a mail as bytes, a message object, or a file that can seek, whose line endings may be of any kind.

    Raises:
        SubmissionError: it has a Bcc field, which every recipient would see.
        TypeError: it is something else.
    """

    def __init__(self, message: bytes | Message[Any, Any] | BinaryIO) -> None:
        self._source = _file_of(message)
        self._begin = self._source.tell()
        self._check_head()

    def _check_head(self) -> None:
        head = b""
        for block in self._lines():
            head += block
            if (end := head.find(b"\r\n\r\n")) >= 0:
                head = head[:end]
                break
        if blind := _BLIND.search(head):
            name = blind[1].decode("ascii")
            raise SubmissionError(f"the message has a {name} field, which every recipient would see: nothing was sent")
        self._head_size = len(head)

    @cached_property
    def measured(self) -> Measured:
        """What there is to tell the server."""
        size, utf8_head, eight_bit = 0, False, False
        for block in self._lines():
            if not block.isascii():
                in_head = block[: max(0, self._head_size - size)]
                utf8_head = utf8_head or not in_head.isascii()
                eight_bit = eight_bit or not block[len(in_head) :].isascii()
            size += len(block)
        return Measured(size, utf8_head, eight_bit)

    def blocks(self) -> Iterator[bytes]:
        """Yield the mail as it follows on DATA, with the dot that ends it in the last block (RFC 5321, 4.5.2)."""
        at_line_start = True
        held = b""
        for block in self._lines():
            stuffed = block.replace(b"\n.", b"\n..")
            if at_line_start and stuffed.startswith(b"."):
                stuffed = b"." + stuffed
            at_line_start = block.endswith(b"\n")
            if held:
                yield held
            held = stuffed
        yield held + (b".\r\n" if at_line_start else b"\r\n.\r\n")

    def _lines(self) -> Iterator[bytes]:
        """Yield the mail with CRLF for each line ending; none is divided between two blocks."""
        self._source.seek(self._begin)
        rest = b""
        while block := self._source.read(BLOCK_SIZE):
            block = rest + block
            rest = block[-1:] if block.endswith(b"\r") else b""
            if block := _LINE_END.sub(b"\r\n", block[: len(block) - len(rest)]):
                yield block
        if rest:
            yield b"\r\n"


def _file_of(message: bytes | Message[Any, Any] | BinaryIO) -> BinaryIO:
    if isinstance(message, bytes | bytearray | memoryview):
        return io.BytesIO(message)
    if isinstance(message, Message):
        return io.BytesIO(message.as_bytes(policy=message.policy.clone(linesep="\r\n")))
    if hasattr(message, "seek"):
        return message
    wanted = "a mail is bytes, a message object or a binary file that can seek"
    raise TypeError(f"{wanted}, not an object of type {type(message).__name__}")
