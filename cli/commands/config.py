"""``smime-session config``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

import click

from ..console import emit, to_json
from ..parsing import Command
from ..settings import TABLES, Settings, usual_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..settings import Value


@click.group("config")
def command() -> None:
    """Show the settings that hold, and where each comes from."""


@command.command("show", cls=Command, epilog="smime-session config show")
@click.option("--json", "as_json", is_flag=True, help="Write it as JSON.")
@click.pass_context
def show(ctx: click.Context, *, as_json: bool) -> None:
    """Show the settings that hold, and where each comes from.

    They stand in a file, in TOML: each option has its long name there, without dashes; a table with the name of a
    command is for that command alone. An environment variable, such as SMIME_SESSION_CERTS, goes before the file, and
    the command line before both. --config FILE and the variable SMIME_SESSION_CONFIG name another file; --no-config
    reads none. Passphrases and passwords do not stand there, but the files or variables that hold them can.

    All of the file is checked, so that a mistake shows here and not when a mail is to be sent.
    """
    settings = ctx.find_root().obj
    settings = settings if isinstance(settings, Settings) else Settings()
    found: list[tuple[Value, list[str]]] = []
    for name, each in _values(settings):
        if (names := next((names for seen, names in found if seen == each), None)) is None:
            found.append((each, [name]))
        else:
            names.append(name)
    if as_json:
        values = [{**each._asdict(), "commands": names} for each, names in found]
        emit(to_json({"file": settings.path or None, "values": values}).split("\n"))
        return
    emit([f"settings: {settings.path or f'none (the usual place is {usual_place()})'}"])
    emit([f"{each.name} = {_shown(each.value)}  ({each.source}; {', '.join(names)})" for each, names in found])


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


_CERTS_WITH_SETTINGS: Final = "find"  # has every option that those beside it have


def _values(settings: Settings) -> Iterator[tuple[str, Value]]:
    """Yield what holds for each command.

    Raises:
        MisuseError: the settings cannot be used.
    """
    for name in TABLES:
        found: click.Command = import_module(f".{name.replace('-', '_')}", __package__).command
        if isinstance(found, click.Group):
            found = found.commands[_CERTS_WITH_SETTINGS]
        options = [each for each in found.params if isinstance(each, click.Option)]
        for each in settings.for_command(name, options):
            yield name, each
