"""Many messages at once: how far it has come is a line on a terminal, and lines of their own where there is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
from click.testing import CliRunner

from cli.metering import progress_line
from cli.root import run
from smime_session.batch import Tally
from tests.support.batching import written
from tests.support.terminals import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAIL: Final = b"From: alice@example.org\nTo: bob@example.org\nSubject: Friday\n\nAt eight?\n"
ERASE: Final = "\r\x1b[K"
LINE: Final = r"(\d+)%  ([\d,]+) encrypted  (\d+) failed  [\d,]+/s  \d+ (?:s|min) left"


def _mails(count: int) -> dict[str, bytes]:
    return {f"{number:04}.eml": MAIL for number in range(count)} | {"0003.eml": b"no header here\n"}


def test_on_a_terminal_one_line_is_redrawn(provide: Callable[..., Path]) -> None:
    """It grows to the end, and is gone then; what is left is the summary."""
    here = provide("bob.pem")
    written(here / "in", _mails(1000))
    with Terminal("batch", "encrypt", "-r", "bob.pem", "in", "out") as terminal:
        status, seen = terminal.finish()
    assert status == 1
    *drawn, rest = seen.split(ERASE)
    lines = [re.fullmatch(LINE, each) for each in drawn if each]
    assert lines
    assert all(lines), drawn
    shares = [int(line[1]) for line in lines if line]
    assert shares == sorted(shares)
    assert shares[-1] <= 100
    assert rest.startswith("999 encrypted, 1 failed\n  1 failed: this is not a mail: ")


def test_on_a_terminal_quiet_draws_nothing(provide: Callable[..., Path]) -> None:
    """Failures are told all the same."""
    here = provide("bob.pem")
    written(here / "in", _mails(100))
    with Terminal("batch", "encrypt", "--quiet", "-r", "bob.pem", "in", "out") as terminal:
        status, seen = terminal.finish()
    assert (status, "\x1b" in seen, "%" in seen) == (1, False, False)
    assert seen.endswith("Error: 1 of 100 messages failed\n")


def test_without_a_terminal_a_line_comes_now_and_then(
    provide: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is whole, without what moves a cursor, and without a share of what was not counted."""
    here = provide("bob.pem")
    written(here / "in", _mails(300))
    monkeypatch.setattr("cli.metering._LINE_EVERY", 0.0)
    with CliRunner().isolation() as streams:
        assert run(["batch", "encrypt", "-r", "bob.pem", "in", "out"]) == 1
        said = streams[1].getvalue().decode()
    *lines, last, reason, error, rest = said.split("\n")
    assert (last, rest) == ("299 encrypted, 1 failed", "")
    assert (reason[:11], error) == ("  1 failed:", "Error: 1 of 300 messages failed")
    assert len(lines) > 2
    assert all(re.fullmatch(r"\d+ encrypted  [01] failed  [\d,]+/s", line) for line in lines), lines


@pytest.mark.parametrize(
    ("tally", "total", "expected"),
    [
        (Tally(1290, 3, 7, 0), 3000, "43%  1,290 encrypted  3 failed  129/s  13 s left"),
        (Tally(1290, 3, 7, 0), None, "1,290 encrypted  3 failed  129/s"),
        (Tally(10, 0, 0, 0), 10_000, "0%  10 encrypted  0 failed  1/s  166 min left"),
        (Tally(0, 0, 50, 0), 100, "0 encrypted  0 failed  0/s"),
        (Tally(20, 0, 0, 0), 10, "100%  20 encrypted  0 failed  2/s  0 s left"),
    ],
)
def test_what_the_line_says(tally: Tally, total: int | None, expected: str) -> None:
    """The share counts what earlier runs did, the rate does not; more than there was at first is all of it."""
    assert progress_line("encrypted", tally, total, 10.0) == expected
