"""Hostile certificates, keys, archives, mailboxes, settings and names of files, by every command that takes them."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import smime_session
from smime_session import (
    CertificateStore,
    Signer,
    SmimeError,
    TrustAnchors,
    encrypt,
    list_credentials,
    load_certificates,
    load_crls,
    load_identities,
    load_session_key,
    load_signer,
    verify,
)
from smime_session.certificates.store import INDEX_NAME
from smime_session.keys.software import private_key
from tests.hostile.forge import TEXT
from tests.hostile.test_vectors import COMMANDS, MANIFEST, MESSAGES, command, octets
from tests.support.signing import opaque_mail, signed_object, signer_info
from tests.vectors.hostile import containers, make, seeds
from tests.vectors.hostile.vector import TOLD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

LETTER: Final = b"From: alice@example.org\nTo: alice@example.org\nSubject: Friday\n\nplain words\n"
SIGNED: Final = b"Content-Type: text/plain\r\n\r\nAt eight\r\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with Alice's keys and a letter, as the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alice.key").write_bytes(octets(make.KEYS))
    (tmp_path / "alice.pem").write_bytes(seeds.alice().public_bytes(Encoding.PEM))
    (tmp_path / "shared").write_bytes(bytes(range(32)))
    (tmp_path / "new").write_bytes(bytes(32))
    (tmp_path / "password").write_text("open sesame")
    (tmp_path / "letter.eml").write_bytes(LETTER)
    (tmp_path / "sealed.eml").write_bytes(containers.MAIL)
    return tmp_path


def _of(*endings: str) -> list[str]:
    return [each for each in MANIFEST if each.endswith(endings) and not each.startswith(("envelopes/", "mails/"))]


def _ends(work: Callable[[], object], expected: str) -> None:
    if expected == TOLD:
        assert work() is not None
        return
    with pytest.raises(SmimeError) as caught:
        work()
    assert type(caught.value) is getattr(smime_session, expected)


@pytest.mark.parametrize("name", _of(".crt"))
def test_certificates(here: Path, name: str) -> None:
    """One is loaded, listed, stored and written to, or refused with nothing written."""
    data, expected = octets(name), MANIFEST[name]
    (here / "bad.crt").write_bytes(data)
    _ends(lambda: load_certificates(data), expected["load"])
    _ends(lambda: encrypt(LETTER, load_certificates(data)), expected["encrypt"])
    with suppress(SmimeError):
        assert list_credentials(data).to_dict()
    status, out, error = command("encrypt", "-r", "bad.crt", "letter.eml")
    assert (status == 0) == (expected["encrypt"] == TOLD), error
    assert not out.startswith(b"From") or status == 0
    assert b"plain words" not in out
    assert error.isprintable() or set(error) <= {*map(chr, range(32, 0x20000)), "\n"}
    assert "\x1b" not in error
    (here / "store").mkdir()
    status, _, error = command("certs", "add", "store", "bad.crt")
    assert (status == 0) == (expected["load"] == TOLD), error
    (here / "none.crl").write_bytes(octets("credentials/honest.crl"))
    (here / "other.pem").write_bytes(
        seeds.certificate(seeds.rsa_key("mallory").public_key(), "Mallory").public_bytes(Encoding.PEM)
    )
    find = ("certs", "find", "--certs", "store", "alice@example.org")
    for arguments in (
        ("certs", "list", "store"),
        find,
        (*find, "--ca", "alice.pem", "--crl", "none.crl"),
        (*find, "--ca", "other.pem"),
    ):
        status, out, error = command(*arguments)
        assert status in (0, 1)
        assert b"\x1b" not in out
        assert "Traceback" not in error


@pytest.mark.parametrize("name", [name for name in _of(".pem") if "verify" in MANIFEST[name]])
def test_chains(name: str) -> None:
    """One that loops, one that is long and one of several with one name end at no root, soon."""
    chain = load_certificates(octets(name))
    alice = Signer(private_key=private_key(seeds.rsa_key()), certificate=chain[0])
    mail = opaque_mail(signed_object(SIGNED, [signer_info(alice, SIGNED)], chain))
    found = verify(mail, trust=TrustAnchors([seeds.alice()]))
    assert [each.verdict for each in found.signatures] == [MANIFEST[name]["verify"]]
    assert found.content is None


@pytest.mark.parametrize("name", _of(".crl"))
def test_revocation_lists(here: Path, name: str) -> None:
    """A list is loaded or refused; one whose signature does not hold says nothing of a certificate."""
    (here / "bad.crl").write_bytes(octets(name))
    expected = MANIFEST[name]["load-crl"]
    _ends(lambda: load_crls(here / "bad.crl"), expected)
    arguments = ("certs", "find", "--certs", "alice.pem", "--ca", "alice.pem", "--crl", "bad.crl", "alice@example.org")
    status, _, error = command(*arguments)
    assert status in (0, 1)
    assert expected == TOLD or (status == 1 and "bad.crl" in error)


@pytest.mark.parametrize("name", _of(".key"))
def test_key_files(here: Path, name: str) -> None:
    """Whatever stands in place of a private key is refused by each who wants one."""
    data = octets(name)
    (here / "bad.key").write_bytes(data)
    _ends(lambda: load_identities(data), MANIFEST[name]["load-identity"])
    _ends(lambda: load_signer(data), MANIFEST[name]["load-identity"])
    for arguments in (
        ("decrypt", "-i", "bad.key", "sealed.eml", "-o", "out"),
        ("rewrap", "-i", "bad.key", "-r", "alice.pem", "sealed.eml", "-o", "out"),
        ("session-key", "-i", "bad.key", "sealed.eml", "-o", "out"),
        ("inspect", "-i", "bad.key", "sealed.eml"),
        ("sign", "--sign-with", "bad.key", "letter.eml", "-o", "out"),
    ):
        status, out, error = command(*arguments)
        assert status in (1, 2), (arguments, error)
        assert error.startswith("Error: ")
        assert out == b""
        assert not (here / "out").exists()


@pytest.mark.parametrize("name", _of(".session"))
def test_saved_session_keys(here: Path, name: str) -> None:
    """What is no saved session key opens nothing."""
    (here / "bad").write_bytes(octets(name))
    _ends(lambda: load_session_key(octets(name)), MANIFEST[name]["load-session-key"])
    status, out, error = command("decrypt", "--session-key", "bad", "sealed.eml", "-o", "out")
    assert (status, out) == (1, b"")
    assert error.startswith("Error: ")
    assert not (here / "out").exists()


READ_BY_ALL: Final = ("link.zip", "gigabytes.zip", "lies.zip", "fifo.tar", "00700.tar", "terabyte.tar", ".mbox")
"""What ``batch verify`` and ``batch inspect`` read too: a source is the same to each."""


def _left(folder: Path) -> dict[str, bytes]:
    """Return every file that a run left, but the journal's."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


@pytest.mark.parametrize("name", _of(".zip", ".tar", ".mbox"))
def test_archives_and_mailboxes(here: Path, name: str) -> None:
    """What is bad in one is told and made nothing of, what is good is opened, and nothing appears elsewhere."""
    source = name.rpartition("/")[2]
    (here / source).write_bytes(octets(name))
    before = _left(here)
    status, out, error = command("batch", "decrypt", "-i", "alice.key", source, "out")
    expected = MANIFEST[name]["batch"]
    assert status == {"UsageError": 2, "good": 0}.get(expected, 1), error
    assert out == b""
    assert "Traceback" not in error
    opened = _left(here / "out") if (here / "out").exists() else {}
    if expected in (TOLD, "good") and not name.endswith(".mbox"):
        assert TEXT.rpartition(b"\r\n\r\n")[2] in opened.pop("good.eml")
    if expected != "good" and not name.endswith(".mbox"):
        assert not opened
    assert _left(here).keys() - before.keys() - {f"out/{each}" for each in _left(here / "out")} <= _journals(here)
    if not name.endswith(READ_BY_ALL):
        return
    for command_name in ("verify", "inspect"):
        status, out, error = command("batch", command_name, source, f"{command_name}.out")
        assert status == 2 if expected == "UsageError" else status in (0, 1)
        assert "Traceback" not in error
        assert b"secret text" not in out


def _journals(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if ".smime-session" in str(path)}


@pytest.mark.parametrize("name", _of(".csv"))
def test_lists_of_recipients(here: Path, name: str) -> None:
    """A list is right in every row, or nothing is encrypted."""
    (here / "in").mkdir()
    (here / "in" / "good.eml").write_bytes(LETTER)
    (here / "list.csv").write_bytes(octets(name))
    status, _, error = command("batch", "encrypt", "--certs", "alice.pem", "--recipients", "list.csv", "in", "out")
    accepted = MANIFEST[name]["recipients"] == TOLD
    assert status == (0 if accepted else 1), error
    assert (here / "out" / "good.eml").exists() == accepted
    assert "\0" not in error
    assert "\r" not in error


@pytest.mark.parametrize("name", _of(".toml"))
def test_settings(here: Path, name: str) -> None:
    """Settings that cannot be used end every command before it reads anything."""
    (here / "config.toml").write_bytes(octets(name))
    assert MANIFEST[name] == {"settings": "SettingsError"}
    has_option = {"decrypt", "sendmail"} if "wrong-type" in name else {"decrypt", "sendmail", "certs", "config"}
    for arguments in (
        ("decrypt", "-i", "alice.key", "sealed.eml", "-o", "out"),
        ("sendmail", "-t"),
        ("certs", "list", "."),
        ("config", "show"),
    ):
        status, out, error = command("--config", "config.toml", *arguments, stdin=LETTER)
        assert "\x1b" not in error
        if arguments[0] not in has_option:
            assert "Traceback" not in error
            continue
        assert status in (2, 78), (arguments, error)
        assert "config.toml" in error
        assert "\x1b" not in error
        assert out == b""
        assert not (here / "out").exists()


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/tty", "/dev/stdin", "fifo", "folder", "loop", "/proc/self/mem"])
def test_settings_that_name_a_device(here: Path, device: str) -> None:
    """A device, a FIFO that is never written, a folder and a link to itself are no settings, and are not waited for."""
    os.mkfifo(here / "fifo")
    (here / "folder").mkdir()
    (here / "loop").symlink_to("loop")
    status, out, error = command("--config", device, "decrypt", "-i", "alice.key", "sealed.eml", "-o", "out")
    assert status in (1, 2), error
    assert device in error
    assert out == b""
    assert not (here / "out").exists()


@pytest.mark.parametrize("option", ["ca", "crl", "identity", "certs"])
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_settings_whose_values_name_a_device(here: Path, option: str, device: str) -> None:
    """A device in place of a file of keys, certificates or lists ends in an error, in little memory."""
    (here / "config.toml").write_text(f"{option} = ['{device}']\n")
    for arguments in (("decrypt", "sealed.eml", "-o", "out"), ("encrypt", "letter.eml", "-o", "out")):
        status, out, error = command("--config", "config.toml", *arguments)
        assert status in (1, 2), error
        assert out == b""
        assert not (here / "out").exists()


@pytest.mark.parametrize("damage", ["noise", "other tables", "rows missing", "a view", "a link", "a FIFO"])
def test_an_index_that_others_made(here: Path, damage: str) -> None:
    """Whatever stands in the place of a store's index, the certificate is found, and nothing else is."""
    (here / "store").mkdir()
    assert command("certs", "add", "store", "alice.pem")[0] == 0
    index = here / "store" / INDEX_NAME
    assert CertificateStore(here / "store").find("alice@example.org")
    for end in ("", "-wal", "-shm"):
        if damage in {"noise", "other tables", "a view", "a link", "a FIFO"}:
            index.with_name(index.name + end).unlink(missing_ok=True)
    if damage == "noise":
        index.write_bytes(seeds.octets("index", 10_000))
    elif damage == "a link":
        index.symlink_to(here / "alice.key")
    elif damage == "a FIFO":
        os.mkfifo(index)
    else:
        statements = {
            "other tables": "CREATE TABLE file (a); PRAGMA user_version = 3",
            "rows missing": "DELETE FROM place",
            "a view": "CREATE VIEW place AS SELECT 1 AS mailbox; PRAGMA user_version = 3",
        }
        connection = sqlite3.connect(index)
        connection.executescript(statements[damage])
        connection.close()
    status, out, error = command("certs", "find", "--certs", "store", "alice@example.org")
    assert status == 0, error
    assert b"alice@example.org" in out
    assert command("certs", "find", "--certs", "store", "mallory@example.org")[0] == 1
    assert (here / "alice.key").read_bytes() == octets(make.KEYS)


NAMES: Final = {
    "line break": "a\nb.eml",
    "not UTF-8": os.fsdecode(b"\xff\xfe\x80.eml"),
    "255 bytes": "x" * 251 + ".eml",
    "escape": "\x1b[2J.eml",
    "option": "--output.eml",
    "blank": " .eml",
}


@pytest.mark.parametrize("label", NAMES)
def test_names_of_files(here: Path, label: str) -> None:
    """A name of any octets names a file, and never shows itself as anything but text in one line."""
    name = NAMES[label]
    (here / "in").mkdir()
    (here / "in" / name).write_bytes(containers.MAIL)
    (here / name).write_bytes(b"no mail")
    assert command("decrypt", "-i", "alice.key", "-o", name, "--", f"in/{name}")[0] == 0
    assert b"secret text" in (here / name).read_bytes()
    (here / name).write_bytes(b"\0 no mail")
    for arguments in (("decrypt", "-i", "alice.key"), ("inspect",), ("verify",), ("session-key", "-i", "alice.key")):
        status, out, error = command(*arguments, "--", f"./{name}")
        assert (status, out) == (1, b"")
        assert "\x1b" not in error
        assert "a\nb" not in error
    status, _, error = command("batch", "decrypt", "-i", "alice.key", "in", "out")
    assert status == 0, error
    assert [each.name for each in (here / "out").glob("*.eml")] + [
        each.name for each in (here / "out").iterdir() if each.name == ".eml"
    ] == [name]
    (here / "in" / name).write_bytes(b"no mail")
    status, _, error = command("batch", "decrypt", "-i", "alice.key", "in", "again")
    assert status == 1
    assert "\x1b" not in error
    assert "a\nb" not in error


def test_all_messages_in_one_run(here: Path) -> None:
    """A folder of nothing but vectors: each one ends as it does alone, whatever stands beside it."""
    (here / "in").mkdir()
    for name in MESSAGES:
        (here / "in" / f"{name.partition('/')[2]}.eml").write_bytes(octets(name))
    for operation in ("decrypt", "rewrap"):
        status, _, error = command("batch", *COMMANDS[operation], "in", f"{operation}.out")
        assert status == 1
        assert "Traceback" not in error
        wanted = {f"{name.partition('/')[2]}.eml" for name in MESSAGES if MANIFEST[name][operation] == TOLD}
        assert {each.name for each in (here / f"{operation}.out").glob("*.eml")} == wanted
    for operation in ("verify", "inspect"):
        status, out, error = command("batch", operation, "in", f"{operation}.out")
        assert status == 1
        assert "Traceback" not in error
        assert b"secret text" not in out


PROGRAM: Final = "#!/bin/sh\necho called >> called\ncat > sent\n"


@pytest.mark.parametrize("kind", ["envelopes/", "mails/"])
def test_nothing_of_a_vector_is_sent(here: Path, kind: str) -> None:
    """``send`` and ``sendmail`` refuse what is no mail, and what is encrypted already; the rest goes out encrypted."""
    (here / "real").write_text(PROGRAM)
    (here / "real").chmod(0o755)
    (here / "config.toml").write_text("certs = 'alice.pem'\n[sendmail]\nprogram = 'real'\n")
    for name in (each for each in MESSAGES if each.startswith(kind)):
        (here / "sent").unlink(missing_ok=True)
        status, out, error = command("--config", "config.toml", "sendmail", "alice@example.org", stdin=octets(name))
        assert out == b""
        assert "Traceback" not in error
        assert (status == 0) == (here / "sent").exists()
        if status == 0:
            assert MANIFEST[name]["rewrap"] != TOLD
            assert b"pay here" not in (here / "sent").read_bytes()
        status, out, error = command(
            *("send", "--smtp", "127.0.0.1:1", "--security", "plaintext", "--attempts", "1", "-r", "alice.pem"),
            stdin=octets(name),
        )
        assert status == 1, error
        assert out == b""
