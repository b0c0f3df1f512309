"""Where mail is handed over is a value: checked when it is made, and without secrets in what is shown of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from smime_session import SubmissionError
from smime_session.submission import FromCommand, FromFile, FromVariable, Server, Submission

if TYPE_CHECKING:
    from pathlib import Path


def test_security_and_port_go_together() -> None:
    """TLS is from the start on port 465, and asked for otherwise."""
    found = [
        Server("h"),
        Server("h", 465),
        Server("h", 25),
        Server("h", security="tls"),
        Server("::1", 25, "plaintext"),
    ]
    assert [(each.port, each.security) for each in found] == [
        (587, "starttls"),
        (465, "tls"),
        (25, "starttls"),
        (465, "tls"),
        (25, "plaintext"),
    ]
    assert [str(found[0]), str(found[4])] == ["h:587", "[::1]:25"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1"])
def test_plaintext_stays_on_this_machine(host: str) -> None:
    """This machine is known by its addresses and by its own name."""
    assert Server(host, 25, "plaintext").is_loopback


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"host": "mail.example.org", "security": "plaintext"}, "is another machine, and plaintext is for this one"),
        ({"host": "localhost.example.org", "security": "plaintext"}, "is another machine"),
        ({"host": ""}, "'' is not the name of a server"),
        ({"host": "a\r\nb"}, "is not the name of a server"),
        ({"host": "h", "port": 99999}, "99999 is not a port"),
        ({"host": "h", "security": "ssl"}, "'ssl' is not one of starttls, tls, plaintext"),
        ({"host": "h", "timeout": 0}, "0 seconds are no time to wait"),
        ({"host": "h", "user": "u"}, "nothing says what the password of u is"),
        ({"host": "h", "password": "hush"}, "a password or a token needs a user"),
        ({"host": "h", "user": "u", "password": "p", "token": "t"}, "a password and a token exclude each other"),
    ],
)
def test_values_that_do_not_go_together(values: dict[str, Any], words: str) -> None:
    """Each is refused with a sentence, which never has the secret."""
    with pytest.raises(SubmissionError, match=words) as caught:
        Server(**values)
    assert "hush" not in str(caught.value)


def test_an_address_is_divided() -> None:
    """Host and port are told from each other, IPv6 in brackets."""
    assert [Server.parse(each) for each in ("h", "h:25", "[::1]:465", "[::1]")] == [
        ("h", 0),
        ("h", 25),
        ("::1", 465),
        ("::1", 0),
    ]
    for bad in ("", ":25", "h:", "h:0", "h:65536", "::1", "h:x", "smtp://h"):
        with pytest.raises(SubmissionError, match="is not HOST:PORT"):
            Server.parse(bad)


def test_secrets_come_from_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file less one line ending, a variable, or what a program writes."""
    (tmp_path / "p").write_bytes("pass wörd \r\n".encode())
    monkeypatch.setenv("MAIL_PASSWORD", "from outside")
    assert FromFile(tmp_path / "p").read() == "pass wörd "
    assert FromVariable("MAIL_PASSWORD").read() == "from outside"
    assert FromCommand((sys.executable, "-c", "print('token')")).read() == "token"


def test_secrets_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong is told, without what was found in its place."""
    monkeypatch.delenv("MAIL_PASSWORD", raising=False)
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(b"x" * 20_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for source, words in (
        (FromFile(tmp_path / "none"), "none: No such file"),
        (FromFile(tmp_path / "empty"), "is empty or not UTF-8"),
        (FromFile(tmp_path / "binary"), "is empty or not UTF-8"),
        (FromFile(tmp_path / "large"), "is longer than 16,384 bytes"),
        (FromVariable("MAIL_PASSWORD"), "the environment variable MAIL_PASSWORD is not set"),
        (FromCommand((sys.executable, "-c", "print('hush'); exit(3)")), "ended with status 3"),
        (FromCommand(("yes", "hush")), "is longer than 16,384 bytes"),
        (FromCommand((str(tmp_path / "none"),)), "No such file"),
        (FromCommand(()), "its arguments are not usable"),
    ):
        with pytest.raises(SubmissionError, match=words) as caught:
            source.read()
        assert "hush" not in str(caught.value)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("script", ["sleep 8", "echo hush; exec >&-; exec sleep 8", "sleep 8 & echo hush"])
def test_a_command_that_does_not_end(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """It is waited for as long as a token may take, whatever it and its own children hold open."""
    monkeypatch.setattr("smime_session.submission.secrets._PATIENCE", 0.3)
    with pytest.raises(SubmissionError, match="took longer than"):
        FromCommand(("sh", "-c", script)).read()


def test_reports_that_exclude_each_other() -> None:
    """No report and a report cannot be asked for at once, and there are four kinds."""
    with pytest.raises(SubmissionError, match="exclude each other"):
        Submission(Server("h"), notify=["never", "delay"])
    with pytest.raises(SubmissionError, match="reports are one of never, success, failure, delay"):
        Submission(Server("h"), notify=["always"])  # type: ignore[list-item]
