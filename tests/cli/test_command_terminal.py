"""The command on a terminal: prompts, refusals, progress. A pseudo-terminal plays the person's."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from smime_session import Password, decrypt, encrypt, load_certificates
from tests.support.terminals import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_passphrase_is_asked_for(provide: Callable[..., Path]) -> None:
    """A locked key asks for its passphrase, names its file and does not show what is typed."""
    provide("locked.key", "sealed.eml")
    with Terminal("decrypt", "-i", "locked.key", "sealed.eml") as terminal:
        terminal.expect(rb"Passphrase for locked\.key: ")
        terminal.send(b"open sesame\n")
        status, seen = terminal.finish()
    assert status == 0
    assert seen.endswith("At eight?\n")
    assert "sesame" not in seen


def test_message_comes_from_standard_input_all_the_same(provide: Callable[..., Path]) -> None:
    """The passphrase comes from the terminal even where the message comes from a pipe."""
    folder = provide("locked.key", "sealed.eml")
    with Terminal("decrypt", "-i", "locked.key", streams="12") as terminal:
        assert terminal.process.stdin
        terminal.process.stdin.write((folder / "sealed.eml").read_bytes())
        terminal.process.stdin.close()
        terminal.expect(rb"Passphrase for locked\.key: ")
        terminal.send(b"open sesame\n")
        status, seen = terminal.finish()
    assert status == 0
    assert seen.endswith("At eight?\n")


def test_a_terminal_that_is_waited_for_is_told(provide: Callable[..., Path]) -> None:
    """Who types a command without a message learns what it waits for; a pipe needs no such words."""
    folder = provide("bob.pem", "letter.eml")
    words = "Waiting for standard input; Ctrl-D ends it."
    with Terminal("encrypt", "-r", "bob.pem", "-o", "out.eml") as terminal:
        terminal.expect(words.encode())
        terminal.send(b"Subject: x\n\ntext\n\x04")
        assert terminal.finish()[0] == 0
    assert (folder / "out.eml").exists()
    with Terminal("encrypt", "-r", "bob.pem", "-o", "out.eml", streams="12") as terminal:
        assert terminal.process.stdin
        terminal.process.stdin.write((folder / "letter.eml").read_bytes())
        status, seen = terminal.finish()
    assert (status, words in seen) == (0, False)


def test_passwords_are_told_apart(provide: Callable[..., Path]) -> None:
    """Rewrapping asks once for the password that opens the message, and twice for the one of a new reader."""
    folder = provide("letter.eml")
    (folder / "old.txt").write_bytes(b"correct horse\n")
    encrypt = ["encrypt", "--profile", "modern", "--password-file", "old.txt", "letter.eml", "-o", "sealed.eml"]
    subprocess.run([sys.executable, "-m", "smime_session_cli", *encrypt], check=True, timeout=60)
    arguments = ("rewrap", "--password", "--remove", "password", "--add-password", "sealed.eml", "-o", "new.eml")
    for again, status in ((b"another\n", 1), (b"battery staple\n", 0)):
        with Terminal(*arguments) as terminal:
            terminal.expect(rb"Password of the message: ")
            terminal.send(b"correct horse\n")
            terminal.expect(rb"New password for the message: ")
            terminal.send(b"battery staple\n")
            terminal.expect(rb"Repeat password: ")
            terminal.send(again)
            assert terminal.finish()[0] == status
        assert "staple" not in terminal.seen.decode()
    assert decrypt((folder / "new.eml").read_bytes(), [Password("battery staple")]).message.endswith(b"At eight?\n")


def test_a_session_key_is_not_shown(provide: Callable[..., Path]) -> None:
    """A secret does not appear on a terminal that was not asked for by name."""
    provide("bob.key", "sealed.eml")
    with Terminal("session-key", "-i", "bob.key", "sealed.eml") as terminal:
        status, seen = terminal.finish()
    assert status == 2
    assert "Error: a session key is secret and standard output is a terminal" in seen
    assert "smime-session-key" not in seen
    with Terminal("session-key", "-i", "bob.key", "sealed.eml", "-o", "-") as terminal:
        status, seen = terminal.finish()
    assert status == 0
    assert '"format": "smime-session-key"' in seen


def test_an_interrupted_question(provide: Callable[..., Path]) -> None:
    """After Ctrl-C at a question, what became of it stands on a line of its own."""
    folder = provide("locked.key", "sealed.eml")
    with Terminal("decrypt", "-i", "locked.key", "sealed.eml", "-o", "out.eml") as terminal:
        terminal.expect(rb"Passphrase for locked.key: ")
        terminal.send(b"\x03")
        status, seen = terminal.finish()
    assert status == 130
    assert seen == "Passphrase for locked.key: \nError: interrupted\n"
    assert not (folder / "out.eml").exists()


def test_a_wrong_passphrase_is_asked_for_again(provide: Callable[..., Path]) -> None:
    """A wrong answer is told and asked for again, three times in all; then it is an error, which does not repeat it."""
    provide("locked.key", "sealed.eml")
    for answers, status in (([b"open barley"] * 3, 1), ([b"open barley", b"open oats", b"open sesame"], 0)):
        with Terminal("decrypt", "-i", "locked.key", "sealed.eml") as terminal:
            for number, answer in enumerate(answers, 1):
                terminal.expect(rb"(Passphrase for locked\.key: .*){%d}" % number)
                terminal.send(answer + b"\n")
            found, seen = terminal.finish()
        assert found == status
        assert seen.count("This passphrase does not fit; try again.") == 2
        assert ("Error: locked.key: the passphrase does not unlock the private key" in seen) == (status == 1)
        assert ("At eight?" in seen) == (status == 0)
        assert "barley" not in seen


def test_no_passphrase_is_asked_for_where_none_is_needed(provide: Callable[..., Path]) -> None:
    """Of several keys only the one that the message names is unlocked, and none to see whom it is for."""
    provide("bob.key", "bob.p12", "locked.key", "carol.key", "sealed.eml")
    keys = ("-i", "bob.p12", "-i", "locked.key", "-i", "bob.key")
    for arguments in (("decrypt", *keys), ("inspect", "-i", "locked.key")):
        with Terminal(*arguments, "sealed.eml") as terminal:
            status, seen = terminal.finish()
        assert (status, "Passphrase" in seen) == (0, False)
    with Terminal("decrypt", "-i", "bob.p12", "-i", "locked.key", "-i", "carol.key", "sealed.eml") as terminal:
        terminal.expect(rb"Passphrase for locked\.key: ")
        terminal.send(b"open sesame\n")
        status, seen = terminal.finish()
    assert (status, seen.count("Passphrase")) == (0, 1)


def test_what_says_nothing_while_it_is_locked_is_unlocked(provide: Callable[..., Path]) -> None:
    """A PKCS#12 file is unlocked to decrypt with it, or to see whose it is, once."""
    provide("bob.p12", "carol.key", "sealed.eml")
    for command, words in (("decrypt", "At eight?"), ("inspect", "bob@example.org")):
        with Terminal(command, "-i", "bob.p12", "-i", "carol.key", "sealed.eml") as terminal:
            terminal.expect(rb"Passphrase for bob\.p12: ")
            terminal.send(b"open sesame\n")
            status, seen = terminal.finish()
        assert (status, seen.count("Passphrase"), words in seen) == (0, 1, True)


@pytest.mark.parametrize(
    ("key", "status", "words"), [(b"\x04", 1, "Error: locked.key: "), (b"\x03", 130, "Error: interrupted")]
)
def test_no_passphrase_after_all(key: bytes, status: int, words: str, provide: Callable[..., Path]) -> None:
    """Ctrl-D and Ctrl-C at the prompt end the command in good order."""
    folder = provide("locked.key", "sealed.eml")
    with Terminal("decrypt", "-i", "locked.key", "sealed.eml", "-o", "out.eml") as terminal:
        terminal.expect(rb"Passphrase for ")
        terminal.send(key)
        ended, seen = terminal.finish()
    assert ended == status, seen
    assert words in seen
    assert "Traceback" not in seen
    assert sorted(path.name for path in folder.iterdir()) == ["locked.key", "sealed.eml"]


def test_new_passphrase_is_asked_for_twice(provide: Callable[..., Path]) -> None:
    """A new identity is locked with what was typed twice."""
    folder = provide()
    with Terminal("identity", "new", "dora@example.org", "--type", "rsa2048", "--passphrase") as terminal:
        terminal.expect(rb"New passphrase for dora@example\.org: ")
        terminal.send(b"open sesame\n")
        terminal.expect(rb"Repeat passphrase: ")
        terminal.send(b"open sesame\n")
        status, seen = terminal.finish()
    assert status == 0, seen
    assert "locked with the passphrase" in seen
    assert (folder / "dora@example.org.key").read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")


def test_new_passphrases_that_differ(provide: Callable[..., Path]) -> None:
    """Two passphrases that differ make no identity."""
    folder = provide()
    with Terminal("identity", "new", "dora@example.org", "--passphrase") as terminal:
        terminal.expect(rb"New passphrase")
        terminal.send(b"open sesame\n")
        terminal.expect(rb"Repeat passphrase")
        terminal.send(b"open barley\n")
        status, seen = terminal.finish()
    assert status == 1
    assert seen.endswith("Error: the two passphrases are not the same\n")
    assert not list(folder.iterdir())


def test_the_passphrase_of_a_small_authority_is_asked_for(provide: Callable[..., Path]) -> None:
    """Twice where it is made, once where it issues; that of the new key is another question."""
    folder = provide()
    with Terminal("identity", "new-ca", "Example CA", "--type", "p256", "--passphrase") as terminal:
        terminal.expect(rb"New passphrase for Example CA: ")
        terminal.send(b"open sesame\n")
        terminal.expect(rb"Repeat passphrase: ")
        terminal.send(b"open sesame\n")
        status, seen = terminal.finish()
    assert status == 0, seen
    with Terminal("identity", "new", "dora@example.org", "--type", "p256", "--ca-key", "ca.key") as terminal:
        terminal.expect(rb"Passphrase for ca\.key: ")
        terminal.send(b"open sesame\n")
        status, seen = terminal.finish()
    assert status == 0, seen
    assert (folder / "dora@example.org.key").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_the_passphrase_of_what_is_imported_is_asked_for(provide: Callable[..., Path]) -> None:
    """It locks the private key anew."""
    folder = provide("bob.p12")
    with Terminal("identity", "import", "bob.p12", "-o", "bob") as terminal:
        terminal.expect(rb"Passphrase for bob\.p12: ")
        terminal.send(b"open sesame\n")
        status, seen = terminal.finish()
    assert status == 0, seen
    assert (folder / "bob.key").read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")


def test_message_password_is_asked_for(provide: Callable[..., Path]) -> None:
    """What seals a message is typed twice, what opens it once; accents may be typed in either form."""
    provide("letter.eml")
    with Terminal("encrypt", "--profile", "modern", "--password", "letter.eml", "-o", "sealed.eml") as terminal:
        terminal.expect(rb"New password for the message: ")
        terminal.send("gr\u00fc\u00dfe\n".encode())
        terminal.expect(rb"Repeat password: ")
        terminal.send("gr\u00fc\u00dfe\n".encode())
        status, seen = terminal.finish()
    assert status == 0, seen
    with Terminal("decrypt", "-q", "--password", "sealed.eml") as terminal:
        terminal.expect(rb"Password of the message: ")
        terminal.send("gru\u0308\u00dfe\n".encode())
        status, seen = terminal.finish()
    assert status == 0, seen
    assert seen.endswith("At eight?\n")
    assert "\u00dfe" not in seen


def test_a_typed_password_is_one_of_several(provide: Callable[..., Path]) -> None:
    """One that is typed and one in a file are two recipients."""
    folder = provide("letter.eml")
    (folder / "one.txt").write_text("battery staple")
    arguments = ("encrypt", "--profile", "modern", "--password", "--password-file", "one.txt", "letter.eml")
    with Terminal(*arguments, "-o", "sealed.eml") as terminal:
        terminal.expect(rb"New password for the message: ")
        terminal.send(b"correct horse\n")
        terminal.expect(rb"Repeat password: ")
        terminal.send(b"correct horse\n")
        status, seen = terminal.finish()
    assert status == 0, seen
    (folder / "two.txt").write_text("correct horse")
    for name in ("one.txt", "two.txt"):
        with Terminal("decrypt", "-q", "--password-file", name, "sealed.eml") as terminal:
            status, seen = terminal.finish()
        assert (status, seen.endswith("At eight?\n")) == (0, True), seen


def test_message_passwords_that_differ(provide: Callable[..., Path]) -> None:
    """Two passwords that differ encrypt nothing."""
    folder = provide("letter.eml")
    with Terminal("encrypt", "--password", "letter.eml", "-o", "sealed.eml") as terminal:
        terminal.expect(rb"New password for the message: ")
        terminal.send(b"correct horse\n")
        terminal.expect(rb"Repeat password: ")
        terminal.send(b"correct house\n")
        status, seen = terminal.finish()
    assert status == 1
    assert seen.endswith("Error: the two passwords are not the same\n")
    assert [path.name for path in folder.iterdir()] == ["letter.eml"]


def test_binary_is_not_shown(provide: Callable[..., Path]) -> None:
    """DER does not go to a terminal by accident; both ways out are named, before anything is read."""
    provide()
    with Terminal("encrypt", "--format", "der", "-r", "nobody.pem", "nothing.txt") as terminal:
        status, seen = terminal.finish()
    assert status == 2
    assert seen == (
        "Error: DER is binary and standard output is a terminal\n"
        "Hint: -o FILE writes it to a file, -o - writes it to the terminal anyway\n"
    )


def test_binary_is_shown_on_demand(provide: Callable[..., Path]) -> None:
    """``-o -`` writes DER to a terminal."""
    provide("bob.pem", "letter.eml")
    with Terminal("encrypt", "--format", "der", "-r", "bob.pem", "letter.eml", "-o", "-") as terminal:
        terminal.expect(rb"\x06\x09\x60\x86\x48\x01")
        status = terminal.process.wait(timeout=30)
    assert status == 0


@pytest.mark.parametrize(("mail", "status"), [(b"Subject: x\n\nsafe\n", 0), (b"Subject: x\n\n\x1b]0;title\x07\n", 2)])
def test_a_message_does_not_steer_the_terminal(mail: bytes, status: int, provide: Callable[..., Path]) -> None:
    """Text that is decrypted is shown; what a terminal would obey is not, unless it is asked for."""
    folder = provide("bob.key")
    (folder / "sealed.eml").write_bytes(encrypt(mail, load_certificates((folder / "bob.key").read_bytes())))
    with Terminal("decrypt", "-q", "-i", "bob.key", "sealed.eml") as terminal:
        ended, seen = terminal.finish()
    assert ended == status
    if status:
        assert seen.startswith("Error: the message is not plain text and standard output is a terminal\nHint: ")
        with Terminal("decrypt", "-i", "bob.key", "sealed.eml", "-o", "-") as terminal:
            terminal.expect(rb"\x1b\]0;title\x07")
            assert terminal.process.wait(timeout=30) == 0
    else:
        assert seen.endswith("\n\nsafe\n")


@pytest.mark.parametrize(("quiet", "shown"), [((), True), (("--quiet",), False)])
def test_progress(quiet: tuple[str, ...], shown: bool, provide: Callable[..., Path]) -> None:  # noqa: FBT001  # a parameter
    """Work over a second shows how far it has come, and wipes that away at the end."""
    folder = provide("bob.pem")
    with Terminal("encrypt", *quiet, "-r", "bob.pem", "-o", "out.eml", streams="2") as terminal:
        assert terminal.process.stdin
        terminal.process.stdin.write(b"Subject: x\n\n" + b"x\n" * 500_000)
        terminal.process.stdin.flush()
        time.sleep(1.5)
        terminal.process.stdin.write(b"x\n" * 500_000)
        status, seen = terminal.finish()
    assert status == 0
    assert (folder / "out.eml").exists()
    if shown:
        assert re.fullmatch(r"(\r\x1b\[Kencrypting standard input  \d+ kB  \d+ kB/s)+\r\x1b\[K", seen), seen
    else:
        assert seen == ""


def test_whom_a_message_is_for_is_told_in_short_lines(provide: Callable[..., Path]) -> None:
    """Each of them, each key, and what comes closest stands in lines of its own, none wider than the terminal."""
    provide("bob.key", "carol.key", "both.pem", "sealed.eml")
    with Terminal("decrypt", "-i", "carol.key", "sealed.eml") as terminal:
        status, seen = terminal.finish()
    error, *details, hint = seen.splitlines()
    assert (status, error) == (1, "Error: sealed.eml: no given identity can open the message")
    assert hint.startswith("Hint: ")
    assert all(line.startswith("  ") and len(line) <= 80 for line in details)
    told = " ".join(" ".join(details).split())
    assert re.fullmatch(r"it is addressed to: .*bob@example\.org.* given: .*carol@example\.org.*", told)


def test_tree_on_a_terminal(provide: Callable[..., Path]) -> None:
    """An inspection on a terminal is the same tree, in lines of its width that end between two words."""
    provide("both.pem", "sealed.eml")
    whole = subprocess.run(
        [sys.executable, "-m", "smime_session_cli", "inspect", "-r", "both.pem", "sealed.eml"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    with Terminal("inspect", "-r", "both.pem", "sealed.eml") as terminal:
        status, seen = terminal.finish()
    assert status == 0
    assert "\n\nauth-enveloped-data\n├─ form: mail\n" in seen
    assert max(map(len, whole.splitlines())) > 80 >= max(map(len, seen.splitlines()))
    words = re.compile(r"[├└│─\s]+")
    assert words.sub(" ", seen) == words.sub(" ", whole)
