"""The help of a subcommand: its options in groups, those of one family in one row, and lines that end between words."""

from __future__ import annotations

from inspect import cleandoc
from textwrap import wrap
from typing import TYPE_CHECKING, Final, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Row = tuple[str, str]

GROUPS: Final = {
    "Who reads": (
        *("--recipient", "--certs", "--to", "--no-header-recipients", "--all-certs", "--self", "--add-password"),
        *("--add-shared-key", "--remove", "--replace", "--certificates"),
    ),
    "What is written": (
        *("--output", "--reseal", "--profile", "--hide-subject", "--headers", "--format", "--again", "--compress"),
        *("--strip-dkim", "--cipher", "--derive-content-key", "--rsa", "--identifier", "--opaque", "--type", "--days"),
        *("--signature", "--hash", "--announce", "--sign-with", "--triple"),
    ),
    "How it is sent": (
        *("--smtp", "--security", "--user", "--smtp-password-file", "--smtp-token-command", "--smtp-ca", "--from"),
        *("--notify", "--attempts", "--pause", "--timeout"),
        *("--program", "--domain", "--without-certificate", "--read-recipients", "--ignore-dots", "--full-name"),
    ),
    "Keys": (
        *("--identity", "--passphrase", "--passphrase-file", "--ignore-certificates", "--password", "--shared-key"),
        *("--session-key", "--ca-key", "--ca-passphrase-file", "--unlocked"),
    ),
    "How the work is done": (
        "--in-place",
        "--target-form",
        "--mbox-form",
        "--recipients",
        "--jobs",
        "--shard",
        "--retry-failed",
        "--report",
    ),
    "Limits": (
        *("--insecure-smtp-certificate", "--ca", "--crl"),
        *("--require-authenticated", "--insecure-legacy", "--insecure-expired", "--insecure-address"),
        *("--insecure-untrusted", "--max-recipients"),
    ),
}
"""Under which title an option stands, or the first of its family; what is nowhere comes last."""

OTHERS: Final = "Other options"
_WITHOUT_KEYS: Final = ("--password", "--shared-key")  # of commands that take no private key, they say who reads

_NAMES_WIDTH: Final = 24  # columns of the names of options
_INDENT: Final = 2
_GAP: Final = 2


class Family(NamedTuple):
    """Options that stand in one row.

    Attributes:
        options: their long names.
        words: what is said of them; empty for the words of the first.
    """

    options: tuple[str, ...]
    words: str


FAMILIES: Final = (
    Family(
        ("--crl", "--ocsp"),
        "What was revoked: by lists in a file, or asked of issuers, who learn of it.",
    ),
    Family(
        ("--passphrase-file", "--passphrase-env", "--passphrase-keyring"),
        "Where a passphrase is, instead of asking for it.",
    ),
    Family(
        ("--password", "--password-file", "--password-env"),
        "A password of the message; --password asks for it.",
    ),
    Family(
        ("--shared-key", "--shared-key-id"),
        "A shared key of 16, 24 or 32 bytes, and its name.",
    ),
    Family(
        ("--add-password", "--add-password-file", "--add-password-env"),
        "Add a recipient by a password.",
    ),
    Family(("--add-shared-key", "--add-shared-key-id"), "Add a recipient by a shared key."),
    Family(
        ("--insecure-expired", "--insecure-key-usage", "--insecure-extended-key-usage", "--insecure-key-size"),
        "Accept what one check of certificates refuses.",
    ),
    Family(
        ("--smtp-password-file", "--smtp-password-env", "--smtp-password-keyring"),
        "Where the user's password is, instead of asking for it.",
    ),
    Family(
        ("--insecure-smtp-certificate", "--insecure-smtp-name"),
        "Accept any certificate of the server, or one for another name.",
    ),
    Family(
        ("--max-recipients", "--max-trials", "--max-password-iterations"),
        "Accept more recipients, keys to try, or iterations for passwords (6 million take a second).",
    ),
)


_CHOICES: Final = Family(
    ("--cipher", "--derive-content-key", "--rsa", "--identifier"), "Change one choice of the profile, as for encrypt."
)


def sections(command: click.Command, ctx: click.Context) -> Iterator[tuple[str, list[Row]]]:
    """Yield the groups of a command's options, each a title with rows of names and words."""
    options = {
        max(each.opts, key=len): each
        for each in command.get_params(ctx)
        if isinstance(each, click.Option) and each.get_help_record(ctx)
    }
    placed: dict[str, list[Row]] = {title: [] for title in (*GROUPS, OTHERS)}
    families = (*FAMILIES, *([_CHOICES] if "--reseal" in options else []))
    while options:
        first = next(iter(options))
        family = next((each for each in families if first in each.options), Family((first,), ""))
        there = [options.pop(name) for name in family.options if name in options]
        placed[_title(first, command)].append(_row(there, family.words if len(there) > 1 else "", ctx))
    yield from ((title, rows) for title, rows in placed.items() if rows)


def _title(name: str, command: click.Command) -> str:
    if name in _WITHOUT_KEYS and not any("--identity" in each.opts for each in command.params):
        return next(iter(GROUPS))
    return next((title for title, names in GROUPS.items() if name in names), OTHERS)


def _row(options: Sequence[click.Option], words: str, ctx: click.Context) -> Row:
    records = [each.get_help_record(ctx) or ("", "") for each in options]
    return ", ".join(names for names, _ in records), words or records[0][1]


def write_rows(formatter: click.HelpFormatter, rows: Sequence[Row]) -> None:
    """Write rows of two columns."""
    before = formatter.current_indent
    left = min(_NAMES_WIDTH, max(len(names) for names, _ in rows))
    words_at = before + left + _GAP
    for names, words in rows:
        lines = _wrapped(names, formatter.width - before - _INDENT)
        said = _wrapped(words, formatter.width - words_at)
        if len(lines) == 1 and len(names) <= left:
            lines[0] = f"{names:<{left + _GAP}}{said.pop(0) if said else ''}".rstrip()
        for number, line in enumerate(lines):
            formatter.write(f"{'':{before + (_INDENT if number else 0)}}{line}\n")
        for line in said:
            formatter.write(f"{'':{words_at}}{line}\n")


def write_text(formatter: click.HelpFormatter, text: str) -> None:
    """Write paragraphs."""
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            formatter.write("\n")
        for line in _wrapped(" ".join(paragraph.split()), formatter.width - formatter.current_indent):
            formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, width, break_long_words=False, break_on_hyphens=False)


def write_help(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write how a command is called, what it does, its options in groups, and examples."""
    command.format_usage(ctx, formatter)
    formatter.write("\n")
    with formatter.indentation():
        write_text(formatter, cleandoc(command.help or ""))
    for title, rows in sections(command, ctx):
        with formatter.section(title):
            write_rows(formatter, rows)
    if command.epilog:
        with formatter.section("Examples"):
            formatter.write("".join(f"{'':{formatter.current_indent}}{line}\n" for line in command.epilog.split("\n")))
