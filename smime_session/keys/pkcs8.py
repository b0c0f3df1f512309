"""PKCS#8: a private key, unlocked or locked (RFC 5958)."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key

from smime_session.algorithms import AES_256_CBC, ML_KEM_OIDS, PBES2_OID, RSASSA_PSS_OID
from smime_session.cms import asn1, codec
from smime_session.cms.pbkdf2 import Pbkdf2, pbkdf2_identifier
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.errors import CredentialError, LimitError, MessageError, UnsupportedAlgorithmError
from smime_session.keys import ml_kem, software
from smime_session.keys.passwords import PRF, SALT_SIZE, block_context, derive
from smime_session.keys.private_key import UnsupportedLockError, not_unlocked
from smime_session.memory import lent
from smime_session.profiles import PBKDF2_ITERATIONS
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from smime_session.keys.software import SoftwareKey

_UNSUPPORTED: Final = "this kind of private key is not supported"


def is_locked(octets: bytes) -> bool:
    """Tell whether this is an EncryptedPrivateKeyInfo (RFC 5958, 3), by its tags."""
    try:
        return [part.tag for part in asn1.parse(octets).children()] == [asn1.SEQUENCE, asn1.OCTET_STRING]
    except MessageError:
        return False


def key_from(octets: bytes) -> SoftwareKey:
    """Return the private key in a PrivateKeyInfo (RFC 5958, 2), or one in another encoding that is not locked.

    Raises:
        UnusableKeyError: it cannot be used.
        CredentialError: it is broken, or of a kind that is not supported.
    """
    oid, key = _algorithm_and_key(octets)
    if key is not None and oid in ML_KEM_OIDS:
        return software.private_key(ml_kem.key_from(oid, key.contents))
    # The library's own check of RSA keys takes many times as long as opening a message;
    # the software key checks that the numbers belong together.
    try:
        made = load_der_private_key(octets, None, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm as error:
        raise CredentialError(_UNSUPPORTED) from error
    except (ValueError, TypeError, InternalError) as error:  # the last for a key that is labelled as another kind
        raise CredentialError("the private key is broken, or of a kind that is not supported") from error
    return software.private_key(made, only_signs=oid == RSASSA_PSS_OID)


def unlock(octets: bytes, passphrase: bytes | None) -> SoftwareKey:
    """Return the private key in an EncryptedPrivateKeyInfo (RFC 5958, 3).

    Raises:
        PassphraseError: the passphrase is missing or wrong.
        UnsupportedLockError: it is locked in a way that is not supported.
        CredentialError: it is broken, or takes too much work to unlock, or its key cannot be used.
    """
    from smime_session.keys import locks  # loads asn1crypto, for locked keys alone: 21 ms

    try:
        lock, ciphertext = locks.locked_private_key(octets)
        if not passphrase:
            raise not_unlocked(missing=True)
        if lock.cipher is None:
            load = partial(load_der_private_key, octets, passphrase, unsafe_skip_rsa_key_validation=True)
            return software.private_key(opened_by_library(load))
        opened = lock.open(ciphertext, passphrase)
    except UnsupportedAlgorithmError as error:
        raise UnsupportedLockError("the private key", "PKCS#8", error.name or error.oid) from error
    except LimitError as error:
        raise CredentialError(f"the private key cannot be unlocked: {error}") from error
    except MessageError as error:
        raise CredentialError(f"the private key is broken: {error}") from error
    if opened is None:
        raise not_unlocked(missing=False)
    with opened, lent(opened.material) as unlocked:
        if _algorithm_and_key(unlocked)[1] is None:  # one wrong passphrase in 256 leaves what looks like padding
            raise not_unlocked(missing=False)
        return key_from(unlocked)


def locked(octets: bytes, passphrase: bytes) -> bytes:
    """Lock a PrivateKeyInfo; return an EncryptedPrivateKeyInfo (RFC 5958, 3) with a salt of its own.

    The key is made with as much work as that of a message for a password: the library locks with 2,048
    iterations and no other number, which are tried fast.
    """
    cipher, vector = AES_256_CBC, os.urandom(AES_256_CBC.nonce_size)
    derivation = Pbkdf2(os.urandom(SALT_SIZE), PBKDF2_ITERATIONS, PRF)
    missing = cipher.block_size - len(octets) % cipher.block_size
    with (
        SessionKey(bytearray(passphrase)) as secret,
        derive(secret.material, derivation, cipher.key_size) as key,
        SessionKey(bytearray(len(octets) + missing)) as padded,
    ):
        padded.material[: len(octets)] = octets
        padded.material[len(octets) :] = bytes((missing,)) * missing
        ciphertext = block_context(key, cipher, vector, decrypt=False).update(padded.material)
    encryption = AlgorithmIdentifier(cipher.oid, asn1.encode(asn1.OCTET_STRING, vector))
    both = (pbkdf2_identifier(derivation), codec.algorithm_identifier(encryption))
    scheme = AlgorithmIdentifier(PBES2_OID, asn1.encode(asn1.SEQUENCE, *both))
    return asn1.encode(asn1.SEQUENCE, codec.algorithm_identifier(scheme), asn1.encode(asn1.OCTET_STRING, ciphertext))


def opened_by_library(load: Callable[[], PrivateKeyTypes]) -> PrivateKeyTypes:
    """Return what the library unlocks with a passphrase.

    Raises:
        PassphraseError: the passphrase is wrong.
        CredentialError: the key is of a kind that is not supported.
    """
    try:
        return load()
    except UnsupportedAlgorithm as error:
        raise CredentialError(_UNSUPPORTED) from error
    except (ValueError, InternalError) as error:  # of wrong passphrases, one in 256 comes as far as a broken key
        raise not_unlocked(missing=False) from error


def _algorithm_and_key(octets: bytes) -> tuple[str, asn1.Element | None]:
    """Return the algorithm and the key of a PrivateKeyInfo (RFC 5958, 2); neither of anything else."""
    try:
        parts = asn1.parse(octets).children()
        if [part.tag for part in parts[:3]] == [asn1.INTEGER, asn1.SEQUENCE, asn1.OCTET_STRING]:
            return codec.algorithm_identifier_from(parts[1]).oid, parts[2]
    except MessageError:
        pass
    return "", None
