"""One mail on one connection: MAIL, RCPT, DATA (RFC 5321, 3.3), and what is known when it ends early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.submission.delivery import Delivery
from smime_session.submission.mailboxes import on_the_wire
from smime_session.submission.replies import LostError, Reply, ask, lost, reply_of

if TYPE_CHECKING:
    import smtplib
    from collections.abc import Iterable, Iterator, Sequence

    from smime_session.submission.content import MailContent
    from smime_session.submission.delivery import Notify, Outcome

_GO_ON: Final = 354
_CLOSING: Final = 421
_PERMANENT: Final = 500


class Mail(NamedTuple):
    """A mail with its envelope.

    Attributes:
        content: the mail.
        sender: where reports go; empty for none.
        notify: when a report is asked for of servers that offer it; empty for what they do by themselves.
    """

    content: MailContent
    sender: str
    notify: tuple[Notify, ...] = ()


def transact(smtp: smtplib.SMTP, mail: Mail, recipients: Sequence[str]) -> list[Delivery]:
    """Send a mail to its recipients, and return what is known for each.

    The connection is closed afterwards if it was lost or is of no more use.
    """
    missing = _missing_extension(smtp, mail)
    if missing:
        return [Delivery(each, "refused", missing) for each in recipients]
    verdicts: dict[str, Delivery] = {}
    try:
        taken = _envelope(smtp, mail, recipients, verdicts)
        if taken:
            _data(smtp, mail, taken, verdicts)
        elif recipients:
            ask(smtp, "RSET")
    except LostError as error:
        smtp.close()
        for each in recipients:
            verdicts.setdefault(each, Delivery(each, "unsent", f"{error}, before all of the mail was sent"))
    return [verdicts[each] for each in recipients]


def _missing_extension(smtp: smtplib.SMTP, mail: Mail) -> str | None:
    """Return what the mail needs that the server does not offer, as a sentence."""
    measured = mail.content.measured
    if measured.utf8_head and not smtp.has_extn("smtputf8"):
        return "the header is not ASCII, and the server does not offer SMTPUTF8"
    if measured.eight_bit and not smtp.has_extn("8bitmime"):
        return "the body is not ASCII, and the server does not offer 8BITMIME"
    if mail.sender and on_the_wire(mail.sender, utf8=smtp.has_extn("smtputf8")) is None:
        return "the sender's address is not ASCII, and the server does not offer SMTPUTF8"
    return None


def _envelope(smtp: smtplib.SMTP, mail: Mail, recipients: Sequence[str], verdicts: dict[str, Delivery]) -> list[str]:
    """Name sender and recipients; return those that the server takes, and note what it says of the others.

    Raises:
        LostError: the connection is lost.
    """
    utf8 = smtp.has_extn("smtputf8") and not all(
        (mail.sender.isascii(), *(each.isascii() for each in recipients), not mail.content.measured.utf8_head)
    )
    smtp.command_encoding = "utf-8" if utf8 else "ascii"
    sender = on_the_wire(mail.sender, utf8=utf8) or ""
    answer = ask(smtp, " ".join((f"MAIL FROM:<{sender}>", *_mail_parameters(smtp, mail, utf8=utf8))))
    if not answer.is_success:
        _note(verdicts, recipients, answer)
        return []
    taken = []
    for each in recipients:
        address = on_the_wire(each, utf8=utf8)
        if address is None:
            verdicts[each] = Delivery(
                each, "refused", "the address is not ASCII, and the server does not offer SMTPUTF8"
            )
            continue
        answer = ask(smtp, " ".join((f"RCPT TO:<{address}>", *_recipient_parameters(smtp, mail))))
        if answer.is_success:
            taken.append(each)
        else:
            _note(verdicts, [each], answer)
        if answer.code == _CLOSING:
            raise LostError("the server ended the connection")
    return taken


def _mail_parameters(smtp: smtplib.SMTP, mail: Mail, *, utf8: bool) -> Iterator[str]:
    measured = mail.content.measured
    if smtp.has_extn("size"):
        yield f"SIZE={measured.size}"
    if smtp.has_extn("8bitmime") and (measured.eight_bit or measured.utf8_head):
        yield "BODY=8BITMIME"
    if utf8:
        yield "SMTPUTF8"
    if mail.notify and smtp.has_extn("dsn"):
        yield "RET=HDRS"  # what is encrypted needs not come back


def _recipient_parameters(smtp: smtplib.SMTP, mail: Mail) -> Iterator[str]:
    if mail.notify and smtp.has_extn("dsn"):
        yield f"NOTIFY={','.join(each.upper() for each in mail.notify)}"


def _data(smtp: smtplib.SMTP, mail: Mail, taken: Sequence[str], verdicts: dict[str, Delivery]) -> None:
    """Send the mail to those recipients that the server takes, and note what it answers.

    Raises:
        LostError: the connection was lost while the end of the mail was certainly not sent.
    """
    answer = ask(smtp, "DATA")
    if answer.is_success:  # of a mail that it has not got
        raise LostError("the server's answer was no SMTP")
    if answer.code != _GO_ON:
        _note(verdicts, taken, answer)
        return
    held = b""
    for block in mail.content.blocks():
        if held:
            _send(smtp, held)
        held = block
    # From here on, the server may have all of it: what happens then is not known, and it is not sent again.
    try:
        _send(smtp, held)
        answer = _final_reply(smtp)
    except LostError as error:
        smtp.close()
        reason = f"{error} after the mail was sent and before the server answered: it may have arrived"
        verdicts.update((each, Delivery(each, "unknown", reason)) for each in taken)
        return
    _note(verdicts, taken, answer)


def _final_reply(smtp: smtplib.SMTP) -> Reply:
    """Wait for what the server says of a whole mail.

    Raises:
        LostError: nothing came, or nothing that would be an answer to it.
    """
    answer = reply_of(smtp)
    if answer.code // 100 == _GO_ON // 100:
        raise LostError("the server asked for more")
    return answer


def _send(smtp: smtplib.SMTP, block: bytes) -> None:
    if smtp.sock is None:
        raise LostError("the connection was lost")
    try:
        smtp.sock.sendall(block)
    except OSError as error:
        raise lost(error) from None


def _note(verdicts: dict[str, Delivery], recipients: Iterable[str], answer: Reply) -> None:
    outcome: Outcome = "accepted" if answer.is_success else "refused" if answer.code >= _PERMANENT else "postponed"
    verdicts.update((each, Delivery(each, outcome, answer.words, answer.code)) for each in recipients)
