"""Manual pages, made from the help: ``python -m smime_session_cli.manual FOLDER`` writes one for each subcommand."""
# ruff: noqa: PTH103, PTH123  # pathlib is slow to load for what it gives

from __future__ import annotations

import os
import re
import sys
import time
from datetime import UTC, datetime
from inspect import cleandoc
from typing import TYPE_CHECKING, Final

import click

from smime_session import __version__

from .help import OTHERS, sections
from .root import NAME, group

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPECIAL: Final = re.compile(r"(?m)^(?=[.'])")  # what troff would take for a request
_OPTION: Final = re.compile(r"(?<![\w-])(--?[a-z][a-z0-9-]*)")
_FILES: Final = "Exit status 0 is success, 1 failure, 2 wrong usage. Standard output carries data only."


def pages() -> Iterator[tuple[str, str]]:
    """Yield each page: its name without the section, and its text in the language of ``man``."""
    yield from _pages(NAME, group, click.Context(group, info_name=NAME, help_option_names=["-h", "--help"]))


def _pages(name: str, command: click.Command, ctx: click.Context) -> Iterator[tuple[str, str]]:
    children: dict[str, click.Command] = {}
    if isinstance(command, click.Group):
        for child in command.list_commands(ctx):
            if found := command.get_command(ctx, child):
                children[child] = found
    yield name, _page(name, command, ctx, children)
    for child, found in children.items():
        own = click.Context(found, info_name=child, parent=ctx)
        yield from _pages(f"{name}-{child}", found, own)


def _page(name: str, command: click.Command, ctx: click.Context, children: dict[str, click.Command]) -> str:
    title, _, rest = cleandoc(command.help or "").partition("\n\n")
    lines = [f'.TH "{_plain(name.upper())}" 1 "{_date()}" "{NAME} {__version__}" "User Commands"']
    lines += [".SH NAME", f"{_plain(name)} \\- {_plain(_joined(title)).rstrip('.')}"]
    usage = " ".join(command.collect_usage_pieces(ctx))
    lines += [".SH SYNOPSIS", f"\\fB{_plain(ctx.command_path)}\\fR {_plain(usage)}"]
    lines += [".SH DESCRIPTION", *_paragraphs(rest or title)]
    if children:
        lines.append(".SH COMMANDS")
        for child, found in children.items():
            words = cleandoc(found.help or "").partition("\n\n")[0]
            lines += [
                ".TP",
                f"\\fB{_plain(child)}\\fR",
                f"{_plain(_joined(words))} See {_reference(f'{name}-{child}')}.",
            ]
    else:
        for heading, rows in sections(command, ctx):
            lines += [".SH OPTIONS" if heading == OTHERS else f".SH {heading.upper()}"]
            for names, words in rows:
                lines += [".TP", _bold_options(names), _plain(words)]
    if command.epilog:
        lines += [".SH EXAMPLES", ".EX", *map(_plain, command.epilog.split("\n")), ".EE"]
    lines += [".SH EXIT STATUS", _plain(_FILES)]
    if ctx.parent:
        lines += [".SH SEE ALSO", _reference(name.rpartition("-")[0] if ctx.parent.parent else NAME)]
    return "\n".join(lines) + "\n"


def _date() -> str:
    """Return the day on which the pages are made, or are said to be made (as builds that are to be the same do)."""
    return f"{datetime.fromtimestamp(int(os.environ.get('SOURCE_DATE_EPOCH', time.time())), UTC):%Y-%m-%d}"


def _bold_options(names: str) -> str:
    return "".join(
        f"\\fB{_plain(piece)}\\fR" if number % 2 else _plain(piece) for number, piece in enumerate(_OPTION.split(names))
    )


def _reference(name: str) -> str:
    return f"\\fB{_plain(name)}\\fR(1)"


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        yield _plain(_joined(paragraph))


def _joined(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    """Return text as troff shows it."""
    return _SPECIAL.sub(r"\\&", text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq"))


def write(folder: str) -> None:
    """Write all pages into a folder, which is made.

    Raises:
        OSError: it cannot be made or written.
    """
    os.makedirs(folder, exist_ok=True)
    for name, text in pages():
        with open(os.path.join(folder, f"{name}.1"), "w", encoding="ascii") as page:  # noqa: PTH118  # the same
            page.write(text)


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004  # itself and the folder
        sys.exit("usage: python -m smime_session_cli.manual FOLDER")
    write(sys.argv[1])
