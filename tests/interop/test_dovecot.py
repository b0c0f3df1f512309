"""While Dovecot serves a Maildir, it is encrypted in place: the IMAP client has each message once, with its flags."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from smime_session import decrypt, load_identities, new_identity
from tests.interop.peers.dovecot import dovecot

if TYPE_CHECKING:
    import imaplib
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.peers.dovecot import Office

_COUNT: Final = int(os.environ.get("SMIME_SESSION_DOVECOT_MAILS", "200"))
_FLAGS: Final = (r"\Seen", r"\Flagged", r"\Answered", "Invoice")  # the last is a keyword, which Dovecot makes a letter
_ENCRYPTED: Final = b"application/pkcs7-mime"


@pytest.fixture
def office() -> Iterator[Office]:
    """Run Dovecot."""
    with dovecot() as running:
        yield running


@pytest.fixture
def client(office: Office) -> Iterator[imaplib.IMAP4]:
    """Log in to it."""
    with office.connect() as connected:
        yield connected


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """The recipient's, with the key beside it."""
    made = new_identity("alice@example.org", key_type="p256")
    (tmp_path / "alice.key").write_bytes(made.private_key_pem + made.certificate_pem)
    path = tmp_path / "alice.pem"
    path.write_bytes(made.certificate_pem)
    return path


def _mail(number: int) -> bytes:
    lines = b"A line that is long enough to be one of a mail.\r\n" * (1 + number % 50)
    return (
        b"From: bob@example.org\r\nTo: alice@example.org\r\nSubject: Number %d\r\n"
        b"Message-ID: <%d@example.org>\r\n\r\nText %d.\r\n%s" % (number, number, number, lines)
    )


def _wanted(number: int) -> set[str]:
    return {flag for place, flag in enumerate(_FLAGS) if number >> place & 1}


def _fill(client: imaplib.IMAP4, office: Office) -> None:
    """Put mails there: most by IMAP, some as a delivery agent leaves them."""
    for number in range(_COUNT):
        if number % 4 == 0:
            office.deliver(office.maildir / "new" / f"1700000000.{number}.host", _mail(number))
        else:
            assert client.append("INBOX", f"({' '.join(_wanted(number))})", None, _mail(number))[0] == "OK"


def _seen(client: imaplib.IMAP4, folder: str = "INBOX") -> list[tuple[int, set[str], int]]:
    """Return the number in the Message-ID, the flags and the UID of each message of a folder, as it is now."""
    assert client.select(folder)[0] == "OK"
    found = []
    for answer in client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]:
        if isinstance(answer, tuple):
            uid, flags = re.search(rb"UID (\d+)", answer[0]), re.search(rb"FLAGS \(([^)]*)\)", answer[0])
            number = re.search(rb"<(\d+)@", answer[1])
            assert uid, answer
            assert flags, answer
            assert number, answer
            found.append((int(number[1]), set(flags[1].decode().split()) - {r"\Recent"}, int(uid[1])))
    return found


def _encrypting(office: Office, certificate: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "smime_session_cli", "batch", "encrypt", "--in-place", "--jobs", "2"]
    return subprocess.Popen(
        [*command, *options, "-r", certificate, office.maildir], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _ended(process: subprocess.Popen[bytes], *reasons: bytes) -> None:
    """Wait for a run to end: well, or with messages that failed for one of these reasons."""
    said = process.communicate(timeout=120)[1]
    if process.returncode:
        told = [line for line in said.splitlines() if b" failed: " in line]
        assert told, said
        assert all(any(reason in line for reason in reasons) for line in told), said


def _mark(client: imaplib.IMAP4, number: int, flag: str) -> bool:
    """Set a flag; tell whether the server did, as the message may have another UID by now."""
    uid = next((uid for other, _, uid in _seen(client) if other == number), None)
    if uid is None:
        return False
    _, answers = client.uid("STORE", str(uid), "+FLAGS", f"({flag})")
    return any(isinstance(each, bytes) and flag.encode() in each for each in answers)


def _check_opened(client: imaplib.IMAP4, folder: str, certificate: Path) -> None:
    """Check that each message is encrypted, once, and that what is inside is the mail that was there."""
    identities = load_identities(certificate.with_suffix(".key").read_bytes())
    client.select(folder)
    for answer in client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]:
        if isinstance(answer, tuple):
            opened = decrypt(answer[1], identities).message
            number = re.search(rb"Message-ID: <(\d+)@", opened)
            assert number
            assert opened.endswith(_mail(int(number[1])).partition(b"\r\n\r\n")[2])


def test_a_client_sees_each_message_once(office: Office, client: imaplib.IMAP4, certificate: Path) -> None:
    """Before and after, and with the flags that it had; files stay the server's."""
    _fill(client, office)
    before = {number: flags for number, flags, _ in _seen(client)}
    assert len(before) == _COUNT
    _ended(_encrypting(office, certificate))
    after = _seen(client)
    assert {number: flags for number, flags, _ in after} == before
    assert len(after) == _COUNT
    _check_opened(client, "INBOX", certificate)
    owners = {(each.stat().st_uid, each.stat().st_gid) for each in office.maildir.glob("cur/*")}
    assert owners == {office.owner}
    log = (office.maildir.parent / "log").read_bytes()
    assert not re.search(rb"Error|Panic|Fatal|Corrupted", log), log


def test_a_client_works_meanwhile(office: Office, client: imaplib.IMAP4, certificate: Path) -> None:
    """It marks, moves and deletes messages and gets new ones while they are encrypted; none is lost or doubled."""
    assert client.create("Archive")[0] == "OK"
    _fill(client, office)
    flags = {number: set(known) for number, known, _ in _seen(client)}
    moved: set[int] = set()
    gone: set[int] = set()
    added = _COUNT
    process = _encrypting(office, certificate)
    turns = 0
    while process.poll() is None or turns < 8:  # so that each is done, on a fast machine too
        number = (turns * 37 + 5) % _COUNT
        turns += 1
        if number not in moved | gone and _mark(client, number, r"\Flagged"):
            flags[number].add(r"\Flagged")
        counted = Counter(each for each, _, _ in _seen(client))
        assert set(flags) - moved - gone <= set(counted), "a message is missing"
        other = next((one for one in _seen(client) if one[0] % 9 == turns % 9 and one[0] != number), None)
        if other and turns % 3 == 0:
            client.uid("MOVE", str(other[2]), "Archive")
            moved |= {each for each, _, _ in _seen(client, "Archive")}
        elif other and turns % 5 == 0:
            client.uid("STORE", str(other[2]), "+FLAGS", r"(\Deleted)")
            client.uid("EXPUNGE", str(other[2]))
            if other[0] not in {each for each, _, _ in _seen(client)}:
                gone.add(other[0])
        else:
            assert client.append("INBOX", r"(\Seen)", None, _mail(added))[0] == "OK"
            flags[added] = {r"\Seen"}
            added += 1
    _ended(process, b"it was removed meanwhile")
    here, there = _seen(client), _seen(client, "Archive")
    once = Counter(number for number, _, _ in (*here, *there))
    assert set(once) == set(flags) - gone
    assert set(once.values()) == {1}
    again = _encrypting(office, certificate, "--retry-failed")  # with what was moved or came meanwhile
    _ended(again, b"it was removed meanwhile", b"the mail is encrypted already")  # and moved after that
    assert {number: known for number, known, _ in (*_seen(client), *_seen(client, "Archive"))} == {
        number: known for number, known in flags.items() if number not in gone
    }
    for folder in ("INBOX", "Archive"):
        _check_opened(client, folder, certificate)
