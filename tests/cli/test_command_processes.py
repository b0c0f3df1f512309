"""The command as a process: signals, full disks, closed pipes, devices. Everything a shell can do to it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

COMMAND = (sys.executable, "-m", "smime_session_cli")
LARGE = b"Subject: large\n\n" + b"x" * 71 * 50_000 + b"\n"


def _run(
    *arguments: str,
    data: bytes | bytearray = b"",
    stdout: int | BinaryIO = subprocess.PIPE,
    prefix: Sequence[str] = (),
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run the command without a terminal, with ``data`` on standard input, perhaps by another command."""
    return subprocess.run(
        [*prefix, *COMMAND, *arguments],
        env={**os.environ, **(env or {})},
        check=False,
        start_new_session=True,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=60,
        input=data,
    )


def _wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@contextmanager
def _encrypting(folder: Path, *prefix: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command that has begun its output and waits for more of its input."""
    with subprocess.Popen(
        [*prefix, *COMMAND, "encrypt", "-r", "bob.pem", "-o", "out.eml"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        process.stdin.write(LARGE)
        process.stdin.flush()
        _wait_for(lambda: list(folder.glob(".*.tmp")) or _has_open(process, folder))
        yield process


def _has_open(process: subprocess.Popen[bytes], folder: Path) -> bool:
    """Tell whether a process has a file without a name open in a folder."""
    for link in Path(f"/proc/{process.pid}/fd").glob("*"):
        with suppress(FileNotFoundError):  # closed meanwhile
            target = os.readlink(link)  # noqa: PTH115  # not only paths
            if target.startswith(f"{folder}/") and target.endswith("(deleted)"):
                return True
    return False


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        (signal.SIGINT, 130, b"Error: interrupted\n"),
        (signal.SIGTERM, 143, b"Error: terminated\n"),
        (signal.SIGHUP, 129, b"Error: terminated\n"),
    ],
)
def test_signal_leaves_what_was_there(
    number: signal.Signals, status: int, words: bytes, provide: Callable[..., Path]
) -> None:
    """A signal in mid-stream ends the command with one line, the old output and no other file."""
    folder = provide("bob.pem")
    (folder / "out.eml").write_bytes(b"old")
    with _encrypting(folder) as process:
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (status, words)
    assert sorted(path.name for path in folder.iterdir()) == ["bob.pem", "out.eml"]
    assert (folder / "out.eml").read_bytes() == b"old"


def test_interrupt_while_waiting_for_a_message(provide: Callable[..., Path]) -> None:
    """Ctrl-C ends a command that still waits for its FIFO to be opened."""
    folder = provide("bob.pem")
    for name in ("bob.fifo", "letter.fifo"):
        os.mkfifo(folder / name)
    with subprocess.Popen(
        [*COMMAND, "encrypt", "-r", "bob.fifo", "letter.fifo", "-o", "out.eml"], stderr=subprocess.PIPE
    ) as process:
        (folder / "bob.fifo").write_bytes((folder / "bob.pem").read_bytes())  # waits until the command is that far
        time.sleep(0.2)  # or as far as opening the letter; before that it ends in the same way
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (130, b"Error: interrupted\n")
    assert not (folder / "out.eml").exists()


def test_ignored_signal_stays_ignored(provide: Callable[..., Path]) -> None:
    """What nohup protects goes on when the terminal goes away."""
    folder = provide("bob.pem")
    with _encrypting(folder, "nohup") as process:
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert (folder / "out.eml").exists()


def test_full_disk(provide: Callable[..., Path]) -> None:
    """A full disk is one line that names where."""
    provide("bob.pem", "letter.eml")
    done = _run("encrypt", "-r", "bob.pem", "letter.eml", "-o", "/dev/full")
    assert (done.returncode, done.stderr) == (1, b"Error: /dev/full: no space left on device\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("encrypt", "-r", "bob.pem", "letter.eml"),
        ("decrypt", "-i", "bob.key", "sealed.eml"),
        ("inspect", "sealed.eml"),
        ("--version",),
    ],
)
def test_full_standard_output(arguments: tuple[str, ...], provide: Callable[..., Path]) -> None:
    """Standard output that cannot be written is a failure of every subcommand, told once."""
    provide("bob.pem", "bob.key", "letter.eml", "sealed.eml")
    with open("/dev/full", "wb") as full:  # noqa: PTH123  # a device
        done = _run(*arguments, stdout=full)
    assert (done.returncode, done.stderr) == (1, b"Error: standard output: no space left on device\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("encrypt", "-r", "bob.pem", "large.eml"),
        ("encrypt", "-r", "bob.pem", "letter.eml"),
        ("inspect", "sealed.eml"),
        ("--help",),
    ],
)
def test_closed_pipe(arguments: tuple[str, ...], provide: Callable[..., Path]) -> None:
    """A reader who goes away ends the command without a word, whether much or little was left to write."""
    folder = provide("bob.pem", "letter.eml", "sealed.eml")
    (folder / "large.eml").write_bytes(LARGE)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = _run(*arguments, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("redirection", "words"),
    [(">&-", b"Error: standard output: it is closed\n"), ("<&-", b"Error: standard input: it is closed\n")],
)
def test_closed_standard_stream(redirection: str, words: bytes, provide: Callable[..., Path]) -> None:
    """A standard stream that the process was started without is one line."""
    provide("bob.pem")
    shell = ["sh", "-c", f'"$@" {redirection}', "sh", *COMMAND, "encrypt", "-r", "bob.pem"]
    done = subprocess.run(shell, input=b"Subject: x\n\nx\n", check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, words)


def test_closed_standard_error(provide: Callable[..., Path]) -> None:
    """Without standard error, the exit status still tells."""
    provide("bob.pem")
    shell = ["sh", "-c", '"$@" 2>&-', "sh", *COMMAND, "encrypt", "-r", "bob.pem", "nothing.eml"]
    done = subprocess.run(shell, check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, b"")


def test_fifo_is_written_into(provide: Callable[..., Path]) -> None:
    """A FIFO as output is written into and stays a FIFO."""
    folder = provide("bob.key", "sealed.eml")
    os.mkfifo(folder / "out.fifo")
    with subprocess.Popen(["cat", "out.fifo"], stdout=subprocess.PIPE) as reader:
        done = _run("decrypt", "-i", "bob.key", "sealed.eml", "-o", "out.fifo")
        assert done.returncode == 0, done.stderr
        assert reader.stdout
        assert reader.stdout.read().endswith(b"At eight?\n")
    assert (folder / "out.fifo").is_fifo()


def test_device_by_name_is_standard_output(provide: Callable[..., Path]) -> None:
    """``-o /dev/stdout`` appends where the shell appends, and replaces nothing."""
    folder = provide("bob.pem", "letter.eml")
    with (folder / "mails.mbox").open("wb") as mbox:
        mbox.write(b"earlier\n")
        mbox.flush()
        done = _run("encrypt", "-r", "bob.pem", "letter.eml", "-o", "/dev/stdout", stdout=mbox)
    assert done.returncode == 0, done.stderr
    assert (folder / "mails.mbox").read_bytes().startswith(b"earlier\nFrom: alice@example.org\n")


@pytest.mark.parametrize("profile", ["modern", "compat"])
@pytest.mark.parametrize("size", [200, 2_000_000])
@pytest.mark.parametrize("output", [(), ("-o", "old.eml")])
def test_message_that_is_cut_off(
    profile: str, size: int, output: tuple[str, ...], provide: Callable[..., Path]
) -> None:
    """Of a message that is cut off nothing comes out, to a file or to a pipe, and the old file stays."""
    folder = provide("bob.pem", "bob.key")
    (folder / "large.eml").write_bytes(LARGE)
    assert _run("encrypt", "--profile", profile, "-r", "bob.pem", "large.eml", "-o", "sealed.eml").returncode == 0
    (folder / "old.eml").write_bytes(b"old")
    os.truncate(folder / "sealed.eml", (folder / "sealed.eml").stat().st_size - size)
    before = sorted(folder.iterdir())
    done = _run("decrypt", "-i", "bob.key", "sealed.eml", *output)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"Error: ")
    assert done.stderr.count(b"\n") == 1
    assert sorted(folder.iterdir()) == before
    assert (folder / "old.eml").read_bytes() == b"old"


def test_altered_message(provide: Callable[..., Path]) -> None:
    """Of a message whose last ciphertext was altered not one octet comes out."""
    folder = provide("bob.pem", "bob.key")
    (folder / "large.txt").write_bytes(LARGE)
    assert _run("encrypt", "--format", "der", "-r", "bob.pem", "large.txt", "-o", "sealed.p7m").returncode == 0
    sealed = bytearray((folder / "sealed.p7m").read_bytes())
    sealed[-100] ^= 1
    (folder / "sealed.p7m").write_bytes(sealed)
    for done in (
        _run("decrypt", "-i", "bob.key", "sealed.p7m"),
        _run("decrypt", "-i", "bob.key", data=sealed),
    ):
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"could not be decrypted" in done.stderr


def test_pipeline(provide: Callable[..., Path]) -> None:
    """Encrypting and decrypting through a pipe gives back every octet."""
    folder = provide("bob.pem", "bob.key")
    (folder / "large.txt").write_bytes(LARGE)
    encrypted = _run("encrypt", "--format", "der", "-r", "bob.pem", data=LARGE)
    decrypted = _run("decrypt", "-i", "bob.key", data=encrypted.stdout)
    assert decrypted.returncode == 0, decrypted.stderr
    assert decrypted.stdout == LARGE


def test_locked_key_without_terminal(provide: Callable[..., Path]) -> None:
    """A locked key without a passphrase and without a terminal does not wait: it says what to give."""
    provide("locked.key", "sealed.eml")
    done = _run("decrypt", "-i", "locked.key", "sealed.eml")
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: locked.key: ")
    assert done.stderr.endswith(
        b"\nHint: it is asked for on a terminal; --passphrase-file or --passphrase-env gives it in a script\n"
    )


def test_new_passphrase_without_terminal(provide: Callable[..., Path]) -> None:
    """A passphrase that cannot be asked for stops a new identity before it is made."""
    folder = provide()
    done = _run("identity", "new", "dora@example.org", "--passphrase")
    assert done.returncode == 2
    assert done.stderr.startswith(b"Error: there is no terminal to ask for a passphrase\nHint: --passphrase-file")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("command", ["encrypt", "decrypt"])
def test_message_password_without_terminal(command: str, provide: Callable[..., Path]) -> None:
    """A password that cannot be asked for is misuse, and what else gives it is named."""
    folder = provide("letter.eml", "sealed.eml")
    done = _run(command, "--password", "letter.eml" if command == "encrypt" else "sealed.eml", "-o", "out.eml")
    assert done.returncode == 2
    assert done.stderr.startswith(b"Error: there is no terminal to ask for a password\nHint: --password-file")
    assert not (folder / "out.eml").exists()


def test_unwritable_folder(provide: Callable[..., Path]) -> None:
    """A folder that may not be written is named."""
    folder = provide("bob.pem", "letter.eml")
    (folder / "outbox").mkdir(mode=0o500)
    done = _run("encrypt", "-r", "bob.pem", "letter.eml", "-o", "outbox/letter.eml", prefix=_as_nobody_special())
    assert (done.returncode, done.stderr) == (1, f"Error: {folder}/outbox: permission denied\n".encode())


def _as_nobody_special() -> tuple[str, ...]:
    """Return what runs a command without the right to read and write whatever it likes, which root has."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root may read and write everywhere, and setpriv is not there to take that away")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("decrypt", "-i", "bob.key", "sealed.eml"), "bob.key"),
        (("encrypt", "-r", "bob.pem", "letter.eml"), "bob.pem"),
        (("decrypt", "-i", "bob.key", "sealed.eml"), "sealed.eml"),
        (("identity", "show", "bob.pem"), "bob.pem"),
        (("decrypt", "--password-file", "letter.eml", "sealed.eml"), "letter.eml"),
        (("rewrap", "--remove", "bob.pem", "sealed.eml"), "bob.pem"),
    ],
)
def test_unreadable_file(arguments: tuple[str, ...], name: str, provide: Callable[..., Path]) -> None:
    """A file that may not be read is named, and nothing was misused."""
    folder = provide("bob.key", "bob.pem", "letter.eml", "sealed.eml")
    (folder / name).chmod(0)
    done = _run(*arguments, prefix=_as_nobody_special())
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", f"Error: {name}: permission denied\n".encode())


def test_write_only_output(provide: Callable[..., Path]) -> None:
    """What is written need not be readable."""
    folder = provide("bob.pem", "letter.eml")
    (folder / "outbox.eml").touch(mode=0o200)
    done = _run("encrypt", "-r", "bob.pem", "letter.eml", "-o", "outbox.eml", prefix=_as_nobody_special())
    assert (done.returncode, done.stderr) == (0, b"")
    assert (folder / "outbox.eml").stat().st_size


def test_plain_output_for_a_plain_locale(provide: Callable[..., Path]) -> None:
    """A tree is drawn with what the terminal's encoding has."""
    provide("sealed.eml")
    done = _run("inspect", "sealed.eml", env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\n|- content: AES-256-GCM\n|  |- " in done.stdout
    assert b"\\u" not in done.stdout


def test_installed_command(provide: Callable[..., Path]) -> None:
    """The installed program is the same command."""
    from importlib.metadata import entry_points

    provide()
    (entry,) = entry_points(group="console_scripts", name="smime-session")
    assert entry.value == "smime_session_cli:main"
    assert _run("--version").stdout.startswith(b"smime-session ")
