"""Measure how fast mail is encrypted and decrypted, next to other programs, and print tables.

    python benchmarks/run.py [--quick | --large] [--only NAME] [--json FILE]

Ratios mean more than absolute values: they are taken within a round, where every peer meets the
same machine. ``SMIME_SESSION_CMSBENCH`` names a program that runs libcrypto's CMS in process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.measuring import Table
    from benchmarks.scale import Scale

NAMES: Final = ("encrypt", "decrypt", "recipients", "command", "large", "stages")


def main() -> None:
    """Measure what the arguments ask for."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the modules beside this script
    from benchmarks import scale
    from benchmarks.report import as_json, environment, markdown

    arguments = _arguments()
    chosen = scale.QUICK if arguments.quick else scale.LARGE if arguments.large else scale.FULL
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        # processes find compiled modules, as those of an installed package are
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "compiled")
        tables = list(_tables(Path(folder), chosen, arguments.only))
        _measure(tables, chosen)
    for name, value in environment().items():
        print(f"- {name}: {value}")
    print()
    for table in tables:
        print(markdown(table))
    if arguments.json:
        arguments.json.write_text(json.dumps(as_json(tables), indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="little of everything: only shows that it works")
    size.add_argument("--large", action="store_true", help="a large mail of 1 GB instead of 100 MB")
    parser.add_argument("--only", choices=NAMES, help="one kind of table")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's values as JSON too")
    return parser.parse_args()


def _tables(folder: Path, scale: Scale, only: str | None) -> Iterator[Table]:
    from benchmarks import commands, fixtures, in_process, stages

    def wanted(*names: str) -> bool:
        return only is None or only in names

    small, large = folder / "small.eml", folder / "large.eml"
    small.write_bytes(fixtures.text_mail(10_000))
    if wanted("large", "stages"):
        fixtures.write_large_mail(large, scale.large)
    groups = fixtures.make_groups(max(scale.counts), folder)
    if wanted("encrypt", "decrypt", "recipients"):
        tables = in_process.tables(groups, small, scale)
        yield from (table for table in tables if wanted(table.name))
    if wanted("command"):
        yield from commands.small_tables(groups["rsa2048"], small, _new(folder / "command"), scale)
    if wanted("large"):
        yield from commands.large_tables(groups["rsa2048"], large, _new(folder / "large"), scale)
    if wanted("stages"):
        yield from stages.tables(groups["rsa2048"], small, large, scale)


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _measure(tables: list[Table], scale: Scale) -> None:
    """Measure in rounds, each through all tables; those of slow or short processes have rounds of their own number."""
    rounds = {"command": scale.command_rounds, "large": scale.large_rounds}
    wanted = {id(table): rounds.get(table.name, scale.rounds) for table in tables}
    for number in range(max(wanted.values(), default=0)):
        for table in tables:
            if number < wanted[id(table)]:
                table.measure()


if __name__ == "__main__":
    main()
