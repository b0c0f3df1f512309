"""Many messages at once: what is told, what is refused, and what is left when a run is killed."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Final

import pytest
from click.testing import CliRunner

from cli.root import run
from smime_session import decrypt, load_identities
from smime_session.batch import Journal, journal_beside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAIL: Final = "From: alice@example.org\nTo: bob@example.org\nSubject: Number {0}\n\nThis is letter {0}.\n"


def _mails(folder: Path, count: int, ending: str = "eml") -> dict[str, str]:
    """Write mails into a folder and a subfolder of it; return their bodies by name."""
    (folder / "more").mkdir(parents=True)
    made = {}
    for number in range(count):
        name = f"{'more/' if number % 3 == 0 else ''}{number}.{ending}"
        (folder / name).write_text(MAIL.format(number))
        made[name] = f"This is letter {number}."
    return made


def _run(*arguments: str | Path, stdin: str = "") -> tuple[int, str]:
    with CliRunner().isolation(stdin.encode()) as streams:
        status = run(list(map(str, arguments)))
        return status, streams[1].getvalue().decode()


def _opened(folder: Path, key: Path) -> dict[str, str]:
    """Return the last line of each mail in a folder, decrypted, by name; nothing else may be there."""
    identities = load_identities(key.read_bytes())
    return {
        str(path.relative_to(folder)): decrypt(path.read_bytes(), identities).message.decode().split("\n")[-2].strip()
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }


def test_every_mail_is_encrypted_in_its_subfolder(provide: Callable[..., Path]) -> None:
    """A folder becomes a folder of the same shape, each mail readable by its recipient."""
    here = provide("bob.pem", "bob.key")
    letters = _mails(here / "in", 40)
    assert _run("batch", "encrypt", "-r", "bob.pem", "in", "out") == (0, "40 encrypted, 0 failed\n")
    assert _opened(here / "out", here / "bob.key") == letters
    assert not (here / "out" / ".smime-session").exists()


def test_a_broken_mail_does_not_stop_the_others(provide: Callable[..., Path]) -> None:
    """One mail in ten is none: the others are encrypted, reasons are counted, and each message has its line."""
    here = provide("bob.pem", "bob.key")
    letters = _mails(here / "in", 50)
    broken = [name for number, name in enumerate(sorted(letters)) if number % 10 == 0]
    for name in broken:
        (here / "in" / name).write_text("no header here\n")
    status, said = _run("batch", "encrypt", "-r", "bob.pem", "in", "out", "--report", "report.jsonl")
    assert status == 1
    assert re.fullmatch(
        r"45 encrypted, 5 failed\n  5 failed: this is not a mail: .*\nError: 5 of 50 messages failed\n", said
    )
    assert _opened(here / "out", here / "bob.key").keys() == letters.keys() - set(broken)
    lines = [json.loads(line) for line in (here / "report.jsonl").read_text().splitlines()]
    assert {line["name"]: line["state"] for line in lines} == {
        name: "failed" if name in broken else "done" for name in letters
    }
    assert all(("reason" in line) == (line["state"] == "failed") for line in lines)


def test_what_failed_is_tried_again_when_asked(provide: Callable[..., Path]) -> None:
    """A mended mail is left alone until --retry-failed, and then it is the only one that is made."""
    here = provide("bob.pem", "bob.key")
    letters = _mails(here / "in", 12)
    (here / "in" / "1.eml").write_text("no header here\n")
    arguments = ("batch", "encrypt", "-r", "bob.pem", "in", "out")
    assert _run(*arguments)[0] == 1
    before = (here / "out" / "2.eml").read_bytes()
    (here / "in" / "1.eml").write_text(MAIL.format(1))
    status, said = _run(*arguments)
    assert (status, said.split("\n")[0]) == (1, "0 encrypted, 0 failed, 12 left as earlier runs had them")
    assert _run(*arguments, "--retry-failed") == (0, "1 encrypted, 0 failed, 11 left as earlier runs had them\n")
    assert _opened(here / "out", here / "bob.key") == letters
    assert (here / "out" / "2.eml").read_bytes() == before


def test_recipients_come_from_the_header(provide: Callable[..., Path]) -> None:
    """With --certs each mail is for its own recipients, and one without a certificate fails alone."""
    here = provide()
    assert _run("identity", "new", "carol@example.org", "-o", "carol")[0] == 0
    (here / "in").mkdir()
    for name in ("bob", "carol", "dave"):
        (here / "in" / f"{name}.eml").write_text(MAIL.format(name).replace("To: bob@", f"To: {name}@"))
    (here / "certificates").mkdir()
    (here / "certificates" / "carol.pem").write_bytes((here / "carol.pem").read_bytes())
    status, said = _run("batch", "encrypt", "--certs", "certificates", "in", "out")
    assert status == 1
    assert "1 encrypted, 2 failed\n" in said
    assert "dave@example.org: there is no certificate for it" in said
    assert _opened(here / "out", here / "carol.key") == {"carol.eml": "This is letter carol."}


def test_in_place_nothing_is_encrypted_twice(provide: Callable[..., Path]) -> None:
    """Mails give way to what was made of them; the same again does nothing, and new ones are found."""
    here = provide("bob.pem", "bob.key")
    letters = _mails(here / "in", 20)
    (here / "in" / "1.eml").chmod(0o640)
    arguments = ("batch", "encrypt", "-r", "bob.pem", "--again", "--in-place", "in")
    assert _run(*arguments) == (0, "20 encrypted, 0 failed\n")
    assert (here / "in" / "1.eml").stat().st_mode & 0o777 == 0o640
    (here / "in" / "new.eml").write_text(MAIL.format("new"))
    assert _run(*arguments) == (0, "1 encrypted, 0 failed, 20 left as earlier runs had them\n")
    assert _opened(here / "in", here / "bob.key") == letters | {"new.eml": "This is letter new."}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("--profile", "modern"), "--profile is new"),
        (("--compress",), "--compress is new"),
        (("-r", "carol.pem"), "--recipient"),
    ],
)
def test_a_changed_command_line_is_refused(provide: Callable[..., Path], changed: tuple[str, ...], told: str) -> None:
    """What is resumed is the same work; what is not the same is named, and nothing is written."""
    here = provide("bob.pem", "carol.pem")
    _mails(here / "in", 5)
    assert _run("batch", "encrypt", "-r", "bob.pem", "in", "out")[0] == 0
    _mails(here / "in" / "later", 2)
    status, said = _run("batch", "encrypt", "-r", "bob.pem", *changed, "in", "out")
    assert status == 1
    assert said.startswith(f"Error: the run on this target was begun with other options: {told}")
    assert not (here / "out" / "later").exists()


def test_a_changed_certificate_is_refused(provide: Callable[..., Path]) -> None:
    """The same file name with another certificate in it is another recipient."""
    here = provide("bob.pem", "carol.pem")
    _mails(here / "in", 5)
    assert _run("batch", "encrypt", "-r", "bob.pem", "in", "out")[0] == 0
    (here / "bob.pem").write_bytes((here / "carol.pem").read_bytes())
    status, said = _run("batch", "encrypt", "-r", "bob.pem", "in", "out")
    assert status == 1
    assert re.search(r"--recipient was bob.pem \(SHA-256 \w+\), and is bob.pem \(SHA-256 \w+\)\n$", said)


def test_a_second_run_on_the_target_is_refused(provide: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """While one process has the journal, another cannot begin."""
    here = provide("bob.pem")
    _mails(here / "in", 5)
    monkeypatch.setattr("smime_session.batch.journal._PATIENCE", 0.1)
    with Journal(journal_beside(here / "out")):
        status, said = _run("batch", "encrypt", "-r", "bob.pem", "in", "out")
    assert status == 1
    assert said.startswith("Error: another run is at work on this target")
    assert not (here / "out").exists()


def test_files_of_others_are_not_touched(provide: Callable[..., Path]) -> None:
    """A folder with files in it is no target, however often it is asked for, and stays as it is."""
    here = provide("bob.pem")
    _mails(here / "in", 5)
    (here / "out").mkdir()
    (here / "out" / "1.eml").write_text("mine")
    for _ in range(2):
        status, said = _run("batch", "encrypt", "-r", "bob.pem", "in", "out")
        assert (status, said) == (1, "Error: the folder out is not empty, and no run on it is known\n")
    assert [path.name for path in (here / "out").iterdir()] == ["1.eml"]
    assert not journal_beside(here / "out").exists()


def test_a_target_that_was_removed_is_told_of(provide: Callable[..., Path]) -> None:
    """The journal does not call messages done that are gone with their folder."""
    here = provide("bob.pem")
    _mails(here / "in", 5)
    assert _run("batch", "encrypt", "-r", "bob.pem", "in", "out")[0] == 0
    (here / "out").rename(here / "elsewhere")
    status, said = _run("batch", "encrypt", "-r", "bob.pem", "in", "out")
    assert status == 1
    assert said.startswith("Error: the folder out is gone")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-r", "bob.pem", "in"), "no target was given"),
        (("-r", "bob.pem", "--in-place", "in", "out"), "--in-place and a target exclude each other"),
        (("-r", "bob.pem", "in", "in/out"), "in/out is inside of in"),
        (("-r", "bob.pem", "bob.pem", "out"), "bob.pem is no folder, Maildir, mbox, zip or tar"),
        (("in", "out"), "no recipient was given"),
        (("-r", "bob.pem", "--shard", "3/2", "in", "out"), "3/2 is not a share"),
        (("-r", "bob.pem", "--dry-run", "--certs", "in", "in", "out"), "--dry-run is about one mail"),
    ],
)
def test_misuse(provide: Callable[..., Path], arguments: tuple[str, ...], told: str) -> None:
    """What does not go together is refused before anything is made."""
    here = provide("bob.pem")
    _mails(here / "in", 2)
    status, said = _run("batch", "encrypt", *arguments)
    assert status == 2, said
    assert told in said
    assert sorted(path.name for path in here.iterdir()) == ["bob.pem", "in"]


def test_shards_divide_the_work(provide: Callable[..., Path]) -> None:
    """Three processes that know nothing of each other make each message once."""
    here = provide("bob.pem", "bob.key")
    letters = _mails(here / "in", 60)
    counts = []
    for number in (1, 2, 3):
        status, said = _run("batch", "encrypt", "-r", "bob.pem", "--shard", f"{number}/3", "in", "out")
        assert status == 0
        counts.append(int(said.split()[0]))
    assert sum(counts) == 60
    assert min(counts) > 5
    assert _opened(here / "out", here / "bob.key") == letters


def test_openssl_opens_what_was_made(provide: Callable[..., Path]) -> None:
    """Another program reads a sample."""
    here = provide("bob.pem", "bob.key")
    letters = _mails(here / "in", 9)
    assert _run("batch", "encrypt", "-r", "bob.pem", "in", "out")[0] == 0
    for name in list(letters)[:4]:
        arguments = ["openssl", "cms", "-decrypt", "-inkey", "bob.key", "-in", f"out/{name}"]
        opened = subprocess.run(arguments, check=True, capture_output=True)
        assert letters[name] in opened.stdout.decode()
