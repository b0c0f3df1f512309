"""``smime-session batch``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..batching import batch_options
from ..console import note
from ..encrypting import encrypting_options
from ..options import MisuseError
from ..parsing import Command
from ..works import ByAddress, EncryptWork

if TYPE_CHECKING:
    from smime_session.batch import Work

    from ..batching import Batch
    from ..encrypting import Encrypting


@click.group("batch", no_args_is_help=False)
def command() -> None:
    """Work on many messages at once, and go on where a run was cut short.

    SOURCE is a folder of .eml files, in subfolders too. TARGET is a folder that gets a file for each. Several
    processes work at a time. What became of each message is kept in a journal beside TARGET: a run that was
    interrupted or killed goes on with the same command line, and each message ends in TARGET exactly once.
    """


@command.command("encrypt", cls=Command, epilog="smime-session batch encrypt --certs certificates mails encrypted")
@batch_options
@encrypting_options
def encrypt(batch: Batch, encrypting: Encrypting) -> None:
    """Encrypt every mail of SOURCE into TARGET.

    The options say for whom and how, as for encrypt. With --certs, each mail is for the addresses in its header. A mail
    that fails is told at the end, with the reason; the others go on, and the exit status is 1.
    """
    addressing = encrypting.addressing
    addressing.check()
    for option, given in (("--dry-run", addressing.dry_run), ("--json", addressing.as_json)):
        if given:
            raise MisuseError(f"{option} is about one mail", "leave it out; --report FILE tells of each message")
    if not encrypting.named.files and not encrypting.secrets and not addressing.stores:
        words = "-r CERT, --certs FOLDER, --password or --shared-key FILE says who can read it"
        raise MisuseError("no recipient was given", words)
    encrypting.check("mail")

    def prepare() -> Work:
        profile, anchors, recipients, left_out = encrypting.loaded("mail")
        for sentence in () if encrypting.quiet else left_out:
            note(sentence)
        by_address = ByAddress(addressing, profile, anchors) if addressing.stores else None
        everyone = [*recipients, *encrypting.secrets.load(new=True)]
        return EncryptWork(profile, everyone, by_address, encrypting.treatment())

    batch.carry_out("encrypted", batch.opened(), prepare, quiet=encrypting.quiet)
