"""The command as a process for one mail: what it loads, how it reads its options, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import click
import pytest

from cli.commands.decrypt import command as decrypt
from cli.commands.encrypt import command as encrypt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UNNEEDED: Final = frozenset(
    {
        *("asn1crypto", "cryptography.x509", "email", "tempfile", "ipaddress", "socket", "urllib", "calendar", "json"),
        *("_hashlib", "hashlib", "hmac", "secrets", "difflib", "unicodedata", "concurrent.futures", "multiprocessing"),
        *("smime_session.recipients.ecdh", "smime_session.recipients.kem"),
        *("smime_session.recipients.password", "smime_session.recipients.shared_key"),
        *("smime_session.operations.roster", "smime_session.recipients.summary"),
        *(
            "smime_session.inspection.clients",
            "smime_session.inspection.explanation",
            "smime_session.operations.inspect",
        ),
        *(
            "smime_session.operations.rewrap",
            "smime_session.operations.reseal",
            "smime_session.operations.saved_key",
            "smime_session.streams.threads",
        ),
        *("smime_session.operations.new_identity", "smime_session.inspection.listing"),
        *("sqlite3", "smime_session.certificates.store", "smime_session.operations.addressees"),
        *("smime_session_cli.failures", "smime_session_cli.tree", "smime_session_cli.commands.rewrap"),
    }
)
"""What takes time to load and has nothing to do with one mail for an RSA key."""

ENCRYPT: Final = ("encrypt", "-q", "-r", "bob.pem", "letter.eml", "-o", "out.eml")
DECRYPT: Final = ("decrypt", "-q", "-i", "bob.key", "sealed.eml", "-o", "out.eml")

_RUN: Final = """
import sys
{before}
from smime_session_cli import main
main()
"""
_REPORT: Final = "import atexit; there = set(sys.modules); atexit.register(lambda: print(*sys.modules.keys() - there))"


def _run(before: str, *arguments: str, stdout: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _RUN.format(before=before), *arguments]
    if stdout:
        command = ["sh", "-c", f'"$@" > {stdout}', "sh", *command]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=buffered)


@pytest.mark.parametrize("arguments", [ENCRYPT, DECRYPT], ids=lambda arguments: arguments[0])
def test_what_one_mail_does_not_need_is_not_loaded(arguments: tuple[str, ...], provide: Callable[..., Path]) -> None:
    """A process that encrypts or decrypts one mail loads no slow module that only others need."""
    provide("bob.pem", "letter.eml", "sealed.eml")
    if arguments is DECRYPT:
        _bare_key(provide("bob.key"))
    done = _run(_REPORT, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    loaded = done.stdout.split()
    assert f"smime_session_cli.commands.{arguments[0]}" in loaded
    assert UNNEEDED.intersection(loaded) == set()


def _bare_key(folder: Path) -> None:
    """Leave the private key alone in its file, as most keep it."""
    pem = (folder / "bob.key").read_text()
    (folder / "bob.key").write_text(pem[: pem.index("-----BEGIN CERTIFICATE")])


@pytest.mark.parametrize(
    "arguments",
    [
        ["-q", "-o", "out", "-r", "one.pem", "-r", "two.pem", "mail"],
        ["mail", "-qo", "out", "-rone.pem", "--recipient", "two.pem"],
        ["-oout", "-q", "--recipient=one.pem", "-r", "two.pem", "--", "mail"],
    ],
)
def test_short_names_of_options_mean_what_the_long_ones_do(arguments: list[str]) -> None:
    """However an option is spelt, bundled or apart, the command gets the same."""
    found = encrypt.make_context("encrypt", arguments).params
    spelt_out = ["--quiet", "--output", "out", "--recipient", "one.pem", "--recipient", "two.pem", "mail"]
    assert found == encrypt.make_context("encrypt", spelt_out).params
    assert (found["message"], found["certificates"], found["quiet"]) == ("mail", ("one.pem", "two.pem"), True)


def test_the_value_of_an_option_is_no_option() -> None:
    """What follows an option that takes a value is that value, and what follows two dashes is a path."""
    assert decrypt.make_context("decrypt", ["-o", "-q", "-i", "-o"]).params["output"] == "-q"
    assert decrypt.make_context("decrypt", ["-o", "-q", "-i", "-o"]).params["identities"] == ("-o",)
    assert decrypt.make_context("decrypt", ["-q", "--", "-i"]).params["message"] == "-i"


@pytest.mark.parametrize(("arguments", "words"), [(["-o"], "'--output'"), (["-x"], "-x"), (["--idenity"], "identity")])
def test_mistaken_options_are_named(arguments: list[str], words: str) -> None:
    """An option without its value, an unknown one, and one that is spelt wrong are told as click tells them."""
    with pytest.raises(click.UsageError) as caught:
        decrypt.make_context("decrypt", arguments)
    assert words in caught.value.format_message()


@pytest.mark.parametrize(("arguments", "status"), [(ENCRYPT, 0), (("inspect", "nothing.eml"), 1), (("-x",), 2)])
def test_the_end_of_the_process_loses_nothing(
    arguments: tuple[str, ...], status: int, provide: Callable[..., Path]
) -> None:
    """What was registered for the end is done, and what it prints is written, however the command ends."""
    provide("bob.pem", "letter.eml")
    done = _run("import atexit; atexit.register(print, 'the end', file=sys.stderr)", *arguments)
    assert done.returncode == status
    assert done.stderr.endswith("the end\n")


def test_what_is_still_buffered_is_written(provide: Callable[..., Path]) -> None:
    """What was printed before the end, and during it, arrives."""
    provide("bob.pem", "letter.eml")
    done = _run("import atexit; atexit.register(print, 'the end'); print('the beginning')", *ENCRYPT)
    assert done.stdout == "the beginning\nthe end\n"


def test_an_end_that_cannot_be_written_is_no_success(provide: Callable[..., Path]) -> None:
    """If the last words do not fit on the disk, the exit status says so."""
    provide("bob.pem", "letter.eml")
    done = _run("print('buffered')", *ENCRYPT, stdout="/dev/full")
    assert done.returncode == 120  # the interpreter's own
    assert "No space left on device" in done.stderr
