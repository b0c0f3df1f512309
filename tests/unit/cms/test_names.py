"""Comparing names: what does not count, and what makes them others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asn1crypto import x509
from hypothesis import given
from hypothesis import strategies as st

from smime_session.cms import asn1
from smime_session.cms.names import MAX_NAME_SIZE, same_name

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = x509.Name.build({"country_name": "DE", "common_name": "Alice"})
TEXT = st.text(alphabet=" aAbßẞéÉ.ﬁ", max_size=6)


def _name(*parts: Sequence[tuple[str, int, bytes]]) -> bytes:
    """Return a Name of parts, each some attributes: object identifier, tag and contents."""
    return asn1.encode(
        asn1.SEQUENCE,
        *(
            asn1.encode(
                asn1.SET,
                *(
                    asn1.encode(asn1.SEQUENCE, asn1.object_identifier(oid), asn1.encode(tag, contents))
                    for oid, tag, contents in part
                ),
            )
            for part in parts
        ),
    )


CN, ORGANIZATION = "2.5.4.3", "2.5.4.10"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((0x0C, b"Alice"), (0x13, b"ALICE"), True),
        ((0x0C, b" Alice  B "), (0x16, b"alice b"), True),
        ((0x0C, "É".encode()), (0x14, b"\xe9"), True),
        ((0x1E, "Straße".encode("utf-16-be")), (0x0C, b"STRASSE"), True),
        ((0x0C, "ﬁn".encode()), (0x13, b"fin"), True),
        ((0x0C, "a\u00adb\u200bc".encode()), (0x13, b"abc"), True),
        ((0x0C, b"Alice"), (0x0C, b"Bob"), False),
        ((0x0C, b"ab"), (0x0C, b"a b"), False),
        ((0x03, b"\0a"), (0x03, b"\0A"), False),
        ((0x03, b"\0a"), (0x0C, b"\0a"), False),
        ((0x0C, b"\xff"), (0x14, b"\xff"), False),
    ],
)
def test_values_are_compared_as_text(one: tuple[int, bytes], other: tuple[int, bytes], same: bool) -> None:  # noqa: FBT001  # a parameter
    """String type, letter case, compatible forms and surplus spaces do not count; all else does."""
    assert same_name(_name([(CN, *one)]), _name([(CN, *other)])) is same


def test_types_and_places_count() -> None:
    """The same text as another attribute, or in another place, is another name; within one part order is nothing."""
    cn, organization = (CN, 0x0C, b"a"), (ORGANIZATION, 0x0C, b"a")
    shouted = (ORGANIZATION, 0x0C, b"A")
    assert not same_name(_name([cn]), _name([organization]))
    assert not same_name(_name([cn], [organization]), _name([organization], [cn]))
    assert not same_name(_name([cn], [organization]), _name([cn, organization]))
    assert not same_name(_name([cn], [cn]), _name([cn]))
    assert same_name(_name([cn, organization]), _name([shouted, cn]))


@given(TEXT, TEXT, st.sampled_from(["utf8_string", "bmp_string"]))
def test_asn1crypto_compares_alike(one: str, other: str, kind: str) -> None:
    """Another implementation of the same rules comes to the same answer."""
    names = [
        x509.Name(
            name="",
            value=x509.RDNSequence([[{"type": "common_name", "value": x509.DirectoryString(name=tag, value=text)}]]),
        )
        for text, tag in ((one, "utf8_string"), (other, kind))
    ]
    encoded = [name.dump() for name in names]
    assert same_name(*encoded) == (encoded[0] == encoded[1] or names[0] == names[1])


def test_names_are_compared_as_the_standard_does() -> None:
    """Names that differ in letter case, spaces or string type only are the same (RFC 5280, 7.1)."""
    other = x509.Name.build({"country_name": "DE", "common_name": "ALICE "}, use_printable=True)
    assert other.dump() != NAME.dump()
    assert same_name(other.dump(), NAME.dump())
    assert not same_name(x509.Name.build({"common_name": "Bob"}).dump(), NAME.dump())
    assert not same_name(b"\x30\x01", NAME.dump())
    assert same_name(b"\x30\x01", b"\x30\x01")


@pytest.mark.parametrize("broken", ["", "30", "0500", "3003020101", "30053103020101", "300b3109300706035504030c01ff"])
def test_what_is_no_name_is_only_itself(broken: str) -> None:
    """Octets that cannot be read equal nothing but themselves, and never raise anything."""
    octets = bytes.fromhex(broken)
    assert same_name(octets, bytes(bytearray(octets)))
    assert not same_name(octets, NAME.dump())
    assert not same_name(NAME.dump(), octets)


def test_a_long_name_is_not_taken_apart() -> None:
    """A name of many kilobytes is the same only as its very octets."""
    long, loud = (_name([(CN, 0x0C, letter * MAX_NAME_SIZE)]) for letter in (b"a", b"A"))
    assert same_name(long, bytes(bytearray(long)))
    assert not same_name(long, loud)
