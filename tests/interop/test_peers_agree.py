"""The peers among themselves, so that a failure elsewhere can be laid at our door.

Bouncy Castle of the newest generation speaks everything: each peer opens what it wrote and it opens what each wrote.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.interop.peers.everyone import PEERS, readers, writers
from tests.interop.spec import ALGORITHMS, CHACHA20, CLASSIC, SHAPES, WEAK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Peer
    from tests.interop.spec import Spec

BARE = [spec for spec in (*ALGORITHMS, *CHACHA20, *WEAK, *SHAPES, replace(CLASSIC, stream=True)) if spec.form == "der"]
REFEREE = next(peer for peer in PEERS if str(peer) == "bouncycastle-unstable")
CONTENT = b"Content-Type: text/plain\r\n\r\nhello\r\n"


@pytest.fixture
def referee(started: Callable[[Peer], Peer]) -> Peer:
    """The peer that writes and reads everything."""
    return started(REFEREE)


@pytest.mark.parametrize(("peer", "spec"), readers(BARE), indirect=["peer"])
def test_peer_reads_what_it_is_said_to_read(peer: Peer, referee: Peer, spec: Spec, alice: Keypair) -> None:
    """A peer opens what the referee wrote."""
    assert peer.decrypt(referee.encrypt(CONTENT, [alice], spec), alice, spec) == CONTENT


@pytest.mark.parametrize(("peer", "spec"), writers(BARE), indirect=["peer"])
def test_peer_writes_what_it_is_said_to_write(peer: Peer, referee: Peer, spec: Spec, alice: Keypair) -> None:
    """The referee opens what a peer wrote."""
    assert referee.decrypt(peer.encrypt(CONTENT, [alice], spec), alice, spec) == CONTENT
