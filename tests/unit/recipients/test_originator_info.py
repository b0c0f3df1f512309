"""OriginatorInfo: which certificates are in it, in octets that are right, broken and too many."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.cms import asn1
from smime_session.errors import LimitError, MalformedError
from smime_session.profiles import MAX_ORIGINATOR_CERTIFICATE_SIZE, MAX_ORIGINATOR_CERTIFICATES
from smime_session.recipients.senders import certificates_in

KINDS: Final = (asn1.SEQUENCE, 0xA0, 0xA1, 0xA2, 0xA3)
"""Tags of a CertificateChoices (RFC 5652, 10.2.2): X.509, PKCS#6, attribute certificates of two versions, others."""


def info(*members: bytes, after: bytes = b"") -> bytes:
    """Return an OriginatorInfo with certificates, and what follows them."""
    return asn1.encode(0xA0, asn1.encode(0xA0, *members), after)


def of_size(size: int) -> bytes:
    """Return a value of so many octets."""
    return asn1.encode(asn1.SEQUENCE, bytes(size - 4))


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.binary(max_size=200)), max_size=MAX_ORIGINATOR_CERTIFICATES))
def test_x509_certificates_are_found(members: list[tuple[int, bytes]]) -> None:
    """They keep their order and their octets; other kinds are passed over, and so are revocation lists."""
    encoded = [asn1.encode(tag, contents) for tag, contents in members]
    wanted = [each for each in encoded if each[0] == asn1.SEQUENCE]
    assert certificates_in(info(*encoded)) == wanted
    assert certificates_in(info(*encoded, after=b"\xa1\x02\x30\x00")) == wanted


@pytest.mark.parametrize("encoded", ["a000", "a002a000", "a002a100", "a006a1043002 0500", "a0800000"])
def test_there_may_be_none(encoded: str) -> None:
    """Both fields are optional (RFC 5652, 6.1)."""
    assert certificates_in(bytes.fromhex(encoded)) == []


def test_indefinite_lengths_are_read() -> None:
    """As in any other part of an envelope."""
    assert certificates_in(bytes.fromhex("a080 a080 3003020105 3080020106 0000 0000 0000")) == [
        bytes.fromhex("3003020105"),
        bytes.fromhex("30800201060000"),
    ]


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "a0",
        "3000",
        "8000",
        "a0023000",  # neither field
        "a004a100a000",  # the wrong way round
        "a004a000a000",  # twice
        "a006a000a100a100",
        "a008a000a100a1003000",
        "a0028000",  # primitive
        "a003a00130",  # cut off
        "a005a003300500",
        "a002a0000500",  # something behind
        "a002a001",
    ],
)
def test_what_is_broken_is_refused(encoded: str) -> None:
    """Field by field."""
    with pytest.raises(MalformedError):
        certificates_in(bytes.fromhex(encoded))


def test_certificates_are_counted() -> None:
    """Of every kind, before any is looked at; revocation lists do not count."""
    most = [b"\x30\x00"] * MAX_ORIGINATOR_CERTIFICATES
    assert certificates_in(info(*most, after=asn1.encode(0xA1, *most, *most))) == most
    for one_more in (b"\x30\x00", b"\xa2\x00"):
        with pytest.raises(LimitError, match="the number of the originator's certificates exceeds the limit of 32"):
            certificates_in(info(*most, one_more))


def test_certificates_are_measured() -> None:
    """One that is larger than any in use is refused; what is no certificate may have any size."""
    largest = of_size(MAX_ORIGINATOR_CERTIFICATE_SIZE)
    assert len(largest) == MAX_ORIGINATOR_CERTIFICATE_SIZE
    other = b"\xa3" + of_size(MAX_ORIGINATOR_CERTIFICATE_SIZE + 1)[1:]
    assert certificates_in(info(largest, other, after=asn1.encode(0xA1, other))) == [largest]
    with pytest.raises(LimitError, match="of a certificate of the originator exceeds the limit of 65,536 bytes"):
        certificates_in(info(of_size(MAX_ORIGINATOR_CERTIFICATE_SIZE + 1)))
