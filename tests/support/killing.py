"""Runs of the command that are killed at random moments, and resumed until they come to their end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

Victim = Literal["command", "worker"]

ROOT: Final = Path(__file__).parents[2]
_PATIENCE: Final = 30.0  # seconds for a run to begin


def command(*arguments: str | Path) -> list[str]:
    """Return the command line that runs the command of this tree."""
    return [sys.executable, "-m", "cli", *map(str, arguments)]


def killed(arguments: Sequence[str], journal: Path, chance: random.Random, longest: float) -> Victim | None:
    """Run the command and kill it, or one of its workers, soon after its work has begun.

    Args:
        arguments: the command line.
        journal: the folder of its journal.
        chance: says when, and which process.
        longest: seconds after which it is killed at the latest; with 0, it is the command itself, at once.

    Returns:
        What was killed; None if the command came to its end before. When it is a worker, another one does its work.
    """
    grown = _state(journal)
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, cwd=ROOT)
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and _state(journal) == grown and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(chance.random() * longest)
    workers = _children(process.pid)
    parent_dies = chance.random() < 0.6 or not workers or not longest
    victim = process.pid if parent_dies else chance.choice(workers)
    with suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    if process.returncode == -signal.SIGKILL:
        return "command"
    assert process.returncode == 0, said.decode()
    return None if parent_dies else "worker"


def _state(journal: Path) -> list[tuple[str, int, int]]:
    """Return what shows that something is written to the journal."""
    found = []
    with suppress(OSError):
        for path in sorted(journal.iterdir()):
            with suppress(OSError):
                found.append((path.name, (status := path.stat()).st_size, status.st_mtime_ns))
    return found


def _children(process: int) -> list[int]:
    with suppress(OSError):
        text = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
        return [int(each) for each in text.split()]
    return []
