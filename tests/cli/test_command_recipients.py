"""``-r``: files with several certificates, PKCS#12, mail addresses, folders; and what is passed over."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from cli.root import run
from smime_session import load_certificates, new_identity
from tests.support.making import certificate, pem

if TYPE_CHECKING:
    from pathlib import Path

LETTER: Final = "To: bob@example.org\nSubject: Friday\nMIME-Version: 1.0\nContent-Type: text/plain\n\nAt eight?\n"
NOW: Final = datetime.now(UTC)
DAY: Final = timedelta(days=1)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with Bob's certificates, old and new, Carol's as PKCS#12, and a mail."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    made = {name: new_identity(f"{name}@example.org", key_type="rsa2048") for name in ("bob", "carol", "dana")}
    for name, each in made.items():
        (tmp_path / f"{name}.key").write_bytes(each.private_key_pem + each.certificate_pem)
        (tmp_path / f"{name}.pem").write_bytes(each.certificate_pem)
        (tmp_path / "store" / f"{name}.pem").write_bytes(each.certificate_pem)
    old = new_identity("BOB@example.org", key_type="rsa2048", days=1, at=NOW - 9 * DAY).certificate_pem
    signing = pem(certificate("bob@example.org", start=NOW - DAY, end=NOW + 90 * DAY, usage="digital_signature"))
    (tmp_path / "bobs.pem").write_bytes(old + made["bob"].certificate_pem + signing)
    (tmp_path / "old.pem").write_bytes(old)
    (tmp_path / "mixed.pem").write_bytes(old + made["carol"].certificate_pem)
    key = load_pem_private_key(made["carol"].private_key_pem, None)
    own, issuer = made["carol"].certificate, load_certificates(made["dana"].certificate_pem)[0]
    lock = BestAvailableEncryption(b"open sesame")
    (tmp_path / "carol.p12").write_bytes(pkcs12.serialize_key_and_certificates(b"carol", key, own, [issuer], lock))  # type: ignore[arg-type]  # an RSA key
    (tmp_path / "passphrase.txt").write_bytes(b"open sesame\n")
    (tmp_path / "letter.eml").write_text(LETTER)
    return tmp_path


def _run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
    with CliRunner().isolation(stdin.encode()) as streams:
        status = run(arguments)
        return status, streams[0].getvalue().decode(), streams[1].getvalue().decode()


def _readers(path: str) -> set[str]:
    """Return which of the three can open a message."""
    return {name for name in ("bob", "carol", "dana") if _run("decrypt", "-i", f"{name}.key", path)[0] == 0}


PASSED_OVER: Final = (
    r"Note: bobs\.pem: passed over: certificate of BOB@example\.org \(serial \w+\) expired on [^\n]*\n"
    r"Note: bobs\.pem: passed over: certificate of bob@example\.org \(serial 0x1a2b\) [^\n]*keyEncipherment[^\n]*\n"
)


def test_what_cannot_be_used_is_passed_over_beside_what_can() -> None:
    """An expired and a signing certificate block no recipient if the file has a usable one of the same address."""
    status, _, said = _run("encrypt", "-r", "bobs.pem", "letter.eml", "-o", "out.eml")
    assert status == 0
    assert re.fullmatch(PASSED_OVER, said), said
    assert _readers("out.eml") == {"bob"}
    assert _run("inspect", "--json", "out.eml")[1].count('"index"') == 1


def test_what_cannot_be_used_is_passed_over_by_rewrap() -> None:
    """The same holds for those who are added to a message."""
    assert _run("encrypt", "-r", "carol.pem", "letter.eml", "-o", "out.eml")[0] == 0
    status, _, said = _run("rewrap", "-i", "carol.key", "-r", "bobs.pem", "out.eml", "-o", "out.eml")
    assert status == 0
    assert re.fullmatch(PASSED_OVER, said), said
    assert _readers("out.eml") == {"bob", "carol"}
    assert _run("inspect", "--json", "out.eml")[1].count('"index"') == 2


@pytest.mark.parametrize("files", [["old.pem"], ["old.pem", "bob.pem"], ["mixed.pem"]])
def test_what_cannot_be_used_is_refused_where_its_address_has_nothing_better(files: list[str]) -> None:
    """Alone, or beside a certificate of another address or in another file, it stops everything."""
    arguments = [each for file in files for each in ("-r", file)]
    status, _, said = _run("encrypt", *arguments, "letter.eml")
    assert status == 1
    assert re.match(rf"Error: {files[0]}: certificate of BOB@example\.org [^\n]* expired on", said)


def test_an_address_is_looked_up(folder: Path) -> None:
    """``-r ADDRESS`` adds to those in the mail, looks in ``--certs``, and is nothing without it."""
    assert _run("encrypt", "--certs", "store", "-r", "Dana@example.org", "letter.eml", "-o", "out.eml") == (0, "", "")
    assert _readers("out.eml") == {"bob", "dana"}
    arguments = ("encrypt", "--no-header-recipients", "--certs", "store", "-r", "dana@example.org")
    assert _run(*arguments, "letter.eml", "-o", "one.eml") == (0, "", "")
    assert _readers("one.eml") == {"dana"}
    status, _, said = _run("encrypt", "-r", "dana@example.org", "letter.eml")
    assert (status, said.count("\n")) == (2, 2)
    assert (
        "Error: there is no file dana@example.org, and nothing to look up the address in\nHint: --certs FOLDER" in said
    )
    status, _, said = _run("encrypt", "--certs", "store", "-r", "eve@example.org", "letter.eml")
    assert (status, said) == (1, "Error: eve@example.org: there is no certificate for it\n")
    (folder / "dana@example.org").write_bytes((folder / "bob.pem").read_bytes())
    assert _run("encrypt", "-r", "dana@example.org", "letter.eml", "-o", "file.eml")[0] == 0
    assert _readers("file.eml") == {"bob"}


def test_a_dry_run_tells_of_the_addresses_that_are_added() -> None:
    """The report has them beside those in the mail."""
    status, report, _ = _run("encrypt", "--dry-run", "--certs", "store", "-r", "dana@example.org", "letter.eml")
    assert status == 0
    assert [line.partition(":")[0] for line in report.splitlines()] == ["bob@example.org", "dana@example.org"]


def test_a_folder_is_looked_in() -> None:
    """``-r FOLDER`` finds those whom the mail is addressed to, as ``--certs`` does."""
    assert _run("encrypt", "-r", "store", "letter.eml", "-o", "out.eml") == (0, "", "")
    assert _readers("out.eml") == {"bob"}
    assert _run("encrypt", "-r", "store", "-r", "carol@example.org", "letter.eml", "-o", "out.eml") == (0, "", "")
    assert _readers("out.eml") == {"bob", "carol"}
    assert _run("encrypt", "-r", "store", "--to", "dana@example.org", "letter.eml", "-o", "out.eml") == (0, "", "")
    assert _readers("out.eml") == {"dana"}


def test_rewrap_looks_an_address_up_in_its_certificates() -> None:
    """``-r ADDRESS`` looks where ``--remove ADDRESS`` does."""
    assert _run("encrypt", "-r", "bob.pem", "letter.eml", "-o", "out.eml")[0] == 0
    arguments = ("rewrap", "-i", "bob.key", "-r", "dana@example.org", "out.eml", "-o", "wide.eml")
    status, _, said = _run(*arguments)
    assert (status, "Hint: --certificates FILE" in said) == (2, True)
    assert _run(*arguments, "--certificates", "dana.pem") == (0, "", "")
    assert _readers("wide.eml") == {"bob", "dana"}
    status, _, said = _run(*arguments, "--certificates", "carol.pem")
    assert (status, said) == (1, "Error: dana@example.org: there is no certificate for it\n")


def test_a_removed_address_that_is_not_known_gets_a_hint() -> None:
    """Whose certificate is not at hand is named by a file after ``--certificates``."""
    assert _run("encrypt", "-r", "bob.pem", "-r", "dana.pem", "letter.eml", "-o", "out.eml")[0] == 0
    status, _, said = _run("rewrap", "--remove", "dana@example.org", "out.eml")
    assert status == 1
    assert said.endswith("\nHint: --certificates FILE names a file with the certificate of that address\n")


def test_pkcs12_gives_its_own_certificate() -> None:
    """Of a PKCS#12 file the certificate of its key is taken and no other; ``--passphrase-file`` unlocks it."""
    unlocked = ("-r", "carol.p12", "--passphrase-file", "passphrase.txt")
    assert _run("encrypt", *unlocked, "letter.eml", "-o", "out.eml") == (0, "", "")
    assert _readers("out.eml") == {"carol"}
    assert _run("encrypt", "-r", "bob.pem", "letter.eml", "-o", "out.eml")[0] == 0
    assert _run("rewrap", "-i", "bob.key", *unlocked, "out.eml", "-o", "wide.eml") == (0, "", "")
    assert _readers("wide.eml") == {"bob", "carol"}
    status, shown, _ = _run("inspect", *unlocked, "wide.eml")
    assert (status, "certificate: carol@example.org" in shown) == (0, True)


def test_a_locked_pkcs12_file_is_named() -> None:
    """Without its passphrase it is locked, and with another one too."""
    status, _, said = _run("encrypt", "-r", "carol.p12", "letter.eml")
    assert (status, said.partition("\n")[0]) == (1, "Error: carol.p12: the private key is locked with a passphrase")
    assert "Hint: it is asked for on a terminal; --passphrase-file" in said
    status, _, said = _run("encrypt", "-r", "carol.p12", "--passphrase-file", "letter.eml", "letter.eml")
    assert (status, said) == (1, "Error: carol.p12: the passphrase does not unlock the private key\n")


@pytest.mark.parametrize("command", [["encrypt"], ["rewrap", "-i", "bob.key"], ["inspect"]])
def test_several_files_after_one_option_get_a_hint(command: list[str]) -> None:
    """``-r *.pem`` arrives as several arguments."""
    status, _, said = _run(*command, "-r", "bob.pem", "carol.pem", "dana.pem", "letter.eml")
    assert status == 2
    assert said.startswith("Error: unexpected arguments: dana.pem letter.eml\nHint: ")
    assert said.endswith(" takes one value; for several, repeat it: -r ONE -r TWO\n")


def test_a_certificate_in_place_of_the_message_gets_the_same_hint() -> None:
    """Two files that an asterisk stands for leave one argument too many, which is then the message."""
    status, _, said = _run("encrypt", "-r", "bob.pem", "carol.pem")
    assert (status, said.count("\n")) == (1, 2)
    assert said.startswith("Error: carol.pem: this is not a mail")
    assert said.endswith("\nHint: for several certificates, repeat the option: -r ONE -r TWO\n")


def test_an_argument_too_many_is_misuse() -> None:
    """Without such an option the hint is the usual one."""
    status, _, said = _run("certs", "check", "store", "more")
    assert (status, said.partition("\n")[0]) == (2, "Error: unexpected arguments: more")


def test_a_certificate_that_soon_expires_is_named(folder: Path) -> None:
    """The sender learns of it in time, wherever it was found; ``--quiet`` says nothing."""
    soon = new_identity("dana@example.org", key_type="p256", days=29)
    (folder / "soon.pem").write_bytes(soon.certificate_pem)
    (folder / "store" / "dana.pem").write_bytes(soon.certificate_pem)
    words = r"Note: certificate of dana@example\.org \(serial \w+\) expires on \d{4}-\d\d-\d\d\n"
    for arguments in (("-r", "soon.pem"), ("--certs", "store", "--to", "dana@example.org")):
        status, _, said = _run("encrypt", *arguments, "letter.eml", "-o", "out.eml")
        assert (status, bool(re.fullmatch(words, said))) == (0, True), said
        assert _run("encrypt", "-q", *arguments, "letter.eml", "-o", "out.eml")[2] == ""
    assert _run("encrypt", "-r", "bob.pem", "letter.eml", "-o", "out.eml")[2] == ""
    status, _, said = _run("rewrap", "-i", "bob.key", "-r", "soon.pem", "out.eml", "-o", "out.eml")
    assert (status, bool(re.fullmatch(words, said))) == (0, True), said


def test_of_many_certificates_that_soon_expire_some_are_named(folder: Path) -> None:
    """The rest are counted."""
    made = [new_identity(f"{number}@example.org", key_type="p256", days=9).certificate_pem for number in range(5)]
    (folder / "many.pem").write_bytes(b"".join(made))
    notes = _run("encrypt", "-r", "many.pem", "letter.eml", "-o", "out.eml")[2].splitlines()
    assert len(notes) == 4
    assert notes[-1] == "Note: 2 more certificates expire within 30 days"
