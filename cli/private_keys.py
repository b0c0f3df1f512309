"""``-i`` and what unlocks it: private keys as one argument of a command."""

from __future__ import annotations

import functools
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

import smime_session
from smime_session import CredentialError, PassphraseError
from smime_session.keys.load import load_private_keys
from smime_session.recipients.locked import LockedIdentity, open_beside
from smime_session.session_key import FORMAT

from .credentials import MisplacedKeyError, is_pkcs12, load_file, naming_file
from .options import PATH, passphrase_options
from .passphrases import Passphrases, unlocked_or_asked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from smime_session import Identity


LoadedT = TypeVar("LoadedT")


class PrivateKeys(NamedTuple):
    """Files with private keys, and how to open them.

    Attributes:
        paths: the files.
        unlocking: where passphrases are.
        ignore_certificates: whether each key is tried on every recipient.
    """

    paths: tuple[str, ...]
    unlocking: Passphrases
    ignore_certificates: bool

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.paths)

    def load(self, *, named: bool = False) -> list[Identity]:
        """Load all; what is locked stays so until a message needs it.

        Then each passphrase is tried, and without any it is asked for.

        Args:
            named: unlock now what does not say by itself whose it is.

        Raises:
            MisuseError: an environment variable is not set.
            CredentialError: a file holds no private key that can be used, or it stays locked.
            OSError: a file cannot be read.
        """
        passphrases = self.passphrases()
        files = [_File(path, passphrases, self.ignore_certificates) for path in self.paths]
        return [identity for file in files for identity in load_file(file.path, partial(file.load, named=named))]

    def passphrases(self) -> list[bytes]:
        """Return the passphrases that are given.

        Raises:
            MisuseError: an environment variable is not set.
            CredentialError: one is too long.
            OSError: a file cannot be read.
        """
        return self.unlocking.read()


class _File(NamedTuple):
    """A file with private keys.

    Attributes:
        path: its name.
        passphrases: each is tried on it.
        ignore_certificates: whether its keys are tried on every recipient.
    """

    path: str
    passphrases: Sequence[bytes]
    ignore_certificates: bool

    def load(self, data: bytes, *, named: bool) -> list[Identity]:
        """Return the identities in it, locked where they are."""
        load = partial(smime_session.load_identities, data, ignore_certificates=self.ignore_certificates)
        if self.passphrases and is_pkcs12(data):  # without one, it would be tried with two spellings of the empty one
            return self._locked(data, load, named=named)
        try:
            return load()
        except PassphraseError:
            return self._locked(data, load, named=named)
        except CredentialError:
            if FORMAT.encode() in data:
                raise MisplacedKeyError from None
            raise

    def _locked(self, data: bytes, load: Callable[[bytes | None], list[Identity]], *, named: bool) -> list[Identity]:
        if not self.ignore_certificates:
            keys = self._later(partial(load_private_keys, data))
            if found := open_beside(data, lambda: [each.private_key for each in keys()]):
                return found
        if named:
            return unlocked_or_asked(self.path, self.passphrases, load)
        return [LockedIdentity(f"the locked private key in {self.path}", self._later(load))]

    def _later(self, load: Callable[[bytes | None], list[LoadedT]]) -> Callable[[], list[LoadedT]]:
        """Return what loads from the file when it is first called; what came of it, be it an error, is kept."""
        kept: list[list[LoadedT] | CredentialError] = []

        def loaded() -> list[LoadedT]:
            if not kept:
                kept.append(self._unlocked(load))
            if isinstance(kept[0], CredentialError):
                raise kept[0]
            return kept[0]

        return loaded

    def _unlocked(self, load: Callable[[bytes | None], list[LoadedT]]) -> list[LoadedT] | CredentialError:
        try:
            with naming_file(self.path):
                return unlocked_or_asked(self.path, self.passphrases, load)
        except CredentialError as error:
            return error


def identity_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--identity``, given any number of times, with what belongs to it; the function gets ``identities``."""

    @functools.wraps(function)
    def collect(
        *arguments: object,
        identities: tuple[str, ...],
        ignore_certificates: bool,
        **options: Any,  # noqa: ANN401  # whatever click passes
    ) -> object:
        keys = PrivateKeys(identities, Passphrases.among(options), ignore_certificates)
        return function(*arguments, identities=keys, **options)

    click.option(
        "--ignore-certificates",
        is_flag=True,
        help="Try the private keys on every recipient.",
    )(collect)
    passphrase_options(collect)
    click.option(
        "-i",
        "--identity",
        "identities",
        metavar="IDENTITY",
        type=PATH,
        multiple=True,
        help="A file with private keys (PEM, DER or PKCS#12).",
    )(collect)
    return collect
