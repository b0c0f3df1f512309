"""Notes on mail programs: what each family is said to open, and how verdicts are put together."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from smime_session import (
    COMPAT,
    MODERN,
    PQ,
    ClientNote,
    Password,
    PresharedKey,
    Profile,
    encrypt,
    inspect,
    new_identity,
)
from smime_session.algorithms import AES_128_CBC, AES_256_GCM, CHACHA20_POLY1305, RSAES_OAEP_SHA256, RSAES_PKCS1_V1_5
from smime_session.inspection.clients import CLIENTS
from smime_session.inspection.inspected import InspectedContent, InspectedRecipient
from smime_session.inspection.interoperability import notes_for
from smime_session.recipients.registry import TABLE
from smime_session.recipients.summary import RecipientSummary

if TYPE_CHECKING:
    from cryptography import x509

    from smime_session import Recipient as Addressee
    from smime_session.recipients.client_rules import Answer

MAIL: Final = b"Subject: hello\r\n\r\ntext\r\n"
ROOT: Final = Path(__file__).parents[3]
DOCUMENT: Final = ROOT / "docs" / "clients.md"
OUTLOOK, NEW_OUTLOOK, APPLE, THUNDERBIRD, GMAIL, MUTT, GPGSM, OPENSSL = NAMES = [client.name for client in CLIENTS]
CLASSIC: Final = replace(COMPAT, encapsulation=True)


@pytest.fixture(scope="module")
def rsa() -> x509.Certificate:
    """A certificate with an RSA key."""
    return new_identity("alice@example.org", key_type="rsa2048").certificate


@pytest.fixture(scope="module")
def ml_kem() -> x509.Certificate:
    """A certificate with an ML-KEM key."""
    return new_identity("erin@example.org", key_type="mlkem768").certificate


def notes(profile: Profile, *recipients: x509.Certificate | Addressee) -> dict[str, ClientNote]:
    """Return the notes on a message by program."""
    return {note.name: note for note in inspect(encrypt(MAIL, recipients, profile=profile)).clients}


def answers(profile: Profile, *recipients: x509.Certificate | Addressee) -> str:
    """Return the first letters of the answers in their order: ``y``, ``n`` and ``u``."""
    return "".join(note.opens[0] for note in notes(profile, *recipients).values())


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (MODERN, "nuununny"),
        (COMPAT, "yyyyuyyy"),
        (replace(COMPAT, content=AES_128_CBC), "yyyyyyyy"),
        (replace(COMPAT, identifier="key-identifier"), "uyuyuyny"),
        (replace(COMPAT, rsa=RSAES_OAEP_SHA256), "uuuyuyny"),
        (replace(MODERN, rsa=RSAES_PKCS1_V1_5), "nuununny"),
        (replace(COMPAT, derived_content_key=True), "uuununnn"),
        (replace(MODERN, content=CHACHA20_POLY1305), "nuununnn"),
    ],
)
def test_profiles(rsa: x509.Certificate, profile: Profile, expected: str) -> None:
    """What is said of messages for an RSA key, in the order of the table of programs."""
    assert answers(profile, rsa) == expected


def test_ml_kem(ml_kem: x509.Certificate) -> None:
    """ML-KEM is known to OpenSSL, refused by others, and untried by the rest."""
    assert answers(MODERN, ml_kem) == "nuununny"
    assert answers(PQ, ml_kem) == "nuununnn"


def test_shared_secrets() -> None:
    """Passwords are for gpgsm and OpenSSL, pre-shared keys for OpenSSL."""
    assert answers(COMPAT, Password("a password", iterations=1000)) == "uuununyy"
    assert answers(COMPAT, PresharedKey(bytes(32), b"key")) == "uuununny"


@pytest.mark.parametrize(
    ("key_type", "expected"), [("p256", "uuuyuyyy"), ("brainpoolp256r1", "uuunuyyy"), ("x25519", "uuununun")]
)
def test_curves(key_type: str, expected: str) -> None:
    """The curve is found out from the sender's point where the message does not tell it."""
    assert answers(COMPAT, new_identity("erin@example.org", key_type=key_type).certificate) == expected


def test_every_answer_has_a_reason(rsa: x509.Certificate) -> None:
    """A verdict alone helps nobody."""
    found = notes(MODERN, rsa)
    assert list(found) == NAMES
    assert all(note.reason for note in found.values())
    assert found[APPLE].reason == ("AES-256-GCM is untested; RSAES-OAEP with SHA-256 is untested")


def test_one_recipient_who_can_read_it_is_enough(rsa: x509.Certificate, ml_kem: x509.Certificate) -> None:
    """A program that opens a message for some says for how many, and why not for the others."""
    found = notes(CLASSIC, rsa, rsa, ml_kem, new_identity("x@example.org", key_type="x25519").certificate)
    assert found[OPENSSL].opens == "yes"
    assert "for 2 of 3 recipients only: it agrees on keys on NIST and Brainpool curves only" in found[OPENSSL].reason
    assert found[GPGSM].opens == "yes"
    assert "for 1 of 3 recipients only" in found[GPGSM].reason


def test_thunderbird_reads_nothing_beside_kinds_it_does_not_know(
    rsa: x509.Certificate, ml_kem: x509.Certificate
) -> None:
    """One recipient by password or ML-KEM takes the message from all others."""
    for beside in (ml_kem, Password("a password", iterations=1000)):
        assert notes(CLASSIC, rsa, beside)[THUNDERBIRD].opens == "no"
    assert notes(CLASSIC, rsa, PresharedKey(bytes(32), b"key"))[THUNDERBIRD].opens == "yes"


def test_gpgsm_finds_the_first_of_those_who_share_a_key() -> None:
    """Who stands later in a recipient info is told apart from who stands first."""
    readers = [new_identity(f"{name}@example.org", key_type="p256").certificate for name in ("a", "b", "c")]
    shared = notes(replace(CLASSIC, share_ephemeral=True), *readers)[GPGSM]
    assert "for 1 of 3 recipients only: it finds only the first" in shared.reason
    assert "only" not in notes(CLASSIC, *readers)[GPGSM].reason


def _content(oid: str = AES_256_GCM.oid, tag_size: int = 16) -> InspectedContent:
    return InspectedContent("data", "AES-256-GCM", oid, 256, None, 12, tag_size, 100, constructed=False, problem=None)


def _recipient(**fields: object) -> InspectedRecipient:
    return InspectedRecipient(1, RecipientSummary(technique="key transport", **fields), ())  # type: ignore[arg-type]  # names and text


def test_an_envelope_for_nobody_opens_nowhere() -> None:
    """Without recipients there is nothing to unwrap."""
    assert {note.opens for note in notes_for(_content(), ())} == {"no"}


@pytest.mark.parametrize(("tag_size", "expected"), [(16, "no"), (12, "unknown")])
def test_the_size_of_a_tag_decides_for_gpgsm(tag_size: int, expected: Answer) -> None:
    """Its default may be written out or not, which decides, and cannot be told."""
    recipient = _recipient(algorithm="RSAES-PKCS1-v1_5", algorithm_oid="1.2.840.113549.1.1.1", serial_number="0x1")
    found = {note.name: note.opens for note in notes_for(_content(tag_size=tag_size), (recipient,))}
    assert found[GPGSM] == expected


def test_of_the_broken_and_the_unheard_of_nothing_is_known() -> None:
    """A recipient that cannot be read, and an algorithm without a name, are not guessed about."""
    broken = _recipient(problem="it is broken")
    assert {note.opens for note in notes_for(_content(), (broken,))} == {"no", "unknown"}
    odd = replace(_content(oid="1.2.3"), algorithm="1.2.3", key_bits=None)
    found = notes_for(odd, (_recipient(algorithm="1.2.4", algorithm_oid="1.2.4"),))
    assert {note.opens for note in found} == {"unknown"}
    assert found[0].reason == "1.2.3 is untested; 1.2.4 is untested"


def test_every_rule_has_its_source() -> None:
    """The document of sources has a row for each thing that a rule says, under the program or under all of them."""
    everybody, *sections = DOCUMENT.read_text().split("\n## ")[1:]
    for client in CLIENTS:
        (section,) = [section for section in sections if section.startswith(f"{client.name}\n")]
        of_kinds = [rule for row in TABLE for rule in row.kind.client_rules().get(client.name, ())]
        reasons = [rule.reason for rule in client.content] + [rule.reason for rule in (*client.keys, *of_kinds)]
        for reason in filter(None, [*reasons, client.strictness]):
            assert f"| {reason} |" in section + everybody


def test_every_rule_is_about_a_program() -> None:
    """The rules of a kind are for programs that are shown."""
    assert {name for row in TABLE for name in row.kind.client_rules()} == set(NAMES)


@pytest.mark.parametrize("profile", [MODERN, COMPAT, PQ], ids=lambda profile: profile.name)
def test_the_readme_agrees(rsa: x509.Certificate, ml_kem: x509.Certificate, profile: Profile) -> None:
    """The table of profiles names exactly the families that open a message for the usual key."""
    (row,) = re.findall(rf"^\| `{profile.name}`.*\|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    *_, opens_with, _ = row.split("|")
    found = notes(profile, ml_kem if profile is PQ else rsa)
    assert [name for name in NAMES if name in opens_with] == [name for name in NAMES if found[name].opens == "yes"]
