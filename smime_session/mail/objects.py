"""What callers hand in, at the border: message objects and buffers become octets, and what is neither is told."""

from __future__ import annotations

import copy
import re
import sys
from io import TextIOBase
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar, cast

from smime_session.errors import MessageError
from smime_session.mail.fields import parse_token
from smime_session.text import excerpt

if TYPE_CHECKING:
    from email.message import EmailMessage, Message
    from typing import Any

_NEW_LINE: Final = r"\r(?!\n[ \t])|(?<!\r)\n(?![ \t])|\r\n(?![ \t])"  # no folding (RFC 5322, 2.2.3)

M = TypeVar("M", "EmailMessage", "Message[Any, Any]", bytes)


def octets_of(message: Message[Any, Any] | bytes) -> bytes:
    """Return a message as bytes with bare line feeds, as message objects have inside; bytes stay as they are.

    A body whose transfer encoding is binary keeps its own line endings, which are data there.

    Args:
        message: a message object, or bytes in any buffer.

    Raises:
        MessageError: the message object cannot be written, or a part of several is binary, which would be changed, or
            a header field has a line break that would begin another field.
        TypeError: it is something else.
    """
    if isinstance(message, bytes):
        return message
    if isinstance(message, bytearray | memoryview):
        return bytes(message)
    kinds = sys.modules.get("email.message")  # slow to load, and loaded already where there is such an object
    if kinds is None or not isinstance(message, kinds.Message):
        raise TypeError(f"a message is a message object or bytes, not an object of type {type(message).__name__}")
    try:
        return _written(message)
    except MessageError:
        raise
    except Exception as error:  # noqa: BLE001  # Python's generator raises anything for what its parser took
        problem = type(error).__name__  # and no more of it: it may hold the text
    raise MessageError(f"Python's email package cannot write the message object ({problem}): pass the message as bytes")


def _written(message: Message[Any, Any]) -> bytes:
    policy = message.policy.clone(linesep="\n")
    parts = list(message.walk())
    for part in parts:
        _refuse_line_breaks(part)
    if not any(_is_binary(part) for part in parts):
        return message.as_bytes(policy=policy)
    if message.is_multipart():
        raise MessageError(
            "the message object has a binary part, which it cannot write unchanged: pass the message as bytes"
        )
    head = copy.copy(message)
    head.set_payload("")
    return head.as_bytes(policy=policy) + cast("bytes", message.get_payload(decode=True) or b"")


def _refuse_line_breaks(part: Message[Any, Any]) -> None:
    """Refuse header fields that older generators write as two: some policies take any text for a value."""
    for name, value in part.raw_items():
        if re.search(_NEW_LINE, str(name)) or (isinstance(value, str) and re.search(_NEW_LINE, value)):
            raise MessageError(f"a line break in the header field {excerpt(str(name))} would begin another field")


def _is_binary(part: Message[Any, Any]) -> bool:
    return parse_token(str(part.get("content-transfer-encoding", ""))) == "binary"


def source_of(message: Message[Any, Any] | bytes | BinaryIO) -> bytes | BinaryIO:
    """Return where a message's bytes are to be read.

    Raises:
        MessageError: as :func:`octets_of` does.
        TypeError: the message is none, nor a binary file.
    """
    if hasattr(message, "read"):
        check_readable(message)
        return cast("BinaryIO", message)
    return octets_of(message)


def check_readable(source: object) -> None:
    """Check that bytes can be read from ``source``.

    Raises:
        TypeError: it is no binary file.
    """
    if isinstance(source, TextIOBase) or not hasattr(source, "read"):
        raise TypeError(f"a message is read from a binary file, not from an object of type {type(source).__name__}")


def check_writable(target: object) -> None:
    """Check that bytes can be written to ``target``.

    Raises:
        TypeError: it is no binary file.
    """
    if isinstance(target, TextIOBase) or not hasattr(target, "write"):
        raise TypeError(f"a message is written to a binary file, not to an object of type {type(target).__name__}")


def like(original: M, octets: bytes) -> M:
    """Return ``octets`` as the type that ``original`` has; a subclass of a message object becomes its base.

    Raises:
        MessageError: its policy does not take them.
    """
    if isinstance(original, (bytes, bytearray, memoryview)):
        return octets
    kind = sys.modules["email.message"].EmailMessage  # loaded, as there is such an object
    factory = kind if isinstance(original, kind) else None  # None: as the policy says
    try:
        parse: Any = sys.modules["email"].message_from_bytes
        return cast("M", parse(octets, factory, policy=original.policy))
    except Exception as error:  # noqa: BLE001  # a policy may raise what it likes, as email.policy.strict does
        problem = type(error).__name__
    raise MessageError(f"the message object's policy does not take the result ({problem}): pass the message as bytes")
