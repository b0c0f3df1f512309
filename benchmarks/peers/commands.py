"""Programs that need no more than their arguments: ours, ``openssl cms``, and scripts of a few lines."""

# ruff: noqa: D102  # the methods are described where Program declares them

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.measuring import Command
from benchmarks.peers.base import Program, not_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.suites import Suite

SCRIPTS: Final = Path(__file__).parents[1] / "programs"
"""What runs in a process of its own."""


class Ours(Program):
    """The command of this project, from the environment that runs this script or from the PATH."""

    name = "smime-session"

    def __init__(self) -> None:
        beside = Path(sys.executable).with_name("smime-session")
        self._program = str(beside) if beside.exists() else shutil.which("smime-session")

    def absent(self) -> str | None:
        return None if self._program else "smime-session is not installed"

    @property
    def path(self) -> str:
        """Where the command is."""
        return str(self._program)

    def encrypt(self, suite: Suite, mail: Path, out: Path, certificates: Sequence[Path]) -> Command:
        recipients = [word for path in certificates for word in ("-r", path)]
        return Command((str(self._program), "encrypt", "-q", *suite.ours, *recipients, "-o", out, mail), out)

    def decrypt(self, suite: Suite, sealed: Path, out: Path, key_file: Path) -> Command:
        del suite  # it looks for itself
        return Command((str(self._program), "decrypt", "-q", "-i", key_file, "-o", out, sealed), out)


class OpenSsl(Program):
    """``openssl cms``, writing as a stream."""

    name = "openssl cms"

    def absent(self) -> str | None:
        return not_found("openssl")

    def encrypt(self, suite: Suite, mail: Path, out: Path, certificates: Sequence[Path]) -> Command:
        start = ("openssl", "cms", "-encrypt", "-binary", "-stream", "-in", mail, "-out", out, suite.openssl)
        if not suite.oaep:
            return Command((*start, *certificates), out)
        oaep = ("-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")
        return Command((*start, *(word for path in certificates for word in ("-recip", path, *oaep))), out)

    def decrypt(self, suite: Suite, sealed: Path, out: Path, key_file: Path) -> Command:
        del suite  # it looks for itself
        start = ("openssl", "cms", "-decrypt", "-in", sealed, "-out", out)
        return Command((*start, "-inkey", key_file, "-recip", key_file), out)


class Pyca(Program):
    """A user of cryptography alone."""

    name = "cryptography, a script"
    suites = ("AES-128-CBC",)

    def absent(self) -> str | None:
        return None  # the library depends on it

    def encrypt(self, suite: Suite, mail: Path, out: Path, certificates: Sequence[Path]) -> Command:
        del suite  # it has one
        return Command((sys.executable, SCRIPTS / "pyca_encrypt.py", mail, out, *certificates), out)

    def decrypt(self, suite: Suite, sealed: Path, out: Path, key_file: Path) -> Command:
        del suite  # it has one
        return Command((sys.executable, SCRIPTS / "pyca_decrypt.py", sealed, out, key_file), out)
