"""Recipient infos of passwords that cost no time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from smime_session.algorithms import AES_256_CBC
from smime_session.cms.pbkdf2 import Pbkdf2
from smime_session.cms.values import WrappedKey
from smime_session.keys.passwords import derive
from smime_session.recipients import password
from smime_session.recipients.password import PasswordRecipientInfo

if TYPE_CHECKING:
    from smime_session.algorithms import ContentEncryption
    from smime_session.session_key import SessionKey

QUICK: Final = Pbkdf2(bytes(8), 1, "SHA-256")


def wrapped(info: PasswordRecipientInfo, key_size: int = 32) -> WrappedKey:
    """Return a recipient info for a key of ``key_size`` bytes as it stands in a message."""
    return WrappedKey(password.encode(info).encoded, 0, key_size)


def quick(word: bytes, key: SessionKey, cipher: ContentEncryption = AES_256_CBC) -> WrappedKey:
    """Wrap with one iteration, as no program should."""
    vector = os.urandom(cipher.nonce_size)
    kek = derive(bytearray(word), QUICK, cipher.key_size)
    encrypted = password.encrypt_key(key, kek, cipher, vector)
    return wrapped(PasswordRecipientInfo(QUICK, cipher, vector, encrypted), len(key))
