"""Fixtures of the interoperability tests: keys, and peers that start when they are first needed.

A peer that is not installed skips its tests by name; under ``CI=true`` it fails them instead.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.interop.keypair import Keypair, make_keypair
from tests.interop.peers.base import Peer, missing
from tests.interop.peers.everyone import report_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def keypairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Keypair, ...]:
    """Three recipients, one for each usual size of RSA key; Bob's certificate announces what is read here."""
    folder = tmp_path_factory.mktemp("keys")
    sizes = {"alice": 2048, "bob": 3072, "carol": 4096}
    return tuple(make_keypair(name, bits, folder, announce=name == "bob") for name, bits in sizes.items())


@pytest.fixture(scope="session")
def alice(keypairs: tuple[Keypair, ...]) -> Keypair:
    """The first of the recipients, with an RSA key of 2048 bits."""
    return keypairs[0]


@pytest.fixture(scope="session")
def started(
    tmp_path_factory: pytest.TempPathFactory, keypairs: tuple[Keypair, ...]
) -> Iterator[Callable[[Peer], Peer]]:
    """Give a function that starts a peer the first time it is asked for it; all end with the session."""
    running: set[Peer] = set()
    with ExitStack() as ends:

        def start(peer: Peer) -> Peer:
            if peer not in running:
                if absent := missing(peer):
                    report_missing(str(peer), absent)
                ends.callback(peer.stop)
                peer.start(tmp_path_factory.mktemp(str(peer)), keypairs)
                running.add(peer)
            return peer

        yield start


@pytest.fixture
def peer(request: pytest.FixtureRequest, started: Callable[[Peer], Peer]) -> Peer:
    """The peer of an indirect parameter, started."""
    return started(request.param)
