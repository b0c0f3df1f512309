"""``smime-session encrypt``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..files import Output, reading
from ..options import (
    PATH,
    MisuseError,
    algorithm_options,
    chosen_profile,
    guard_options,
    message_argument,
    output_option,
    quiet_option,
    refuse_to_replace,
)
from ..parsing import Command
from ..shared_secrets import shared_secret_options

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Literal

    from smime_session import Sealed

    from ..shared_secrets import SharedSecrets


@click.command("encrypt", cls=Command)
@message_argument
@click.option(
    "-r",
    "--recipient",
    "certificates",
    metavar="CERT",
    type=PATH,
    multiple=True,
    help="A file with the certificate of a recipient, or of several; repeat it for more.",
)
@shared_secret_options
@output_option
@click.option(
    "--profile",
    type=click.Choice(["modern", "compat", "pq"]),
    default="modern",
    show_default=True,
    help="Algorithms for S/MIME 4.0 readers, for older ones, or for post-quantum keys only.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["mail", "der", "pem"]),
    default="mail",
    show_default=True,
    help="A whole mail, or any file as a bare CMS object.",
)
@algorithm_options
@guard_options
@quiet_option
def command(  # noqa: PLR0913  # an argument for each kind of option
    message: str,
    certificates: tuple[str, ...],
    output: str | None,
    form: Literal["mail", "der", "pem"],
    *,
    secrets: SharedSecrets,
    quiet: bool,
    **choices: Any,  # noqa: ANN401  # they go to the profile
) -> None:
    """Encrypt a message for recipients.

    MESSAGE is a path, or - for standard input. A new random session key encrypts it once, and is itself
    encrypted with each recipient's key. If one recipient cannot be used, the message is not encrypted at all.
    A password or a shared key makes everyone who has it a recipient too.
    """
    destination = Output(output)
    if form == "der" and destination.refuses_binary:
        raise MisuseError(
            "DER is binary and standard output is a terminal",
            "-o FILE writes it to a file, -o - writes it to the terminal anyway",
        )
    if not certificates and not secrets:
        raise MisuseError("no recipient was given", "-r CERT, --password or --shared-key FILE says who can read it")
    refuse_to_replace(destination, "-r", certificates)
    for option, path in secrets.files():
        refuse_to_replace(destination, option, [path])

    from smime_session import encrypt_stream

    from ..credentials import recipients_in
    from ..progress import progress

    profile = chosen_profile(**choices)
    recipients, left_out = recipients_in(certificates, profile)
    with reading(message) as source:  # before a password is asked for
        recipients += secrets.load(new=True)
        with progress("encrypting", source, destination, quiet=quiet), destination.open() as target:
            transactional = destination.transactional
            sealed = encrypt_stream(
                source.stream, target, recipients, profile=profile, form=form, transactional=transactional
            )
    if not quiet and (left_out or sealed.removed_fields or sealed.already_encrypted):
        _tell(sealed, left_out)


def _tell(sealed: Sealed, left_out: Iterable[str]) -> None:
    from ..console import note

    for sentence in left_out:
        note(sentence)
    if sealed.removed_fields:
        note(f"{' and '.join(dict.fromkeys(sealed.removed_fields))} was removed: every recipient could have read it")
    if sealed.already_encrypted:
        note("the mail was encrypted already: decrypting it gives an encrypted mail")
