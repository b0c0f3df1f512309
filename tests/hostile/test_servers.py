"""Servers whose answers are large, odd or endless: sending ends soon, and what is known is told."""

from __future__ import annotations

import socket
import time
import tracemalloc
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest

from smime_session import SubmissionError
from smime_session.submission import Server, Submission
from tests.support.mail_server import HOST, scripted_server
from tests.support.sending import BOB, MAIL

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(60)

HUNDRED: Final = 100 << 20
GREETING: Final = b"220 mail.example.org\r\n"
ANSWERS: Final = {
    "100 MB in lines": (b"250-mail.example.org\r\n", HUNDRED),
    "100 MB in one line": (b"250-" + b"x" * 996, HUNDRED),
    "100 MB of line feeds": (b"\n", HUNDRED),
    "100 MB of zeros": (bytes(1000), HUNDRED),
    "bare CR": (b"250 OK\rmore\rRCPT TO:<eve@example.org>\r\n", 1),
    "CR alone": (b"250-a\r", HUNDRED),
    "other letters": ("٢٥٠ ok\r\n".encode(), 1),
    "no number": (b"hello\r\n", 1),
    "number without text": (b"250\r\n", 1),
    "codes that change": (b"250-a\r\n550-b\r\n250 c\r\n", 1),
    "nothing": (b"", 1),
}
"""What is answered, and how many bytes of it at most."""


ACCEPTED: Final = {"bare CR", "number without text", "codes that change"}
"""Answers to a mail that was sent whole which say that it was taken, however oddly."""


def _read(client: socket.socket) -> bytes:
    with suppress(OSError):
        return client.recv(4096)
    return b""


def _pour(client: socket.socket, piece: bytes, size: int) -> None:
    block = piece * (1 if size == 1 else max(1, (1 << 16) // len(piece)))
    sent = 0
    while block and sent < size:
        client.sendall(block)
        sent += len(block)


def _conversation(stage: int, piece: bytes, size: int) -> Callable[[socket.socket], None]:
    """Return a server that answers as it should until some stage: greeting, EHLO, MAIL, RCPT, DATA or the mail."""
    usual = [GREETING, b"250 mail.example.org\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n", b"250 OK\r\n"]

    def converse(client: socket.socket) -> None:
        for number, answer in enumerate(usual):
            if number == len(usual) - 1:
                data = b""
                while not data.endswith(b"\r\n.\r\n") and (more := _read(client)):
                    data += more
            elif number and not _read(client):
                return
            if number == stage:
                _pour(client, piece, size)
                client.shutdown(socket.SHUT_WR)
                return
            client.sendall(answer)

    return converse


@pytest.mark.parametrize("stage", range(6), ids=["greeting", "EHLO", "MAIL", "RCPT", "DATA", "mail"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_ends_the_conversation(answer: str, stage: int) -> None:
    """Nothing is taken for sent that was not, nor is more kept of an answer than one can have."""
    tracemalloc.start()
    try:
        with scripted_server(_conversation(stage, *ANSWERS[answer])) as port:
            outcome = _send(port)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    if stage == 5:
        assert outcome == ("accepted" if answer in ACCEPTED else "unknown")
    else:
        assert outcome not in {"accepted", "unknown"}


def _send(port: int, timeout: float = 20.0) -> str:
    outcome: str
    try:
        with Submission(Server(HOST, port, "plaintext", timeout=timeout), attempts=1) as submission:
            (delivery,) = submission.send(MAIL, sender="", recipients=[BOB])
            words, outcome = delivery.reason, delivery.outcome
    except SubmissionError as error:
        words, outcome = str(error), "error"
    assert "\r" not in words
    assert len(words) < 1000
    return outcome


@pytest.mark.parametrize("piece", [b"2", b"250-mail.example.org\r\n"])
@pytest.mark.parametrize("stage", [0, 1, 5])
def test_an_answer_that_never_ends_is_not_waited_for(stage: int, piece: bytes) -> None:
    """A server that sends something every tenth of a second keeps nobody longer than an answer may take."""

    def drip(client: socket.socket) -> None:
        _conversation(stage, b"", 1)(_Still(client))  # type: ignore[arg-type]  # what it uses of a socket
        with suppress(OSError):
            for _ in range(300):
                client.sendall(piece)
                time.sleep(0.1)

    began = time.monotonic()
    with scripted_server(drip) as port:
        outcome = _send(port, 0.5)
        assert time.monotonic() - began < 20  # it would take half a minute
    assert outcome == ("unknown" if stage == 5 else "error")


class _Still:
    """A socket that is not shut down."""

    def __init__(self, client: socket.socket) -> None:
        self.recv, self.sendall = client.recv, client.sendall

    def shutdown(self, how: int) -> None:
        """Do nothing."""
