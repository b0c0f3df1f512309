"""Mutt and NeoMutt as their reader sees them: in a terminal of their own, with OpenSSL and Debian's settings for it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Final, Literal

from tests.interop.peers.base import TIMEOUT, PeerError

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    from tests.interop.keypair import Keypair

TerminalClient = Literal["mutt", "neomutt"]

UNTRIED: Final = "application/pkcs7-mime is unsupported"
"""What stands in place of a part that they do not try to decrypt."""

_SETTINGS: Final = """
set folder=~
set crypt_use_gpgme=no
set smime_default_key=reader
set wait_key=no
set pager_format="END OF PAGER"
push <display-message>
"""
_DONE: Final = ("END OF PAGER", "Could not copy message")  # the second is NeoMutt's answer to what it cannot decrypt
_QUESTION: Final = "Enter S/MIME passphrase:"
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\([A-Z]|[=>])")


def show(client: TerminalClient, mail: bytes, reader: Keypair, folder: Path) -> str:
    """Open a mail with the reader's key and return everything that the screen showed.

    Args:
        client: the program.
        mail: the mail.
        reader: whose key is in the program's store.
        folder: an empty folder for its files.

    Raises:
        PeerError: the program ended or did not show anything in time.
    """
    for kind, file in (("keys", reader.key_file), ("certificates", reader.certificate_file)):
        (folder / ".smime" / kind).mkdir(parents=True)
        (folder / ".smime" / kind / "reader").write_bytes(file.read_bytes())
    (folder / "settings").write_text(_SETTINGS)
    (folder / "mailbox").write_bytes(b"From dave@example.org Thu Jan  1 00:00:00 2026\n" + mail)
    command = [client, "-R", "-F", folder / "settings", "-f", folder / "mailbox"]
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    surroundings |= {"TERM": "xterm", "LANG": "C.UTF-8"}
    near, far = pty.openpty()
    termios.tcsetwinsize(far, (60, 120))
    with (
        open(near, "r+b", buffering=0) as screen,  # noqa: PTH123  # no path
        open(far, "r+b", buffering=0) as terminal,  # noqa: PTH123  # no path
        subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=surroundings) as program,
    ):
        terminal.close()  # so that the program's end is seen
        try:
            return _watch(screen)
        finally:
            program.kill()  # it only reads


def _watch(screen: FileIO) -> str:
    """Return what is shown until the mail is, and give the empty passphrase when it is asked for."""
    received, seen, answered, deadline = b"", "", False, time.monotonic() + TIMEOUT
    while not any(words in seen for words in _DONE):
        ready, _, _ = select.select([screen], [], [], max(0, deadline - time.monotonic()))
        try:
            more = screen.read(1 << 16) if ready else b""
        except OSError:  # how a terminal ends
            more = b""
        if not more:
            raise PeerError(f"the mail is not shown: {seen[-500:]}")
        received += more
        seen = _ESCAPES.sub("", received.decode(errors="replace"))
        if _QUESTION in seen and not answered:
            screen.write(b"\r")
            answered = True
    return seen
