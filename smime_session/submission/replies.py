"""Commands and their replies, with one error for a connection that is lost."""

from __future__ import annotations

import io
import re
import smtplib
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import socket

_UNPRINTABLE: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
_MAX_WORDS: Final = 500  # characters of a reply that are passed on
_LAST_SUCCESS: Final = 299
_MAX_REPLY_SIZE: Final = 1 << 16  # bytes; a line has 512 (RFC 5321, 4.5.3.1.5), and EHLO is answered in thirty


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


class _Patient(io.RawIOBase):
    """What a server says, for as long as its answer may take as a whole, and as much as it may have.

    A socket's own timeout begins anew with each byte, and lines go on for ever.
    """

    def __init__(self, sock: socket.socket, patience: float) -> None:
        super().__init__()
        self._sock, self._patience = sock, patience
        self.begin()

    def begin(self) -> None:
        """Wait for another answer."""
        self._deadline = time.monotonic() + self._patience
        self._left = _MAX_REPLY_SIZE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any writable buffer comes
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(remaining)
        try:
            count = self._sock.recv_into(buffer)
        finally:
            self._sock.settimeout(self._patience)
        self._left -= count
        if self._left < 0:
            raise OSError(_TOO_LONG)
        return count


_TOO_LONG: Final = "the answer is too long"


class PatientSMTP(smtplib.SMTP):
    """A client that waits for an answer as long as it was told to, and reads no more than one can have."""

    def getreply(self) -> tuple[int, bytes]:
        """Return code and text of an answer.

        Raises:
            smtplib.SMTPException: there is none, or it does not end.
        """
        client: Any = self  # what the type stubs do not know of
        if client.file is None and client.sock is not None:
            client.file = io.BufferedReader(_Patient(client.sock, client.timeout))
        if client.file is not None:
            client.file.raw.begin()
        return super().getreply()


class PatientTLS(PatientSMTP, smtplib.SMTP_SSL):
    """The same with TLS from the start."""


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
    if isinstance(error, smtplib.SMTPResponseException) or _TOO_LONG in text:
        return LostError("the server's answer was no SMTP")
    return LostError("the connection was lost")
