"""The help: every option once and in its group, lines that fit, and examples that run."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from typing import TYPE_CHECKING, Final

import click
import pytest
from click.testing import CliRunner

from cli.help import FAMILIES, GROUPS
from cli.root import SUBCOMMANDS, run
from tests.support.mail_server import HOST, mail_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS: Final = 80


def _commands(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from _commands((*path, name), child)


COMMANDS: Final = {
    path: command
    for name in SUBCOMMANDS
    for path, command in _commands((name,), import_module(f"cli.commands.{name.replace('-', '_')}").command)
}
EVERY_COMMAND: Final = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


def _run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
    with CliRunner().isolation(stdin.encode()) as streams:
        status = run(arguments)
        return status, streams[0].getvalue().decode(), streams[1].getvalue().decode()


def _help(path: tuple[str, ...]) -> str:
    status, text, _ = _run(*path, "--help")
    assert status == 0
    return text


@EVERY_COMMAND
def test_every_option_stands_in_the_help_once(path: tuple[str, ...]) -> None:
    """Families and groups lose no option and repeat none."""
    options = [each for each in COMMANDS[path].params if isinstance(each, click.Option) and not each.hidden]
    names = [name for each in options for name in (max(each.opts, key=len), *each.secondary_opts)]
    found: list[str] = re.findall(r"(?<![\w-])--[a-z-]+", _column_of_names(_help(path)))
    assert sorted([*names, "--help"]) == sorted(found)


def _column_of_names(text: str) -> str:
    rows = text.partition("\n\nExamples:")[0].split("\n")
    return "\n".join(re.split(r"(?<=\S)  +", line.strip())[0] for line in rows if re.match(r"  (?:  )?-", line))


@EVERY_COMMAND
def test_help_fits_a_terminal(path: tuple[str, ...]) -> None:
    """No line is wider than a terminal, and none ends within a word."""
    lines = _help(path).splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert not [line for line in lines if line.endswith("-")]


def test_the_longest_helps_are_short() -> None:
    """What ``rewrap`` can do takes a page, and no more."""
    assert len(_help(("rewrap",)).splitlines()) <= 60
    assert len(_help(("decrypt",)).splitlines()) <= 45


def test_groups_and_families_name_what_is_there() -> None:
    """No option stands in a group or family that no command has any more."""
    there = {name for command in COMMANDS.values() for each in command.params for name in each.opts}
    assert {name for names in GROUPS.values() for name in names} <= there
    assert {name for family in FAMILIES for name in family.options} <= there
    shown = [[line[:-1] for line in _help(path).splitlines() if line[:-1] in GROUPS] for path in COMMANDS]
    assert {title for titles in shown for title in titles} == set(GROUPS)
    assert [titles for titles in shown if titles != sorted(titles, key=list(GROUPS).index)] == []


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command line of every help succeeds, in a folder with the files that it names."""
    monkeypatch.chdir(tmp_path)
    for name in ("alice", "bob", "carol"):
        assert _run("identity", "new", f"{name}@example.com", "-o", name)[0] == 0
    (tmp_path / "certificates").mkdir()
    (tmp_path / "certificates" / "bob.pem").write_bytes((tmp_path / "bob.pem").read_bytes())
    (tmp_path / "letter.eml").write_text("From: alice@example.com\nTo: bob@example.com\nSubject: Lunch\n\nAt noon?\n")
    (tmp_path / "mails").mkdir()
    (tmp_path / "mails" / "letter.eml").write_bytes((tmp_path / "letter.eml").read_bytes())
    (tmp_path / "signed").mkdir()
    assert _run("sign", "-i", "alice.key", "letter.eml", "-o", "signed/letter.eml")[0] == 0
    shown = 0
    remote = "mail.example.com --user alice"
    with mail_server() as (behaviour, port):
        for path in COMMANDS:
            for line in re.findall(r"(?m)^  smime-session (.*)$", _help(path)):
                shown += 1
                status, _, said = _run(*shlex.split(line.replace(remote, f"{HOST}:{port} --security plaintext")))
                assert status == 0, (line, said)
    assert len(behaviour.received) == 1
    assert shown > len(COMMANDS) / 2
