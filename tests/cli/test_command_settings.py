"""Settings from files that cannot be trusted, for other servers, and what they cost where there are none."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

import click
import pytest

from cli.root import SUBCOMMANDS
from cli.settings import NAMES, SENDMAIL_NAMES, TABLES, InForce, Settings, SettingsError, in_force, usual_place

if TYPE_CHECKING:
    from pathlib import Path

ABOUT_ONE_RUN: Final = {
    *("recipient", "to", "no-header-recipients", "dry-run", "json", "output", "format", "again", "part"),
    *("password", "password-file", "password-env", "shared-key", "shared-key-id", "session-key"),
    *("add-password", "add-password-file", "add-password-env", "add-shared-key", "add-shared-key-id"),
    *("remove", "replace", "certificates", "reseal", "days"),
    *("read-recipients", "ignore-dots", "full-name"),
}
"""Options that no settings have: they say what is worked on, who reads it, or what one message opens with."""


def _options(name: str) -> list[click.Option]:
    command = import_module(f"cli.commands.{name.replace('-', '_')}").command
    commands = command.commands.values() if isinstance(command, click.Group) else [command]
    return [option for each in commands for option in each.params if isinstance(option, click.Option)]


def _in_force(path: Path, command: str, **given: object) -> InForce:
    return in_force(Settings(str(path)), command, _options(command), given)


def test_every_option_is_a_setting_or_is_about_one_run() -> None:
    """A new option has to be put in one of two lists, and neither list has what is no option."""
    there = {max(option.opts, key=len)[2:] for name in TABLES for option in _options(name)}
    assert there == {*NAMES, *SENDMAIL_NAMES, *ABOUT_ONE_RUN}
    assert not ABOUT_ONE_RUN.intersection(NAMES)
    assert set(SUBCOMMANDS) - set(TABLES) == {
        "identity",
        "config",
        "batch",
    }  # a run of batch is resumed by its command line


def test_a_login_is_for_its_own_server(tmp_path: Path) -> None:
    """Another server on the command line gets neither user nor password, and is not excused from a check."""
    path = tmp_path / "config.toml"
    path.write_text(
        "smtp = 'mail.example.org'\nuser = 'alice'\nsmtp-password-file = 'password'\ninsecure-smtp-name = true\n"
    )
    own = _in_force(path, "send")
    assert own.defaults["user"] == "alice"
    assert own.defaults["smtp_password_file"] == str(tmp_path / "password")
    assert [each.name for each in own.insecure] == ["insecure-smtp-name"]
    assert _in_force(path, "send", smtp="mail.example.com") == InForce({}, ())


def test_who_is_named_on_the_command_line_reads_alone(tmp_path: Path) -> None:
    """A folder of certificates in the settings adds no recipient from the header to those of -r."""
    path = tmp_path / "config.toml"
    path.write_text("certs = 'certs'\n")
    assert _in_force(path, "encrypt").defaults == {"stores": [str(tmp_path / "certs")]}
    assert _in_force(path, "encrypt", recipient=["bob.pem"]).defaults == {}
    assert _in_force(path, "encrypt", password=True).defaults == {}
    assert "stores" in _in_force(path, "encrypt", recipient=["bob@example.org"]).defaults
    assert "stores" in _in_force(path, "send", recipient=["bob.pem"]).defaults


def test_files_that_cannot_be_trusted_are_refused(tmp_path: Path) -> None:
    """A FIFO, a folder, a device, and files that are too large or writable by others are named, and nothing hangs."""
    (tmp_path / "large.toml").write_bytes(b"#" * 1_000_001)
    for name, mode in (("group.toml", 0o620), ("world.toml", 0o602)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    os.mkfifo(tmp_path / "fifo.toml")
    words = {
        "large.toml": "settings of more than 1,000,000 bytes are too large",
        "group.toml": "others can write these settings",
        "world.toml": "others can write these settings",
        "fifo.toml": "settings are no regular file",
        ".": "settings are no regular file",
        "/dev/zero": "settings are no regular file",
    }
    for name, sentence in words.items():
        with pytest.raises(SettingsError) as caught:
            _in_force(tmp_path / name, "encrypt")
        assert str(caught.value.message) == f"{tmp_path / name}: {sentence}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a = " + b"[" * 100_000, "not TOML: it is no text that can be read"),
        (b"timeout = " + b"9" * 5000, "not TOML: it is no text that can be read"),
        (b"\xff\xfe", "not TOML: it is no text that can be read"),
        (b"profile = 'auto\x00'", "not TOML: "),
        (b'profile = "\\u001b[2J"', "is not one of"),
        (b"certs = [['a']]", "certs is text, or a list of it"),
        (b"certs = true", "certs is text, or a list of it"),
        (b"[[encrypt]]\nprofile = 'auto'", "encrypt is no setting"),
        (b"[encrypt.more]\nprofile = 'auto'", "more is no setting"),
    ],
    ids=range(9),
)
def test_hostile_settings(content: bytes, words: str, tmp_path: Path) -> None:
    """Whatever stands in a file, the answer is one sentence."""
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(SettingsError, match="config") as caught:
        _in_force(tmp_path / "config.toml", "encrypt")
    assert words in caught.value.message


def test_paths_are_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a command is run does not change which files the settings name."""
    monkeypatch.setenv("HOME", "/home/alice")
    path = tmp_path / "config.toml"
    path.write_text("identity = ['a.key', '~/b.key', '/c.key']\n")
    assert _in_force(path, "decrypt").defaults["identities"] == [str(tmp_path / "a.key"), "/home/alice/b.key", "/c.key"]
    assert _in_force(path, "sign").defaults == {"identity": str(tmp_path / "a.key")}


def test_the_usual_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It follows $XDG_CONFIG_HOME if that is absolute, and the home folder otherwise."""
    monkeypatch.delenv("SMIME_SESSION_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "elsewhere")
    assert usual_place() == str(tmp_path / ".config/smime-session/config.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert Settings().path == ""
    (tmp_path / "smime-session").mkdir()
    (tmp_path / "smime-session" / "config.toml").write_text("")
    assert Settings().path == str(tmp_path / "smime-session" / "config.toml")


@pytest.mark.parametrize("there", [False, True])
def test_no_settings_cost_no_parser(tmp_path: Path, *, there: bool) -> None:
    """Without a file, nothing is loaded that reads one."""
    script = (
        "import atexit, sys\nfrom cli import main\n"
        "atexit.register(lambda: print('tomllib' in sys.modules, file=sys.stderr))\nmain()"
    )
    if there:
        (tmp_path / "smime-session").mkdir()
        (tmp_path / "smime-session" / "config.toml").write_text("quiet = true\n")
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    del environment["SMIME_SESSION_CONFIG"]
    command = [sys.executable, "-c", script, "inspect", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert done.stderr.endswith(f"{there}\n"), done.stderr
