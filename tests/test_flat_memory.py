"""A message of any size takes a little memory, from a file and from a pipe, both ways."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    from tests.conftest import Person

MEGABYTE: Final = 1 << 20
SIZE: Final = 200 * MEGABYTE  # several times the limit, so that whatever grows with a message exceeds it
LIMIT: Final = 64 * MEGABYTE

_PROGRAM: Final = """
import re, sys
from pathlib import Path
import smime_session as s

work, credentials, profile, source, target = sys.argv[1:]
data = Path(credentials).read_bytes()
with open(sys.stdin.fileno() if source == "-" else source, "rb") as read, open(target, "w+b") as write:
    if work == "encrypt":
        s.encrypt_stream(read, write, s.load_certificates(data), profile=s.PROFILES[profile])
    elif work == "reseal":
        s.rewrap_stream(read, write, s.load_identities(data), add=s.load_certificates(data), reseal=True)
    elif work == "rewrap":
        s.rewrap_stream(read, write, s.load_identities(data), add=[s.Password("a password", iterations=1000)])
    else:
        s.decrypt_stream(read, write, s.load_identities(data))
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def _peak(work: str, credentials: Path, profile: str, source: Path, target: Path, *, piped: bool) -> int:
    """Do one piece of work in a process of its own; return the most memory that it took, in octets."""
    arguments = (work, credentials, profile, "-" if piped else source, target)
    command = [sys.executable, "-c", _PROGRAM, *map(str, arguments)]
    if not piped:
        done = subprocess.run(command, capture_output=True, check=True, timeout=300)
        return int(done.stdout) * 1024
    with subprocess.Popen(["cat", source], stdout=subprocess.PIPE) as cat:
        done = subprocess.run(command, stdin=cat.stdout, capture_output=True, check=True, timeout=300)
    return int(done.stdout) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much memory a process took")
@pytest.mark.parametrize("profile", ["modern", "compat"])
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
def test_a_large_mail_takes_little_memory(alice: Person, tmp_path: Path, profile: str, *, piped: bool) -> None:
    """Whatever is done to a large mail stays far below its size, and in the end gives the mail back."""
    credentials = tmp_path / "alice.pem"
    key = alice.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    credentials.write_bytes(key + alice.certificate.public_bytes(Encoding.PEM))
    mail, sealed, rewrapped, resealed, opened = (tmp_path / str(number) for number in range(5))
    head = b"From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
    line = b"x" * 76 + b"\r\n"
    with mail.open("wb") as file:
        file.write(head)
        for _ in range(SIZE // MEGABYTE):
            file.write(line * (MEGABYTE // len(line)))
    assert _peak("encrypt", credentials, profile, mail, sealed, piped=piped) < LIMIT
    assert _peak("rewrap", credentials, profile, sealed, rewrapped, piped=piped) < LIMIT
    assert _peak("reseal", credentials, profile, rewrapped, resealed, piped=piped) < LIMIT
    assert _peak("decrypt", credentials, profile, resealed, opened, piped=piped) < LIMIT
    assert subprocess.run(["cmp", mail, opened], check=False, capture_output=True).returncode == 0
