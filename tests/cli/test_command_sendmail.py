"""``sendmail`` is called as programs call it, encrypts, and hands on to a server or to another sendmail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from click.testing import CliRunner

from cli.root import run
from smime_session import DecryptionError, NoMatchError, decrypt, load_identities, new_identity
from tests.support.mail_server import HOST, Behaviour, mail_server

if TYPE_CHECKING:
    from pathlib import Path

LETTER: Final = b"From: cron@example.org\nTo: bob@example.org\nSubject: Cron\n\nline\n.\nend\n"
PROGRAM: Final = """#!/bin/sh
printf '%s\\n' "$*" >> calls
cat > "mail.$(wc -l < calls)"
exit ${STATUS:-0}
"""


@pytest.fixture(scope="module")
def keys() -> dict[str, tuple[bytes, bytes]]:
    """Private key and certificate of each."""
    made = {name: new_identity(f"{name}@example.org", key_type="p256") for name in ("bob", "carol", "dave")}
    return {name: (each.private_key_pem, each.certificate_pem) for name, each in made.items()}


@pytest.fixture
def folder(keys: dict[str, tuple[bytes, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with certificates, a program in place of sendmail, and settings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "certs").mkdir()
    for name, (_, certificate) in keys.items():
        (tmp_path / "certs" / f"{name}.pem").write_bytes(certificate)
    (tmp_path / "real").write_text(PROGRAM)
    (tmp_path / "real").chmod(0o755)
    settle(tmp_path)
    return tmp_path


def settle(folder: Path, more: str = "program = 'real'\n") -> None:
    """Write the settings."""
    (folder / "config.toml").write_text(f"certs = 'certs'\n[sendmail]\n{more}")


def sendmail(*arguments: str, stdin: bytes = LETTER, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run it with the settings; return status and standard error."""
    with CliRunner().isolation(stdin, env) as streams:
        status = run(["--config", "config.toml", "sendmail", *arguments])
        assert streams[0].getvalue() == b""
        return status, streams[1].getvalue().decode()


def opened(mail: bytes, keys: dict[str, tuple[bytes, bytes]], name: str) -> bytes:
    """Decrypt a mail that arrived."""
    return decrypt(mail, load_identities(keys[name][0] + keys[name][1])).message


@pytest.mark.parametrize(
    "arguments",
    [
        ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "bob@example.org"],
        ["-oi", "-oem", "-odi", "--", "bob@example.org"],
        ["-ti"],
        ["-t", "-i", "-f", "root@example.org"],
        ["-i", "-O", "DeliveryMode=b", "-N", "never", "-bm", "bob@example.org"],
        ["-G", "-oi", "-froot@example.org", "bob@example.org"],
    ],
)
def test_as_programs_call_it(arguments: list[str], folder: Path, keys: dict[str, tuple[bytes, bytes]]) -> None:
    """However its options are written, the mail is encrypted and handed on to the real one, dots and all."""
    assert sendmail(*arguments) == (0, "")
    sender = "-f root@example.org " if "root@example.org" in " ".join(arguments) else ""
    assert (folder / "calls").read_text() == f"-i {sender}-- bob@example.org\n"
    mail = (folder / "mail.1").read_bytes()
    assert b"line" not in mail
    assert opened(mail, keys, "bob").endswith(b"\n\nline\n.\nend\n")


def test_a_dot_ends_it(folder: Path, keys: dict[str, tuple[bytes, bytes]]) -> None:
    """Without -i, a line with nothing but a dot is the end."""
    assert sendmail("bob@example.org") == (0, "")
    assert opened((folder / "mail.1").read_bytes(), keys, "bob").endswith(b"\n\nline\n")


def test_who_is_not_in_the_header_stays_unseen(folder: Path, keys: dict[str, tuple[bytes, bytes]]) -> None:
    """Recipients that are named as arguments alone, or in Bcc, get mails of their own, which tell of no other."""
    letter = b"Bcc: dave@example.org\n" + LETTER
    assert sendmail("-i", "-t", "carol@example.org", stdin=letter)[0] == 0
    calls = ["-i -- bob@example.org", "-i -- carol@example.org", "-i -- dave@example.org"]
    assert (folder / "calls").read_text().splitlines() == calls
    for number, reader in enumerate(("bob", "carol", "dave"), 1):
        mail = (folder / f"mail.{number}").read_bytes()
        assert b"dave@" not in opened(mail, keys, reader)
        for other in {"bob", "carol", "dave"} - {reader}:
            with pytest.raises((NoMatchError, DecryptionError)):
                opened(mail, keys, other)


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "words"),
    [
        (["-bs"], LETTER, 64, "-bs is not supported: it would speak SMTP on standard input"),
        (["-bp"], LETTER, 64, "-bp is not supported: there is no queue to list"),
        (["-q30m"], LETTER, 64, "-q30m: there is no queue to run"),
        (["-f"], LETTER, 64, "-f has no value"),
        (["-iz"], LETTER, 64, "-z in -iz is no option of sendmail that is supported"),
        (["--nothing", "bob@example.org"], LETTER, 64, "--nothing"),
        (["bob@example.org"], b"\n\nno head\n", 65, "not a mail"),
        (["bob@example.org"], b"", 65, "the input is empty"),
        ([], LETTER, 65, "the mail has no recipient"),
        (["-t"], b"To: root\n\n", 65, "root"),
        (["eve@example.org"], LETTER, 77, "eve@example.org: there is no certificate for it"),
        (["bob@example.org", "eve@example.org"], LETTER, 77, "eve@example.org"),
        (["root"], LETTER, 69, "'root' is no mail address"),
        (["-t", "--", "-OQueueDirectory=/tmp"], LETTER, 69, "is no mail address"),
        (["bob@example.org\nRCPT TO:<eve@example.org>"], LETTER, 69, "holds LF"),
    ],
)
def test_what_is_refused(arguments: list[str], stdin: bytes, status: int, words: str, folder: Path) -> None:
    """The exit status is one that the caller knows, the reason is said, and nothing is sent to anybody."""
    found, said = sendmail(*arguments, stdin=stdin)
    assert found == status, said
    assert words in said
    assert not (folder / "calls").exists()


@pytest.mark.parametrize(
    "arguments", [["-F", "x\nBcc: dave@example.org"], ["-f", "bob@example.org\nBcc: dave@example.org"]]
)
def test_the_sender_makes_no_other_field(arguments: list[str], folder: Path) -> None:
    """A line break in the sender's name or address is refused, and nothing is sent."""
    status, said = sendmail("-ti", "-f", "cron@example.org", *arguments, stdin=b"To: bob@example.org\n\nline\n")
    assert (status, "holds a control character" in said) == (64, True)
    assert not (folder / "calls").exists()


def test_a_sender_outside_ascii(folder: Path, keys: dict[str, tuple[bytes, bytes]]) -> None:
    """A name is encoded as header fields have it, and an address stays as it is."""
    for number, (name, sender, field) in enumerate(
        [
            ("Zoë", "zoe@example.org", "From: =?utf-8?q?Zo=C3=AB?= <zoe@example.org>"),
            ("Zoë", "zoë@example.org", "From: <zoë@example.org>"),
        ],
        1,
    ):
        assert sendmail("-ti", "-F", name, "-f", sender, stdin=b"To: bob@example.org\n\nline\n")[0] == 0
        mail = opened((folder / f"mail.{number}").read_bytes(), keys, "bob")
        assert field.encode() in mail


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("", "neither a sendmail nor a server is set"),
        ("program = 'real'\nwithout-certificate = 'clear'\n", "without-certificate: 'clear' is not one of"),
        ("programm = 'real'\n", "programm is no setting\nHint: the nearest one is program"),
    ],
)
def test_wrong_settings(settings: str, words: str, folder: Path) -> None:
    """They have an exit status of their own."""
    settle(folder, settings)
    status, said = sendmail("bob@example.org")
    assert status == 78
    assert words in said


def test_no_circle(folder: Path) -> None:
    """A program in the settings that is this one again is found out."""
    status, said = sendmail("bob@example.org", env={"SMIME_SESSION_WITHIN_SENDMAIL": "1"})
    assert (status, "led back here" in said) == (78, True)
    assert not (folder / "calls").exists()


def test_in_clear_if_the_settings_say_so(folder: Path) -> None:
    """Then all of it goes in clear: the mail says so itself, standard error does, and Bcc is not in it."""
    settle(folder, "program = 'real'\nwithout-certificate = 'insecure-clear'\n")
    letter = LETTER.replace(b"\n\n", b"\nBcc: eve@example.org\n\n", 1)
    status, said = sendmail("-ti", stdin=letter)
    assert status == 0
    assert said.splitlines() == [
        "Note: without-certificate is set by config.toml",
        "Note: sent in clear: eve@example.org: there is no certificate for it",
    ]
    assert (folder / "calls").read_text() == "-i -- bob@example.org eve@example.org\n"
    said_so = b"X-Smime-Session: not encrypted: a recipient has no certificate\n"
    assert (folder / "mail.1").read_bytes() == said_so + LETTER


def test_what_can_be_encrypted_is_not_sent_in_clear(folder: Path) -> None:
    """The setting is for recipients without certificates, and for no others."""
    settle(folder, "program = 'real'\nwithout-certificate = 'insecure-clear'\n")
    assert sendmail("-ti")[0] == 0
    assert b"line" not in (folder / "mail.1").read_bytes()
    assert sendmail("-ti", stdin=b"")[0] == 65


def test_the_status_of_the_real_one_is_handed_back(folder: Path) -> None:
    """If it fails, its exit status is ours, and it is said for whom."""
    status, said = sendmail("-ti", env={"STATUS": "75"})
    assert (status, said) == (75, f"Note: {folder}/real ended with 75 for bob@example.org\n")
    settle(folder, "program = 'nowhere'\n")
    assert sendmail("-ti")[0] == 74


def test_to_a_server(folder: Path, keys: dict[str, tuple[bytes, bytes]]) -> None:
    """Without a program the mail goes to the server of the settings; bare names get the domain of the settings."""
    with mail_server() as (behaviour, port):
        settle(folder, f"smtp = '{HOST}:{port}'\nsecurity = 'plaintext'\npause = 0\ndomain = 'example.org'\n")
        assert sendmail("-i", "-F", "Cron Daemon", "-f", "root", "bob", stdin=b"Subject: x\n\nline\n") == (0, "")
    (mail,) = behaviour.received
    assert (mail.sender, mail.recipients) == ("root@example.org", ["bob@example.org"])
    assert b"From: Cron Daemon <root@example.org>" in mail.content
    assert opened(mail.content, keys, "bob").endswith(b"\r\n\r\nline\r\n")


@pytest.mark.parametrize(("answers", "status"), [(["451 later"], 75), (["550 no"], 69)])
def test_refusals_of_the_server(answers: list[str], status: int, folder: Path) -> None:
    """A caller tries again what was refused for now, and nothing else."""
    with mail_server(Behaviour(answers={"bob@example.org": answers})) as (behaviour, port):
        settle(folder, f"smtp = '{HOST}:{port}'\nsecurity = 'plaintext'\npause = 0\n")
        found, said = sendmail("-ti")
    assert (found, behaviour.received) == (status, [])
    assert answers[0] in said


def test_what_some_got_is_not_to_be_sent_again(folder: Path) -> None:
    """If the server takes it for one and not now for another, the status is not the one for trying again."""
    with mail_server(Behaviour(answers={"carol@example.org": ["451 later"]})) as (_, port):
        settle(folder, f"smtp = '{HOST}:{port}'\nsecurity = 'plaintext'\npause = 0\n")
        found, said = sendmail("-ti", stdin=b"Cc: carol@example.org\n" + LETTER)
    assert (found, "carol@example.org: postponed" in said) == (69, True)


def test_what_is_ignored_is_named(folder: Path) -> None:
    """With -v, it says which options have no meaning here."""
    assert folder
    status, said = sendmail("-v", "-oem", "-odb", "-i", "-Am", "bob@example.org")
    assert status == 0
    assert [f"Note: {each} is ignored" for each in ("-oem", "-odb", "-Am")] == said.splitlines()[:3]
