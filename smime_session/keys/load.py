"""Load private keys: PEM, DER and PKCS#12, locked with a passphrase or not."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.algorithms import RSASSA_PSS_OID
from smime_session.arguments import check_passphrase
from smime_session.certificates.files import Kind, Piece, der_of, read
from smime_session.certificates.load import certificates_in, public_key_in
from smime_session.certificates.public_key import PublicKey
from smime_session.certificates.quiet import quietly
from smime_session.errors import CredentialError, PassphraseError
from smime_session.keys import ml_kem, software
from smime_session.keys.pkcs8 import algorithm_and_key
from smime_session.keys.private_key import UnusableKeyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from smime_session.certificates.held import HeldCertificate
    from smime_session.keys.private_key import PrivateKey

    Certificate = x509.Certificate | HeldCertificate

_LOCKED_WITH: Final = re.compile(rb"^[ \t]*DEK-Info[ \t]*:[ \t]*([^\s,]+),([0-9A-Fa-f]+)[ \t]*$", re.MULTILINE)
_BLOCK_SIZES: Final = {b"AES-128-CBC": 16, b"AES-192-CBC": 16, b"AES-256-CBC": 16, b"DES-EDE3-CBC": 8}


class LoadedKey(NamedTuple):
    """A private key from a file.

    Attributes:
        private_key: the key.
        certificates: the certificates in the file that belong to it.
        beside: all certificates in the file.
        only_signs: whether its file keeps it for signatures (RFC 4055, 1.2), which the key itself does not tell.
    """

    private_key: PrivateKey
    certificates: tuple[Certificate, ...]
    beside: tuple[Certificate, ...]
    only_signs: bool


@quietly()
def load_private_keys(data: bytes, passphrase: bytes | None = None) -> list[LoadedKey]:
    """Return the private keys in a file, once each, with the certificates beside them.

    A passphrase that is not needed is ignored.

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
    keys: dict[tuple[PublicKey, bool], PrivateKey] = {}
    certificates = _certificates_beside(pieces)
    for piece in pieces:
        if piece.kind is Kind.PRIVATE_KEY:
            key = load_key(piece, passphrase)
            keys.setdefault((key.public_key, is_only_for_signing(piece)), key)
        elif piece.kind is Kind.PKCS12:
            found, enclosed = load_pkcs12(piece.octets, passphrase)
            if found is None:
                raise CredentialError("the PKCS#12 file holds no private key")
            keys.setdefault((found.public_key, False), found)
            certificates += enclosed
    if not keys:
        raise CredentialError(f"this is {pieces[0].kind}, not a private key")
    beside = tuple(dict.fromkeys(certificates))
    owned: dict[bytes | None, list[Certificate]] = {}
    for certificate in beside:
        owned.setdefault(_key_in(certificate), []).append(certificate)
    return [
        LoadedKey(key, tuple(owned.get(key.public_key.canonical, ())), beside, only_signs)
        for (_, only_signs), key in keys.items()
    ]


def _certificates_beside(pieces: list[Piece]) -> list[Certificate]:
    """Return the certificates among the pieces of a file; the library loads them all, or need not load any."""
    holders = [piece for piece in pieces if piece.kind in {Kind.CERTIFICATE, Kind.PKCS7, Kind.PKCS12}]
    if not holders:
        return []
    from smime_session.certificates.held import hold

    held = [hold(piece.octets) if piece.complete and piece.kind is Kind.CERTIFICATE else None for piece in holders]
    plain = [certificate for certificate in held if certificate is not None]
    return [*plain] if len(plain) == len(holders) else [*certificates_in(pieces)]


def _key_in(certificate: Certificate) -> bytes | None:
    from smime_session.certificates.held import HeldCertificate

    if isinstance(certificate, HeldCertificate):
        return certificate.plain.public_key
    public_key = public_key_in(certificate)
    return None if public_key is None else PublicKey.of(public_key).info


def load_key(piece: Piece, passphrase: bytes | None) -> PrivateKey:
    """Return the private key in a piece of a file.

    Raises:
        PassphraseError: it is locked and the passphrase is missing or wrong.
        CredentialError: it is broken, or of a kind that is not supported.
    """
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

    if not piece.complete:
        raise CredentialError("the private key is cut off")
    if key := ml_kem.load(der_of(piece)):
        return software.private_key(key)
    load = load_pem_private_key if piece.octets.startswith(b"-----") else load_der_private_key
    # the library's own check of RSA keys takes many times as long as opening a message;
    # the software key checks that the numbers belong together
    load_with = partial(load, piece.octets, unsafe_skip_rsa_key_validation=True)
    return software.private_key(_load_unlocked(load_with) or _unlock(load_with, piece, passphrase))


def is_only_for_signing(piece: Piece) -> bool:
    """Tell whether a piece keeps its RSA key for signatures (RFC 4055, 1.2), which the key itself does not tell.

    Of a key that is locked nothing is known.
    """
    oid, _ = algorithm_and_key(der_of(piece)) or ("", b"")
    return oid == RSASSA_PSS_OID


def _load_unlocked(load: Callable[[bytes | None], PrivateKeyTypes]) -> PrivateKeyTypes | None:
    """Return a private key, or None if it is locked.

    Raises:
        CredentialError: it is broken, or of a kind that is not supported.
    """
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm

    try:
        return load(None)
    except TypeError:  # this is how the library says that the key is locked
        return None
    except UnsupportedAlgorithm as error:
        raise CredentialError("this kind of private key is not supported") from error
    except (ValueError, InternalError) as error:  # the latter for a key of one kind that is labelled as another
        raise CredentialError("the private key is broken, or of a kind that is not supported") from error


def _unlock(load: Callable[[bytes | None], PrivateKeyTypes], piece: Piece, passphrase: bytes | None) -> PrivateKeyTypes:
    """Return a private key that is locked; those of ML-KEM, of which the library loads few, are unlocked here.

    Raises:
        PassphraseError: the passphrase is missing or wrong.
        CredentialError: the lock is broken, not supported, or takes too long.
    """
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm

    from smime_session.keys.pbes2 import check_work

    _check_headers(piece)
    check_work(der_of(piece))
    if not passphrase:
        raise _failure(passphrase)
    try:
        return load(passphrase)
    except (ValueError, InternalError, UnsupportedAlgorithm) as error:
        if "Unknown key encryption algorithm" in str(error) or "unknown cipher" in str(error):
            raise CredentialError("the private key is locked with an algorithm that is not supported") from error
        # one wrong passphrase in 256 comes as far as a key of a kind that the library does not know
        if "deserialize" in str(error) and (key := ml_kem.unlock(der_of(piece), passphrase)):
            return key
        raise _failure(passphrase) from error


def _check_headers(piece: Piece) -> None:
    """Check the headers of a PEM block that say how it is locked (RFC 1421, 4.6.1.3): the library does not.

    Raises:
        CredentialError: an initialisation vector is not as long as the cipher's blocks.
    """
    found = _LOCKED_WITH.findall(piece.octets)
    sound = all(len(vector) == 2 * _BLOCK_SIZES.get(cipher, len(vector) // 2) for cipher, vector in found)
    if not sound or len(found) != piece.octets.count(b"DEK-Info"):
        raise CredentialError("the private key is broken")


def load_pkcs12(data: bytes, passphrase: bytes | None) -> tuple[PrivateKey | None, list[x509.Certificate]]:
    """Return the private key in a PKCS#12 file, or None if it has none, and the certificates.

    Raises:
        PassphraseError: it is locked and the passphrase is missing or wrong.
        CredentialError: it is broken, or holds what is not supported.
    """
    from cryptography import x509
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

    from smime_session.keys import pkcs12

    pkcs12.check_work(data)
    for attempt in (passphrase, None) if passphrase and _possible_in_pkcs12(passphrase) else (None,):
        try:
            key, certificate, others = load_key_and_certificates(data, attempt)
        except UnsupportedAlgorithm as error:
            raise CredentialError("this kind of private key is not supported") from error
        except x509.InvalidVersion as error:
            raise CredentialError("the PKCS#12 file holds a broken certificate") from error
        except InternalError as error:
            raise CredentialError("the PKCS#12 file holds a broken private key") from error
        except ValueError as error:
            if found := _ml_kem_in_pkcs12(data, attempt, unknown="deserialize" in str(error)):
                return found
            continue  # the library has one error for a wrong passphrase and for a damaged file
        return software.private_key(key) if key else None, [certificate, *others] if certificate else others
    raise _failure(passphrase)


def _ml_kem_in_pkcs12(
    data: bytes, passphrase: bytes | None, *, unknown: bool
) -> tuple[PrivateKey, list[x509.Certificate]] | None:
    """Return the ML-KEM key in a PKCS#12 file with the certificates, or None if the passphrase seems not to fit.

    Args:
        data: the file.
        passphrase: perhaps its passphrase.
        unknown: whether the library got as far as a key that it does not know.

    Raises:
        CredentialError: the key cannot be used; or it is unknown, and the file broken or not supported.
    """
    from smime_session.keys import pkcs12

    try:
        found = pkcs12.load(data, passphrase)
        return found and (software.private_key(found[0]), found[1])
    except UnusableKeyError:
        raise
    except CredentialError:
        if unknown:
            raise
        return None


def _possible_in_pkcs12(passphrase: bytes) -> bool:
    """Tell whether PKCS#12 can hold a passphrase: it is text without NUL (RFC 7292, B.1)."""
    try:
        return "\0" not in passphrase.decode()
    except UnicodeDecodeError:
        return False


def _failure(passphrase: bytes | None) -> PassphraseError:
    if passphrase:
        return PassphraseError("the passphrase does not unlock the private key", missing=False)
    return PassphraseError("the private key is locked with a passphrase", missing=True)
