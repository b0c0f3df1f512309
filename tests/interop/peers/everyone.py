"""All peers, and which of them can do what."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

from tests.interop.peers.bouncycastle import BouncyCastle
from tests.interop.peers.gpgsm import Gpgsm
from tests.interop.peers.nss import NSS
from tests.interop.peers.openssl import OpenSSL
from tests.interop.peers.pyca import Pyca

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _pytest.mark import ParameterSet

    from tests.interop.peers.base import Peer
    from tests.interop.spec import Spec

OPENSSL: Final = OpenSSL("system")
PEERS: Final[tuple[Peer, ...]] = (
    OPENSSL,
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


def require(*programs: str) -> None:
    """Go on if the programs are on the PATH."""
    if absent := [name for name in programs if shutil.which(name) is None]:
        report_missing(programs[0], absent)


def report_missing(name: str, absent: Sequence[str]) -> NoReturn:
    """Skip the test for what is not installed, or fail it under ``CI=true``."""
    words = f"{name} is not installed: {', '.join(absent)}"
    if os.environ.get("CI") == "true":
        pytest.fail(words)
    pytest.skip(words)


def _parameters(peer: Peer, spec: Spec) -> ParameterSet:
    return pytest.param(peer, spec, id=f"{peer}_{spec}")
