"""How private keys and PKCS#12 files are locked with a passphrase: read, held against limits, opened.

PBES2 (RFC 8018, 6.2) is opened here, with PBKDF2 or scrypt and AES or Triple-DES. Other locks are opened by the
cryptography library along with what is in them: few for private keys, many for PKCS#12.

A lock says how much work opening it is. So every lock is read before any passphrase is tried.
"""

from __future__ import annotations

import hmac
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from asn1crypto.core import Integer, OctetString, Sequence
from asn1crypto.keys import EncryptedPrivateKeyInfo
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from smime_session.algorithms import (
    AES_128_CBC,
    AES_192_CBC,
    AES_256_CBC,
    DES_EDE3_CBC,
    PBES2_OID,
    PBKDF2_OID,
    SCRYPT_OID,
    ContentEncryption,
    name_of,
)
from smime_session.cms.pbkdf2 import Pbkdf2, pbkdf2_from
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.errors import LimitError, MalformedError, UnsupportedAlgorithmError
from smime_session.keys.passwords import decrypt_blocks, derive
from smime_session.session_key import SessionKey
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

MAX_WORK: Final = 10_000_000  # iterations for all locks of a file: seconds; programs write up to a million for each
MAX_SCRYPT_MEMORY: Final = 64 << 20  # bytes: twice what OpenSSL grants, so that no key is locked with more

_SCRYPT_WORK: Final = 2  # iterations of PBKDF2 that take as long as one block of scrypt
_CIPHERS: Final = {cipher.oid: cipher for cipher in (AES_256_CBC, AES_192_CBC, AES_128_CBC, DES_EDE3_CBC)}

_PBE_TRIPLE_DES: Final = "1.2.840.113549.1.12.1.3"

PKCS8: Final = frozenset(
    {
        "1.2.840.113549.1.5.3",  # MD5 and DES
        *(f"1.2.840.113549.1.12.1.{kind}" for kind in (1, 3, 6)),  # RC4 of 128 bits, Triple-DES, RC2 of 40 bits
    }
)
"""What the library opens a private key with (RFC 8018, A.3; RFC 7292, C)."""

PKCS12: Final = PKCS8 | {
    *(f"1.2.840.113549.1.5.{kind}" for kind in (6, 10, 11)),  # RFC 8018, A.3
    *(f"1.2.840.113549.1.12.1.{kind}" for kind in (2, 4, 5)),  # RFC 7292, C
    *("1.2.840.113549.3.2", "1.3.14.3.2.7"),  # RC2, DES
    *("1.3.6.1.4.1.3029.1.2", "1.2.840.113533.7.66.10"),  # Blowfish, CAST5
    *("1.2.410.200004.1.4", "1.3.6.1.4.1.188.7.1.1.2"),  # SEED, IDEA
    *(f"1.2.392.200011.61.1.1.1.{kind}" for kind in (2, 3, 4)),  # Camellia
    *(f"1.2.410.200046.1.1.{kind}" for kind in (2, 7, 12)),  # ARIA
    *(f"1.2.840.113549.2.{kind}" for kind in (6, 12, 13)),  # HMAC with MD5, SHA-512/224, SHA-512/256
    *(f"2.16.840.1.101.3.4.2.{kind}" for kind in (13, 14, 15, 16)),  # HMAC with SHA-3
}
"""What the library opens things in PKCS#12 with: schemes, PBES2's ciphers and PBKDF2's pseudorandom functions."""


class _ScryptParams(Sequence):  # type: ignore[misc]  # untyped
    """RFC 7914, 7.1."""

    _fields = [  # noqa: RUF012  # asn1crypto completes it
        *(("salt", OctetString), ("n", Integer), ("r", Integer), ("p", Integer)),
        ("length", Integer, {"optional": True}),
    ]


class Lock(NamedTuple):
    """A lock that can be opened.

    Attributes:
        name: what it locks with, for people.
        cipher: the cipher; None if the library opens it.
        vector: the cipher's initialisation vector.
        key: makes the cipher's key of a passphrase.
        salt: for Triple-DES with a key as PKCS#12 derives it (RFC 7292, C), which needs no library: of that key.
        iterations: the same.
    """

    name: str
    cipher: ContentEncryption | None = None
    vector: bytes = b""
    key: Callable[[bytearray], SessionKey] = SessionKey
    salt: bytes = b""
    iterations: int = 0

    def open(self, ciphertext: bytes, passphrase: bytes) -> SessionKey | None:
        """Decrypt what is locked; None if the passphrase does not fit, of 256 wrong ones all but one.

        The answer is a secret of any size, to be wiped like a session key.

        Raises:
            MalformedError: it does not consist of whole blocks, or the library opens this lock.
        """
        if self.cipher is None or not ciphertext or len(ciphertext) % self.cipher.block_size:
            raise MalformedError(f"{self.name} makes no ciphertext of {len(ciphertext)} bytes")
        with (
            SessionKey(bytearray(passphrase)) as secret,
            self.key(secret.material) as key,
            SessionKey(decrypt_blocks(key, self.cipher, self.vector, ciphertext)) as padded,
        ):
            count = padded.material[-1]  # RFC 8018, 6.1.1
            end = len(padded) - count
            fits = hmac.compare_digest(padded.material[end:], bytes((count,)) * count)
            return SessionKey(padded.material[:end]) if fits and 1 <= count <= self.cipher.block_size else None


class Budget:
    """The work that all locks of one file may make together, in iterations of PBKDF2."""

    def __init__(self) -> None:
        self._left = MAX_WORK

    def spend(self, work: int) -> None:
        """Take some of it, before the work begins.

        Raises:
            LimitError: it is more than what is left.
            MalformedError: this is no amount of work.
        """
        self._left -= work
        if self._left < 0:
            raise LimitError("the number of iterations", MAX_WORK)
        if work < 1:
            raise MalformedError("a lock has at least one iteration")


@contextmanager
def reading() -> Iterator[None]:
    """Turn what asn1crypto raises on bytes that are not what they should be into an error of ours.

    Raises:
        MalformedError: the bytes are.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise MalformedError("its encoding is broken") from error


def locked_private_key(octets: bytes) -> tuple[Lock, bytes]:
    """Return the lock of an EncryptedPrivateKeyInfo (RFC 5958, 3) and what it locks.

    Raises:
        UnsupportedAlgorithmError: the lock is not supported.
        MalformedError: it is broken.
        LimitError: it asks for more work than any honest lock does.
    """
    with reading():
        info = EncryptedPrivateKeyInfo.load(octets, strict=True)
        lock = lock_from(info["encryption_algorithm"], PKCS8, Budget())
        ciphertext: bytes = info["encrypted_data"].native
    return lock, ciphertext


def lock_from(scheme: Any, library: Collection[str], budget: Budget) -> Lock:  # noqa: ANN401  # untyped
    """Read an EncryptionAlgorithm of asn1crypto's.

    Args:
        scheme: it.
        library: what the library opens where this lock is: :data:`PKCS8` or :data:`PKCS12`.
        budget: what opening it is paid from.

    Raises:
        UnsupportedAlgorithmError: it names an algorithm that neither this module nor the library has.
        MalformedError: it is broken.
        LimitError: it asks for more work than any honest lock does.
    """
    with reading():
        if scheme["algorithm"].dotted != PBES2_OID:
            _check(scheme, "lock", library)
            iterations = scheme["parameters"]["iterations"].native
            budget.spend(iterations)
            salt = scheme["parameters"]["salt"].native if scheme["algorithm"].dotted == _PBE_TRIPLE_DES else b""
            if not isinstance(salt, bytes):
                raise MalformedError("the salt of a lock is broken")
            return Lock(name_in(scheme), salt=salt, iterations=iterations)
        how, what = scheme["parameters"]["key_derivation_func"], scheme["parameters"]["encryption_scheme"]
        name, cipher = name_in(what), _CIPHERS.get(what["algorithm"].dotted)
        if cipher is None:
            _check(what, "cipher", library)
            budget.spend(how["parameters"]["iteration_count"].native)
            return Lock(name)
        try:
            key = derivation_from(how, cipher.key_size, cipher.name, budget)
        except UnsupportedAlgorithmError as error:
            if error.oid not in library:
                raise
            return Lock(error.name or error.oid)
        vector = what["parameters"].native
        if not isinstance(vector, bytes) or len(vector) != cipher.nonce_size:
            raise MalformedError(f"the initialisation vector of {name} is broken")
        return Lock(name, cipher, vector, key)


def derivation_from(
    how: Any,  # noqa: ANN401  # untyped
    size: int,
    purpose: str,
    budget: Budget,
) -> Callable[[bytearray], SessionKey]:
    """Read a KdfAlgorithm of asn1crypto's; return what makes a key of ``size`` bytes, which ``purpose`` wants.

    Raises:
        UnsupportedAlgorithmError: it is neither PBKDF2 nor scrypt, or has another pseudorandom function.
        MalformedError: it is broken.
        LimitError: it asks for more work than any honest lock does, or for more memory.
    """
    oid, parameters = how["algorithm"].dotted, how["parameters"]
    if oid == SCRYPT_OID:
        found = _ScryptParams.load(parameters.dump(), strict=True).native
        return partial(_scrypt, _checked(found, budget), size)
    if oid == PBKDF2_OID:
        budget.spend(parameters["iteration_count"].native)
    derivation: Pbkdf2 = pbkdf2_from(AlgorithmIdentifier(oid, parameters.dump()), size, purpose)
    return lambda passphrase: derive(passphrase, derivation, size)


def _checked(found: Any, budget: Budget) -> Any:  # noqa: ANN401  # untyped
    """Check the parameters of scrypt (RFC 7914, 2)."""
    memory = 128 * found["n"] * found["r"]
    if memory > MAX_SCRYPT_MEMORY:
        raise LimitError("the memory that scrypt takes", MAX_SCRYPT_MEMORY, "bytes")
    if found["n"].bit_count() != 1 or found["n"] == 1 or found["r"] < 1:
        raise MalformedError("the parameters of scrypt are malformed")
    budget.spend(_SCRYPT_WORK * found["n"] * found["r"] * found["p"])
    return found


def _scrypt(parameters: Any, size: int, passphrase: bytearray) -> SessionKey:  # noqa: ANN401  # untyped
    made = bytearray(size)
    Scrypt(parameters["salt"], size, parameters["n"], parameters["r"], parameters["p"]).derive_into(passphrase, made)
    return SessionKey(made)


def _check(algorithm: Any, role: str, library: Collection[str]) -> None:  # noqa: ANN401  # untyped
    if (oid := algorithm["algorithm"].dotted) not in library:
        raise UnsupportedAlgorithmError(role, oid, name_in(algorithm))


def name_in(algorithm: Any) -> str:  # noqa: ANN401  # untyped
    """Name an AlgorithmIdentifier's algorithm, at worst by its object identifier."""
    return name_of(algorithm["algorithm"].dotted) or excerpt(algorithm["algorithm"].native)
