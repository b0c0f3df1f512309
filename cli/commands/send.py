"""``smime-session send``."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import click

from smime_session import MessageError, SubmissionError
from smime_session.operations.addressees import Addressee, Envelope, addresses_of_fields
from smime_session.submission import check_mailbox

from ..encrypting import encrypting_options
from ..options import MisuseError, message_argument
from ..parsing import Command
from ..submitting import Letter, report, send_all, server_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smime_session.mail.fields import Field
    from smime_session.submission import Delivery

    from ..encrypting import Begun, Encrypting
    from ..submitting import ServerOptions

_IN_MEMORY: Final = 4 << 20  # bytes of an encrypted mail; a larger one goes to a file without a name
_NO_SENDER: Final = "--from ADDRESS says who gets reports of failure"
_EXAMPLES: Final = (
    "smime-session send --dry-run --certs certificates letter.eml\n"
    "smime-session send --smtp mail.example.com --user alice -r bob.pem letter.eml"
)


@click.command("send", cls=Command, epilog=_EXAMPLES)
@message_argument
@encrypting_options
@server_options
def command(message: str, encrypting: Encrypting, server: ServerOptions) -> None:
    """Encrypt a mail, and hand it to a submission server.

    MESSAGE is a path, or - for standard input. It goes to the addresses in To, Cc and Bcc, or to those of --to, and
    is encrypted as encrypt does it: the certificate of each address is looked up in -r and --certs, and if one has
    none, nothing is sent. Each address in Bcc gets a message of its own.

    The server is spoken to under TLS, and its certificate is checked. What became of the mail is told for each
    recipient (--json for programs): accepted, refused, postponed (refused for now, each time), unsent, or unknown, if
    the connection was lost when all of the mail was sent and no answer had come. Only what the server certainly does
    not have is sent again. If one recipient did not get the mail, the exit status is 1.
    """
    encrypting = _by_address(encrypting)
    _check(encrypting, server)
    found: list[Delivery] = []
    with ExitStack() as open_files:
        with encrypting.begun(message, head=True) as begun:
            if encrypting.reported(begun):
                return
            sender = server.sender if server.sender is not None else _sender(begun.fields)
            divided = _envelopes(encrypting, begun)
            for address in (sender, *(each for envelope in divided for each in envelope.recipients)):
                check_mailbox(address)
            chosen = server.load()
            work = encrypting.work(begun, divided)
            targets = [open_files.enter_context(_new_file()) for _ in divided]
            sealed = work.encrypt_each(targets)
        encrypting.tell(work, sealed)
        letters = [Letter(target, each.recipients) for target, each in zip(targets, divided, strict=True)]
        for letter in letters:
            letter.content.seek(0)
        try:
            with server.submission(chosen, quiet=encrypting.quiet) as submission:
                send_all(submission, sender, letters, found)
        finally:
            if found:
                report(found, as_json=encrypting.addressing.as_json, quiet=encrypting.quiet)
    _judge(found)


def _by_address(encrypting: Encrypting) -> Encrypting:
    """Return the same with the files of ``-r`` as places to look up addresses in.

    Who reads the mail and who gets it are the same then, and the message for a blind recipient stays apart.
    """
    named, addressing = encrypting.named, encrypting.addressing
    return encrypting._replace(
        named=named._replace(files=()), addressing=addressing._replace(stores=(*addressing.stores, *named.files))
    )


def _check(encrypting: Encrypting, server: ServerOptions) -> None:
    """Check that the options go together.

    Raises:
        MisuseError: they do not.
    """
    addressing = encrypting.addressing
    addressing.check()
    if not addressing.stores and not encrypting.secrets:
        words = "-r CERT or --certs FOLDER has the certificates of its recipients, or --password encrypts for all"
        raise MisuseError("nothing says whom the mail is encrypted for", words)
    encrypting.check("mail")
    if not addressing.dry_run:
        server.check()


def _sender(fields: Sequence[Field]) -> str:
    """Return the address of who sends a mail (RFC 5322, 3.6.2).

    Raises:
        MisuseError: there is none, or several.
        MessageError: the field holds what is no address.
    """
    found = addresses_of_fields(fields, ("sender",)) or addresses_of_fields(fields, ("from",))
    if len(found) != 1:
        raise MisuseError(f"the mail names {'several senders' if found else 'no sender'}", _NO_SENDER)
    return found[0]


def _envelopes(encrypting: Encrypting, begun: Begun) -> list[Envelope]:
    """Return who gets which message.

    Raises:
        RecipientError: an address has no certificate that can be used.
        MessageError: an address field holds what is no address, or there is no recipient.
        MisuseError: there is a blind recipient, and nothing but a password.
    """
    addressing = encrypting.addressing
    if addressing.stores:
        divided = addressing.envelopes(begun.fields, begun.profile, begun.anchors)
    else:
        visible = addresses_of_fields(begun.fields, ("to", "cc"))
        if addresses_of_fields(begun.fields, ("bcc",)):
            raise MisuseError("the mail has blind recipients (Bcc)", "--certs FOLDER has their certificates")
        divided = [Envelope(tuple(Addressee(each, ()) for each in visible))] if visible else []
    if not divided:
        raise MessageError("the mail has no recipient")
    return divided


def _new_file() -> BinaryIO:
    """Return a file without a name, for an encrypted mail."""
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY))


def _judge(found: Iterable[Delivery]) -> None:
    """Tell whether all got the mail.

    Raises:
        SubmissionError: some did not, or may not have.
    """
    outcomes = [each.outcome for each in found if not each.accepted]
    if not outcomes:
        return
    sure = [each for each in outcomes if each != "unknown"]
    sentences = []
    if sure:
        sentences.append(f"{len(sure)} did not get the mail")
    if unsure := len(outcomes) - len(sure):
        sentences.append(f"of {unsure} it is not known")
    raise SubmissionError(f"of {len(list(found))} recipients, {', and '.join(sentences)}")
