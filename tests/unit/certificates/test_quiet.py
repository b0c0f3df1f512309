"""Keeping warnings away."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from smime_session.certificates.quiet import quietly


@quietly()
def warn() -> str:
    """Warn of something."""
    warnings.warn("noise", UserWarning, stacklevel=1)
    return "done"


def test_a_warning_inside_does_not_come_out() -> None:
    """A function that is called quietly may warn; its answer comes back."""
    assert warn() == "done"


def test_warnings_are_back_afterwards() -> None:
    """Only what is inside is silent, also after an error."""
    with pytest.raises(ZeroDivisionError), quietly():
        sleep(1 / 0)
    with pytest.warns(UserWarning, match="noise"):
        warnings.warn("noise", UserWarning, stacklevel=1)


def test_threads_leave_the_filters_as_they_were() -> None:
    """Filters belong to the process; threads that overlap must not leave it silent for good."""
    before = list(warnings.filters)

    def work(number: int) -> None:
        with quietly(), quietly():
            sleep(0.001 * (number % 3))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(64)))
    assert list(warnings.filters) == before
