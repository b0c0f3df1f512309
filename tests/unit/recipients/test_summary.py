"""What a recipient info says in public, and how many of them one sentence names."""

from __future__ import annotations

import pytest

from smime_session.algorithms import RSAES_PKCS1_V1_5
from smime_session.cms.values import IssuerAndSerialNumber, SubjectKeyIdentifier, WrappedKey
from smime_session.recipients.registry import names_of, summarize
from smime_session.recipients.rsa import KeyTransRecipientInfo, encode
from smime_session.recipients.summary import RecipientSummary, identifier_fields

NAME = bytes.fromhex("3010 310e 300c 0603550403 0c05 416c696365")


def _wrapped(number: int) -> WrappedKey:
    return encode(KeyTransRecipientInfo(IssuerAndSerialNumber(NAME, number), RSAES_PKCS1_V1_5, b"\x00"))


@pytest.mark.parametrize(
    ("summary", "name"),
    [
        (RecipientSummary(technique="key transport", issuer="CN=a", serial_number="0x7"), "serial 0x7 of CN=a"),
        (RecipientSummary(technique="key agreement", key_identifier="abcd"), "key identifier abcd"),
        (RecipientSummary(technique="password"), "a password recipient"),
    ],
)
def test_a_recipient_has_a_name(summary: RecipientSummary, name: str) -> None:
    """A recipient is named by its number, by its key, or by what it is."""
    assert summary.name == name


@pytest.mark.parametrize(
    ("summary", "description"),
    [
        (RecipientSummary(technique="pre-shared key", key_identifier="abcd"), "key identifier abcd (pre-shared key)"),
        (RecipientSummary(technique="password"), "a password recipient"),
    ],
)
def test_a_description_has_the_technique(summary: RecipientSummary, description: str) -> None:
    """A number alone does not tell what kind of key it is for; other names do."""
    assert summary.description == description


def test_identifiers_are_told_by_field() -> None:
    """Each kind of identifier fills its own fields; a number of any sign and size is written out."""
    by_serial = identifier_fields(IssuerAndSerialNumber(NAME, 255))
    assert by_serial == {"issuer": "CN=Alice", "serial_number": "0xff"}
    assert identifier_fields(SubjectKeyIdentifier(b"\xab\xcd")) == {"key_identifier": "abcd"}
    for number in (-1, 0, 1 << 5000):
        assert identifier_fields(IssuerAndSerialNumber(NAME, number))["serial_number"] == f"{number:#x}"


@pytest.mark.parametrize("encoded", ["3000", "3003020100", "30ff", "300b 020100 3000 3000 0400 00"])
def test_a_broken_recipient_is_summarised_with_its_problem(encoded: str) -> None:
    """Of a recipient info that cannot be read, its technique and the problem are told."""
    (summary,) = summarize(WrappedKey(bytes.fromhex(encoded), 0, 32))
    assert summary.technique == "key transport"
    assert summary.problem
    assert summary.name == "a key transport recipient"


def test_a_recipient_of_an_unknown_kind_is_summarised() -> None:
    """A RecipientInfo that no standard knows is told as such."""
    (summary,) = summarize(WrappedKey(b"\xa9\x00", 0, 32))
    assert summary == RecipientSummary(technique="unknown")


@pytest.mark.parametrize(("count", "last"), [(0, ""), (10, "serial 0xa of CN=Alice"), (11, "and 1 more")])
def test_few_recipients_are_named_and_the_rest_counted(count: int, last: str) -> None:
    """A sentence names ten recipients at most."""
    names = names_of([_wrapped(number) for number in range(1, count + 1)])
    assert len(names) == min(count, 11)
    assert "".join(names[-1:]).startswith(last)
    assert names_of([_wrapped(1)] * 20_000)[-1] == "and 19,990 more"
