"""What a message's attributes say its content is."""

from __future__ import annotations

import pytest

from smime_session.algorithms import DATA, SIGNED_DATA
from smime_session.cms import asn1
from smime_session.cms.attributes import CONTENT_TYPE, check_content_type, content_type_attribute
from smime_session.errors import MalformedError

OTHER = asn1.encode(asn1.SEQUENCE, asn1.object_identifier("1.2.3"), asn1.encode(asn1.SET, b"\x05\x00"))


def _set(*attributes: bytes) -> bytes:
    return asn1.encode(asn1.SET, *attributes)


def _stating(*oids: str) -> bytes:
    values = asn1.encode(asn1.SET, *map(asn1.object_identifier, oids))
    return asn1.encode(asn1.SEQUENCE, asn1.object_identifier(CONTENT_TYPE), values)


@pytest.mark.parametrize("oid", [DATA, SIGNED_DATA])
def test_what_is_written_is_accepted(oid: str) -> None:
    """The attribute states one type, alone or beside other attributes."""
    check_content_type(oid, content_type_attribute(oid))
    assert content_type_attribute(oid) == _set(_stating(oid))
    check_content_type(oid, _set(OTHER, _stating(oid)))


def test_plain_data_needs_no_statement() -> None:
    """RFC 5083, 2.1 asks for it with any other content."""
    check_content_type(DATA, b"")
    check_content_type(DATA, _set(OTHER))
    for attributes in (b"", _set(OTHER)):
        with pytest.raises(MalformedError, match="the content is said to be signed-data, which is not authenticated"):
            check_content_type(SIGNED_DATA, attributes)


@pytest.mark.parametrize(
    "attributes",
    [
        _set(_stating(SIGNED_DATA)),
        _set(_stating(DATA, SIGNED_DATA)),
        _set(_stating(DATA), _stating(SIGNED_DATA)),
        _set(_stating(DATA), _stating(DATA)),
    ],
)
def test_another_statement_is_refused(attributes: bytes) -> None:
    """What the tag proves and what the message says must agree, in one statement."""
    with pytest.raises(MalformedError, match="the content is said to be data, which is not authenticated"):
        check_content_type(DATA, attributes)


@pytest.mark.parametrize("broken", [b"\x05\x00", b"\x31\x02\x05\x00", b"\x31\x02\x30\x00", _set(_stating(DATA))[:-1]])
def test_broken_attributes_are_malformed(broken: bytes) -> None:
    """Whatever they are instead has a sentence."""
    with pytest.raises(MalformedError):
        check_content_type(DATA, broken)
