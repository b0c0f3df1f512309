"""Through Postfix as submission server and relay, mail arrives encrypted, and OpenSSL opens it."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from email.message import EmailMessage
from typing import TYPE_CHECKING, NamedTuple

import pytest

from smime_session import CertificateStore, EncryptingSMTP, encrypt_by_address, load_certificates, new_identity
from smime_session.submission import Server, Submission
from tests.interop.peers.base import run
from tests.interop.peers.everyone import require
from tests.interop.peers.postfix import LOGIN, PASSWORD, postfix
from tests.support.correspondents import Correspondents
from tests.support.mail_server import HOST, Behaviour, mail_server, make_authorities

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALICE, BOB, CAROL, DAVE = (f"{name}@example.org" for name in ("alice", "bob", "carol", "dave"))
TEXT = "At eight? .\n.\n..Grüße\n" + "a long line, " * 20 + "\n"


class Office(NamedTuple):
    """A mail server with what it handed on.

    Attributes:
        port: where it takes mail.
        sink: the server that it hands mail on to.
        roots: the file of the roots to be trusted.
        folder: where there is room.
    """

    port: int
    sink: Behaviour
    roots: Path
    folder: Path

    @property
    def server(self) -> Server:
        """The server as a value."""
        return Server("localhost", self.port, user=LOGIN, password=PASSWORD, ca_file=self.roots, timeout=30)

    def arrived(self, count: int) -> list[tuple[list[str], bytes]]:
        """Wait until so many mails have arrived, and return them with their recipients, in that order."""
        found = sorted((sorted(each.recipients), each.content) for each in self.sink.arrived(count))
        self.sink.received.clear()
        return found


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Run Postfix, and the server behind it."""
    require("openssl")
    folder = tmp_path_factory.mktemp("office")
    authorities = make_authorities(folder)
    with mail_server() as (sink, port), postfix(authorities.server_pem("localhost"), port) as submission:
        yield Office(submission, sink, authorities.roots, folder)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Correspondents:
    """Bob, Carol and Dave, with a store of their certificates."""
    made = {name: new_identity(f"{name}@example.org", key_type="rsa2048") for name in ("bob", "carol", "dave")}
    store = CertificateStore(tmp_path_factory.mktemp("store"))
    store.add(certificate for each in made.values() for certificate in load_certificates(each.certificate_pem))
    return Correspondents(store, {name: each.private_key_pem + each.certificate_pem for name, each in made.items()})


def letter() -> EmailMessage:
    """Write a mail with a blind recipient."""
    message = EmailMessage()
    message["From"], message["To"], message["Bcc"] = ALICE, BOB, CAROL
    message["Subject"] = "Friday"
    message.set_content(TEXT)
    return message


def opened_by_openssl(mail: bytes, key: bytes, folder: Path) -> bytes:
    """Decrypt a mail that arrived with OpenSSL."""
    path = folder / "key.pem"
    path.write_bytes(key)
    return run(["openssl", "cms", "-decrypt", "-inkey", path, "-recip", path], mail)


def check(office: Office, people: Correspondents) -> None:
    """Check that the letter arrived, each message for its recipients alone."""
    for (recipients, mail), name in zip(office.arrived(2), ("bob", "carol"), strict=True):
        assert recipients == [f"{name}@example.org"]
        assert people.readers(mail) == [name]
        inside = opened_by_openssl(mail, people.keys[name], office.folder)
        assert b"a long line, a long line" in inside.replace(b"=\r\n", b"")
        assert b"carol" not in inside


def test_submission(office: Office, people: Correspondents) -> None:
    """What the library hands in arrives, and a recipient that Postfix refuses is told."""
    with Submission(office.server) as submission:
        found = [
            delivery
            for recipients, mail in encrypt_by_address(letter(), people.store)
            for delivery in submission.send(mail, sender=ALICE, recipients=recipients)
        ]
        assert submission.offers_reports
        assert [(each.address, each.outcome) for each in found] == [(BOB, "accepted"), (CAROL, "accepted")]
        check(office, people)
        mail = next(encrypt_by_address(letter(), people.store, to=[BOB, DAVE])).message
        bob, dave = submission.send(mail, sender=ALICE, recipients=[BOB, DAVE])
    assert bob.accepted
    assert (dave.outcome, dave.code) == ("refused", 550)
    assert "no such user" in dave.reason
    office.arrived(1)


def test_encrypting_smtp(office: Office, people: Correspondents) -> None:
    """What takes the place of smtplib.SMTP does too."""
    context = ssl.create_default_context(cafile=office.roots)
    with EncryptingSMTP("localhost", office.port, certificates=people.store) as smtp:
        smtp.starttls(context=context)
        smtp.login(LOGIN, PASSWORD)
        assert smtp.send_message(letter()) == {}
    check(office, people)


def test_the_command(office: Office, people: Correspondents) -> None:
    """So does the command, with a password from a file."""
    (office.folder / "letter.eml").write_bytes(bytes(letter()))
    (office.folder / "password").write_text(PASSWORD)
    server = ["--smtp", f"localhost:{office.port}", "--smtp-ca", str(office.roots), "--user", LOGIN]
    arguments = [*server, "--smtp-password-file", "password", "--certs", str(people.store.path), "--json", "letter.eml"]
    done = subprocess.run(
        [sys.executable, "-m", "smime_session_cli", "send", *arguments],
        cwd=office.folder,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert [each["outcome"] for each in json.loads(done.stdout)] == ["accepted", "accepted"]
    check(office, people)


def test_without_a_login_it_takes_nothing(office: Office, people: Correspondents) -> None:
    """Postfix relays for those who logged in: what it says is told for the recipient."""
    server = Server(HOST, office.port, ca_file=office.roots, insecure_name=True, timeout=30)
    mail = next(encrypt_by_address(letter(), people.store)).message
    with Submission(server) as submission:
        (delivery,) = submission.send(mail, sender=ALICE, recipients=[BOB])
    assert delivery.outcome in {"refused", "postponed"}
    assert "denied" in delivery.reason
