"""How cost grows: least squares through what was measured.

Costs spread over many powers of ten, so it is the relative errors whose squares are made least:
otherwise the largest point alone would decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    Points = Sequence[tuple[float, float]]

_LEAST: Final = 3  # points for an exponent: two fit any


@dataclass(frozen=True, slots=True)
class Growth:
    """How a cost grows with the amount of work.

    Attributes:
        fixed: the part that does not depend on the amount.
        unit: the part for each unit of work.
        exponent: the slope, on scales of logarithms, of what comes on top of the fixed part, where that is
            more than the fixed part itself; 1 is proportional. None if there are too few such points.
    """

    fixed: float
    unit: float
    exponent: float | None


def growth(points: Points) -> Growth:
    """Fit ``cost = fixed + unit * amount``, and ``cost - fixed ~ amount ** exponent`` where the work dominates.

    Args:
        points: amounts and costs, both above zero; two different amounts at least.
    """
    fixed, unit = linear(points)
    work = [(amount, cost - fixed) for amount, cost in points if cost > 2 * fixed]
    return Growth(fixed, unit, exponent(work) if len(work) >= _LEAST else None)


def linear(points: Points) -> tuple[float, float]:
    """Return the fixed part and the part for each unit; neither is less than nothing.

    Each point's error counts relative to its cost.
    """
    weighted = [(1 / cost**2, amount, cost) for amount, cost in points]
    fixed, unit = _line(weighted)
    if fixed < 0:
        return 0.0, sum(w * x * y for w, x, y in weighted) / sum(w * x * x for w, x, _ in weighted)
    if unit < 0:
        return sum(w * y for w, _, y in weighted) / sum(w for w, _, _ in weighted), 0.0
    return fixed, unit


def exponent(points: Points) -> float:
    """Return the slope of the line through the logarithms."""
    return _line([(1.0, math.log(amount), math.log(cost)) for amount, cost in points])[1]


def _line(points: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Return intercept and slope of the line through weighted points; flat if they lie above one another."""
    total = sum(w for w, _, _ in points)
    mean_x = sum(w * x for w, x, _ in points) / total
    mean_y = sum(w * y for w, _, y in points) / total
    spread = sum(w * (x - mean_x) ** 2 for w, x, _ in points)
    slope = sum(w * (x - mean_x) * (y - mean_y) for w, x, y in points) / spread if spread else 0.0
    return mean_y - slope * mean_x, slope
