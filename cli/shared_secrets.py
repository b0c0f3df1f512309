"""Passwords and shared keys: the options that name them, and what they stand for.

A password is a recipient, known to both sides; the *passphrase* of another option unlocks a private key.
"""

from __future__ import annotations

import contextlib
import functools
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import click

import smime_session
from smime_session import MODERN, CredentialError, SmimeError
from smime_session.algorithms import AES_128_GCM

from .files import read_limited
from .options import PATH, MisuseError
from .passphrases import ask, given_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from smime_session import Password, PresharedKey

MAX_KEY_FILE_SIZE: Final = 1024  # bytes: a key in hexadecimal digits has 64

_MARKED: Final = b"Subject: Is it still the same?\n\n"
_KEY_SIZES: Final = (16, 24, 32)
_HEX_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")


class SharedSecrets(NamedTuple):
    """What the options name.

    Attributes:
        password: whether to ask for a password.
        password_files: the files with one each.
        password_envs: the environment variables with one each.
        shared_keys: the files with a shared key each.
        shared_key_ids: the identifiers of the shared keys, in the same order, as they were given.
        prefix: what the names of these options begin with.
    """

    password: bool
    password_files: tuple[str, ...]
    password_envs: tuple[str, ...]
    shared_keys: tuple[str, ...]
    shared_key_ids: tuple[str, ...]
    prefix: str = ""

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return self.password or any((self.password_files, self.password_envs, self.shared_keys))

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield each file with the option that names it."""
        for path in self.password_files:
            yield f"--{self.prefix}password-file", path
        for path in self.shared_keys:
            yield f"--{self.prefix}shared-key", path

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            MisuseError: they do not.
        """
        keys, names = len(self.shared_keys), len(self.shared_key_ids)
        if keys != names:
            option = f"--{self.prefix}shared-key"
            raise MisuseError(f"{option} and {option}-id go together, one for one: {keys} and {names} were given")
        for name in self.shared_key_ids:
            _identifier(name, self.prefix)

    def load(self, *, new: bool) -> list[Password | PresharedKey]:
        """Return what the options name; a password that is to be typed is asked for.

        Args:
            new: whether a typed password encrypts something, so that it is asked for twice.

        Raises:
            MisuseError: there is no terminal to ask on, or no such environment variable.
            CredentialError: one of them cannot be used.
            OSError: a file cannot be read.
        """
        if not self:  # as it mostly is, and then neither technique needs to be loaded
            return []
        found: list[Password | PresharedKey] = []
        for path, name in zip(self.shared_keys, self.shared_key_ids, strict=True):
            data = read_limited(path, MAX_KEY_FILE_SIZE, "a shared key")
            found.append(smime_session.PresharedKey(_key(data, path), _identifier(name, self.prefix)))
        given = [given_secret("password", path, None) for path in self.password_files]
        given += [given_secret("password", None, variable) for variable in self.password_envs]
        found += [smime_session.Password(word) for word in given if word is not None]
        if self.password:
            found.append(smime_session.Password(_typed_password(self.prefix, new=new)))
        return found


_OPENING: Final = {
    "password": "Ask for a password that sender and reader share.",
    "password_files": "Read such a password from a file; repeat it for more.",
    "password_envs": "Take such a password from an environment variable; repeat it for more.",
    "shared_keys": "A file with a shared key: 16, 24 or 32 bytes, or their hexadecimal digits; repeat it for more,"
    " each with --shared-key-id.",
    "shared_key_ids": "The identifier of that key: text, or 0x and hexadecimal digits.",
}
_ADDING: Final = {
    "password": "Add a recipient by a password, which is asked for.",
    "password_files": "Add a recipient by the password in this file; repeat it for more.",
    "password_envs": "Add a recipient by the password in this environment variable; repeat it for more.",
    "shared_keys": "Add a recipient by the shared key in this file, which is like that of --shared-key; repeat it for"
    " more, each with --add-shared-key-id.",
    "shared_key_ids": "The identifier of that key.",
}
_METAVARS: Final = {"password_files": "FILE", "password_envs": "NAME", "shared_keys": "FILE", "shared_key_ids": "ID"}


def shared_secret_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for passwords and shared keys; the function gets them as one argument, ``secrets``."""
    return _secret_options(function, "secrets", "", _OPENING)


def added_secret_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the same options for readers who are to be added; the function gets them as ``added_secrets``."""
    return _secret_options(function, "added_secrets", "add-", _ADDING)


def _secret_options(
    function: Callable[..., Any], argument: str, prefix: str, words: dict[str, str]
) -> Callable[..., Any]:
    names = {field: f"{prefix}{field}".replace("-", "_") for field in words}

    @functools.wraps(function)
    def collect(*arguments: object, **options: Any) -> object:  # noqa: ANN401  # whatever click passes
        secrets = SharedSecrets(**{field: options.pop(name) for field, name in names.items()}, prefix=prefix)
        secrets.check()
        return function(*arguments, **{argument: secrets}, **options)

    for field, help_text in reversed(words.items()):
        option, metavar = f"--{prefix}{field.removesuffix('s').replace('_', '-')}", _METAVARS.get(field)
        if metavar is None:
            click.option(option, names[field], is_flag=True, help=help_text)(collect)
        else:
            kind = PATH if metavar == "FILE" else None
            click.option(option, names[field], metavar=metavar, type=kind, multiple=True, help=help_text)(collect)
    return collect


def marks(secrets: Iterable[Password | PresharedKey], before: Mapping[str, str]) -> dict[str, str]:
    """Return what tells secrets from others later: for each a message that it opens.

    To guess a password by it is as hard as by any message that is written with it.

    Args:
        secrets: the secrets.
        before: earlier marks by their names; one that a secret still opens stays as it is.
    """
    found = {}
    for number, secret in enumerate(secrets, 1):
        name = f"password or shared key {number}"
        found[name] = before[name] if _opens(secret, before.get(name)) else _mark(secret)
    return found


def _mark(secret: Password | PresharedKey) -> str:
    profile = replace(MODERN, content=AES_128_GCM)  # a shared key wraps no longer one than itself
    return smime_session.encrypt(_MARKED, [secret], profile=profile).decode("ascii")


def _opens(secret: Password | PresharedKey, mark: str | None) -> bool:
    if mark is None:
        return False
    with contextlib.suppress(SmimeError):
        smime_session.decrypt(mark.encode(), [secret])
        return True
    return False


def _typed_password(prefix: str, *, new: bool) -> str | bytes:
    answer = ask("New password for the message: " if new else "Password of the message: ")
    if answer is None:
        raise MisuseError(
            "there is no terminal to ask for a password",
            f"--{prefix}password-file or --{prefix}password-env gives it where there is no terminal",
        )
    if new and ask("Repeat password: ") != answer:
        raise CredentialError("the two passwords are not the same")
    try:
        return answer.decode()  # as text, the same accent is the same bytes whatever it was typed on
    except UnicodeDecodeError:
        return answer


def _key(data: bytes, path: str) -> bytes:
    """Return the key in a file: hexadecimal digits if it has nothing else, otherwise the bytes themselves."""
    digits = data.strip()
    key = data
    if digits and _HEX_DIGITS.issuperset(digits):
        key = bytes.fromhex(digits.decode()) if len(digits) % 2 == 0 else b""
    if len(key) not in _KEY_SIZES:
        raise CredentialError(f"{path}: neither 16, 24 or 32 bytes nor 32, 48 or 64 hexadecimal digits")
    return key


def _identifier(given: str, prefix: str) -> bytes:
    option = f"--{prefix}shared-key-id"
    try:
        identifier = bytes.fromhex(given[2:]) if given.startswith("0x") else os.fsencode(given)
    except ValueError:
        raise MisuseError(f"{option} {given} is not 0x and pairs of hexadecimal digits") from None
    if not identifier:
        raise MisuseError(f"{option} is empty")
    return identifier
