"""Run every scenario in ``cases/``: arguments, exit status, output, and every file before and after.

A case is a TOML file::

    scenario = "one sentence that states the property"
    fixtures = ["bob.pem"]              # files of conftest.py to begin with
    [files]                             # further files, as text
    "letter.eml" = "Subject: ..."
    [[run]]                             # one run of the command after the other
    arguments = ["encrypt", "-r", "bob.pem", "letter.eml"]
    stdin = "text"                      # or stdin_file = "letter.eml"
    env = { NAME = "value" }
    status = 0                          # the default
    stdout = 'pattern'                  # of all of it; nothing may come where none is given
    stderr = 'pattern'
    made = ["sealed.eml"]               # files that are new after the last run,
    changed = ["letter.eml"]            # and those that are not as they were: there are no others
    [contents]                          # patterns of files after the last run
    "sealed.eml" = 'pattern'
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cli.root import run

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = sorted((Path(__file__).parent / "cases").glob("*.toml"))


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the command and what it must do."""

    arguments: list[str]
    stdin: str = ""
    stdin_file: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    status: int = 0
    stdout: str = ""
    stderr: str = ""

    def check(self) -> None:
        """Run the command in this process, in the current folder."""
        stdin = Path(self.stdin_file).read_bytes() if self.stdin_file else self.stdin.encode()
        with CliRunner().isolation(stdin, self.env) as streams:
            status = run(self.arguments)
            stdout, stderr = (stream.getvalue().decode() for stream in streams[:2])
        assert status == self.status, stderr
        assert re.fullmatch(self.stderr, stderr, re.DOTALL), stderr
        assert re.fullmatch(self.stdout, stdout, re.DOTALL), stdout
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", stderr), "a message steers the terminal"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One scenario."""

    scenario: str
    run: list[dict[str, Any]]
    fixtures: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    contents: dict[str, str] = field(default_factory=dict)


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, provide: Callable[..., Path]) -> None:
    """The command does what the case says, and nothing to any other file."""
    case = Case(**tomllib.loads(path.read_text()))
    folder = provide(*case.fixtures)
    for name, text in case.files.items():
        (folder / name).write_text(text)
    before = _snapshot(folder)
    for each in case.run:
        Run(**each).check()
    after = _snapshot(folder)
    assert sorted(after.keys() - before.keys()) == sorted(case.made), case.scenario
    assert not before.keys() - after.keys(), case.scenario
    assert [name for name in sorted(before) if after[name] != before[name]] == sorted(case.changed), case.scenario
    for name, pattern in case.contents.items():
        assert re.fullmatch(pattern, after[name].decode(), re.DOTALL), after[name]
