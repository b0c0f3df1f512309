"""``--ca``: who gets a mail, which certificates are found and which are named, by whom is trusted."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from threading import Thread
from typing import TYPE_CHECKING, Final

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding

from cli.root import run
from smime_session import inspect
from tests.support.chains import Authority, Period, root
from tests.support.making import DAY, key_usage, pem

if TYPE_CHECKING:
    from pathlib import Path

NOW: Final = datetime.now(UTC)
VALID: Final[Period] = {"start": NOW - 30 * DAY, "end": NOW + 90 * DAY}
MAIL: Final = "To: bob@example.org\nSubject: Friday\n\nAt eight?\n"
FOREIGN: Final = "has an issuer that is neither among the roots that are trusted nor among the certificates with it"


@pytest.fixture
def ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """A root, an issuer, certificates of both and of another root, and a mail; all in files."""
    monkeypatch.chdir(tmp_path)
    ca = root(**VALID)
    issuing = ca.below(extensions=[(key_usage("key_cert_sign", "crl_sign"), True)], **VALID)
    bob = issuing.issue("bob@example.org", **VALID)
    (tmp_path / "roots").mkdir()
    (tmp_path / "roots/ca.pem").write_bytes(pem(ca.certificate))
    (tmp_path / "bob.pem").write_bytes(pem(bob))
    (tmp_path / "chain.pem").write_bytes(pem(bob) + pem(issuing.certificate))
    (tmp_path / "other.pem").write_bytes(pem(root("Other", **VALID).issue("bob@example.org", **VALID)))
    (tmp_path / "carol.pem").write_bytes(pem(ca.issue("carol@example.org", **VALID)))
    for name, revoked in (("none", ()), ("bob", (bob,))):
        crl = issuing.crl(*revoked, start=NOW - DAY, end=NOW + DAY)
        (tmp_path / f"{name}.crl").write_bytes(crl.public_bytes(Encoding.PEM))
    (tmp_path / "letter.eml").write_text(MAIL)
    return ca


def _run(*arguments: str) -> tuple[int, str, str]:
    with CliRunner().isolation() as streams:
        status = run(arguments)
        return status, streams[0].getvalue().decode(), streams[1].getvalue().decode()


def _encrypt(*arguments: str) -> tuple[int, str]:
    status, _, words = _run("encrypt", *arguments, "letter.eml", "-o", "out.eml")
    return status, words


def test_recipients_must_be_trusted(ca: Authority, tmp_path: Path) -> None:
    """With roots; without them, chains are not looked at."""
    assert ca
    status, words = _encrypt("--ca", "roots", "-r", "chain.pem", "-r", "other.pem")
    assert status == 1
    assert words.startswith("Error: other.pem: certificate of bob@example.org (serial ")
    assert words.endswith(f") {FOREIGN}\n")
    assert not (tmp_path / "out.eml").exists()
    assert _encrypt("-r", "chain.pem", "-r", "other.pem")[0] == 0
    assert _encrypt("--ca", "roots/ca.pem", "-r", "chain.pem", "-r", "carol.pem")[0] == 0
    assert _encrypt("--ca", "roots", "--ca", "other.pem", "-r", "chain.pem", "-r", "other.pem")[0] == 0
    assert FOREIGN in _encrypt("--ca", "roots", "-r", "bob.pem")[1]


def test_revoked_recipients_are_refused(ca: Authority) -> None:
    """By a list of their issuer; one who is on no list of an issuer may have been revoked."""
    assert ca
    assert _encrypt("--ca", "roots", "--crl", "none.crl", "-r", "chain.pem")[0] == 0
    status, words = _encrypt("--ca", "roots", "--crl", "none.crl", "--crl", "bob.crl", "-r", "chain.pem")
    assert status == 1
    assert words.endswith(f" was revoked on {NOW - 2 * DAY:%Y-%m-%d}\n")
    status, words = _encrypt("--ca", "roots", "--crl", "none.crl", "-r", "carol.pem")
    assert status == 1
    assert words.endswith(" may have been revoked: no revocation list of its issuer was given\n")
    status, words = _encrypt("--ca", "roots", "--ocsp", "-r", "carol.pem")
    assert status == 1
    assert words.endswith(" may have been revoked: it names no OCSP responder with an http or https address\n")


def test_recipients_by_address_must_be_trusted(ca: Authority, tmp_path: Path) -> None:
    """What is not trusted is passed over in a folder, and named in the report."""
    (tmp_path / "store").mkdir()
    for name in ("bob", "other"):
        (tmp_path / f"store/{name}.pem").write_bytes((tmp_path / f"{name}.pem").read_bytes())
    (tmp_path / "store/new.pem").write_bytes(pem(ca.issue("bob@example.org", **VALID)))
    assert _encrypt("--ca", "roots", "--certs", "store")[0] == 0
    _, report, _ = _run("encrypt", "--ca", "roots", "--certs", "store", "--dry-run", "letter.eml")
    assert report.count(FOREIGN) == 2
    (tmp_path / "store/new.pem").unlink()
    status, words = _encrypt("--ca", "roots", "--certs", "store")
    assert status == 1
    assert words.count(FOREIGN) == 2
    status, report, _ = _run("certs", "find", "--ca", "roots", "--certs", "store", "bob@example.org")
    assert status == 1
    assert report.count(FOREIGN) == 2


def test_certificates_in_a_folder_are_checked(ca: Authority, tmp_path: Path) -> None:
    """Issuers are found in the folder; what is not trusted, or revoked, is named."""
    assert ca
    (tmp_path / "store").mkdir()
    for name in ("chain", "other"):
        (tmp_path / f"store/{name}.pem").write_bytes((tmp_path / f"{name}.pem").read_bytes())
    assert _run("certs", "check", "store")[:2] == (0, "")
    status, report, _ = _run("certs", "check", "--ca", "roots", "store")
    assert status == 1
    (line,) = report.splitlines()
    assert line.startswith("other.pem: certificate of bob@example.org ")
    assert line.endswith(FOREIGN)
    (tmp_path / "store/other.pem").unlink()
    assert _run("certs", "check", "--ca", "roots", "store")[:2] == (0, "")
    status, report, _ = _run("certs", "check", "--ca", "roots", "--crl", "bob.crl", "store")
    assert status == 1
    assert "chain.pem: certificate of bob@example.org " in report
    assert f" was revoked on {NOW - 2 * DAY:%Y-%m-%d}\n" in report


def test_options_that_do_not_go_together(ca: Authority, tmp_path: Path) -> None:
    """Lists without roots, and an output that would replace a root."""
    assert ca
    for arguments in (("--crl", "none.crl"), ("--ocsp",)):
        words = (
            f"Error: {arguments[0]} is about certificates of trusted issuers\nHint: --ca ROOTS says which are trusted\n"
        )
        assert _encrypt(*arguments, "-r", "bob.pem") == (2, words)
    status, _, words = _run("encrypt", "--ca", "roots/ca.pem", "-r", "carol.pem", "letter.eml", "-o", "roots/ca.pem")
    assert status == 2
    assert words.startswith("Error: -o would replace roots/ca.pem, which --ca reads\n")
    assert b"CERTIFICATE" in (tmp_path / "roots/ca.pem").read_bytes()


def test_files_that_hold_none(ca: Authority) -> None:
    """A mail in place of roots, a certificate in place of lists, a file that is not there."""
    assert ca
    assert _encrypt("--ca", "letter.eml", "-r", "bob.pem") == (
        1,
        "Error: letter.eml: this is a mail, not a certificate\n",
    )
    assert _encrypt("--ca", "roots", "--crl", "bob.pem", "-r", "bob.pem") == (
        1,
        "Error: bob.pem: this is a certificate, not a revocation list\n",
    )
    assert _encrypt("--ca", "missing", "-r", "bob.pem") == (1, "Error: missing: no such file or directory\n")


def test_verbose_says_whether_chains_were_checked(ca: Authority) -> None:
    """Of certificates; a password has no chain."""
    assert ca
    unchecked = "Note: the certificates were not checked against trusted roots: --ca ROOTS says which are trusted\n"
    checked = "Note: each certificate has a chain to a trusted root\n"
    assert unchecked in _encrypt("-v", "-r", "bob.pem")[1]
    assert unchecked not in _encrypt("-r", "bob.pem")[1]
    assert checked in _encrypt("-v", "--ca", "roots", "-r", "chain.pem")[1]
    _, words = _encrypt("-v", "--password-file", "letter.eml")
    assert unchecked not in words
    assert "Note: the content is encrypted with" in words


def test_new_readers_must_be_trusted(ca: Authority, tmp_path: Path) -> None:
    """By file or by address; one who is not trusted does not slip in beside one of the same address who is."""
    (tmp_path / "pw").write_text("correct horse battery staple")
    assert _encrypt("--password-file", "pw")[0] == 0
    rewrapping = ("rewrap", "--password-file", "pw", "out.eml", "-o", "wider.eml", "--ca", "roots")
    status, _, words = _run(*rewrapping, "-r", "other.pem")
    assert (status, FOREIGN in words) == (1, True)
    assert not (tmp_path / "wider.eml").exists()
    both = (tmp_path / "other.pem").read_bytes() + pem(ca.issue("bob@example.org", **VALID))
    (tmp_path / "both.pem").write_bytes(both)
    status, _, words = _run(*rewrapping, "-r", "both.pem")
    assert (status, words.startswith("Note: both.pem: passed over: certificate of bob@example.org ")) == (0, True)
    assert len(inspect((tmp_path / "wider.eml").read_bytes()).recipients) == 2
    assert _run(*rewrapping, "-r", "chain.pem")[0] == 0
    assert _run(*rewrapping, "--crl", "bob.crl", "-r", "chain.pem")[0] == 1
    by_address = ("--certificates", "other.pem", "-r", "bob@example.org")
    status, _, words = _run(*rewrapping, *by_address)
    assert (status, FOREIGN in words) == (1, True)
    os.mkfifo(tmp_path / "pipe")
    thread = Thread(target=(tmp_path / "pipe").write_bytes, args=((tmp_path / "other.pem").read_bytes(),))
    thread.start()
    status, _, words = _run(*rewrapping, "-r", "pipe")
    thread.join()
    assert (status, words.startswith("Error: with --ca, the certificates of recipients are in files\n")) == (2, True)
