"""Private keys in memory: the only module that knows the cryptography library's private keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes  # hashlib would load a second OpenSSL
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, mlkem, padding, rsa, x448, x25519

from smime_session.algorithms import KEM_SECRET_SIZE
from smime_session.certificates.public_key import PublicKey
from smime_session.certificates.signatures import HASHES, pss_padding
from smime_session.errors import CredentialError, MalformedError
from smime_session.keys.private_key import UnusableKeyError
from smime_session.keys.rsa_padding import encryption_padding
from smime_session.memory import erase, overwriting_freed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from smime_session.algorithms import KeyTransport, SignatureAlgorithm

    SigningKeys = (
        ed25519.Ed25519PrivateKey
        | ed448.Ed448PrivateKey
        | mldsa.MLDSA44PrivateKey
        | mldsa.MLDSA65PrivateKey
        | mldsa.MLDSA87PrivateKey
    )

_ECDH: Final = ec.ECDH()


def private_key(key: PrivateKeyTypes, *, only_signs: bool = False) -> SoftwareKey:
    """Return what the cryptography library loaded or made.

    Args:
        key: its object.
        only_signs: whether it is an RSA key that its file keeps for signatures.

    Raises:
        UnusableKeyError: it is an RSA key whose numbers contradict each other.
    """
    match key:
        case rsa.RSAPrivateKey():
            return RsaKey(key, only_signs=only_signs)
        case ec.EllipticCurvePrivateKey():
            return EcKey(key)
        case x25519.X25519PrivateKey() | x448.X448PrivateKey():
            return MontgomeryKey(key)
        case mlkem.MLKEM768PrivateKey() | mlkem.MLKEM1024PrivateKey():
            return KemKey(key)
        case (
            ed25519.Ed25519PrivateKey()
            | ed448.Ed448PrivateKey()
            | mldsa.MLDSA44PrivateKey()
            | mldsa.MLDSA65PrivateKey()
            | mldsa.MLDSA87PrivateKey()
        ):
            return SigningKey(key)
        case _:
            return SoftwareKey(key)


class SoftwareKey:
    """A private key of a kind that does nothing here: it can be named.

    Args:
        key: the cryptography library's object.

    Attributes:
        only_signs: whether its file keeps it for signatures (RFC 4055, 1.2), which the key itself does not tell.
    """

    only_signs = False

    def __init__(self, key: PrivateKeyTypes) -> None:
        self._public_key = PublicKey.of(key.public_key())
        self._loaded = key

    @property
    def loaded(self) -> PrivateKeyTypes:
        """The library's object, to issue certificates with or to write to another file; a token's key has none."""
        return self._loaded

    @property
    def public_key(self) -> PublicKey:
        """The public key that belongs to it."""
        return self._public_key

    def decrypt(self, _ciphertext: bytes, _algorithm: KeyTransport, /) -> bytes | None:
        """Refuse to."""
        raise self._refusal("decrypt")

    def decoy_secret(self) -> bytes:
        """Refuse to."""
        raise self._refusal("decrypt")

    def exchange(self, _point: bytes, /) -> bytes:
        """Refuse to."""
        raise self._refusal("agree on secrets")

    def decapsulate(self, _ciphertext: bytes, /) -> bytes:
        """Refuse to."""
        raise self._refusal("decapsulate")

    def sign(self, _data: bytes, algorithm: SignatureAlgorithm, /) -> bytes:
        """Refuse to."""
        raise self._refusal(f"sign with {algorithm.scheme}{f' and {algorithm.hash}' if algorithm.hash else ''}")

    def _refusal(self, what: str) -> CredentialError:
        return CredentialError(f"a private key of kind {self._public_key.kind} does not {what}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._public_key.kind}>"


class RsaKey(SoftwareKey):
    """An RSA key.

    Raises:
        UnusableKeyError: its numbers contradict each other.
    """

    def __init__(self, key: rsa.RSAPrivateKey, *, only_signs: bool = False) -> None:
        _check(key)
        super().__init__(key)
        self._key = key
        self.only_signs = only_signs

    def decrypt(self, ciphertext: bytes, algorithm: KeyTransport, /) -> bytes | None:
        """Decrypt with RSAES-OAEP or RSAES-PKCS1-v1_5."""
        size = (self._key.key_size + 7) // 8
        with overwriting_freed(size):
            try:
                return self._key.decrypt(ciphertext, encryption_padding(algorithm))
            except ValueError:
                return None

    def decoy_secret(self) -> bytes:
        """Return a digest of the private exponent."""
        exponent = self._key.private_numbers().d
        encoded = exponent.to_bytes((exponent.bit_length() + 7) // 8)
        digest = hashes.Hash(hashes.SHA256())
        digest.update(b"decoys of key transport")
        try:
            digest.update(encoded)
            return digest.finalize()
        finally:
            erase(encoded)

    def sign(self, data: bytes, algorithm: SignatureAlgorithm, /) -> bytes:
        """Sign with RSASSA-PSS, whose salt is as long as the hash (RFC 4055, 3.1), or RSASSA-PKCS1-v1_5."""
        if algorithm.hash is None or algorithm.scheme not in {"RSASSA-PSS", "RSASSA-PKCS1-v1_5"}:
            return super().sign(data, algorithm)
        wanted = pss_padding(algorithm) if algorithm.scheme == "RSASSA-PSS" else padding.PKCS1v15()
        try:
            return self._key.sign(data, wanted, HASHES[algorithm.hash]())
        except ValueError as error:
            raise CredentialError(f"the RSA key is too small to sign with {algorithm.hash}") from error


class EcKey(SoftwareKey):
    """A key on a NIST or Brainpool curve, or any other that the library knows."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        super().__init__(key)
        self._key = key

    def exchange(self, point: bytes, /) -> bytes:
        """Return the x coordinate that ECDH gives (RFC 5753, 7.1.4); no point of these curves is a weak one."""
        try:
            public_key = ec.EllipticCurvePublicKey.from_encoded_point(self._key.curve, point)
            return self._key.exchange(_ECDH, public_key)
        except ValueError as error:
            raise _no_point(self.public_key) from error

    def sign(self, data: bytes, algorithm: SignatureAlgorithm, /) -> bytes:
        """Sign with ECDSA."""
        if algorithm.hash is None or algorithm.scheme != "ECDSA":
            return super().sign(data, algorithm)
        return self._key.sign(data, ec.ECDSA(HASHES[algorithm.hash]()))


class MontgomeryKey(SoftwareKey):
    """A key on X25519 or X448."""

    def __init__(self, key: x25519.X25519PrivateKey | x448.X448PrivateKey) -> None:
        super().__init__(key)
        self._key = key
        self._size = len(key.public_key().public_bytes_raw())

    def exchange(self, point: bytes, /) -> bytes:
        """Return the raw secret (RFC 7748, 6)."""
        if len(point) != self._size:
            raise _no_point(self.public_key)
        try:
            if isinstance(self._key, x25519.X25519PrivateKey):
                return self._key.exchange(x25519.X25519PublicKey.from_public_bytes(point))
            return self._key.exchange(x448.X448PublicKey.from_public_bytes(point))
        except ValueError as error:
            raise MalformedError("the originator's public key agrees on no secret with any other") from error


class KemKey(SoftwareKey):
    """An ML-KEM key."""

    def __init__(self, key: mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey) -> None:
        super().__init__(key)
        self._key = key

    def decapsulate(self, ciphertext: bytes, /) -> bytes:
        """Return the secret."""
        with overwriting_freed(KEM_SECRET_SIZE):
            return self._key.decapsulate(ciphertext)


class SigningKey(SoftwareKey):
    """A key on Ed25519 or Ed448, or of ML-DSA, which signs and does nothing else."""

    def __init__(self, key: SigningKeys) -> None:
        super().__init__(key)
        self._key = key
        edwards = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
        self._scheme = "EdDSA" if edwards else "ML-DSA"

    def sign(self, data: bytes, algorithm: SignatureAlgorithm, /) -> bytes:
        """Sign with EdDSA or ML-DSA, the pure ones without a context (RFC 8419, 2; RFC 9882, 2)."""
        return self._key.sign(data) if algorithm.scheme == self._scheme else super().sign(data, algorithm)


def _no_point(public_key: PublicKey) -> MalformedError:
    return MalformedError(f"the originator's public key is no point on {public_key.kind}")


def _check(key: rsa.RSAPrivateKey) -> None:
    """Check that the key's numbers belong together.

    Loading skips the library's full check, which tests two large primes and takes a hundred times
    as long as opening a message; what remains finds any damaged file.
    """
    numbers = key.private_numbers()
    p, q, d = numbers.p, numbers.q, numbers.d
    n, e = numbers.public_numbers.n, numbers.public_numbers.e
    sound = (
        min(p, q) > 1
        and p * q == n
        and e * d % (p - 1) == 1
        and e * d % (q - 1) == 1
        and (numbers.dmp1, numbers.dmq1) == (d % (p - 1), d % (q - 1))
        and numbers.iqmp * q % p == 1
    )
    if not sound:
        words = "the RSA private key is broken: its numbers contradict each other"
        raise UnusableKeyError(words, name=f"RSA-{n.bit_length()}", use=f"not usable: {words}")
