"""``--ca-key``: an authority that issues and revokes, as one argument of a command."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import click

from .credentials import authority_in
from .options import PATH, MisuseError
from .passphrases import given_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from smime_session import Issuer


class Authority(NamedTuple):
    """Files with a private key and a certificate, and how to open them.

    Attributes:
        key: the file of the private key, or None.
        certificate: that of the certificate, or None.
        passphrase_file: a file with the passphrase, or None.
        passphrase_env: an environment variable with it, or None.
    """

    key: str | None
    certificate: str | None
    passphrase_file: str | None
    passphrase_env: str | None

    def __bool__(self) -> bool:
        """Tell whether there is one."""
        return self.key is not None

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            MisuseError: they do not.
        """
        given = {
            "--ca": self.certificate,
            "--ca-passphrase-file": self.passphrase_file,
            "--ca-passphrase-env": self.passphrase_env,
        }
        if self.key is None and (option := next(filter(given.get, given), None)):
            raise MisuseError(f"{option} is about the issuer", "--ca-key FILE gives its private key")
        if self.passphrase_file and self.passphrase_env:
            raise MisuseError("more than one passphrase is given for the issuer's private key, which has one")

    def load(self) -> Issuer | None:
        """Load it, if there is one; if its private key is locked and no passphrase is given, that is asked for.

        Raises:
            MisuseError: an environment variable is not set.
            CredentialError: a file does not hold what it should, or it stays locked.
            OSError: a file cannot be read.
        """
        if self.key is None:
            return None
        passphrase = given_secret("passphrase", self.passphrase_file, self.passphrase_env)
        return authority_in(self.key, self.certificate, () if passphrase is None else (passphrase,))


def authority_options(*, required: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--ca-key`` and what belongs to it; the function gets them as one argument, ``authority``."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def collect(
            *arguments: object,
            ca_key: str | None,
            ca: str | None,
            ca_passphrase_file: str | None,
            ca_passphrase_env: str | None,
            **options: Any,  # noqa: ANN401  # whatever click passes
        ) -> object:
            authority = Authority(ca_key, ca, ca_passphrase_file, ca_passphrase_env)
            authority.check()
            return function(*arguments, authority=authority, **options)

        for option in (
            click.option("--ca-passphrase-env", metavar="NAME", help="Take it from an environment variable."),
            click.option(
                "--ca-passphrase-file", metavar="FILE", type=PATH, help="Read the passphrase of CA.key from a file."
            ),
            click.option("--ca", metavar="CA.pem", type=PATH, help="Its certificate, if that is not in CA.key."),
            click.option(
                "--ca-key",
                metavar="CA.key",
                type=PATH,
                required=required,
                help="The private key of a CA of your own, as identity new-ca makes one.",
            ),
        ):
            option(collect)
        return collect

    return add
