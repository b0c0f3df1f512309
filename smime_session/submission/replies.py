"""Commands and their replies, with one error for a connection that is lost."""

from __future__ import annotations

import re
import smtplib
from typing import Final, NamedTuple

_UNPRINTABLE: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
_MAX_WORDS: Final = 500  # characters of a reply that are passed on
_LAST_SUCCESS: Final = 299


class LostError(OSError):
    """The connection was lost, or no answer came in time."""


class Reply(NamedTuple):
    """What a server answered.

    Attributes:
        code: the reply code (RFC 5321, 4.2).
        words: code and text, in one line.
    """

    code: int
    words: str

    @property
    def is_success(self) -> bool:
        """Whether the command was done."""
        return 200 <= self.code <= _LAST_SUCCESS  # noqa: PLR2004  # the second class of replies


def ask(smtp: smtplib.SMTP, command: str) -> Reply:
    """Send a command and return the reply.

    Raises:
        LostError: the connection is lost.
    """
    try:
        smtp.putcmd(command)
        return reply_of(smtp)
    except LostError:
        raise
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        raise lost(error) from None


def reply_of(smtp: smtplib.SMTP) -> Reply:
    """Wait for a reply.

    Raises:
        LostError: the connection is lost.
    """
    try:
        code, text = smtp.getreply()
    except (smtplib.SMTPException, OSError) as error:
        raise lost(error) from None
    if not 200 <= code <= 599:  # noqa: PLR2004  # RFC 5321, 4.2.1
        raise LostError("the server's answer was no SMTP")
    return reply(code, text)


def reply(code: int, text: bytes) -> Reply:
    """Return a reply as it is shown."""
    words = _UNPRINTABLE.sub(" ", text.decode("utf-8", "replace")).strip()
    return Reply(code, f"{code} {words[:_MAX_WORDS]}".strip())


def lost(error: Exception) -> LostError:
    """Return the error of a connection that is lost, with what happened in a few words."""
    text = str(error).lower()
    if isinstance(error, TimeoutError) or "timed out" in text:
        return LostError("no answer came in time")
    if isinstance(error, smtplib.SMTPResponseException):
        return LostError("the server's answer was no SMTP")
    return LostError("the connection was lost")
