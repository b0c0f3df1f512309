"""What stands around the CMS object in an input, so that another object can take its place.

The fields of a mail stay octet for octet, PEM keeps its label, text its line ending. Only the
lines of base64 get their usual length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, Protocol

from smime_session.mail.arrival import contains_object
from smime_session.mail.entity import envelope_fields
from smime_session.mail.fields import split_mbox_line
from smime_session.mail.line_endings import CRLF, LF
from smime_session.mail.pem import CMS_LABEL, PemWriter, find_pem_label
from smime_session.mail.transfer import Base64Writer
from smime_session.profiles import MAX_MAIL_HEADER_SIZE
from smime_session.streams.sources import BLOCK_SIZE, Replay

if TYPE_CHECKING:
    from smime_session.mail.detection import Incoming
    from smime_session.mail.entity import MailHead
    from smime_session.mail.transfer import Target

_KEPT: Final = MAX_MAIL_HEADER_SIZE + 2 * BLOCK_SIZE  # octets: the largest head of a mail and the first lines after it
_MARK: Final = b"\xef\xbb\xbf"
_TRANSFER_ENCODING: Final = "content-transfer-encoding"


class Beginning(Replay):
    """A source that remembers how it begins.

    Args:
        source: octets, or a binary file to read them from.
    """

    def __init__(self, source: bytes | BinaryIO) -> None:
        super().__init__(source)
        self._kept: list[bytes | memoryview] = []
        self._left = _KEPT

    def read_block(self) -> bytes | memoryview:
        """Return the next octets, none at the end.

        Raises:
            MalformedError: this pass meets other octets than the first.
        """
        block = super().read_block()
        if self._left > 0:
            self._kept.append(block)
            self._left -= len(block)
        return block

    @property
    def beginning(self) -> bytes:
        """The first octets of what was read, at least the head of a mail and a little more."""
        return b"".join(self._kept)


class Writer(Protocol):
    """Takes the octets of a CMS object; :meth:`finish` completes what stands around it."""

    def write(self, data: bytes | bytearray | memoryview, /) -> object:
        """Write the next octets."""
        ...

    def finish(self) -> None:
        """Write what is left."""
        ...


@dataclass(frozen=True, slots=True)
class Armour:
    """What stands around a CMS object.

    Attributes:
        head: the head of a mail with its blank line; nothing without a mail.
        text: how the object is made text; ``binary`` if it is not.
        eol: the line ending of that text.
        label: what PEM text calls the object.
    """

    head: bytes = b""
    text: Literal["binary", "base64", "pem"] = "binary"
    eol: bytes = LF
    label: str = CMS_LABEL

    def around(self, target: Target) -> Writer:
        """Write what stands before the object, and return what takes its octets."""
        target.write(self.head)
        if self.text == "pem":
            return PemWriter(target, label=self.label, eol=self.eol)
        return Base64Writer(target, eol=self.eol) if self.text == "base64" else _Bare(target)


class _Bare:
    """Writes octets as they are."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        self._target.write(memoryview(data))

    def finish(self) -> None:
        """Do nothing: nothing is left."""


def armour_of(incoming: Incoming, beginning: bytes) -> Armour:
    """Return what stands around the object in an input.

    Args:
        incoming: what the input is.
        beginning: its first octets.
    """
    if incoming.head is None:
        return _text_armour(beginning, _line_ending(beginning))
    before, found, body = beginning.partition(incoming.raw_head)
    if not found:  # it was mended, so that what it says of the body may be wrong as well
        return Armour(_as_base64(incoming.raw_head, incoming.head), "base64", incoming.head.eol)
    armour = _mail_armour(incoming.raw_head, incoming.head, body)
    mbox_line, _ = split_mbox_line(before.removeprefix(_MARK).lstrip(b"\r\n"))
    return replace(armour, head=mbox_line + armour.head)


def _mail_armour(raw_head: bytes, head: MailHead, body: bytes) -> Armour:
    """Follow what a mail says of its body; where it promises text without saying which, look."""
    match head.transfer_encoding:
        case "base64":
            return Armour(raw_head, "base64", head.eol)
        case "binary":
            return Armour(raw_head)
        case "7bit" | "8bit":
            return replace(_text_armour(body, head.eol), head=raw_head)
    return Armour(_as_base64(raw_head, head), "base64", head.eol)  # which is shorter than quoted-printable, and known


def _text_armour(octets: bytes, eol: bytes) -> Armour:
    text = octets.removeprefix(_MARK).lstrip()
    if contains_object(text):
        return Armour()
    if label := find_pem_label(text):
        return Armour(text="pem", eol=eol, label=label)
    return Armour(text="base64", eol=eol)


def _line_ending(text: bytes) -> bytes:
    return CRLF if text.partition(LF)[0].endswith(b"\r") else LF


def _as_base64(raw_head: bytes, head: MailHead) -> bytes:
    """Return ``raw_head`` with the field that names the transfer encoding, the first of them, naming base64."""
    start = len(head.mbox_line)
    for field in head.fields:
        end = start + len(field.raw)
        if field.name == _TRANSFER_ENCODING:
            return b"".join((raw_head[:start], b"Content-Transfer-Encoding: base64", head.eol, raw_head[end:]))
        start = end
    return raw_head


def for_kind(armour: Armour, head: MailHead | None, kind: Literal["enveloped-data", "authEnveloped-data"]) -> Armour:
    """Return armour for an object of another kind: a mail gets other fields that describe it."""
    if head is None:
        return armour
    mbox_line, _ = split_mbox_line(armour.head)
    return Armour(mbox_line + head.outer + envelope_fields(kind, head.eol), "base64", head.eol)
