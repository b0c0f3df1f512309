"""``smime-session identity``."""

from __future__ import annotations

import errno
import functools
import os
from typing import TYPE_CHECKING, Final

import click
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import smime_session
from smime_session import CredentialError
from smime_session.operations import authority as authorities
from smime_session.operations import new_identity as creation
from smime_session.operations.issuing import MAX_DAYS
from smime_session.operations.request import REQUEST_KEY_TYPES, new_request

from ..authority import authority_options
from ..console import emit, say, to_json
from ..credentials import certificates_in, listing_of, split_in
from ..files import PRIVATE, SHARED, Output, new_files
from ..options import PATH, MisuseError, passphrase_options, refuse_to_replace
from ..parsing import Command
from ..passphrases import Passphrases, ask
from ..tree import render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from cryptography import x509

    from ..authority import Authority

_ENDINGS: Final = ("key", "pem", "issuer.pem")


@click.group("identity", no_args_is_help=False)
def command() -> None:
    """Make private keys and certificates, or show what a file holds."""


def _days_option(default: int, what: str = "certificate") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--days",
        type=click.IntRange(1, MAX_DAYS),
        default=default,
        show_default=True,
        help=f"How many days the {what} is valid.",
    )


def _type_option(types: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--type",
        "key_type",
        metavar="TYPE",
        type=click.Choice(types),
        default="rsa3072",
        show_default=True,
        help=f"The kind of key: {', '.join(types)}.",
    )


def _prefix_option(files: str, default: str = "the address") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("-o", "--output", metavar="PREFIX", type=PATH, help=f"Write {files}.  [default: {default}]")


def _lock_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what locks a new private key; the function gets ``lock``: the passphrase, once it is called with a name."""

    @functools.wraps(function)
    def collect(
        *arguments: object,
        asks: bool,
        **options: Any,  # noqa: ANN401  # whatever click passes
    ) -> object:
        unlocking = Passphrases.among(options)
        if asks + sum(map(len, unlocking)) > 1:
            raise MisuseError("more than one passphrase is given, and a private key has one")

        def lock(name: str) -> bytes | None:
            given = [_chosen_passphrase(name)] if asks else unlocking.read()
            return given[0] if given else None

        return function(*arguments, lock=lock, **options)

    asking = click.option(
        "--passphrase", "asks", is_flag=True, help="Ask, twice, for a passphrase to lock the private key with."
    )
    return asking(passphrase_options(collect))


@command.command("new", cls=Command, epilog="smime-session identity new dana@example.com --type p256 -o dana")
@click.argument("address")
@_type_option(tuple(creation.KEY_TYPES))
@_prefix_option("PREFIX.key and PREFIX.pem")
@_days_option(730)
@click.option(
    "--announce/--no-announce",
    default=True,
    show_default=True,
    help="Announce in the certificate what smime-session reads, so that senders can choose it (AES-GCM, RSAES-OAEP);"
    " not for a key that is for a mail program.",
)
@_lock_options
@authority_options()
def new(  # noqa: PLR0913  # an argument for each option
    address: str,
    *,
    announce: bool,
    key_type: str,
    output: str | None,
    days: int,
    lock: Callable[[str], bytes | None],
    authority: Authority,
) -> None:
    """Make a private key and a certificate for ADDRESS.

    PREFIX.key holds both and stays secret; PREFIX.pem is the certificate to give to others. With --ca-key, a CA of
    your own issues it. Without one, for a key that cannot sign, an issuer is made for this one certificate;
    PREFIX.issuer.pem is the issuer's own. Existing files are never overwritten.
    """
    key_path, certificate_path, issuer_path = _paths(output, address, _ENDINGS)
    _refuse_existing(key_path, certificate_path, issuer_path)

    _check_address(address)
    issuer = authority.load()
    passphrase = lock(address)
    wanted = [(key_path, PRIVATE), (certificate_path, SHARED)]
    if not issuer and not creation.KEY_TYPES[key_type].signs:
        wanted.append((issuer_path, SHARED))
    with new_files(*wanted) as (key_file, certificate_file, *issuer_files):
        made = creation.new_identity(
            address, key_type=key_type, days=days, passphrase=passphrase, announce=announce, issuer=issuer
        )
        key_file.write(made.private_key_pem + made.certificate_pem)
        certificate_file.write(made.certificate_pem)
        for issuer_file in issuer_files:
            issuer_file.write(made.issuer_certificate_pem or b"")
    _tell_key(key_path, locked=passphrase is not None)
    _tell_certificate(certificate_path, made.certificate)
    if issuer_files:
        _tell_issuer(issuer_path)


@command.command("new-ca", cls=Command)
@click.argument("name")
@_type_option(authorities.AUTHORITY_KEY_TYPES)
@_prefix_option("PREFIX.key and PREFIX.pem", "ca")
@_days_option(3650)
@_lock_options
def new_ca(name: str, *, key_type: str, output: str | None, days: int, lock: Callable[[str], bytes | None]) -> None:
    """Make a small CA with the name NAME, for a team or a test.

    PREFIX.key holds its private key and its certificate: who has it can issue certificates for everyone.
    PREFIX.pem is the certificate that others trust, with --ca PREFIX.pem. Existing files are never overwritten.
    """
    key_path, certificate_path = _paths(output or "ca", name, _ENDINGS[:2])
    _refuse_existing(key_path, certificate_path)

    passphrase = lock(name)
    with new_files((key_path, PRIVATE), (certificate_path, SHARED)) as (key_file, certificate_file):
        made = authorities.new_authority(name, key_type=key_type, days=days, passphrase=passphrase)
        key_file.write(made.private_key_pem + made.certificate_pem)
        certificate_file.write(made.certificate_pem)
    _tell_key(key_path, locked=passphrase is not None)
    _tell_certificate(certificate_path, made.certificate)


@command.command("revoke", cls=Command)
@click.argument("certificates", metavar="[CERT...]", type=PATH, nargs=-1)
@click.option(
    "--crl", metavar="FILE", type=PATH, required=True, help="The revocation list; it is made if it is not there."
)
@_days_option(30, "list")
@authority_options(required=True)
def revoke(certificates: tuple[str, ...], *, crl: str, days: int, authority: Authority) -> None:
    """Revoke the certificates in each CERT: put them on the revocation list of the CA that issued them.

    What is on the list stays there. Without CERT, the list is made anew, which it must be before it ends.
    """
    target = Output(crl)
    refuse_to_replace(target, "--ca-key", [path for path in (authority.key, authority.certificate) if path])
    revoked = certificates_in(certificates)
    previous = smime_session.load_crls(crl) if os.path.exists(crl) else []  # noqa: PTH110  # pathlib is slow to load
    if len(previous) > 1:
        raise CredentialError(f"{crl}: the file holds {len(previous)} revocation lists, and one is made anew")
    issuer = authority.load()
    if issuer is None:
        raise MisuseError("there is no CA", "--ca-key CA.key gives its private key")
    made = smime_session.revocation_list(issuer, revoked, previous=previous[0] if previous else None, days=days)
    with target.open() as file:
        file.write(made.public_bytes(Encoding.PEM))
    say(f"Wrote {crl}: {len(made)} revoked, valid until {made.next_update_utc:%Y-%m-%d}")


@command.command("request", cls=Command)
@click.argument("address")
@_type_option(REQUEST_KEY_TYPES)
@_prefix_option("PREFIX.key and PREFIX.csr")
@_lock_options
def request(address: str, *, key_type: str, output: str | None, lock: Callable[[str], bytes | None]) -> None:
    """Make a private key for ADDRESS, and a request for its certificate that a CA takes (PKCS#10).

    PREFIX.key holds the private key and stays secret; PREFIX.csr goes to the CA. Append the certificate that comes
    back to PREFIX.key. Existing files are never overwritten.
    """
    key_path, request_path = _paths(output, address, ("key", "csr"))
    _refuse_existing(key_path, request_path)

    _check_address(address)
    passphrase = lock(address)
    with new_files((key_path, PRIVATE), (request_path, SHARED)) as (key_file, request_file):
        made = new_request(address, key_type=key_type, passphrase=passphrase)
        key_file.write(made.private_key_pem)
        request_file.write(made.request_pem)
    _tell_key(key_path, locked=passphrase is not None)
    say(f"Wrote {request_path}: the request for a certificate")


@command.command("import", cls=Command)
@click.argument("file", metavar="FILE.p12", type=PATH)
@_prefix_option("PREFIX.key and PREFIX.pem", "the address in the certificate, or the name of FILE")
@passphrase_options
@click.option("--unlocked", is_flag=True, help="Write the private keys without a passphrase.")
def import_(
    file: str,
    *,
    output: str | None,
    unlocked: bool,
    **passphrases: tuple[str, ...],
) -> None:
    """Split a PKCS#12 file, as browsers and Windows export one, and show what it held.

    PREFIX.key gets its private keys with their certificates, locked with the passphrase of the file; PREFIX.pem
    the certificates to give to others; PREFIX.issuer.pem those of issuers, if there are any. Existing files are never
    overwritten.
    """
    found, listing = split_in(file, Passphrases.among(passphrases).read(), locked=not unlocked)
    name = next(iter(found.addresses), None)
    if name is None or "/" in name:
        name = os.path.splitext(os.path.basename(file))[0]  # noqa: PTH119, PTH122  # pathlib is slow to load
    key_path, certificate_path, issuer_path = _paths(output, name, _ENDINGS)
    parts = [(key_path, PRIVATE, found.private_keys_pem), (certificate_path, SHARED, found.certificates_pem)]
    parts += [(issuer_path, SHARED, found.issuers_pem)] if found.issuers_pem else []
    _refuse_existing(*(path for path, _, _ in parts))
    with new_files(*((path, permissions) for path, permissions, _ in parts)) as targets:
        for target, (_, _, octets) in zip(targets, parts, strict=True):
            target.write(octets)
    locked = b"ENCRYPTED PRIVATE KEY" in found.private_keys_pem
    _tell_key(key_path, locked=locked)
    for certificate in found.certificates:
        _tell_certificate(certificate_path, certificate)
    if found.issuers_pem:
        say(f"Wrote {issuer_path}: the certificates of issuers")
    emit(render(file, listing.to_dict()))


@command.command("show", cls=Command, epilog="smime-session identity show bob.key")
@click.argument("file", type=PATH)
@passphrase_options
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def show(file: str, *, as_json: bool, **passphrases: tuple[str, ...]) -> None:
    """Show what a certificate or private key FILE holds.

    FILE is PEM, DER, PKCS#7 or PKCS#12; - is standard input. Nothing secret is shown, and no passphrase
    is asked for: what is locked stays locked unless one is given.
    """
    found = listing_of(file, Passphrases.among(passphrases).read()).to_dict()
    if as_json:
        emit(to_json(found).split("\n"))
    else:
        emit(render("standard input" if file == "-" else file, found))


def _paths(output: str | None, name: str, endings: Sequence[str]) -> list[str]:
    """Return the names of files.

    Raises:
        MisuseError: they are to be named after what no file is named after.
    """
    if output is None and "/" in name:
        raise MisuseError("a file cannot be named after an address with a slash", "-o PREFIX names the files")
    return [f"{output or name}.{ending}" for ending in endings]


def _check_address(address: str) -> None:
    try:
        creation.parse_address(address)
    except CredentialError as error:
        raise MisuseError(str(error)) from error


def _refuse_existing(*paths: str) -> None:
    """Refuse before a passphrase is asked for and a key is made."""
    for path in paths:
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)


def _chosen_passphrase(address: str) -> bytes:
    passphrase = ask(f"New passphrase for {address}: ")
    if passphrase is None:
        raise MisuseError(
            "there is no terminal to ask for a passphrase",
            "--passphrase-file or --passphrase-env gives it where there is no terminal",
        )
    if ask("Repeat passphrase: ") != passphrase:
        raise CredentialError("the two passphrases are not the same")
    return passphrase


def _tell_key(path: str, *, locked: bool) -> None:
    say(f"Wrote {path}: the private key, {'locked with the passphrase' if locked else 'not locked'}")


def _tell_certificate(path: str, certificate: x509.Certificate) -> None:
    say(f"Wrote {path}: the certificate, valid until {certificate.not_valid_after_utc:%Y-%m-%d}")
    say(f"SHA-256 fingerprint: {certificate.fingerprint(hashes.SHA256()).hex(':').upper()}")


def _tell_issuer(path: str) -> None:
    say(f"Wrote {path}: the certificate of its issuer, whose own key was not kept")
