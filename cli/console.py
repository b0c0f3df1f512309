"""Every word to people goes through here: one line each, and nothing in it that steers a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Final

from smime_session.text import printable

from .streams import naming, standard_stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal


_PLAIN: Final = str.maketrans({"├": "|", "└": "`", "│": "|", "─": "-", "…": "..."})
"""What stands for lines that are drawn where the encoding has none."""

_USUAL_COLUMNS: Final = 80


def say(line: str) -> None:
    """Write one line to standard error; a standard error that is gone is no failure."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{printable(line)}\n")
            sys.stderr.flush()


def say_wrapped(text: str) -> None:
    """Write one line that belongs to the one before; on a terminal it goes on in the next one between two words."""
    before = "  " + " " * (len(text) - len(text.lstrip()))
    if (width := columns("stderr")) is None:
        say(before + text.strip())
        return
    from textwrap import wrap  # few lines are that long: 1 ms

    for line in wrap(
        printable(text.strip()),
        width,
        initial_indent=before,
        subsequent_indent=before + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    ):
        say(line)


def note(text: str) -> None:
    """Say what is worth knowing about work that succeeded."""
    say(f"Note: {text}")


def about_locked_out(programs: Sequence[str]) -> str:
    """Say which mail programs show a message to none of its recipients."""
    return (
        f"{' and '.join(programs)} shows this message to none of its recipients, because one is by password or ML-KEM"
    )


def emit(lines: list[str]) -> None:
    """Write lines to standard output.

    Raises:
        OSError: standard output is closed or full.
    """
    stream = standard_stream("stdout")
    text = "".join(f"{printable(line)}\n" for line in lines)
    try:
        data = text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        data = text.translate(_PLAIN).encode(sys.stdout.encoding, "backslashreplace")
    with naming("standard output"):
        stream.write(data)
        stream.flush()


def to_json(found: object) -> str:
    """Return a report as JSON for people and programs."""
    import json  # few reports are: 2 ms

    return json.dumps(found, indent=2)


def is_terminal(name: Literal["stdin", "stdout", "stderr"]) -> bool:
    """Tell whether a standard stream is a terminal."""
    stream = getattr(sys, name)
    return stream is not None and stream.isatty()


def columns(name: Literal["stdout", "stderr"]) -> int | None:
    """Return how many columns the terminal has that a standard stream is; None if it is none."""
    if not is_terminal(name):
        return None
    try:
        return os.get_terminal_size(getattr(sys, name).fileno()).columns or _USUAL_COLUMNS
    except OSError:
        return _USUAL_COLUMNS


def silence_stdout() -> None:
    """Drop what standard output still buffers, so that the end of the process neither waits for it nor fails."""
    if sys.stdout is None:
        return
    with contextlib.suppress(OSError):
        standard_output = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, standard_output)
        os.close(nowhere)
