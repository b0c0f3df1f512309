"""The command line of sendmail, as programs write it, in the words of our own options."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

import click

from .console import note
from .options import MisuseError
from .parsing import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAGS: Final = {"t": "--read-recipients", "i": "--ignore-dots", "v": "--verbose"}
_VALUES: Final = {"f": "--from", "r": "--from", "F": "--full-name"}
_IGNORED: Final = "GUmnsJx"  # single letters
_IGNORED_VALUES: Final = "BCLNORVXhpo"  # letters with a value, attached or as the next word
_ATTACHED: Final = "Aed"  # letters whose value, if any, is attached
_MODES: Final = {
    "s": "it would speak SMTP on standard input; programs that need that are given a submission server",
    "p": "there is no queue to list",
    "i": "there is no table of aliases",
    "d": "it is no server",
    "D": "it is no server",
    "v": "it does not check addresses",
    "t": "it does not check addresses",
}


class SendmailCommand(Command):
    """A command that is called as sendmail is; long options are ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse arguments as sendmail does (``-oi``, ``-falice@example.com``, ``-t``).

        Raises:
            MisuseError: one of them has no meaning, or asks for what only a mail server does.
        """
        ignored: list[str] = []
        words = list(self._translated(args, ignored))
        rest = super().parse_args(ctx, words)
        if ctx.params.get("verbose"):
            for each in dict.fromkeys(ignored):
                note(f"{each} is ignored")
        return rest

    def _translated(self, args: list[str], ignored: list[str]) -> Iterator[str]:
        flags = {name for each in self.params if isinstance(each, click.Option) and each.is_flag for name in each.opts}
        flags.add("--help")
        single: dict[str, str] = {}
        words, addresses = iter(args), list[str]()
        for word in words:
            if word == "--":
                addresses += words
            elif word.startswith("--"):
                yield word
                if "=" not in word and word not in flags:
                    yield from islice(words, 1)
            elif word.startswith("-") and word != "-":
                yield from self._letters(word, words, single, ignored)
            else:
                addresses.append(word)
        for option, value in single.items():
            yield f"{option}={value}"
        yield "--"
        yield from addresses

    @staticmethod
    def _letters(word: str, words: Iterator[str], single: dict[str, str], ignored: list[str]) -> Iterator[str]:
        """Yield the flags among the letters of a word, and put values into ``single``: the last one counts."""
        for place, letter in enumerate(word[1:], 1):
            attached = word[place + 1 :]
            if letter in _FLAGS:
                yield _FLAGS[letter]
            elif letter in _IGNORED:
                ignored.append(f"-{letter}")
            elif letter in _VALUES or letter in _IGNORED_VALUES or letter == "b":
                value = attached or next(words, None)
                if value is None:
                    raise MisuseError(f"-{letter} has no value")
                if (letter, value) == ("o", "i"):
                    yield _FLAGS["i"]
                else:
                    _take(letter, value, single, ignored)
                return
            elif letter in _ATTACHED:
                ignored.append(f"-{letter}{attached}")
                return
            elif letter == "q":
                raise MisuseError(f"{word}: there is no queue to run", "a mail is handed on at once, or not at all")
            else:
                raise MisuseError(f"-{letter} in {word} is no option of sendmail that is supported")


def _take(letter: str, value: str, single: dict[str, str], ignored: list[str]) -> None:
    if letter == "b":
        _check_mode(value)
    elif letter in _VALUES:
        single[_VALUES[letter]] = value
    else:
        ignored.append(f"-{letter}{value}")


def _check_mode(mode: str) -> None:
    """Refuse what only a mail server does.

    Raises:
        MisuseError: it is something else than to send a mail.
    """
    if mode != "m":
        raise MisuseError(f"-b{mode} is not supported: {_MODES.get(mode, 'this sends a mail, and nothing else')}")
