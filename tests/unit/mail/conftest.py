"""What the tests of mail share."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60  # seconds: a hundred times what linear work needs, and nothing beside what quadratic work does


@pytest.fixture
def impatience() -> Iterator[None]:
    """Fail a test that does not end, where the system has an alarm clock."""
    if not hasattr(signal, "SIGALRM"):
        pytest.skip("the system has no alarm clock")

    def ring(*_: object) -> NoReturn:
        raise TimeoutError(f"the test took more than {PATIENCE} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
