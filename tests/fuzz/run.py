"""Run fuzz targets for a long time: ``python tests/fuzz/run.py --seconds 3600 --corpus ~/fuzz [TARGET…]``.

Each target runs in a process of its own for its share of the time, with atheris where it is installed (coverage leads
the mutations then), else with the plain loop. The corpus that grows, and each finding with its octets and its
traceback, are kept below the folder of ``--corpus``, which is outside of the tree; executions and findings are printed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.fuzz.harness import Target

HERE: Final = Path(__file__).resolve()
TREE: Final = HERE.parents[2]
EVERY: Final = "every"
"""The name of a target that is all of them in one process; the first octet says which."""

_ATHERIS: Final = importlib.util.find_spec("atheris") is not None
_EXECUTED: Final = re.compile(r"(?:stat::number_of_executed_units:|Done|executed) *(\d+)")
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # for small files of a target: a disk would make it ten times slower
_RAW: Final = 0.4  # how often the fuzzer's own mutations are taken in place of ours
_ALLOWED: Final = 30  # seconds for one execution before the fuzzer calls it a hang


class Report(NamedTuple):
    """What came of a target.

    Attributes:
        name: the target.
        executions: how many there were.
        findings: files with what was found.
    """

    name: str
    executions: int
    findings: tuple[Path, ...]


def run(names: Sequence[str], folder: Path, seconds: float, runs: int = 0, *, more: Sequence[str] = ()) -> list[Report]:
    """Run targets one after the other, each in a process of its own.

    Args:
        names: which.
        folder: where the corpus and the findings are.
        seconds: for all of them together; 0 for no limit.
        runs: executions of each, seeds not counted; 0 for no limit.
        more: further arguments of the script.
    """
    reports = []
    for name in names:
        found = folder / "findings" / name
        found.mkdir(parents=True, exist_ok=True)
        limits = ["--seconds", str(int(seconds / len(names))), "--runs", str(runs)]
        command = [sys.executable, str(HERE), "--child", "--corpus", str(folder), *limits, *more, name]
        with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as scratch:
            environment = {**os.environ, "TMPDIR": scratch}
            done = subprocess.run(
                command, cwd=TREE, env=environment, capture_output=True, text=True, errors="replace", check=False
            )
        (found / "log.txt").write_text(done.stdout + done.stderr)
        counts = [int(each) for each in _EXECUTED.findall(done.stdout + done.stderr)]
        files = [each for each in found.iterdir() if each.suffix == ".txt" and each.name != "log.txt"]
        files += [each for each in found.iterdir() if each.name.startswith(("crash-", "timeout-", "oom-"))]
        if done.returncode and not files:
            files = [found / "log.txt"]
        reports.append(Report(name, max(counts, default=0), tuple(sorted(files))))
    return reports


class _Findings:
    """Keeps one input for each place in the code that lets something out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] = set()

    def take(self, data: bytes, error: Exception) -> None:
        """Keep an input and how it failed, if nothing failed like it before."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{type(error).__name__} {[(frame.filename, frame.lineno) for frame in frames[-2:]]}"
        name = hashlib.sha256(place.encode()).hexdigest()[:12]
        if name not in self._known:
            self._known.add(name)
            (self._folder / f"{name}.bin").write_bytes(data)
            (self._folder / f"{name}.txt").write_text("".join(traceback.format_exception(error)), errors="replace")


def _guarded(run_once: Callable[[bytes], None], findings: _Findings) -> Callable[[bytes], None]:
    from smime_session import SmimeError

    def guarded(data: bytes) -> None:
        try:
            run_once(data)
        except SmimeError:
            pass
        except Exception as error:  # noqa: BLE001  # all of them are what is looked for
            findings.take(data, error)

    return guarded


def _every(targets: dict[str, Target]) -> tuple[Target, list[bytes]]:
    """Return all targets as one, and its seeds, in which the first octet says which."""
    from tests.fuzz.harness import Target, execute

    them = list(targets.values())

    def dispatch(data: bytes) -> None:
        if data:
            execute(them[data[0] % len(them)], data[1:])

    seeds = [bytes((number,)) + seed for number, each in enumerate(them) for seed in each.seeds()[:4]]
    return Target(dispatch, lambda: seeds, "octets"), seeds


def _messages(folder: Path | None) -> list[bytes]:
    if folder is None:
        return []
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size <= 1 << 14]
    return [path.read_bytes() for path in found]


def _child(name: str, options: argparse.Namespace) -> None:
    """Run one target in this process, which ends with it."""
    sys.path.insert(0, str(TREE))
    warnings.simplefilter("error")
    guided = _ATHERIS and not options.plain
    if guided:
        import atheris

        with atheris.instrument_imports(include=["smime_session", "cli"], enable_loader_override=False):
            from tests.fuzz.targets import TARGETS
    else:
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.harness import execute
    from tests.fuzz.mutation import MOST, mutate

    target, seeds = _every(TARGETS) if name == EVERY else (TARGETS[name], TARGETS[name].seeds())
    seeds = [*seeds, *_messages(options.extra)]
    shapes = [each.shape for each in TARGETS.values()]
    guarded = _guarded(lambda data: execute(target, data), _Findings(options.corpus / "findings" / name))

    def changed(data: bytes, random: Random) -> bytes:
        if name != EVERY:
            return mutate(data, random, target.shape, seeds)
        return data[:1] + mutate(data[1:], random, shapes[data[0] % len(shapes)]) if data else random.choice(seeds)

    if not guided:
        _plainly(guarded, changed, seeds, options)
        return
    corpus = options.corpus / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for each in seeds:
        (corpus / hashlib.sha256(each).hexdigest()[:24]).write_bytes(each)

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)  # noqa: S311  # to be the same each time
        if name != EVERY and random.random() < _RAW:
            return bytes(atheris.Mutate(data, most))
        return changed(data, random)[:most]

    arguments = [str(HERE), f"-timeout={_ALLOWED}", f"-max_len={MOST}", "-len_control=0", "-print_final_stats=1"]
    arguments += [f"-artifact_prefix={options.corpus / 'findings' / name}/", "-rss_limit_mb=4096", "-verbosity=1"]
    arguments += [f"-max_total_time={options.seconds}"] if options.seconds else []
    arguments += [f"-runs={options.runs + len(seeds)}"] if options.runs else []
    arguments += [f"-seed={options.seed}"] if options.seed else []
    atheris.Setup([*arguments, str(corpus)], guarded, custom_mutator=mutator)
    atheris.Fuzz()


def _plainly(
    guarded: Callable[[bytes], None],
    changed: Callable[[bytes, Random], bytes],
    seeds: Sequence[bytes],
    options: argparse.Namespace,
) -> None:
    random = Random(options.seed)  # noqa: S311  # the same
    end, count = time.monotonic() + options.seconds, 0
    while (not options.runs or count < options.runs) and (not options.seconds or time.monotonic() < end):
        guarded(changed(random.choice(seeds), random))
        count += 1
    print(f"executed {count}")  # noqa: T201  # for the process that started it


def _options(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Any]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="*", help="all if none is named")
    parser.add_argument("--seconds", type=float, default=0, help="for all targets together")
    parser.add_argument("--runs", type=int, default=0, help="of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, required=True, help="a folder outside of the tree")
    parser.add_argument("--extra", type=Path, help="a folder of messages that are seeds too")
    parser.add_argument("--plain", action="store_true", help="the plain loop, which is faster and sees no coverage")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    found = parser.parse_args(arguments)
    found.corpus = found.corpus.resolve()
    found.seconds = int(found.seconds)
    if not found.child and not found.runs and not found.seconds:
        parser.error("--seconds or --runs says when to end")
    if found.corpus.is_relative_to(TREE):
        parser.error("--corpus is a folder outside of the tree")
    return found, parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the targets; return 1 if there are findings."""
    options, _ = _options(arguments)
    if options.child:
        _child(options.targets[0], options)
        return 0
    sys.path.insert(0, str(TREE))
    from tests.fuzz.targets import TARGETS

    names = options.targets or list(TARGETS)
    found = total = 0
    share = options.seconds / len(names)
    more = ["--seed", str(options.seed), *(["--extra", str(options.extra.resolve())] if options.extra else [])]
    more += ["--plain"] if options.plain else []
    for name in names:
        for report in run([name], options.corpus, share, options.runs, more=more):
            print(f"{report.name:18} {report.executions:12,} executions  {len(report.findings)} findings", flush=True)  # noqa: T201
            for each in report.findings:
                print(f"  {each}", flush=True)  # noqa: T201
            total, found = total + report.executions, found + len(report.findings)
    print(f"{'all':18} {total:12,} executions  {found} findings")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    os.environ.setdefault("SMIME_SESSION_CONFIG", "")
    sys.exit(main())
