"""Where the password of a submission server, or its token, comes from. It is read when it is needed, and not kept."""

from __future__ import annotations

import os
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

from smime_session import SubmissionError

MAX_SECRET_SIZE: Final = 16_384  # bytes: tokens have a few thousand; what is longer is some other file
_PATIENCE: Final = 120.0  # seconds for a command that may have to ask a server for a new token


class SecretSource(Protocol):
    """Where a secret comes from."""

    def read(self) -> str:
        """Return the secret.

        Raises:
            SubmissionError: it is not there.
        """
        ...


@dataclass(frozen=True, slots=True)
class FromFile:
    """A secret in a file, less one line ending.

    Attributes:
        path: the file.
    """

    path: str | os.PathLike[str]

    def read(self) -> str:
        """Return the secret.

        Raises:
            SubmissionError: the file cannot be read, or holds no text, or too much of it.
        """
        try:
            with Path(self.path).open("rb") as file:
                data = file.read(MAX_SECRET_SIZE + 1)
        except OSError as error:
            raise SubmissionError(f"the password file {os.fspath(self.path)}: {error.strerror}") from None
        return _text(data, f"the password file {os.fspath(self.path)}")


@dataclass(frozen=True, slots=True)
class FromVariable:
    """A secret in an environment variable.

    Attributes:
        name: the variable.
    """

    name: str

    def read(self) -> str:
        """Return the secret.

        Raises:
            SubmissionError: the variable is not set.
        """
        if self.name not in os.environ:
            raise SubmissionError(f"the environment variable {self.name} is not set")
        return os.environ[self.name]


@dataclass(frozen=True, slots=True)
class FromCommand:
    """A secret that a program writes to its standard output, less one line ending: the token of an account.

    Attributes:
        arguments: the program and its arguments; no shell reads them.
    """

    arguments: tuple[str, ...]

    def read(self) -> str:
        """Run the program and return the secret.

        Raises:
            SubmissionError: the program cannot be run or fails; what it wrote is not repeated.
        """
        what = f"the command {self.arguments[0] if self.arguments else ''}"
        try:
            data, status = _written(self.arguments)
        except subprocess.TimeoutExpired:
            raise SubmissionError(f"{what} took longer than {_PATIENCE:.0f} seconds") from None
        except (OSError, ValueError, IndexError) as error:
            reason = error.strerror if isinstance(error, OSError) else "its arguments are not usable"
            raise SubmissionError(f"{what}: {reason}") from None
        if status and len(data) <= MAX_SECRET_SIZE:
            raise SubmissionError(f"{what} ended with status {status}")
        return _text(data, f"the output of {what}")


def _written(arguments: tuple[str, ...]) -> tuple[bytes, int]:
    """Run a program; return what it writes, as far as a secret can go, and its exit status.

    Raises:
        OSError: it cannot be run.
        subprocess.TimeoutExpired: it does not end.
    """
    deadline = time.monotonic() + _PATIENCE
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:  # noqa: S603  # the caller's own program
        descriptor = cast("BinaryIO", process.stdout).fileno()
        data = b""
        try:
            while len(data) <= MAX_SECRET_SIZE:
                remaining = max(0.0, deadline - time.monotonic())
                if not select.select([descriptor], [], [], remaining)[0]:
                    raise subprocess.TimeoutExpired(arguments, _PATIENCE)
                piece = os.read(descriptor, MAX_SECRET_SIZE)
                if not piece:
                    process.wait(max(0.0, deadline - time.monotonic()))
                    break
                data += piece
        finally:
            process.kill()  # which does nothing to one that has ended
    return data, process.returncode


def _text(data: bytes, what: str) -> str:
    if len(data) > MAX_SECRET_SIZE:
        raise SubmissionError(f"{what} is longer than {MAX_SECRET_SIZE:,} bytes")
    try:
        secret = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        secret = ""
    if not secret:
        raise SubmissionError(f"{what} is empty or not UTF-8")
    return secret
