"""``smime-session sendmail``."""

from __future__ import annotations

import getpass
import io
import os
import re
import subprocess
from email.utils import formataddr
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from smime_session import MessageError, RecipientError, SubmissionError
from smime_session.certificates.names import mailbox_of
from smime_session.mail.entity import read_head, split_head
from smime_session.operations.addressees import (
    BLIND_FIELDS,
    VISIBLE_FIELDS,
    addresses_of_fields,
    envelopes,
)
from smime_session.submission import check_mailbox

from ..console import note
from ..encrypting import Begun, encrypting_options
from ..lookup import sources_in
from ..options import PATH, MisuseError
from ..sendmail_words import SendmailCommand
from ..settings import SettingsError
from ..streams import Source, standard_stream
from ..submitting import Letter, send_all, server_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smime_session.mail.fields import Field
    from smime_session.submission import Delivery

    from ..encrypting import Encrypting
    from ..submitting import ServerOptions

_CLEAR_FIELD: Final = b"X-Smime-Session: not encrypted: a recipient has no certificate"
_WITHIN: Final = "SMIME_SESSION_WITHIN_SENDMAIL"  # the environment variable that tells a program of this
_MAX_SIZE: Final = 256 << 20  # bytes of a mail, which is held in memory: what is not encrypted is in no file
_LONE_DOT: Final = re.compile(rb"^\.\r?(?:\n|\Z)", re.MULTILINE)
_NOT_SENT: Final = ("bcc", "resent-bcc")
_LATER: Final = {"postponed", "unsent"}
_HIDDEN: Final = ("--recipient", "--to", "--no-header-recipients", "--dry-run", "--json", "--password")
_EXAMPLE: Final = "smime-session sendmail --help"


class _Mail(NamedTuple):
    """A mail as it was given.

    Attributes:
        content: all of it.
        fields: its header fields.
        eol: how its first line ends.
        body: what follows the blank line.
    """

    content: bytes
    fields: Sequence[Field]
    eol: bytes
    body: bytes

    @classmethod
    def of(cls, content: bytes) -> _Mail:
        """Divide a mail.

        Raises:
            NotMailError: it does not begin with a mail header.
        """
        raw, body = read_head(io.BytesIO(content).read)
        head = split_head(raw)
        return cls(content, head.fields, head.eol, bytes(body))

    def has(self, name: str) -> bool:
        """Tell whether there is such a field."""
        return any(each.name == name for each in self.fields)

    def with_field(self, field: bytes) -> bytes:
        """Return the mail with one field more."""
        return field + self.eol + self.content

    def in_clear(self) -> bytes:
        """Return the mail as it is sent if it cannot be encrypted: without Bcc, and with a field that says so."""
        kept = b"".join(each.raw for each in self.fields if each.name not in _NOT_SENT)
        if not kept.endswith(b"\n"):
            kept += self.eol
        return b"".join((_CLEAR_FIELD, self.eol, kept, self.eol, self.body))


class Handover(NamedTuple):
    """Where mails go.

    Attributes:
        program: the sendmail that is given them, or None.
        server: the submission server, if there is no such program.
        sender: the address for reports, or None if the program knows best.
    """

    program: str | None
    server: ServerOptions
    sender: str | None

    def check(self) -> None:
        """Check that there is a way on.

        Raises:
            SettingsError: there is none, or it would lead here again.
        """
        if self.program is not None:
            if os.environ.get(_WITHIN):
                raise SettingsError(f"{self.program} led back here", "program in the settings is the real sendmail")
        elif self.server.smtp is None:
            hint = "program or smtp under [sendmail] in the settings says where mails go"
            raise SettingsError("neither a sendmail nor a server is set", hint)
        else:
            self.server.check()

    def hand_on(self, letters: Sequence[Letter]) -> None:
        """Hand on every mail.

        Raises:
            SubmissionError: some recipients did not get theirs.
            OSError: the program cannot be run.
        """
        if self.program is None:
            self._submit(letters)
            return
        status = 0
        for letter in letters:
            words = [self.program, "-i", *(["-f", self.sender or "<>"] if self.sender is not None else [])]
            environment = {**os.environ, _WITHIN: "1"}
            data = letter.content.read()
            ended = subprocess.run([*words, "--", *letter.recipients], input=data, check=False, env=environment)  # noqa: S603  # of the settings
            if ended.returncode:
                note(f"{self.program} ended with {ended.returncode} for {', '.join(letter.recipients)}")
                status = status or abs(ended.returncode)
        if status:
            click.get_current_context().exit(status)

    def _submit(self, letters: Sequence[Letter]) -> None:
        found: list[Delivery] = []
        with self.server.submission(self.server.load(), quiet=True) as submission:
            send_all(submission, self.sender or "", letters, found)
        failed = [each for each in found if not each.accepted]
        if failed:
            later = len(failed) == len(found) and all(each.outcome in _LATER for each in failed)
            said = "; ".join(f"{each.address}: {each.outcome}: {each.reason}" for each in failed)
            raise SubmissionError(said, temporary=later)  # some got it: the caller must not send it to all again


@click.command("sendmail", cls=SendmailCommand, epilog=_EXAMPLE)
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
@encrypting_options
@server_options
@click.option("--program", metavar="FILE", type=PATH, help="Hand mails on to this sendmail, not to a server.")
@click.option("--domain", metavar="NAME", help="Complete addresses that are a name alone.")
@click.option(
    "--without-certificate",
    type=click.Choice(["refuse", "insecure-clear"]),
    default="refuse",
    show_default=True,
    help="What becomes of a mail if a recipient has no certificate: nothing is sent, or all of it in clear.",
)
@click.option("--read-recipients", is_flag=True, help="Send to those in To, Cc and Bcc, too (-t).")
@click.option("--ignore-dots", is_flag=True, help="A line with nothing but a dot does not end the mail (-i).")
@click.option("--full-name", metavar="NAME", help="The sender's name, if the mail has no From (-F).")
def command(  # noqa: PLR0913  # an argument for each option
    *,
    addresses: tuple[str, ...],
    encrypting: Encrypting,
    server: ServerOptions,
    program: str | None,
    domain: str | None,
    without_certificate: str,
    read_recipients: bool,
    ignore_dots: bool,
    full_name: str | None,
) -> None:
    """Encrypt a mail as the settings say, and hand it on: a stand-in for sendmail.

    Programs call it as they call sendmail: -t takes the recipients from the header, -i or -oi takes a line with a dot
    for text, -f and -F say who sends it, and the addresses that get it follow. Other options of sendmail are ignored,
    and -v names them; -bs is refused. The long options are better put into the settings, in the table [sendmail].

    Addresses that are not in To or Cc get a mail of their own, so that no other recipient learns of them. If one
    has no certificate, nothing is sent, unless the settings say otherwise. Exit statuses are those of sendmail: 0,
    64 (wrong usage), 65 (no mail), 69 (the server refused), 74 (not read or written), 75 (try again later), 77 (not
    encrypted, not sent), 78 (wrong settings).
    """
    stores = (*encrypting.addressing.stores, *encrypting.named.files)
    if not stores:
        raise SettingsError("nothing says where certificates are", "certs in the settings names their folder")
    encrypting.check("mail")
    sender = None if server.sender is None else _complete(server.sender.strip("<>"), domain)
    handover = Handover(program, server, sender)
    handover.check()
    mail = _Mail.of(_read(whole=ignore_dots))
    if handover.sender is None and (program is None or not mail.has("from")):
        handover = handover._replace(sender=_sender(mail.fields, domain))
    if not mail.has("from") and handover.sender:
        mail = _Mail.of(mail.with_field(_from_field(full_name or "", handover.sender)))
    visible, blind = _recipients(mail.fields, [_complete(each, domain) for each in addresses], header=read_recipients)
    for address in (*([handover.sender] if handover.sender and program is None else []), *visible, *blind):
        check_mailbox(address)
    try:
        letters = _encrypted(encrypting, mail, visible, blind, stores)
    except RecipientError as error:
        if without_certificate == "refuse":
            raise
        note(f"sent in clear: {error}")
        letters = [Letter(io.BytesIO(mail.in_clear()), (*visible, *blind))]
    handover.hand_on(letters)


for _option in command.params:
    if isinstance(_option, click.Option):
        _option.opts = [max(_option.opts, key=len)]  # the short names are those of sendmail
        _option.hidden = _option.opts[0] in _HIDDEN


def _read(*, whole: bool) -> bytes:
    """Read the mail from standard input.

    Raises:
        MessageError: it is too large.
        OSError: it cannot be read.
    """
    content = Source(standard_stream("stdin"), "standard input").read(_MAX_SIZE + 1)
    if len(content) > _MAX_SIZE:
        raise MessageError(f"the mail has more than {_MAX_SIZE:,} bytes")
    if not whole and (dot := _LONE_DOT.search(content)):
        content = content[: dot.start()]
    return content


def _from_field(name: str, address: str) -> bytes:
    """Return the field that tells who sent a mail.

    Raises:
        MisuseError: a line break in it would make another field.
    """
    for option, value in (("-F", name), ("-f", address)):
        if not value.isprintable():
            raise MisuseError(f"{option} {value!r} holds a control character, which no field has")
    return b"From: " + (formataddr((name, address)) if address.isascii() else f"<{address}>").encode()


def _complete(address: str, domain: str | None) -> str:
    return f"{address}@{domain}" if domain and address and "@" not in address else address


def _sender(fields: Sequence[Field], domain: str | None) -> str:
    """Return who sends a mail, where the command line does not say it."""
    try:
        found = addresses_of_fields(fields, ("sender",)) or addresses_of_fields(fields, ("from",))
    except MessageError:
        found = []
    return found[0] if found else _complete(getpass.getuser(), domain)


def _recipients(fields: Sequence[Field], given: Sequence[str], *, header: bool) -> tuple[list[str], list[str]]:
    """Divide the recipients into those that all others may see and those that they must not see.

    Raises:
        MessageError: an address field that counts holds what is no address, or there is no recipient.
    """
    try:
        shown = addresses_of_fields(fields, VISIBLE_FIELDS)
    except MessageError:
        if header:
            raise
        shown = []  # cron writes names of users: who gets it was given
    seen = {mailbox_of(each) for each in shown}
    visible = shown if header else [each for each in given if "@" in each and mailbox_of(each) in seen]
    hidden = addresses_of_fields(fields, BLIND_FIELDS) if header else []
    blind = [each for each in (*given, *hidden) if "@" not in each or mailbox_of(each) not in seen]
    if not visible and not blind:
        raise MessageError("the mail has no recipient")
    return [*dict.fromkeys(visible)], [*dict.fromkeys(blind)]


def _encrypted(
    encrypting: Encrypting, mail: _Mail, visible: Iterable[str], blind: Iterable[str], stores: Iterable[str]
) -> list[Letter]:
    """Encrypt a mail for all its recipients.

    Raises:
        RecipientError: one has no certificate that can be used; each is named.
        SmimeError: it cannot be encrypted.
    """
    encrypting = encrypting._replace(named=encrypting.named._replace(files=()))
    profile, anchors, recipients, left_out = encrypting.loaded("mail")
    every = encrypting.addressing.every
    divided = envelopes(visible, blind, sources_in(stores), profile=profile, every=every, trust=anchors)
    source = Source(io.BytesIO(mail.content), "standard input")
    work = encrypting.work(Begun(source, source.stream, mail.fields, profile, anchors, recipients, left_out), divided)
    targets = [io.BytesIO() for _ in divided]
    encrypting.tell(work, work.encrypt_each(targets))
    return [Letter(io.BytesIO(made.getvalue()), each.recipients) for made, each in zip(targets, divided, strict=True)]
