"""The command itself: find the subcommand, run it, report how it ended."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Final

import click

from smime_session import __version__

from .console import emit, say, say_wrapped, silence_stdout
from .interruption import InterruptedBySignal, signals_raise
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME: Final = "smime-session"
_COMPLETION: Final = "_SMIME_SESSION_COMPLETE"  # the environment variable that a shell's completion sets

SUBCOMMANDS: Final = {
    "encrypt": "Encrypt a message for recipients.",
    "send": "Encrypt a mail, and hand it to a submission server.",
    "sendmail": "Encrypt a mail as the settings say, and hand it on: a stand-in for sendmail.",
    "decrypt": "Decrypt a message with a private key.",
    "sign": "Sign a mail, so that readers can check who wrote it.",
    "verify": "Tell who signed a mail, and whether that holds.",
    "inspect": "Show how a message is encrypted, for whom, and what opens it.",
    "rewrap": "Give a message other recipients.",
    "batch": "Work on many messages at once, and go on where a run was cut short.",
    "session-key": "Save the session key of one message.",
    "certs": "Find certificates by mail address, and keep a folder of them.",
    "identity": "Make private keys and certificates, or show what a file holds.",
    "config": "Show the settings that hold, and where each comes from.",
}
"""Each subcommand is the ``command`` of its module in ``commands`` (``_`` for ``-``), loaded when it is used."""


class LazyGroup(click.Group):
    """A group that loads the one subcommand it runs, and none to list them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        del ctx
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand, or None if there is none of that name."""
        del ctx
        if cmd_name not in SUBCOMMANDS:
            return None
        command: click.Command = importlib.import_module(f".commands.{cmd_name.replace('-', '_')}", __package__).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands in the help."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(SUBCOMMANDS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  # click calls it so
    if wanted:
        emit([f"{NAME} {__version__}"])
        ctx.exit()


@click.group(cls=LazyGroup, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
@click.option("--config", metavar="FILE", help="Read settings from this file.")
@click.option("--no-config", is_flag=True, help="Read no settings.")
@click.pass_context
def group(ctx: click.Context, config: str | None, *, no_config: bool) -> None:
    """Encrypt mail the S/MIME way: one message, one key."""
    ctx.obj = Settings("" if no_config else config)


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit status; what went wrong is said on standard error.

    An exception that no user can cause passes through: it is a bug, and its traceback finds it.
    """
    context = None
    with signals_raise() as signals:
        try:
            if instruction := os.environ.get(_COMPLETION):
                from click.shell_completion import shell_complete  # for shells alone

                return shell_complete(group, {}, NAME, _COMPLETION, instruction)
            with group.make_context(NAME, list(arguments)) as context:
                group.invoke(context)
        except click.exceptions.Exit as end:
            return end.exit_code
        except BaseException as error:
            from .failures import explain  # most commands do not fail

            silence_stdout()
            cause = InterruptedBySignal(signals[0]) if signals else error  # which it may have led to
            failure = explain(cause, context.invoked_subcommand if context else None)
            if failure is None:
                raise
            if failure.sentence:
                say(f"Error: {failure.sentence}")
            for line in failure.details:
                say_wrapped(line)
            if failure.hint:
                say(f"Hint: {failure.hint}")
            return failure.status
    return 0
