"""What the command says: help, trees, progress, and what becomes of exceptions."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

import smime_session
from cli.commands import encrypt
from cli.credentials import GUARDS
from cli.failures import explain
from cli.options import CIPHERS, RSA_ALGORITHMS, chosen_profile, limit_options
from cli.progress import progress_line
from cli.root import SUBCOMMANDS, group, run
from cli.streams import Source
from cli.tree import render
from smime_session.mail.header_policy import POLICIES
from smime_session.profiles import MAX_HEADER_SIZE, MAX_RECIPIENTS, Profile
from smime_session.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_listed_help_is_the_help(name: str) -> None:
    """The list of subcommands, which loads none of them, says what their own help says."""
    command = group.get_command(click.Context(group), name)
    assert command
    assert command.help
    assert command.help.split("\n")[0] == SUBCOMMANDS[name]


def test_choices_are_the_library_s() -> None:
    """Options offer exactly what the library has."""
    options = {parameter.name: parameter for parameter in encrypt.command.params}
    assert isinstance(options["profile"].type, click.Choice)
    assert set(options["profile"].type.choices) <= set(smime_session.PROFILES)
    assert isinstance(options["headers"].type, click.Choice)
    assert list(options["headers"].type.choices) == [*POLICIES, "none"]
    assert {f"insecure_{guard}" for guard in GUARDS} == {
        each.name for each in fields(Profile) if "insecure" in each.name
    }
    assert {f"insecure_{guard}" for guard in GUARDS} <= set(options)


@pytest.mark.parametrize(
    ("arguments", "limits"),
    [
        ([], {}),
        (["--max-trials", "7"], {"max_trials": 7}),
        (["--max-recipients", "3"], {"max_recipients": 3, "max_header_size": MAX_HEADER_SIZE}),
        (
            ["--max-recipients", str(2 * MAX_RECIPIENTS)],
            {"max_recipients": 2 * MAX_RECIPIENTS, "max_header_size": 2 * MAX_HEADER_SIZE},
        ),
    ],
)
def test_more_recipients_need_a_larger_header(arguments: list[str], limits: dict[str, int]) -> None:
    """What lifts the limit of recipients lifts that of the header they stand in, and lowers it never."""
    seen: list[dict[str, int]] = []

    @click.command()
    @limit_options("max_recipients", "max_trials")
    def command(*, limits: dict[str, int]) -> None:
        seen.append(limits)

    command.main(arguments, standalone_mode=False)
    assert seen == [limits]


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("rsa", RSA_ALGORITHMS)
def test_every_choice_is_an_algorithm(cipher: str, rsa: str) -> None:
    """Each name on the command line is the algorithm of that name."""
    profile = chosen_profile("modern", cipher=cipher, rsa=rsa)
    assert profile.content
    assert profile.rsa
    assert profile.content.name.lower().replace("aes-", "aes") == cipher
    assert profile.rsa.name.lower().replace(" with sha-", "-sha") == f"rsaes-{rsa}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 世界", "Grüße, 世界"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nError: b", "a\\nError: b"),
        ("\x9b31m\x7f", "\\x9b31m\\x7f"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\udcff", "\\udcff"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    """Letters of every script are kept, and nothing that steers a terminal."""
    assert printable(text) == shown


def test_unforeseen_exception_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that no user can cause is a bug: it reaches the top."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(group, "invoke", broken)
    with pytest.raises(ZeroDivisionError):
        run(["encrypt"])


def test_every_library_error_is_foreseen() -> None:
    """Each error of the library ends in a sentence and exit status 1."""

    def all_kinds(kind: type[BaseException]) -> list[type[BaseException]]:
        return [kind, *(each for child in kind.__subclasses__() for each in all_kinds(child))]

    for kind in all_kinds(smime_session.SmimeError):
        error = kind.__new__(kind)
        error.args = ("the mail is odd",)
        for name in ("missing", "option", "guard", "closest", "unproven"):
            if not hasattr(error, name):
                setattr(error, name, None)
        for name in ("addressed_to", "identities"):
            setattr(error, name, ())
        failure = explain(error, "decrypt")
        assert failure
        assert (failure.status, failure.sentence) == (1, "the mail is odd")


def test_tree() -> None:
    """A tree shows what is there, with units, and leaves out what is absent."""
    lines = render(
        "enveloped-data",
        {
            "authenticated": False,
            "version": 2,
            "transfer_encoding": None,
            "content": {"algorithm": "AES-256-CBC", "key_bits": 256, "ciphertext_size": 1234567, "problem": None},
            "recipients": [
                {
                    "index": 1,
                    "technique": "key transport",
                    "opened_by": ("Bob", "Robert"),
                    "parameters": {"hash": "SHA-1"},
                },
                {"index": 2, "technique": None, "opened_by": ()},
            ],
            "clients": ({"name": "a program", "opens": "no", "reason": "it is old"},),
            "profiles": (
                {"name": "modern", "usable": True, "reasons": ()},
                {"name": "pq", "usable": False, "reasons": ("expired", "is weak")},
            ),
            "something_new": "value",
        },
    )
    assert lines == [
        "enveloped-data",
        "├─ authenticated: no",
        "├─ version: 2",
        "├─ content: AES-256-CBC",
        "│  ├─ key size: 256 bits",
        "│  └─ size: 1,234,567 bytes",
        "├─ recipient 1: key transport",
        "│  ├─ opened by: Bob",
        "│  ├─ opened by: Robert",
        "│  └─ parameters",
        "│     └─ hash: SHA-1",
        "├─ recipient 2",
        "├─ opens with",
        "│  └─ a program: no, it is old",
        "├─ usable with",
        "│  ├─ modern: yes",
        "│  └─ pq: no, expired, and is weak",
        "└─ something new: value",
    ]


def test_a_narrow_tree() -> None:
    """Lines end between two words, and go on under what they belong to; what is longer than a line stays whole."""
    found = {
        "notes": ("one two three four",),
        "content": {"algorithm": "a b c d e f g h i", "key": "k" * 30, "last": "x"},
    }
    assert render("title", found, 16) == [
        "title",
        "├─ note: one two",
        "│    three four",
        "└─ content: a b",
        "   │ c d e f g h",
        "   │ i",
        "   ├─ key:",
        "   │    " + "k" * 30,
        "   └─ last: x",
    ]


@pytest.mark.parametrize(
    ("size", "position", "rate", "line"),
    [
        (None, 0, 0, "reading x  0 bytes  0 bytes/s"),
        (None, 9999, 9999.4, "reading x  9999 bytes  9999 bytes/s"),
        (None, 10_000, 10_000, "reading x  10 kB  10 kB/s"),
        (2_000_000_000, 860_000_000, 610e6, "reading x  43%  860 MB  610 MB/s"),
        (20_000_000_000, 20_000_000_000, 1.5e9, "reading x  100%  20.0 GB  1500 MB/s"),
        (100, 120, 1, "reading x  100%  120 bytes  1 bytes/s"),
    ],
)
def test_progress_line(size: int | None, position: int, rate: float, line: str) -> None:
    """Amounts have few digits; a share is shown where the whole is known, and never over all of it."""
    source = Source(io.BytesIO(), "x")
    source.size, source.position = size, position
    assert progress_line("reading x", source, rate) == line


def test_tree_on_a_narrow_encoding(provide: Callable[..., Path]) -> None:
    """An encoding without the lines of a tree gets others."""
    provide("sealed.eml")
    with CliRunner(charset="latin-1").isolation() as streams:
        status = run(["inspect", "sealed.eml"])
        output = streams[0].getvalue()
    assert status == 0
    assert b"\n\nauth-enveloped-data\n|- form: mail\n" in output


def _imports(*arguments: str) -> set[str]:
    """Return the modules that a process with these arguments loads."""
    program = (
        "import sys\n"
        "from smime_session_cli.root import run\n"
        "status = run(sys.argv[1:])\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True)
    return set(done.stderr.split())


def test_help_loads_nothing() -> None:
    """Help lists the subcommands without loading them, nor the library."""
    loaded = _imports("--help")
    heavy = {name for name in loaded if name.startswith(("smime_session.", "cryptography"))}
    assert heavy <= {"smime_session.text", "smime_session.version"}
    assert not {f"smime_session_cli.commands.{name}" for name in SUBCOMMANDS} & loaded


def test_encrypting_loads_little(provide: Callable[..., Path]) -> None:
    """Encrypting a mail loads neither a mail parser nor an ASN.1 library nor what only other subcommands need."""
    provide("bob.pem", "letter.eml")
    loaded = _imports("encrypt", "-r", "bob.pem", "letter.eml", "-o", "out.eml")
    assert not {"email.message", "email.parser", "asn1crypto", "tempfile", "getpass", "json"} & loaded
    assert not {"smime_session_cli.commands.decrypt", "smime_session_cli.failures", "smime_session_cli.tree"} & loaded
