"""Measuring: what processes use, together and at most, and that a failure is none of them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.measuring import Command, CommandError, loop, run

if TYPE_CHECKING:
    from pathlib import Path

_COUNT = "import sys; sys.stdout.write(sys.stdin.read()); open(sys.argv[1], 'a').write('x')"


def test_a_command_runs_as_often_as_it_is_asked(tmp_path: Path) -> None:
    """Times add up, memory is the most of one."""
    out = tmp_path / "out"
    spent = run(Command((sys.executable, "-c", _COUNT, out)), times=3)
    assert out.read_text() == "xxx"
    assert spent.times == 3
    assert spent.cpu > 0
    assert spent.wall > 0
    assert spent.memory > 1_000_000


def test_each_process_reads_standard_input_from_its_beginning(tmp_path: Path) -> None:
    """Its answer proves it."""
    stdin = tmp_path / "in"
    stdin.write_text("hello")
    program = "import sys; text = sys.stdin.read(); print(text); sys.exit(text != 'hello')"
    assert run(Command((sys.executable, "-c", program), stdin=stdin, answer=b"hello\nhello\n"), times=2).times == 2


def test_what_a_command_writes_is_removed_before_each_time(tmp_path: Path) -> None:
    """It never finds its own output."""
    out = tmp_path / "out"
    out.write_text("old")
    run(Command((sys.executable, "-c", "import sys; open(sys.argv[1], 'x').write('new')", out), out), times=2)
    assert out.read_text() == "new"


@pytest.mark.parametrize(
    ("program", "answer"),
    [("raise SystemExit('no key')", b""), ("print('error=no key')", b"ok=")],
    ids=["exit status", "answer"],
)
def test_a_failure_is_an_error_with_what_was_said(program: str, answer: bytes) -> None:
    """Whether the exit status tells of it or the answer."""
    with pytest.raises(CommandError, match="no key"):
        run(Command((sys.executable, "-c", program), answer=answer))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system keeps no process on a core")
@pytest.mark.parametrize("alone", [True, False])
def test_a_step_stays_on_one_core_unless_all_may_help(*, alone: bool) -> None:
    """Afterwards the process may use all that it might before."""
    before, seen = os.sched_getaffinity(0), set[int]()
    loop(lambda: seen.add(len(os.sched_getaffinity(0))), 0, alone=alone)
    assert seen == {1 if alone else len(before)}
    assert os.sched_getaffinity(0) == before


def test_a_command_gets_its_own_variables() -> None:
    """Beside those of this process."""
    program = "import os; print(os.environ['GREETING'], 'PATH' in os.environ)"
    run(Command((sys.executable, "-c", program), environment={"GREETING": "hello"}, answer=b"hello True"))


def test_a_loop_counts_what_each_step_does() -> None:
    """Once more than it measures, to be warm; at least once, however little time there is."""
    calls: list[None] = []
    spent = loop(lambda: calls.append(None), 0, things=10)
    assert len(calls) == 2
    assert spent.times == 10
