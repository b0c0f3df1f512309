"""Measure `batch encrypt` beside openssl cms, one process beside two, targets of all kinds, and what each step costs.

    python benchmarks/batch.py [--mails N] [--rounds N] [--jobs N] [--json FILE] [--picture SVG]

With 100,000 mails of 20 KB it takes some minutes, and 8 GB of disk where temporary files are; most of the mails are
left out for programs that need a process for each. In each round everything is done once, one right after the other;
a ratio is taken within a round, and the median is printed. The picture needs matplotlib:
``pip install -r benchmarks/requirements.txt``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Rounds = Mapping[str, Mapping[str, float]]

_GOALS: Final = {"openssl cms, one by one": "30", "openssl cms, xargs -P": "12", "one process": "1.8"}
"""What the ratio to a folder, with all processes, should be at least."""


def main() -> int:
    """Measure, print and draw."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the modules beside this script
    from benchmarks.curves.bars import draw
    from benchmarks.curves.picture import NoMatplotlibError

    arguments = _arguments()
    values = _measured(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    print(markdown(values), end="")
    if arguments.picture:
        try:
            draw(values, arguments.picture)
        except NoMatplotlibError as error:
            print(f"Error: {error}", file=sys.stderr)
            return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=100_000, metavar="N", help="how many there are")
    parser.add_argument("--sampled", type=int, metavar="N", help="how many a process each is started for; a fiftieth")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each is measured")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes, of ours and of xargs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value as JSON too")
    parser.add_argument("--picture", type=Path, metavar="SVG", help="draw it, as docs/batch.svg")
    return parser.parse_args()


def _measured(arguments: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.machine import environment
    from benchmarks.mailbox.split import split
    from benchmarks.mailbox.ways import Yard

    sampled = arguments.sampled or max(10, arguments.mails // 50)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="batch-") as name:
        yard = Yard(Path(name), arguments.mails, sampled, arguments.jobs)
        rounds = [{label: yard.cost(way) for label, way in yard.ways().items()} for _ in range(arguments.rounds)]
        shares = split(yard)
    return {
        "environment": environment(),
        "seconds": time.monotonic() - begin,
        "mails": arguments.mails,
        "jobs": arguments.jobs,
        "left_out": yard.left_out,
        "rounds": rounds,
        "split": asdict(shares),
    }


def ratio(rounds: Sequence[Rounds], label: str, other: str, what: str = "clock") -> float:
    """Return how many times as long one way takes as another: the median of the rounds."""
    return median(each[label][what] / each[other][what] for each in rounds)


def markdown(values: Mapping[str, Any]) -> str:
    """Return two tables, the ways and the split, and what the journal costs."""
    from benchmarks.mailbox.ways import FOLDER, JOURNALS
    from benchmarks.report import duration, table

    rounds = values["rounds"]
    rows = [
        (
            label,
            f"{1 / median(each[label]['clock'] for each in rounds):,.0f}",
            f"{ratio(rounds, label, FOLDER):.2f}",
            duration(median(each[label]["processors"] for each in rounds)),
            f"{ratio(rounds, label, FOLDER, 'processors'):.2f}",
            _GOALS.get(label, ""),
        )
        for label in rounds[0]
    ]
    head = (
        f"{values['mails']:,} mails of 20 KB, {values['jobs']} processes",
        "mails/s",
        "time",
        "CPU a mail",
        "CPU",
        "goal",
    )
    steps, total = values["split"]["steps"], values["split"]["seconds"]
    split = [(step, duration(part), f"{part / total:.0%}") for step, part in steps.items()]
    with_one = [f"{ratio(rounds, *JOURNALS, what):.2f}" for what in ("clock", "processors")]
    parts = [
        table(head, rows, right=1),
        (
            f"Time and CPU time are given as multiples of those for {FOLDER}. With a journal it takes"
            f" {with_one[0]} times as long as without, and {with_one[1]} times the CPU time (goal: at most 1.1)."
        ),
        table(("a mail, one process", "takes", "of all"), [*split, ("all", duration(total), "100%")], right=1),
        *(f"- left out: {name} ({reason})" for name, reason in values["left_out"].items()),
        f"Medians of {len(rounds)} rounds, in {values['seconds']:.0f} seconds.",
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
