"""The places in a mail where an S/MIME object may stand: its parts that have no others, and what is in them."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.algorithms import CONTENT_TYPES, SIGNED_DATA
from smime_session.cms.encapsulated import content_type_of, encapsulated
from smime_session.mail.arrival import read_arrived_head
from smime_session.mail.blocks import Lookahead
from smime_session.mail.detection import open_message
from smime_session.mail.line_endings import CRLF, LF
from smime_session.mail.parts import find_parts
from smime_session.mail.repairs import Repairs
from smime_session.mail.transfer import Base64Decoder, QuotedPrintableDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from smime_session.mail.blocks import NextBlock
    from smime_session.mail.detection import Incoming
    from smime_session.mail.entity import MailHead
    from smime_session.mail.fields import Field
    from smime_session.mail.parts import Part

TRANSFER_ENCODING: Final = "content-transfer-encoding"
_DECODERS: Final[dict[str, Callable[[NextBlock], NextBlock]]] = {
    "base64": Base64Decoder,
    "quoted-printable": QuotedPrintableDecoder,
}


class Place(NamedTuple):
    """A part, and where it is.

    Attributes:
        mail: the mail that it is in.
        part: the part.
        number: its number in the whole.
        depth: how many objects it is in.
        is_mail: whether it is a mail, and not only a part of one.
        boundaries: those of the multiparts around it.
        fields: the head of the mail that it belongs to.
    """

    mail: bytes
    part: Part
    number: str
    depth: int
    is_mail: bool
    boundaries: tuple[bytes, ...]
    fields: Sequence[Field]

    @property
    def head(self) -> bytes:
        """Its head with the blank line."""
        return self.mail[self.part.begin : self.part.body]

    @property
    def mail_head(self) -> MailHead:
        """The head of what is a mail.

        Raises:
            MessageError: it is none.
        """
        return read_arrived_head(Lookahead(bytes, self.head), len(self.head), Repairs())[1]

    @property
    def body(self) -> bytes:
        """Its body."""
        return self.mail[self.part.body : self.part.end]

    @property
    def eol(self) -> bytes:
        """The line ending of its head."""
        return CRLF if self.head.partition(LF)[0].endswith(b"\r") else LF

    @property
    def is_encoded_mail(self) -> bool:
        """Whether it holds a mail in an encoding, as none may be (RFC 2046, 5.2.1)."""
        return self.part.content_type == "message/rfc822" and self.part.transfer_encoding in _DECODERS

    def decoded_mail(self) -> bytes:
        """Return the mail that it holds encoded.

        Raises:
            MessageError: its encoding is broken.
        """
        decoder = _DECODERS[self.part.transfer_encoding](Lookahead(bytes, self.body))
        return b"".join(iter(decoder, b""))

    def incoming(self) -> Incoming:
        """Find the CMS object that is its body, whatever it is called.

        Raises:
            MessageError: there is none.
        """
        encoding = [raw for name, raw in self.part.fields if name == TRANSFER_ENCODING]
        head = b"".join((b"Content-Type: application/pkcs7-mime", self.eol, *encoding[:1], self.eol))
        return open_message(Lookahead(bytes, head + self.body))

    def breaks_out(self, entity: bytes) -> bool:
        """Tell whether a line of what is to stand here would end the part, or another one around it."""
        return any(re.search(rb"(?m)^--" + re.escape(boundary), entity) for boundary in self.boundaries)


def places_in(  # noqa: PLR0913  # what is known of where they are
    mail: bytes,
    parts: Sequence[Part],
    prefix: str = "",
    *,
    depth: int = 0,
    is_mail: bool = True,
    fields: Sequence[Field] | None = None,
) -> Iterator[Place]:
    """Yield the parts of a mail that have no others.

    Args:
        mail: the mail, or an entity.
        parts: all of its parts.
        prefix: what their numbers begin with.
        depth: how many objects it is in.
        is_mail: whether it is a mail.
        fields: the head of the mail that it is in, if it is none.
    """
    around: list[Part] = []
    named: list[bytes] = []  # their boundaries: parsed once, as there may be many parts and long heads
    for index, part in enumerate(parts):
        while around and around[-1].end <= part.begin:
            around.pop()
            named.pop()
        if index + 1 == len(parts) or parts[index + 1].begin >= part.end:
            boundaries = tuple(filter(None, named))
            is_whole = around[-1].content_type == "message/rfc822" if around else is_mail
            head = _head_of((*around, part), fields)
            yield Place(mail, part, prefix + part.number, depth, is_whole, boundaries, head)
        else:
            around.append(part)
            named.append(part.parameters.get("boundary", "").encode())


def _head_of(chain: Sequence[Part], fields: Sequence[Field] | None) -> Sequence[Field]:
    """Return the head of the innermost mail in parts that are inside one another."""
    head = chain[0].fields if fields is None else fields
    for outer, inner in pairwise(chain):
        if outer.content_type == "message/rfc822":
            head = inner.fields
    return head


def find_place(mail: bytes, number: str, *, is_mail: bool = True) -> Place | None:
    """Return the part with a number, as :func:`places_in` and what can be read in these places give it.

    Args:
        mail: the mail, or an entity.
        number: the number.
        is_mail: whether it is a mail.

    Raises:
        MessageError: what it is said to be in cannot be read.
    """
    outer, _, inner = number.partition("/")
    for place in places_in(mail, find_parts(iter((mail, b"")).__next__), is_mail=is_mail):
        if place.number == outer and inner:
            inside = inside_of(place)
            found = None if inside is None else find_place(inside, inner, is_mail=place.is_encoded_mail)
            return found and found._replace(number=number)
        if place.number == outer:
            return place
    return None


def kind_of(place: Place) -> str:
    """Return what the CMS object in a place is, by the name of its content type.

    Raises:
        MessageError: there is none.
    """
    return content_type_of(b"".join(iter(place.incoming().next_block, b"")))


def inside_of(place: Place) -> bytes | None:
    """Return the mail or entity that can be read in a place, encoded or signed; None if there is none.

    Raises:
        MessageError: what is there cannot be read.
    """
    if place.is_encoded_mail:
        return place.decoded_mail()
    octets = b"".join(iter(place.incoming().next_block, b""))
    return encapsulated(octets).content if content_type_of(octets) == CONTENT_TYPES[SIGNED_DATA] else None
