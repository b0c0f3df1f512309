"""The curves as a picture: time above, memory below, a column for each dimension.

It needs matplotlib, see ``benchmarks/requirements.txt``. The same values make the same octets.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.curves.series import Series

OURS: Final = ("#1b6ca8", "#5aa9e6")
THEIRS: Final = ("#b3541e", "#e09f3e")
_MARKERS: Final = "os^v"
_TICKS: Final = 6  # at most, so that their words do not touch
_MEMORY: Final = (1, 4000)  # MB: the same scale for all, so that flat looks flat
STYLE: Final[dict[str, Any]] = {
    "svg.hashsalt": "growth",  # identifiers that do not change
    "svg.fonttype": "none",  # text stays text, which is small and can be searched
    "font.family": "sans-serif",
    "font.size": 9,
    "figure.facecolor": "white",  # readable on a dark page too
    "axes.facecolor": "white",
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


class NoMatplotlibError(Exception):
    """Matplotlib is not installed."""


def pyplot() -> Any:  # noqa: ANN401  # matplotlib's, which may be absent
    """Return matplotlib's module that draws, set to SVG.

    Raises:
        NoMatplotlibError: matplotlib is not installed.
    """
    try:
        import_module("matplotlib").use("svg")
    except ImportError as error:
        raise NoMatplotlibError("the picture needs matplotlib: pip install -r benchmarks/requirements.txt") from error
    return import_module("matplotlib.pyplot")


def draw(series: Sequence[Series], path: Path) -> None:
    """Draw the series into an SVG file.

    Raises:
        NoMatplotlibError: matplotlib is not installed.
    """
    plot = pyplot()
    dimensions = list(dict.fromkeys(one.dimension for one in series))
    with import_module("matplotlib").rc_context(STYLE):
        figure, axes = plot.subplots(2, len(dimensions), figsize=(11, 6.2), height_ratios=(3, 2), squeeze=False)
        for dimension, (above, below) in zip(dimensions, axes.T, strict=True):
            shown = sorted((one for one in series if one.dimension == dimension), key=lambda one: not one.ours)
            for panel, quantity in ((above, "seconds"), (below, "memory")):
                _curves(panel, shown, quantity)
                _scales(panel, "B" if "octets" in dimension else "")
            above.yaxis.set_major_formatter(_formatter("s"))
            above.legend(frameon=False, fontsize=7.5)
            below.set_ylim(*_MEMORY)
            below.set_xlabel(dimension)
        axes[0][0].set_ylabel("time")
        axes[1][0].set_ylabel("MB at peak")
        figure.tight_layout()
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
        plot.close(figure)


def _curves(axes: Any, series: Sequence[Series], quantity: str) -> None:  # noqa: ANN401  # matplotlib's, which may be absent
    for place, one in enumerate(series):
        number = place if one.ours else place - sum(other.ours for other in series)
        points = [(point.amount, value) for point in one.points if (value := getattr(point, quantity)) is not None]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                label=one.label,
                color=(OURS if one.ours else THEIRS)[number % 2],
                marker=_MARKERS[place % len(_MARKERS)],
                markersize=3.5,
                linewidth=1.6 if one.ours else 1.1,
            )


def _scales(axes: Any, unit: str) -> None:  # noqa: ANN401  # the same
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(import_module("matplotlib.ticker").LogLocator(numticks=_TICKS))
    axes.xaxis.set_major_formatter(_formatter(unit))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()  # they are most of the file


def _formatter(unit: str) -> Any:  # noqa: ANN401  # the same
    """Return what writes 10 ms, 1 GB or, without a unit, 10 k."""
    return import_module("matplotlib.ticker").EngFormatter(unit)
