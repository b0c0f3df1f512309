"""Load private keys as identities: PEM, DER and PKCS#12, locked with a passphrase or not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from smime_session.credentials import ml_kem
from smime_session.credentials.certificates import certificates_in
from smime_session.credentials.files import Kind, Piece, der_of, read
from smime_session.credentials.fitness import kind_of_key, only_signs
from smime_session.credentials.quiet import quietly
from smime_session.errors import CredentialError, PassphraseError
from smime_session.recipients import technique_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes

    from smime_session.recipients import Identity

_LOCKED_WITH_MORE: Final = "holds an ML-KEM key that is not stored as its seed alone"  # this cannot be unlocked here


@quietly()
def load_identities(data: bytes, passphrase: bytes | None = None) -> list[Identity]:
    """Return an identity for each private key in a file and each certificate there that belongs to it.

    A key without a certificate is an identity too. A passphrase that is not needed is ignored.

    Raises:
        PassphraseError: a private key is locked and the passphrase is missing or wrong.
        CredentialError: there is no private key, and the error says what there is instead; or it is
            broken or of a kind that is not supported.
    """
    pieces = read(data)
    keys: list[PrivateKeyTypes] = []
    certificates = certificates_in(pieces)
    for piece in pieces:
        if piece.kind is Kind.PRIVATE_KEY:
            keys.append(load_key(piece, passphrase))
        elif piece.kind is Kind.PKCS12:
            key, enclosed = load_pkcs12(piece.octets, passphrase)
            if key is None:
                raise CredentialError("the PKCS#12 file holds no private key")
            keys.append(key)
            certificates += enclosed
    if not keys:
        raise CredentialError(f"this is {pieces[0].kind}, not a private key")
    return _identities(keys, certificates)


def _identities(keys: list[PrivateKeyTypes], certificates: list[x509.Certificate]) -> list[Identity]:
    """Pair keys with certificates; keys that cannot decrypt are left out as long as another can."""
    identities: list[Identity] = []
    seen: set[bytes] = set()
    for key in keys:
        spki = encoded_key(key.public_key())
        technique = technique_for(key.public_key())
        if technique is None or spki in seen:
            continue
        seen.add(spki)
        own: list[x509.Certificate | None] = [each for each in dict.fromkeys(certificates) if _key_in(each) == spki]
        identities += [technique.identity(key, certificate, certificates) for certificate in own or [None]]
    if not identities:
        raise CredentialError(_unusable(kind_of_key(keys[0])))
    return identities


def _unusable(kind: str) -> str:
    if only_signs(kind):
        return f"this kind of key cannot decrypt mail: {kind}"
    return f"this kind of key is not supported: {kind}"


def encoded_key(public_key: object) -> bytes:
    """Return the SubjectPublicKeyInfo of a public key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    encoded: bytes = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return encoded


def _key_in(certificate: x509.Certificate) -> bytes | None:
    public_key = public_key_in(certificate)
    return None if public_key is None else encoded_key(public_key)


def public_key_in(certificate: x509.Certificate) -> CertificatePublicKeyTypes | None:
    """Return the public key in a certificate, or None if it cannot be read."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):  # of a kind that is not known here, an issuer's perhaps
        return None


def load_key(piece: Piece, passphrase: bytes | None) -> PrivateKeyTypes:
    """Return the private key in a piece of a file.

    Raises:
        PassphraseError: it is locked and the passphrase is missing or wrong.
        CredentialError: it is broken, or of a kind that is not supported.
    """
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

    if not piece.complete:
        raise CredentialError("the private key is cut off")
    if key := ml_kem.load(der_of(piece)):
        return key
    load = load_pem_private_key if piece.octets.startswith(b"-----") else load_der_private_key
    # the library's own check of RSA keys takes many times as long as opening a message;
    # making an identity checks that the numbers belong together
    return _unlock(partial(load, piece.octets, unsafe_skip_rsa_key_validation=True), passphrase)


def _unlock(load: Callable[[bytes | None], PrivateKeyTypes], passphrase: bytes | None) -> PrivateKeyTypes:
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm

    try:
        return load(None)
    except TypeError as error:  # this is how the library says that the key is locked
        if not passphrase:
            raise _failure(passphrase) from error
    except UnsupportedAlgorithm as error:
        raise CredentialError("this kind of private key is not supported") from error
    except (ValueError, InternalError) as error:  # the latter for a key of one kind that is labelled as another
        raise CredentialError("the private key is broken, or of a kind that is not supported") from error
    try:
        return load(passphrase)
    except (ValueError, InternalError, UnsupportedAlgorithm) as error:
        if "Unknown key encryption algorithm" in str(error):
            raise CredentialError("the private key is locked with an algorithm that is not supported") from error
        if "deserialize" in str(error):  # one wrong passphrase in 256 comes this far too
            words = f"the passphrase does not fit, or the file {_LOCKED_WITH_MORE}"
            raise PassphraseError(words, missing=False) from error
        raise _failure(passphrase) from error


def load_pkcs12(data: bytes, passphrase: bytes | None) -> tuple[PrivateKeyTypes | None, list[x509.Certificate]]:
    """Return the private key in a PKCS#12 file, or None if it has none, and the certificates.

    Raises:
        PassphraseError: it is locked and the passphrase is missing or wrong.
        CredentialError: it is broken, or holds what is not supported.
    """
    from cryptography import x509
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

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
            if "deserialize" in str(error):
                raise CredentialError(f"the PKCS#12 file is broken, or {_LOCKED_WITH_MORE}") from error
            continue  # the library has one error for a wrong passphrase and for a damaged file
        return key, [certificate, *others] if certificate else others
    raise _failure(passphrase)


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
