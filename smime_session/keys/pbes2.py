"""Locking with a passphrase: PBES2 as RFC 8018, 6.2 has it, with PBKDF2 and AES in CBC mode.

The cryptography library unlocks by itself whatever it can load afterwards. Unlocking here is for the keys that
it cannot load (:mod:`~smime_session.keys.ml_kem`), and for a look at how much work a lock makes. Locking
is for all new keys: the library locks with 2,048 iterations and no other number, which are tried fast.
"""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.algorithms import AES_128_CBC, AES_192_CBC, AES_256_CBC, PBES2_OID, name_of
from smime_session.cms import asn1, codec, pbkdf2
from smime_session.cms.pbkdf2 import Pbkdf2
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.errors import CredentialError, LimitError, MalformedError, MessageError, UnsupportedAlgorithmError
from smime_session.keys.passwords import PRF, SALT_SIZE, block_context, decrypt_blocks, derive
from smime_session.keys.pkcs8 import scheme_and_ciphertext
from smime_session.profiles import PBKDF2_ITERATIONS
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from smime_session.algorithms import ContentEncryption

_CIPHERS: Final = {cipher.oid: cipher for cipher in (AES_256_CBC, AES_192_CBC, AES_128_CBC)}


class Lock(NamedTuple):
    """How something is locked.

    Attributes:
        derivation: how the key is made of a passphrase.
        cipher: what it encrypts with.
        vector: the cipher's initialisation vector.
    """

    derivation: Pbkdf2
    cipher: ContentEncryption
    vector: bytes

    def open(self, octets: bytes, passphrase: bytes) -> SessionKey | None:
        """Decrypt what is locked; None if the passphrase does not fit, of 256 wrong ones all but one.

        The answer is a secret of any size, to be wiped like a session key.

        Raises:
            MalformedError: it does not consist of whole blocks.
        """
        if not octets or len(octets) % self.cipher.block_size:
            raise MalformedError(f"{self.cipher.name} makes no ciphertext of {len(octets)} octets")
        with (
            SessionKey(bytearray(passphrase)) as secret,
            derive(secret.material, self.derivation, self.cipher.key_size) as key,
            SessionKey(decrypt_blocks(key, self.cipher, self.vector, octets)) as padded,
        ):
            return _without_padding(padded, self.cipher.block_size)


def locked(pkcs8: bytes, passphrase: bytes) -> bytes:
    """Lock a PrivateKeyInfo; return an EncryptedPrivateKeyInfo (RFC 5958, 3) with a salt of its own.

    The key is made with as much work as that of a message for a password.
    """
    cipher, vector = AES_256_CBC, os.urandom(AES_256_CBC.nonce_size)
    derivation = Pbkdf2(os.urandom(SALT_SIZE), PBKDF2_ITERATIONS, PRF)
    missing = cipher.block_size - len(pkcs8) % cipher.block_size
    with (
        SessionKey(bytearray(passphrase)) as secret,
        derive(secret.material, derivation, cipher.key_size) as key,
        SessionKey(bytearray(len(pkcs8) + missing)) as padded,
    ):
        padded.material[: len(pkcs8)] = pkcs8
        padded.material[len(pkcs8) :] = bytes((missing,)) * missing
        ciphertext = block_context(key, cipher, vector, decrypt=False).update(padded.material)
    encryption = AlgorithmIdentifier(cipher.oid, asn1.encode(asn1.OCTET_STRING, vector))
    both = (pbkdf2.pbkdf2_identifier(derivation), codec.algorithm_identifier(encryption))
    scheme = AlgorithmIdentifier(PBES2_OID, asn1.encode(asn1.SEQUENCE, *both))
    return asn1.encode(asn1.SEQUENCE, codec.algorithm_identifier(scheme), asn1.encode(asn1.OCTET_STRING, ciphertext))


def lock_from(element: asn1.Element) -> Lock:
    """Read PBES2's AlgorithmIdentifier (RFC 8018, A.4).

    Raises:
        UnsupportedAlgorithmError: it names something else, or algorithms that are not spoken here.
        MalformedError: it is broken.
        LimitError: it asks for more work than any honest one does.
    """
    scheme = codec.algorithm_identifier_from(element)
    if scheme.oid != PBES2_OID:
        raise UnsupportedAlgorithmError("encryption scheme", scheme.oid, name_of(scheme.oid))
    derivation, encryption = algorithms_in(scheme)
    cipher = _CIPHERS.get(encryption.oid)
    if cipher is None:
        raise UnsupportedAlgorithmError("cipher of PBES2", encryption.oid, name_of(encryption.oid))
    vector = asn1.parse(encryption.parameters or b"").octets()
    if len(vector) != cipher.nonce_size:
        raise MalformedError(f"the initialisation vector of {cipher.name} has {len(vector)} octets")
    return Lock(pbkdf2.pbkdf2_from(derivation, cipher.key_size, cipher.name), cipher, vector)


def algorithms_in(scheme: AlgorithmIdentifier) -> tuple[AlgorithmIdentifier, AlgorithmIdentifier]:
    """Return the key derivation that a scheme names, and what is done with its key (RFC 8018, A.4 and A.5).

    Raises:
        MalformedError: the scheme's parameters are not these two.
    """
    parts = asn1.parse(scheme.parameters or b"").expect(asn1.SEQUENCE).children()
    if len(parts) != 2:  # noqa: PLR2004  # key derivation and its use
        raise MalformedError("the parameters of an encryption scheme are malformed")
    return codec.algorithm_identifier_from(parts[0]), codec.algorithm_identifier_from(parts[1])


def check_work(pkcs8: bytes) -> None:
    """Check that unlocking an EncryptedPrivateKeyInfo is no more work than any honest lock makes, before it begins.

    Raises:
        CredentialError: it would.
    """
    try:
        if found := scheme_and_ciphertext(pkcs8):
            lock_from(found[0])
    except LimitError as error:
        raise CredentialError(f"the private key cannot be unlocked: {error}") from error
    except MessageError:  # a lock of another kind
        return


def _without_padding(padded: SessionKey, block_size: int) -> SessionKey | None:
    """Return what was padded (RFC 5652, 6.3), or None if this is no padding."""
    count = padded.material[-1]
    end = len(padded) - count
    if not 1 <= count <= block_size or not hmac.compare_digest(padded.material[end:], bytes((count,)) * count):
        return None
    return SessionKey(padded.material[:end])
