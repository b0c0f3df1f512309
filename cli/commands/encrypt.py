"""``smime-session encrypt``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import click

import smime_session

from ..addressing import LIST_NAME
from ..console import to_json
from ..encrypting import encrypting_options
from ..files import SHARED, Output, new_files
from ..options import MisuseError, message_argument, output_option, refuse_to_replace
from ..parsing import Command
from ..progress import progress

if TYPE_CHECKING:
    from smime_session import Sealed
    from smime_session.operations.encrypt import Form

    from ..encrypting import Encrypting, Work


_EXAMPLES: Final = (
    "smime-session encrypt -r bob.pem letter.eml -o letter.enc.eml\n"
    "smime-session encrypt --certs certificates letter.eml -o sent.eml"
)


@click.command("encrypt", cls=Command, epilog=_EXAMPLES)
@message_argument
@encrypting_options
@output_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["mail", "der", "pem"]),
    default="mail",
    show_default=True,
    help="A whole mail, or any file as a bare CMS object.",
)
def command(message: str, output: str | None, form: Form, encrypting: Encrypting) -> None:
    """Encrypt a message for recipients.

    MESSAGE is a path, or - for standard input. A new random session key encrypts it once, and is itself
    encrypted with each recipient's key. If one recipient cannot be used, the message is not encrypted at all.
    A password or a shared key makes everyone who has it a recipient too.

    The header fields of a mail stay readable outside; a copy inside tells the reader if they were changed.

    With --certs, recipients are found by the addresses in To, Cc and Bcc. If there is a Bcc, -o names a folder: it
    gets a message for all in To and Cc, one for each in Bcc, and a list of who gets which.

    With --sign-with, the mail is signed before it is encrypted: only its recipients see by whom.

    With --ca, the certificate of each recipient must have a chain to one of ROOTS; without it, chains are not checked.
    """
    destination = Output(output)
    _check(destination, form, encrypting)
    with encrypting.begun(message, form) as begun:
        if encrypting.reported(begun):
            return
        work = encrypting.work(begun, encrypting.addressing.envelopes(begun.fields, begun.profile, begun.anchors))
        if encrypting.addressing.stores and destination.is_folder:
            sealed = _encrypt_into(cast("str", output), work)
        else:
            if any(each.blind for each in work.divided):
                raise MisuseError("the mail has blind recipients (Bcc)", "-o FOLDER writes a message for each of them")
            sealed = [_encrypt_to(destination, work, form, quiet=encrypting.quiet)]
    encrypting.tell(work, sealed)


def _check(destination: Output, form: Form, encrypting: Encrypting) -> None:
    """Check that the options go together and that no file is lost.

    Raises:
        MisuseError: they do not, or one would be.
    """
    addressing = encrypting.addressing
    addressing.check()
    if addressing.as_json and not addressing.dry_run:
        raise MisuseError("--json is for the report of --dry-run")
    if form == "der" and destination.refuses_binary and not addressing.dry_run:
        raise MisuseError(
            "DER is binary and standard output is a terminal",
            "-o FILE writes it to a file, -o - writes it to the terminal anyway",
        )
    if not encrypting.named.files and not encrypting.secrets and not addressing.stores:
        words = "-r CERT, --certs FOLDER, --password or --shared-key FILE says who can read it"
        raise MisuseError("no recipient was given", words)
    for option, paths in encrypting.files():
        refuse_to_replace(destination, option, paths)
    encrypting.check(form)


def _encrypt_to(destination: Output, work: Work, form: Form, *, quiet: bool) -> Sealed:
    """Encrypt a message to where the command writes."""
    found = [reader for each in work.divided for reader in each.readers(work.profile)]
    with progress("encrypting", work.source, destination, quiet=quiet), destination.open() as target:
        return smime_session.encrypt_stream(
            work.stream,
            target,
            [*found, *work.others],
            profile=work.profile,
            form=form,
            transactional=destination.transactional,
            **work.treatment,
        )


def _encrypt_into(folder: str, work: Work) -> list[Sealed]:
    """Write a message for each envelope into a folder, and the list of who gets which: all of it or nothing."""
    names = [f"{number}.eml" for number in range(1, len(work.divided) + 1)]
    with new_files(*((f"{folder}/{name}", SHARED) for name in (*names, LIST_NAME))) as (*targets, list_file):
        sealed = work.encrypt_each(targets)
        found = [{"file": name, "recipients": each.recipients} for name, each in zip(names, work.divided, strict=True)]
        list_file.write(to_json(found).encode() + b"\n")
    return sealed
