"""A large mail from file to file: time on the clock, CPU time and memory of the whole process."""

from __future__ import annotations

import filecmp
import shutil
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.contest import CPU_SECONDS, MEGABYTES, SECONDS, Contest, Opponent
from benchmarks.fixtures import write_mail
from benchmarks.measuring import Command, CommandError, run, run_settled
from benchmarks.peers.commands import OpenSsl, Ours
from benchmarks.suites import CBC, GCM, title

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.fixtures import Group
    from benchmarks.peers.base import Program
    from benchmarks.scale import Scale
    from benchmarks.suites import Suite

MAX_MEMORY: Final = 64  # MB: what a mail of any size may take
_ROOM: Final = 7  # times the mail: itself, encrypted with two suites, encrypted and decrypted once more, and to spare
_ROUNDS: Final = 5
NAME: Final = "large.eml"
"""Of the large mail."""


@dataclass(frozen=True, slots=True)
class _Task:
    """One suite, and how many times as good as the peer we mean to be."""

    suite: Suite
    encrypt: float
    decrypt: float


_TASKS: Final = (_Task(GCM, 4, 10), _Task(CBC, 2, 8))


def no_room(folder: Path, size: int) -> str | None:
    """Say so if the large mail does not fit."""
    free, needed = shutil.disk_usage(folder).free, _ROOM * size
    return None if free > needed else f"{needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free in {folder}"


def contests(groups: Mapping[str, Group], folder: Path, scale: Scale, programs: Sequence[Program]) -> Iterator[Contest]:
    """Yield the contests of encrypting and decrypting with either suite; the mail is :data:`NAME` in ``folder``."""
    group, ours = groups["rsa2048"], Ours()
    mail, out = folder / NAME, folder / "large.out"
    write_mail(mail, scale.large)
    peers = [program for program in programs if isinstance(program, OpenSsl)]  # others hold it in memory many times
    for task in _TASKS:
        sealed = folder / f"large-{task.suite.name}.eml"
        run(ours.encrypt(task.suite, mail, sealed, group.files(1)))
        _prove(ours.decrypt(task.suite, sealed, out, group.key_file(0)), mail, out)
        size = f"{scale.large // 1_000_000:,} MB"
        for word, target in (("encrypt", task.encrypt), ("decrypt", task.decrypt)):
            commands = [
                program.encrypt(task.suite, mail, out, group.files(1))
                if word == "encrypt"
                else program.decrypt(task.suite, sealed, out, group.key_file(0))
                for program in (ours, *peers)
            ]
            us, *others = (partial(run_settled, command) for command in commands)
            yield Contest(
                "large",
                f"{word} {size} to a file: {title(group.kind, task.suite)}",
                us,
                [Opponent(peer.name, measure, target) for peer, measure in zip(peers, others, strict=True)],
                metrics=(SECONDS, CPU_SECONDS, MEGABYTES.bounded(MAX_MEMORY)),
                rounds=min(_ROUNDS, scale.rounds),
            )


def _prove(command: Command, mail: Path, out: Path) -> None:
    run(command)
    if not filecmp.cmp(mail, out, shallow=False):
        raise CommandError("what was decrypted is not what was encrypted")
