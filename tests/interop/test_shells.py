"""Completion in bash, zsh and fish as their users have it, and the manual pages as ``man`` reads them."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

import pytest

from cli import manual
from cli.root import SUBCOMMANDS
from tests.interop.peers.base import TIMEOUT
from tests.interop.peers.everyone import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND: Final = "smime-session"
COMPLETED: Final = {
    "enc": ["encrypt"],
    "encrypt --hide": ["--hide-subject"],
    "encrypt --profile c": ["compat"],
    "identity sh": ["show"],
    "decrypt --require": ["--require-authenticated"],
}
"""What stands before the key is pressed, and what it is completed to."""


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """Return an environment with the command on the PATH."""
    command = tmp_path / COMMAND
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m smime_session_cli "$@"\n')
    command.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "HOME": str(tmp_path), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def _told(shell: str, script: str, surroundings: dict[str, str]) -> list[str]:
    require(shell)
    done = subprocess.run(
        [shell, "-c", script], env=surroundings, capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("typed", COMPLETED)
def test_bash(typed: str, surroundings: dict[str, str]) -> None:
    """The function that bash calls answers with what fits."""
    words = [COMMAND, *typed.split()]
    script = f"""
        eval "$(_SMIME_SESSION_COMPLETE=bash_source {COMMAND})"
        COMP_WORDS=({" ".join(words)}) COMP_CWORD={len(words) - 1}
        $(complete -p {COMMAND} | sed 's/.*-F \\([^ ]*\\).*/\\1/') {COMMAND}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert _told("bash", script, surroundings) == COMPLETED[typed]


@pytest.mark.parametrize("typed", COMPLETED)
def test_fish(typed: str, surroundings: dict[str, str]) -> None:
    """What fish offers is what fits, with a few words."""
    script = f"_SMIME_SESSION_COMPLETE=fish_source {COMMAND} | source; complete -C '{COMMAND} {typed}'"
    assert [line.partition("\t")[0] for line in _told("fish", script, surroundings)] == COMPLETED[typed]


@pytest.fixture
def zsh(surroundings: dict[str, str]) -> Iterator[int]:
    """Start zsh with completion in a terminal, and return the terminal."""
    require("zsh")
    near, far = pty.openpty()
    with subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=far, stdout=far, stderr=far, env=surroundings, start_new_session=True
    ) as shell:
        os.close(far)
        start = f'eval "$(_SMIME_SESSION_COMPLETE=zsh_source {COMMAND})"'
        os.write(near, f"PS1=; unsetopt beep; autoload -Uz compinit; compinit -D -u; {start}; echo rea''dy\n".encode())
        _read_until(near, rb"\nready")
        yield near
        shell.kill()
    os.close(near)


def _read_until(terminal: int, pattern: bytes) -> None:
    seen, deadline = b"", time.monotonic() + TIMEOUT
    while not re.search(pattern, seen):
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        assert ready, seen
        seen += os.read(terminal, 1 << 12)


@pytest.mark.parametrize("typed", COMPLETED)
def test_zsh(typed: str, zsh: int) -> None:
    """What is typed in zsh is completed when the key is pressed."""
    (whole,) = COMPLETED[typed]
    begun = typed.rsplit(maxsplit=1)[-1]
    assert whole.startswith(begun)
    os.write(zsh, f"{COMMAND} {typed}\t".encode())
    _read_until(zsh, re.escape(typed.encode()) + rb"[^\n]*" + re.escape(whole[len(begun) :].encode()))


def test_manual_pages_are_sound(tmp_path: Path) -> None:
    """There is a page for every subcommand, and none that a program for manual pages complains of."""
    require("mandoc")
    manual.write(str(tmp_path / "man1"))
    written = sorted((tmp_path / "man1").iterdir())
    assert {f"{COMMAND}-{name}.1" for name in SUBCOMMANDS} < {page.name for page in written}
    lint = ["mandoc", "-T", "lint", "-W", "warning", *map(str, written)]
    done = subprocess.run(lint, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_manual_page_says_what_the_help_says(tmp_path: Path) -> None:
    """Options, groups and examples are shown as they are meant, with the date of the build."""
    require("mandoc")
    command = [sys.executable, "-m", "smime_session_cli.manual", str(tmp_path)]
    subprocess.run(command, check=True, timeout=TIMEOUT, env={**os.environ, "SOURCE_DATE_EPOCH": "0"})
    page = tmp_path / f"{COMMAND}-rewrap.1"
    show = ["mandoc", "-T", "utf8", str(page)]
    shown = subprocess.run(show, capture_output=True, text=True, check=True, timeout=TIMEOUT).stdout
    text = " ".join(re.sub(r".\x08", "", shown).split())
    assert "smime-session rewrap [OPTIONS] [MESSAGE]" in text
    assert "WHO READS -r, --recipient CERT Add the recipients in this file, or an address." in text
    assert "smime-session rewrap -i bob.key -r carol.pem letter.enc.eml -o wider.eml" in text
    assert "1970-01-01" in page.read_text()
