"""Small messages that ask for much: lengths, depths and numbers are compared with a limit before anything is spent."""

from __future__ import annotations

import io
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from smime_session import (
    DecryptionError,
    LimitError,
    MalformedError,
    MessageError,
    NoMatchError,
    NotEnvelopeError,
    NotMailError,
    Policy,
    SessionKey,
    decrypt,
    inspect,
)
from smime_session.algorithms import AUTH_ENVELOPED_DATA
from smime_session.cms import asn1
from smime_session.profiles import MAX_DEPTH, MAX_MAIL_HEADER_SIZE, MAX_RECIPIENTS, MAX_TRAILER_SIZE, MAX_TRIALS
from tests.hostile.forge import KEY, TEXT, Forgery, assert_refused, opened, raw_info, recipient_info

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person

pytestmark = pytest.mark.timeout(120)  # what never ends fails here instead of hanging, on the slowest machine too

EOC = asn1.END_OF_CONTENTS
TYPE = asn1.object_identifier(AUTH_ENVELOPED_DATA)
HUGE = tuple((1 << bits) - 1 for bits in (31, 32, 33, 63, 64))
MEGABYTE = 1 << 20


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Check that a test takes no more than a few megabytes."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MEGABYTE


def _claims(tag: int, size: int, contents: bytes = b"") -> bytes:
    """Return the beginning of a value that says it is longer than it is."""
    return bytes((tag,)) + asn1.length(size) + contents


def _headers(size: int) -> dict[str, bytes]:
    """Return messages whose lengths, from some place on, claim ``size`` octets."""
    honest = Forgery(b"").encoded
    version = asn1.integer(0)
    algorithm = honest[honest.index(bytes.fromhex("301e0609")) :][:32]
    start = b"\x30\x80" + TYPE + b"\xa0\x80\x30\x80"
    content = start + version + b"\x31\x00"
    data = bytes.fromhex("06092a864886f70d010701")
    return {
        "whole": _claims(0x30, size, TYPE),
        "content": _claims(0x30, size, TYPE + _claims(0xA0, size - 30 if size > 30 else size)),
        "type": b"\x30\x80" + _claims(0x06, size),
        "version": start + _claims(0x02, size),
        "originator": start + version + _claims(0xA0, size),
        "recipients": start + version + _claims(0x31, size, b"\x30\x00"),
        "recipient": start + version + b"\x31\x80" + _claims(0x30, size),
        "algorithm": content + b"\x30\x80" + data + _claims(0x30, size),
        "ciphertext": content + b"\x30\x80" + data + algorithm + _claims(0x80, size, b"x"),
        "piece": content + b"\x30\x80" + data + algorithm + b"\xa0\x80" + _claims(0x04, size, b"x"),
        "tag": content + b"\x30\x80" + data + algorithm + b"\x80\x01x" + EOC + _claims(0x04, size),
        "attributes": content + b"\x30\x80" + data + algorithm + b"\x80\x01x" + EOC + _claims(0xA1, size),
    }


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("place", _headers(0))
@pytest.mark.parametrize("size", HUGE)
def test_a_huge_length_in_a_tiny_message_is_refused(place: str, size: int) -> None:
    """A length of up to 2^64 costs nothing, wherever it stands."""
    message = _headers(size)[place]
    assert len(message) < 120
    assert_refused(message, [SessionKey(bytearray(KEY))], MessageError)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("width", [9, 16, 126, 127])
def test_a_length_of_too_many_octets_is_refused(alice: Person, width: int) -> None:
    """A length has eight octets at most, whatever it says."""
    for octets in (b"\xff" * width, bytes(width - 1) + b"\x05"):
        message = bytes((0x30, 0x80 | width)) + octets + TYPE
        assert_refused(message, [alice.identity], MessageError)


def _deep(opening: bytes, closing: bytes, depth: int) -> bytes:
    return opening * depth + closing * depth


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1000, 100_000])
@pytest.mark.parametrize("tag", [0x24, 0x30, 0x31, 0xA0])
def test_deep_nesting_is_limited(alice: Person, tag: int, depth: int) -> None:
    """A hundred thousand values within each other exhaust no stack, wherever they stand."""
    nested = _deep(bytes((tag, 0x80)), EOC, depth)
    octets = _deep(b"\x24\x80", EOC, depth)
    honest = recipient_info(alice)
    start = b"\x30\x80" + TYPE + b"\xa0\x80\x30\x80"
    for message in (
        nested,
        b"\x30\x80" + nested,
        b"\x30\x80" + TYPE + b"\xa0\x80" + nested,
        start + nested,
        start + b"\x02\x01\x00" + nested,
        Forgery(nested).encoded,
        Forgery(honest, parameters=nested).encoded,
        Forgery(honest, ciphertext=octets, sealed_tag=0xA0).encoded,
        Forgery(honest, trailer=b"\xa1\x80" + nested + EOC + b"\x04\x00").encoded,
        Forgery(honest, trailer=octets).encoded,
    ):
        assert_refused(message, [alice.identity], MessageError)


def test_nested_octet_strings_open_up_to_the_limit(alice: Person) -> None:
    """Ciphertext in pieces within pieces, with and without lengths, is what it is joined together."""
    honest = Forgery(recipient_info(alice))
    halves = (honest.ciphertext[:10], honest.ciphertext[10:])
    pieces = b"".join(asn1.encode(asn1.OCTET_STRING, half) for half in halves)
    for depth in (1, 5, MAX_DEPTH - 8):
        definite = indefinite = pieces
        for _ in range(depth):
            definite = asn1.encode(0x24, definite)
            indefinite = b"\x24\x80" + indefinite + EOC
        for nested in (definite, indefinite, b"\x04\x00" + definite + b"\x24\x80" + EOC + b"\x24\x00"):
            message = Forgery(honest.infos, ciphertext=nested, sealed_tag=0xA0).encoded
            assert decrypt(message, [alice.identity]).message == TEXT


@pytest.mark.parametrize(
    "infos", [b"\x30\x00", b"\x30\x80\x00\x00", b"\xa4\x00", b"\x30\x03\x02\x01\x00"], ids=bytes.hex
)
def test_recipients_are_limited(alice: Person, infos: bytes) -> None:
    """A hundred thousand recipient infos are refused, and so is one more than the limit."""
    for count in (MAX_RECIPIENTS + 1, 100_000):
        message = Forgery(infos * count).encoded
        words = assert_refused(message, [alice.identity], LimitError)
        assert words == f"the number of recipients exceeds the limit of {MAX_RECIPIENTS:,}"


@pytest.mark.parametrize("place", ["recipients", "recipient", "algorithm", "parameters"])
def test_millions_of_tiny_values_take_no_memory(alice: Person, place: str) -> None:
    """What is refused for its number is not held beforehand, wherever it stands."""
    tiny = b"\x30\x00" * 4_000_000
    honest = recipient_info(alice)
    message = {
        "recipients": lambda: Forgery(tiny),
        "recipient": lambda: Forgery(asn1.encode(asn1.SEQUENCE, tiny)),
        "algorithm": lambda: Forgery(raw_info(alice, asn1.encode(asn1.SEQUENCE, tiny))),
        "parameters": lambda: Forgery(honest, parameters=asn1.encode(asn1.SEQUENCE, tiny)),
    }[place]().encoded
    tracemalloc.start()
    try:
        with pytest.raises((MessageError, DecryptionError)):
            decrypt(message, [alice.bare])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * len(message)


@pytest.mark.parametrize("count", [200_000, 7_000_000])
def test_tiny_values_without_lengths_are_refused_in_time(alice: Person, count: int) -> None:
    """Values that must be looked at one by one for their end are limited in number."""
    start = b"\x30\x80" + TYPE + b"\xa0\x80\x30\x80\x02\x01\x00\x31\x80"
    assert_refused(start + b"\x30\x00" * count, [alice.identity], MessageError)


def test_a_huge_name_is_compared_and_shown_in_time(alice: Person) -> None:
    """Ten megabytes of issuer are neither taken apart nor printed."""
    part = asn1.encode(asn1.SET, asn1.encode(asn1.SEQUENCE, bytes.fromhex("0603550403 0c03616263")))
    name = asn1.encode(
        asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE, part * 600_000), asn1.integer(alice.certificate.serial_number)
    )
    info = asn1.encode(
        asn1.SEQUENCE, asn1.integer(0), name, b"\x30\x03\x06\x01\x2a", asn1.encode(asn1.OCTET_STRING, bytes(256))
    )
    words = assert_refused(Forgery(info).encoded, [alice.identity], NoMatchError)
    assert "a name that is too long" in words
    assert len(words) < 1000


def test_as_many_recipients_as_are_allowed_open(alice: Person) -> None:
    """A large mailing list is read, and its one recipient found among the others."""
    honest = recipient_info(alice)
    other = honest.replace(
        asn1.integer(alice.certificate.serial_number), asn1.integer(alice.certificate.serial_number ^ 1)
    )
    message = Forgery(other * (MAX_RECIPIENTS - 1) + honest).encoded
    assert decrypt(message, [alice.identity]).message == TEXT


def test_trials_are_limited(alice: Person) -> None:
    """A message that asks for a private-key operation for each of its recipient infos gets a few and no more."""
    honest = recipient_info(alice)
    assert decrypt(Forgery(honest * MAX_TRIALS).encoded, [alice.identity]).message == TEXT
    words = assert_refused(Forgery(honest * (MAX_TRIALS + 1)).encoded, [alice.identity], LimitError)
    assert words == f"the number of wrapped keys to try exceeds the limit of {MAX_TRIALS}"
    assert decrypt(Forgery(honest * 3).encoded, [alice.identity], policy=Policy(max_trials=3)).message == TEXT


def test_what_follows_the_content_is_limited(alice: Person) -> None:
    """Attributes of two megabytes are refused without being held."""
    size = 2 * MAX_TRAILER_SIZE
    for attributes in (
        asn1.encode(0xA1, bytes(size)),
        b"\xa1\x80" + asn1.encode(0x30, bytes(1000)) * (size // 1000) + EOC,
    ):
        message = Forgery(recipient_info(alice), trailer=attributes + b"\x04\x10" + bytes(16)).encoded
        assert_refused(message, [alice.identity], LimitError)


def test_pieces_of_nothing_come_to_an_end(alice: Person) -> None:
    """Hundreds of thousands of empty pieces, which are no progress, are passed over in the time of their octets."""
    honest = Forgery(recipient_info(alice))
    for nothing in (b"\x04\x00", b"\x24\x00", b"\x24\x80\x00\x00"):
        pieces = nothing * 150_000 + asn1.encode(asn1.OCTET_STRING, honest.ciphertext)
        message = Forgery(honest.infos, ciphertext=pieces, sealed_tag=0xA0).encoded
        assert decrypt(message, [alice.identity]).message == TEXT


@pytest.mark.parametrize("octet", [0x00, 0x04, 0x24, 0x30, 0x80, 0xA0, 0xFF])
def test_one_octet_for_ever_is_refused(alice: Person, octet: int) -> None:
    """Two megabytes of one octet, alone or behind an honest beginning, are no message."""
    noise = bytes((octet,)) * (2 * MEGABYTE)
    start = b"\x30\x80" + TYPE + b"\xa0\x80\x30\x80\x02\x01\x00"
    for message in (noise, start + noise, b"Subject: x\r\n\r\n" + noise, start + b"\x31\x80" + noise):
        assert_refused(message, [alice.identity], MessageError)


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
@pytest.mark.parametrize("line", [b"Subject: x", b"X: " + b"x" * 900, b"Subject: x\n folded"])
def test_a_header_of_two_megabytes_is_limited(alice: Person, line: bytes, eol: bytes) -> None:
    """A mail header without an end is refused at its limit."""
    header = (line + eol) * (2 * MEGABYTE // len(line + eol))
    for message in (header, header + eol + b"body", b"x" * (2 * MEGABYTE) + eol):
        assert_refused(message, [alice.identity], (LimitError, NotMailError))


@pytest.mark.usefixtures("little_memory")
def test_an_endless_header_is_not_read_to_its_end(alice: Person) -> None:
    """A header that goes on for gigabytes is refused after its limit has been read."""

    class Endless(io.RawIOBase):
        served = 0

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return False

        def read(self, size: int = -1) -> bytes:
            assert size > 0
            self.served += size
            return (b"Subject: x\n" * (size // 11 + 1))[:size]

    source = Endless()
    with pytest.raises(LimitError, match=r"^the size of the mail header exceeds the limit of [0-9,]+ bytes$"):
        inspect(source, [alice.identity])  # type: ignore[arg-type]  # it has what is needed of a binary file
    assert source.served < 2 * MAX_MAIL_HEADER_SIZE


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"", NotMailError),
        (b"\n", NotMailError),
        (b"-----BEGIN", NotMailError),
        (b"-----BEGIN CMS-----", MessageError),
        (b"-----BEGIN CMS-----\n", MessageError),
        (b"-----BEGIN CMS-----\n-----END CMS-----\n", MessageError),
        (b"-----BEGIN CMS-----\n!!!!\n-----END CMS-----\n", MalformedError),
        (b"-----BEGIN CMS-----\nMIIB\n-----END PKCS7-----\n", MessageError),
        (b"-----BEGIN CMS-----\nMIIB\n-----BEGIN CMS-----\n", MessageError),
        (b"-----BEGIN CMS-----\n" + b"A" * MEGABYTE, MessageError),
        (b"-----BEGIN CMS-----\n" + b"AAAA\n" * 100_000, MessageError),
        (b"-----BEGIN CMS-----\nX: y\n" * 50_000, MessageError),
        (b"-----BEGIN " + b"A" * MEGABYTE, MessageError),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", NotEnvelopeError),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQEM\n-----END PGP MESSAGE-----\n", NotEnvelopeError),
        (b"MI" + b"I" * MEGABYTE, MessageError),
        (b"\x30", MessageError),
        (b"\x30\x00", MessageError),
        (b"\x30\x80\x06\x00", MessageError),
        (b"\xef\xbb\xbf", MessageError),
    ],
    ids=[str(number) for number in range(20)],
)
def test_texts_that_are_none_are_refused(alice: Person, message: bytes, error: type[MessageError]) -> None:
    """Empty, broken, foreign and endless texts are refused as what they are."""
    assert_refused(message, [alice.identity], (error, NotMailError))


@pytest.mark.parametrize(
    "junk", [b"text before\n\n", b"\xff\xfe", b"\x00" * 100, b"-----BEGIN CMS-----\n", b"=" * 1000]
)
def test_junk_around_pem_is_harmless(alice: Person, junk: bytes) -> None:
    """What stands before, after or within a PEM text leaves it as it is or has it refused."""
    from base64 import encodebytes

    text = encodebytes(Forgery(recipient_info(alice)).encoded)
    middle = len(text) // 2
    pem = (b"-----BEGIN CMS-----\n", b"\n-----END CMS-----\n")
    for message in (
        junk + pem[0] + text + pem[1],
        pem[0] + text + pem[1] + junk,
        pem[0] + junk + text + pem[1],
        pem[0] + text[:middle] + junk + text[middle:] + pem[1],
    ):
        assert opened(message, [alice.identity]) in (None, TEXT)
