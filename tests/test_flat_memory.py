"""A message of any size takes a little memory, from a file and from a pipe, both ways."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from smime_session import new_identity

if TYPE_CHECKING:
    from tests.conftest import Person

MEGABYTE: Final = 1 << 20
SIZE: Final = 48 * MEGABYTE  # with the 37 MB of every process more than the limit, if it is kept
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


_COMMAND: Final = """
import re, sys
from pathlib import Path
from smime_session_cli.root import run

status = run(sys.argv[1:])
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1], file=sys.stderr)
sys.exit(status)
"""

ON_LINUX: Final = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells how much memory a process took"
)


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


def _peak_of_command(*arguments: object, stdout: Path, piped: Path | None = None) -> int:
    """Run the command in a process of its own; return the most memory that it took, in octets.

    Args:
        arguments: those of the command.
        stdout: where its standard output goes.
        piped: what comes through a pipe, which has no size and cannot seek, into its standard input.
    """
    command = [sys.executable, "-c", _COMMAND, *map(str, arguments)]
    if piped:
        command = ["sh", "-c", 'file=$1; shift; cat "$file" | "$@"', "sh", str(piped), *command]
    with stdout.open("wb") as file:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE, check=True, timeout=300
        )
    return int(done.stderr.splitlines()[-1]) * 1024


def _write_mail(path: Path, *, attached: bool = False) -> None:
    """Write a mail of the size that the tests are about: one text, or a short one with a large attachment."""
    line = b"x" * 76 + b"\r\n"
    before, after = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n", b""
    if attached:
        before = b'Content-Type: multipart/mixed; boundary="limit"\r\n\r\n--limit\r\n\r\nMay\r\n--limit\r\n'
        before += b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        after = b"--limit--\r\n"
    with path.open("wb") as file:
        file.write(b"From: a@example.org\r\nMIME-Version: 1.0\r\n" + before)
        for _ in range(SIZE // MEGABYTE):
            file.write(line * (MEGABYTE // len(line)))
        file.write(after)


def _write_credentials(path: Path, person: Person) -> None:
    """Write a private key with its certificate."""
    key = person.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(key + person.certificate.public_bytes(Encoding.PEM))


@ON_LINUX
@pytest.mark.parametrize(("profile", "piped"), [("modern", True), ("compat", False)])
def test_a_large_mail_takes_little_memory(alice: Person, tmp_path: Path, profile: str, *, piped: bool) -> None:
    """Whatever is done to a large mail stays far below its size, and in the end gives the mail back."""
    credentials = tmp_path / "alice.pem"
    _write_credentials(credentials, alice)
    mail, sealed, rewrapped, resealed, opened = (tmp_path / str(number) for number in range(5))
    _write_mail(mail)
    assert _peak("encrypt", credentials, profile, mail, sealed, piped=piped) < LIMIT
    assert _peak("rewrap", credentials, profile, sealed, rewrapped, piped=piped) < LIMIT
    assert _peak("reseal", credentials, profile, rewrapped, resealed, piped=piped) < LIMIT
    assert _peak("decrypt", credentials, profile, resealed, opened, piped=piped) < LIMIT
    assert subprocess.run(["cmp", mail, opened], check=False, capture_output=True).returncode == 0


@ON_LINUX
@pytest.mark.parametrize(("profile", "piped"), [("modern", False), ("modern", True), ("compat", True)])
def test_the_command_takes_little_memory(alice: Person, tmp_path: Path, profile: str, *, piped: bool) -> None:
    """Every subcommand that reads a large mail stays far below its size, from file to file and from pipe to pipe."""
    key, password = tmp_path / "alice.pem", tmp_path / "password.txt"
    _write_credentials(key, alice)
    password.write_bytes(b"a password\n")
    mail, sealed, rewrapped, resealed, opened, saved, told = (tmp_path / str(number) for number in range(7))
    _write_mail(mail, attached=True)

    def peak(source: Path, target: Path, *arguments: object) -> int:
        if piped:
            return _peak_of_command(*arguments, stdout=target, piped=source)
        return _peak_of_command(*arguments, source, "-o", target, stdout=told)

    assert peak(mail, sealed, "encrypt", "-r", key, "--profile", profile) < LIMIT
    assert peak(sealed, rewrapped, "rewrap", "-i", key, "--add-password-file", password) < LIMIT
    assert peak(rewrapped, resealed, "rewrap", "--reseal", "-i", key, "-r", key) < LIMIT
    assert peak(resealed, saved, "session-key", "-i", key) < LIMIT
    assert peak(resealed, opened, "decrypt", "--session-key", saved) < LIMIT
    assert subprocess.run(["cmp", mail, opened], check=False, capture_output=True).returncode == 0
    assert _peak_of_command("inspect", resealed, stdout=told) < LIMIT
    assert ("\nauth-enveloped-data\n" if profile == "modern" else "\nenveloped-data\n") in told.read_text()
    assert peak(resealed, opened, "decrypt", "-i", key) < LIMIT
    assert subprocess.run(["cmp", mail, opened], check=False, capture_output=True).returncode == 0


@ON_LINUX
@pytest.mark.parametrize("piped", [True, False])
def test_a_large_mail_that_was_damaged_takes_little_memory(alice: Person, tmp_path: Path, *, piped: bool) -> None:
    """A line that is no header field, every line of base64 quoted, a footer: repaired as it is read."""
    credentials = tmp_path / "alice.pem"
    _write_credentials(credentials, alice)
    mail, sealed, damaged, opened = (tmp_path / str(number) for number in range(4))
    _write_mail(mail)
    _peak("encrypt", credentials, "compat", mail, sealed, piped=False)
    with sealed.open("rb") as source, damaged.open("wb") as target:
        target.write(b"no header field\r\n")
        in_body = False
        for line in source:
            target.write(b"> " + line if in_body else line)
            in_body = in_body or line == b"\r\n"
        target.write(b"-- \r\nusers mailing list\r\n")
    assert _peak("decrypt", credentials, "compat", damaged, opened, piped=piped) < LIMIT
    assert opened.stat().st_size > SIZE // 2
    with mail.open("rb") as one, opened.open("rb") as other:
        assert one.read()[-SIZE // 2 :] == other.read()[-SIZE // 2 :]


@ON_LINUX
@pytest.mark.parametrize("opaque", [False, True], ids=["clear", "opaque"])
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
def test_signing_takes_little_memory(tmp_path: Path, *, opaque: bool, piped: bool) -> None:
    """A large mail is signed, verified and given out in memory far below its size, encrypted or not."""
    key, certificate = tmp_path / "alice.key", tmp_path / "alice.pem"
    made = new_identity("a@example.org", key_type="p256")
    key.write_bytes(made.private_key_pem + made.certificate_pem)
    certificate.write_bytes(made.certificate_pem)
    mail, signed, content, sealed, told = (tmp_path / str(number) for number in range(5))
    _write_mail(mail)

    def peak(source: Path, target: Path, *arguments: object) -> int:
        if piped:
            return _peak_of_command(*arguments, "-o", "-", stdout=target, piped=source)
        return _peak_of_command(*arguments, source, "-o", target, stdout=told)

    assert peak(mail, signed, "sign", "-i", key, *(["--opaque"] if opaque else [])) < LIMIT
    assert peak(signed, content, "verify", "-q", "--ca", certificate) < LIMIT
    assert content.stat().st_size > SIZE // 2
    assert peak(mail, sealed, "encrypt", "-r", certificate, "--sign-with", key) < LIMIT
