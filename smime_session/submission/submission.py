"""Sending mails over one connection after the other, with a limit to how often each is tried."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final, Self, get_args

from smime_session import SubmissionError
from smime_session.submission.connection import connect
from smime_session.submission.content import MailContent
from smime_session.submission.delivery import Delivery, Notify
from smime_session.submission.mailboxes import check_mailbox
from smime_session.submission.replies import LostError, ask
from smime_session.submission.transaction import Mail, transact

if TYPE_CHECKING:
    import smtplib
    from collections.abc import Callable, Iterable, Sequence
    from email.message import Message
    from typing import Any

    from smime_session.submission.server import Server

_AGAIN: Final = {"postponed", "unsent"}


class Submission:
    """Hands mails to a submission server; a connection serves several, and one that is lost is made anew.

    Use it in a ``with`` statement: it connects at the beginning, so that what is wrong with the server shows before
    anything is sent.

    Args:
        server: the server.
        attempts: how often a mail is tried for a recipient, if the server refuses it for now (4xx) or does not get
            it. What the server may have got is never sent again.
        pause: seconds before the second attempt; twice as many before each further one.
        notify: when the sender is to get a report, where the server offers that (RFC 3461).
        wait: waits so many seconds.

    Raises:
        SubmissionError: at the beginning of ``with``: the server cannot be reached, is not the right one, or refuses.
    """

    def __init__(
        self,
        server: Server,
        *,
        attempts: int = 3,
        pause: float = 10.0,
        notify: Iterable[Notify] = (),
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server = server
        self._attempts = max(1, attempts)
        self._pause = pause
        self._notify = tuple(notify)
        if not set(self._notify) <= set(get_args(Notify)):
            raise SubmissionError(f"reports are one of {', '.join(get_args(Notify))}")
        if "never" in self._notify and len(self._notify) > 1:
            raise SubmissionError("no report and a report exclude each other")
        self._wait = wait
        self._smtp: smtplib.SMTP | None = None
        self._used = False
        self._known: dict[str, Delivery] = {}

    def __enter__(self) -> Self:
        for attempt in range(1, self._attempts + 1):
            try:
                self._connection()
                break
            except SubmissionError as error:
                if not error.temporary or attempt == self._attempts:
                    raise
            self._wait_before(attempt + 1)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._smtp is not None:  # no answer is waited for any more
            self._smtp.close()
        self.close()

    def close(self) -> None:
        """Take leave of the server, and close the connection."""
        if self._smtp is not None:
            try:
                if self._smtp.sock is not None:
                    ask(self._smtp, "QUIT")
            except LostError:
                pass
            finally:
                self._smtp.close()
                self._smtp = None

    @property
    def offers_reports(self) -> bool:
        """Whether the server offers reports (DSN, RFC 3461); without a connection it is not known to."""
        return self._smtp is not None and self._smtp.has_extn("dsn")

    @property
    def known(self) -> tuple[Delivery, ...]:
        """What is known of the last mail, also if an exception ended ``send``: for all but those being sent to then."""
        return tuple(self._known.values())

    def send(
        self, message: bytes | Message[Any, Any] | BinaryIO | MailContent, *, sender: str, recipients: Iterable[str]
    ) -> tuple[Delivery, ...]:
        """Send a mail, and return what became of it for each recipient, in their order, once each.

        Args:
            message: the mail, which is sent as it is; a file must be able to seek.
            sender: the address for reports; empty for none.
            recipients: the addresses that get it.

        Raises:
            SubmissionError: an address could not be in an SMTP command, there is none, or the mail has a Bcc field.
        """
        content = message if isinstance(message, MailContent) else MailContent(message)
        left: Sequence[str] = list(dict.fromkeys(map(check_mailbox, recipients)))
        if not left:
            raise SubmissionError("no recipient was given: nothing was sent")
        mail = Mail(content, check_mailbox(sender) if sender else "", self._notify)
        self._known = {}
        order, found = tuple(left), dict[str, Delivery]()
        for attempt in range(1, self._attempts + 1):
            if attempt > 1:
                self._wait_before(attempt)
            self._known = {address: each for address, each in found.items() if address not in left}
            done, final = self._attempt(mail, left)
            found |= {each.address: replace(each, attempts=attempt) for each in done}
            left = [each.address for each in done if each.outcome in _AGAIN]
            self._known = dict(found)
            if final or not left:
                break
        return tuple(found[each] for each in order)

    def _attempt(self, mail: Mail, recipients: Sequence[str]) -> tuple[list[Delivery], bool]:
        """Try once; tell whether trying again is of no use."""
        try:
            smtp = self._connection()
        except SubmissionError as error:
            reason = str(error).removesuffix(": nothing was sent")
            return [Delivery(each, "unsent", reason) for each in recipients], not error.temporary
        self._used = True
        return transact(smtp, mail, recipients), False

    def _connection(self) -> smtplib.SMTP:
        """Return a connection that is ready for a mail: the one there is, or a new one.

        Raises:
            SubmissionError: there is none.
        """
        if self._smtp is not None and self._used:
            try:
                if self._smtp.sock is not None and ask(self._smtp, "RSET").is_success:
                    return self._smtp
            except LostError:
                pass
            self._smtp.close()
            self._smtp = None
        if self._smtp is None:
            self._smtp, self._used = connect(self._server), False
        return self._smtp

    def _wait_before(self, attempt: int) -> None:
        self._wait(self._pause * 2 ** (attempt - 2))
