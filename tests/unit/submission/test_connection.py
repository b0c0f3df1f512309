"""A submission server is found, protected and logged in to, or refused before it gets anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from smime_session import SubmissionError
from smime_session.submission import FromFile, Server, Submission
from tests.support.mail_server import HOST, PASSWORD, USER, mail_server, scripted_server
from tests.support.sending import ALICE, BOB, MAIL, local, outcomes, send

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from tests.support.mail_server import Authorities

WRONG = "hush"
TOKEN = "t"  # noqa: S105  # of no account


def test_starttls_and_login(authorities: Authorities, tmp_path: Path) -> None:
    """A mail is handed over TLS that was asked for, after a login with a password from a file."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    with mail_server(starttls=authorities.context(HOST), login=PASSWORD) as (behaviour, port):
        server = Server(
            HOST, port, user=USER, password=FromFile(tmp_path / "password"), ca_file=authorities.roots, timeout=20
        )
        (delivery,) = send(server, BOB)
    assert (delivery.accepted, delivery.code, delivery.reason) == (True, 250, "250 OK")
    assert behaviour.received[0].content == MAIL.replace(b"\n", b"\r\n")
    assert (behaviour.received[0].sender, behaviour.received[0].recipients) == (ALICE, [BOB])


def test_tls_from_the_start(authorities: Authorities) -> None:
    """So it is over TLS from the start, one connection for several mails."""
    with mail_server(tls=authorities.context("localhost")) as (behaviour, port):
        server = Server("localhost", port, "tls", ca_file=authorities.roots, timeout=20)
        with Submission(server) as submission:
            found = [submission.send(MAIL, sender="", recipients=[BOB])[0].outcome for _ in range(3)]
    assert found == ["accepted"] * 3
    assert behaviour.connections == 1
    assert len(behaviour.received) == 3


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("names", "choices", "words", "guard"),
    [
        (["mail.example.org"], {}, "not valid for", "insecure_name"),
        ([HOST], {"expired": True}, "certificate has expired", "insecure_certificate"),
        ([HOST], {"known": False}, "unable to get local issuer certificate", "insecure_certificate"),
    ],
)
def test_a_server_that_is_not_the_right_one_is_refused(  # noqa: PLR0917  # fixtures arrive as arguments
    authorities: Authorities, names: list[str], choices: dict[str, bool], words: str, guard: str, security: str
) -> None:
    """A certificate for another name, an expired one and one of an unknown issuer end it before a password is sent."""
    context = authorities.context(*names, **choices)
    kind: dict[str, Any] = {"starttls" if security == "starttls" else "tls": context}
    login: dict[str, Any] = {"user": USER, "password": PASSWORD}
    values: dict[str, Any] = {"security": security, "ca_file": authorities.roots, "timeout": 20}
    with mail_server(None, **kind) as (behaviour, port):
        with pytest.raises(SubmissionError, match=f"the certificate of {HOST}:{port} is refused: .*{words}") as caught:
            send(Server(HOST, port, **values, **login), BOB)
        assert (caught.value.option, caught.value.temporary) == (guard, False)
        accepted = send(Server(HOST, port, **values | {guard: True}), BOB)
    assert outcomes(accepted) == {BOB: "accepted"}
    assert len(behaviour.received) == 1


def test_the_name_alone_can_be_left_unchecked(authorities: Authorities) -> None:
    """A server that is accepted under another name still has to show a certificate that is trusted."""
    with mail_server(starttls=authorities.context("mail.example.org", known=False)) as (_, port):
        server = Server(HOST, port, ca_file=authorities.roots, insecure_name=True, timeout=20)
        with pytest.raises(SubmissionError, match="unable to get local issuer certificate"):
            send(server, BOB)


def test_a_server_without_starttls_is_refused() -> None:
    """What offers no STARTTLS, or had the offer taken out on the way, gets neither password nor mail."""
    words = "offers no STARTTLS, or it was taken out on the way"
    with mail_server() as (behaviour, port), pytest.raises(SubmissionError, match=words):
        send(Server(HOST, port, user=USER, password=PASSWORD, timeout=20), BOB)
    assert behaviour.seen == []


def test_what_was_said_before_tls_counts_for_nothing(authorities: Authorities) -> None:
    """An answer that was put in before TLS began is not taken for one under TLS."""
    heard: list[bytes] = []

    def inject(client: socket.socket) -> None:
        client.sendall(b"220 here\r\n")
        client.recv(999)
        client.sendall(b"250-here\r\n250 STARTTLS\r\n")
        client.recv(999)
        client.sendall(b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n")
        with authorities.context(HOST).wrap_socket(client, server_side=True) as protected:
            heard.append(protected.recv(999))
            protected.sendall(b"250 here\r\n")
            heard.append(protected.recv(999))

    with scripted_server(inject) as port:
        server = Server(HOST, port, user=USER, password=PASSWORD, ca_file=authorities.roots, timeout=20)
        with pytest.raises(SubmissionError, match="offers no login at all"):
            send(server, BOB)
    assert heard[0].startswith(b"ehlo ")
    assert b"AUTH" not in heard[1]


def test_a_wrong_password_is_told_without_being_repeated(authorities: Authorities) -> None:
    """The error has the server's answer and the user, and never the secret, even where the server repeats it."""
    with mail_server(starttls=authorities.context(HOST), login=PASSWORD) as (_, port):
        server = Server(HOST, port, user=USER, password=WRONG, ca_file=authorities.roots, timeout=20)
        with pytest.raises(SubmissionError, match=f"refuses the login of {USER}: 535") as caught:
            send(server, BOB)
    assert not caught.value.temporary
    assert WRONG not in repr(server)

    def echo(client: socket.socket) -> None:
        client.sendall(b"220 here\r\n")
        client.recv(999)
        client.sendall(b"250-here\r\n250 AUTH PLAIN LOGIN\r\n")
        client.sendall(b"535 I do not know " + client.recv(999))
        client.recv(999)

    words = r"I do not know AUTH PLAIN \[\.\.\.\]"
    with scripted_server(echo) as port, pytest.raises(SubmissionError, match=words):
        send(local(port, user=USER, password=WRONG, timeout=20), BOB)


@pytest.mark.parametrize(
    ("mechanism", "choice", "expected"),
    [
        ("LOGIN", "password", [b"AUTH LOGIN\r\n", b"YWxpY2U=\r\n", b"cGFzcyB3w7ZyZA==\r\n"]),
        ("PLAIN", "password", [b"AUTH PLAIN AGFsaWNlAHBhc3Mgd8O2cmQ=\r\n"]),
        ("XOAUTH2", "token", [b"AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciBwYXNzIHfDtnJkAQE=\r\n"]),
    ],
)
def test_each_mechanism_logs_in(mechanism: str, choice: str, expected: list[bytes]) -> None:
    """What is sent is what RFC 4616, LOGIN and XOAUTH2 say, in UTF-8."""
    heard: list[bytes] = []

    def take(client: socket.socket) -> None:
        client.sendall(b"220 here\r\n")
        client.recv(999)
        client.sendall(b"250-here\r\n250 AUTH " + mechanism.encode() + b"\r\n")
        for number in range(len(expected)):
            heard.append(client.recv(999))
            client.sendall(b"235 OK\r\n" if number == len(expected) - 1 else b"334 \r\n")
        client.recv(999)
        client.sendall(b"221 bye\r\n")

    secret: dict[str, Any] = {choice: PASSWORD}
    with scripted_server(take) as port, Submission(local(port, user=USER, timeout=20, **secret)):
        pass
    assert heard == expected


def test_a_token_that_is_refused() -> None:
    """The challenge that tells why a token is refused is answered, and what the server says then is told."""
    heard: list[bytes] = []

    def take(client: socket.socket) -> None:
        client.sendall(b"220 here\r\n")
        client.recv(999)
        client.sendall(b"250-here\r\n250 AUTH LOGIN XOAUTH2\r\n")
        heard.append(client.recv(999))
        client.sendall(b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n")
        heard.append(client.recv(999))
        client.sendall(b"535 expired\r\n")

    words = "refuses the login of alice: 535 expired"
    with scripted_server(take) as port, pytest.raises(SubmissionError, match=words):
        send(local(port, user=USER, token=TOKEN, timeout=20), BOB)
    assert heard == [b"AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciB0AQE=\r\n", b"\r\n"]
