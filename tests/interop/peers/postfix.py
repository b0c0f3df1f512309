"""Postfix as a submission server: TLS, a login by Cyrus SASL, a relay to another server; no part of the system's own.

It runs with folders of its own, in the foreground, as root, which it asks for, and without systemd.
"""

from __future__ import annotations

import os
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.interop.peers.base import run
from tests.interop.peers.everyone import report_missing

if TYPE_CHECKING:
    from collections.abc import Iterator

USER: Final = "alice"
REALM: Final = "mail.example.org"
LOGIN: Final = f"{USER}@{REALM}"
PASSWORD: Final = "a long and unusual one"  # noqa: S105  # of a server in the tests
_PATIENCE: Final = 60  # seconds to start; it takes two
_PROGRAMS: Final = ("postfix", "postconf", "saslpasswd2")
_SERVICES: Final = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
_SETTINGS: Final = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = mail.example.org
mydestination =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = {folder}/server.pem
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
cyrus_sasl_config_path = {folder}/sasl
smtpd_sasl_local_domain = mail.example.org
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ dave@example.org = 550 5.1.1 no such user }} }}
smtputf8_enable = yes
relayhost = [127.0.0.1]:{sink}
smtp_tls_security_level = none
alias_maps =
alias_database =
"""
_LOGIN: Final = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {folder}/sasl/users
mech_list: PLAIN LOGIN
"""


@contextmanager
def postfix(server_pem: bytes, sink: int) -> Iterator[int]:
    """Run Postfix; yield the port on which it takes mail.

    Args:
        server_pem: its private key and certificate.
        sink: the port of the server that it hands all mail on to.
    """
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    if os.geteuid():
        absent.append("root, who alone can start it")
    if absent:
        report_missing("Postfix", absent)
    folder = Path(tempfile.mkdtemp(prefix="postfix-"))
    try:
        port = _free_port()
        _configure(folder, server_pem, port, sink)
        with subprocess.Popen(
            ["postfix", "-c", folder, "start-fg"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            try:
                _await(port, process, folder)
                yield port
            finally:
                subprocess.run(["postfix", "-c", folder, "stop"], check=False, capture_output=True, timeout=_PATIENCE)
                process.terminate()
                process.communicate(timeout=_PATIENCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, server_pem: bytes, port: int, sink: int) -> None:
    folder.chmod(0o755)  # its own user looks into it
    for name in ("queue", "data", "sasl"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    (folder / "server.pem").write_bytes(server_pem)
    (folder / "server.pem").chmod(0o600)
    (folder / "main.cf").write_text(_SETTINGS.format(folder=folder, sink=sink))
    (folder / "master.cf").write_text(_SERVICES.format(port=port))
    (folder / "sasl" / "smtpd.conf").write_text(_LOGIN.format(folder=folder))
    users = folder / "sasl" / "users"
    run(["saslpasswd2", "-p", "-c", "-f", users, "-u", REALM, USER], PASSWORD.encode())
    shutil.chown(users, "postfix")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def _await(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until it answers."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=5):
                return
        except (OSError, smtplib.SMTPException):
            time.sleep(0.2)
    process.terminate()
    said = process.communicate()[0].decode(errors="replace")
    log = (folder / "mail.log").read_text() if (folder / "mail.log").exists() else ""
    raise AssertionError(f"Postfix did not start: {said}{log}")
