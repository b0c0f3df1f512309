"""Curves: every amount measured or named, and a small picture that is always the same."""

from __future__ import annotations

from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks.curves import picture
from benchmarks.curves.series import Dimension, Job, Point, Series, measure
from benchmarks.growth import markdown, read
from benchmarks.measuring import Spent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _jobs(amount: int) -> Iterator[Job]:
    yield Job("us", ours=True, step=lambda: Spent(2 * amount, 1, memory=3_000_000, times=2))
    if amount < 10:
        yield Job("peer", ours=False, step=lambda: Spent(3 * amount, 1))


def test_a_series_holds_a_point_for_each_amount() -> None:
    """Time is for one of what was done, memory in megabytes, absent where it was not measured."""
    series, left_out = measure([Dimension("mails", [1, 100], _jobs)], deadline=1, clock=lambda: 0)
    assert series == [
        Series("mails", "us", ours=True, points=[Point(1, 1, 3), Point(100, 100, 3)]),
        Series("mails", "peer", ours=False, points=[Point(1, 3, None)]),
    ]
    assert left_out == {}


def test_amounts_that_cannot_be_measured_are_named() -> None:
    """For lack of time, or of what the dimension needs."""
    clock = count()
    obstacle = {1: None, 2: "no room", 3: None}.get
    series, left_out = measure([Dimension("octets", [1, 2, 3], _jobs, obstacle)], deadline=1, clock=lambda: next(clock))
    assert [point.amount for point in series[0].points] == [1]
    assert left_out == {"octets: 2": "no room", "octets: 3": "out of time"}


def test_what_is_quick_is_measured_again() -> None:
    """The least of several stands for what takes little time."""
    times = iter([0.2, 0.3, 0.2, 0.1, 0.2, 0.2, 0.3])
    job = Job("us", ours=True, step=lambda: Spent(next(times), 1))
    ((series,), _) = measure([Dimension("mails", [1], lambda _: iter([job]))], deadline=1, clock=lambda: 0)
    assert series.points == [Point(1, 0.1, None)]


SERIES = [
    Series(dimension, label, ours, [Point(10**power, 0.1 + 10**power / 1e6, memory) for power in range(9)])
    for dimension in ("recipients", "mails", "octets")
    for label, ours, memory in (("us, encrypt", True, 35.0), ("peer", False, 9.0), ("us, in process", True, None))
]


def test_the_slopes_are_a_table() -> None:
    """A line for each series: what it costs for one, how it grows, the most memory."""
    points = [{"amount": 10**power, "seconds": 10**power / 1e3, "memory": 35.0} for power in range(4)]
    values: dict[str, Any] = {
        "series": [{"dimension": "mails", "label": "us", "ours": True, "points": points}],
        "left_out": {"octets: 4": "no room"},
        "seconds": 3,
    }
    assert read(values)[0].points[0] == Point(1, 0.001, 35.0)
    text = markdown(values)
    assert "| mails | us | 1.00 | 0 s | 1.00 ms | 1,000 | 1.00 s | 35.0 MB |" in text
    assert "- left out: octets: 4 (no room)" in text


def test_the_picture_is_small_and_always_the_same(tmp_path: Path) -> None:
    """An SVG under 100 KB on white, with every label in it, that changes only if the values do."""
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    once, again = tmp_path / "once.svg", tmp_path / "again.svg"
    picture.draw(SERIES, once)
    picture.draw(SERIES, again)
    octets = once.read_bytes()
    assert octets == again.read_bytes()
    assert len(octets) < 100_000
    text = " ".join(ET.fromstring(octets.decode()).itertext())  # noqa: S314  # we have just made it
    for word in (
        "recipients",
        "mails",
        "octets",
        "us, encrypt",
        "peer",
        "us, in process",
        "time",
        "100 ms",
        "MB at peak",
    ):
        assert word in text
    assert b"fill: #ffffff" in octets


def test_without_matplotlib_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else runs without it."""

    def missing(name: str) -> object:
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(name)
        return import_module(name)

    monkeypatch.setattr(picture, "import_module", missing)
    with pytest.raises(picture.NoMatplotlibError, match=r"pip install -r benchmarks/requirements\.txt"):
        picture.draw(SERIES, tmp_path / "growth.svg")
