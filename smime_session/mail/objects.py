"""The standard library's message objects at the border: octets on the inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

if TYPE_CHECKING:
    from email.message import EmailMessage

M = TypeVar("M", "EmailMessage", bytes)


def octets_of(message: EmailMessage | bytes) -> bytes:
    """Return a message as octets with bare line feeds, as message objects have inside; octets stay as they are."""
    if isinstance(message, bytes):
        return message
    return message.as_bytes(policy=message.policy.clone(linesep="\n"))


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
