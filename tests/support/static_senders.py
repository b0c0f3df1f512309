"""Messages whose sender agrees on a key with one of their own, which nobody's program writes: put together here."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding

import smime_session
from smime_session import MODERN
from smime_session.certificates.public_key import PublicKey
from smime_session.cms import asn1, codec
from smime_session.recipients import curves
from tests.support.agreeing import Person, sealed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from smime_session import Profile, Recipient
    from smime_session.cms.values import RecipientIdentifier, WrappedKey
    from smime_session.session_key import SessionKey

CONTENT = b"Content-Type: text/plain\r\n\r\nhello\r\n"


class FromStatic(NamedTuple):
    """A recipient of somebody who names a certificate instead of making a new key (RFC 5652, 6.2.2).

    Attributes:
        reader: the recipient.
        sender: whose key is agreed with.
        name: how the recipient info names the sender's certificate.
    """

    reader: Person
    sender: Person
    name: RecipientIdentifier

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Wrap a session key of 32 octets."""
        curve = curves.NAMED[PublicKey.of(self.reader.key.public_key()).kind]
        originator = codec.recipient_identifier(self.name)
        material = bytes(key.material)
        return sealed(self.reader, material, algorithm=curve.agreement, sender=self.sender.key, originator=originator)


def originator_info(*certificates: x509.Certificate | bytes) -> bytes:
    """Return an OriginatorInfo with certificates, or with octets in the place of one."""
    members = [each if isinstance(each, bytes) else each.public_bytes(Encoding.DER) for each in certificates]
    return asn1.encode(0xA0, asn1.encode(0xA0, *members))


def message_with(recipients: Sequence[Recipient], info: bytes | None, profile: Profile = MODERN) -> bytes:
    """Return :data:`CONTENT` for some recipients, as DER that holds an OriginatorInfo, or None."""
    target = io.BytesIO()
    smime_session.encrypt_stream(io.BytesIO(CONTENT), target, recipients, profile=profile, form="der")
    content_type, explicit = asn1.parse(target.getvalue()).children()
    version, *fields = [field.encoded for field in explicit.children()[0].children()]
    envelope = asn1.encode(asn1.SEQUENCE, version, info or b"", *fields)
    return asn1.encode(asn1.SEQUENCE, content_type.encoded, asn1.encode(0xA0, envelope))
