"""Files of private keys: what they open, and with which words they are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smime_session.errors import CredentialError, DecryptionError, NoMatchError, PassphraseError
from smime_session.recipients.from_certificates import recipient_for
from smime_session.recipients.identities import load_identities
from smime_session.session_key import SessionKey
from tests.support.making import NOW

if TYPE_CHECKING:
    from cryptography import x509

    from smime_session.recipients.registry import Identity


def opens(identity: Identity, owner: x509.Certificate) -> bool:
    """Tell whether an identity opens what was wrapped for the owner of a certificate."""
    key = SessionKey.generate(32)
    try:
        return identity.unwrap([recipient_for(owner, at=NOW).wrap(key)]) == key
    except (NoMatchError, DecryptionError):
        return False


def the_one(data: bytes, passphrase: bytes | None = None) -> Identity:
    """Return the identity in a file that must hold just one."""
    (identity,) = load_identities(data, passphrase)
    return identity


def refusal(data: bytes, passphrase: bytes | None = None) -> str:
    """Return the words with which a file is refused, which must be no matter of its passphrase."""
    with pytest.raises(CredentialError) as caught:
        load_identities(data, passphrase)
    assert not isinstance(caught.value, PassphraseError)
    return str(caught.value)


def locked(data: bytes, passphrase: bytes | None) -> bool:
    """Return whether a passphrase is called missing for a file that must be refused for its lock."""
    with pytest.raises(PassphraseError) as caught:
        load_identities(data, passphrase)
    words = {
        True: "the private key is locked with a passphrase",
        False: "the passphrase does not unlock the private key",
    }
    assert str(caught.value) == words[caught.value.missing]
    return caught.value.missing
