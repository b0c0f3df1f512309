"""``smime-session rewrap``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import click

from .files import Output, reading
from .options import (
    MisuseError,
    chosen_profile,
    guard_options,
    identity_option,
    message_argument,
    output_option,
    quiet_option,
    refuse_to_replace,
    session_key_option,
)
from .shared_secrets import shared_secret_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, BinaryIO

    from cryptography import x509

    from .shared_secrets import SharedSecrets


@click.command("rewrap")
@message_argument
@identity_option
@shared_secret_options
@session_key_option
@click.option(
    "-r",
    "--recipient",
    "added",
    metavar="CERT",
    type=click.Path(),
    multiple=True,
    help="Add the recipient whose certificate is in this file, or several; repeat it for more.",
)
@click.option(
    "--remove",
    "removed",
    metavar="WHO",
    multiple=True,
    help="Take out a recipient: a certificate file, a mail address, a serial number, a key identifier, or the word"
    " password. It revokes nothing: whoever could read the message may have kept its key.",
)
@click.option(
    "--replace",
    "replaced",
    metavar="OLD NEW",
    nargs=2,
    multiple=True,
    help="Take out OLD, as --remove does, and add the recipient whose certificate is in the file NEW.",
)
@click.option(
    "--certificates",
    metavar="FILE",
    type=click.Path(),
    multiple=True,
    help="Look up mail addresses after --remove here too, besides the files of -i.",
)
@click.option(
    "--reseal", is_flag=True, help="Encrypt the content with a new key, for those after -r and --replace and no others."
)
@output_option
@click.option(
    "--profile",
    type=click.Choice(["modern", "compat", "pq"]),
    default="modern",
    show_default=True,
    help="How the key is encrypted for new recipients and, with --reseal, the content.",
)
@guard_options
@click.option("--insecure-legacy", is_flag=True, help="Rewrap what is encrypted with broken algorithms (3DES, RC2).")
@quiet_option
def command(  # noqa: PLR0913  # an argument for each kind of option
    *,
    message: str,
    identities: tuple[str, ...],
    session_keys: tuple[str, ...],
    added: tuple[str, ...],
    removed: tuple[str, ...],
    replaced: tuple[tuple[str, str], ...],
    certificates: tuple[str, ...],
    output: str | None,
    passphrase_file: str | None,
    passphrase_env: str | None,
    secrets: SharedSecrets,
    reseal: bool,
    insecure_legacy: bool,
    quiet: bool,
    **choices: Any,  # noqa: ANN401  # they go to the profile
) -> None:
    """Give a message other recipients.

    MESSAGE is a path, or - for standard input; a whole mail or a bare CMS object. Adding somebody
    takes an identity that can read the message, which is checked; taking somebody out takes none.
    What is encrypted stays as it is, octet for octet, and so does everybody's key who stays.

    Somebody who is taken out may have kept the key of the message, and the message. With --reseal it
    gets a new key; then a certificate is needed for everybody who is to read it.
    """
    destination = Output(output)
    wanted = (*added, *(new for _, new in replaced))
    leaving = (*removed, *(old for old, _ in replaced))
    _check_choices(wanted, leaving, identified=bool(identities or secrets or session_keys), reseal=reseal)
    files = [path for path in leaving if os.path.isfile(path)]  # noqa: PTH113  # pathlib is slow to load
    for option, paths in (
        ("-i", identities),
        ("--session-key", session_keys),
        ("-r", wanted),
        ("--remove", files),
        ("--certificates", certificates),
    ):
        refuse_to_replace(destination, option, paths)
    for option, path in secrets.files():
        refuse_to_replace(destination, option, [path])

    from smime_session import Policy, rewrap_stream

    from .credentials import certificates_in, given_passphrase, identities_in, recipients_in, session_keys_in
    from .progress import progress

    profile = chosen_profile(**choices)
    recipients_in(wanted, profile)  # which names the file of each certificate that it refuses
    passphrase = given_passphrase(passphrase_file, passphrase_env)
    selectors = [tuple(certificates_in([who])) if who in files else who for who in leaving]
    book = [*certificates_in(certificates), *_certificates_beside(identities)] if leaving else []
    with reading(message) as source:  # before anybody is asked for a passphrase
        keys = [*identities_in(identities, passphrase), *session_keys_in(session_keys), *secrets.load(new=False)]
        with progress("rewrapping", source, destination, quiet=quiet), destination.open() as target:
            done = rewrap_stream(
                source.stream,
                _TextOnly(target).stream if destination.refuses_binary else target,
                keys,
                add=certificates_in(wanted),
                remove=selectors,
                certificates=book,
                reseal=reseal,
                profile=profile,
                policy=Policy(insecure_legacy=insecure_legacy),
                transactional=destination.transactional,
            )
    if not quiet:
        _tell(done.present, done.removed, reseal=reseal)


def _check_choices(wanted: Sequence[str], leaving: Sequence[str], *, identified: bool, reseal: bool) -> None:
    """Check that the options go together.

    Raises:
        MisuseError: they do not.
    """
    if reseal and not wanted:
        raise MisuseError("--reseal needs to be told for whom", "-r CERT names everybody who is to read the message")
    if not wanted and not leaving:
        raise MisuseError("nobody is to be added or taken out", "-r CERT adds a recipient, --remove WHO takes one out")
    if wanted and not identified:
        raise MisuseError(
            "no identity was given",
            "adding somebody takes -i IDENTITY, --password or --shared-key FILE of somebody who reads the message",
        )


def _certificates_beside(paths: Iterable[str]) -> list[x509.Certificate]:
    """Return the certificates that lie open beside the private keys in the files."""
    from smime_session import CredentialError

    from .credentials import certificates_in

    found: list[x509.Certificate] = []
    for path in paths:
        try:
            found += certificates_in([path])
        except CredentialError:
            continue  # a key alone, or locked together with its certificate
    return found


def _tell(present: Sequence[str], removed: Sequence[str], *, reseal: bool) -> None:
    from .console import note

    if present:
        note(f"already a recipient, and left as it was: {'; '.join(present)}")
    if removed and reseal:
        note(f"a recipient no longer: {'; '.join(removed)}; whoever could read the message may have kept it as it was")
    elif removed:
        note(
            "removing is not revoking: whoever could read the message may have kept its key; --reseal gives it another"
        )


class _TextOnly:
    """A terminal that was not asked for by name: it takes no binary message.

    What it is shows in the first octets that are written.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._begun = False

    @property
    def stream(self) -> BinaryIO:
        """Itself, as the binary file object that it is as far as writing goes."""
        return cast("BinaryIO", self)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write ``data``.

        Raises:
            MisuseError: the message is a bare CMS object.
        """
        if not self._begun and bytes(data[:1]) == b"\x30":
            raise MisuseError(
                "the message is binary and standard output is a terminal",
                "-o FILE writes it to a file, -o - writes it to the terminal anyway",
            )
        self._begun = True
        return self._stream.write(data)
