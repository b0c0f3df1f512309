"""NSS's ``cmsutil``, the library behind Thunderbird."""

# ruff: noqa: D102  # the methods are described where Program declares them

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Command, run
from benchmarks.peers.base import Program, not_found
from benchmarks.peers.pkcs12 import PASSPHRASE, locked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from benchmarks.fixtures import Group
    from benchmarks.suites import Suite


class Nss(Program):
    """Writes AES-128-CBC with RSAES-PKCS1-v1_5 as a bare CMS object, and nothing else."""

    name = "NSS cmsutil"
    suites = ("AES-128-CBC",)
    form = "der"

    def __init__(self) -> None:
        self._database = Path()

    def absent(self) -> str | None:
        return not_found("cmsutil", "certutil", "pk12util")

    def start(self, group: Group, folder: Path, ends: ExitStack) -> None:
        del ends  # nothing keeps running
        self._database = folder
        file = folder / "key.p12"
        file.write_bytes(locked(group))
        run(self._command("certutil", "-N", "--empty-password"))
        run(self._command("certutil", "-A", "-n", "issuer", "-t", "C,C,C", "-a", "-i", group.issuer_file))
        run(self._command("pk12util", "-i", file, "-W", PASSPHRASE.decode()))

    def encrypt(self, suite: Suite, mail: Path, out: Path, certificates: Sequence[Path]) -> Command:
        del suite, certificates  # it has no choice, and knows one recipient
        return self._command("cmsutil", "-E", "-r", "recipient0", "-i", mail, "-o", out, out=out)

    def decrypt(self, suite: Suite, sealed: Path, out: Path, key_file: Path) -> Command:
        del suite, key_file  # it looks for itself, and has the key
        return self._command("cmsutil", "-D", "-i", sealed, "-o", out, out=out)

    def _command(self, program: str, *arguments: str | Path, out: Path | None = None) -> Command:
        return Command((program, "-d", f"sql:{self._database}", *arguments), out)
