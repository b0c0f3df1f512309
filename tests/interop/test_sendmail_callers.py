"""Mail programs that send with ``smime-session sendmail``, as docs/recipes.md says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from smime_session import decrypt, load_identities, new_identity
from tests.interop.peers.everyone import require

if TYPE_CHECKING:
    from tests.interop.peers.terminal import TerminalClient

ROOT = Path(__file__).parents[2]


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("client", ["mutt", "neomutt"])
def test_what_they_send_is_encrypted(client: TerminalClient, tmp_path: Path) -> None:
    """To, Cc and Bcc get what they can open, and none of the mails tells of the blind one."""
    require(client)
    made = {name: new_identity(f"{name}@example.org", key_type="p256") for name in ("bob", "carol")}
    (tmp_path / "certs").mkdir()
    for name, each in made.items():
        (tmp_path / "certs" / f"{name}.pem").write_bytes(each.certificate_pem)
    _script(tmp_path / "real", f'cd {tmp_path}; printf "%s\\n" "$*" >> calls; cat > "mail.$(wc -l < calls)"')
    (tmp_path / "config.toml").write_text("certs = 'certs'\n[sendmail]\nprogram = 'real'\n")
    command = f'exec {sys.executable} -m cli --config {tmp_path}/config.toml sendmail "$@"'
    _script(tmp_path / "encrypting-sendmail", command)
    (tmp_path / "muttrc").write_text(
        f'set sendmail = "{tmp_path}/encrypting-sendmail -oem -oi"\nset sendmail_wait = 0\nset copy = no\n'
        "set from = 'alice@example.org'\nset use_envelope_from = yes\nset hostname = 'example.org'\n"
    )
    words = [client, "-n", "-F", str(tmp_path / "muttrc"), "-s", "Friday", "-b", "carol@example.org", "bob@example.org"]
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        words, input=b"At eight?\n.\nBye\n", capture_output=True, check=False, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert (tmp_path / "calls").read_text().splitlines() == [
        "-i -f alice@example.org -- bob@example.org",
        "-i -f alice@example.org -- carol@example.org",
    ]
    for number, name in enumerate(made, 1):
        mail = (tmp_path / f"mail.{number}").read_bytes()
        assert b"At eight" not in mail
        opened = decrypt(mail, load_identities(made[name].private_key_pem + made[name].certificate_pem)).message
        assert b"\n\nAt eight?\n.\nBye\n" in opened
        assert b"carol@" not in opened
