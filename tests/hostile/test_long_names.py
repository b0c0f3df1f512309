"""Names of any length: an error repeats no more of what others wrote than a line or two."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from smime_session import (
    MessageError,
    NoMatchError,
    RecipientError,
    SmimeError,
    decrypt,
    inspect,
    recipient_for,
    rewrap,
)
from smime_session.algorithms import ENVELOPED_DATA
from smime_session.cms import asn1
from tests.hostile.forge import Forgery
from tests.support.making import DAY, NOW, certificate, subject_with

if TYPE_CHECKING:
    from tests.conftest import Person

MOST: Final = 2000  # characters: ten recipients, each with what a name and a number may have
SIZES: Final = st.sampled_from([1, 80, 81, 240, 4000, 70_000, 1_000_000])
LETTERS: Final = st.sampled_from(["x", "\x1b", "é", "\\", "=", "@", "9"])


def rdn(oid: str, letters: str) -> bytes:
    """Return an encoded Name of one attribute."""
    attribute = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(oid), asn1.encode(0x0C, letters.encode()))
    return asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SET, attribute))


def algorithm(oid: bytes) -> bytes:
    """Return an AlgorithmIdentifier without parameters."""
    return asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OBJECT_IDENTIFIER, oid))


def recipient_infos(letters: str, size: int) -> list[bytes]:
    """Return recipient infos of every kind whose names, numbers and object identifiers are as long as they can be."""
    name, octets = letters * size, letters.encode() * size
    long_oid = b"\xff" * min(size, 63) + b"\x7f"
    by_number = asn1.encode(asn1.SEQUENCE, rdn("2.5.4.3", name), asn1.encode(asn1.INTEGER, b"\x7f" * min(size, 300)))
    by_key = asn1.encode(0x80, octets)
    key = asn1.encode(asn1.OCTET_STRING, bytes(40))
    kek_name = asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OCTET_STRING, octets), asn1.encode(0x18, octets))
    return [
        *(
            asn1.encode(asn1.SEQUENCE, asn1.integer(version), whose, algorithm(long_oid), key)
            for version, whose in ((0, by_number), (2, by_key))
        ),
        asn1.encode(0xA2, asn1.integer(4), kek_name, algorithm(long_oid), key),
        asn1.encode(0xA3, asn1.integer(0), algorithm(long_oid), key),
        asn1.encode(0xA4, asn1.encode(asn1.OBJECT_IDENTIFIER, long_oid), asn1.encode(asn1.OCTET_STRING, octets)),
    ]


def assert_short(error: SmimeError) -> None:
    """Fail if an error, or a fact in it, is longer than people read."""
    facts = [str(error), *map(str, getattr(error, "addressed_to", ())), *map(str, getattr(error, "refused", ()))]
    assert max(map(len, facts)) < MOST


@given(LETTERS, SIZES, st.integers(0, 4))
@settings(deadline=None)
def test_what_a_message_names_is_cut(alice: Person, letters: str, size: int, place: int) -> None:
    """No recipient info makes an error of its own length, whether its message is opened, inspected or rewrapped."""
    message = Forgery(recipient_infos(letters, size)[place] * 3).encoded
    for use in (
        lambda: decrypt(message, [alice.identity]),
        lambda: rewrap(message, [alice.identity], remove=["12345"]),
        lambda: rewrap(message, [alice.identity], remove=["alice@example.org"], certificates=[alice.certificate]),
    ):
        with pytest.raises((MessageError, NoMatchError, RecipientError)) as caught:
            use()
        assert_short(caught.value)
    with suppress(MessageError):
        assert all(len(each.summary.problem or "") < MOST for each in inspect(message).recipients)


@given(LETTERS, SIZES)
@settings(deadline=None)
def test_what_a_message_is_instead_is_cut(alice: Person, letters: str, size: int) -> None:
    """Labels, media types and object identifiers of any length make short errors."""
    text, octets = letters * size, letters.encode() * size
    for message in (
        b"-----BEGIN " + octets + b"-----\n\n-----END " + octets + b"-----\n",
        f"-----BEGIN PGP {text}-----\n".encode(),
        f"From: a@b\r\nContent-Type: text/{text}\r\n\r\nhello\r\n".encode(),
        f"From: a@b\r\nContent-Type: application/pkcs7-mime; smime-type={text}\r\n\r\nhello\r\n".encode(),
        f"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: {text}\r\n\r\nMII=\r\n".encode(),
        Forgery(b"", algorithm="1.2." + "9" * min(size, 100)).encoded,
        Forgery(b"", content_type=ENVELOPED_DATA, algorithm="1.2." + "9" * min(size, 100)).encoded,
    ):
        with pytest.raises(SmimeError) as caught:
            decrypt(message, [alice.identity])
        assert_short(caught.value)


@given(SIZES)
@settings(deadline=None)
def test_what_a_certificate_says_is_cut(size: int) -> None:
    """A certificate that must not be used is named in a line, however long its names are."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
    for subject in (
        certificate(None, subject=subject_with(NameOID.COMMON_NAME, "x" * 64), names=[], end=NOW - DAY),
        certificate(f"{'x' * size}@example.org", end=NOW - DAY),
        certificate(None, serial=(1 << 159) - 1, end=NOW - DAY, extensions=[(unknown, True)]),
    ):
        with pytest.raises(RecipientError) as caught:
            recipient_for(subject, at=NOW)
        assert_short(caught.value)
