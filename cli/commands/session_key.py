"""``smime-session session-key``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

import smime_session
from smime_session import Policy

from ..files import PRIVATE, Output, reading
from ..options import (
    MisuseError,
    limit_options,
    message_argument,
    output_option,
    quiet_option,
    refuse_to_replace,
)
from ..parsing import Command
from ..private_keys import identity_option
from ..progress import progress
from ..shared_secrets import shared_secret_options

if TYPE_CHECKING:
    from typing import Any

    from ..private_keys import PrivateKeys
    from ..shared_secrets import SharedSecrets


_EXAMPLES: Final = "smime-session session-key -i bob.key letter.enc.eml -o letter.key"


@click.command("session-key", cls=Command, epilog=_EXAMPLES)
@message_argument
@identity_option
@shared_secret_options
@output_option
@click.option(
    "--insecure-legacy",
    is_flag=True,
    help="Open broken algorithms (3DES, RC2 with 128 bits).",
)
@limit_options("max_recipients", "max_trials", "max_password_iterations")
@quiet_option
def command(  # noqa: PLR0913  # an argument for each option
    message: str,
    identities: PrivateKeys,
    output: str | None,
    *,
    secrets: SharedSecrets,
    insecure_legacy: bool,
    limits: dict[str, Any],
    quiet: bool,
) -> None:
    """Save the session key of one message.

    MESSAGE is a path, or - for standard input; a whole mail or a bare CMS object. All of it is
    checked first. What is saved opens this message, and no other, without a private key: see decrypt
    --session-key. The file is readable by its owner only; guard it like the message itself.
    """
    destination = Output(output)
    if destination.refuses_binary:
        raise MisuseError(
            "a session key is secret and standard output is a terminal",
            "-o FILE writes it to a file, -o - shows it on the terminal anyway",
        )
    if not identities and not secrets:
        raise MisuseError("no identity was given", "-i IDENTITY, --password or --shared-key FILE gives one")
    refuse_to_replace(destination, "-i", identities.paths)
    for option, path in secrets.files():
        refuse_to_replace(destination, option, [path])
    refuse_to_replace(destination, "MESSAGE", [message])

    with reading(message) as source:  # before a passphrase is asked for
        keys = [*identities.load(), *secrets.load(new=False)]
        policy = Policy(insecure_legacy=insecure_legacy, **limits)
        with progress("opening", source, destination, quiet=quiet):
            saved = smime_session.export_session_key(source.stream, keys, policy=policy)
    with saved, destination.open(PRIVATE, inherit=False) as target:
        target.write(saved.to_json())
