"""Attributes that a message's tag covers besides its content (RFC 5083, 2.1): one of them says what the content is."""

from __future__ import annotations

from typing import Final

from smime_session.algorithms import DATA, name_of
from smime_session.cms import asn1
from smime_session.errors import MalformedError
from smime_session.text import excerpt

CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"  # RFC 5652, 11.1


def content_type_attribute(oid: str) -> bytes:
    """Encode authenticated attributes that say what the content is and nothing else, as the tag covers them.

    Args:
        oid: the type of the content, dotted.
    """
    values = asn1.encode(asn1.SET, asn1.object_identifier(oid))
    return asn1.encode(asn1.SET, asn1.encode(asn1.SEQUENCE, asn1.object_identifier(CONTENT_TYPE), values))


def check_content_type(oid: str, attributes: bytes) -> None:
    """Check that an authenticated message is what its tag proves, for the tag does not cover the type itself.

    Args:
        oid: what the message says that its content is, dotted.
        attributes: the authenticated attributes as the tag covers them, or nothing.

    Raises:
        MalformedError: they say something else, or nothing though the content is not plain data; or they are broken.
    """
    stated = [
        value.object_identifier()
        for attribute in (asn1.parse(attributes).expect(asn1.SET) if attributes else ())
        for value in _values(attribute)
    ]
    if stated not in ([oid], [] if oid == DATA else [oid]):
        raise MalformedError(f"the content is said to be {name_of(oid) or excerpt(oid)}, which is not authenticated")


def _values(attribute: asn1.Element) -> list[asn1.Element]:
    """Return the values of an attribute if it says what the content is."""
    children = attribute.expect(asn1.SEQUENCE).children()
    if len(children) != 2:  # noqa: PLR2004  # type and values
        raise MalformedError("an attribute is malformed")
    kind, values = children
    return values.expect(asn1.SET).children() if kind.object_identifier() == CONTENT_TYPE else []
