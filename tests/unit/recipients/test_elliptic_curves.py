"""Elliptic curves: which points are on them."""

from __future__ import annotations

import pytest

from smime_session.algorithms import CURVES, P_256, Curve
from smime_session.recipients import curves


@pytest.mark.parametrize("curve", [each for each in CURVES.values() if each.name.startswith("P-")], ids=str)
def test_only_points_of_a_curve_are_on_it(curve: Curve) -> None:
    """A point that is on its curve is no longer when one of its numbers changes, or grows by the prime."""
    point = curves.point_of(curves.generate(curve))
    assert curves.is_on(curve, point)
    width = len(point) // 2
    for place in (1, width, width + 1, 2 * width):
        other = bytearray(point)
        other[place] ^= 1
        assert not curves.is_on(curve, bytes(other))
    assert not curves.is_on(curve, b"\x04" + bytes(2 * width))
    assert not curves.is_on(curve, b"\x04" + b"\xff" * (2 * width))


def test_a_number_of_a_point_is_smaller_than_the_prime() -> None:
    """The same point in other numbers is refused, as the library does."""
    prime, b = curves._EQUATIONS[P_256]
    y = pow(b, (prime + 1) // 4, prime)
    assert curves.is_on(P_256, b"\x04" + bytes(32) + y.to_bytes(32, "big"))
    assert not curves.is_on(P_256, b"\x04" + prime.to_bytes(32, "big") + y.to_bytes(32, "big"))
