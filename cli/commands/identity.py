"""``smime-session identity``."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

import click

from smime_session.operations import new_identity as creation

from ..options import PATH, MisuseError, passphrase_options
from ..parsing import Command

if TYPE_CHECKING:
    from smime_session.operations.new_identity import NewIdentity

_ENDINGS: Final = ("key", "pem", "issuer.pem")


@click.group("identity", no_args_is_help=False)
def command() -> None:
    """Make private keys and certificates, or show what a file holds."""


@command.command("new", cls=Command)
@click.argument("address")
@click.option(
    "--type",
    "key_type",
    type=click.Choice(tuple(creation.KEY_TYPES)),
    default="rsa3072",
    show_default=True,
    help="The kind of key.",
)
@click.option(
    "-o",
    "--output",
    metavar="PREFIX",
    type=PATH,
    help="Write PREFIX.key and PREFIX.pem.  [default: the address]",
)
@click.option(
    "--days",
    type=click.IntRange(1, creation.MAX_DAYS),
    default=730,
    show_default=True,
    help="How many days the certificate is valid.",
)
@click.option("--passphrase", "asks", is_flag=True, help="Ask, twice, for a passphrase to lock the private key with.")
@click.option(
    "--announce/--no-announce",
    default=True,
    show_default=True,
    help="Announce in the certificate what smime-session reads, so that senders can choose it (AES-GCM, RSAES-OAEP);"
    " not for a key that is for a mail program.",
)
@passphrase_options
def new(  # noqa: PLR0913, PLR0917  # an argument for each option
    address: str,
    key_type: str,
    output: str | None,
    days: int,
    passphrase_files: tuple[str, ...],
    passphrase_envs: tuple[str, ...],
    *,
    announce: bool,
    asks: bool,
) -> None:
    """Make a private key and a certificate for ADDRESS.

    PREFIX.key holds both and stays secret; PREFIX.pem is the certificate to give to others. For a key
    that cannot sign, an issuer is made for this one certificate; PREFIX.issuer.pem is the issuer's own.
    Existing files are never overwritten.
    """
    if asks + len(passphrase_files) + len(passphrase_envs) > 1:
        raise MisuseError("more than one passphrase is given, and a private key has one")
    if output is None and "/" in address:
        raise MisuseError("a file cannot be named after an address with a slash", "-o PREFIX names the files")
    key_path, certificate_path, issuer_path = (f"{output or address}.{ending}" for ending in _ENDINGS)
    _refuse_existing(key_path, certificate_path, issuer_path)

    from smime_session import CredentialError

    from ..files import PRIVATE, SHARED, new_files
    from ..passphrases import given_passphrases

    try:
        creation.parse_address(address)
    except CredentialError as error:
        raise MisuseError(str(error)) from error
    given = [_chosen_passphrase(address)] if asks else given_passphrases(passphrase_files, passphrase_envs)
    passphrase = given[0] if given else None
    wanted = [(key_path, PRIVATE), (certificate_path, SHARED)]
    if not creation.KEY_TYPES[key_type].signs:
        wanted.append((issuer_path, SHARED))
    with new_files(*wanted) as (key_file, certificate_file, *issuer_files):
        made = creation.new_identity(address, key_type=key_type, days=days, passphrase=passphrase, announce=announce)
        key_file.write(made.private_key_pem + made.certificate_pem)
        certificate_file.write(made.certificate_pem)
        for issuer_file in issuer_files:
            issuer_file.write(made.issuer_certificate_pem or b"")
    _tell(made, key_path, certificate_path, locked=passphrase is not None)
    if issuer_files:
        _tell_issuer(issuer_path)


@command.command("show", cls=Command)
@click.argument("file", type=PATH)
@passphrase_options
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def show(file: str, passphrase_files: tuple[str, ...], passphrase_envs: tuple[str, ...], *, as_json: bool) -> None:
    """Show what a certificate or private key FILE holds.

    FILE is PEM, DER, PKCS#7 or PKCS#12; - is standard input. Nothing secret is shown, and no passphrase
    is asked for: what is locked stays locked unless one is given.
    """
    from ..console import emit
    from ..credentials import listing_of
    from ..passphrases import given_passphrases

    found = listing_of(file, given_passphrases(passphrase_files, passphrase_envs)).to_dict()
    if as_json:
        import json

        emit(json.dumps(found, indent=2).split("\n"))
    else:
        from ..tree import render

        emit(render("standard input" if file == "-" else file, found))


def _refuse_existing(*paths: str) -> None:
    """Refuse before a passphrase is asked for and a key is made."""
    for path in paths:
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)


def _chosen_passphrase(address: str) -> bytes:
    from smime_session import CredentialError

    from ..passphrases import ask

    passphrase = ask(f"New passphrase for {address}: ")
    if passphrase is None:
        raise MisuseError(
            "there is no terminal to ask for a passphrase",
            "--passphrase-file or --passphrase-env gives it where there is no terminal",
        )
    if ask("Repeat passphrase: ") != passphrase:
        raise CredentialError("the two passphrases are not the same")
    return passphrase


def _tell(made: NewIdentity, key_path: str, certificate_path: str, *, locked: bool) -> None:
    from cryptography.hazmat.primitives import hashes

    from ..console import say

    say(f"Wrote {key_path}: the private key, {'locked with the passphrase' if locked else 'not locked'}")
    say(f"Wrote {certificate_path}: the certificate, valid until {made.certificate.not_valid_after_utc:%Y-%m-%d}")
    say(f"SHA-256 fingerprint: {made.certificate.fingerprint(hashes.SHA256()).hex(':').upper()}")


def _tell_issuer(path: str) -> None:
    from ..console import say

    say(f"Wrote {path}: the certificate of its issuer, whose own key was not kept")
