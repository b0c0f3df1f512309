"""The report: a Markdown table for people, and JSON that gives back the same report."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.contest import Row
from benchmarks.document import MissingPartError, replace_part
from benchmarks.report import Report, duration, number, table
from benchmarks.stages import Profile

ROW = Row("encrypt", "peer", "s", 3.0, 1.5, 2.0, 1.5, None, True, [(1.5, 3.0)], False)  # noqa: FBT003  # in their order
ALONE = Row("encrypt", None, "recipients/s", None, 20_000.0, None, None, 15_000.0, True, [(20_000.0, None)], True)  # noqa: FBT003  # the same
PROFILE = Profile("encrypt 10 KB", 0.001, {"parse": 0.25, "wrap": 0.75})
REPORT = Report([ROW, ALONE], [PROFILE], {"gpgsm": "not found"}, 61.4, {"Python": "3"})


def test_a_report_as_text() -> None:
    """Rows, stages, what was left out and the time it took stand one after the other."""
    assert (
        REPORT.markdown()
        == """\
- Python: 3

| work | peer | peer's | ours | ratio |
| --- | --- | ---: | ---: | ---: |
| encrypt | peer | 3.00 s | 1.50 s | 2.00 |
| encrypt | - | - | 20,000 recipients/s | - |

Where the time goes:

| stage | encrypt 10 KB |
| --- | ---: |
| parse | 250 µs (25%) |
| wrap | 750 µs (75%) |
| all, CPU time | 1.00 ms |

- left out: gpgsm (not found)

Measured in 61 seconds.
"""
    )


def test_a_page_shows_some_rows_and_no_stages() -> None:
    """Only the works that are named, and not where the time goes."""
    assert "| encrypt | peer |" in REPORT.markdown({"encrypt"})
    assert "stage" not in REPORT.markdown({"encrypt"})
    assert "| encrypt" not in REPORT.markdown({"decrypt"})


def test_a_report_comes_back_from_json() -> None:
    """The text made from the values is that of the run."""
    values = json.loads(json.dumps(REPORT.as_json()))
    assert Report.from_json(values).markdown() == REPORT.markdown()


CELLS = st.text(st.characters(exclude_characters="|\n\r", exclude_categories=["C", "Z"]), max_size=8)


@given(st.integers(1, 5).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)))
def test_a_table_holds_its_cells(rows: list[list[str]]) -> None:
    """Every cell stands where it belongs, under a rule that aligns numbers to the right."""
    head, *others = rows
    lines = table(head, others, right=1).split("\n")
    assert lines[1] == f"| {' | '.join(['---', *['---:'] * (len(head) - 1)])} |"
    assert [line[2:-2].split(" | ") for line in (lines[0], *lines[2:])] == rows


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (1, "1.00"), (9.999, "10.0"), (99.5, "99.5"), (100, "100"), (12345.6, "12,346")],
)
def test_a_number_has_three_digits(value: float, text: str) -> None:
    """Or all that stand before the point."""
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (2e-19, "0 s"), (2.5, "2.50 s"), (0.25, "250 ms"), (0.000_1, "100 µs"), (3e-9, "3.00 ns")],
)
def test_a_duration_has_the_unit_that_fits(seconds: float, text: str) -> None:
    """The first in which it is one at least."""
    assert duration(seconds) == text


def test_a_part_of_a_page_is_replaced() -> None:
    """What stands around the marks stays, the marks too."""
    page = "before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n"
    assert replace_part(page, "results", "new \\1\n") == (
        "before\n<!-- results -->\n\nnew \\1\n\n<!-- end of results -->\nafter\n"
    )


def test_a_page_without_the_part_is_refused() -> None:
    """Nothing is written where nobody asked for it."""
    with pytest.raises(MissingPartError, match="<!-- results -->"):
        replace_part("before\n<!-- results -->\nafter\n", "results", "new")
