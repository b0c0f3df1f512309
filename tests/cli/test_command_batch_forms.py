"""Many messages at once, in every form that a mailbox has: what goes in and what comes out."""

from __future__ import annotations

import io
import json
import mailbox
import os
import tarfile
import zipfile
from typing import TYPE_CHECKING, Final

import pytest
from click.testing import CliRunner

from cli.root import run
from smime_session import COMPAT, decrypt, encrypt, load_certificates, load_identities

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAIL: Final = "From: alice@example.org\nTo: bob@example.org\nSubject: Number {0}\n\nThis is letter {0}.\n"


def _run(*arguments: str | Path, stdin: str = "") -> tuple[int, str]:
    with CliRunner().isolation(stdin.encode()) as streams:
        status = run(list(map(str, arguments)))
        return status, streams[1].getvalue().decode()


def _folder(path: Path, count: int = 12) -> None:
    path.mkdir()
    for number in range(count):
        (path / f"{number:02}.eml").write_text(MAIL.format(number))


def _letters(folder: Path) -> list[str]:
    return [path.read_text().split("\n")[-2] for path in sorted(folder.rglob("*.eml"))]


EXPECTED: Final = [f"This is letter {number}." for number in range(12)]


def test_a_folder_goes_through_an_mbox_and_back(provide: Callable[..., Path]) -> None:
    """The mbox has the messages in the order of the source, and each comes back."""
    here = provide("bob.pem", "bob.key")
    _folder(here / "in")
    assert _run("batch", "encrypt", "-r", "bob.pem", "in", "all.mbox") == (0, "12 encrypted, 0 failed\n")
    found = mailbox.mbox("all.mbox", create=False)
    assert [message["Subject"] for message in found] == [f"Number {number}" for number in range(12)]
    found.close()
    assert _run("batch", "decrypt", "-i", "bob.key", "all.mbox", "out") == (0, "12 decrypted, 0 failed\n")
    assert _letters(here / "out") == EXPECTED
    assert (here / "out" / "000001.eml").stat().st_mode & 0o777 == 0o600


QUOTED: Final = "One\n{}From here\n{}>From there\n>>>From nowhere\n From beside\n"


@pytest.mark.parametrize(
    ("form", "inside"),
    [
        ("mboxrd", "From here\n>From there\n>>From nowhere"),
        ("mboxo", "From here\n>>From there\n>>>From nowhere"),
    ],
)
def test_lines_that_begin_with_from(provide: Callable[..., Path], form: str, inside: str) -> None:
    """What an mbox did to lines that begin with From is undone as its form asks, and done anew when one is written."""
    here = provide("bob.pem", "bob.key")
    head = "From a@example.org Mon Jan  5 10:00:00 2026\n" + MAIL.format(1)
    (here / "old").write_text(f"{head}{QUOTED.format('>', '>')}\n{head}\n")
    for option, source, target in ((("--mbox-form", form), "old", "new.mbox"), ((), "new.mbox", "newer.mbox")):
        verb = ("encrypt", "-r", "bob.pem") if source == "old" else ("decrypt", "-i", "bob.key")
        status, said = _run("batch", *verb, *option, source, target)
        assert (status, said[:2]) == (0, "2 "), said
    text = (here / "newer.mbox").read_text()
    quoted = "\n".join(f">{line}" for line in inside.split("\n"))
    assert f"One\n{quoted}\n From beside\n" in text.replace("\r", "")
    assert text.startswith("From a@example.org Mon Jan  5 10:00:00 2026\n")
    assert text.count("\nFrom ") == 1


def test_mboxcl2_goes_by_its_lengths(provide: Callable[..., Path]) -> None:
    """A line From in a body ends no message where Content-Length tells its size; a wrong length is not believed."""
    here = provide("bob.pem", "bob.key")
    body = "One\n\nFrom here on, text\n"
    first = MAIL.format(1).replace("\n\n", f"\nContent-Length: {len(body)}\n\n").split("\n\n")[0]
    wrong = MAIL.format(2).replace("\n\n", "\nContent-Length: 99999\n\n")
    line = "From a@example.org Mon Jan  5 10:00:00 2026\n"
    (here / "old").write_text(f"{line}{first}\n\n{body}\n{line}{wrong}\n")
    assert _run("batch", "encrypt", "-r", "bob.pem", "--mbox-form", "mboxcl2", "old", "out")[0] == 0
    identities = load_identities((here / "bob.key").read_bytes())
    opened = [
        decrypt(path.read_bytes(), identities).message.decode().replace("\r", "")
        for path in sorted((here / "out").iterdir())
    ]
    assert len(opened) == 2
    assert opened[0].endswith(body)
    assert opened[1].endswith("This is letter 2.\n")


def test_a_maildir_keeps_flags_dates_and_subfolders(provide: Callable[..., Path]) -> None:
    """Encrypted and decrypted again, each message is where it was, with its flags and its date."""
    here = provide("bob.pem", "bob.key")
    files = {
        "cur/1.one:2,FS": 1_000_000_000,
        "cur/2.two,S=99:2,": 1_100_000_000,
        "new/3.three": 1_200_000_000,
        ".Old.2020/cur/4.four:2,RS": 1_300_000_000,
    }
    for name, moment in files.items():
        for part in ("cur", "new", "tmp"):
            (here / "in" / name).parent.parent.joinpath(part).mkdir(parents=True, exist_ok=True)
        (here / "in" / name).write_text(MAIL.format(name[-1]))
        os.utime(here / "in" / name, (moment, moment))
    (here / "sealed").mkdir()
    verbs = (("encrypt", "-r", "bob.pem", "in", "sealed"), ("decrypt", "-i", "bob.key", "sealed", "out"))
    for verb in verbs:
        assert _run("batch", verb[0], "--target-form", "maildir", *verb[1:])[0] == 0
    made = {
        str(path.relative_to(here / "out")): int(path.stat().st_mtime)
        for path in (here / "out").rglob("*")
        if path.is_file()
    }
    assert made == {name.replace(",S=99", ""): moment for name, moment in files.items()}
    assert "letter 3" not in (here / "sealed" / "new" / "3.three").read_text()


def test_a_maildir_in_place(provide: Callable[..., Path]) -> None:
    """Each message is replaced by one of a new name with its flags, once; the same again finds only what is new."""
    here = provide("bob.pem", "bob.key")
    for part in ("cur", "new", "tmp"):
        (here / "in" / part).mkdir(parents=True)
    for number in range(10):
        (here / "in" / "cur" / f"{number}.x:2,{'S' * (number % 2)}").write_text(MAIL.format(number))
    arguments = ("batch", "encrypt", "-r", "bob.pem", "--again", "--in-place", "in")
    assert _run(*arguments) == (0, "10 encrypted, 0 failed\n")
    names = sorted(path.name for path in (here / "in" / "cur").iterdir())
    assert [name.partition("-smime")[0] for name in names] == [f"{number}.x" for number in range(10)]
    assert [name.partition(":2,")[2] for name in names] == ["S" * (number % 2) for number in range(10)]
    (here / "in" / "cur" / names[0]).rename(here / "in" / "cur" / (names[0] + "F"))
    (here / "in" / "new" / "another").write_text(MAIL.format("new"))
    assert _run(*arguments) == (0, "1 encrypted, 0 failed, 10 left as earlier runs had them\n")
    assert _run("batch", "decrypt", "-i", "bob.key", "--in-place", "in") == (0, "11 decrypted, 0 failed\n")
    bodies = sorted(path.read_text().split("\n")[-2] for path in (here / "in").rglob("*") if path.is_file())
    assert bodies == sorted(f"This is letter {number}." for number in [*range(10), "new"])


def _archive(path: Path, entries: dict[str, bytes]) -> None:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for name, data in entries.items():
                target.writestr(name, data)
        return
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


@pytest.mark.parametrize("name", ["in.zip", "in.tar", "in.tar.gz"])
def test_archives(provide: Callable[..., Path], name: str) -> None:
    """Mails in an archive are read; those whose names lead elsewhere, and doubled ones, are refused by name."""
    here = provide("bob.pem", "bob.key")
    good = {f"{number:02}.eml": MAIL.format(number).encode() for number in range(12)}
    bad = dict.fromkeys(("../out.eml", "/srv/absolute.eml", "a/../../b.eml", ".hidden.eml"), MAIL.format(0).encode())
    _archive(here / name, {**good, **bad, "notes.txt": b"no mail"})
    status, said = _run("batch", "encrypt", "-r", "bob.pem", name, "sealed", "--report", "report.jsonl")
    assert (status, said.split("\n")[0]) == (1, "12 encrypted, 4 failed")
    lines = [json.loads(line) for line in (here / "report.jsonl").read_text().splitlines()]
    assert {line["name"] for line in lines if line["state"] == "failed"} == bad.keys()
    assert _run("batch", "decrypt", "-i", "bob.key", "sealed", "out")[0] == 0
    assert _letters(here / "out") == EXPECTED


def test_links_devices_and_bombs_in_archives(provide: Callable[..., Path]) -> None:
    """What is no file, and what grows beyond measure, is refused; the mail beside it is read."""
    here = provide("bob.pem")
    with tarfile.open(here / "in.tar", "w") as archive:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("device", tarfile.CHRTYPE)):
            entry = tarfile.TarInfo(f"{name}.eml")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        good = tarfile.TarInfo("good.eml")
        good.size = len(MAIL)
        archive.addfile(good, io.BytesIO(MAIL.encode()))
    status, said = _run("batch", "encrypt", "-r", "bob.pem", "in.tar", "tarred")
    assert (status, said.split("\n")[0]) == (1, "1 encrypted, 3 failed")
    assert "2 failed: it is a link in the archive\n" in said
    assert "1 failed: it is a device in the archive\n" in said

    _archive(here / "in.zip", {"bomb.eml": MAIL.encode() + bytes(20 << 20), "good.eml": MAIL.encode()})
    link = zipfile.ZipInfo("link.eml")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(here / "in.zip", "a") as zipped:
        zipped.writestr(link, "/etc/passwd")
    status, said = _run("batch", "encrypt", "-r", "bob.pem", "in.zip", "zipped")
    assert (status, said.split("\n")[0]) == (1, "1 encrypted, 2 failed")
    assert "it grows to more than 200 times its size in the archive" in said
    assert "it is a link or a device in the archive" in said

    _archive(here / "bomb.tar.gz", {"good.eml": MAIL.encode(), "bomb.eml": bytes(20 << 20)})
    status, said = _run("batch", "encrypt", "-r", "bob.pem", "bomb.tar.gz", "bombed")
    assert status == 1
    assert "bomb.tar.gz: it grows to more than 200 times its size" in said


def test_a_damaged_entry_fails_alone(provide: Callable[..., Path]) -> None:
    """One entry of a zip that does not unpack leaves the others as they are."""
    here = provide("bob.pem")
    _archive(here / "in.zip", {f"{number}.eml": MAIL.format(number).encode() for number in range(5)})
    data = bytearray((here / "in.zip").read_bytes())
    at = data.index(b"2.eml") + 20
    data[at : at + 8] = bytes(8)
    (here / "in.zip").write_bytes(data)
    status, said = _run("batch", "encrypt", "-r", "bob.pem", "in.zip", "out")
    assert (status, said.split("\n")[0]) == (1, "4 encrypted, 1 failed")
    assert "it cannot be read from the archive: " in said


def test_paths_on_standard_input(provide: Callable[..., Path]) -> None:
    """Files that are named one by one keep their paths; one that is not there fails alone."""
    here = provide("bob.pem", "bob.key")
    _folder(here / "in", 3)
    outside = here.parent / f"{here.name}-outside.eml"
    outside.write_text(MAIL.format("out there"))
    names = f"in/00.eml\nin/01.eml\n./in/01.eml\nmissing.eml\n{outside}\n"
    status, said = _run("batch", "encrypt", "-r", "bob.pem", "-", "out", stdin=names)
    assert (status, said.split("\n")[0]) == (1, "3 encrypted, 1 failed")
    assert "no such file or directory" in said
    made = {str(path.relative_to(here / "out")) for path in (here / "out").rglob("*.eml")}
    assert made == {"in/00.eml", "in/01.eml", str(outside.resolve()).lstrip("/")}


def test_a_list_of_recipients(provide: Callable[..., Path]) -> None:
    """Each payslip is for those in its row, whatever its header says."""
    here = provide()
    for name in ("bob", "carol"):
        assert _run("identity", "new", f"{name}@example.org", "-o", name)[0] == 0
    _folder(here / "in", 2)
    (here / "all.pem").write_bytes((here / "bob.pem").read_bytes() + (here / "carol.pem").read_bytes())
    (here / "list.csv").write_text("file,address\n00.eml,bob@example.org\n01.eml, carol@example.org, bob@example.org\n")
    assert _run("batch", "encrypt", "--certs", "all.pem", "--recipients", "list.csv", "in", "out")[0] == 0
    readers = {
        name: [path for path in ("00.eml", "01.eml") if _run("decrypt", "-i", f"{name}.key", f"out/{path}")[0] == 0]
        for name in ("bob", "carol")
    }
    assert readers == {"bob": ["00.eml", "01.eml"], "carol": ["01.eml"]}


def test_every_row_is_checked_first(provide: Callable[..., Path]) -> None:
    """An unknown file, a doubled row, an address without certificate and a missing row are named, and none is made."""
    here = provide()
    assert _run("identity", "new", "bob@example.org", "-o", "bob")[0] == 0
    _folder(here / "in", 4)
    rows = "00.eml,bob@example.org\n00.eml,bob@example.org\n01.eml,dave@example.org\n07.eml,bob@example.org\n02.eml\n"
    (here / "list.csv").write_text(rows)
    status, said = _run("batch", "encrypt", "--certs", "bob.pem", "--recipients", "list.csv", "in", "out")
    assert status == 1
    for words in (
        "list.csv, line 2: 00.eml is in an earlier row too",
        "list.csv, line 3: dave@example.org: there is no certificate for it",
        "list.csv, line 4: there is no message 07.eml",
        "list.csv, line 5: 02.eml has no address",
        "list.csv: no row is about 03.eml",
    ):
        assert words in said
    assert not (here / "out").exists()


def test_rewrap_gives_a_colleague_access(provide: Callable[..., Path]) -> None:
    """Every message gets a reader more; --reseal moves what was AES-CBC to AES-GCM."""
    here = provide("bob.pem", "bob.key", "carol.pem", "carol.key")
    (here / "in").mkdir()
    certificates = load_certificates((here / "bob.pem").read_bytes())
    for number in range(12):
        sealed = encrypt(MAIL.format(number).encode(), certificates, profile=COMPAT)
        (here / "in" / f"{number:02}.eml").write_bytes(sealed)
    assert _run("batch", "rewrap", "-i", "bob.key", "-r", "carol.pem", "in", "wider") == (
        0,
        "12 rewrapped, 0 failed\n",
    )
    for name in ("bob", "carol"):
        assert _run("batch", "decrypt", "-i", f"{name}.key", "wider", name)[0] == 0
        assert _letters(here / name) == EXPECTED
    reseal = ("--reseal", "--profile", "modern", "-r", "carol.pem")
    assert _run("batch", "rewrap", "-i", "bob.key", *reseal, "--in-place", "wider")[0] == 0
    assert _run("batch", "inspect", "wider", "reports")[0] == 0
    reports = [json.loads(path.read_text()) for path in sorted((here / "reports").iterdir())]
    assert len(reports) == 12
    assert {report["content_type"] for report in reports} == {"auth-enveloped-data"}


def test_session_keys_for_a_legal_hold(provide: Callable[..., Path]) -> None:
    """Each message gets the file that opens it, and no other, for its owner only; one for others fails alone."""
    here = provide("bob.pem", "bob.key", "carol.pem")
    _folder(here / "in", 4)
    (here / "in" / "more").mkdir()
    (here / "in" / "03.eml").rename(here / "in" / "more" / "03.eml")
    assert _run("batch", "encrypt", "-r", "bob.pem", "in", "sealed") == (0, "4 encrypted, 0 failed\n")
    sealed = encrypt(MAIL.format("other").encode(), load_certificates((here / "carol.pem").read_bytes()))
    (here / "sealed" / "other.eml").write_bytes(sealed)
    status, said = _run("batch", "session-key", "-i", "bob.key", "sealed", "keys")
    assert (status, said.split("\n")[0]) == (1, "4 saved, 1 failed")
    made = {str(path.relative_to(here / "keys")): path for path in (here / "keys").rglob("*.key")}
    assert made.keys() == {"00.eml.key", "01.eml.key", "02.eml.key", "more/03.eml.key"}
    assert {path.stat().st_mode & 0o777 for path in made.values()} == {0o600}
    for name, path in made.items():
        message = f"sealed/{name.removesuffix('.key')}"
        assert _run("decrypt", "--session-key", path, message, "-o", "opened.eml")[0] == 0
        assert f"This is letter {int(name[-10:-8])}." in (here / "opened.eml").read_text()
        (here / "opened.eml").unlink()
    assert _run("decrypt", "--session-key", made["00.eml.key"], "sealed/01.eml", "-o", "opened.eml")[0] == 1
    for arguments in (("--in-place", "sealed"), ("sealed", "keys.zip"), ("--target-form", "mbox", "sealed", "k")):
        assert _run("batch", "session-key", "-i", "bob.key", *arguments)[0] == 2
    assert _run("batch", "session-key", "sealed", "others")[0] == 2


def test_verify_tells_who_signed(provide: Callable[..., Path]) -> None:
    """What is accepted gets a report, what is not fails with the verdict."""
    here = provide()
    assert _run("identity", "new", "alice@example.org", "-o", "alice")[0] == 0
    (here / "in").mkdir()
    (here / "letter.eml").write_text(MAIL.format(1))
    assert _run("sign", "-i", "alice.key", "letter.eml", "-o", "in/signed.eml")[0] == 0
    text = (here / "in" / "signed.eml").read_text()
    (here / "in" / "altered.eml").write_text(text.replace("This is letter", "That is letter"))
    status, said = _run("batch", "verify", "--ca", "alice.pem", "in", "verdicts")
    assert (status, said.split("\n")[0]) == (1, "1 accepted, 1 failed")
    assert "1 failed: it is not accepted: broken\n" in said
    report = json.loads((here / "verdicts" / "signed.eml.json").read_text())
    assert [each["verdict"] for each in report["signatures"]] == ["trusted"]
