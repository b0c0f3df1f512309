"""``smime-session decrypt``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

import click

import smime_session
from smime_session import Policy
from smime_session.text import excerpt

from ..console import note
from ..credentials import session_keys_in
from ..files import PRIVATE, Output, reading
from ..options import (
    MisuseError,
    limit_options,
    message_argument,
    output_option,
    quiet_option,
    refuse_to_replace,
    session_key_option,
)
from ..parsing import Command
from ..private_keys import identity_option
from ..progress import progress
from ..screen import text_only
from ..shared_secrets import shared_secret_options
from ..trust import signer_trust_options

if TYPE_CHECKING:
    from typing import Any

    from smime_session import Opened

    from ..private_keys import PrivateKeys
    from ..shared_secrets import SharedSecrets
    from ..trust import Trust


_SIGNED: Final = frozenset({"signed-data", "multipart/signed"})
_EXAMPLES: Final = "smime-session decrypt -i bob.key letter.enc.eml -o letter.txt"


@click.command("decrypt", cls=Command, epilog=_EXAMPLES)
@message_argument
@identity_option
@shared_secret_options
@session_key_option
@output_option
@click.option(
    "--insecure-legacy",
    is_flag=True,
    help="Open broken algorithms (3DES, RC2 with 128 bits).",
)
@click.option("--part", metavar="N", help="Open this one part alone; inspect lists the parts.")
@signer_trust_options
@click.option("--require-authenticated", is_flag=True, help="Refuse content that could have been altered.")
@limit_options("max_recipients", "max_trials", "max_password_iterations")
@quiet_option
def command(  # noqa: PLR0913  # an argument for each option
    message: str,
    identities: PrivateKeys,
    session_keys: tuple[str, ...],
    output: str | None,
    *,
    secrets: SharedSecrets,
    trust: Trust,
    insecure_legacy: bool,
    part: str | None,
    require_authenticated: bool,
    limits: dict[str, Any],
    quiet: bool,
) -> None:
    """Decrypt a message with a private key.

    MESSAGE is a path, or - for standard input; a whole mail or a bare CMS object. Nothing of it
    appears before all of it has been checked. What is encrypted in a part of a mail, or in what was opened,
    is opened in its place. Instead of a private key, a password or a shared key opens
    the message if it is encrypted with it, and so does the saved session key of this message.
    """
    destination = Output(output)
    if not identities and not secrets and not session_keys:
        raise MisuseError("no identity was given", "-i IDENTITY, --password or --shared-key FILE gives one")
    refuse_to_replace(destination, "-i", identities.paths)
    refuse_to_replace(destination, "--session-key", session_keys)
    for option, paths in trust.files():
        refuse_to_replace(destination, option, paths)
    for option, path in secrets.files():
        refuse_to_replace(destination, option, [path])

    roots = trust.load()
    with reading(message) as source:  # before a passphrase is asked for
        keys = [*identities.load(), *session_keys_in(session_keys), *secrets.load(new=False)]
        with (
            progress("decrypting", source, destination, quiet=quiet),
            destination.open(PRIVATE, inherit=False) as target,
            text_only(target) if destination.refuses_binary else nullcontext(target) as sink,
        ):
            opened = smime_session.decrypt_stream(
                source.stream,
                sink,
                keys,
                policy=Policy(require_authenticated=require_authenticated, insecure_legacy=insecure_legacy, **limits),
                part=part,
                transactional=destination.transactional or destination.refuses_binary,
                trust=roots,
            )
    if not quiet:
        _tell(opened, alone=part is not None)


def _tell(opened: Opened, *, alone: bool) -> None:
    for repair in opened.repairs:
        note(repair)
    signed = {each.part for each in opened.signatures}
    for part in opened.parts:
        what = f"part {part.number} ({part.kind})"
        if part.kind in _SIGNED and part.number in signed:
            continue
        if part.problem is None:
            note(f"{what} was opened")
        elif part.opened or part.kind in _SIGNED:
            note(f"{what}: {part.problem}")
        else:
            note(f"{what} was not opened: {part.problem}")
    for each in opened.signatures:
        note(f"signature of {each.signer} on part {each.part}: {each.verdict}: {each.reason}")
    if any(part.opened and not part.number.startswith("0") for part in opened.parts) and not alone:
        note("what stands around the opened parts was not encrypted")
    if not opened.authenticated:
        note(f"the content was not authenticated ({opened.content_encryption}): it could have been altered")
    if opened.altered_headers:
        names = excerpt(", ".join(opened.altered_headers))
        note(f"header fields were changed on the way ({names}): the message has them as they were encrypted")
