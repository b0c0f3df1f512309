"""Signed messages, damaged at random: nothing but what was signed is ever given out, and nothing crashes."""

from __future__ import annotations

import random
from contextlib import suppress
from email import message_from_bytes
from functools import cache

import pytest

from smime_session import SmimeError, TrustAnchors, sign, verify
from tests.support.signing import LETTER, signer

ROUNDS = 1500


@cache
def _messages() -> tuple[dict[bytes, bytes], TrustAnchors]:
    """Return signed messages of every shape, each with what is signed in it, and who is trusted."""
    signers = [signer(kind) for kind in ("P-256", "Ed25519", "RSA")]
    trust = TrustAnchors([each.certificate for each in signers])
    mails = [sign(LETTER, each, opaque=opaque) for each in signers for opaque in (False, True)]
    mails += [sign(mails[0], signers[1]), sign(mails[1], signers[2], opaque=True)]
    mails += [bytes(message_from_bytes(each).get_payload(decode=True)) for each in mails if b"signed-data" in each]
    return {each: verify(each, trust=trust).content or b"" for each in mails}, trust


def _damaged(octets: bytes, chance: random.Random) -> bytes:
    found = bytearray(octets)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(found))
        match chance.randrange(4):
            case 0:
                found[at] = chance.randrange(256)
            case 1:
                del found[at : at + chance.randint(1, 20)]
            case 2:
                found[at:at] = chance.randbytes(chance.randint(1, 5))
            case _:
                other = chance.randrange(len(found))
                found[at:at] = found[other : other + chance.randint(1, 200)]
    return bytes(found)


@pytest.mark.parametrize("seed", range(4))
def test_damage_shows_nothing_else(seed: int) -> None:
    """Whatever became of a message, it is refused, or what comes out is what was signed."""
    messages, trust = _messages()
    assert b"" not in messages.values()
    chance = random.Random(seed)  # noqa: S311  # to be repeated
    for _ in range(ROUNDS):
        octets = _damaged(chance.choice([*messages]), chance)
        with suppress(SmimeError):
            found = verify(octets, trust=trust)
            assert found.content is None or found.content in messages.values()
