"""Passwords and shared keys: the options that name them, and what they stand for.

A password is a recipient, known to both sides; the *passphrase* of another option unlocks a private key.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from .options import MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from smime_session import Password, PresharedKey

MAX_KEY_FILE_SIZE: Final = 1024  # octets: a key in hexadecimal digits has 64

_KEY_SIZES: Final = (16, 24, 32)
_HEX_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class SharedSecrets:
    """What the options name.

    Attributes:
        password: whether to ask for a password.
        password_file: the file with one, or None.
        password_env: the environment variable with one, or None.
        shared_key: the file with a shared key, or None.
        shared_key_id: the shared key's identifier as it was given, or None.
    """

    password: bool
    password_file: str | None
    password_env: str | None
    shared_key: str | None
    shared_key_id: str | None

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return self.password or any((self.password_file, self.password_env, self.shared_key))

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield each file with the option that names it."""
        if self.password_file is not None:
            yield "--password-file", self.password_file
        if self.shared_key is not None:
            yield "--shared-key", self.shared_key

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            MisuseError: they do not.
        """
        if self.password + (self.password_file is not None) + (self.password_env is not None) > 1:
            raise MisuseError("--password, --password-file and --password-env exclude each other")
        if (self.shared_key is None) != (self.shared_key_id is None):
            raise MisuseError("--shared-key and --shared-key-id go together")
        if self.shared_key_id is not None:
            _identifier(self.shared_key_id)

    def load(self, *, new: bool) -> list[Password | PresharedKey]:
        """Return what the options name; a password that is to be typed is asked for.

        Args:
            new: whether a typed password seals something, so that it is asked for twice.

        Raises:
            MisuseError: there is no terminal to ask on, or no such environment variable.
            CredentialError: one of them cannot be used.
            OSError: a file cannot be read.
        """
        from smime_session import Password, PresharedKey

        from .credentials import given_secret, read_limited

        found: list[Password | PresharedKey] = []
        if self.shared_key is not None and self.shared_key_id is not None:
            data = read_limited(self.shared_key, MAX_KEY_FILE_SIZE, "a shared key")
            found.append(PresharedKey(_key(data, self.shared_key), _identifier(self.shared_key_id)))
        if self.password:
            found.append(Password(_typed_password(new=new)))
        elif (octets := given_secret("password", self.password_file, self.password_env)) is not None:
            found.append(Password(octets))
        return found


def shared_secret_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for a password and a shared key; the function gets them as one argument, ``secrets``."""

    @functools.wraps(function)
    def collect(
        *arguments: object,
        password: bool,
        password_file: str | None,
        password_env: str | None,
        shared_key: str | None,
        shared_key_id: str | None,
        **others: object,
    ) -> object:
        secrets = SharedSecrets(password, password_file, password_env, shared_key, shared_key_id)
        secrets.check()
        return function(*arguments, secrets=secrets, **others)

    path = click.Path()
    for option in (
        click.option("--shared-key-id", metavar="ID", help="The name of that key: text, or 0x and hexadecimal digits."),
        click.option(
            "--shared-key", metavar="FILE", type=path, help="A key of 16, 24 or 32 octets, or its hexadecimal digits."
        ),
        click.option("--password-env", metavar="NAME", help="Take it from an environment variable."),
        click.option("--password-file", metavar="FILE", type=path, help="Read it from a file."),
        click.option("--password", is_flag=True, help="Ask for a password that sender and reader share."),
    ):
        option(collect)
    return collect


def _typed_password(*, new: bool) -> str | bytes:
    from smime_session import CredentialError

    from .credentials import ask

    answer = ask("New password for the message: " if new else "Password of the message: ")
    if answer is None:
        raise MisuseError(
            "there is no terminal to ask for a password",
            "--password-file or --password-env gives it where there is no terminal",
        )
    if new and ask("The same again: ") != answer:
        raise CredentialError("the two passwords are not the same")
    try:
        return answer.decode()  # as text, the same accent is the same octets whatever it was typed on
    except UnicodeDecodeError:
        return answer


def _key(data: bytes, path: str) -> bytes:
    """Return the key in a file: hexadecimal digits if it has nothing else, otherwise the octets themselves."""
    from smime_session import CredentialError

    digits = data.strip()
    key = data
    if digits and _HEX_DIGITS.issuperset(digits):
        key = bytes.fromhex(digits.decode()) if len(digits) % 2 == 0 else b""
    if len(key) not in _KEY_SIZES:
        raise CredentialError(f"{path}: neither 16, 24 or 32 octets nor 32, 48 or 64 hexadecimal digits")
    return key


def _identifier(given: str) -> bytes:
    try:
        identifier = bytes.fromhex(given[2:]) if given.startswith("0x") else os.fsencode(given)
    except ValueError:
        raise MisuseError(f"--shared-key-id {given} has something else than pairs of hexadecimal digits") from None
    if not identifier:
        raise MisuseError("--shared-key-id is empty")
    return identifier
