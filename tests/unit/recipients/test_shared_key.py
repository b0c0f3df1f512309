"""Pre-shared keys: wrapping and unwrapping, for whom, and what a wrong key gives."""

from __future__ import annotations

import copy
import os
import pickle
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session import COMPAT, MODERN, PresharedKey, Profile, SessionKey, decrypt, encrypt, inspect
from smime_session.algorithms import AES_128_WRAP
from smime_session.cms import asn1
from smime_session.cms.values import WrappedKey
from smime_session.errors import (
    CredentialError,
    DecryptionError,
    MalformedError,
    NoMatchError,
    RecipientError,
    UnsupportedAlgorithmError,
)
from smime_session.recipients import shared_key
from smime_session.recipients import shared_key as preshared
from smime_session.recipients.registry import legacy_algorithm, matching, summarize
from smime_session.recipients.shared_key import KekIdentifier, KekRecipientInfo
from tests.support.refusing import refusal

KEY: Final = bytes(range(32))
MAIL: Final = b"Subject: Friday\r\n\r\nAt eight?\r\n"
RC2_WRAP: Final = "1.2.840.113549.1.9.16.3.7"


@pytest.mark.parametrize(
    ("key", "session_key", "wrapped"),
    [
        (
            "000102030405060708090A0B0C0D0E0F",
            "00112233445566778899AABBCCDDEEFF",
            "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5",
        ),
        (
            "000102030405060708090A0B0C0D0E0F1011121314151617",
            "00112233445566778899AABBCCDDEEFF0001020304050607",
            "031D33264E15D33268F24EC260743EDCE1C6C7DDEE725A936BA814915C6762D2",
        ),
        (
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
            "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
        ),
    ],
    ids=["128", "192", "256"],
)
def test_examples_of_rfc_3394(key: str, session_key: str, wrapped: str) -> None:
    """The examples of the standard are wrapped, and unwrapped, to the octet (RFC 3394, 4)."""
    shared = PresharedKey(bytes.fromhex(key), b"ours")
    made = shared.wrap(SessionKey(bytearray.fromhex(session_key)))
    assert made.encoded.endswith(bytes.fromhex(wrapped))
    assert made.version == 4
    assert shared.unwrap([made]).material.hex() == session_key.lower()


@given(st.sampled_from([16, 24, 32]), st.sampled_from([16, 24, 32]), st.binary(min_size=1, max_size=64))
def test_round_trip(size: int, session_size: int, identifier: bytes) -> None:
    """Each session key that is no longer than the shared one comes back, under any identifier."""
    shared = PresharedKey(os.urandom(size), identifier)
    with SessionKey.generate(session_size) as key:
        if session_size > size:
            with pytest.raises(RecipientError, match=f"shorter than the session key, which has {session_size * 8}"):
                shared.wrap(key)
        else:
            assert shared.unwrap([shared.wrap(key)]) == key


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_key_is_copied(kind: type[bytes | bytearray | memoryview]) -> None:
    """The key is taken from any buffer, which may be overwritten afterwards."""
    buffer = bytearray(KEY)
    shared = PresharedKey(kind(buffer), b"ours")
    buffer[:] = bytes(32)
    with SessionKey.generate(32) as key:
        assert PresharedKey(KEY, b"ours").unwrap([shared.wrap(key)]) == key


@pytest.mark.parametrize("size", [0, 1, 8, 15, 17, 31, 33, 64])
def test_other_sizes(size: int) -> None:
    """A key that AES does not have is refused."""
    with pytest.raises(CredentialError, match=f"not {size}$"):
        PresharedKey(bytes(size), b"ours")


def test_empty_identifier() -> None:
    """A key without a name is refused: nothing would tell it from others."""
    with pytest.raises(CredentialError, match="identifier"):
        PresharedKey(KEY, b"")


@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=lambda profile: profile.name)
def test_mail(profile: Profile) -> None:
    """A mail is read with the same key, and with no other."""
    sealed = encrypt(MAIL, [PresharedKey(KEY, b"ours")], profile=profile)
    assert decrypt(sealed, [PresharedKey(KEY, b"ours")]).message.endswith(b"At eight?\r\n")
    wrong = PresharedKey(bytes(32), b"ours")
    error = refusal(lambda: encrypt(MAIL, [PresharedKey(KEY, b"ours")], profile=profile), wrong, b"At eight?")
    assert str(error) == str(DecryptionError())


def test_too_short_for_the_profile() -> None:
    """A key of 128 bits is not used for a message of 256: RFC 3565 forbids it."""
    with pytest.raises(RecipientError, match="pre-shared key of 128 bits, identifier 6f757273 is shorter"):
        encrypt(MAIL, [PresharedKey(bytes(16), b"ours")])


def test_shorter_key_of_others_is_read() -> None:
    """What others wrapped with a shorter key is read all the same."""
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap

    wrap = preshared._WRAPS[16]
    info = KekRecipientInfo(KekIdentifier(b"ours", None), wrap, aes_key_wrap(bytes(16), KEY))
    made = shared_key.encode(info)
    assert PresharedKey(bytes(16), b"ours").unwrap([WrappedKey(made.encoded, 4, 32)]).material == KEY


def test_wrong_key_gives_a_decoy() -> None:
    """A wrong key gives no error but another key of the right size, the same one each time."""
    with SessionKey.generate(32) as key:
        wrapped = PresharedKey(KEY, b"ours").wrap(key)
        wrong = PresharedKey(bytes(32), b"ours")
        decoys = [wrong.unwrap([wrapped]) for _ in range(2)]
        assert decoys[0] == decoys[1]
        assert decoys[0] != key
        assert len(decoys[0]) == 32
        assert PresharedKey(bytes([1] * 32), b"ours").unwrap([wrapped]) != decoys[0]


def test_key_of_another_size_inside_gives_a_decoy() -> None:
    """A session key that is not as long as the content's algorithm wants becomes one that is."""
    shared = PresharedKey(KEY, b"ours")
    with SessionKey.generate(16) as key:
        wrapped = shared.wrap(key)
    assert len(shared.unwrap([WrappedKey(wrapped.encoded, 4, 32)])) == 32


@pytest.mark.parametrize(
    "other",
    [PresharedKey(KEY, b"theirs"), PresharedKey(KEY, b"our"), PresharedKey(bytes(16), b"ours")],
    ids=["name", "prefix", "size"],
)
def test_not_addressed(other: PresharedKey) -> None:
    """Another name, or another size under the same name, is not addressed."""
    with SessionKey.generate(16) as key:
        wrapped = PresharedKey(KEY, b"ours").wrap(key)
    assert other.matching([wrapped]) == []
    with pytest.raises(NoMatchError, match="pre-shared key of"):
        other.unwrap([wrapped])


def test_matching() -> None:
    """Of many recipients, those under the key's name are found, whatever the others are."""
    shared = PresharedKey(KEY, b"ours")
    foreign = shared_key.encode(KekRecipientInfo(KekIdentifier(b"theirs"), preshared._WRAPS[16], bytes(24))).encoded
    unknown = foreign.replace(
        asn1.object_identifier(AES_128_WRAP.oid), asn1.object_identifier("2.16.840.1.101.3.4.1.99")
    )
    with SessionKey.generate(32) as key:
        wrapped = shared.wrap(key)
    others = [WrappedKey(unknown, 4, 32), WrappedKey(b"\xa3\x00", 0, 32), WrappedKey(b"\x30\x00", 0, 32)]
    assert matching(shared, [*others, wrapped]) == [wrapped]


def test_own_name_with_an_unknown_wrap() -> None:
    """What is addressed to the key with an algorithm that is not supported says so."""
    encoded = asn1.encode(
        shared_key.TAG,
        asn1.integer(4),
        asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OCTET_STRING, b"ours")),
        asn1.encode(asn1.SEQUENCE, asn1.object_identifier(RC2_WRAP)),
        asn1.encode(asn1.OCTET_STRING, bytes(24)),
    )
    with pytest.raises(UnsupportedAlgorithmError, match="RC2 key wrap"):
        PresharedKey(KEY, b"ours").matching([WrappedKey(encoded, 4, 32)])
    (summary,) = summarize(WrappedKey(encoded, 4, 32))
    assert (summary.algorithm, summary.algorithm_oid) == ("RC2 key wrap", RC2_WRAP)
    assert summary.problem


def test_broken_recipient_info() -> None:
    """A recipient info that is broken is malformed to whoever looks at it, and a problem in its summary."""
    broken = WrappedKey(asn1.encode(shared_key.TAG, asn1.integer(4)), 4, 32)
    with pytest.raises(MalformedError):
        PresharedKey(KEY, b"ours").unwrap([broken])
    (summary,) = summarize(broken)
    assert (summary.technique, summary.problem) == ("pre-shared key", "a KEKRecipientInfo is malformed")


def test_summary() -> None:
    """The summary tells the identifier, the wrap and the size."""
    found = inspect(encrypt(MAIL, [PresharedKey(KEY, b"ours")]), [PresharedKey(bytes(32), b"ours")])
    (recipient,) = found.recipients
    assert recipient.summary.name == "key identifier 6f757273"
    assert recipient.summary.algorithm == "AES-256 key wrap"
    assert recipient.summary.encrypted_key_size == 40
    assert recipient.opened_by == ("pre-shared key of 256 bits, identifier 6f757273",)


def test_summary_date() -> None:
    """A date in the identifier is shown."""
    name = asn1.encode(asn1.OCTET_STRING, b"ours") + asn1.encode(0x18, b"20260301120000Z")
    made = shared_key.encode(KekRecipientInfo(KekIdentifier(b"ours"), preshared._WRAPS[32], bytes(40)))
    plain = asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OCTET_STRING, b"ours"))
    body = asn1.parse(made.encoded).contents.replace(plain, asn1.encode(asn1.SEQUENCE, name))
    (summary,) = summarize(WrappedKey(asn1.encode(shared_key.TAG, body), 4, 32))
    assert summary.parameters == {"date": "20260301120000Z"}


def test_nothing_is_legacy() -> None:
    """No AES key wrap is left to the broken algorithms."""
    with SessionKey.generate(32) as key:
        assert legacy_algorithm(PresharedKey(KEY, b"ours").wrap(key)) is None


def test_key_is_not_shown() -> None:
    """Its words tell the identifier and the size, never the key."""
    shared = PresharedKey(KEY, b"ours")
    assert str(shared) == "pre-shared key of 256 bits, identifier 6f757273"
    assert repr(shared) == f"<PresharedKey: {shared}>"


def test_no_pickle_and_no_copy() -> None:
    """It leaves the process in no way that nobody asked for."""
    shared = PresharedKey(KEY, b"ours")
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            leave(shared)
