"""Locked keys: which of several are unlocked for a message, and when."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import pytest

from smime_session import (
    CredentialError,
    NoMatchError,
    PassphraseError,
    Password,
    decrypt,
    decrypt_stream,
    encrypt,
    export_session_key,
    inspect,
    load_identities,
    rewrap,
)
from smime_session.keys.load import load_private_keys
from smime_session.operations.new_identity import new_identity
from smime_session.recipients.locked import LockedIdentity, open_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session import Identity
    from smime_session.keys.private_key import PrivateKey
    from smime_session.operations.new_identity import NewIdentity

MAIL: Final = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\ntext\r\n"
PASSPHRASE: Final = b"open sesame"


class Safe:
    """A file with a locked key, which counts how often it is unlocked."""

    def __init__(self, made: NewIdentity, *, certificate: bytes | None = None, passphrase: bytes = PASSPHRASE) -> None:
        self.opened = 0
        self._data = made.private_key_pem + (made.certificate_pem if certificate is None else certificate)
        self._passphrase = passphrase

    def open(self) -> Sequence[PrivateKey]:
        """Unlock the keys."""
        self.opened += 1
        return [each.private_key for each in load_private_keys(self._data, self._passphrase)]

    def beside(self) -> list[Identity]:
        """Return identities by the certificates in clear."""
        return open_beside(self._data, self.open)

    def closed(self) -> list[Identity]:
        """Return an identity that says nothing before it is unlocked."""

        def unlock() -> list[Identity]:
            self.opened += 1
            return load_identities(self._data, self._passphrase)

        return [LockedIdentity("the locked key", unlock)]


def _made(name: str, key_type: str = "p256") -> NewIdentity:
    return new_identity(f"{name}@example.org", key_type=key_type, passphrase=PASSPHRASE)


@pytest.mark.parametrize("key_type", ["rsa2048", "p256", "x25519", "mlkem768"])
def test_a_locked_key_decrypts(key_type: str) -> None:
    """It is unlocked when the message needs it, and by no look at its certificate."""
    bob = _made("bob", key_type)
    safe = Safe(bob)
    (identity,) = safe.beside()
    sealed = encrypt(MAIL, [bob.certificate])
    assert "bob@example.org" in str(identity)
    assert inspect(sealed, [identity]).recipients[0].opened_by == (str(identity),)
    assert safe.opened == 0
    assert decrypt(sealed, [identity]).message == MAIL
    assert safe.opened > 0
    target = io.BytesIO()
    decrypt_stream(io.BytesIO(sealed), target, [identity])
    assert target.getvalue() == MAIL
    with export_session_key(sealed, [identity]) as saved:
        assert decrypt(rewrap(sealed, [identity], add=[Password("another")]), [saved]).message == MAIL


def test_no_more_is_unlocked_than_a_message_needs() -> None:
    """What it names and is open comes first, then one that it names, then what says nothing while it is locked."""
    bob, carol, dana = _made("bob"), _made("carol"), _made("dana")
    sealed = encrypt(MAIL, [each.certificate for each in (bob, carol)])
    first, second, other, closed = Safe(bob), Safe(carol), Safe(dana), Safe(carol)
    ready = load_identities(carol.private_key_pem + carol.certificate_pem, PASSPHRASE)
    everyone = [*closed.closed(), *other.beside(), *first.beside(), *second.beside()]
    assert decrypt(sealed, [*everyone, *ready]).message == MAIL
    assert [each.opened for each in (first, second, other, closed)] == [0, 0, 0, 0]
    assert decrypt(sealed, everyone).message == MAIL
    assert [bool(each.opened) for each in (first, second, other, closed)] == [True, False, False, False]
    assert decrypt(sealed, [*closed.closed(), *other.beside()]).message == MAIL
    assert [bool(each.opened) for each in (other, closed)] == [False, True]


def test_what_stays_locked_hides_no_other() -> None:
    """Of several keys that the message names one whose passphrase is known will do; so will any that says nothing."""
    bob, carol = _made("bob"), _made("carol", "rsa2048")
    sealed = encrypt(MAIL, [bob.certificate, carol.certificate])
    for stays in (Safe(bob, passphrase=b"wrong").beside(), Safe(bob, passphrase=b"wrong").closed()):
        for opens in (Safe(carol).beside(), Safe(carol).closed(), load_identities(carol.private_key_pem, PASSPHRASE)):
            assert decrypt(sealed, [*stays, *opens]).message == MAIL
        for others in ([], Safe(_made("dana")).beside(), Safe(_made("dana")).closed()):
            with pytest.raises(PassphraseError, match="does not unlock"):
                decrypt(sealed, [*stays, *others])


def test_a_key_that_may_not_be_meant_leaves_no_other_locked() -> None:
    """A key without its certificate, or a password, may be for any recipient: what is locked is tried as well."""
    bob = _made("bob", "rsa2048")
    bare = load_identities(_made("eve", "rsa2048").private_key_pem, PASSPHRASE)
    sealed = encrypt(MAIL, [bob.certificate, Password("the right one")])
    for others in (bare, [Password("a wrong one")]):
        for locked in (Safe(bob).beside(), Safe(bob).closed()):
            assert decrypt(sealed, [*others, *locked]).message == MAIL


def test_who_is_not_addressed_is_not_unlocked() -> None:
    """A message for another recipient asks for no passphrase; a file that says nothing is unlocked to know."""
    bob, carol = _made("bob"), _made("carol")
    sealed = encrypt(MAIL, [bob.certificate])
    safe, closed = Safe(carol), Safe(carol)
    with pytest.raises(NoMatchError, match="carol@example"):
        decrypt(sealed, safe.beside())
    assert safe.opened == 0
    with pytest.raises(NoMatchError, match="carol@example"):
        decrypt(sealed, closed.closed())
    assert closed.opened == 1


def test_what_stays_locked_is_told() -> None:
    """A wrong passphrase is an error of its own, and so is a certificate that belongs to another key."""
    bob, carol = _made("bob"), _made("carol")
    sealed = encrypt(MAIL, [bob.certificate])
    for locked in (Safe(bob, passphrase=b"wrong").beside(), Safe(bob, passphrase=b"wrong").closed()):
        with pytest.raises(PassphraseError, match="does not unlock"):
            decrypt(sealed, locked)
    with pytest.raises(CredentialError, match="the certificate beside the locked private key is not its own"):
        decrypt(sealed, Safe(carol, certificate=bob.certificate_pem).beside())
    assert open_beside(bob.private_key_pem, Safe(bob).open) == []


def test_a_closed_identity_unwraps_by_itself() -> None:
    """A caller that asks it directly gets what the identities in the file answer."""
    (closed,) = Safe(_made("carol")).closed()
    with pytest.raises(NoMatchError, match="given: the locked key"):
        closed.unwrap([])
    assert str(closed) == "the locked key"
