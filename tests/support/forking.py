"""The command in a process of its own, hundreds of times: forked from one that has loaded everything.

A process takes a fiftieth of a second so, most of which is its work: that is when things go wrong, or a kill meets it.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, Self

from cli import _end
from cli.root import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

ROOT: Final = Path(__file__).parents[2]
_NONE: Final = 99  # an exit status that is none of the command's


class Done(NamedTuple):
    """How a command ended.

    Attributes:
        status: its exit status; less than zero is the number of a signal.
        words: what it wrote to standard error.
        stdout: what it wrote to standard output.
    """

    status: int
    words: str
    stdout: bytes


class Commands:
    """Runs the command in a folder.

    Args:
        folder: where its standard streams are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._streams = folder
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forking"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        assert self._server.wait(60) == 0
        assert self._server.stdout
        self._server.stdout.close()

    def run(
        self,
        folder: Path,
        arguments: Sequence[str],
        *,
        meanwhile: Callable[[int], object] = int,
        pipe: str | None = None,
        stdout: str | None = None,
        umask: int = 0o022,
        environment: dict[str, str] | None = None,
        faults: Sequence[str] = (),
    ) -> Done:
        """Run the command and wait for its end.

        Args:
            folder: where it runs.
            arguments: its arguments.
            meanwhile: called with the process's number while it runs.
            pipe: a file that another process writes to its standard input through a pipe.
            stdout: the file that is its standard output.
            umask: its umask.
            environment: variables that are different.
            faults: "named" takes files without a name away from it; "no temporary folder" all folders for temporary
                files; "small files" lets no file be larger than 100,000 octets.
        """
        wish = {
            "folder": str(folder),
            "arguments": list(map(str, arguments)),
            "pipe": pipe,
            "stdout": stdout or str(self._streams / "stdout"),
            "stderr": str(self._streams / "stderr"),
            "umask": umask,
            "environment": environment or {},
            "faults": list(faults),
        }
        self._write(json.dumps(wish))
        meanwhile(self._read())
        self._write("wait")  # until then its number is no other process's, even if it has ended
        status = self._read()
        words = (self._streams / "stderr").read_text(encoding="utf-8")
        return Done(status, words, b"" if stdout else (self._streams / "stdout").read_bytes())

    def _write(self, line: str) -> None:
        assert self._server.stdin
        self._server.stdin.write(line + "\n")
        self._server.stdin.flush()

    def _read(self) -> int:
        assert self._server.stdout
        return int(self._server.stdout.readline())


def _serve() -> None:
    """Fork a command for each line of standard input."""
    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    _load_everything()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as main() does

    def answer(number: int) -> None:
        answers.write(f"{number}\n")
        answers.flush()

    answer(0)
    while line := orders.readline():
        wish = json.loads(line)
        feeder, stdin = _feeder(wish["pipe"], null)
        if (process := os.fork()) == 0:
            _become(wish, stdin)
        if stdin != null:
            os.close(stdin)
        answer(process)
        orders.readline()
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if feeder:
            os.waitpid(feeder, 0)
        answer(status)


def _load_everything() -> None:
    for package in ("smime_session", "cli"):
        found = importlib.import_module(package)
        for each in pkgutil.walk_packages(found.__path__, f"{package}."):
            if not each.name.endswith("__main__"):
                with suppress(ImportError):  # what needs a package that is not here
                    importlib.import_module(each.name)


def _feeder(path: str | None, null: int) -> tuple[int, int]:
    """Fork a process that writes a file into a pipe; return it, and the pipe's other end."""
    if path is None:
        return 0, null
    reader, writer = os.pipe()
    if (process := os.fork()) == 0:
        os.close(reader)
        with suppress(BrokenPipeError), open(path, "rb") as file, os.fdopen(writer, "wb", buffering=0) as pipe:  # noqa: PTH123  # no more is loaded
            while block := file.read(1 << 16):
                pipe.write(block)
        os._exit(0)
    os.close(writer)
    return process, reader


def _become(wish: dict[str, Any], stdin: int) -> NoReturn:
    """Be the command in this process."""
    status = _NONE
    try:
        os.dup2(stdin, 0)
        for descriptor, path in ((1, wish["stdout"]), (2, wish["stderr"])):
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(opened, descriptor)
            os.close(opened)
        os.chdir(wish["folder"])
        os.umask(wish["umask"])
        os.environ.update(wish["environment"])
        tempfile.tempdir = None
        for fault in wish["faults"]:
            _FAULTS[fault]()
        status = run(wish["arguments"])
    finally:
        if status == _NONE:
            traceback.print_exc()
            os._exit(status)
    _end(status)


def _take_nameless_files() -> None:
    del os.O_TMPFILE
    tempfile._O_TMPFILE_WORKS = False  # type: ignore[attr-defined]


def _take_temporary_folders() -> None:
    tempfile._candidate_tempdir_list = lambda: ["/nowhere"]  # type: ignore[attr-defined]


def _limit_sizes() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


_FAULTS: Final = {
    "named": _take_nameless_files,
    "no temporary folder": _take_temporary_folders,
    "small files": _limit_sizes,
}

if __name__ == "__main__":
    _serve()
