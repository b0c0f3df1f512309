"""``send`` encrypts a mail and hands it to a real server; what became of it is told for each recipient."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cli.root import run
from smime_session import decrypt, load_identities, new_identity
from tests.support.mail_server import HOST, PASSWORD, USER, Behaviour, mail_server, make_authorities

if TYPE_CHECKING:
    from pathlib import Path

LETTER = "From: Alice <alice@example.org>\nTo: bob@example.org\nCc: carol@example.org\nSubject: Friday\n\nAt eight?\n"
NAMES = ("alice", "bob", "carol", "dave")


@pytest.fixture(scope="module")
def keys() -> dict[str, tuple[bytes, bytes]]:
    """Private key and certificate of each."""
    made = {name: new_identity(f"{name}@example.org", key_type="p256") for name in NAMES}
    return {name: (each.private_key_pem, each.certificate_pem) for name, each in made.items()}


@pytest.fixture
def folder(keys: dict[str, tuple[bytes, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the letter and all certificates."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "certs").mkdir()
    for name, (_, certificate) in keys.items():
        (tmp_path / "certs" / f"{name}.pem").write_bytes(certificate)
        (tmp_path / f"{name}.pem").write_bytes(certificate)
    (tmp_path / "letter.eml").write_text(LETTER)
    return tmp_path


def send(*arguments: str, port: int = 0, stdin: bytes = b"", env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run the command for a server on this machine without TLS, and return status, standard output and error."""
    local = ["--smtp", f"{HOST}:{port}", "--security", "plaintext", "--pause", "0"] if port else []
    with CliRunner().isolation(stdin, env) as streams:
        status = run(["send", *local, *arguments])
        out, error = (stream.getvalue().decode() for stream in streams[:2])
    return status, out, error


def opened(mail: bytes, keys: dict[str, tuple[bytes, bytes]], name: str) -> bytes:
    """Decrypt a mail that arrived."""
    return decrypt(mail, load_identities(keys[name][0] + keys[name][1])).message


def test_it_arrives_and_opens(folder: Path, keys: dict[str, tuple[bytes, bytes]]) -> None:
    """All in To and Cc get the mail, encrypted for each; files of certificates do as well as folders."""
    for option in (["--certs", "certs"], ["-r", "bob.pem", "-r", "carol.pem"], ["-r", "certs"]):
        with mail_server() as (behaviour, port):
            status, out, error = send(*option, "letter.eml", port=port)
        assert (status, error) == (0, "")
        assert out == "bob@example.org: accepted: 250 OK\ncarol@example.org: accepted: 250 OK\n"
        (mail,) = behaviour.received
        assert (mail.sender, mail.recipients) == ("alice@example.org", ["bob@example.org", "carol@example.org"])
        assert b"eight" not in mail.content
        for name in ("bob", "carol"):
            assert opened(mail.content, keys, name).endswith(b"\r\n\r\nAt eight?\r\n")
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["certs", "letter.eml", *map("{}.pem".format, NAMES)]
    )


def test_blind_recipients_get_a_mail_of_their_own(folder: Path, keys: dict[str, tuple[bytes, bytes]]) -> None:
    """Neither header nor envelope nor recipient infos of the others' mail tell of them; from -r as well."""
    (folder / "letter.eml").write_text(f"Bcc: dave@example.org\n{LETTER}")
    named = [word for name in NAMES for word in ("-r", f"{name}.pem")]
    for option in (["--certs", "certs", "--self", "alice.pem"], named):
        with mail_server() as (behaviour, port):
            status, _, error = send(*option, "letter.eml", port=port)
        assert (status, error) == (0, "")
        visible, blind = behaviour.received
        assert visible.recipients == ["bob@example.org", "carol@example.org"]
        assert blind.recipients == ["dave@example.org"]
        for mail, readers in ((visible, ["bob", "carol"]), (blind, ["dave"])):
            assert b"dave" not in opened(mail.content, keys, readers[0])
            for name in ("bob", "carol", "dave"):
                if name in readers:
                    assert b"At eight?" in opened(mail.content, keys, name)
                else:
                    with pytest.raises(Exception, match="no given identity can open the message"):
                        opened(mail.content, keys, name)


def test_addresses_of_options(folder: Path) -> None:
    """--to takes the place of the header's addresses, and --from that of the sender."""
    assert folder
    with mail_server() as (behaviour, port):
        arguments = ["--certs", "certs", "--to", "dave@example.org", "--from", "reports@example.org", "letter.eml"]
        assert send(*arguments, port=port)[0] == 0
    assert [(each.sender, each.recipients) for each in behaviour.received] == [
        ("reports@example.org", ["dave@example.org"])
    ]


def test_from_a_pipe(folder: Path) -> None:
    """A mail on standard input is sent."""
    assert folder
    with mail_server() as (behaviour, port):
        assert send("--certs", "certs", port=port, stdin=LETTER.encode())[0] == 0
    assert len(behaviour.received) == 1


def test_starttls_and_login(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under TLS, with a password from a file, a variable or the key ring; a wrong one is told and not repeated."""
    authorities = make_authorities(folder)
    (folder / "password").write_text(f"{PASSWORD}\n")
    (folder / "wrong").write_text("hush\n")
    ring: dict[tuple[str, str], str] = {("mail", USER): PASSWORD}
    monkeypatch.setattr("keyring.get_password", lambda service, name: ring.get((service, name)))
    with mail_server(starttls=authorities.context("localhost"), login=PASSWORD) as (behaviour, port):
        common = ["--smtp", f"localhost:{port}", "--smtp-ca", "roots.pem", "--user", USER, "--certs", "certs"]
        assert send(*common, "--smtp-password-file", "password", "letter.eml")[0] == 0
        assert send(*common, "--smtp-password-env", "PW", "letter.eml", env={"PW": PASSWORD})[0] == 0
        assert send(*common, "--smtp-password-keyring", f"mail/{USER}", "letter.eml")[0] == 0
        status, out, error = send(*common, "--smtp-password-file", "wrong", "letter.eml")
        assert (status, out) == (1, "")
        assert re.fullmatch(rf"Error: localhost:{port} refuses the login of alice: 535 .*: nothing was sent\n", error)
        status, out, error = send(*common[:2], *common[4:], "--smtp-password-file", "password", "letter.eml")
        assert status == 1
        assert f"the certificate of localhost:{port} is refused: unable to get local issuer certificate" in error
        assert error.endswith(
            "Hint: --smtp-ca FILE says whom to trust; --insecure-smtp-certificate takes any certificate\n"
        )
        insecure = ["--insecure-smtp-certificate", "--smtp-password-file", "password", "letter.eml"]
        assert send(*common[:2], *common[4:], *insecure)[0] == 0
    assert len(behaviour.received) == 4


def test_a_server_without_tls(folder: Path) -> None:
    """It is refused, with a hint on this machine, where plaintext is possible."""
    assert folder
    with mail_server() as (behaviour, port):
        status, _, error = send("--smtp", f"{HOST}:{port}", "--certs", "certs", "letter.eml")
    assert status == 1
    assert error == (
        f"Error: {HOST}:{port} offers no STARTTLS, or it was taken out on the way: nothing was sent\n"
        "Hint: --security plaintext sends without TLS within this machine\n"
    )
    assert behaviour.seen == []


def test_one_of_three_is_refused(folder: Path) -> None:
    """It is told for each, as text and as JSON, and the exit status is 1; with -q, of those alone who missed it."""
    (folder / "letter.eml").write_text(LETTER.replace("Cc: ", "Cc: dave@example.org, "))
    with mail_server(Behaviour(answers={"dave@example.org": ["550 no such user"]})) as (_, port):
        text = send("--certs", "certs", "letter.eml", port=port)
        quiet = send("--certs", "certs", "-q", "letter.eml", port=port)
        status, out, _ = send("--certs", "certs", "--json", "letter.eml", port=port)
    error = "Error: of 3 recipients, 1 did not get the mail\n"
    refused = "dave@example.org: refused: 550 no such user\n"
    assert text == (
        1,
        f"bob@example.org: accepted: 250 OK\n{refused}carol@example.org: accepted: 250 OK\n",
        error,
    )
    assert quiet == (1, refused, error)
    found: list[dict[str, Any]] = json.loads(out)
    assert status == 1
    assert [(each["address"][0], each["outcome"], each["code"]) for each in found] == [
        ("b", "accepted", 250),
        ("d", "refused", 550),
        ("c", "accepted", 250),
    ]


def test_what_is_not_known_is_told(folder: Path) -> None:
    """A server that goes when it has the mail gets it once; the blind recipient's mail is sent all the same."""
    (folder / "letter.eml").write_text(f"Bcc: dave@example.org\n{LETTER}")
    with mail_server(Behaviour(data=["abort", ""])) as (behaviour, port):
        status, out, error = send("--certs", "certs", "--json", "letter.eml", port=port)
    assert status == 1
    assert [each["outcome"] for each in json.loads(out)] == ["unknown", "unknown", "accepted"]
    assert error == "Error: of 3 recipients, of 2 it is not known\n"
    assert [len(each.recipients) for each in behaviour.seen] == [2, 1]


def test_what_is_refused_for_now_is_tried_again(folder: Path) -> None:
    """It is said when, and there is a limit to it."""
    assert folder
    with mail_server(Behaviour(data=["451 later", ""])) as (behaviour, port):
        status, out, error = send("--certs", "certs", "letter.eml", port=port)
    assert status == 0
    assert out.count("accepted") == 2
    assert error == "Note: not all is handed in yet; trying again in 0 seconds\n"
    with mail_server(Behaviour(data=["451 later"])) as (behaviour, port):
        status, out, error = send("--certs", "certs", "--attempts", "2", "-q", "letter.eml", port=port)
    assert status == 1
    assert out.count("postponed: 451 later") == 2
    assert len(behaviour.seen) == 2


def test_what_is_known_when_it_is_interrupted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal in the pause before another attempt: who got the mail is told, and who was not reached yet."""
    (folder / "letter.eml").write_text(f"Bcc: dave@example.org\n{LETTER}")

    def interrupt(seconds: float) -> None:
        assert seconds == 0
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(time, "sleep", interrupt)
    with mail_server(Behaviour(answers={"carol@example.org": ["451 later"]})) as (behaviour, port):
        status, out, error = send("--certs", "certs", "--json", "-q", "letter.eml", port=port)
    assert (status, error) == (130, "Error: interrupted\n")
    assert [(each["address"][0], each["outcome"]) for each in json.loads(out)] == [("c", "postponed"), ("d", "unsent")]
    assert [each.recipients for each in behaviour.received] == [["bob@example.org"]]


def test_what_is_not_known_when_it_is_interrupted(folder: Path) -> None:
    """A signal while the server has the mail and does not answer: it may have arrived, and so it is told."""
    assert folder
    with mail_server(Behaviour(data=["interrupt"])) as (behaviour, port):
        status, out, _ = send("--certs", "certs", "letter.eml", port=port)
    assert status == 130
    assert out.count(": unknown: it was interrupted while the mail was being sent\n") == 2
    assert len(behaviour.seen) == 1


@pytest.mark.parametrize("field", ["To: eve@example.org", "Bcc: eve@example.org"])
def test_without_a_certificate_nothing_is_sent(folder: Path, field: str) -> None:
    """One address that has none is named, and no server is spoken to."""
    (folder / "letter.eml").write_text(f"{field}\n{LETTER}")
    with mail_server() as (behaviour, port):
        status, out, error = send("--certs", "certs", "letter.eml", port=port)
    assert (status, out) == (1, "")
    assert error == "Error: eve@example.org: there is no certificate for it\n"
    assert behaviour.connections == 0


def test_a_password_encrypts_for_all(folder: Path) -> None:
    """Without certificates, all in To and Cc get a mail that the password opens."""
    (folder / "secret").write_text("a long and unusual one")
    with mail_server() as (behaviour, port):
        status, _, error = send("--password-file", "secret", "letter.eml", port=port)
    assert (status, error) == (0, "")
    assert behaviour.received[0].recipients == ["bob@example.org", "carol@example.org"]


def test_a_dry_run_needs_no_server(folder: Path) -> None:
    """Which certificate is chosen for each is told without a server."""
    assert folder
    status, out, error = send("--certs", "certs", "--dry-run", "letter.eml")
    assert (status, error) == (0, "")
    assert out.startswith("bob@example.org: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--certs", "certs"], "no server was given"),
        (["--smtp", "h"], "nothing says whom the mail is encrypted for"),
        (["--smtp", "h:x", "--certs", "certs"], "'h:x' is not HOST:PORT"),
        (["--smtp", "h", "--security", "plaintext", "--certs", "certs"], "h is another machine, and plaintext is for"),
        (["--smtp", "h", "--certs", "certs", "--smtp-password-env", "A"], "--smtp-password-env is about a login"),
        (
            ["--smtp", "h", "--certs", "certs", "--user", "u", "--smtp-password-env", "A", "--smtp-password-file", "f"],
            "--smtp-password-file and --smtp-password-env exclude each other",
        ),
        (["--smtp", "h", "--certs", "certs", "--notify", "never", "--notify", "delay"], "--notify never excludes"),
        (
            ["--smtp", "h", "--certs", "certs", "--user", "u", "--smtp-token-command", "'"],
            '"\'" is no command',
        ),
        (["--smtp", "h", "--certs", "certs", "--user", "u", "--smtp-password-env", "UNSET_HERE"], "is not set"),
    ],
)
def test_misuse(folder: Path, arguments: list[str], words: str) -> None:
    """What does not go together is said before anything is done."""
    assert folder
    status, out, error = send(*arguments, "letter.eml")
    assert (status, out) == (2, "")
    assert words in error


def test_senders_that_are_none_or_several(folder: Path) -> None:
    """The envelope has one sender; Sender decides among several in From."""
    (folder / "none.eml").write_text("To: bob@example.org\n\n")
    (folder / "two.eml").write_text("From: alice@example.org, carol@example.org\nTo: bob@example.org\n\n")
    (folder / "one.eml").write_text("Sender: carol@example.org\n" + (folder / "two.eml").read_text())
    with mail_server() as (behaviour, port):
        assert "the mail names no sender" in send("--certs", "certs", "none.eml", port=port)[2]
        assert "the mail names several senders" in send("--certs", "certs", "two.eml", port=port)[2]
        assert send("--certs", "certs", "one.eml", port=port)[0] == 0
    assert [each.sender for each in behaviour.received] == ["carol@example.org"]


def test_an_address_of_an_option_that_would_be_a_command(folder: Path) -> None:
    """It is refused by name, and no server is spoken to."""
    assert folder
    with mail_server() as (behaviour, port):
        rude = "a@b>\r\nRCPT TO:<eve@example.org"
        status, _, error = send("--certs", "certs", "--from", rude, "letter.eml", port=port)
    assert status == 1
    assert "holds CR, which no address has: nothing was sent" in error
    assert behaviour.connections == 0
