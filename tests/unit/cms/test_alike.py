"""Recipient infos that are like others are read from what is remembered of those, to the same values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.algorithms import CURVES, RSAES_OAEP_SHA256, RSAES_PKCS1_V1_5, Curve, KeyTransport, key_wrap_for
from smime_session.cms import alike, asn1, codec, key_agree, key_trans
from smime_session.cms.values import (
    IssuerAndSerialNumber,
    KeyTransRecipientInfo,
    OriginatorKey,
    RecipientIdentifier,
    SubjectKeyIdentifier,
    WrappedKey,
)
from smime_session.errors import MessageError

RECIPIENTS: tuple[RecipientIdentifier, ...] = (
    IssuerAndSerialNumber(bytes.fromhex("3000"), 7),
    SubjectKeyIdentifier(bytes(range(20))),
)
POINT_SIZES = {"P-256": 65, "P-384": 97, "P-521": 133, "X25519": 32, "X448": 56}
AGREEING = [curve for curve in CURVES.values() if curve.name in POINT_SIZES]
DAMAGE = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 2), st.binary(max_size=2)), max_size=2)


def agreed(curve: Curve, recipient: RecipientIdentifier, size: int, fill: int, count: int = 1) -> WrappedKey:
    """Return a KeyAgreeRecipientInfo whose point and encrypted keys are made of octets of one value."""
    point, encrypted = bytes((fill,)) * POINT_SIZES[curve.name], bytes((fill,)) * (size + 8)
    member = key_agree.recipient_encrypted_key(key_agree.recipient_identifier(recipient), encrypted)
    return key_agree.encode(curve, point, key_wrap_for(size), [member] * count, size)


def transported(algorithm: KeyTransport, recipient: RecipientIdentifier, size: int, fill: int) -> WrappedKey:
    """Return a KeyTransRecipientInfo whose encrypted key is made of octets of one value."""
    return key_trans.encode(KeyTransRecipientInfo(recipient, algorithm, bytes((fill,)) * size))


def damaged(wrapped: WrappedKey, damage: list[tuple[int, int, bytes]]) -> WrappedKey:
    """Return it with octets exchanged, lost and inserted."""
    octets = bytearray(wrapped.encoded)
    for at, lost, more in damage:
        octets[at : at + lost] = more
    return wrapped._replace(encoded=bytes(octets))


@pytest.mark.parametrize("curve", AGREEING, ids=lambda curve: curve.name)
@pytest.mark.parametrize("recipient", RECIPIENTS, ids=["serial", "key"])
@pytest.mark.parametrize("size", [16, 24, 32])
def test_what_is_written_for_one_recipient_is_like_others(
    curve: Curve, recipient: RecipientIdentifier, size: int
) -> None:
    """It is read to the same values, and the next like it without being taken apart."""
    for fill in (0, 4, 255):
        wrapped = agreed(curve, recipient, size, fill)
        assert alike.decode_key_agreement(wrapped) == key_agree.decode(wrapped)
    wrapped, expected = agreed(curve, recipient, size, 9), key_agree.decode(agreed(curve, recipient, size, 9))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asn1, "parse", lambda _: pytest.fail("it was taken apart"))
        assert alike.decode_key_agreement(wrapped) == expected


@given(
    st.sampled_from(AGREEING), st.sampled_from(RECIPIENTS), st.sampled_from([16, 24, 32]), st.integers(0, 255), DAMAGE
)
def test_what_is_like_others_is_what_taking_apart_finds(
    curve: Curve, recipient: RecipientIdentifier, size: int, fill: int, damage: list[tuple[int, int, bytes]]
) -> None:
    """Whatever the octets are, what is remembered says of them what taking them apart does, or nothing."""
    wrapped = damaged(agreed(curve, recipient, size, fill), damage)
    found = alike.decode_key_agreement(wrapped)
    assert found is None or found == key_agree.interpret(key_agree.fields_of(key_agree.children_of(wrapped.encoded)))


def test_several_recipients_or_none_with_a_new_key_are_like_no_others() -> None:
    """Those are taken apart."""
    assert alike.decode_key_agreement(agreed(AGREEING[0], RECIPIENTS[1], 32, 1, count=2)) is None
    wrapped = agreed(AGREEING[0], RECIPIENTS[1], 32, 1)
    version, _, *rest = (child.encoded for child in asn1.parse(wrapped.encoded))
    names = asn1.encode(0xA0, codec.recipient_identifier(SubjectKeyIdentifier(b"\x03\x42\x00" + bytes(65))))
    named = wrapped._replace(encoded=asn1.encode(key_agree.TAG, version, names, *rest))
    assert not isinstance(key_agree.decode(named).originator, OriginatorKey)
    assert alike.decode_key_agreement(named) is None


@pytest.mark.parametrize("size", [24, 32, 40])
@pytest.mark.parametrize("recipient", RECIPIENTS, ids=["serial", "key"])
def test_a_longer_key_that_ends_like_a_usual_one_is_taken_whole(recipient: RecipientIdentifier, size: int) -> None:
    """What stands before the end of an encrypted key may look like the beginning of another."""
    encrypted = (bytes(6) + asn1.encode(asn1.OCTET_STRING, bytes(range(size)))).rjust(size + 8, b"\0")
    member = key_agree.recipient_encrypted_key(key_agree.recipient_identifier(recipient), encrypted)
    wrapped = key_agree.encode(AGREEING[0], b"\x04" + bytes(64), key_wrap_for(32), [member], 32)
    assert key_agree.decode(wrapped).encrypted_keys[0].encrypted_key == encrypted
    assert alike.decode_key_agreement(wrapped) in (None, key_agree.decode(wrapped))


@given(
    st.sampled_from([RSAES_OAEP_SHA256, RSAES_PKCS1_V1_5]),
    st.sampled_from(RECIPIENTS),
    st.sampled_from([128, 255, 256, 257, 384, 512]),
    st.sampled_from([0, 4, 0x30, 255]),
    DAMAGE,
)
def test_an_encrypted_key_is_what_taking_apart_finds(
    algorithm: KeyTransport,
    recipient: RecipientIdentifier,
    size: int,
    fill: int,
    damage: list[tuple[int, int, bytes]],
) -> None:
    """Whatever the octets are, the fields are those that taking them apart finds, and so is the error."""
    wrapped = damaged(transported(algorithm, recipient, size, fill), damage)
    assert _outcome(wrapped, apart=False) == _outcome(wrapped, apart=True)


def _outcome(wrapped: WrappedKey, *, apart: bool) -> object:
    try:
        if not apart:
            return key_trans.fields(wrapped)
        children = asn1.parse(wrapped.encoded).expect(asn1.SEQUENCE).children()
        if len(children) != 4:
            return "a KeyTransRecipientInfo is malformed"
        recipient = codec.recipient_identifier_from(children[1])
        return recipient, codec.algorithm_identifier_from(children[2]), children[3].octets()
    except MessageError as error:
        return str(error)
