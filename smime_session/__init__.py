"""Encrypt mail the S/MIME way: one message, one key.

Each message gets a new random session key that seals its body; the key is wrapped with each
recipient's public key and travels in the message's envelope; the recipients, and only they,
open it. In a mail script::

    from smime_session import decrypt, encrypt, load_certificates, load_identities

    certificates = load_certificates(Path("bob.pem").read_bytes())
    smtp.send_message(encrypt(message, certificates))

A map of the package, from what is called to what it is built on:

- :mod:`~smime_session.encryption`, :mod:`~smime_session.decryption`, :mod:`~smime_session.inspection`,
  :mod:`~smime_session.rewrapping`: the operations.
- :mod:`~smime_session.explanation`, :mod:`~smime_session.interoperability`, :mod:`~smime_session.clients`:
  why a message is for none of those who are given, and which mail programs open it.
- :mod:`~smime_session.mail`: the mail around an envelope.
- :mod:`~smime_session.credentials`: certificates and private keys.
- :mod:`~smime_session.recipients`: how a session key is wrapped, a file per technique.
- :mod:`~smime_session.cms`: the envelope as values, as octets and as a stream.
- :mod:`~smime_session.content`: the sealed content.
- :mod:`~smime_session.session_key`: the key of one message; :mod:`~smime_session.saved_key`: saved by its user.
- :mod:`~smime_session.outgoing`, :mod:`~smime_session.sealing`, :mod:`~smime_session.candidates`,
  :mod:`~smime_session.opening`, :mod:`~smime_session.resealing`, :mod:`~smime_session.readership`: what
  several operations share.
- :mod:`~smime_session.sources`, :mod:`~smime_session.pipeline`, :mod:`~smime_session.parallel`,
  :mod:`~smime_session.strided`, :mod:`~smime_session.memory`, :mod:`~smime_session.values`,
  :mod:`~smime_session.text`: octets on the move, threads, what is wiped, values.
- :mod:`~smime_session.algorithms`, :mod:`~smime_session.profiles`, :mod:`~smime_session.errors`: what
  is spoken, what is chosen and allowed, what can go wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smime_session.version import __version__

if TYPE_CHECKING:
    from smime_session.algorithms import (
        AES_128_CBC,
        AES_128_GCM,
        AES_192_CBC,
        AES_192_GCM,
        AES_256_CBC,
        AES_256_GCM,
        CHACHA20_POLY1305,
        RSAES_OAEP_SHA1,
        RSAES_OAEP_SHA256,
        RSAES_OAEP_SHA384,
        RSAES_OAEP_SHA512,
        RSAES_PKCS1_V1_5,
    )
    from smime_session.credentials.certificates import load_certificates
    from smime_session.credentials.creation import KEY_TYPES, NewIdentity, new_identity
    from smime_session.credentials.fitness import certificates_for, recipient_for
    from smime_session.credentials.listing import Listing, list_credentials
    from smime_session.credentials.loading import load_recipients
    from smime_session.credentials.names import addresses_of
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
        OtherMessageError,
        PassphraseError,
        PolicyError,
        RecipientError,
        SmimeError,
        UnsupportedAlgorithmError,
    )
    from smime_session.inspection import Inspection, inspect
    from smime_session.interoperability import ClientNote
    from smime_session.profiles import COMPAT, DEFAULT, MODERN, PQ, PROFILES, Policy, Profile
    from smime_session.recipients import Identity, Recipient
    from smime_session.recipients.password import Password
    from smime_session.recipients.preshared import PresharedKey
    from smime_session.rewrapping import Rewrapped, rewrap, rewrap_stream
    from smime_session.saved_key import SavedSessionKey, export_session_key, load_session_key
    from smime_session.session_key import SessionKey

__all__ = [
    "AES_128_CBC",
    "AES_128_GCM",
    "AES_192_CBC",
    "AES_192_GCM",
    "AES_256_CBC",
    "AES_256_GCM",
    "CHACHA20_POLY1305",
    "COMPAT",
    "ClientNote",
    "CredentialError",
    "DEFAULT",
    "Decrypted",
    "DecryptionError",
    "Identity",
    "Inspection",
    "KEY_TYPES",
    "LimitError",
    "Listing",
    "MODERN",
    "MalformedError",
    "MessageError",
    "NewIdentity",
    "NoMatchError",
    "NotEnvelopeError",
    "NotMailError",
    "Opened",
    "OtherMessageError",
    "PQ",
    "PROFILES",
    "PassphraseError",
    "Password",
    "Policy",
    "PolicyError",
    "PresharedKey",
    "Profile",
    "RSAES_OAEP_SHA1",
    "RSAES_OAEP_SHA256",
    "RSAES_OAEP_SHA384",
    "RSAES_OAEP_SHA512",
    "RSAES_PKCS1_V1_5",
    "Recipient",
    "RecipientError",
    "Rewrapped",
    "SavedSessionKey",
    "Sealed",
    "SessionKey",
    "SmimeError",
    "UnsupportedAlgorithmError",
    "__version__",
    "addresses_of",
    "certificates_for",
    "decrypt",
    "decrypt_stream",
    "encrypt",
    "encrypt_stream",
    "export_session_key",
    "inspect",
    "list_credentials",
    "load_certificates",
    "load_identities",
    "load_recipients",
    "load_session_key",
    "new_identity",
    "recipient_for",
    "rewrap",
    "rewrap_stream",
]

_MODULES: Final = {
    "algorithms": (
        "AES_128_CBC",
        "AES_128_GCM",
        "AES_192_CBC",
        "AES_192_GCM",
        "AES_256_CBC",
        "AES_256_GCM",
        "CHACHA20_POLY1305",
        "RSAES_OAEP_SHA1",
        "RSAES_OAEP_SHA256",
        "RSAES_OAEP_SHA384",
        "RSAES_OAEP_SHA512",
        "RSAES_PKCS1_V1_5",
    ),
    "credentials.certificates": ("load_certificates",),
    "credentials.creation": ("KEY_TYPES", "NewIdentity", "new_identity"),
    "credentials.fitness": ("certificates_for", "recipient_for"),
    "credentials.listing": ("Listing", "list_credentials"),
    "credentials.loading": ("load_recipients",),
    "credentials.names": ("addresses_of",),
    "credentials.private_keys": ("load_identities",),
    "decryption": ("Decrypted", "Opened", "decrypt", "decrypt_stream"),
    "encryption": ("Sealed", "encrypt", "encrypt_stream"),
    "errors": (
        "CredentialError",
        "DecryptionError",
        "LimitError",
        "MalformedError",
        "MessageError",
        "NoMatchError",
        "NotEnvelopeError",
        "NotMailError",
        "OtherMessageError",
        "PassphraseError",
        "PolicyError",
        "RecipientError",
        "SmimeError",
        "UnsupportedAlgorithmError",
    ),
    "inspection": ("Inspection", "inspect"),
    "interoperability": ("ClientNote",),
    "profiles": ("COMPAT", "DEFAULT", "MODERN", "PQ", "PROFILES", "Policy", "Profile"),
    "recipients": ("Identity", "Recipient"),
    "recipients.password": ("Password",),
    "recipients.preshared": ("PresharedKey",),
    "rewrapping": ("Rewrapped", "rewrap", "rewrap_stream"),
    "saved_key": ("SavedSessionKey", "export_session_key", "load_session_key"),
    "session_key": ("SessionKey",),
}
_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # or every name would be an object to type checkers

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for, so that a mail script pays for what it uses (PEP 562)."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
