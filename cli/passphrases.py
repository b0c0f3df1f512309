"""Passphrases and passwords: from files, the environment or the system's key ring, or typed at the terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

from smime_session import CredentialError, PassphraseError
from smime_session.text import printable

from .console import say
from .files import read_limited
from .interruption import InterruptedBySignal
from .options import MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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


class Passphrases(NamedTuple):
    """Where passphrases of private keys are.

    Attributes:
        files: files with one each.
        variables: environment variables with one each.
        entries: entries of the system's key ring.
    """

    files: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()

    @classmethod
    def among(cls, options: dict[str, Any]) -> Self:
        """Take them out of the options of a command, as :func:`~cli.options.passphrase_options` adds them."""
        return cls(*(options.pop(f"passphrase_{name}") for name in ("files", "envs", "keyrings")))

    def read(self) -> list[bytes]:
        """Return all of them, each as :func:`given_secret` does."""
        found = [given_secret("passphrase", file, None) for file in self.files]
        found += [given_secret("passphrase", None, variable) for variable in self.variables]
        found += [given_secret("passphrase", None, None, entry) for entry in self.entries]
        return [passphrase for passphrase in found if passphrase is not None]


def given_secret(
    kind: Literal["passphrase", "password"], file: str | None, variable: str | None, entry: str | None = None
) -> bytes | None:
    """Return a secret from a file, less one line ending, an environment variable, or the key ring; None without all.

    Raises:
        MisuseError: the variable is not set, or the entry is none.
        CredentialError: the file is too long for such a secret, or the key ring does not give it.
        OSError: the file cannot be read.
    """
    if file is not None:
        return read_limited(file, MAX_PASSPHRASE_SIZE, f"a {kind}").removesuffix(b"\n").removesuffix(b"\r")
    if variable is not None:
        if variable not in os.environ:
            raise MisuseError(f"the environment variable {variable} is not set")
        return os.fsencode(os.environ[variable])
    return None if entry is None else _in_keyring(kind, entry)


def _in_keyring(kind: str, entry: str) -> bytes:
    """Return a secret that the system's key ring keeps under ``SERVICE/NAME``."""
    service, _, name = entry.rpartition("/")
    if not service or not name:
        raise MisuseError(f"{entry} is no entry of the key ring", "it is given as SERVICE/NAME")
    try:
        import keyring.errors  # an extra, which few need
    except ImportError:
        hint = "pip install 'smime-session[keyring]'"
        raise MisuseError("the key ring needs the package keyring", hint) from None
    try:
        secret = keyring.get_password(service, name)
    except (keyring.errors.KeyringError, OSError) as error:
        words = f"the key ring does not give the {kind} {entry}: {printable(str(error)) or type(error).__name__}"
        raise CredentialError(words) from None
    if secret is None:
        raise CredentialError(f"the key ring has no {kind} {entry}")
    return secret.encode("utf-8", "surrogateescape")


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
