"""Encrypt mail the S/MIME way: one message, one key.

Each message gets a new random session key that seals its body; the key is wrapped with each
recipient's public key and travels in the message's envelope; the recipients, and only they,
open it. In a mail script::

    from smime_session import decrypt, encrypt, load_certificates, load_identities

    certificates = load_certificates(Path("bob.pem").read_bytes())
    smtp.send_message(encrypt(message, certificates))

A map of the package, from what is called to what it is built on:

- :mod:`~smime_session.encryption`, :mod:`~smime_session.decryption`, :mod:`~smime_session.inspection`:
  the operations.
- :mod:`~smime_session.mail`: the mail around an envelope.
- :mod:`~smime_session.credentials`: certificates and private keys.
- :mod:`~smime_session.recipients`: how a session key is wrapped, a file per technique.
- :mod:`~smime_session.cms`: the envelope as values, as octets and as a stream.
- :mod:`~smime_session.content`: the sealed content.
- :mod:`~smime_session.session_key`: the key of one message.
- :mod:`~smime_session.algorithms`, :mod:`~smime_session.profiles`, :mod:`~smime_session.errors`: what
  is spoken, what is chosen and allowed, what can go wrong.
"""

from __future__ import annotations

from smime_session.credentials.certificates import load_certificates
from smime_session.credentials.creation import NewIdentity, new_identity
from smime_session.credentials.fitness import certificates_for, recipient_for
from smime_session.credentials.private_keys import load_identities
from smime_session.decryption import Decrypted, Opened, decrypt, decrypt_stream
from smime_session.encryption import Sealed, encrypt, encrypt_stream
from smime_session.errors import (
    CredentialError,
    DecryptionError,
    LimitError,
    MalformedError,
    MessageError,
    NoMatchError,
    NotEnvelopeError,
    NotMailError,
    PassphraseError,
    PolicyError,
    RecipientError,
    SmimeError,
    UnsupportedAlgorithmError,
)
from smime_session.inspection import Inspection, inspect
from smime_session.profiles import COMPAT, DEFAULT, MODERN, PQ, PROFILES, Policy, Profile
from smime_session.recipients import Identity, Recipient
from smime_session.recipients.password import Password
from smime_session.recipients.preshared import PresharedKey
from smime_session.session_key import SessionKey
from smime_session.version import __version__

__all__ = [
    "COMPAT",
    "DEFAULT",
    "MODERN",
    "PQ",
    "PROFILES",
    "CredentialError",
    "Decrypted",
    "DecryptionError",
    "Identity",
    "Inspection",
    "LimitError",
    "MalformedError",
    "MessageError",
    "NewIdentity",
    "NoMatchError",
    "NotEnvelopeError",
    "NotMailError",
    "Opened",
    "PassphraseError",
    "Password",
    "Policy",
    "PolicyError",
    "PresharedKey",
    "Profile",
    "Recipient",
    "RecipientError",
    "Sealed",
    "SessionKey",
    "SmimeError",
    "UnsupportedAlgorithmError",
    "__version__",
    "certificates_for",
    "decrypt",
    "decrypt_stream",
    "encrypt",
    "encrypt_stream",
    "inspect",
    "load_certificates",
    "load_identities",
    "new_identity",
    "recipient_for",
]
