"""``-i`` and what unlocks it: private keys as one argument of a command."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import click

from .options import PATH, passphrase_options

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from smime_session import Identity


class PrivateKeys(NamedTuple):
    """Files with private keys, and how to open them.

    Attributes:
        paths: the files.
        passphrase_files: files with passphrases.
        passphrase_envs: environment variables with passphrases.
        ignore_certificates: whether each key is tried on every recipient.
    """

    paths: tuple[str, ...]
    passphrase_files: tuple[str, ...]
    passphrase_envs: tuple[str, ...]
    ignore_certificates: bool

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.paths)

    def load(self) -> list[Identity]:
        """Load all; for one that is locked, each passphrase is tried, and without any it is asked for.

        Raises:
            MisuseError: an environment variable is not set.
            CredentialError: a file holds no private key that can be used, or it stays locked.
            OSError: a file cannot be read.
        """
        from .credentials import identities_in

        return identities_in(self.paths, self.passphrases(), ignore_certificates=self.ignore_certificates)

    def passphrases(self) -> list[bytes]:
        """Return the passphrases that are given.

        Raises:
            MisuseError: an environment variable is not set.
            CredentialError: one is too long.
            OSError: a file cannot be read.
        """
        from .credentials import given_passphrases

        return given_passphrases(self.passphrase_files, self.passphrase_envs)


def identity_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--identity``, given any number of times, with what belongs to it; the function gets ``identities``."""

    @functools.wraps(function)
    def collect(
        *arguments: object,
        identities: tuple[str, ...],
        passphrase_files: tuple[str, ...],
        passphrase_envs: tuple[str, ...],
        ignore_certificates: bool,
        **options: Any,  # noqa: ANN401  # whatever click passes
    ) -> object:
        keys = PrivateKeys(identities, passphrase_files, passphrase_envs, ignore_certificates)
        return function(*arguments, identities=keys, **options)

    click.option(
        "--ignore-certificates",
        is_flag=True,
        help="Try the private keys on every recipient, whatever certificates they come with.",
    )(collect)
    passphrase_options(collect)
    click.option(
        "-i",
        "--identity",
        "identities",
        metavar="IDENTITY",
        type=PATH,
        multiple=True,
        help="A file with a private key (PEM, DER or PKCS#12); repeat it for more.",
    )(collect)
    return collect
