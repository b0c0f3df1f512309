"""Mail programs that send with ``smime-session sendmail``, as docs/recipes.md says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from smime_session import NewIdentity, decrypt, load_identities, new_identity
from tests.interop.peers.everyone import require

if TYPE_CHECKING:
    from tests.interop.peers.terminal import TerminalClient

ROOT = Path(__file__).parents[2]


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


class Calling(NamedTuple):
    """A folder in which programs send.

    Attributes:
        folder: the folder, with mails that arrived as ``mail.1`` and so on.
        keys: who reads.
    """

    folder: Path
    keys: dict[str, NewIdentity]

    def run(self, *words: str) -> None:
        """Run a program that sends two lines around a dot."""
        environment = {**os.environ, "HOME": str(self.folder), "PYTHONPATH": str(ROOT)}
        text = b"At eight?\n.\nBye\n"
        done = subprocess.run(words, input=text, capture_output=True, check=False, timeout=120, env=environment)
        assert done.returncode == 0, done.stderr + done.stdout

    def arrived(self, number: int, name: str) -> bytes:
        """Return a mail that arrived, opened by one of its readers."""
        mail = (self.folder / f"mail.{number}").read_bytes()
        assert b"At eight" not in mail
        made = self.keys[name]
        return decrypt(mail, load_identities(made.private_key_pem + made.certificate_pem)).message

    @property
    def calls(self) -> list[str]:
        """How the real sendmail was called."""
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def calling(tmp_path: Path) -> Calling:
    """A folder with certificates, settings, a script to be called, and what stands for the real sendmail."""
    made = {name: new_identity(f"{name}@example.org", key_type="p256") for name in ("bob", "carol")}
    (tmp_path / "certs").mkdir()
    for name, each in made.items():
        (tmp_path / "certs" / f"{name}.pem").write_bytes(each.certificate_pem)
    _script(tmp_path / "real", f'cd {tmp_path}; printf "%s\\n" "$*" >> calls; cat > "mail.$(wc -l < calls)"')
    (tmp_path / "config.toml").write_text("certs = 'certs'\n[sendmail]\nprogram = 'real'\n")
    command = f'exec {sys.executable} -m cli --config {tmp_path}/config.toml sendmail "$@"'
    _script(tmp_path / "encrypting-sendmail", command)
    return Calling(tmp_path, made)


@pytest.mark.parametrize("client", ["mutt", "neomutt"])
def test_mutt(client: TerminalClient, calling: Calling) -> None:
    """To and Bcc get what they can open, and none of the mails tells of the blind one."""
    require(client)
    (calling.folder / "muttrc").write_text(
        f'set sendmail = "{calling.folder}/encrypting-sendmail -oem -oi"\nset sendmail_wait = 0\nset copy = no\n'
        "set from = 'alice@example.org'\nset use_envelope_from = yes\nset hostname = 'example.org'\n"
    )
    blind = ("-b", "carol@example.org")
    calling.run(client, "-n", "-F", str(calling.folder / "muttrc"), "-s", "Friday", *blind, "bob@example.org")
    sender = "-i -f alice@example.org --"
    assert calling.calls == [f"{sender} bob@example.org", f"{sender} carol@example.org"]
    for number, name in enumerate(("bob", "carol"), 1):
        opened = calling.arrived(number, name)
        assert b"\n\nAt eight?\n.\nBye\n" in opened
        assert b"carol@" not in opened


def test_php(calling: Calling) -> None:
    """PHP's ``mail()`` sends with ``sendmail_path``."""
    require("php")
    script = "exit(mail('bob@example.org', 'Friday', file_get_contents('php://stdin'), 'From: a@example.org') ? 0 : 1);"
    path = f"sendmail_path={calling.folder}/encrypting-sendmail -t -i"
    calling.run("php", "-d", path, "-r", script)
    assert calling.calls == ["-i -- bob@example.org"]
    assert b"\n\nAt eight?\n.\nBye\n" in calling.arrived(1, "bob").replace(b"\r\n", b"\n")


def test_mailx(calling: Calling) -> None:
    """BSD's ``mail`` sends with ``set sendmail``; blind recipients have mails of their own."""
    require("bsd-mailx")
    (calling.folder / ".mailrc").write_text(f"set sendmail={calling.folder}/encrypting-sendmail\n")
    words = ("-s", "Friday", "-b", "carol@example.org", "-r", "alice@example.org")
    calling.run("bsd-mailx", "-I", "-n", *words, "bob@example.org")
    assert [each.rpartition(" -- ")[2] for each in calling.calls] == ["bob@example.org", "carol@example.org"]
    assert b"At eight?" in calling.arrived(1, "bob")
    assert b"carol@" not in calling.arrived(2, "carol")
