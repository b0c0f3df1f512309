"""How far long work has come: one line on a terminal, redrawn in place and gone at the end."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Final

from smime_session.text import printable

from .console import is_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .files import Output
    from .streams import Source

PATIENCE: Final = 1.0  # seconds of work before anything is shown
REDRAW: Final = 0.1  # seconds between two lines
_ERASE: Final = "\r\x1b[K"


@contextlib.contextmanager
def progress(verb: str, source: Source, output: Output | None = None, *, quiet: bool = False) -> Iterator[None]:
    """Show how far ``source`` was read, once the work takes long, if a terminal is there to show it.

    Args:
        verb: what is being done to it (``encrypting``).
        source: what is read.
        output: where the result goes meanwhile; on a terminal it would be mixed with the line.
        quiet: show nothing.
    """
    if quiet or (output and output.is_terminal) or not is_terminal("stderr"):
        yield
        return
    meter = _Meter(verb, source)
    source.on_read = meter.advance
    try:
        yield
    finally:
        meter.erase()


class _Meter:
    def __init__(self, verb: str, source: Source) -> None:
        self._what = f"{verb} {printable(source.name)}"
        self._source = source
        self._count = 0
        self._begin = time.monotonic()
        self._next = self._begin + PATIENCE
        self._shown = False

    def advance(self, count: int) -> None:
        """Count bytes; redraw the line if it is time."""
        self._count += count
        now = time.monotonic()
        if now >= self._next:
            self._next = now + REDRAW
            self._shown = True
            self._draw(progress_line(self._what, self._source, self._count / (now - self._begin)))

    def erase(self) -> None:
        """Leave the terminal as it was."""
        if self._shown:
            self._draw("")

    @staticmethod
    def _draw(line: str) -> None:
        with contextlib.suppress(OSError):
            columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80  # 0: it does not know
            sys.stderr.write(_ERASE + line[: columns - 1])
            sys.stderr.flush()


def progress_line(what: str, source: Source, rate: float) -> str:
    """Return the line for ``source`` that is read at ``rate`` bytes a second: ``… 43%  512 MB  610 MB/s``."""
    parts = [what, f"{_amount(source.position)}", f"{_amount(rate)}/s"]
    if source.size:
        parts.insert(1, f"{min(100 * source.position // source.size, 100)}%")
    return "  ".join(parts)


def _amount(count: float) -> str:
    """Return an amount as people read it: three digits or four, in powers of a thousand."""
    for unit in ("bytes", "kB", "MB"):
        if count < 9999.5:  # noqa: PLR2004  # what rounds to four digits
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
