"""All peers, and which of them can do what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.interop.peers.bouncycastle import BouncyCastle
from tests.interop.peers.gpgsm import Gpgsm
from tests.interop.peers.nss import NSS
from tests.interop.peers.openssl import OpenSSL
from tests.interop.peers.pyca import Pyca

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.mark import ParameterSet

    from tests.interop.peers.base import Peer
    from tests.interop.spec import Spec

PEERS: Final[tuple[Peer, ...]] = (
    OpenSSL("system"),
    OpenSSL("unstable"),
    Gpgsm("system"),
    Gpgsm("unstable"),
    NSS("system"),
    NSS("unstable"),
    BouncyCastle("system"),
    BouncyCastle("unstable"),
    Pyca("system"),
)


def writers(specs: Iterable[Spec]) -> list[ParameterSet]:
    """Pair each spec with every peer that can write it, as parameters named ``peer`` and ``spec``."""
    return [_parameters(peer, spec) for spec in dict.fromkeys(specs) for peer in PEERS if peer.can_write(spec)]


def readers(specs: Iterable[Spec]) -> list[ParameterSet]:
    """Pair each spec with every peer that can read it, as parameters named ``peer`` and ``spec``."""
    return [_parameters(peer, spec) for spec in dict.fromkeys(specs) for peer in PEERS if peer.can_read(spec)]


def _parameters(peer: Peer, spec: Spec) -> ParameterSet:
    return pytest.param(peer, spec, id=f"{peer}_{spec}")
