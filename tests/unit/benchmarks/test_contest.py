"""Contests: everybody once a round, ratios within it, medians over all, and an end in time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks.contest import MEGABYTES, MESSAGES, SECONDS, Contest, Opponent, fight
from benchmarks.measuring import Spent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _taking(seconds: Sequence[float]) -> Callable[[], Spent]:
    values = iter(seconds)
    return lambda: Spent(one := next(values), one, memory=int(one * 1e6))


def _contest(ours: Sequence[float], theirs: Sequence[float], target: float | None = None) -> Contest:
    opponents = [Opponent("peer", _taking(theirs), target)]
    return Contest("group", "work", _taking(ours), opponents, metrics=(SECONDS,), rounds=len(ours))


def test_the_ratio_is_the_median_of_the_rounds_ratios() -> None:
    """A round that is slow for all changes nothing: 2, 2 and 4 times as good is 2, whatever the medians say."""
    contest = _contest([1, 100, 2], [2, 200, 8])
    fight([contest], 60)
    (row,) = contest.rows()
    assert (row.theirs, row.ours, row.ratio) == (8, 2, 2)
    assert row.rounds == [(1, 2), (100, 200), (2, 8)]


def test_who_begins_changes_with_every_round() -> None:
    """Whoever comes second finds a warm machine; it is not always the same."""
    order = []

    def note(name: str) -> Spent:
        order.append(name)
        return Spent(1, 1)

    contest = Contest("group", "work", lambda: note("us"), [Opponent("peer", lambda: note("peer"))], rounds=2)
    fight([contest], 60)
    assert order == ["us", "peer", "peer", "us"]


@pytest.mark.parametrize(("target", "met"), [(2, True), (2.1, False), (None, None)])
def test_a_target_is_met_or_missed(target: float | None, met: bool | None) -> None:  # noqa: FBT001  # a parameter
    """The ratio decides."""
    contest = _contest([1], [2], target)
    contest.fight()
    assert [row.met for row in contest.rows()] == [met]


@pytest.mark.parametrize(("bound", "met"), [(3, True), (2.9, False)])
def test_a_bound_is_on_our_own_value(bound: float, met: bool) -> None:  # noqa: FBT001  # a parameter
    """Less is better of memory, more of messages; a peer is not needed."""
    contest = Contest("group", "work", _taking([3]), metrics=(MEGABYTES.bounded(bound),))
    contest.fight()
    assert [(row.peer, row.ratio, row.met) for row in contest.rows()] == [(None, None, met)]
    fast = Contest("group", "work", lambda: Spent(1, 1, times=3), metrics=(MESSAGES.bounded(6 - bound),))
    fast.fight()
    assert [row.met for row in fast.rows()] == [met or 6 - bound <= 3]


def test_every_metric_has_a_row_and_the_target_is_for_the_first() -> None:
    """Two metrics and two peers make four rows."""
    peers = [Opponent(name, _taking([2]), 1.5) for name in ("one", "other")]
    contest = Contest("group", "work", _taking([1]), peers, metrics=(SECONDS, MEGABYTES))
    contest.fight()
    assert [(row.unit, row.peer, row.target) for row in contest.rows()] == [
        ("s", "one", 1.5),
        ("s", "other", 1.5),
        ("MB at peak", "one", None),
        ("MB at peak", "other", None),
    ]


def test_the_first_round_is_complete_and_the_last_ends_in_time() -> None:
    """A contest that would end too late gets no further round; a short one still does."""
    now = 0.0

    def lasting(seconds: float) -> Contest:
        def work() -> Spent:
            nonlocal now
            now += seconds
            return Spent(1, 1)

        return Contest("group", "work", work, rounds=5)

    short, long = lasting(1), lasting(50)
    fight([short, long], 90, clock=lambda: now)
    assert (len(short.results), len(long.results)) == (5, 1)
    assert now < 90


def test_without_time_there_is_one_round() -> None:
    """Everything is measured at least once."""
    contests = [_contest([1] * 3, [1] * 3) for _ in range(2)]
    fight(contests, -1)
    assert [len(contest.results) for contest in contests] == [1, 1]


def test_a_metric_with_a_bound_is_the_same_metric() -> None:
    """It differs in nothing else."""
    assert replace(SECONDS.bounded(3), bound=None) == SECONDS
