"""What scripts hand to the loading functions: octets, PEM as text, or a path; and passphrases as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from smime_session import (
    CredentialError,
    encrypt,
    load_certificates,
    load_identities,
    load_recipients,
    load_signer,
    new_identity,
    recipient_for,
)
from smime_session.arguments import MAX_FILE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.correspondents import Correspondents

MAIL = b"Subject: Friday\n\nAt eight?\n"
LOADERS: tuple[Callable[..., Any], ...] = (load_certificates, load_recipients, load_identities, load_signer)


@pytest.mark.parametrize("load", LOADERS, ids=lambda each: each.__name__)
def test_octets_text_and_path_are_the_same(load: Callable[..., Any], people: Correspondents, tmp_path: Path) -> None:
    """Each loads what the others load."""
    pem = people.keys["bob"]
    path = tmp_path / "bob.pem"
    path.write_bytes(pem)
    found = [load(each) for each in (pem, bytearray(pem), pem.decode(), path)]
    kinds = [[type(each) for each in (loaded if isinstance(loaded, list) else [loaded])] for loaded in found]
    assert kinds == [kinds[0]] * 4
    assert len(kinds[0]) == 1


@pytest.mark.parametrize("load", LOADERS, ids=lambda each: each.__name__)
def test_text_is_never_a_path(
    load: Callable[..., Any], people: Correspondents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file's name as text is a mistake that is told, even if there is such a file; so is a path to nothing."""
    (tmp_path / "bob.pem").write_bytes(people.keys["bob"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CredentialError, match=r"^this text is not PEM; the path of a file is a pathlib\.Path$"):
        load("bob.pem")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.pem")
    with pytest.raises(TypeError, match=r"^what a file holds is bytes, not an object of type int$"):
        load(5)


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    """What is too large for certificates is not read whole."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_SIZE + 1)
    with pytest.raises(CredentialError, match="large: a file of more than 268,435,456 bytes is too large"):
        load_certificates(path)


@pytest.mark.parametrize("passphrase", ["pass wörd", "pass wörd".encode()])
def test_a_passphrase_is_text_or_octets(passphrase: str | bytes) -> None:
    """Text is taken in UTF-8."""
    made = new_identity("bob@example.org", key_type="p256", passphrase="pass wörd".encode())
    locked = made.private_key_pem + made.certificate_pem
    assert len(load_identities(locked, passphrase=passphrase)) == 1
    assert load_signer(locked, passphrase).certificate.subject


def test_one_certificate_is_enough(people: Correspondents) -> None:
    """Where a list of recipients is meant, one certificate or recipient will do."""
    (certificate,) = load_certificates(people.keys["bob"])
    for alone in (certificate, recipient_for(certificate)):
        assert people.readers(encrypt(MAIL, alone)) == ["bob"]
