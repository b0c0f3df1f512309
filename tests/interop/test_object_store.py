"""Runs from and to a real server of S3 on the loopback, by several processes; ``SMIME_SESSION_MAILS=2000`` for more."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.interop.peers.everyone import report_missing
from tests.support.killing import ROOT, command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAILS: Final = int(os.environ.get("SMIME_SESSION_MAILS", "60"))
BODY: Final = "This is letter {0}.\r\n"
MAIL: Final = "From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Number {0}\r\n\r\n" + BODY
SECRET: Final = "not-in-any-text"  # noqa: S105  # of nothing


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Start the server; return what programs take to find it."""
    absent = [name for name in ("moto", "s3fs", "flask", "flask_cors") if find_spec(name) is None]
    if absent:
        report_missing("an S3 server", absent)
    log = tmp_path / "server.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=file,
            stderr=file,
        )
    try:
        end = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": found[0],
        }
    finally:
        server.kill()
        server.wait()


def _run(environment: dict[str, str], folder: Path, *words: str | Path, status: int = 0) -> str:
    done = subprocess.run(
        command(*words), cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == status, done.stderr
    assert SECRET not in done.stderr
    return done.stderr


def _bucket(environment: dict[str, str], code: str) -> str:
    """Run lines of Python that know the store as ``store``; return what they print."""
    head = "import s3fs; store = s3fs.S3FileSystem()\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", head + code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_mails_in_a_bucket(environment: dict[str, str], tmp_path: Path) -> None:
    """All that is in a folder of a bucket is encrypted into another, once, and back; the journal is here."""
    _run(environment, tmp_path, "identity", "new", "bob@example.org", "--type", "rsa2048", "-o", "bob")
    names = [f"{number % 3}/{number}.eml" for number in range(MAILS)]
    fill = f"""
store.mkdir("bucket")
mails = [{MAIL!r}.format(number).encode() for number in range({MAILS})]
store.pipe({{f"bucket/in/{{number % 3}}/{{number}}.eml": mail for number, mail in enumerate(mails)}})
"""
    _bucket(environment, fill)
    words: list[Any] = ["batch", "encrypt", "-r", "bob.pem", "--jobs", "2", "s3://bucket/in", "s3://bucket/sealed"]
    assert f"{MAILS:,} encrypted, 0 failed" in _run(environment, tmp_path, *words)
    assert (tmp_path / ".s3-bucket-sealed.smime-session" / "journal.sqlite").exists()
    listed = _bucket(environment, "print(*sorted(store.find('bucket/sealed')), sep='\\n')").split()
    assert listed == sorted(f"bucket/sealed/{name}" for name in names)
    assert f"{MAILS:,} left as earlier runs had them" in _run(environment, tmp_path, *words)
    words = ["batch", "decrypt", "-i", "bob.key", "--journal", "kept", "s3://bucket/sealed", "opened"]
    assert f"{MAILS:,} decrypted, 0 failed" in _run(environment, tmp_path, *words)
    assert (tmp_path / "kept" / "journal.sqlite").exists()
    opened = {
        str(path.relative_to(tmp_path / "opened")): path.read_bytes() for path in (tmp_path / "opened").rglob("*.eml")
    }
    assert set(opened) == set(names)
    for number, name in enumerate(names):
        assert opened[name].endswith(b"\r\n\r\n" + BODY.format(number).encode())
    one = tmp_path / "one.eml"
    one.write_text(_bucket(environment, "print(store.cat('bucket/sealed/0/0.eml').decode(), end='')"))
    plain = subprocess.run(
        ["openssl", "cms", "-decrypt", "-in", one, "-inkey", "bob.key", "-recip", "bob.pem"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert BODY.format(0).encode() in plain.stdout
    said = _run(environment, tmp_path, "batch", "encrypt", "-r", "bob.pem", "s3://bucket/in", "s3://none/out", status=1)
    assert "s3://none/out" in said
