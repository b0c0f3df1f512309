"""Encrypt mail the S/MIME way: one message, one key.

Each message gets a new random session key that seals its body; the key is wrapped with each
recipient's public key and travels in the message's envelope; the recipients, and only they,
open it. In a mail script::

    from smime_session import decrypt, encrypt, load_certificates, load_identities

    certificates = load_certificates(Path("bob.pem").read_bytes())
    smtp.send_message(encrypt(message, certificates))

A map of the package, each room built on those below it:

- :mod:`~smime_session.operations`: encrypt, decrypt, rewrap, reseal, inspect, save a session key, one story each.
- :mod:`~smime_session.inspection`: what is seen of an envelope, and which mail programs open it.
- :mod:`~smime_session.recipients`: how a session key is wrapped, a file per kind of key.
- :mod:`~smime_session.keys`, :mod:`~smime_session.certificates`: private keys and certificates, from files to objects.
- :mod:`~smime_session.mail`: the mail around an envelope.
- :mod:`~smime_session.cms`: the envelope as values, as bytes and as a stream.
- :mod:`~smime_session.streams`: sources, outlets and threads.
- :mod:`~smime_session.submission`: beside these and on top of the public names: mail handed to its server.
- :mod:`~smime_session.contrib`, :mod:`~smime_session.aio`: likewise, for Django, :mod:`logging` and :mod:`asyncio`.
- :mod:`~smime_session.batch`: likewise: many messages at once, by several processes, resumable.
- :mod:`~smime_session.content`, :mod:`~smime_session.session_key`: the sealed content, and the key of one message.
- :mod:`~smime_session.algorithms`, :mod:`~smime_session.profiles`, :mod:`~smime_session.errors`: what is supported,
  what is chosen and allowed, what can go wrong.
"""

from __future__ import annotations

from importlib import import_module
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
        SignatureAlgorithm,
    )
    from smime_session.certificates.load import load_certificates
    from smime_session.certificates.names import addresses_of
    from smime_session.certificates.ocsp import OcspClient
    from smime_session.certificates.revocation import load_crls
    from smime_session.certificates.store import CertificateBundle, CertificateSource, CertificateStore
    from smime_session.certificates.trust import TrustAnchors, Verdict
    from smime_session.errors import (
        AlreadyEncryptedError,
        BatchError,
        CredentialError,
        DecryptionError,
        LimitError,
        MalformedError,
        MessageError,
        NoMatchError,
        NotEnvelopeError,
        NotMailError,
        NotSignedError,
        OtherMessageError,
        PassphraseError,
        PolicyError,
        RecipientError,
        SignerError,
        SmimeError,
        SubmissionError,
        UnknownAddressError,
        UnsupportedAlgorithmError,
    )
    from smime_session.inspection.interoperability import ClientNote
    from smime_session.inspection.listing import Listing, list_credentials
    from smime_session.operations.addressees import Addressed, Addressee, encrypt_by_address
    from smime_session.operations.authority import NewAuthority, load_authority, new_authority, revocation_list
    from smime_session.operations.decrypt import Decrypted, Opened, decrypt, decrypt_stream
    from smime_session.operations.encrypt import Sealed, encrypt, encrypt_stream
    from smime_session.operations.inspect import Inspection, inspect
    from smime_session.operations.issuing import Issuer
    from smime_session.operations.layers import OpenedPart
    from smime_session.operations.new_identity import KEY_TYPES, NewIdentity, new_identity
    from smime_session.operations.request import NewRequest, new_request
    from smime_session.operations.rewrap import Rewrapped, rewrap, rewrap_stream
    from smime_session.operations.saved_key import SavedSessionKey, export_session_key, load_session_key
    from smime_session.operations.sign import Signed, sign, sign_stream
    from smime_session.operations.signatures import Signature
    from smime_session.operations.signer import Signer, load_signer
    from smime_session.operations.split_pkcs12 import SplitPkcs12, split_pkcs12
    from smime_session.operations.verify import Verification, Verified, verify, verify_stream
    from smime_session.profiles import AUTO, COMPAT, DEFAULT, MODERN, PQ, PROFILES, Policy, Profile
    from smime_session.recipients.by_address import certificates_for
    from smime_session.recipients.from_certificates import load_recipients, recipient_for
    from smime_session.recipients.identities import load_identities
    from smime_session.recipients.password import Password
    from smime_session.recipients.registry import Identity, Recipient
    from smime_session.recipients.shared_key import PresharedKey
    from smime_session.session_key import SessionKey
    from smime_session.smtp import EncryptingSMTP, EncryptingSMTP_SSL

__all__ = [
    "AES_128_CBC",
    "AES_128_GCM",
    "AES_192_CBC",
    "AES_192_GCM",
    "AES_256_CBC",
    "AES_256_GCM",
    "AUTO",
    "Addressed",
    "Addressee",
    "AlreadyEncryptedError",
    "BatchError",
    "CHACHA20_POLY1305",
    "COMPAT",
    "CertificateBundle",
    "CertificateSource",
    "CertificateStore",
    "ClientNote",
    "CredentialError",
    "DEFAULT",
    "Decrypted",
    "DecryptionError",
    "EncryptingSMTP",
    "EncryptingSMTP_SSL",
    "Identity",
    "Inspection",
    "Issuer",
    "KEY_TYPES",
    "LimitError",
    "Listing",
    "MODERN",
    "MalformedError",
    "MessageError",
    "NewAuthority",
    "NewIdentity",
    "NewRequest",
    "NoMatchError",
    "NotEnvelopeError",
    "NotMailError",
    "NotSignedError",
    "OcspClient",
    "Opened",
    "OpenedPart",
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
    "Signature",
    "SignatureAlgorithm",
    "Signed",
    "Signer",
    "SignerError",
    "SmimeError",
    "SplitPkcs12",
    "SubmissionError",
    "TrustAnchors",
    "UnknownAddressError",
    "UnsupportedAlgorithmError",
    "Verdict",
    "Verification",
    "Verified",
    "__version__",
    "addresses_of",
    "certificates_for",
    "decrypt",
    "decrypt_stream",
    "encrypt",
    "encrypt_by_address",
    "encrypt_stream",
    "export_session_key",
    "inspect",
    "list_credentials",
    "load_authority",
    "load_certificates",
    "load_crls",
    "load_identities",
    "load_recipients",
    "load_session_key",
    "load_signer",
    "new_authority",
    "new_identity",
    "new_request",
    "recipient_for",
    "revocation_list",
    "rewrap",
    "rewrap_stream",
    "sign",
    "sign_stream",
    "split_pkcs12",
    "verify",
    "verify_stream",
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
        "SignatureAlgorithm",
    ),
    "certificates.store": ("CertificateBundle", "CertificateSource", "CertificateStore"),
    "certificates.load": ("load_certificates",),
    "certificates.ocsp": ("OcspClient",),
    "certificates.revocation": ("load_crls",),
    "certificates.trust": ("TrustAnchors", "Verdict"),
    "operations.authority": ("NewAuthority", "load_authority", "new_authority", "revocation_list"),
    "operations.issuing": ("Issuer",),
    "operations.request": ("NewRequest", "new_request"),
    "operations.split_pkcs12": ("SplitPkcs12", "split_pkcs12"),
    "operations.new_identity": ("KEY_TYPES", "NewIdentity", "new_identity"),
    "recipients.by_address": ("certificates_for",),
    "recipients.from_certificates": ("load_recipients", "recipient_for"),
    "inspection.listing": ("Listing", "list_credentials"),
    "certificates.names": ("addresses_of",),
    "recipients.identities": ("load_identities",),
    "operations.addressees": ("Addressed", "Addressee", "encrypt_by_address"),
    "operations.decrypt": ("Decrypted", "Opened", "decrypt", "decrypt_stream"),
    "operations.layers": ("OpenedPart",),
    "operations.encrypt": ("Sealed", "encrypt", "encrypt_stream"),
    "errors": (
        "AlreadyEncryptedError",
        "BatchError",
        "CredentialError",
        "DecryptionError",
        "LimitError",
        "MalformedError",
        "MessageError",
        "NoMatchError",
        "NotEnvelopeError",
        "NotMailError",
        "NotSignedError",
        "OtherMessageError",
        "PassphraseError",
        "PolicyError",
        "RecipientError",
        "SignerError",
        "SmimeError",
        "SubmissionError",
        "UnknownAddressError",
        "UnsupportedAlgorithmError",
    ),
    "operations.inspect": ("Inspection", "inspect"),
    "inspection.interoperability": ("ClientNote",),
    "profiles": ("AUTO", "COMPAT", "DEFAULT", "MODERN", "PQ", "PROFILES", "Policy", "Profile"),
    "recipients.registry": ("Identity", "Recipient"),
    "recipients.password": ("Password",),
    "recipients.shared_key": ("PresharedKey",),
    "operations.rewrap": ("Rewrapped", "rewrap", "rewrap_stream"),
    "operations.saved_key": ("SavedSessionKey", "export_session_key", "load_session_key"),
    "operations.sign": ("Signed", "sign", "sign_stream"),
    "operations.signatures": ("Signature",),
    "operations.verify": ("Verification", "Verified", "verify", "verify_stream"),
    "operations.signer": ("Signer", "load_signer"),
    "session_key": ("SessionKey",),
    "smtp": ("EncryptingSMTP", "EncryptingSMTP_SSL"),
}
_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # or every name would be an object to type checkers

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for, so that a mail script pays for what it uses (PEP 562)."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
