"""Load private keys: PEM, DER and PKCS#12, locked with a passphrase or not."""

from __future__ import annotations

import re
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from smime_session.arguments import check_passphrase
from smime_session.certificates.certificate import Certificate, certificates_beside
from smime_session.certificates.files import Kind, Piece, der_of, read
from smime_session.certificates.quiet import quietly
from smime_session.errors import CredentialError
from smime_session.keys import pkcs8, software
from smime_session.keys.private_key import UnsupportedLockError, UnusableKeyError, not_unlocked
from smime_session.keys.software import SoftwareKey
from smime_session.text import excerpt

if TYPE_CHECKING:
    from cryptography import x509

    from smime_session.certificates.public_key import PublicKey

    Found = SoftwareKey | UnusableKeyError | Certificate | CredentialError

_LOCKED_WITH: Final = re.compile(rb"^[ \t]*DEK-Info[ \t]*:[ \t]*([^\s,]+),([0-9A-Fa-f]+)[ \t]*$", re.MULTILINE)
_BLOCK_SIZES: Final = {b"AES-128-CBC": 16, b"AES-256-CBC": 16, b"DES-EDE3-CBC": 8}
"""Bytes in a block of each cipher that the library has there."""


class LoadedKey(NamedTuple):
    """A private key from a file.

    Attributes:
        private_key: the key.
        certificates: the certificates in the file that belong to it.
        beside: all certificates in the file.
    """

    private_key: SoftwareKey
    certificates: tuple[Certificate, ...]
    beside: tuple[Certificate, ...]


@quietly()
def load_private_keys(data: bytes, passphrase: bytes | None = None) -> list[LoadedKey]:
    """Return the private keys in a file, once each, with the certificates beside them.

    One that cannot be used hides no other. A passphrase that is not needed is ignored.

    Args:
        data: PEM, DER or PKCS#12.
        passphrase: unlocks private keys and PKCS#12, where it is text in UTF-8; None if there is none.

    Raises:
        PassphraseError: a private key is locked and the passphrase is missing or wrong.
        CredentialError: there is no private key, and the error says what there is instead; or it is
            broken or of a kind that is not supported.
        TypeError: an argument is not octets.
    """
    check_passphrase(passphrase)
    pieces = read(data)
    keys: dict[tuple[PublicKey, bool], SoftwareKey] = {}
    unusable: list[UnusableKeyError] = []
    broken: list[CredentialError] = []
    certificates = certificates_beside(pieces)
    for found in chain.from_iterable(found_in(piece, passphrase) for piece in pieces):
        if isinstance(found, SoftwareKey):
            keys.setdefault((found.public_key, found.only_signs), found)
        elif isinstance(found, UnusableKeyError):
            unusable.append(found)
        elif isinstance(found, CredentialError):
            broken.append(found)
        else:
            certificates.append(found)
    if not keys:
        raise unusable[0] if unusable else CredentialError(_without_key(pieces))
    beside = tuple(dict.fromkeys(certificates))
    owned: dict[bytes | None, list[Certificate]] = {}
    for certificate in beside:
        own = certificate.public_key
        owned.setdefault(None if own is None else own.info, []).append(certificate)
    loaded = [LoadedKey(key, tuple(owned.get(key.public_key.canonical, ())), beside) for key in keys.values()]
    if broken and not any(each.certificates for each in loaded):
        raise broken[0]  # no key loses its certificate in silence
    return loaded


def found_in(piece: Piece, passphrase: bytes | None) -> list[Found]:
    """Return the private keys in a piece of a file, and what else is in it if it is PKCS#12.

    Raises:
        PassphraseError: it is locked and the passphrase is missing or wrong.
        CredentialError: it is broken, or locked in a way that is not supported or takes too much work.
    """
    if piece.kind is Kind.PKCS12:
        return _in_pkcs12(piece.octets, passphrase)
    if piece.kind is not Kind.PRIVATE_KEY:
        return []
    if not piece.complete:
        raise CredentialError("the private key is cut off")
    octets = der_of(piece)
    try:
        if pkcs8.is_locked(octets):
            return [pkcs8.unlock(octets, passphrase)]
        return [pkcs8.key_from(octets) if octets else _from_older_pem(piece.octets, passphrase)]
    except UnusableKeyError as error:
        return [error]


@quietly()
def certificates_in_pkcs12(data: bytes, passphrase: bytes | None) -> list[x509.Certificate]:
    """Return the certificates in a PKCS#12 file that belong to private keys in it; all of them if none does.

    Raises:
        PassphraseError: the passphrase is missing or wrong.
        CredentialError: the file is broken or holds no certificate, or its lock is not supported.
    """
    found = _in_pkcs12(data, passphrase)
    keys = {each.public_key.canonical for each in found if isinstance(each, SoftwareKey)}
    certificates = list(dict.fromkeys(each for each in found if isinstance(each, Certificate)))
    if not certificates:
        raise CredentialError("the PKCS#12 file holds no certificate")
    own = [each for each in certificates if each.public_key is not None and each.public_key.info in keys]
    return [each.whole for each in own or certificates]


def _in_pkcs12(data: bytes, passphrase: bytes | None) -> list[Found]:
    from smime_session.keys import pkcs12  # loads asn1crypto, for these files alone: 25 ms

    return pkcs12.load(data, passphrase)


def _without_key(pieces: list[Piece]) -> str:
    if any(piece.kind is Kind.PKCS12 for piece in pieces):
        return "the PKCS#12 file holds no private key"
    return f"this is {pieces[0].kind}, not a private key"


def _from_older_pem(pem: bytes, passphrase: bytes | None) -> SoftwareKey:
    """Return a private key whose PEM block has headers that say how it is locked (RFC 1421, 4.6.1.3).

    Raises:
        PassphraseError: the passphrase is missing or wrong.
        UnsupportedLockError: it is locked with a cipher that is not supported.
        CredentialError: it is broken, or of a kind that is not supported.
    """
    found = _LOCKED_WITH.findall(pem)
    if not found or len(found) != pem.count(b"DEK-Info"):
        raise CredentialError("the private key is broken")
    for cipher, vector in found:
        if cipher not in _BLOCK_SIZES:
            raise UnsupportedLockError("the private key", "PEM", excerpt(cipher.decode("ascii", "replace")))
        if len(vector) != 2 * _BLOCK_SIZES[cipher]:  # the library does not check it
            raise CredentialError("the private key is broken")
    if not passphrase:
        raise not_unlocked(missing=True)
    load = partial(load_pem_private_key, pem, passphrase, unsafe_skip_rsa_key_validation=True)
    return software.private_key(pkcs8.opened_by_library(load))
