"""Many messages at once, and something goes wrong: what is told, what is left, and that the same command mends it."""

from __future__ import annotations

import io
import os
import random
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import pytest
from click.testing import CliRunner

from cli.root import run
from cli.works import DecryptWork, EncryptWork, RewrapWork
from smime_session import (
    COMPAT,
    MODERN,
    Policy,
    decrypt,
    encrypt,
    load_certificates,
    load_identities,
    recipient_for,
)
from smime_session.batch import FolderSource, Item, MaildirSource, MboxSource, ZipSource, journal_beside
from smime_session.batch.items import Data
from smime_session.batch.storing import Measured
from tests.support.batching import contents, written
from tests.support.killing import ROOT, command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from smime_session.batch import Source, Work

MAIL: Final = "From: alice@example.org\nTo: bob@example.org\nSubject: Number {0}\n\nThis is letter {0}.\n"
FORMS: Final = ["folder", "maildir", "mbox", "zip"]


def _run(*arguments: str | Path, stdin: str = "") -> tuple[int, str]:
    with CliRunner().isolation(stdin.encode()) as streams:
        status = run(list(map(str, arguments)))
        return status, streams[1].getvalue().decode()


def _mails(count: int, filling: int = 0) -> dict[str, bytes]:
    """Return mails, with as many random characters, which no archive makes smaller by much."""
    chance = random.Random(count)  # noqa: S311  # what is in a mail
    return {
        f"{number:03}.eml": (MAIL.format(number) + chance.randbytes(filling // 2).hex() + "\n").encode()
        for number in range(count)
    }


def _source(path: Path, form: str) -> Source:
    kinds: dict[str, Callable[[str], Source]] = {
        "folder": FolderSource,
        "maildir": MaildirSource,
        "mbox": MboxSource,
        "zip": ZipSource,
    }
    return kinds[form](str(path))


def _opened(path: Path, form: str, key: Path) -> list[bytes]:
    """Return the body of every message of a target, decrypted."""
    identities = load_identities(key.read_bytes())
    made = contents(_source(path, form)).values()
    return _bodies(decrypt(each, identities).message for each in made)


def _bodies(mails: Iterable[bytes]) -> list[bytes]:
    return sorted(each.replace(b"\r\n", b"\n").partition(b"\n\n")[2] for each in mails)


@contextmanager
def _small_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """Make a disk of a megabyte, and let it grow when that is called; skip where it cannot be made."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=False, capture_output=True)
    if made.returncode:
        pytest.skip("a small disk cannot be mounted: tests with a limit of file size take its place")

    def grow() -> None:
        subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)

    try:
        yield grow
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("form", FORMS)
def test_the_disk_is_full_in_the_middle(provide: Callable[..., Path], form: str) -> None:
    """The run ends and says so; with more room, the same command makes what is missing, and each message once."""
    here = provide("bob.pem", "bob.key")
    mails = _mails(200, 6000)
    written(here / "in", mails)
    with _small_disk(here / "disk") as grow:
        target = here / "disk" / "out"
        arguments = ("batch", "encrypt", "-r", "bob.pem", "--target-form", form, "in", target)
        status, said = _run(*arguments)
        assert status == 1
        assert re.search(r"^Error: .*(No space left on device|disk is full)", said, re.MULTILINE), said
        assert form in {"folder", "maildir"} or not target.exists()
        grow()
        status, said = _run(*arguments)
        assert status == 0, said
        assert _opened(target, form, here / "bob.key") == _bodies(mails.values())


@pytest.mark.parametrize("form", FORMS)
def test_a_file_reaches_the_limit_of_its_size(provide: Callable[..., Path], form: str) -> None:
    """As a full disk does, it ends the run, and the same command without the limit makes the rest."""
    here = provide("bob.pem", "bob.key")
    mails = _mails(100, 4000) | {"050.eml": MAIL.format("x" * 500_000).encode()}
    written(here / "in", mails)
    target = here / "out"
    arguments = command("batch", "encrypt", "-r", here / "bob.pem", "--target-form", form, here / "in", target)
    limited = ["sh", "-c", 'ulimit -f 500 && exec "$@"', "sh", *arguments]  # blocks of 512 or 1,024 bytes
    done = subprocess.run(limited, check=False, capture_output=True, cwd=ROOT)
    assert done.returncode == 1
    assert re.search(rb"^Error: .*(File too large|disk I/O error)", done.stderr, re.MULTILINE), done.stderr
    done = subprocess.run(arguments, check=False, capture_output=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert _opened(target, form, here / "bob.key") == _bodies(mails.values())


def test_a_source_file_vanishes(provide: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Between listing and reading: it fails alone, with its reason."""
    here = provide("bob.pem", "bob.key")
    mails = _mails(40)
    written(here / "in", mails)
    items = FolderSource.items

    def vanishing(source: FolderSource) -> Iterator[object]:
        listed = list(items(source))
        for name in ("003.eml", "030.eml"):
            (here / "in" / name).unlink(missing_ok=True)
        return iter(listed)

    monkeypatch.setattr(FolderSource, "items", vanishing)
    status, said = _run("batch", "encrypt", "-r", "bob.pem", "in", "out")
    assert (status, said.split("\n")[0]) == (1, "38 encrypted, 2 failed")
    assert "2 failed: no such file or directory\n" in said
    monkeypatch.undo()
    expected = _bodies(data for name, data in mails.items() if name not in ("003.eml", "030.eml"))
    assert _opened(here / "out", "folder", here / "bob.key") == expected


@pytest.mark.parametrize("form", FORMS)
def test_a_target_that_cannot_be_written(provide: Callable[..., Path], form: str) -> None:
    """Its folder is not there, or is a file, or may not be written: one sentence names it, and no journal is left."""
    here = provide("bob.pem")
    written(here / "in", _mails(3))
    (here / "file").write_text("no folder")
    arguments = ("batch", "encrypt", "-r", "bob.pem", "--target-form", form, "in")
    for target in ("missing/out", "file/out"):
        status, said = _run(*arguments, target)
        assert status == 1
        assert re.fullmatch(r"Error: there is no folder \S+ for the target\n", said)
    if os.geteuid():
        (here / "closed").mkdir(mode=0o500)
        status, said = _run(*arguments, "closed/out")
        assert status == 1
        assert re.fullmatch(r"Error: .*closed.*: Permission denied\n", said)
    else:
        status, said = _run(*arguments, "/proc/self/out")  # where root may make nothing either
        assert status == 1
        assert re.match(r"Error: .*/proc/", said)
    assert not list(here.glob(".*"))


def test_a_changed_password_is_refused(provide: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the file counts, not its name, and not where it comes from; the journal does not have it."""
    here = provide()
    written(here / "in", _mails(3))
    (here / "word").write_text("correct horse\n")
    (here / "key").write_text("00112233445566778899aabbccddeeff")
    arguments = ("batch", "encrypt", "--profile", "compat", "--password-file", "word")
    shared = ("--shared-key", "key", "--shared-key-id", "ours", "--cipher", "aes128-cbc")
    assert _run(*arguments, *shared, "in", "out") == (0, "3 encrypted, 0 failed\n")
    kept = b"".join(path.read_bytes() for path in journal_beside(here / "out").iterdir())
    assert not re.search(rb"correct horse|00112233445566778899aabbccddeeff|\x00\x11\x22\x33", kept)
    assert _run(*arguments, *shared, "in", "out")[0] == 0
    (here / "word").rename(here / "other")
    monkeypatch.setenv("WORD", "correct horse")
    assert _run(*arguments[:-2], "--password-env", "WORD", *shared, "in", "out")[0] == 0
    (here / "word").write_text("battery staple\n")
    status, said = _run(*arguments, *shared, "in", "out")
    assert status == 1
    assert said == "Error: the run on this target was begun with other options: password or shared key 2 has changed\n"
    (here / "other").rename(here / "word")
    (here / "key").write_text("ff112233445566778899aabbccddeeff")
    status, said = _run(*arguments, *shared, "in", "out")
    assert status == 1
    assert said == "Error: the run on this target was begun with other options: password or shared key 1 has changed\n"
    assert _run("batch", "decrypt", "--password-file", "word", "out", "opened")[0] == 0
    (here / "word").write_text("battery staple\n")
    status, said = _run("batch", "decrypt", "--password-file", "word", "out", "opened")
    assert (status, "password or shared key 1 has changed" in said) == (1, True)


def test_blind_recipients_are_not_left_out(provide: Callable[..., Path]) -> None:
    """A mail with Bcc would be several: it fails alone, with a way to make them, unless all may see the Bcc."""
    here = provide()
    assert _run("identity", "new", "bob@example.org", "-o", "bob")[0] == 0
    mails = _mails(4)
    mails["001.eml"] = b"Bcc: carol@example.org\n" + mails["001.eml"]
    mails["002.eml"] = b"Bcc: bob@example.org\n" + mails["002.eml"]
    written(here / "in", mails)
    status, said = _run("batch", "encrypt", "--certs", "bob.pem", "in", "out")
    assert (status, said.split("\n")[0]) == (1, "3 encrypted, 1 failed")
    assert "1 failed: it has blind recipients (Bcc): encrypt -o FOLDER makes a message of its own for each" in said
    made = contents(FolderSource("out"))
    assert made.keys() == mails.keys() - {"001.eml"}
    assert not any(re.search(rb"^bcc", each, re.IGNORECASE | re.MULTILINE) for each in made.values())


@pytest.mark.parametrize("form", ["mbox", "zip", "tar.gz"])
def test_a_large_mail_finds_its_recipients(provide: Callable[..., Path], form: str) -> None:
    """By the addresses in its head, though it is unpacked on the way and cannot be sought in."""
    here = provide()
    assert _run("identity", "new", "bob@example.org", "-o", "bob")[0] == 0
    mails = _mails(3) | {"001.eml": MAIL.format("1").encode() + b"filling\n>From filling\n" * 300_000}
    written(here / "in", mails)
    assert _run("batch", "encrypt", "-r", "bob.pem", "in", f"packed.{form}")[0] == 0
    assert _run("batch", "decrypt", "-i", "bob.key", f"packed.{form}", f"opened.{form}")[0] == 0
    assert _run("batch", "encrypt", "--certs", "bob.pem", f"opened.{form}", "out") == (0, "3 encrypted, 0 failed\n")
    assert _opened(here / "out", "folder", here / "bob.key") == _bodies(mails.values())


def _peak(arguments: list[str]) -> int:
    """Run a command, and return the most bytes of memory that it or one of its workers had at a time."""
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, cwd=ROOT)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss << 10


@pytest.mark.parametrize(("source", "target"), [("folder", "folder"), ("mbox", "zip")])
def test_memory_is_flat_in_the_size_of_a_mail(provide: Callable[..., Path], source: str, target: str) -> None:
    """A huge mail among small ones takes little more than they do."""
    here = provide("bob.pem", "bob.key")
    size = int(os.environ.get("SMIME_SESSION_HUGE_MAIL", "100")) << 20
    peaks = []
    for name, huge in (("small", 0), ("large", size)):
        lines = b"".join(b"From a@example.org\n" * (source == "mbox") + each + b"\n" for each in _mails(20).values())
        if source == "folder":
            written(here / name, _mails(20))
            place = here / name / "huge.eml"
        else:
            (here / name).write_bytes(lines + b"From a@example.org\n")
            place = here / name
        with place.open("ab") as file:
            file.write(MAIL.format("huge").encode())
            for _ in range(huge // (70 << 14)):
                file.write((b"x" * 69 + b"\n") * (1 << 14))
        out = here / f"{name}.{target}"
        arguments = (
            "batch",
            "encrypt",
            "--jobs",
            "2",
            "-r",
            here / "bob.pem",
            "--target-form",
            target,
            here / name,
            out,
        )
        peaks.append(_peak(command(*arguments)))
        if huge and target == "folder":
            peaks.append(
                _peak(command("batch", "decrypt", "--jobs", "2", "-i", here / "bob.key", out, here / "opened"))
            )
            assert (here / "opened" / "huge.eml").stat().st_size > huge * 9 // 10
    small, *large = peaks
    assert max(large) - small < size // 3, peaks


@pytest.mark.parametrize("form", ["folder", "mbox"])
def test_two_runs_on_one_target(provide: Callable[..., Path], form: str) -> None:
    """The second is refused while the first is at work, and the first is not disturbed."""
    here = provide("bob.pem", "bob.key")
    mails = _mails(300)
    written(here / "in", mails)
    target = here / "out"
    arguments = command("batch", "encrypt", "-r", here / "bob.pem", "--target-form", form, here / "in", target)
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, cwd=ROOT) as first:
        while not (journal_beside(target) / "journal.sqlite").exists():  # made once it has the lock
            assert first.poll() is None
            time.sleep(0.001)
        os.kill(first.pid, signal.SIGSTOP)  # it stops in the middle, however fast the machine is
        second = subprocess.run(arguments, check=False, capture_output=True, cwd=ROOT)
        os.kill(first.pid, signal.SIGCONT)
        assert first.stderr is not None
        said = first.stderr.read()
    assert second.returncode == 1
    assert b"another run is at work on this target" in second.stderr
    assert first.returncode == 0, said
    assert _opened(target, form, here / "bob.key") == _bodies(mails.values())


@pytest.mark.parametrize("work", ["encrypt", "decrypt", "rewrap", "reseal"])
def test_a_large_mail_goes_to_a_target_that_cannot_seek(provide: Callable[..., Path], work: str) -> None:
    """As an upload to a store: what is written is whole, and written once."""
    here = provide("bob.pem", "bob.key", "carol.pem")
    certificates, identities = (
        load_certificates((here / "bob.pem").read_bytes()),
        load_identities((here / "bob.key").read_bytes()),
    )
    mail = MAIL.format("1").encode() + b"filling\n" * 700_000
    sealed = encrypt(mail, certificates, profile=COMPAT)
    works: dict[str, Work] = {
        "encrypt": EncryptWork(COMPAT, [recipient_for(each) for each in certificates], None, {}),
        "decrypt": DecryptWork(identities, Policy(), None),
        "rewrap": RewrapWork(identities, {"add": load_certificates((here / "carol.pem").read_bytes())}),
        "reseal": RewrapWork(identities, {"add": certificates, "reseal": True, "profile": MODERN}),
    }
    item = Item("1.eml", "1.eml", Data(b""))
    made = _Upload()
    target = Measured(cast("BinaryIO", made), "store")
    works[work](item, io.BytesIO(mail if work == "encrypt" else sealed), cast("BinaryIO", target))
    written_octets = b"".join(made.pieces)
    opened = written_octets if work == "decrypt" else decrypt(written_octets, identities).message
    assert _bodies([opened]) == _bodies([mail])


class _Upload(io.RawIOBase):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.pieces.append(bytes(cast("bytes", data)))
        return len(self.pieces[-1])
