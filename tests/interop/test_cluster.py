"""Runs on a real Dask cluster: a scheduler and workers in processes of their own, with TLS, of which some are killed.

``SMIME_SESSION_MAILS=20000`` makes the run as large as that, and kills both workers.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from smime_session import BatchError, decrypt, load_identities
from smime_session.batch import Cluster, Journal, journal_beside
from tests.interop.peers.everyone import report_missing
from tests.support.clusters import Members, credentials_in, make_credentials, members
from tests.support.killing import ROOT, command

if TYPE_CHECKING:
    from pathlib import Path

MAILS: Final = int(os.environ.get("SMIME_SESSION_MAILS", "400"))
SAMPLE: Final = 200 if MAILS > 400 else 10
BODY: Final = "This is letter {0}.\r\n"
MAIL: Final = "From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Number {0}\r\n\r\n" + BODY


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a CA, a certificate of it for the cluster, and one of its own for a recipient."""
    if find_spec("distributed") is None:
        report_missing("Dask", ["distributed"])
    folder = tmp_path_factory.mktemp("people")
    make_credentials(folder)
    _run("identity", "new", "bob@example.org", "--type", "rsa2048", "-o", "bob", folder=folder)
    return folder


def _run(*words: str | Path, folder: Path, status: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command(*words), cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stderr


def _written(folder: Path, count: int) -> None:
    for number in range(count):
        path = folder / f"{number % 7}" / f"{number}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MAIL.format(number).encode())


def _kill_in_the_middle(run: subprocess.Popen[str], cluster: Members, target: Path, kills: int) -> None:
    """Kill workers, one after the other, once some of the mails were made; another takes its place each time."""
    for kill in range(kills):
        wanted = (kill + 1) * MAILS // (kills + 3)
        while run.poll() is None and sum(1 for _ in target.glob("*/*.eml")) < wanted:
            time.sleep(0.01)
        assert run.poll() is None, "the run was over before a worker was killed"
        cluster.workers[kill].kill()
        cluster.start_worker()


def test_each_message_is_there_once_though_workers_are_killed(people: Path, tmp_path: Path) -> None:
    """All are encrypted and decrypted, byte for byte, and OpenSSL opens a sample; the logs tell nothing of keys."""
    _written(tmp_path / "in", MAILS)
    kills = 2 if MAILS > 400 else 1
    with members(tmp_path / "cluster", credentials_in(people), 2) as cluster:
        words = ["batch", "encrypt", "-r", str(people / "bob.pem"), "in", "sealed", *cluster.options()]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        began = time.monotonic()
        with subprocess.Popen(command(*words), cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as run:
            _kill_in_the_middle(run, cluster, tmp_path / "sealed", kills)
            said = run.communicate(timeout=900)[1]
        assert run.returncode == 0, said + cluster.logs()
        assert f"{MAILS:,} encrypted, 0 failed" in said
        sealed_in = time.monotonic() - began
        _check_sealed(people, tmp_path)
        began = time.monotonic()
        _run("batch", "decrypt", "-i", people / "bob.key", "sealed", "opened", *cluster.options(), folder=tmp_path)
        print(f"{MAILS:,} mails: encrypted in {sealed_in:.1f} s, decrypted in {time.monotonic() - began:.1f} s")  # noqa: T201
        logs = cluster.logs()
    opened = {
        str(path.relative_to(tmp_path / "opened")): path.read_bytes() for path in (tmp_path / "opened").rglob("*.eml")
    }
    assert len(opened) == MAILS
    for number in range(MAILS):
        assert opened[f"{number % 7}/{number}.eml"].endswith(b"\r\n\r\n" + BODY.format(number).encode())
    key = load_pem_private_key((people / "bob.key").read_bytes(), None)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert repr(der)[200:240] not in logs
    assert "Traceback" not in logs.replace("CommClosedError", "")


def _check_sealed(people: Path, folder: Path) -> None:
    """Check what was encrypted against the journal, with the library, and a sample with OpenSSL."""
    with Journal(journal_beside(folder / "sealed")) as journal:
        entries = {entry.place: entry for entry in journal.entries("done")}
    files = [path for path in (folder / "sealed").rglob("*") if path.is_file()]
    assert {str(path.relative_to(folder / "sealed")) for path in files} == set(entries)
    assert len(files) == MAILS
    bob = load_identities((people / "bob.key").read_bytes())
    for path in files:
        assert decrypt(path.read_bytes(), bob).message.endswith(BODY.format(path.stem).encode())
    for path in files[:: max(1, MAILS // SAMPLE)]:
        done = subprocess.run(
            ["openssl", "cms", "-decrypt", "-in", path, "-inkey", people / "bob.key", "-recip", people / "bob.pem"],
            capture_output=True,
            check=True,
        )
        assert BODY.format(path.stem).encode() in done.stdout


def test_private_keys_travel_through_tls_alone(people: Path, tmp_path: Path) -> None:
    """Without TLS, decrypting is refused and nothing is begun; encrypting needs none. Signing never goes there."""
    _written(tmp_path / "in", 5)
    with members(tmp_path / "cluster", None, 1) as cluster:
        _run("batch", "encrypt", "-r", people / "bob.pem", "in", "sealed", *cluster.options(), folder=tmp_path)
        words = ["batch", "decrypt", "-i", str(people / "bob.key"), "sealed", "opened", *cluster.options()]
        said = _run(*words, folder=tmp_path, status=1)
        assert "private keys travel only through TLS" in " ".join(said.split())
        assert not (tmp_path / "opened").exists()
        assert not journal_beside(tmp_path / "opened").exists()
        words = ["batch", "encrypt", "-r", str(people / "bob.pem"), "--password-file", "secret", "in", "other"]
        (tmp_path / "secret").write_text("correct horse battery staple\n")
        said = _run(*words, *cluster.options(), folder=tmp_path, status=1)
        assert "only for what reads" in " ".join(said.split())


def test_a_cluster_that_is_not_there(people: Path) -> None:
    """One sentence says so."""
    cluster = Cluster("tls://127.0.0.1:1", credentials_in(people), patience=1)
    with cluster, pytest.raises(BatchError, match="cannot be reached"):
        cluster(1)


def test_a_report_tells_of_each_message(people: Path, tmp_path: Path) -> None:
    """What fails at a worker is reported here, and the others go on."""
    _written(tmp_path / "in", 20)
    (tmp_path / "in" / "broken.eml").write_bytes(b"no mail")
    with members(tmp_path / "cluster", credentials_in(people), 1) as cluster:
        words = ["batch", "decrypt", "-i", str(people / "bob.key"), "in", "out", "--report", "told", *cluster.options()]
        said = _run(*words, folder=tmp_path, status=1)
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert {each["state"] for each in told} == {"failed"}
    assert len(told) == 21
    assert "21 of 21 messages failed" in said
