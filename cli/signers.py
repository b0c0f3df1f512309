"""Who signs, as one argument of a command: the file with the private key, what unlocks it, and how to sign."""

from __future__ import annotations

import functools
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

import smime_session

from .credentials import load_file
from .options import PATH, MisuseError, passphrase_options
from .passphrases import Passphrases, unlocked_or_asked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from smime_session import Signer

_GUARDS: Final = {
    "--insecure-expired": "Sign outside the validity of the certificate.",
    "--insecure-key-usage": "Sign with a certificate that is not for signing.",
    "--insecure-extended-key-usage": "Sign with a certificate that is not for mail.",
    "--insecure-key-size": "Sign with an RSA key under 2048 bits.",
    "--insecure-address": "Sign mail from an address that the certificate does not have.",
}
_HASHES: Final = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
_SCHEMES: Final = {"pkcs1-v1_5": "RSASSA-PKCS1-v1_5", "pss": "RSASSA-PSS"}


class SignerFile(NamedTuple):
    """A file with a private key that signs, and how to use it.

    Attributes:
        path: the file.
        unlocking: where passphrases are.
        scheme: how an RSA key signs, or None.
        hash: with which hash function, or None.
        lifted: the guards that are lifted, as :class:`~smime_session.operations.signer.Signer` calls them.
        announce: whether to announce what is read here.
    """

    path: str
    unlocking: Passphrases
    scheme: str | None
    hash: str | None
    lifted: Mapping[str, Any]
    announce: bool = True

    def load(self) -> Signer:
        """Load it; if it is locked, each passphrase is tried, and without any it is asked for.

        Raises:
            MisuseError: an environment variable is not set, or the key does not sign in the way that was asked for.
            CredentialError: there is no private key with a certificate that can sign, or it stays locked.
            OSError: the file cannot be read.
        """
        passphrases = self.unlocking.read()
        loaded = load_file(
            self.path, lambda data: unlocked_or_asked(self.path, passphrases, partial(smime_session.load_signer, data))
        )
        signer = replace(loaded, announce=self.announce, **self.lifted)
        chosen = signer.how
        if self.scheme or self.hash:
            if chosen.hash is None or (self.scheme and not chosen.scheme.startswith("RSASSA")):
                kind = signer.private_key.public_key.kind
                raise MisuseError(f"a key of kind {kind} signs in one way only", "leave out --signature and --hash")
            changes: dict[str, Any] = {}
            if self.scheme:
                changes["scheme"] = _SCHEMES[self.scheme]
            if self.hash:
                changes["hash"] = _HASHES[self.hash]
            signer = replace(signer, algorithm=chosen._replace(**changes))
        return signer


def lifted_guards(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return those guards that options lift, as a signer calls them."""
    return {name: True for name in map(_name, _GUARDS) if choices.get(name)}


def _name(option: str) -> str:
    return option[2:].replace("-", "_")


def signer_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--identity``, given once, with what belongs to it; the function gets ``signer``."""

    @functools.wraps(function)
    def collect(*arguments: object, **options: Any) -> object:  # noqa: ANN401  # whatever click passes
        path, scheme, digest = options.pop("identity"), options.pop("scheme"), options.pop("digest")
        unlocking = Passphrases.among(options)
        lifted = lifted_guards({name: options.pop(name) for name in map(_name, _GUARDS)})
        signer = SignerFile(path, unlocking, scheme, digest, lifted, announce=options.pop("announce"))
        return function(*arguments, signer=signer, **options)

    for option, words in reversed(_GUARDS.items()):
        click.option(option, is_flag=True, help=words)(collect)
    click.option("--hash", "digest", type=click.Choice([*_HASHES]), help="Sign with this hash function.")(collect)
    words = "Whether to announce what smime-session reads, so that senders use it; not for other mail programs."
    click.option("--announce/--no-announce", default=True, show_default=True, help=words)(collect)
    words = "Sign with an RSA key this way; pkcs1-v1_5 is what all programs read."
    click.option("--signature", "scheme", type=click.Choice([*_SCHEMES]), help=words)(collect)
    passphrase_options(collect)
    words = "A file with your private key and its certificate (PEM or PKCS#12)."
    click.option("-i", "--identity", "identity", metavar="IDENTITY", type=PATH, help=words)(collect)
    return collect
