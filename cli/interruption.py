"""Signals that end the process the way errors do: with nothing half done."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the third on POSIX only, the fourth on Windows only
_ENDING: Final = [number for name in _NAMES if (number := getattr(signal, name, None))]


class InterruptedBySignal(BaseException):
    """A signal asks the process to end; like KeyboardInterrupt it passes through whatever catches mere exceptions.

    Attributes:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def signals_raise() -> Iterator[list[int]]:
    """Raise :class:`InterruptedBySignal` for signals that end a process, so that it tidies up on its way out.

    The list that the block gets holds the signal that came, if one did: code in other languages that takes every
    exception for a failure of its own, as ``cryptography`` does where it checks a signature, swallows it.

    A signal that is ignored stays so: ``nohup`` means it, and so does a shell for its jobs in the background.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in previous:
            signal.signal(each, signal.SIG_IGN)  # tidying up is not interrupted once more
        came.append(number)
        raise InterruptedBySignal(number)

    came: list[int] = []
    previous = {each: old for each in _ENDING if (old := signal.getsignal(each)) != signal.SIG_IGN}
    for each in previous:
        signal.signal(each, stop)
    try:
        yield came
    finally:
        for each, old in previous.items():
            signal.signal(each, old)
