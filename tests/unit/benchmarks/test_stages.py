"""Stages: what runs is found among the library's modules."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.stages import STAGES, profile, stage_of
from smime_session import SessionKey
from smime_session.mail.transfer import Base64Writer
from smime_session.recipients.registry import wrap_all

if TYPE_CHECKING:
    from collections.abc import Callable


class _Seen:
    """Say what stage the caller is in, wherever something of the library calls."""

    def __init__(self) -> None:
        self.stages: list[str | None] = []

    def look(self, *_arguments: object) -> Any:  # noqa: ANN401  # stands for anything
        self.stages.append(stage_of(sys._getframe()))

    wrap = write = look


def _wrap(seen: _Seen) -> None:
    wrap_all([seen], SessionKey.generate(32))


def _write(seen: _Seen) -> None:
    writer = Base64Writer(seen)
    writer.write(b"octets")
    writer.finish()


@pytest.mark.parametrize(("step", "stage"), [(_wrap, "wrap"), (_write, "write")])
def test_the_caller_decides_about_the_stage(step: Callable[[_Seen], None], stage: str) -> None:
    """What is none of the library's counts for the function that called it; writing is a stage wherever it happens."""
    seen = _Seen()
    step(seen)
    assert set(seen.stages) == {stage}


def test_what_is_not_in_the_library_is_in_no_stage() -> None:
    """Nor is a thread that waits for another."""
    assert stage_of(sys._getframe()) is None
    assert stage_of(None) is None


def test_a_profile_does_the_work_and_shares_add_up() -> None:
    """Whatever was seen, the shares are of all stages and of nothing else."""
    calls: list[None] = []
    found = profile("nothing", lambda: calls.append(None), 0.02)
    assert len(calls) > 1
    assert found.seconds > 0
    assert list(found.shares) == list(STAGES)
    assert set(found.shares.values()) == {0}
