"""Names of certificates as text: what RFC 4514 says, and nothing that a terminal obeys."""

from __future__ import annotations

import pytest
from asn1crypto import x509
from hypothesis import given
from hypothesis import strategies as st

from smime_session.cms import asn1, codec
from smime_session.cms.names import same_name

NAME = x509.Name.build({"country_name": "DE", "common_name": "Alice"})


def test_names_are_shown_most_specific_first() -> None:
    """A name reads as people write it."""
    assert codec.name_text(NAME.dump()) == "CN=Alice, C=DE"


def test_names_do_nothing_to_a_terminal() -> None:
    """A name that holds terminal escapes is shown with escapes."""
    assert codec.name_text(x509.Name.build({"common_name": "\x1b[2Jx"}).dump()) == r"CN=\x1b[2Jx"


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([{"organization_name": "Evil, CN=Alice"}], r"O=Evil\, CN=Alice"),
        ([{"organization_name": "Evil"}, {"common_name": "Alice"}], "CN=Alice, O=Evil"),
        ([{"organization_name": "Evil", "common_name": "Alice"}], "O=Evil+CN=Alice"),
        ([{"common_name": ' #a+b"c<d>e;f\\ '}], r"CN=\ #a\+b\"c\<d\>e\;f\\\ "),
        ([{"common_name": "#a"}], r"CN=\#a"),
    ],
)
def test_one_name_does_not_look_like_another(parts: list[dict[str, str]], text: str) -> None:
    """What is between the parts is escaped within them, and parts that belong together are joined otherwise."""
    relative = [
        x509.RelativeDistinguishedName(
            [
                {"type": kind, "value": x509.DirectoryString(name="utf8_string", value=value)}
                for kind, value in part.items()
            ]
        )
        for part in parts
    ]
    assert codec.name_text(x509.Name(name="", value=x509.RDNSequence(relative)).dump()) == text


@pytest.mark.parametrize("value", ["0300", "2304 0302 0000", "2300"])
@pytest.mark.parametrize("kind", ["0603 55042d", "0601 2a"])
def test_a_bit_string_in_a_name_never_raises(kind: str, value: str) -> None:
    """Values of types that no name should have are shown or called unreadable, whatever the parser does with them."""
    attribute = asn1.encode(asn1.SEQUENCE, bytes.fromhex(kind), bytes.fromhex(value))
    name = asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SET, attribute))
    assert codec.name_text(name).isprintable()


@pytest.mark.parametrize("encoded", ["", "30", "0500", "3003020101", "30053103020101", "300b3109300706035504030c01ff"])
def test_broken_names_are_called_unreadable(encoded: str) -> None:
    """A name that cannot be read is shown as such, and never raises anything."""
    assert codec.name_text(bytes.fromhex(encoded)) == "an unreadable name"


def test_a_long_name_is_not_taken_apart() -> None:
    """A name of many kilobytes is called long."""
    part = x509.Name.build({"common_name": "Alice"}).dump()[2:]
    assert codec.name_text(asn1.encode(asn1.SEQUENCE, part * 100_000)) == "a name that is too long"


def test_an_empty_name_is_called_so() -> None:
    """A name without parts has words of its own."""
    assert codec.name_text(b"\x30\x00") == "an empty name"


@given(st.binary(max_size=60), st.data())
def test_names_of_noise_never_raise(noise: bytes, data: st.DataObject) -> None:
    """Octets at random, or a name with some of them in it, are shown or called unreadable."""
    name = NAME.dump()
    at = data.draw(st.integers(0, len(name)))
    for encoded in (noise, name[:at] + noise, name[:at] + noise + name[at + len(noise) :]):
        assert codec.name_text(encoded).isprintable()
        assert not same_name(encoded, name) or _folded(encoded) == _folded(name)


def _folded(name: bytes) -> str:
    """Return a name as it is shown, without what does not count when names are compared."""
    return "".join(codec.name_text(name).casefold().split())
