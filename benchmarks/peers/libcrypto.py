"""libcrypto's CMS in a loop in C: the program beside this file, with the OpenSSL that the compiler finds.

``SMIME_SESSION_CMSBENCH`` names another, with the same arguments and the same answer.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.measuring import Spent

if TYPE_CHECKING:
    from benchmarks.suites import Suite

_VARIABLE: Final = "SMIME_SESSION_CMSBENCH"
_SOURCE: Final = Path(__file__).with_name("libcrypto.c")
_WARMING: Final = 0.2  # of the time that is measured


class Libcrypto:
    """The program, compiled if none is named.

    Args:
        folder: where it is compiled to.

    Attributes:
        absent: why it cannot be run, if it cannot.
    """

    name: Final = "libcrypto (C)"

    def __init__(self, folder: Path) -> None:
        self.absent: str | None = None
        self._program = os.environ.get(_VARIABLE) or str(folder / "libcrypto")
        if not os.environ.get(_VARIABLE):
            self.absent = _compile(Path(self._program))

    def encrypt(self, mail: Path, suite: Suite, certificates: Path, seconds: float) -> Spent:
        """Encrypt a mail again and again."""
        return self._run("enc", mail, suite, ("--certs", certificates), seconds)

    def decrypt(self, mail: Path, suite: Suite, key_file: Path, seconds: float) -> Spent:
        """Decrypt a mail again and again with a file of key and certificate."""
        return self._run("dec", mail, suite, ("--key", key_file, "--cert", key_file), seconds)

    def sign(self, mail: Path, key_file: Path, seconds: float) -> Spent:
        """Sign a mail again and again with a file of key and certificate."""
        return self._run("sig", mail, None, ("--key", key_file, "--cert", key_file), seconds)

    def verify(self, mail: Path, key_file: Path, seconds: float) -> Spent:
        """Verify a mail again and again; the certificate in the file is trusted."""
        return self._run("ver", mail, None, ("--key", key_file, "--cert", key_file), seconds)

    def _run(
        self, operation: str, mail: Path, suite: Suite | None, credentials: tuple[str | Path, ...], seconds: float
    ) -> Spent:
        times = ("--warm", str(seconds * _WARMING), "--secs", str(seconds))
        algorithms = suite.libcrypto if suite else ()
        command = (self._program, operation, "--in", mail, *algorithms, *credentials, *times)
        answer = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return Spent(answer["cpu"], answer["cpu"], times=answer["n"])


def _compile(program: Path) -> str | None:
    """Compile it; return why that cannot be done, if it cannot."""
    if not shutil.which("cc"):
        return f"cc not found on the PATH, and {_VARIABLE} does not name a program"
    command = ("cc", "-O2", _SOURCE, "-lcrypto", "-o", program)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"cc failed: {done.stderr.strip().splitlines()[0]}" if done.returncode else None
