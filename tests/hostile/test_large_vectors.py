"""Vectors too large to be kept, each read by every command in one process: refused soon, in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import pytest

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not Path("/proc/self/clear_refs").exists(), reason="how much memory it takes is read from /proc"
    ),
]

MEGABYTE: Final = 1 << 20
MOST_SECONDS: Final = 10.0  # of processor time: each takes one at most here, and minutes if it is not linear
MOST_MEMORY: Final = 72 * MEGABYTE  # above what the process has: 64 MB are the largest file of certificates


class Result(NamedTuple):
    """What a command did."""

    name: str
    command: str
    accepted: bool
    status: int
    seconds: float
    grown: int
    left: list[str]
    words: str


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Every command on every vector."""
    folder = tmp_path_factory.mktemp("large")
    arguments = [sys.executable, "-m", "tests.vectors.hostile.large", str(folder)]
    done = subprocess.run(arguments, cwd=Path(__file__).parents[2], capture_output=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:].decode()
    return [Result(*json.loads(line)) for line in done.stdout.splitlines()]


def test_all_are_there(results: list[Result]) -> None:
    """None was left out."""
    assert len({each.name for each in results}) >= 30
    assert len(results) > 150


def test_each_ends_as_it_must(results: list[Result]) -> None:
    """An error is one that the user is told, and what is read is read whole."""
    assert [each for each in results if each.status != 0 and each.accepted] == []
    assert [each for each in results if each.status not in {1, 2} and not each.accepted] == []
    assert [each for each in results if "Traceback" in each.words] == []
    assert [each for each in results if not each.accepted and "Error: " not in each.words] == []
    assert [each for each in results if len(each.words) > 4000] == []


def test_none_takes_long(results: list[Result]) -> None:
    """Time grows with the size of what is read, and has a limit."""
    assert [each for each in results if each.seconds > MOST_SECONDS] == []


def test_none_takes_much_memory(results: list[Result]) -> None:
    """What is too large is not held."""
    assert [each for each in results if each.grown > MOST_MEMORY] == []


def test_none_leaves_anything(results: list[Result]) -> None:
    """No output, no temporary file and nothing of a plaintext stays of what was refused."""
    assert [
        each for each in results if each.left != (["out"] if each.accepted and " -o out" in each.command else [])
    ] == []
    assert [each for each in results if "secret text" in each.words or "plain words" in each.words] == []
