"""Fitting: what was put into points comes out of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.curves.fitting import exponent, growth, linear

AMOUNTS = st.lists(st.integers(1, 10**9), min_size=3, max_size=12, unique=True)
COST = st.floats(1e-6, 1e3)


@given(AMOUNTS, COST, st.floats(0, 3))
def test_a_power_law_gives_back_its_exponent(amounts: list[int], unit: float, power: float) -> None:
    """The slope on scales of logarithms is the exponent, whatever the unit."""
    points = [(amount, unit * amount**power) for amount in amounts]
    assert exponent(points) == pytest.approx(power, abs=1e-6)


@given(AMOUNTS, COST, COST)
def test_a_line_gives_back_its_parts(amounts: list[int], fixed: float, unit: float) -> None:
    """Fixed part and part for each unit together explain every point."""
    points = [(amount, fixed + unit * amount) for amount in amounts]
    found_fixed, found_unit = linear(points)
    for amount, cost in points:
        assert found_fixed + found_unit * amount == pytest.approx(cost, rel=1e-6)


def test_the_smallest_costs_decide_about_the_fixed_part() -> None:
    """A tenth too much at the largest amount moves the fixed part by little: errors count relative to the cost."""
    points = [(4.0**power, 1 + 0.001 * 4**power) for power in range(10)]
    points[-1] = (points[-1][0], points[-1][1] * 1.1)
    fixed, unit = linear(points)
    assert fixed == pytest.approx(1, rel=0.05)
    assert unit == pytest.approx(0.001, rel=0.15)


@given(
    st.lists(st.tuples(st.floats(1, 1e9), st.floats(1e-6, 1e6)), min_size=2, max_size=9, unique_by=lambda one: one[0])
)
def test_neither_part_is_less_than_nothing(points: list[tuple[float, float]]) -> None:
    """Noise never makes work that gives time back."""
    fixed, unit = linear(points)
    assert fixed >= 0
    assert unit >= 0


def test_points_above_one_another_are_a_fixed_cost() -> None:
    """Costs that fall as the work grows are their mean, and nothing for each unit."""
    fixed, unit = linear([(1, 2), (10, 2), (100, 1.9999)])
    assert fixed == pytest.approx(2, rel=1e-3)
    assert unit == 0


def test_the_exponent_is_of_where_the_work_dominates() -> None:
    """A fixed part hides how small amounts grow: they do not count for the exponent."""
    found = growth([(4.0**power, 1 + 0.01 * 4**power) for power in range(12)])
    assert found.fixed == pytest.approx(1)
    assert found.unit == pytest.approx(0.01)
    assert found.exponent == pytest.approx(1)


def test_work_that_grows_faster_than_its_amount_is_seen() -> None:
    """A quadratic cost above a fixed part has an exponent well over 1."""
    found = growth([(4.0**power, 1 + 0.01 * 16**power) for power in range(8)]).exponent
    assert found is not None
    assert found > 1.5


def test_there_is_no_exponent_where_the_fixed_part_dominates() -> None:
    """Fewer than three points above the fixed part say nothing."""
    assert growth([(amount, 100 + amount) for amount in (1, 2, 4, 8)]).exponent is None
