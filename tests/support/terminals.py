"""A pseudo-terminal with the command on it, and a test that plays the person at it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from typing import Final, Self

# A process that leads its session takes the first terminal it opens as its own.
_ON_TERMINAL: Final = """
import os, sys
terminal = os.open(sys.argv[1], os.O_RDWR)
for number in sys.argv[2]:
    os.dup2(terminal, int(number))
os.execv(sys.executable, [sys.executable, "-m", "smime_session_cli", *sys.argv[3:]])
"""


class Terminal:
    """A pseudo-terminal with the command on it.

    Args:
        arguments: those of the command.
        streams: which standard streams are the terminal, as digits; the others are pipes.
    """

    def __init__(self, *arguments: str, streams: str = "012") -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ON_TERMINAL, os.ttyname(slave), streams, *arguments],
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._slave: int | None = slave
        self.seen = b""

    def expect(self, pattern: bytes) -> None:
        """Read until ``pattern`` was seen."""
        deadline = time.monotonic() + 30
        while not re.search(pattern, self.seen, re.DOTALL):
            assert self._read(deadline - time.monotonic()), self.seen

    def send(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def finish(self) -> tuple[int, str]:
        """Wait for the end; return the exit status and everything that was on the terminal."""
        if self.process.stdin:
            self.process.stdin.close()
        status = self.process.wait(timeout=30)
        self._hang_up()
        while self._read(30):
            pass
        return status, self.seen.decode().replace("\r\n", "\n")

    def _read(self, timeout: float) -> bool:
        if not select.select([self._master], [], [], max(timeout, 0))[0]:
            return False
        try:
            octets = os.read(self._master, 65536)
        except OSError:  # how Linux tells that nobody has it open any more, and that everything was read
            octets = b""
        self.seen += octets
        return bool(octets)

    def _hang_up(self) -> None:
        """Close this process's own end on which the command is; once it has ended too, there is an end to be read."""
        if self._slave is not None:
            os.close(self._slave)
            self._slave = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        self._hang_up()
        os.close(self._master)
