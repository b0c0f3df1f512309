"""``batch`` with a cluster, URLs and a journal elsewhere: what is refused before anything is begun, and the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli.root import run
from smime_session import new_identity

if TYPE_CHECKING:
    from pathlib import Path


def _run(*words: str) -> tuple[int, str]:
    with CliRunner().isolation() as streams:
        status = run(["batch", *words])
        return status, " ".join(streams[1].getvalue().decode().split())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make mails and a recipient in the current folder."""
    monkeypatch.chdir(tmp_path)
    bob = new_identity("bob@example.org", key_type="p256")
    (tmp_path / "bob.pem").write_bytes(bob.certificate_pem)
    (tmp_path / "bob.key").write_bytes(bob.private_key_pem + bob.certificate_pem)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.eml").write_text("From: a@example.org\nTo: bob@example.org\n\nHello\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("in", "memory://out"), "memory:// is seen by one process alone"),
        (("s3://me:secret@bucket/in", "out"), "no credentials"),
        (("in", "sftp://example.org/out"), "sftp:// is no target"),
        (("s3://bucket/in", "s3://bucket/in/out"), "would be worked on too"),
        (("s3://bucket/in", "--in-place"), "a folder or a Maildir"),
        (("in", "s3://bucket/out", "--target-form", "mbox"), "TARGET is a folder"),
        (("in", "out", "--cluster", "tcp://127.0.0.1:1", "--target-form", "mbox"), "TARGET is a folder"),
        (("in", "--in-place", "--cluster", "tcp://127.0.0.1:1"), "without --cluster"),
        (("in", "out", "--cluster-ca", "bob.pem"), "--cluster names it"),
        (("in", "out", "--cluster", "tls://127.0.0.1:1", "--cluster-ca", "bob.pem"), "takes all of"),
        (("in", "out", "--cluster", "tls://127.0.0.1:1"), "wants TLS"),
        (("in", "out", "--journal", "in"), "no folder for a journal"),
        (("in", "out", "--journal", "absent/journal"), "there is no folder"),
    ],
)
def test_what_is_refused(here: Path, words: tuple[str, ...], told: str) -> None:
    """Nothing is made then, and no credentials are shown."""
    before = sorted(here.rglob("*"))
    status, said = _run("encrypt", "-r", "bob.pem", *words)
    assert status in (1, 2)
    assert told in said
    assert "secret" not in said
    assert sorted(here.rglob("*")) == before


def test_private_keys_travel_through_tls_alone(here: Path) -> None:
    """Without it, nothing is begun, nor is anything connected."""
    before = sorted(here.rglob("*"))
    status, said = _run("decrypt", "-i", "bob.key", "in", "out", "--cluster", "tcp://127.0.0.1:1")
    assert status == 1
    assert "private keys travel only through TLS, and tcp://127.0.0.1:1 is without" in said
    assert sorted(here.rglob("*")) == before


def test_inspecting_sends_no_private_key(here: Path) -> None:
    """It reads no message; certificates do for it."""
    status, said = _run("inspect", "-i", "bob.key", "in", "out", "--cluster", "tcp://127.0.0.1:1")
    assert status == 1
    assert "only for what reads" in said
    assert not (here / "out").exists()


def test_a_journal_elsewhere(here: Path) -> None:
    """It knows its target, and is for no other."""
    words = ["encrypt", "-r", "bob.pem", "--journal", "kept", "in"]
    assert _run(*words, "out")[0] == 0
    assert (here / "kept" / "journal.sqlite").exists()
    assert not (here / ".out.smime-session").exists()
    assert "1 left as earlier runs had them" in _run(*words, "out")[1]
    status, said = _run(*words, "other")
    assert status == 1
    assert "begun with other options: TARGET" in said


def test_a_file_url_is_a_folder(here: Path) -> None:
    """All that holds for folders holds for it."""
    assert _run("encrypt", "-r", "bob.pem", f"file://{here}/in", f"file://{here}/out")[0] == 0
    assert (here / "out" / "a.eml").exists()
