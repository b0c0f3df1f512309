"""Mails of OpenSSL that servers, lists and programs damaged, and those that were gathered after public reports."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from smime_session import MessageError, NotEnvelopeError, decrypt, load_identities
from tests.conftest import CORPUS_FOLDER
from tests.support.damage import BODIES, ENCODINGS
from tests.support.damaged_heads import HEADS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.interop.keypair import Keypair

DAMAGES = {
    **{name: damage for name, (damage, _) in BODIES.items()},
    **ENCODINGS,
    **{name: damage for name, (damage, _) in HEADS.items()},
}
TEXT = b"4711 is the number\r\n" * 30
FIELD = CORPUS_FOLDER.parent / "cases" / "mail"

REFUSED = {
    "15-says-not-encrypted/d11-tnef.eml": "a TNEF file (winmail.dat)",
    "18-mbox-two/49-mbox-two.eml": "a mailbox of several mails (mbox)",
    "19-foreign-files/d11b-tnef-file.eml": "a TNEF file (winmail.dat)",
    "19-foreign-files/d12-msg-file.eml": "an Outlook message file (.msg)",
    "19-foreign-files/d20-zip.eml": "a ZIP archive",
}
"""What is named as what it is."""

NOT_FOR_THIS = ("01-p12-two-key-pairs/", "23-sign-and-enc-certs-of-one-address/")
"""Keys and certificates: the mails are addressed to others, or not encrypted."""


@pytest.fixture(scope="module", params=["-aes256", "-aes-256-gcm"])
def theirs(request: pytest.FixtureRequest, alice: Keypair) -> bytes:
    """A mail that ``openssl cms`` wrote, whose base64 ends with padding."""
    for more in range(64):
        command = ["openssl", "cms", "-encrypt", request.param, "-subject", "lunch", "-to", "bob@example.org"]
        made = subprocess.run(  # a list of arguments, and nothing of it comes from outside
            [*command, str(alice.certificate_file)], input=TEXT + b"x" * more, capture_output=True, check=True
        )
        if made.stdout.rstrip().endswith(b"=="):
            return made.stdout
    raise AssertionError


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_mail_of_openssl_opens(theirs: bytes, alice: Keypair, name: str) -> None:
    """Whatever became of it on the way, what was sealed comes back."""
    opened = decrypt(
        DAMAGES[name](theirs), load_identities(alice.key_file.read_bytes() + alice.certificate_file.read_bytes())
    )
    assert opened.message.replace(b"\r\n", b"\n").rstrip(b"x\n").endswith(TEXT.replace(b"\r\n", b"\n").rstrip())


@pytest.fixture(scope="module")
def field() -> Path:
    """The folder of mails that were made after public reports, beside the corpus."""
    if not FIELD.is_dir():
        pytest.skip(f"no folder {FIELD}; SMIME_SESSION_CORPUS names the one beside it")
    return FIELD


def test_mails_from_the_field_open_or_are_named(field: Path) -> None:
    """Each opens, or what it is is said; of none it is said that it is not encrypted where it is."""
    wrong = []
    seen = 0
    for file in sorted(field.glob("*/*.eml")):
        name = file.relative_to(field).as_posix()
        if not name.startswith(NOT_FOR_THIS):
            seen += 1
            wrong += [f"{name}: {problem}" for problem in _problems(name, file)]
    assert wrong == []
    assert seen > 50


@pytest.mark.parametrize(("chest", "mail"), [("two.p12", "enc.eml"), ("nss-two.p12", "ne.eml")])
def test_pkcs12_with_several_key_pairs_opens(field: Path, chest: str, mail: str) -> None:
    """Signing and encryption keys of one person, as OpenSSL and NSS write them: all keys are read."""
    folder = field / "01-p12-two-key-pairs"
    identities = load_identities((folder / chest).read_bytes(), (folder / "pw").read_bytes().strip())
    assert len(identities) > 1
    assert b"4711" in decrypt((folder / mail).read_bytes(), identities).message


def _problems(name: str, file: Path) -> Sequence[str]:
    identities = load_identities((file.parent / "bob.key").read_bytes())
    try:
        opened = decrypt(file.read_bytes(), identities)
    except NotEnvelopeError as error:
        return [] if error.found == REFUSED.get(name) else [str(error)]
    except MessageError as error:
        return [str(error)]
    if name in REFUSED or b"4711" not in opened.message:
        return ["opens as something else"]
    sound = name.startswith(("25-", "26-", "27-"))
    return [f"is told to be damaged: {opened.repairs}"] if opened.repairs and sound else []
