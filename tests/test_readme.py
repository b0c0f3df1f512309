"""The examples of the README and the other pages are run as they stand."""

from __future__ import annotations

import os
import re
import shutil
import smtplib
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from smime_session import AES_128_GCM, MODERN, decrypt, encrypt, load_certificates, load_identities
from tests.support.mail_server import HOST, Behaviour, mail_server, make_authorities

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
REMOTE = "mail.example.com --user alice"  # in its place, the commands take a server on this machine
HOST_AND_PORT = '"mail.example.com", 587'
PAGES = [path for path in DOCUMENTS if path != README and re.search("^```(sh|python)$", path.read_text(), re.MULTILINE)]


def blocks(document: Path, language: str) -> list[str]:
    """Return a document's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)


def run_commands(document: Path, folder: Path) -> None:
    """Run a document's command-line examples in a folder, one after the other."""
    with mail_server() as (_, port):
        _run_script("\n".join(blocks(document, "sh")).replace(REMOTE, f"{HOST}:{port} --security plaintext"), folder)


def _run_script(script: str, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["sh", "-c", f"set -eu\n{script}"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr


@contextmanager
def mail_host(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Behaviour, int]]:
    """Run a server in place of ``mail.example.com``: with TLS that is trusted, and a login."""
    authorities = make_authorities(folder)
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities.roots))
    password = (folder / "password.txt").read_text()
    with mail_server(starttls=authorities.context("localhost"), login=password) as (behaviour, port):
        yield behaviour, port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the README's command-line examples in an empty folder."""
    folder = tmp_path_factory.mktemp("readme")
    run_commands(README, folder)
    return folder


def test_the_command_line_examples_run(folder: Path) -> None:
    """Every command of the README succeeds, and the mail comes back as it was."""
    assert (folder / "letter.txt").read_bytes() == (folder / "letter.eml").read_bytes()
    assert b"library" not in (folder / "letter.enc.eml").read_bytes()


class Server:
    """Takes the place of an SMTP server."""

    sent: EmailMessage

    def __init__(self, host: str) -> None:
        assert host == "localhost"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def send_message(self, message: EmailMessage) -> None:
        """Keep what is sent."""
        Server.sent = message


def test_the_library_examples_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script sends a mail that Bob opens, and the way back prints the one of the command line."""
    monkeypatch.chdir(folder)
    sending, addressing, reading, extracting, choosing = blocks(README, "python")
    names: dict[str, object] = {}
    with monkeypatch.context() as patch:
        patch.setattr(smtplib, "SMTP", Server)
        exec(compile(sending, "README.md", "exec"), names)  # noqa: S102  # our own README
    opened = decrypt(Server.sent, load_identities(folder / "bob.key"))
    assert opened.message["Subject"] == "Lunch"
    assert opened.message.get_content() == "At noon, behind the library.\n"
    with mail_host(folder, monkeypatch) as (behaviour, port):
        exec(compile(addressing.replace(HOST_AND_PORT, f'"localhost", {port}'), "README.md", "exec"), names)  # noqa: S102  # the same
    assert b"behind the library" in decrypt(behaviour.received[0].content, load_identities(folder / "bob.key")).message
    found: dict[str, object] = {}
    exec(compile(reading, "README.md", "exec"), found)  # noqa: S102  # the same
    assert "At noon, behind the library." in capsys.readouterr().out
    _encrypt_with_attachment(folder)
    exec(compile(extracting, "README.md", "exec"), found)  # noqa: S102  # the same
    assert {path.name: path.read_bytes() for path in (folder / "attachments").iterdir()} == {"plan.pdf": b"%PDF"}
    exec(compile(choosing, "README.md", "exec"), names)  # noqa: S102  # the same
    assert names["smaller"] == replace(MODERN, content=AES_128_GCM)


def _encrypt_with_attachment(folder: Path) -> None:
    letter = EmailMessage()
    letter["Subject"] = "Lunch"
    letter.set_content("The plan is attached.\n")
    letter.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="../plan.pdf")
    certificates = load_certificates((folder / "bob.pem").read_bytes())
    (folder / "report.enc.eml").write_bytes(encrypt(letter, certificates).as_bytes())
    (folder / "attachments").mkdir()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of a page succeed where the README's were run, and its Python after them."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    run_commands(page, tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    with mail_host(tmp_path, monkeypatch) as (_, port):
        for script in blocks(page, "python"):
            exec(compile(script.replace(HOST_AND_PORT, f'"localhost", {port}'), page.name, "exec"), names)  # noqa: S102  # our own page


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_no_example_is_left_out(document: Path) -> None:
    """All code is fenced; what is not run here, because it sets up, tests or measures, names files that are there."""
    text = document.read_text()
    assert set(re.findall(r"^```(\S*)\n.*?^```$", text, re.MULTILINE | re.DOTALL)) <= {
        *("sh", "python", "shell", "json", "mermaid")
    }
    assert re.findall(r"\n\n    \S.*", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)) == []
    for script in blocks(document, "shell"):
        named = re.findall(r"(?<![\w.])(?:\.ci|samples|tests|benchmarks)/[\w./-]+", re.sub("#.*", "", script))
        assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_file_that_the_documents_name_is_there() -> None:
    """No link of the README and its companions leads nowhere."""
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_try_script_runs(tmp_path: Path) -> None:
    """The README's first command sets up an environment and takes a mail there and back."""
    if os.environ.get("CI") != "true" and shutil.which("pip") is None:
        pytest.skip("pip is not at hand")
    result = subprocess.run(
        ["sh", ROOT / "samples" / "try.sh"],
        env={**os.environ, "VENV": str(tmp_path / "venv"), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "the same, byte for byte" in result.stdout
