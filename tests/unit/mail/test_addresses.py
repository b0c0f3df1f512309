"""Addresses in header fields: whatever may stand there is read, what is no address is named."""

from __future__ import annotations

import re

import pytest

from smime_session.errors import LimitError, MessageError
from smime_session.mail import addresses
from smime_session.mail.addresses import addresses_in


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bob@example.com", ["bob@example.com"]),
        (b" Bob <bob@example.com>,\r\n\tcarol@example.com ", ["bob@example.com", "carol@example.com"]),
        (b'"Doe, J." <j@x.org>, , k@x.org,', ["j@x.org", "k@x.org"]),
        (b"Team: a@x.org, B <b@x.org>;, c@x.org", ["a@x.org", "b@x.org", "c@x.org"]),
        (b"undisclosed-recipients:;", []),
        (b"", []),
        (b"a (one (two \\) @ ,) three) @ (four) x.org (five)", ["a@x.org"]),
        (b"<@one.org,@two.org:a@x.org>", ["a@x.org"]),
        (b'"john doe"@x.org, "plain"@x.org, "a\\"b"@x.org', ['"john doe"@x.org', "plain@x.org", '"a\\"b"@x.org']),
        (b"John Q. Public <j@x.org>, j@x.org <k@x.org>", ["j@x.org", "k@x.org"]),
        (b"=?utf-8?Q?a=40x=2Eorg=2C?= <b@x.org>", ["b@x.org"]),
        (b"a@[192.0.2.1]", ["a@[192.0.2.1]"]),
        ("jörg@müller.example".encode(), ["jörg@müller.example"]),
        (b"A@x.org, a@X.ORG, A@x.org", ["A@x.org", "a@X.ORG", "A@x.org"]),
    ],
)
def test_what_may_stand_in_an_address_field_is_read(value: bytes, expected: list[str]) -> None:
    """Groups, comments, quotes, routes and internationalised addresses give the addresses in them, in their order."""
    assert addresses_in(value, "To") == expected


@pytest.mark.parametrize(
    "value",
    [
        *(b"Bob", b"Doe, J. <j@x.org>", b"a@b@c", b"@x.org", b"a@", b"a@x.org;", b"a@x.org b@x.org", b"<a@x.org> b"),
        *(
            b"<a@x.org",
            b"a@x.org>",
            b'"a@x.org',
            b"(a@x.org",
            b"a@x.org)",
            b"a@[x",
            b"a@x]",
            b"a\\b@x.org",
            b"a..b@x.org",
        ),
        *(
            b"one: two: a@x.org;;",
            b": a@x.org;",
            b"one: a@x.org",
            b".a@x.org",
            b"a@.x.org",
            b"a b@x.org",
            b"<>",
            b"a@x.org\0",
        ),
        *(
            b'"a\r\nRCPT TO:<b@x.org>"@x.org',
            b'"a\0"@x.org',
            b"a@[1\r\n2]",
            b"\xff@x.org",
            b"<<a@x.org>>",
            b"<a@x.org,b@x.org>",
            b"<a@x.org> <b@x.org>",
            b"<a@x.org>.org",
            b"<a@x.org: b@x.org>",
            b"<a@x.org>: b@x.org;",
        ),
    ],
)
def test_what_is_no_address_is_an_error(value: bytes) -> None:
    """Nothing is guessed and nothing passed over: the field and what is wrong are named, in one printable line."""
    with pytest.raises(MessageError, match="the To field") as caught:
        addresses_in(value, "To")
    assert str(caught.value).isprintable()


def test_long_nonsense_is_cut_in_the_error() -> None:
    """What others wrote comes back in a few words, with how much is left out."""
    with pytest.raises(MessageError, match=re.escape("and 999,920 more")) as caught:
        addresses_in(b"x" * 1_000_000, "Cc")
    assert len(str(caught.value)) < 200


def test_the_number_of_addresses_and_of_comments_in_comments_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field as long as a mail may be neither fills the memory nor the stack."""
    monkeypatch.setattr(addresses, "MAX_ADDRESSES", 3)
    assert len(addresses_in(b"a@x," * 3, "To")) == 3
    with pytest.raises(LimitError):
        addresses_in(b"a@x," * 4, "To")
    assert addresses_in(b"(" * 64 + b")" * 64 + b"a@x", "To") == ["a@x"]
    with pytest.raises(LimitError):
        addresses_in(b"(" * 100_000, "To")
