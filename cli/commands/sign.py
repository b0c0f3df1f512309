"""``smime-session sign``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

import smime_session

from ..console import note
from ..files import Output, reading
from ..options import MisuseError, message_argument, output_option, quiet_option, refuse_to_replace
from ..parsing import Command
from ..progress import progress
from ..signers import signer_options

if TYPE_CHECKING:
    from ..signers import SignerFile


_EXAMPLES: Final = "smime-session sign -i alice.key letter.eml -o signed.eml"


@click.command("sign", cls=Command, epilog=_EXAMPLES)
@message_argument
@signer_options
@click.option("--opaque", is_flag=True, help="Put the mail inside the signature: only programs with S/MIME show it.")
@output_option
@quiet_option
def command(message: str, signer: SignerFile, *, opaque: bool, output: str | None, quiet: bool) -> None:
    """Sign a mail, so that readers can check who wrote it.

    MESSAGE is a path, or - for standard input. The signature travels beside the mail, which every program shows; it
    also proves that nothing was changed. What could be changed on the way is encoded before: long lines, and letters
    outside ASCII.
    """
    destination = Output(output)
    if not signer.path:
        raise MisuseError("no identity was given", "-i IDENTITY says who signs")
    refuse_to_replace(destination, "-i", [signer.path])

    with reading(message) as source:  # before a passphrase is asked for
        who = signer.load()
        with progress("signing", source, destination, quiet=quiet), destination.open() as target:
            signed = smime_session.sign_stream(source.stream, target, who, opaque=opaque)
    if signed.made_safe and not quiet:
        note("parts of the mail were encoded, so that they arrive as they were signed")
