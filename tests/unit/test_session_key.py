"""The session key: it leaves no trace."""

from __future__ import annotations

import copy
import hmac
import pickle
from typing import TYPE_CHECKING

import pytest

from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from collections.abc import Callable

OCTETS = b"0123456789abcdef"


@pytest.fixture
def key() -> SessionKey:
    """A key whose octets are easily recognised."""
    return SessionKey(bytearray(OCTETS))


@pytest.mark.parametrize("size", [16, 24, 32])
def test_keys_are_drawn_anew(size: int) -> None:
    """Each key has the asked size and is another one."""
    keys = [SessionKey.generate(size) for _ in range(8)]
    assert {len(key) for key in keys} == {size}
    assert len({bytes(key.material) for key in keys}) == 8


def test_wiping_overwrites_the_buffer_itself() -> None:
    """After wiping, the very buffer that was given holds zeros and the key is empty."""
    buffer = bytearray(OCTETS)
    key = SessionKey(buffer)
    assert key.material is buffer
    key.wipe()
    assert buffer == bytes(16)
    assert len(key) == 0
    key.wipe()
    assert len(key) == 0


def test_wiping_a_buffer_that_is_in_use() -> None:
    """A view of the key somewhere else does not keep it alive."""
    buffer = bytearray(OCTETS)
    view = memoryview(buffer)
    SessionKey(buffer).wipe()
    assert view == bytes(16)


@pytest.mark.parametrize("fails", [False, True])
def test_the_end_of_a_message_wipes_its_key(*, fails: bool) -> None:
    """Leaving the context wipes the key, also after an exception, which passes through."""
    buffer = bytearray(OCTETS)
    if fails:
        with pytest.raises(KeyError), SessionKey(buffer):
            raise KeyError
    else:
        with SessionKey(buffer) as key:
            assert key.material == OCTETS
    assert buffer == bytes(16)


def test_the_copy_for_other_libraries_ends_with_the_key(key: SessionKey) -> None:
    """It is made once, however many calls ask for it, and overwritten where it is."""
    octets = key.octets
    assert octets == OCTETS
    assert key.octets is octets
    key.wipe()
    assert octets == bytes(16)
    assert key.octets == b""


@pytest.mark.parametrize("show", [repr, str, format, "{}".format, "%s".__mod__, lambda key: f"{[key]!r}"])
def test_no_octet_is_shown(show: Callable[[SessionKey], str], key: SessionKey) -> None:
    """Whatever shows a key to somebody shows its size and nothing of it."""
    assert show(key).strip("[]") == "<SessionKey, 128 bits>"


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, *(lambda key, n=n: pickle.dumps(key, n) for n in range(6))]
)
def test_no_second_copy_comes_into_being(duplicate: Callable[[SessionKey], object], key: SessionKey) -> None:
    """A key can be neither pickled, with any protocol, nor copied."""
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        duplicate(key)


def test_a_key_has_no_other_attributes(key: SessionKey) -> None:
    """Nothing can be hung onto a key, and ``vars`` shows nothing."""
    assert not hasattr(key, "__dict__")


def test_keys_with_the_same_octets_are_equal(
    key: SessionKey, bob_key: SessionKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys compare by their octets, in constant time, and with nothing else."""
    compared: list[tuple[object, object]] = []

    def compare_digest(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return original(one, other)

    original = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    assert key == SessionKey(bytearray(OCTETS))
    assert key != bob_key
    assert len(compared) == 2
    assert key != OCTETS
    assert key != bytearray(OCTETS)


@pytest.fixture
def bob_key() -> SessionKey:
    """A key that differs in its last octet."""
    return SessionKey(bytearray(OCTETS[:-1] + b"x"))


def test_keys_are_not_hashable(key: SessionKey) -> None:
    """A secret is no dictionary key, whose place in memory would tell about it."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(key)


def test_a_saved_key_opens_its_message_again_and_again(key: SessionKey) -> None:
    """As an identity, a key answers with an independent copy of itself, to whomever the message is addressed."""
    with key.unwrap(()) as first:
        assert first == key
        assert first.material is not key.material
    assert key.material == OCTETS
    assert key.unwrap(["anything"]) == key
