"""The command on a system without what only POSIX has, such as Windows."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# What Python's documentation names as available on Unix only.
_MODULES: Final = ("fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")
_OF_OS: Final = (
    *("O_ASYNC", "O_CLOEXEC", "O_DIRECT", "O_DIRECTORY", "O_DSYNC", "O_NDELAY", "O_NOATIME", "O_NOCTTY", "O_NOFOLLOW"),
    *("O_NONBLOCK", "O_PATH", "O_RSYNC", "O_SYNC", "O_TMPFILE", "POSIX_FADV_DONTNEED", "POSIX_FADV_NOREUSE"),
    *("chown", "copy_file_range", "fchmod", "fchown", "fdatasync", "fork", "getegid", "geteuid", "getgid", "getuid"),
    *("killpg", "lchown", "lockf", "memfd_create", "mkfifo", "posix_fadvise", "posix_fallocate", "pread", "preadv"),
    *("pwrite", "pwritev", "readv", "register_at_fork", "sched_getaffinity", "sendfile", "setsid", "statvfs"),
    *("sysconf", "uname", "writev"),
)
_OF_SIGNAL: Final = (
    *("SIGALRM", "SIGBUS", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGIO", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP"),
    *("SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGUSR1", "SIGUSR2", "SIGWINCH", "alarm", "pthread_sigmask", "setitimer"),
)

# The standard library has loaded by then what it loads on every system.
_PROGRAM: Final = f"""
import os, signal, sys, random, subprocess, threading
sys.modules |= dict.fromkeys({_MODULES})
for module, names in ((os, {_OF_OS}), (signal, {_OF_SIGNAL})):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
from smime_session_cli import main
main()
"""


def _run(*arguments: str) -> tuple[int, str, str]:
    """Run the command without those names."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_mail_goes_there_and_back(provide: Callable[..., Path]) -> None:
    """A new identity, encrypting, inspecting, saving the key, rewrapping in place and decrypting all work."""
    folder = provide("letter.eml", "bob.pem", "bob.key")
    assert _run("identity", "new", "dora@example.org", "--type", "x25519", "-o", "dora")[0] == 0
    assert _run("encrypt", "-r", "dora.pem", "letter.eml", "-o", "mail.eml") == (0, "", "")
    status, tree, _ = _run("inspect", "-i", "dora.key", "mail.eml")
    assert status == 0
    assert "\n\nauth-enveloped-data\n" in tree
    assert _run("session-key", "-i", "dora.key", "mail.eml", "-o", "saved.key") == (0, "", "")
    assert _run("rewrap", "-i", "dora.key", "-r", "bob.pem", "mail.eml", "-o", "mail.eml") == (0, "", "")
    assert _run("decrypt", "-i", "bob.key", "mail.eml", "-o", "opened.eml") == (0, "", "")
    assert _run("decrypt", "-i", "dora.key", "mail.eml")[1] == (folder / "opened.eml").read_text()
    assert (folder / "opened.eml").read_bytes().endswith(b"At eight?\n")
    new = {"dora.key", "dora.pem", "dora.issuer.pem", "mail.eml", "saved.key", "opened.eml"}
    assert _names(folder) == {"letter.eml", "bob.pem", "bob.key"} | new


def test_errors_are_sentences(provide: Callable[..., Path]) -> None:
    """What goes wrong is told as everywhere, and leaves what was there."""
    folder = provide("letter.eml", "sealed.eml", "carol.key")
    status, _, words = _run("decrypt", "-i", "carol.key", "sealed.eml", "-o", "letter.eml")
    assert (status, words.partition(": ")[0]) == (1, "Error")
    assert _run("encrypt", "-r", "missing.pem") == (1, "", "Error: missing.pem: no such file or directory\n")
    assert b"At eight?" in (folder / "letter.eml").read_bytes()
    assert _names(folder) == {"letter.eml", "sealed.eml", "carol.key"}
