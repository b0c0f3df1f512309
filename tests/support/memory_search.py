"""Search another process's memory for keys, right after the calls that had them returned (Linux only)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.memory_probe import COPY

_PROBE: Final = Path(__file__).with_name("memory_probe.py")
_STEP: Final = 8  # octets from one row of a key to the next: allocators keep to multiples of it


class Found(NamedTuple):
    """What was found after the calls of one kind.

    Attributes:
        keys: how many keys there were.
        copies: how many rows of them were in memory, by where.
    """

    keys: int
    copies: dict[str, int]


def search() -> dict[str, Found]:
    """Run the probe; return what was found at each of its stages."""
    keys: Counter[str] = Counter()
    copies: dict[str, Counter[str]] = {}
    tree = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}  # that under test, whatever else is installed
    command = [sys.executable, str(_PROBE)]
    with subprocess.Popen(command, env=tree, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as probe:
        assert probe.stdin
        assert probe.stdout
        while probe.stdout.read(1):
            memory = _writable(probe.pid)
            probe.stdin.write(b".")
            probe.stdin.flush()
            stage, halves = json.loads(probe.stdout.readline())
            keys[stage] += len(halves)
            found = copies.setdefault(stage, Counter())
            for masked, mask in halves:
                for row in _rows(bytes(a ^ b for a, b in zip(bytes.fromhex(masked), bytes.fromhex(mask), strict=True))):
                    found.update(name for name, octets in memory if row in octets)
    assert probe.returncode == 0
    return {stage: Found(keys[stage], dict(copies[stage])) for stage in copies}


def _rows(key: bytes) -> set[bytes]:
    """Return what counts as a copy of a key; a row of zeros says nothing."""
    return {key[at : at + COPY] for at in range(0, len(key) - COPY + 1, _STEP)} - {bytes(COPY)}


def _writable(pid: int) -> list[tuple[str, bytes]]:
    """Return all memory that a process can write, each part with its name."""
    parts: list[tuple[str, bytes]] = []
    columns = [line.split(maxsplit=5) for line in Path(f"/proc/{pid}/maps").read_text("utf-8", "replace").splitlines()]
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for addresses, rights, *_, name in ((*each, "anonymous")[:6] for each in columns):
            if rights.startswith("rw"):
                start, end = (int(address, 16) for address in addresses.split("-"))
                with suppress(OSError):  # memory that belongs to a device
                    memory.seek(start)
                    parts.append((name, memory.read(end - start)))
    return parts
