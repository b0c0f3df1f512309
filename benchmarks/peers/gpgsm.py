"""GnuPG's ``gpgsm``; its agent runs already when it is measured, as it does on a desktop."""

# ruff: noqa: D102  # the methods are described where Program declares them

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes

from benchmarks.measuring import Command, CommandError, run
from benchmarks.peers.base import Program, not_found
from benchmarks.peers.pkcs12 import PASSPHRASE, locked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from benchmarks.fixtures import Group
    from benchmarks.suites import Suite

_IMPORTS: Final = 8  # attempts: gpgsm derives a wrong key from one PKCS#12 salt in fifty; each attempt draws new ones
_OPTIONS: Final = ("--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback", "--disable-crl-checks")
_ENDING: Final = 5  # seconds that its agent may take to end


class Gpgsm(Program):
    """Writes CBC with RSAES-PKCS1-v1_5 as a bare CMS object in base64."""

    name = "gpgsm"
    suites = ("AES-128-CBC",)
    form = "der"

    def __init__(self) -> None:
        self._home = Path()

    def absent(self) -> str | None:
        return not_found("gpgsm", "gpg-agent", "gpgconf")

    def start(self, group: Group, folder: Path, ends: ExitStack) -> None:
        del folder  # its own must have a short path: the agent's socket lives in it
        self._home = Path(tempfile.mkdtemp(prefix="gpg-"))
        ends.callback(self._end)
        issuer = group.issuer.fingerprint(hashes.SHA1())  # noqa: S303  # its name for one
        (self._home / "trustlist.txt").write_text(f"{issuer.hex()} S relax\n")
        (self._home / "gpg-agent.conf").write_text("s2k-count 65536\n")  # or each key costs it half a second
        (self._home / "passphrase").write_bytes(PASSPHRASE)
        run(self._command("--import", group.issuer_file))
        file = self._home / "key.p12"
        for left in reversed(range(_IMPORTS)):
            file.write_bytes(locked(group))
            try:
                run(self._command("--passphrase-fd", "0", "--import", file))
            except CommandError:
                if not left:
                    raise
            else:
                return

    def encrypt(self, suite: Suite, mail: Path, out: Path, certificates: Sequence[Path]) -> Command:
        del suite, certificates  # it knows one recipient
        words = ("--cipher-algo", "AES", "--base64", "--recipient", "recipient0@example.org")
        return self._command("--output", out, "--encrypt", *words, mail, out=out)

    def decrypt(self, suite: Suite, sealed: Path, out: Path, key_file: Path) -> Command:
        del suite, key_file  # it looks for itself, and has the key
        return self._command("--passphrase-fd", "0", "--output", out, "--decrypt", sealed, out=out)

    def _command(self, *arguments: str | Path, out: Path | None = None) -> Command:
        stdin = self._home / "passphrase"
        return Command(("gpgsm", *_OPTIONS, *arguments), out, stdin, {"GNUPGHOME": str(self._home)})

    def _end(self) -> None:
        run(Command(("gpgconf", "--kill", "gpg-agent"), environment={"GNUPGHOME": str(self._home)}))
        deadline = time.monotonic() + _ENDING
        while self._home.exists() and time.monotonic() < deadline:  # the agent removes its sockets at the same time
            with suppress(OSError):
                shutil.rmtree(self._home)
