"""The standard library's message objects at the border: octets on the inside."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from smime_session.errors import MessageError
from smime_session.mail.fields import parse_token

if TYPE_CHECKING:
    from email.message import EmailMessage, Message

M = TypeVar("M", "EmailMessage", bytes)


def octets_of(message: EmailMessage | bytes) -> bytes:
    """Return a message as octets with bare line feeds, as message objects have inside; octets stay as they are.

    A body whose transfer encoding is binary keeps its own line endings, which are data there.

    Raises:
        MessageError: a part of several is binary: the message object cannot write it unchanged.
    """
    if isinstance(message, bytes):
        return message
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
    """Return where a message's octets are to be read."""
    if isinstance(message, bytes):
        return message
    return octets_of(cast("EmailMessage", message)) if hasattr(message, "as_bytes") else message


def like(original: M, octets: bytes) -> M:
    """Return ``octets`` as the type that ``original`` has."""
    if isinstance(original, bytes):
        return octets
    from email import message_from_bytes

    return cast("M", message_from_bytes(octets, policy=original.policy))
