"""Arguments parsed as click parses them, but for what it overlooks and what it loads to find out about mistakes."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from .console import note
from .options import MisuseError
from .settings import TABLES, Settings, in_force

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .settings import Value


class Command(click.Command):
    """A command that refuses what it would ignore: all but the last value of an option that takes one.

    It also gives click the long names of the options that it was given. A short name is a mistaken long
    one to click at first, so that it loads what seeks similar names, which takes longer than encrypting a mail.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse arguments as :meth:`click.Command.parse_args` does.

        Raises:
            MisuseError: an option that takes one value is given more than once, or there are too many arguments.
        """
        arguments = self._with_long_names(args)
        values, _, given = self.make_parser(ctx).parse_args(list(arguments))
        self._refuse_repeated(given)
        insecure = self._take_settings(ctx, values, given)
        ctx.allow_extra_args = True  # to be refused here, with a hint
        super().parse_args(ctx, arguments)
        if ctx.args and not ctx.resilient_parsing:
            self._refuse_extra(ctx.args, given)
        if not ctx.params.get("quiet"):
            for each in insecure:
                note(f"{each.name} is set by {each.source}")
        return ctx.args

    def _take_settings(
        self, ctx: click.Context, values: Mapping[str, object], given: Iterable[click.Parameter]
    ) -> tuple[Value, ...]:
        """Let settings stand where the command line says nothing; return those that accept what is refused otherwise.

        Raises:
            MisuseError: the settings cannot be used.
        """
        settings, name = ctx.find_root().obj, (ctx.parent and ctx.parent.info_name) or ""
        name = ctx.info_name or "" if ctx.info_name in TABLES else name
        if not isinstance(settings, Settings) or name not in TABLES or ctx.resilient_parsing:
            return ()
        options = [each for each in self.params if isinstance(each, click.Option)]
        seen = {
            max(each.opts, key=len)[2:]: values.get(each.name or "") for each in given if isinstance(each, click.Option)
        }
        found = in_force(settings, name, options, seen)
        ctx.default_map = found.defaults
        return found.insecure

    @staticmethod
    def _refuse_repeated(given: Iterable[click.Parameter]) -> None:
        seen: set[str | None] = set()
        for each in given:
            single = isinstance(each, click.Option) and not (each.multiple or each.is_flag)
            if single and each.name in seen:
                raise MisuseError(f"{max(each.opts, key=len)} is given more than once, but takes one value")
            seen.add(each.name)

    @staticmethod
    def _refuse_extra(extra: Iterable[str], given: Iterable[click.Parameter]) -> None:
        """Refuse arguments that are too many; mostly the shell made them of an asterisk after an option."""
        repeatable = [min(each.opts, key=len) for each in given if isinstance(each, click.Option) and each.multiple]
        option = repeatable[-1] if repeatable else None
        hint = f"{option} takes one value; for several, repeat it: {option} ONE {option} TWO" if option else None
        raise MisuseError(f"unexpected arguments: {' '.join(extra)}", hint)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help."""
        from .help import write_help  # one mail needs none: textwrap and tables, 2 ms

        write_help(self, ctx, formatter)

    def _with_long_names(self, arguments: list[str]) -> list[str]:
        options = {name: each for each in self.params if isinstance(each, click.Option) for name in each.opts}
        found: list[str] = []
        rest = iter(arguments)
        for argument in rest:
            if argument == "--":
                return [*found, argument, *rest]
            option = options.get(argument)
            found.append(max(option.opts, key=len) if option else argument)
            if option and not option.is_flag:
                found += islice(rest, option.nargs)
        return found
