"""A process for each mail of 10 KB: our command next to other commands."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.contest import MILLISECONDS, Contest, Opponent
from benchmarks.measuring import Command, CommandError, run, run_settled
from benchmarks.peers.bouncycastle import BouncyCastle
from benchmarks.peers.commands import SCRIPTS, OpenSsl, Ours, Pyca
from benchmarks.peers.gpgsm import Gpgsm
from benchmarks.peers.nss import Nss
from benchmarks.suites import CBC_128, GCM, GCM_EC, recipients, title
from smime_session import encrypt_stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from benchmarks.contest import Measurement
    from benchmarks.fixtures import Group
    from benchmarks.peers.base import Program
    from benchmarks.scale import Scale
    from benchmarks.suites import Suite

_FLOOR: Final = "Python, click and cryptography alone"
_FLOOR_TARGET: Final = 1 / 1.3  # at most 1.3 times as long


@dataclass(frozen=True, slots=True)
class _Bench:
    """What the rows are made with."""

    mail: Path
    folder: Path
    scale: Scale

    def measurement(self, command: Command) -> Measurement:
        run(command)  # compiles Python's modules, fills caches, and shows that it works
        return partial(run_settled, command, self.scale.repeats)

    def opponent(self, program: Program, command: Command) -> Opponent:
        return Opponent(program.name, self.measurement(command))

    def floor(self, operation: str) -> Opponent:
        command = Command((sys.executable, SCRIPTS / f"floor_{operation}.py"))
        return Opponent(_FLOOR, self.measurement(command), _FLOOR_TARGET)

    def encryption(self, program: Program, suite: Suite, group: Group, count: int = 1) -> Command:
        out = self.folder / f"{program.name}.out"
        return program.encrypt(suite, self.mail, out, group.files(count))

    def decryption(self, program: Program, suite: Suite, group: Group) -> Command:
        """Return the command for what we encrypted, having seen that it gives back the mail."""
        sealed, out = self.folder / f"{suite.name}.{program.form}", self.folder / f"{program.name}.out"
        with self.mail.open("rb") as source, sealed.open("wb") as target:
            encrypt_stream(source, target, group.certificates[:1], profile=suite.profile, form=program.form)
        command = program.decrypt(suite, sealed, out, group.key_file(0))
        run(command)
        body = self.mail.read_bytes().partition(b"\r\n\r\n")[2]  # a mail's other fields travel outside
        if not command.answer and not out.read_bytes().endswith(body):
            raise CommandError(f"{program.name} did not give back the mail")
        return command


def start(
    group: Group, folder: Path, ends: ExitStack, programs: Sequence[Program] | None = None
) -> tuple[list[Program], dict[str, str]]:
    """Start the other programs; return those that run, and why the others do not."""
    running, absent = [], {}
    for program in programs or (OpenSsl(), Gpgsm(), Nss(), BouncyCastle(), Pyca()):
        reason = program.absent()
        if not reason:
            own = folder / program.name
            own.mkdir()
            try:
                program.start(group, own, ends)
            except CommandError as error:
                reason = str(error)
        if reason:
            absent[program.name] = reason
        else:
            running.append(program)
    return running, absent


def contests(
    groups: Mapping[str, Group], mail: Path, folder: Path, scale: Scale, programs: Sequence[Program]
) -> Iterator[Contest]:
    """Yield the contests of one mail for one recipient, then of one for many."""
    bench, ours = _Bench(mail, folder, scale), Ours()
    group = groups["rsa2048"]
    for suite in (GCM, CBC_128):
        able = [program for program in programs if program.has(suite)]
        for operation, command_of in (("encrypt", bench.encryption), ("decrypt", bench.decryption)):
            opponents = [bench.floor(operation)] if suite is GCM else []
            opponents += [bench.opponent(program, command_of(program, suite, group)) for program in able]
            work = f"{operation} 10 KB: {title(group.kind, suite)}"
            yield _contest(bench, work, command_of(ours, suite, group), opponents)
    able = [program for program in programs if isinstance(program, OpenSsl)]
    for kind, suite in (("rsa2048", GCM), ("p256", GCM_EC)):
        for count in scale.counts:
            opponents = [bench.opponent(one, bench.encryption(one, suite, groups[kind], count)) for one in able]
            work = f"encrypt 10 KB, {recipients(count)}: {title(kind, suite)}"
            yield _contest(bench, work, bench.encryption(ours, suite, groups[kind], count), opponents)


def _contest(bench: _Bench, work: str, command: Command, opponents: Sequence[Opponent]) -> Contest:
    return Contest(
        "process",
        f"a process: {work}",
        bench.measurement(command),
        opponents,
        metrics=(MILLISECONDS,),
        rounds=bench.scale.rounds,
    )
