"""Passphrases and passwords: from files, from the environment, or typed at the terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeVar

from smime_session import CredentialError, PassphraseError
from smime_session.text import printable

from .console import say
from .files import read_limited
from .interruption import InterruptedBySignal
from .options import MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Literal

LoadedT = TypeVar("LoadedT")

MAX_PASSPHRASE_SIZE: Final = 4096  # bytes: what is longer is some other file

_QUESTIONS: Final = 3  # how often a passphrase is asked for
_TERMINAL: Final = "CONIN$" if os.name == "nt" else "/dev/tty"


def unlocked(passphrases: Sequence[bytes], load: Callable[[bytes | None], LoadedT]) -> LoadedT:
    """Load with the first passphrase that fits, or without any if none was given.

    Raises:
        PassphraseError: none fits, or one is missing.
    """
    for passphrase in passphrases[:-1]:
        try:
            return load(passphrase)
        except PassphraseError:
            continue
    return load(passphrases[-1] if passphrases else None)


def unlocked_or_asked(path: str, passphrases: Sequence[bytes], load: Callable[[bytes | None], LoadedT]) -> LoadedT:
    """Load likewise; what is locked although no passphrase was given is asked for on the terminal, up to three times.

    Raises:
        PassphraseError: no passphrase fits, or there is no terminal to ask for one.
    """
    try:
        return unlocked(passphrases, load)
    except PassphraseError as error:
        failure = error
    for left in reversed(range(_QUESTIONS if failure.missing else 0)):
        if (answer := ask(f"Passphrase for {path}: ")) is None:
            break
        try:
            return load(answer)
        except PassphraseError as error:
            failure = error
            if left:
                say("This passphrase does not fit; try again.")
    raise failure


def given_passphrases(files: Iterable[str], variables: Iterable[str]) -> list[bytes]:
    """Return the passphrases of private keys, each as :func:`given_secret` does."""
    found = [given_secret("passphrase", file, None) for file in files]
    found += [given_secret("passphrase", None, variable) for variable in variables]
    return [passphrase for passphrase in found if passphrase is not None]


def given_secret(kind: Literal["passphrase", "password"], file: str | None, variable: str | None) -> bytes | None:
    """Return a secret from a file, less one line ending, or from an environment variable; None without both.

    Raises:
        MisuseError: the variable is not set.
        CredentialError: the file is too long for such a secret.
        OSError: the file cannot be read.
    """
    if file is not None:
        return read_limited(file, MAX_PASSPHRASE_SIZE, f"a {kind}").removesuffix(b"\n").removesuffix(b"\r")
    if variable is not None:
        if variable not in os.environ:
            raise MisuseError(f"the environment variable {variable} is not set")
        return os.fsencode(os.environ[variable])
    return None


def ask(question: str) -> bytes | None:
    """Ask for a secret on the terminal, whatever standard input is; None if there is no terminal, or no answer.

    Raises:
        CredentialError: what was typed is no text in the encoding of the terminal.
    """
    try:
        os.close(
            os.open(_TERMINAL, os.O_RDWR | getattr(os, "O_NOCTTY", 0))
        )  # getpass would fall back to standard input
    except OSError:
        return None
    from getpass import getpass  # most keys are not locked

    try:
        return getpass(printable(question)).encode("utf-8", "surrogateescape")
    except EOFError:
        return None
    except InterruptedBySignal:
        say("")  # the cursor stands behind the question
        raise
    except UnicodeDecodeError:
        raise CredentialError("what was typed is not text in the encoding of this terminal") from None
