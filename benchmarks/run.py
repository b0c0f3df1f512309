"""Measure how fast mail is encrypted and decrypted, next to other programs, and print one table.

    python benchmarks/run.py [--quick] [--only GROUP] [--json FILE]

It takes less than ten minutes. Ratios mean more than absolute values: they are taken within a
round, where everybody meets the same machine; over 1 is better than the peer.
The peer in C is compiled where ``cc`` finds OpenSSL; ``SMIME_SESSION_CMSBENCH`` names another program.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.contest import Contest
    from benchmarks.fixtures import Group
    from benchmarks.scale import Scale
    from benchmarks.stages import Profile

GROUPS: Final = ("encrypt", "recipients", "decrypt", "signing", "many", "process", "large", "stages")


def main() -> None:
    """Measure what the arguments ask for."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the modules beside this script
    from benchmarks import scale
    from benchmarks.contest import fight
    from benchmarks.report import Report

    arguments, begin = _arguments(), time.monotonic()
    chosen = scale.QUICK if arguments.quick else scale.FULL
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        # processes find compiled modules, as those of an installed package are
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
        bench = Bench(folder, chosen, arguments.only or GROUPS, ends)
        contests = list(bench.contests())
        fight(contests, chosen.budget - (time.monotonic() - begin))
        profiles = list(bench.profiles())
    rows = [row for contest in contests for row in contest.rows()]
    report = Report(rows, profiles, bench.left_out, time.monotonic() - begin)
    print(report.markdown(), end="")
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little of everything: only shows that it works")
    parser.add_argument("--only", choices=GROUPS, action="append", help="rows of one group; repeat it for more")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's values as JSON too")
    return parser.parse_args()


class Bench:
    """Make what is measured, in one folder.

    Args:
        folder: an empty one, on a disk with room for the large mail.
        scale: how much.
        wanted: names of :data:`GROUPS`.
        ends: ends the programs that keep running.
    """

    def __init__(self, folder: Path, scale: Scale, wanted: tuple[str, ...] | list[str], ends: ExitStack) -> None:
        from benchmarks.fixtures import make_group, text_mail
        from benchmarks.suites import NAMES

        self.left_out: dict[str, str] = {}
        self._folder, self._scale, self._wanted, self._ends = folder, scale, wanted, ends
        self._mail = folder / "small.eml"
        self._mail.write_bytes(text_mail(10_000))
        most = max(scale.counts)
        counts = {
            kind: scale.certificates if "many" in wanted and kind in {"rsa2048", "p256"} else most for kind in NAMES
        }
        self._groups: dict[str, Group] = {kind: make_group(kind, count, folder) for kind, count in counts.items()}

    def contests(self) -> Iterator[Contest]:
        """Yield all contests of the groups that are wanted; note what is left out."""
        from benchmarks.peers.libcrypto import Libcrypto
        from benchmarks.rows import in_process, large, many, processes, signing

        in_loop = {"encrypt", "recipients", "decrypt", "signing"}
        if in_loop & set(self._wanted):
            libcrypto = Libcrypto(self._folder)
            if libcrypto.absent:
                self.left_out[libcrypto.name] = libcrypto.absent
            contests = in_process.contests(self._groups, self._mail, self._scale, libcrypto)
            yield from (contest for contest in contests if contest.group in self._wanted)
            if "signing" in self._wanted:
                yield from signing.contests(self._groups, self._mail, self._scale, libcrypto)
                yield from signing.large(self._folder, self._scale)
        if not {"process", "large", "many"} & set(self._wanted):
            return
        programs, absent = processes.start(self._groups["rsa2048"], self._new("peers"), self._ends)
        self.left_out |= absent
        if "many" in self._wanted:
            yield many.mails(self._groups["rsa2048"], self._new("many"), self._scale, programs)
            yield from many.loading(self._groups, self._scale)
        if "process" in self._wanted:
            yield from processes.contests(self._groups, self._mail, self._new("process"), self._scale, programs)
        if "large" in self._wanted and self._has_room():
            yield from large.contests(self._groups, self._folder, self._scale, programs)

    def profiles(self) -> Iterator[Profile]:
        """Yield the stages' shares, if they are wanted; of the large mail too, if it is there."""
        from benchmarks import stages
        from benchmarks.rows import large

        if "stages" in self._wanted:
            file = self._folder / large.NAME
            yield from stages.profiles(
                self._groups["rsa2048"], self._mail, file if file.exists() else None, self._scale
            )

    def _has_room(self) -> bool:
        from benchmarks.rows import large

        if reason := large.no_room(self._folder, self._scale.large):
            self.left_out["the large mail"] = reason
        return not reason

    def _new(self, name: str) -> Path:
        path = self._folder / name
        path.mkdir()
        return path


if __name__ == "__main__":
    main()
