"""``smime-session rewrap``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

import click

import smime_session

from ..console import about_locked_out, note
from ..files import Output, reading
from ..options import message_argument, output_option, refuse_to_replace, session_key_option
from ..parsing import Command
from ..progress import progress
from ..rewrapping import rewrapping_options
from ..screen import text_only

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smime_session import Rewrapped

    from ..rewrapping import Rewrapping


_EXAMPLES: Final = (
    "smime-session rewrap -i bob.key -r carol.pem letter.enc.eml -o wider.eml\n"
    "smime-session rewrap --remove carol.pem wider.eml -o narrower.eml"
)


@click.command("rewrap", cls=Command, epilog=_EXAMPLES)
@message_argument
@session_key_option
@output_option
@rewrapping_options
def command(message: str, output: str | None, rewrapping: Rewrapping) -> None:
    """Give a message other recipients.

    Adding one needs a key that reads the message, removing one needs none. The encrypted content stays as it is, byte
    for byte. A removed recipient may have kept the message and its key: --reseal gives it a new one, and needs the
    certificate, password or shared key of every recipient.
    """
    destination, quiet = Output(output), rewrapping.quiet
    rewrapping.check()
    for option, paths in rewrapping.files():
        refuse_to_replace(destination, option, paths)

    choices, left_out = rewrapping.load()
    with reading(message) as source:  # before a passphrase is asked for
        keys, new_secrets = rewrapping.openers.load(), rewrapping.readers.secrets.load(new=True)
        choices["add"] = [*choices["add"], *new_secrets]
        with (
            progress("rewrapping", source, destination, quiet=quiet),
            destination.open() as target,
            text_only(target) if destination.refuses_binary else nullcontext(target) as sink,
        ):
            done = smime_session.rewrap_stream(
                source.stream,
                sink,
                keys,
                transactional=destination.transactional or destination.refuses_binary,
                **choices,
            )
    if not quiet:
        _tell(done, left_out)


def _tell(done: Rewrapped, left_out: Iterable[str]) -> None:
    """Say what came of it that the options do not say."""

    def names(those: Sequence[str]) -> str:
        return "; ".join(those)

    for sentence in left_out:
        note(sentence)
    for repair in done.repairs:
        note(repair)
    if done.present:
        note(f"already a recipient, and left as it was: {names(done.present)}")
    if done.weakened_by:
        note(f"the message was post-quantum and is no longer, because of {names(done.weakened_by)}")
    if done.locked_out:
        note(about_locked_out(done.locked_out))
    if done.resealed and not done.authenticated:
        note("the content was not authenticated before: it could have been altered, and was re-encrypted as it was")
    if done.removed and done.resealed:
        note(f"no longer a recipient: {names(done.removed)}; a removed recipient may have kept the old message")
    elif done.removed:
        note(
            "removing is not revoking: a removed recipient may have kept the key; --reseal gives the message a new one"
        )
