"""How far a run over many messages has come: a line that is redrawn on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Final

from .console import is_terminal, say
from .progress import REDRAW

if TYPE_CHECKING:
    from smime_session.batch import Shard, Source, Tally

_LINE_EVERY: Final = 10.0  # seconds between lines where there is no terminal


class Meter:
    """How far a run has come: a line that is redrawn on a terminal; elsewhere a new one now and then.

    Args:
        verb: what is done to messages.
        source: where they come from; on a terminal they are counted first.
        shard: the share that is worked on.
        quiet: show nothing.
    """

    def __init__(self, verb: str, source: Source, shard: Shard | None, *, quiet: bool) -> None:
        self._verb, self._quiet = verb, quiet
        self._drawn = not quiet and is_terminal("stderr")
        self._total = (
            sum(1 for item in source.items() if shard is None or shard.has(item.name)) if self._drawn else None
        )
        self._next = time.monotonic() + (0 if self._drawn else _LINE_EVERY)

    def advance(self, tally: Tally) -> None:
        """Tell how far it has come, if it is time."""
        now = time.monotonic()
        if self._quiet or now < self._next:
            return
        self._next = now + (REDRAW if self._drawn else _LINE_EVERY)
        line = progress_line(self._verb, tally, self._total, now)
        if self._drawn:
            self._draw(line)
        else:
            say(line)

    def erase(self) -> None:
        """Leave the terminal as it was."""
        if self._drawn:
            self._draw("")

    @staticmethod
    def _draw(line: str) -> None:
        with contextlib.suppress(OSError):
            columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80  # 0: it does not know
            sys.stderr.write("\r\x1b[K" + line[: columns - 1])
            sys.stderr.flush()


def progress_line(verb: str, tally: Tally, total: int | None, now: float) -> str:
    """Return the line for what was done until a moment on the monotonic clock.

    ``43%  1,290 encrypted  3 failed  830/s  2 min left``
    """
    worked = tally.done + tally.failed
    rate = worked / max(now - tally.began, 1e-9)
    parts = [f"{tally.done:,} {verb}", f"{tally.failed:,} failed", f"{rate:,.0f}/s"]
    if total and rate:
        seen = worked + tally.skipped
        left = max(total - seen, 0) / rate
        parts.insert(0, f"{100 * min(seen, total) // total}%")
        parts.append(f"{left / 60:,.0f} min left" if left >= 100 else f"{left:.0f} s left")  # noqa: PLR2004  # people count longer times in minutes
    return "  ".join(parts)
