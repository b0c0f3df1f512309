"""Dovecot as an IMAP server for one Maildir, unprivileged, with a configuration of its own; no part of the system's."""

from __future__ import annotations

import grp
import imaplib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.interop.peers.everyone import report_missing

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOST: Final = "127.0.0.1"
_USER: Final = "alice"
_PASSWORD: Final = "unusual"  # noqa: S105  # of a server in the tests
_PATIENCE: Final = 60  # seconds to start; it takes less than one
_SETTINGS: Final = """\
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:{folder}/Maildir
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/home
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
"""


class Office(NamedTuple):
    """A server, and what it serves.

    Attributes:
        port: where it answers.
        maildir: the folder.
        owner: the user and the group that it runs as, by number.
    """

    port: int
    maildir: Path
    owner: tuple[int, int]

    def connect(self) -> imaplib.IMAP4:
        """Log in."""
        client = imaplib.IMAP4(_HOST, self.port, timeout=_PATIENCE)
        try:
            client.login(_USER, _PASSWORD)
        except BaseException:
            client.shutdown()
            raise
        return client

    def deliver(self, path: Path, mail: bytes) -> None:
        """Leave a mail as a delivery agent does."""
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = self.maildir / "tmp" / path.name
        staged.write_bytes(mail)
        os.chown(staged, *self.owner)
        staged.rename(path)


@contextmanager
def dovecot() -> Iterator[Office]:
    """Run Dovecot on an empty Maildir, as the user who runs the tests, or as ``nobody`` for root."""
    program = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")
    if program is None or not Path("/usr/lib/dovecot/imap").exists():
        report_missing("Dovecot", ["dovecot", "its imap"])
    user = pwd.getpwuid(os.geteuid()) if os.geteuid() else pwd.getpwnam("nobody")
    owner = user.pw_uid, user.pw_gid
    folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
    try:
        folder.chmod(0o755)
        maildir = folder / "Maildir"
        for each in (maildir, *(maildir / part for part in ("cur", "new", "tmp")), folder / "home"):
            each.mkdir(mode=0o700)
            os.chown(each, *owner)
        os.chown(folder, *owner)
        port = _free_port()
        group = grp.getgrgid(user.pw_gid).gr_name
        settings = folder / "dovecot.conf"
        settings.write_text(
            _SETTINGS.format(folder=folder, user=user.pw_name, group=group, port=port, password=_PASSWORD)
        )
        rights = {} if os.geteuid() else {"user": owner[0], "group": owner[1], "extra_groups": []}
        with subprocess.Popen(
            [str(program), "-F", "-c", settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **rights,  # type: ignore[call-overload]  # depends on who runs it
        ) as process:
            try:
                office = Office(port, maildir, owner)
                _await(office, process, folder)
                yield office
            finally:
                process.terminate()
                process.communicate(timeout=_PATIENCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.create_server((_HOST, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _await(office: Office, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until it lets people in."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            office.connect().logout()
        except (OSError, imaplib.IMAP4.error):
            if process.poll() is not None or time.monotonic() > end:
                said = process.stdout.read() if process.stdout and process.poll() is not None else b""
                log = folder / "log"
                told = log.read_text(errors="replace") if log.exists() else ""
                raise AssertionError(f"Dovecot did not start: {said.decode(errors='replace')}{told}") from None
            time.sleep(0.05)
        else:
            return
