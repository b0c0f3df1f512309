"""Passphrases and passwords out of the system's key ring, by the package keyring with a ring of the test's own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from cli.options import MisuseError
from cli.passphrases import Passphrases, given_secret
from cli.root import run
from smime_session import CredentialError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Ring(KeyringBackend):
    """A key ring in memory."""

    priority = 1  # every backend has one

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        """Return what was kept, or None."""
        if self.locked:
            raise KeyringLocked("Failed to unlock the collection!")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""
        self.entries[service, username] = password


@pytest.fixture
def ring() -> Iterator[Ring]:
    """Make a ring that is the system's for one test."""
    before, ring = keyring.get_keyring(), Ring()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


@pytest.mark.parametrize("name", ["locked.key", "bob.p12"])
def test_a_passphrase_from_the_key_ring_opens_a_key(
    name: str, provide: Callable[..., Path], ring: Ring, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """It is asked for when a message is read, and never shown."""
    folder = provide(name, "bob.pem", "letter.eml")
    assert run(["encrypt", "-r", "bob.pem", "letter.eml", "-o", "sealed.eml"]) == 0
    ring.set_password("mail/archive", "bob", "open sesame")
    assert run(["decrypt", "-i", name, "--passphrase-keyring", "mail/archive/bob", "sealed.eml", "-o", "opened"]) == 0
    assert (folder / "opened").read_bytes().endswith(b"At eight?\n")
    ring.set_password("mail/archive", "bob", "open barley")
    capfdbinary.readouterr()
    assert run(["decrypt", "-i", name, "--passphrase-keyring", "mail/archive/bob", "sealed.eml", "-o", "other"]) == 1
    _, error = capfdbinary.readouterr()
    assert error.startswith(b"Error: " + name.encode() + b": the passphrase does not unlock")
    assert b"barley" not in error
    assert not (folder / "other").exists()


def test_an_entry_that_is_not_there_is_named(ring: Ring) -> None:
    """So is a ring that stays locked, and what is no entry."""
    with pytest.raises(CredentialError, match=r"^the key ring has no password mail/alice$"):
        given_secret("password", None, None, "mail/alice")
    ring.locked = True
    words = r"^the key ring does not give the passphrase mail/alice: Failed to unlock the collection!$"
    with pytest.raises(CredentialError, match=words):
        Passphrases(entries=("mail/alice",)).read()
    for entry in ("mail", "mail/", "/alice"):
        with pytest.raises(MisuseError, match=f"^{entry} is no entry of the key ring$"):
            given_secret("password", None, None, entry)


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(MisuseError, match=r"^the key ring needs the package keyring$") as raised:
        given_secret("password", None, None, "mail/alice")
    assert raised.value.hint == "pip install 'smime-session[keyring]'"
