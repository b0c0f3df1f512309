"""``certs``, and recipients by address: what is found, written and said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli.root import run
from smime_session import new_identity

if TYPE_CHECKING:
    from pathlib import Path

MAIL = (
    "To: Bob <bob@example.org>, carol@example.org\nSubject: Friday\n"
    "MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n\nAt eight?\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store of certificates, their keys beside it, and a mail."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    for name in ("bob", "carol", "dana", "erin"):
        made = new_identity(f"{name}@example.org", key_type="p256")
        (tmp_path / f"{name}.key").write_bytes(made.private_key_pem + made.certificate_pem)
        if name != "erin":
            (tmp_path / "store" / f"{name}.pem").write_bytes(made.certificate_pem)
    old = new_identity("dana@example.org", key_type="p256", days=1, at=datetime.now(UTC) - timedelta(days=9))
    (tmp_path / "store" / "old.pem").write_bytes(old.certificate_pem)
    (tmp_path / "letter.eml").write_text(MAIL)
    return tmp_path


def _run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
    with CliRunner().isolation(stdin.encode()) as streams:
        status = run(arguments)
        return status, streams[0].getvalue().decode(), streams[1].getvalue().decode()


def test_recipients_are_found_by_the_addresses_in_the_mail(folder: Path) -> None:
    """Both who are named in To can read it, and nobody else; ``--self`` adds the sender."""
    assert _run("encrypt", "--certs", "store", "--self", "erin.key", "letter.eml", "-o", "out.eml") == (0, "", "")
    for name in ("bob", "carol", "erin"):
        assert _run("decrypt", "-i", f"{name}.key", "out.eml")[:2] == (0, MAIL)
    assert _run("decrypt", "-i", "dana.key", "out.eml")[0] == 1
    assert _run("encrypt", "--certs", "store", "-o", "piped.eml", stdin=MAIL)[0] == 0
    assert _run("decrypt", "-i", "carol.key", "piped.eml")[:2] == (0, MAIL)
    assert not list((folder / "store").glob("*.eml"))


def test_addresses_given_take_the_place_of_those_in_the_mail(folder: Path) -> None:
    """``--to`` counts alone; with ``--no-header-recipients`` only ``-r`` does."""
    assert _run("encrypt", "--certs", "store", "--to", "dana@example.org", "letter.eml", "-o", "out.eml")[0] == 0
    assert [_run("decrypt", "-i", f"{name}.key", "out.eml")[0] for name in ("dana", "bob")] == [0, 1]
    arguments = ("encrypt", "--certs", "store", "--no-header-recipients", "-r", "erin.key", "letter.eml", "-o", "2.eml")
    assert _run(*arguments)[0] == 0
    assert [_run("decrypt", "-i", f"{name}.key", "2.eml")[0] for name in ("erin", "bob")] == [0, 1]
    assert (folder / "out.eml").exists()


def test_blind_recipients_get_messages_of_their_own(folder: Path) -> None:
    """A folder gets a message for each envelope and the list of who gets which; anything else is refused."""
    (folder / "blind.eml").write_text("Bcc: dana@example.org\n" + MAIL)
    status, _, stderr = _run("encrypt", "--certs", "store", "blind.eml", "-o", "out.eml")
    assert (status, (folder / "out.eml").exists()) == (2, False)
    assert "-o FOLDER" in stderr
    (folder / "out").mkdir()
    assert _run("encrypt", "--certs", "store", "blind.eml", "-o", "out") == (0, "", "")
    assert json.loads((folder / "out" / "envelopes.json").read_text()) == [
        {"file": "1.eml", "recipients": ["bob@example.org", "carol@example.org"]},
        {"file": "2.eml", "recipients": ["dana@example.org"]},
    ]
    assert _run("decrypt", "-i", "dana.key", "out/2.eml")[:2] == (0, MAIL)
    assert _run("decrypt", "-i", "dana.key", "out/1.eml")[0] == 1
    before = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    assert _run("encrypt", "--certs", "store", "blind.eml", "-o", "out")[0] == 1  # nothing is overwritten
    assert {path.name: path.read_bytes() for path in (folder / "out").iterdir()} == before


def test_nothing_is_written_where_an_address_has_no_certificate(folder: Path) -> None:
    """Every such address is named with its reason; ``--dry-run`` says the same of all, also as JSON."""
    (folder / "letter.eml").write_text(MAIL.replace("carol", "frank"))
    status, _, stderr = _run("encrypt", "--certs", "store", "letter.eml", "-o", "out.eml")
    assert (status, (folder / "out.eml").exists()) == (1, False)
    assert "frank@example.org: there is no certificate for it" in stderr
    status, stdout, _ = _run("encrypt", "--certs", "store", "--dry-run", "--json", "letter.eml")
    report = json.loads(stdout)
    assert status == 1
    assert [(each["address"], len(each["certificates"])) for each in report] == [
        ("bob@example.org", 1),
        ("frank@example.org", 0),
    ]
    assert _run("encrypt", "--certs", "store", "--dry-run", "--to", "dana@example.org", "letter.eml")[0] == 0
    (folder / "none.eml").write_text("From: a@example.org\n\nhi\n")
    for options in ([], ["--json"]):  # without a word, it would look as if all had one
        status, stdout, error = _run("encrypt", "--certs", "store", "--dry-run", *options, "none.eml")
        assert (status, stdout, error) == (1, "", "Error: no recipient was given\n")


@pytest.mark.parametrize("option", [["--to", "a@x"], ["--no-header-recipients"], ["--all-certs"], ["--dry-run"]])
def test_options_by_address_need_certificates(folder: Path, option: list[str]) -> None:
    """Without ``--certs`` they are misuse, and the hint says what is missing."""
    status, _, stderr = _run("encrypt", "-r", "bob.key", *option, "letter.eml", "-o", "out.eml")
    assert (status, (folder / "out.eml").exists()) == (2, False)
    assert "--certs FOLDER" in stderr


def test_certs_find_shows_what_is_chosen_and_what_is_not(folder: Path) -> None:
    """One certificate of two, and the reason against the other; exit status 1 where there is none."""
    status, stdout, _ = _run("certs", "find", "DANA@example.org", "--certs", "store", "-o", "dana.pem")
    assert status == 0
    assert "valid until" in stdout
    assert "passed over" in stdout
    assert "expired on" in stdout
    assert (folder / "dana.pem").read_bytes() == (folder / "store" / "dana.pem").read_bytes()
    assert _run("certs", "find", "frank@example.org", "--certs", "store")[0] == 1
    status, stdout, _ = _run("certs", "find", "bob@example.org", "--certs", "bob.key", "--json")
    assert (status, json.loads(stdout)[0]["address"]) == (0, "bob@example.org")


def test_certificates_on_standard_output_stand_alone(folder: Path) -> None:
    """Which were chosen is told on standard error then, and JSON would be in their way."""
    pem = (folder / "store" / "bob.pem").read_text()
    status, stdout, stderr = _run("certs", "find", "bob@example.org", "--certs", "store", "-o", "-")
    assert (status, stdout.split(), stderr[:17]) == (0, pem.split(), "bob@example.org: ")
    status, stdout, stderr = _run("certs", "find", "bob@example.org", "--certs", "store", "-o", "-", "--json")
    assert (status, stdout) == (2, "")
    assert stderr.startswith("Error: both the certificates and JSON would go to standard output\nHint: -o FILE")


def test_certs_are_listed_added_and_checked(folder: Path) -> None:
    """What is added is there once; what has expired is named, with exit status 1."""
    status, stdout, _ = _run("certs", "list", "store")
    assert status == 0
    assert [line.partition(":")[0] for line in stdout.splitlines()] == ["bob.pem", "carol.pem", "dana.pem", "old.pem"]
    assert "Wrote store/erin@example.org-" in _run("certs", "add", "store", "erin.key")[2]
    assert _run("certs", "add", "store", "erin.key") == (0, "", "")
    status, stdout, _ = _run("certs", "check", "store")
    assert (status, len(stdout.splitlines())) == (1, 1)
    assert stdout.startswith("old.pem: ")
    (folder / "store" / "old.pem").unlink()
    assert _run("certs", "check", "store") == (0, "", "")
    assert len(_run("certs", "check", "store", "--days", "1000")[1].splitlines()) == 4
    assert _run("certs", "list", "letter.eml")[0] == 1
