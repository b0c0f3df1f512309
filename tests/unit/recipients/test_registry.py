"""The registry: what it says of every kind, and that a kind of the tests' own needs its row and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from smime_session import (
    COMPAT,
    MODERN,
    PQ,
    LimitError,
    NoMatchError,
    RecipientError,
    decrypt,
    encrypt,
    inspect,
    load_identities,
    rewrap,
)
from smime_session.algorithms import CURVES, KEMS
from smime_session.cms import codec
from smime_session.recipients import registry
from smime_session.recipients.from_certificates import recipient_for
from smime_session.recipients.kind import KeyKind, Kind
from smime_session.recipients.registry import TABLE, Row
from smime_session.recipients.summary import RecipientSummary
from smime_session.session_key import Proof, SessionKey
from tests.support import toy
from tests.support.making import NOW, certificate, key_usage
from tests.support.readers import EC, MAIL, PASSWORD, READERS, RSA, SHARED, Reader, opens, parts_of, sealed_for

if TYPE_CHECKING:
    from cryptography import x509

ROOT: Final = Path(__file__).parents[3]
COMMAND: Final = """
import sys
from smime_session.recipients import registry
from tests.support.toy import ROW
registry.TABLE += (ROW,)
from cli.root import run
sys.exit(run(sys.argv[1:]))
"""


# --- the table ---------------------------------------------------------------------------------


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_row_has_its_kind(row: Row) -> None:
    """A row names a module with a kind, which serves public keys if the row has some; no two rows are for the same."""
    assert isinstance(row.kind, KeyKind if row.keys else Kind)
    others = [other for other in TABLE if other is not row]
    assert (row.tag, row.other) not in [(other.tag, other.other) for other in others]
    assert not any(set(row.keys) & set(other.keys) for other in others)
    assert (row.tag == codec.OTHER_TAG) == bool(row.other)


def test_every_public_key_that_is_supported_has_a_row() -> None:
    """RSA, every curve and every KEM make recipients."""
    kinds = {kind for row in TABLE for kind in row.keys}
    assert kinds == {"RSA", *(curve.name for curve in CURVES.values()), *(kem.name for kem in KEMS.values())}


@pytest.mark.parametrize("reader", READERS.values(), ids=lambda reader: reader.name)
def test_every_recipient_info_finds_its_kind(reader: Reader) -> None:
    """A recipient info is summarised under its kind's name, and has a name of its own or none by which it is told."""
    (wrapped,) = parts_of(sealed_for(reader)).header.wrapped_keys
    (summary,) = registry.summarize(wrapped)
    row = registry.row_of(wrapped)
    assert row in TABLE
    assert (summary.technique, summary.problem) == (row.name, None)
    assert summary.is_named == (registry.identifier_of(wrapped) is not None) == (not row.kind.ANONYMOUS)
    assert registry.each(wrapped) == (wrapped,)
    assert registry.together([wrapped]) == wrapped


# --- a kind of our own -------------------------------------------------------------------------


class Toy(NamedTuple):
    """Somebody with a toy key."""

    key: Ed25519PrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        """Private key and certificate."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + self.certificate.public_bytes(Encoding.PEM)

    @property
    def reader(self) -> Reader:
        """Somebody who can be addressed and can read."""
        return Reader("toy", self.certificate, load_identities(self.pem))


@cache
def _toy(name: str, serial: int) -> Toy:
    key = Ed25519PrivateKey.generate()
    usage = [(key_usage("key_encipherment"), True)]
    made = certificate(f"{name}@example.org", public_key=key.public_key(), serial=serial, extensions=usage)
    return Toy(key, made)


ANN, BEN = _toy("ann", 0xA), _toy("ben", 0xB)
TODAY = {profile.name: replace(profile, insecure_expired=True) for profile in (MODERN, COMPAT, PQ)}


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the row."""
    monkeypatch.setattr(registry, "TABLE", (*TABLE, toy.ROW))


pytestmark = pytest.mark.usefixtures("toys")


def test_without_its_row_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row makes the difference: without it such a key only signs, and the recipient is an unknown one."""
    message = encrypt(MAIL, [RSA.certificate, ANN.certificate], profile=TODAY["modern"])
    monkeypatch.setattr(registry, "TABLE", TABLE)
    assert [each.summary.technique for each in inspect(message).recipients] == ["key transport", "other"]
    assert opens(message, RSA)
    with pytest.raises(RecipientError, match="has a kind of key that only signs: Ed25519"):
        encrypt(MAIL, [ANN.certificate], profile=TODAY["modern"])


@pytest.mark.parametrize("bare", [False, True], ids=["certificate", "bare key"])
def test_it_encrypts_and_decrypts(*, bare: bool) -> None:
    """A certificate with such a key is a recipient, and a file with the key holds an identity."""
    message = encrypt(MAIL, [RSA.certificate, ANN.certificate, BEN.certificate], profile=TODAY["modern"])
    assert len(parts_of(message).wrapped) == 2
    for reader in (ANN, BEN):
        (identity,) = load_identities(reader.pem, ignore_certificates=bare)
        assert "Ed25519 private key" in str(identity)
        found = decrypt(message, [identity])
        assert found.message.endswith(b"Good morning\r\n")
        assert found.authenticated


def test_what_was_altered_fails_as_anything_does() -> None:
    """An encrypted key that was tampered with ends as for any other kind."""
    (wrapped,) = registry.wrap_all([recipient_for(ANN.certificate, at=NOW)], SessionKey.generate(32))
    (identity,) = load_identities(ANN.pem)
    altered = wrapped._replace(encoded=wrapped.encoded[:-1] + bytes((wrapped.encoded[-1] ^ 1,)))
    decoy = identity.unwrap([altered])
    assert (len(decoy), decoy.proof) == (32, Proof.REFUTED)
    assert identity.unwrap([altered]) == decoy != identity.unwrap([wrapped])


def test_errors_name_its_recipients() -> None:
    """A message that is not for somebody says for whom it is, with the kind."""
    message = encrypt(MAIL, [ANN.certificate], profile=TODAY["modern"])
    with pytest.raises(NoMatchError) as caught:
        decrypt(message, RSA.identities)
    assert "serial 0xa of CN=Alice (toy wrap)" in str(caught.value)
    with pytest.raises(NoMatchError) as caught:
        decrypt(message, load_identities(BEN.pem))
    assert "has the same issuer, but the message names serial number 0xa" in str(caught.value.closest)


def test_profiles_ask_the_kind() -> None:
    """What a profile does not allow is refused with the kind's reason, and what is not post-quantum as everywhere."""
    with pytest.raises(RecipientError, match=r"has a toy key \(Ed25519\)"):
        encrypt(MAIL, [ANN.certificate], profile=TODAY["compat"])
    with pytest.raises(RecipientError, match=r"has no post-quantum key \(Ed25519\), which profile pq requires"):
        encrypt(MAIL, [ANN.certificate], profile=TODAY["pq"])
    with pytest.raises(RecipientError, match=r"serial 0xa of CN=Alice has no post-quantum key \(hash and wrap\)"):
        encrypt(MAIL, [recipient_for(ANN.certificate, at=NOW)], profile=TODAY["pq"])


def test_its_limits_are_kept() -> None:
    """More than the kind allows in one message are not written."""

    class Alone(toy.ToyRecipient):
        group = None  # type: ignore[assignment]

    recipient = recipient_for(ANN.certificate, at=NOW)
    assert isinstance(recipient, toy.ToyRecipient)
    several = [Alone(recipient.public_key, recipient.identifier) for _ in range(toy.MOST + 1)]
    assert encrypt(MAIL, several[1:])
    with pytest.raises(LimitError, match="the number of toys exceeds the limit of 3"):
        encrypt(MAIL, several)


def test_it_is_inspected() -> None:
    """Every recipient is shown under the kind's name, with its identity and certificate, and with what opens it."""
    message = encrypt(MAIL, [RSA.certificate, ANN.certificate, BEN.certificate], profile=TODAY["modern"])
    found = inspect(message, load_identities(BEN.pem), [ANN.certificate])
    by_serial = {each.summary.serial_number: each for each in found.recipients}
    ann, ben = by_serial["0xa"], by_serial["0xb"]
    assert ann.summary == RecipientSummary(
        technique="toy wrap",
        issuer="CN=Alice",
        serial_number="0xa",
        algorithm="hash and wrap",
        algorithm_oid=toy.OID,
        encrypted_key_size=40,
    )
    assert (ann.opened_by, ann.certificate) == ((), "ann@example.org (serial 0xa)")
    assert ben.opened_by == ("Ed25519 private key of ben@example.org (serial 0xb)",)
    assert (ann.index, found.post_quantum) == (ben.index, False)
    alone = encrypt(MAIL, [ANN.certificate], profile=TODAY["modern"])
    clients = {note.name: (note.opens, note.reason) for note in inspect(alone).clients}
    assert clients["OpenSSL"][0] == "yes"
    assert "it plays with toys" in clients["OpenSSL"][1]
    assert clients["Thunderbird"][0] == "no"
    assert "a kind it does not know" in clients["Thunderbird"][1]
    assert clients["gpgsm"][0] == "no"


@pytest.mark.parametrize("opener", [RSA, EC, PASSWORD, SHARED], ids=lambda reader: reader.name)
def test_it_is_added_by_others_and_adds_others(opener: Reader) -> None:
    """Any other kind lets it in, it lets any other in, and who is there already is not added again."""
    message = rewrap(sealed_for(opener), opener.identities, add=[ANN.certificate], profile=TODAY["modern"])
    assert opens(message, ANN.reader)
    assert rewrap(message, load_identities(ANN.pem), add=[ANN.certificate], profile=TODAY["modern"]) == message
    without = rewrap(message, remove=[ANN.certificate])
    assert opens(without, opener)
    assert not opens(without, ANN.reader)
    alone = encrypt(MAIL, [ANN.certificate], profile=TODAY["modern"])
    both = rewrap(alone, load_identities(ANN.pem), add=[opener.recipient])
    assert opens(both, opener)
    assert opens(both, ANN.reader)


@pytest.mark.parametrize(
    ("name", "stays"),
    [("0xA", BEN), ("11", ANN), ("ben@example.org", ANN), (BEN.certificate, ANN)],
    ids=["hexadecimal", "decimal", "address", "certificate"],
)
def test_one_of_several_is_removed_by_name(name: str | x509.Certificate, stays: Toy) -> None:
    """Of those who share a recipient info one goes and the other stays, byte for byte."""
    message = encrypt(MAIL, [RSA.certificate, ANN.certificate, BEN.certificate], profile=TODAY["modern"])
    less = rewrap(message, remove=[name], certificates=[ANN.certificate, BEN.certificate])
    serials = {each.summary.serial_number for each in inspect(less).recipients} - {
        each.summary.serial_number for each in inspect(sealed_for(RSA)).recipients
    }
    assert serials == {f"{stays.certificate.serial_number:#x}"}
    assert [opens(less, each.reader) for each in (ANN, BEN)] == [stays is ANN, stays is BEN]
    assert opens(less, RSA)


def test_the_command_copes(tmp_path: Path) -> None:
    """Every subcommand takes the kind as any other: a new identity, encrypting, inspecting, rewrapping, decrypting."""

    def run(*arguments: str, status: int = 0) -> str:
        command = [sys.executable, "-c", COMMAND, *arguments]
        environment = {"PYTHONPATH": f"{ROOT}"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    (tmp_path / "letter.eml").write_bytes(MAIL)
    for name, kind in (("ann", "toy"), ("ben", "rsa2048")):
        assert f"Wrote {name}.key" in run("identity", "new", f"{name}@example.org", "--type", kind, "-o", name)
    assert "opens messages" in run("identity", "show", "ann.key")
    run("encrypt", "--profile", "modern", "-r", "ann.pem", "-r", "ben.pem", "letter.eml", "-o", "sealed.eml")
    shown = run("inspect", "-i", "ann.key", "sealed.eml")
    assert "toy wrap" in shown
    assert "Ed25519 private key of ann@example.org" in shown
    recipients = json.loads(run("inspect", "--json", "sealed.eml"))["recipients"]
    assert {each["technique"] for each in recipients} == {"key transport", "toy wrap"}
    run("decrypt", "-i", "ann.key", "sealed.eml", "-o", "opened.eml")
    assert (tmp_path / "opened.eml").read_bytes().endswith(b"\nGood morning\r\n")
    run("rewrap", "--remove", "ann@example.org", "--certificates", "ann.pem", "sealed.eml", "-o", "less.eml")
    assert "is addressed to" in run("decrypt", "-i", "ann.key", "less.eml", status=1)
    run("rewrap", "-i", "ben.key", "-r", "ann.pem", "less.eml", "-o", "more.eml")
    run("session-key", "-i", "ann.key", "more.eml", "-o", "more.json")
    assert "has no post-quantum key (Ed25519)" in run(
        "encrypt", "--profile", "pq", "-r", "ann.pem", "letter.eml", status=1
    )
