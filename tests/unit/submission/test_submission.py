"""Mails are handed to real servers on this machine, and what becomes of them is told for each recipient."""

from __future__ import annotations

import io
from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING

import pytest

from smime_session import SubmissionError
from smime_session.submission import Server, Submission
from tests.support.mail_server import HOST, Behaviour, mail_server, scripted_server
from tests.support.sending import ALICE, BOB, CAROL, DAVE, MAIL, local, outcomes, send

if TYPE_CHECKING:
    import socket

    from tests.support.mail_server import Authorities


def test_one_of_three_is_refused() -> None:
    """A recipient that the server refuses for good is named, the others get the mail, and none is tried again."""
    behaviour = Behaviour(answers={CAROL: ["550 5.1.1 no such user"]})
    with mail_server(behaviour) as (_, port):
        found = send(local(port), BOB, CAROL, DAVE)
    assert outcomes(found) == {BOB: "accepted", CAROL: "refused", DAVE: "accepted"}
    assert (found[1].code, found[1].reason, found[1].attempts) == (550, "550 5.1.1 no such user", 1)
    assert [each.recipients for each in behaviour.received] == [[BOB, DAVE]]


def test_refused_for_now_is_tried_again_with_a_limit() -> None:
    """Only those are tried again that were refused for now; the pauses grow, and there is an end to it."""
    behaviour = Behaviour(answers={CAROL: ["451 later", "451 later", ""], DAVE: ["450 never"]})
    waited: list[float] = []
    with mail_server(behaviour) as (_, port):
        found = send(local(port), BOB, CAROL, DAVE, waited=waited)
    assert outcomes(found) == {BOB: "accepted", CAROL: "accepted", DAVE: "postponed"}
    assert [each.attempts for each in found] == [1, 3, 3]
    assert [each.recipients for each in behaviour.received] == [[BOB], [CAROL]]
    assert waited == [10.0, 20.0]


def test_a_mail_that_is_refused_is_told_for_each() -> None:
    """What the server says after the mail holds for all whom it had accepted."""
    for answer, outcome, seen in (("554 no", "refused", 1), ("451 no", "postponed", 3)):
        behaviour = Behaviour(data=[answer])
        with mail_server(behaviour) as (_, port):
            found = send(local(port), BOB, CAROL)
        assert outcomes(found) == {BOB: outcome, CAROL: outcome}
        assert (len(behaviour.seen), len(behaviour.received)) == (seen, 0)


@pytest.mark.parametrize("ending", ["abort", "hang"])
def test_a_mail_whose_fate_is_unknown_is_not_sent_again(ending: str) -> None:
    """A server that ends, or hangs, between the mail and its answer may have it: so it is told, and sent once."""
    behaviour = Behaviour(data=[ending], answers={DAVE: ["550 no"]})
    with mail_server(behaviour) as (_, port):
        found = send(local(port, timeout=1 if ending == "hang" else 20), BOB, DAVE)
    assert outcomes(found) == {BOB: "unknown", DAVE: "refused"}
    happened = "no answer came in time" if ending == "hang" else "the connection was lost"
    assert found[0].reason == f"{happened} after the mail was sent and before the server answered: it may have arrived"
    assert len(behaviour.seen) == 1


def test_a_connection_that_is_lost_before_the_mail_is_made_anew() -> None:
    """What certainly did not get there is sent again, to all, and arrives once."""
    behaviour = Behaviour(answers={CAROL: ["abort", ""]})
    with mail_server(behaviour) as (_, port):
        found = send(local(port), BOB, CAROL)
    assert outcomes(found) == {BOB: "accepted", CAROL: "accepted"}
    assert [each.attempts for each in found] == [2, 2]
    assert [each.recipients for each in behaviour.received] == [[BOB, CAROL]]
    assert behaviour.connections == 2


def test_a_connection_that_is_lost_within_the_mail_left_nothing() -> None:
    """A server that goes while a large mail is on its way cannot have all of it: it is sent again."""

    def begin(client: socket.socket) -> None:
        client.sendall(b"220 here\r\n")
        for answer in (b"250 here", b"250 OK", b"250 OK", b"354 go on"):
            client.recv(999)
            client.sendall(answer + b"\r\n")
        client.recv(999)

    with scripted_server(begin, begin, begin) as port:
        found = send(local(port, timeout=20), BOB, mail=MAIL + b"x" * 70 + b"\n" + (b"y" * 70 + b"\n") * 200_000)
    assert outcomes(found) == {BOB: "unsent"}
    assert found[0].attempts == 3
    assert found[0].reason == "the connection was lost, before all of the mail was sent"


def test_a_server_that_went_while_it_was_not_used_is_called_again(authorities: Authorities) -> None:
    """A connection that the server has ended between two mails costs no attempt."""
    behaviour = Behaviour()
    with mail_server(behaviour, timeout=1, starttls=authorities.context(HOST)) as (_, port):
        server = Server(HOST, port, ca_file=authorities.roots, timeout=20)
        with Submission(server) as submission:
            first = submission.send(MAIL, sender=ALICE, recipients=[BOB])
            connection = submission._smtp
            assert connection is not None
            assert connection.sock is not None
            connection.sock.recv(999)  # "421 timeout"
            second = submission.send(MAIL, sender=ALICE, recipients=[BOB])
    assert [each.attempts for each in (*first, *second)] == [1, 1]
    assert behaviour.connections == 2


def test_no_server_at_all() -> None:
    """A port where nothing listens is tried as often as was said, and then told before anything is sent."""
    with scripted_server() as port:
        pass
    waited: list[float] = []
    with pytest.raises(SubmissionError, match=f"{HOST}:{port}: connection refused: nothing was sent") as caught:
        send(local(port), BOB, waited=waited)
    assert caught.value.temporary
    assert waited == [10.0, 20.0]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("a@b>\r\nRCPT TO:<eve@example.org", "holds CR"),
        ("a@b\nRCPT TO:<eve@example.org>", "holds LF"),
        ("a@b\0", "holds NUL"),
        ('"a\r\nDATA"@b', "holds CR"),
        ("a@b> NOTIFY=NEVER", "is no mail address"),
        ("a b@example.org", "is no mail address"),
        ("a@b@c", "is no mail address"),
        ("a", "is no mail address"),
        ("", "is no mail address"),
        ("a@b\x85", "holds a control character"),
    ],
)
def test_an_address_that_would_be_a_command_is_refused(address: str, words: str) -> None:
    """Neither as recipient nor as sender; it is named, and not even the others get the mail."""
    with mail_server() as (behaviour, port), Submission(local(port)) as submission:
        with pytest.raises(SubmissionError, match=words):
            submission.send(MAIL, sender=ALICE, recipients=[BOB, address])
        if address:
            with pytest.raises(SubmissionError, match=words):
                submission.send(MAIL, sender=address, recipients=[BOB])
        (delivery,) = submission.send(MAIL, sender=ALICE, recipients=['"b o>b"@example.org'])
        assert delivery.outcome in {"accepted", "refused"}
    assert all(each.recipients == ['"b o>b"@example.org'] for each in behaviour.received)


@pytest.mark.parametrize("field", ["Bcc", "bcc ", "Resent-BCC"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_blind_recipient_is_not_shown(field: str, line_end: bytes) -> None:
    """A mail with a Bcc field is refused; the word in a body is none."""
    mail = f"Subject: Friday\n{field}: eve@example.org\n\nHi.\n".encode().replace(b"\n", line_end)
    with mail_server() as (behaviour, port), Submission(local(port)) as submission:
        with pytest.raises(SubmissionError, match=f"has a {field.strip()} field"):
            submission.send(mail, sender=ALICE, recipients=[BOB])
        submission.send(b"Subject: Friday\n\nBcc: eve@example.org\n", sender=ALICE, recipients=[BOB])
    assert len(behaviour.received) == 1


def test_lines_arrive_as_they_were() -> None:
    """Dots at the beginning of lines, line endings of every kind and a last line without one do no harm."""
    mail = b"Subject: Friday\r\n\r\n.\r\n..a\n.b\rc.\r\n.\n" + b".." * 400 + b"\r\n.end"
    with mail_server(data_size_limit=0) as (behaviour, port):
        found = send(local(port), BOB, mail=mail)
    assert outcomes(found) == {BOB: "accepted"}
    expected = b"Subject: Friday\r\n\r\n.\r\n..a\r\n.b\r\nc.\r\n.\r\n" + b".." * 400 + b"\r\n.end\r\n"
    assert behaviour.received[0].content == expected


@pytest.mark.parametrize("at", range(65_530, 65_540))
def test_nothing_is_lost_between_two_blocks(at: int) -> None:
    """Wherever a block ends, a line ending stays one, and a dot behind it is doubled once."""
    mail = (b"A: b\r\n\r\n" + (b"x" * 98 + b"\r\n") * 655)[: at - 2].rstrip(b"\r") + b"\r\n.\r\n.x"
    with mail_server() as (behaviour, port), Submission(local(port)) as submission:
        submission.send(io.BytesIO(mail), sender=ALICE, recipients=[BOB])
    assert behaviour.received[0].content == mail + b"\r\n"


def test_what_the_server_offers_is_used() -> None:
    """SIZE, 8BITMIME and SMTPUTF8 are asked for where the mail or an address needs them."""
    wide, umlaut = "jörg@example.org", "From: jörg@example.org\n\nGrüße\n".encode()
    with mail_server(enable_SMTPUTF8=True) as (behaviour, port):
        assert outcomes(send(local(port), wide, BOB, mail=umlaut)) == {wide: "accepted", BOB: "accepted"}
        send(local(port), BOB)
    assert behaviour.received[0].mail_options == ["SIZE=36", "BODY=8BITMIME", "SMTPUTF8"]
    assert behaviour.received[0].content == umlaut.replace(b"\n", b"\r\n")
    assert behaviour.received[1].mail_options == [f"SIZE={len(MAIL) + len(MAIL.splitlines())}"]


def test_what_the_server_does_not_offer_is_told() -> None:
    """Without SMTPUTF8, an address outside ASCII is refused unless its domain alone is, and so is such a header."""
    with mail_server(enable_SMTPUTF8=False) as (behaviour, port):
        found = send(local(port), "jörg@example.org", "bob@exämple.org", mail="A: b\n\nGrüße\n".encode())
        assert outcomes(found) == {"jörg@example.org": "refused", "bob@exämple.org": "accepted"}
        assert found[0].reason == "the address is not ASCII, and the server does not offer SMTPUTF8"
        (delivery,) = send(local(port), BOB, mail="A: ä\n\n".encode())
        assert delivery.reason == "the header is not ASCII, and the server does not offer SMTPUTF8"
    assert [each.recipients for each in behaviour.received] == [["bob@xn--exmple-cua.org"]]


def test_reports_are_asked_for_where_they_are_offered() -> None:
    """NOTIFY and RET are sent to a server with DSN, and to no other."""
    heard: list[bytes] = []

    def take(client: socket.socket) -> None:
        client.sendall(b"220 here\r\n")
        for answer in (b"250-here\r\n250 DSN", b"250 OK", b"250 OK", b"354 go on", b"250 OK"):
            heard.append(client.recv(999))
            client.sendall(answer + b"\r\n")

    with scripted_server(take) as port, Submission(local(port, timeout=20), notify=["failure", "delay"]) as submission:
        assert submission.offers_reports
        submission.send(MAIL, sender=ALICE, recipients=[BOB])
    assert heard[1:3] == [
        b"MAIL FROM:<alice@example.org> RET=HDRS\r\n",
        b"RCPT TO:<bob@example.org> NOTIFY=FAILURE,DELAY\r\n",
    ]
    with mail_server() as (behaviour, port), Submission(local(port), notify=["never"]) as submission:
        assert not submission.offers_reports
        assert submission.send(MAIL, sender=ALICE, recipients=[BOB])[0].accepted
    assert behaviour.received[0].recipient_options == []


def test_a_hostile_answer_is_one_line() -> None:
    """Control characters and line endings of an answer, and all beyond a length, are not passed on."""
    behaviour = Behaviour(answers={BOB: ["550-\x1b[2Jgo\r\n550 " + "x" * 400 + "\u202e"]})
    with mail_server(behaviour, enable_SMTPUTF8=True) as (_, port):
        (delivery,) = send(local(port), BOB)
    assert delivery.outcome == "refused"
    assert delivery.reason.isprintable()
    assert len(delivery.reason) < 600


def test_a_result_is_a_value() -> None:
    """What was found out cannot be changed, and can be compared."""
    with mail_server() as (_, port):
        first, second = send(local(port), BOB), send(local(port), BOB)
    assert first == second
    with pytest.raises(FrozenInstanceError):
        first[0].outcome = "refused"  # type: ignore[misc]
