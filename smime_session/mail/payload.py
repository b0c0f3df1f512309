"""What of a mail goes inside its envelope, the Cryptographic Payload, and what stands outside (RFC 9788, 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.mail.fields import Field
from smime_session.mail.line_endings import CRLF
from smime_session.mail.protection import joined, protect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smime_session.mail.blocks import Block
    from smime_session.mail.entity import MailHead
    from smime_session.mail.header_policy import HeaderPolicy

_VERSION: Final = "mime-version"


class Payload(NamedTuple):
    """A mail that is to be encrypted, divided.

    Attributes:
        outer: what stands outside, before the fields of the envelope.
        fields: the fields inside.
        hidden: the fields inside that the body is to show too.
    """

    outer: bytes
    fields: tuple[Field, ...]
    hidden: tuple[Field, ...]

    def blocks(self, body: Iterable[Block]) -> Iterator[Block]:
        """Yield what goes inside: the fields, the blank line and the body.

        Args:
            body: the mail's body in canonical form.
        """
        if not self.hidden:
            yield joined(self.fields) + CRLF
            yield from body
            return
        from smime_session.mail.main_body import MainBody  # loads legacy display elements, which few mails have: 7 ms

        main_body = MainBody.showing(self.hidden, self.fields)
        waiting = True
        for block in body:
            converted = main_body.convert(block)
            if waiting and main_body.changed is not None:
                waiting = False
                yield joined(main_body.fields(changed=main_body.changed)) + CRLF
            if converted:
                yield converted
        converted = main_body.finish()
        if waiting:
            yield joined(main_body.fields(changed=bool(main_body.changed))) + CRLF
        yield converted


def payload_of(head: MailHead, headers: HeaderPolicy) -> Payload:
    """Divide a mail.

    Args:
        head: its head.
        headers: what is shown outside of its fields.

    Raises:
        MessageError: it is signed or encrypted already, and has fields that are to be hidden.
    """
    versioned = _VERSION in [name for name, _ in head.fields]
    version = () if versioned else (Field(_VERSION, b"MIME-Version: 1.0" + head.eol),)
    fields = head.fields if head.described else (*head.fields, *version, *head.content_fields)
    divided = protect(fields, headers, eol=head.eol, dropped=head.hidden)
    outer = (*divided.outer, *version) if head.described else divided.outer
    return Payload(head.mbox_line + b"".join([raw for _, raw in outer]), divided.inner, divided.hidden)
