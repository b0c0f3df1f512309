"""How fast ways to encrypt many mails are, and what each step of one costs, as a picture of bars.

It needs matplotlib, see ``benchmarks/requirements.txt``. The same values make the same octets.
"""

from __future__ import annotations

from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchmarks.curves.picture import OURS, STYLE, THEIRS, pyplot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SHADES: Final = ("#08306b", "#1b6ca8", "#5aa9e6", "#a6cee3", "#33a02c", "#e09f3e", "#b3541e", "#6a3d9a", "#999999")


def draw(values: Mapping[str, Any], path: Path) -> None:
    """Draw what ``benchmarks/batch.py`` measured into an SVG file.

    Raises:
        NoMatplotlibError: matplotlib is not installed.
    """
    plot = pyplot()
    rounds, steps = values["rounds"], values["split"]["steps"]
    rates = {label: 1 / median(each[label]["clock"] for each in rounds) for label in rounds[0]}
    with import_module("matplotlib").rc_context(STYLE):
        figure, (above, below) = plot.subplots(2, 1, figsize=(9, 4.6), height_ratios=(4, 1))
        colours = [THEIRS[0] if label.startswith("openssl") else OURS[0] for label in rates]
        above.barh(list(rates), list(rates.values()), color=colours)
        above.invert_yaxis()
        for each in (above, below):
            each.set_axisbelow(True)
        above.set_xlabel("mails of 20 KB in a second")
        begin = 0.0
        for (step, seconds), colour in zip(steps.items(), _SHADES, strict=True):
            below.barh(["a mail"], [seconds * 1e6], left=begin, color=colour, label=step)
            begin += seconds * 1e6
        below.set_xlabel("µs of one process")
        below.legend(ncols=len(steps), loc="lower center", bbox_to_anchor=(0.45, 1), frameon=False, fontsize=7.5)
        figure.tight_layout()
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
        plot.close(figure)
