"""KEKRecipientInfo: exact octets, and what is refused."""

from __future__ import annotations

from typing import Final

import pytest

from smime_session.algorithms import AES_128_WRAP, KEY_WRAPS, KeyWrap
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, WrappedKey
from smime_session.errors import LimitError, MalformedError, UnsupportedAlgorithmError
from smime_session.recipients import shared_key
from smime_session.recipients.shared_key import KekIdentifier, KekRecipientInfo

GOLDEN: Final = bytes.fromhex(
    "a231"  # [2]
    "020104"  # version 4
    "30050403c0fee0"  # identifier
    "300b0609608648016503040105"  # AES-128 key wrap
    "0418000102030405060708090a0b0c0d0e0f1011121314151617"
)
INFO: Final = KekRecipientInfo(KekIdentifier(bytes.fromhex("c0fee0")), AES_128_WRAP, bytes(range(24)))
NAME: Final = asn1.encode(asn1.OCTET_STRING, b"ours")
WRAP: Final = codec.algorithm_identifier(AlgorithmIdentifier(AES_128_WRAP.oid))
DATE: Final = asn1.encode(0x18, b"20260301120000Z")
OTHER: Final = asn1.encode(asn1.SEQUENCE, asn1.object_identifier("1.2.3.4"))


def _info(identifier: bytes, wrap: bytes = WRAP, encrypted_key: bytes = bytes(24), *more: bytes) -> WrappedKey:
    """Encode a KEKRecipientInfo of anything."""
    key = asn1.encode(asn1.OCTET_STRING, encrypted_key)
    encoded = asn1.encode(shared_key.TAG, asn1.integer(4), asn1.encode(asn1.SEQUENCE, identifier), wrap, key, *more)
    return WrappedKey(encoded, 4, 16)


def test_golden_octets() -> None:
    """What is written is exactly this, in version 4."""
    wrapped = shared_key.encode(INFO)
    assert wrapped.encoded == GOLDEN
    assert wrapped.version == 4


def test_golden_octets_are_read() -> None:
    """The same octets are read as the same values."""
    assert shared_key.decode(WrappedKey(GOLDEN, 4, 16)) == INFO


@pytest.mark.parametrize("wrap", KEY_WRAPS.values(), ids=lambda wrap: wrap.name)
@pytest.mark.parametrize("size", [24, 32, 40])
def test_round_trip(wrap: KeyWrap, size: int) -> None:
    """Every wrap and every size of encrypted key come back."""
    info = KekRecipientInfo(KekIdentifier(b"ours"), wrap, bytes(size))
    assert shared_key.decode(shared_key.encode(info)) == info


@pytest.mark.parametrize(
    ("more", "date"),
    [(b"", None), (DATE, "20260301120000Z"), (OTHER, None), (DATE + OTHER, "20260301120000Z")],
    ids=["name", "date", "other", "date-other"],
)
def test_optional_fields_of_the_identifier(more: bytes, date: str | None) -> None:
    """An identifier may have a date and another attribute, each or both."""
    assert shared_key.decode(_info(NAME + more)).identifier == KekIdentifier(b"ours", date)


def test_rude_date_is_harmless() -> None:
    """A date that would steer a terminal is shown in escapes."""
    date = shared_key.decode(_info(NAME + asn1.encode(0x18, b"\x1b[2J\xff"))).identifier.date
    assert date is not None
    assert date.isprintable()


def test_indefinite_lengths_are_read() -> None:
    """The BER of a streaming writer is read."""
    ber = b"\xa2\x80" + GOLDEN[2:] + b"\x00\x00"
    assert shared_key.decode(WrappedKey(ber, 4, 16)) == INFO


def test_null_parameters_are_read() -> None:
    """A wrap's parameters, which must be absent, may be NULL as some write them."""
    wrap = codec.algorithm_identifier(AlgorithmIdentifier(AES_128_WRAP.oid, asn1.NULL))
    assert shared_key.decode(_info(NAME, wrap)).wrap == AES_128_WRAP


@pytest.mark.parametrize(
    "wrapped",
    [
        pytest.param(_info(b""), id="no-name"),
        pytest.param(_info(DATE), id="date-for-name"),
        pytest.param(_info(NAME + OTHER + DATE), id="wrong-order"),
        pytest.param(_info(NAME + DATE + OTHER + OTHER), id="one-too-many"),
        pytest.param(_info(NAME + NAME), id="two-names"),
        pytest.param(_info(NAME, asn1.encode(asn1.SEQUENCE)), id="empty-algorithm"),
        pytest.param(
            _info(NAME, codec.algorithm_identifier(AlgorithmIdentifier(AES_128_WRAP.oid, asn1.integer(1)))),
            id="parameters",
        ),
        pytest.param(_info(NAME, WRAP, bytes(24), asn1.NULL), id="something-after"),
        pytest.param(WrappedKey(asn1.encode(shared_key.TAG), 0, 16), id="empty"),
        pytest.param(WrappedKey(GOLDEN[:-1], 4, 16), id="cut-off"),
        pytest.param(WrappedKey(GOLDEN + b"\x00", 4, 16), id="trailing"),
        pytest.param(WrappedKey(b"\xa3" + GOLDEN[1:], 4, 16), id="another-technique"),
    ],
)
def test_broken_fields(wrapped: WrappedKey) -> None:
    """What is not a KEKRecipientInfo is malformed."""
    with pytest.raises(MalformedError):
        shared_key.decode(wrapped)


@pytest.mark.parametrize("size", [0, 1, 8, 16, 23, 25, 31, 33])
def test_impossible_size(size: int) -> None:
    """An encrypted key that no key wrap makes is malformed before it is tried."""
    with pytest.raises(MalformedError, match=f"an encrypted key of {size} bytes is none that"):
        shared_key.decode(_info(NAME, WRAP, bytes(size)))


def test_oversized_key() -> None:
    """An encrypted key of a megabyte is refused."""
    with pytest.raises(LimitError):
        shared_key.decode(_info(NAME, WRAP, bytes(1 << 20)))


def test_unknown_wrap() -> None:
    """Another algorithm is named."""
    wrap = codec.algorithm_identifier(AlgorithmIdentifier("1.2.840.113549.1.9.16.3.7"))
    with pytest.raises(UnsupportedAlgorithmError, match="RC2 key wrap"):
        shared_key.decode(_info(NAME, wrap))
