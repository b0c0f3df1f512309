"""What callers hand in, at the border: message objects and buffers become octets, and what is neither is told."""

from __future__ import annotations

import copy
from io import TextIOBase
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from smime_session.errors import MessageError
from smime_session.mail.fields import parse_token

if TYPE_CHECKING:
    from email.message import EmailMessage, Message

M = TypeVar("M", "EmailMessage", bytes)


def octets_of(message: EmailMessage | bytes) -> bytes:
    """Return a message as octets with bare line feeds, as message objects have inside; octets stay as they are.

    A body whose transfer encoding is binary keeps its own line endings, which are data there.

    Args:
        message: a message object, or octets in any buffer.

    Raises:
        MessageError: a part of several is binary: the message object cannot write it unchanged.
        TypeError: it is something else.
    """
    if isinstance(message, bytes):
        return message
    if isinstance(message, bytearray | memoryview):
        return bytes(message)
    if not hasattr(message, "as_bytes"):
        raise TypeError(f"a message is an EmailMessage or bytes, not an object of type {type(message).__name__}")
    policy = message.policy.clone(linesep="\n")
    if not any(_is_binary(part) for part in message.walk()):
        return message.as_bytes(policy=policy)
    if message.is_multipart():
        raise MessageError(
            "the message object has a binary part, which it cannot write unchanged: pass the message as bytes"
        )
    head = copy.copy(message)
    head.set_payload("")
    return head.as_bytes(policy=policy) + cast("bytes", message.get_payload(decode=True) or b"")


def _is_binary(part: Message) -> bool:
    return parse_token(str(part.get("content-transfer-encoding", ""))) == "binary"


def source_of(message: EmailMessage | bytes | BinaryIO) -> bytes | BinaryIO:
    """Return where a message's octets are to be read.

    Raises:
        MessageError: as :func:`octets_of` does.
        TypeError: the message is none, nor a binary file.
    """
    if hasattr(message, "read"):
        check_readable(message)
        return cast("BinaryIO", message)
    return octets_of(message)


def check_readable(source: object) -> None:
    """Check that octets can be read from ``source``.

    Raises:
        TypeError: it is no binary file.
    """
    if isinstance(source, TextIOBase) or not hasattr(source, "read"):
        raise TypeError(f"a message is read from a binary file, not from an object of type {type(source).__name__}")


def check_writable(target: object) -> None:
    """Check that octets can be written to ``target``.

    Raises:
        TypeError: it is no binary file.
    """
    if isinstance(target, TextIOBase) or not hasattr(target, "write"):
        raise TypeError(f"a message is written to a binary file, not to an object of type {type(target).__name__}")


def like(original: M, octets: bytes) -> M:
    """Return ``octets`` as the type that ``original`` has."""
    if isinstance(original, (bytes, bytearray, memoryview)):
        return octets
    from email import message_from_bytes

    return cast("M", message_from_bytes(octets, policy=original.policy))
