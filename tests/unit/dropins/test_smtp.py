"""What takes the place of smtplib.SMTP sends nothing that is not encrypted, to real servers."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

from smime_session import EncryptingSMTP, EncryptingSMTP_SSL, RecipientError, load_certificates
from tests.support.mail_server import HOST, PASSWORD, USER, Behaviour, mail_server

if TYPE_CHECKING:
    from tests.support.correspondents import Correspondents
    from tests.support.mail_server import Authorities

ALICE, BOB, CAROL, DAVE, EVE = (f"{name}@example.org" for name in ("alice", "bob", "carol", "dave", "eve"))


def letter(**fields: str) -> EmailMessage:
    """Write a mail from Alice."""
    message = EmailMessage()
    message["From"] = ALICE
    for name, value in fields.items():
        message[name] = value
    message["Subject"] = "Friday"
    message.set_content("At eight?\n")
    return message


def test_a_message_is_sent_encrypted(people: Correspondents) -> None:
    """As the documentation has it: a connection with a store, and send_message."""
    with mail_server() as (behaviour, port), EncryptingSMTP(HOST, port, certificates=people.store) as smtp:
        assert smtp.send_message(letter(To=f"Bob <{BOB}>", Cc=CAROL)) == {}
        assert smtp.send_message(letter(To=DAVE)) == {}
    first, second = behaviour.received
    assert (first.sender, first.recipients, second.recipients) == (ALICE, [BOB, CAROL], [DAVE])
    assert people.readers(first.content) == ["bob", "carol"]
    assert people.readers(second.content) == ["dave"]
    assert b"At eight?" in people.opened(first.content, "carol")
    assert b"eight" not in first.content


def test_a_blind_recipient_gets_a_mail_of_their_own(people: Correspondents) -> None:
    """The trap of a mail that is encrypted for all whom smtplib sends it to: its envelope would show them."""
    with mail_server() as (behaviour, port), EncryptingSMTP(HOST, port, certificates=people.store) as smtp:
        smtp.send_message(letter(To=BOB, Bcc=f"{DAVE}, {CAROL}"))
    assert [each.recipients for each in behaviour.received] == [[BOB], [DAVE], [CAROL]]
    assert [people.readers(each.content) for each in behaviour.received] == [["bob"], ["dave"], ["carol"]]
    opened = [people.opened(each.content, people.readers(each.content)[0]) for each in behaviour.received]
    assert not any(b"Bcc" in each for each in opened)


def test_sendmail_encrypts_too(people: Correspondents) -> None:
    """Text and bytes are encrypted; who is in the envelope alone is a blind recipient."""
    text = f"From: {ALICE}\nTo: {BOB}\nSubject: Friday\n\nAt eight?\n"
    with mail_server() as (behaviour, port), EncryptingSMTP(HOST, port, certificates=people.store) as smtp:
        smtp.sendmail(ALICE, BOB, text)
        smtp.sendmail(ALICE, [BOB, f"Carol <{CAROL}>"], text.encode())
    assert [each.recipients for each in behaviour.received] == [[BOB], [BOB], [CAROL]]
    assert [people.readers(each.content) for each in behaviour.received] == [["bob"], ["bob"], ["carol"]]


@pytest.mark.parametrize("field", ["To", "Cc", "Bcc"])
def test_without_a_certificate_nothing_is_sent(people: Correspondents, field: str) -> None:
    """One address without one stops the mail for all, before the server is asked anything; the connection stays."""
    with mail_server() as (behaviour, port), EncryptingSMTP(HOST, port, certificates=people.store) as smtp:
        with pytest.raises(RecipientError, match=f"^{EVE}: there is no certificate for it$"):
            smtp.send_message(letter(**{"To": BOB, field: EVE} if field != "To" else {"To": f"{BOB}, {EVE}"}))
        with pytest.raises(RecipientError, match="there is no certificate for it"):
            smtp.sendmail(ALICE, [f"{BOB}>\r\nRCPT TO:<{EVE}"], b"Subject: x\n\n")
        smtp.send_message(letter(To=BOB))
    assert len(behaviour.seen) == 1


def test_starttls_checks_the_server(people: Correspondents, authorities: Authorities) -> None:
    """Without a context of one's own, a server that is not trusted is refused, unlike with smtplib."""
    context = ssl.create_default_context(cafile=authorities.roots)
    with mail_server(starttls=authorities.context(HOST), login=PASSWORD) as (behaviour, port):
        with EncryptingSMTP(HOST, port, certificates=people.store) as smtp, pytest.raises(ssl.SSLCertVerificationError):
            smtp.starttls()
        with EncryptingSMTP(HOST, port, certificates=people.store) as smtp:
            smtp.starttls(context=context)
            smtp.ehlo()
            smtp.docmd("AUTH", "PLAIN AGFsaWNlAHBhc3Mgd8O2cmQ=")
            smtp.send_message(letter(To=BOB))
    assert (USER, PASSWORD) == ("alice", "pass wörd")
    assert len(behaviour.received) == 1


def test_tls_from_the_start_checks_the_server(people: Correspondents, authorities: Authorities) -> None:
    """So does the one that speaks TLS from the start."""
    context = ssl.create_default_context(cafile=authorities.roots)
    with mail_server(tls=authorities.context("localhost")) as (behaviour, port):
        with pytest.raises(ssl.SSLCertVerificationError):
            EncryptingSMTP_SSL("localhost", port, certificates=people.store)
        with EncryptingSMTP_SSL("localhost", port, certificates=people.store, context=context) as smtp:
            smtp.send_message(letter(To=BOB))
    assert people.readers(behaviour.received[0].content) == ["bob"]


def test_who_is_refused_is_returned(people: Correspondents) -> None:
    """As smtplib has it, over all messages that one mail became; if all are refused, it is an error."""
    behaviour = Behaviour(answers={CAROL: ["550 no"], DAVE: ["550 no"]})
    with mail_server(behaviour) as (_, port), EncryptingSMTP(HOST, port, certificates=people.store) as smtp:
        assert smtp.send_message(letter(To=f"{BOB}, {CAROL}", Bcc=DAVE)) == {CAROL: (550, b"no"), DAVE: (550, b"no")}
        with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
            smtp.send_message(letter(To=CAROL, Bcc=DAVE))
    assert set(caught.value.recipients) == {CAROL, DAVE}


def test_who_got_it_before_a_failure_is_noted(people: Correspondents) -> None:
    """If the second of two messages fails, the error says to whom the first was sent."""
    behaviour = Behaviour(data=["", "554 no"])
    with (
        mail_server(behaviour) as (_, port),
        EncryptingSMTP(HOST, port, certificates=people.store) as smtp,
        pytest.raises(smtplib.SMTPDataError) as caught,
    ):
        smtp.send_message(letter(To=BOB, Bcc=DAVE))
    assert caught.value.__notes__ == [f"the mail was sent to {BOB} before that, and to no other"]


def test_certificates_of_every_shape(people: Correspondents) -> None:
    """One certificate, several, a source or several: all are places to look in, and nothing else is."""
    bob = load_certificates(people.keys["bob"])[0]
    shapes: list[Any] = [bob, [bob], people.store, [people.store], [bob, people.store]]
    with mail_server() as (behaviour, port):
        for certificates in shapes:
            with EncryptingSMTP(HOST, port, certificates=certificates) as smtp:
                smtp.send_message(letter(To=BOB))
    assert len(behaviour.received) == len(shapes)
    wrong: Any = "bob.pem"
    with pytest.raises(TypeError, match="certificates are given in a list"):
        EncryptingSMTP(certificates=wrong)
    with pytest.raises(TypeError, match="a certificate is one that"):
        EncryptingSMTP(certificates=[wrong])
