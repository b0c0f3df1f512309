"""Content keys that are derived from the session key (RFC 9709), both ways with Bouncy Castle 1.86."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

import smime_session
from smime_session.algorithms import (
    AES_128_CBC,
    AES_128_GCM,
    AES_256_CBC,
    AES_256_GCM,
    RSAES_OAEP_SHA256,
    RSAES_PKCS1_V1_5,
    ContentEncryption,
    KeyTransport,
)
from tests.interop import ours
from tests.interop.peers.bouncycastle import BouncyCastle
from tests.interop.peers.everyone import PEERS
from tests.interop.spec import Spec

if TYPE_CHECKING:
    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Peer

BOUNCY_CASTLE: Final = [peer for peer in PEERS if str(peer) == "bouncycastle-unstable"]

pytestmark = [
    pytest.mark.parametrize("peer", BOUNCY_CASTLE, indirect=True, ids=str),
    pytest.mark.parametrize("content", [AES_128_CBC, AES_256_CBC, AES_128_GCM, AES_256_GCM], ids=lambda c: c.name),
    pytest.mark.parametrize("transport", [RSAES_PKCS1_V1_5, RSAES_OAEP_SHA256], ids=lambda transport: transport.name),
]


def test_they_open_ours(peer: Peer, content: ContentEncryption, transport: KeyTransport, alice: Keypair) -> None:
    """A message whose content key is derived is opened."""
    spec = Spec(content, transport)
    target = io.BytesIO()
    profile = replace(ours.profile_of(spec), derived_content_key=True)
    smime_session.encrypt_stream(io.BytesIO(ours.ENTITY), target, [alice.certificate], profile=profile, form="der")
    assert peer.decrypt(target.getvalue(), alice, spec) == ours.ENTITY


def test_we_open_theirs(peer: Peer, content: ContentEncryption, transport: KeyTransport, alice: Keypair) -> None:
    """A message of theirs whose content key is derived is opened, and told from others."""
    assert isinstance(peer, BouncyCastle)
    envelope = peer.encrypt_derived(ours.ENTITY, [alice], Spec(content, transport))
    assert smime_session.inspect(envelope).content.key_derivation == "HKDF-SHA-256"
    opened, facts = ours.decrypt(envelope, alice)
    assert opened == ours.ENTITY
    assert (facts.content_encryption, facts.authenticated) == (content.name, content.authenticated)
