"""Measure how time and memory grow with size, recipients and mails; print the slopes and draw the curves.

    python benchmarks/growth.py [--quick] [--json FILE] [--picture SVG]

It takes less than ten minutes, and 16 GB of disk where temporary files are; what does not fit is
left out. The picture needs matplotlib: ``pip install -r benchmarks/requirements.txt``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.curves.series import Series

_BUDGET: Final = 420  # seconds after which no further amount is begun; the largest takes two minutes


def main() -> int:
    """Measure, print and draw."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the modules beside this script
    from benchmarks.curves.picture import NoMatplotlibError, draw

    arguments = _arguments()
    values = _measured(quick=arguments.quick)
    if arguments.json:
        arguments.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    print(markdown(values), end="")
    if arguments.picture:
        try:
            draw(read(values), arguments.picture)
        except NoMatplotlibError as error:
            print(f"Error: {error}", file=sys.stderr)
            return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small amounts: only shows that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every point as JSON too")
    parser.add_argument("--picture", type=Path, metavar="SVG", help="draw the curves, as docs/growth.svg")
    return parser.parse_args()


def _measured(*, quick: bool) -> dict[str, Any]:
    from benchmarks.curves import jobs
    from benchmarks.curves.series import measure
    from benchmarks.fixtures import make_group
    from benchmarks.machine import environment

    extent, begin = jobs.QUICK if quick else jobs.FULL, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        folder = Path(name)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")  # as those of an installed package are
        workshop = jobs.Workshop(make_group("rsa2048", max(extent.recipients), folder), folder, extent)
        series, left_out = measure(workshop.dimensions(), begin + _BUDGET)
    return {
        "environment": environment(),
        "seconds": time.monotonic() - begin,
        "left_out": {**workshop.left_out, **left_out},
        "series": [asdict(one) for one in series],
    }


def read(values: Mapping[str, Any]) -> list[Series]:
    """Return the series in what ``--json`` wrote."""
    from benchmarks.curves.series import Point, Series

    return [Series(**{**one, "points": [Point(**point) for point in one["points"]]}) for one in values["series"]]


def markdown(values: Mapping[str, Any]) -> str:
    """Return the slopes as a table, and what was left out."""
    from benchmarks.report import table

    head = ("what grows", "who", "exponent", "fixed part", "each", "largest amount", "takes", "memory at most")
    parts = [table(head, [_cells(one) for one in read(values)], right=2)]
    if left_out := values["left_out"]:
        parts.append("\n".join(f"- left out: {name} ({reason})" for name, reason in left_out.items()))
    return "\n\n".join([*parts, f"Measured in {values['seconds']:.0f} seconds."]) + "\n"


def _cells(series: Series) -> tuple[str, ...]:
    from benchmarks.report import duration, number

    growth, last = series.time(), series.points[-1]
    memory = [point.memory for point in series.points if point.memory is not None]
    return (
        series.dimension,
        series.label,
        "-" if growth.exponent is None else f"{growth.exponent:.2f}",
        duration(growth.fixed),
        duration(growth.unit),
        f"{last.amount:,}",
        duration(last.seconds),
        f"{number(max(memory))} MB" if memory else "-",
    )


if __name__ == "__main__":
    sys.exit(main())
