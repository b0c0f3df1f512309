"""What a private key does, wherever it is: in a file that was loaded, or in a token that computes inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from smime_session.errors import CredentialError, PassphraseError

if TYPE_CHECKING:
    from smime_session.algorithms import KeyTransport, SignatureAlgorithm
    from smime_session.certificates.public_key import PublicKey


class UnusableKeyError(CredentialError):
    """A private key was found that cannot be used.

    Attributes:
        name: its kind and size: ``RSA-2048``, ``ML-KEM-768``; None if that is not known.
        use: what a listing says of its use.
    """

    def __init__(self, sentence: str, *, name: str | None, use: str) -> None:
        super().__init__(sentence)
        self.name = name
        self.use = use


class UnsupportedLockError(UnusableKeyError):
    """Something is locked with an algorithm that is not supported.

    Attributes:
        container: the kind of its file: ``PKCS#8`` or ``PKCS#12``, or ``PEM`` for the older kind (RFC 1421).
    """

    def __init__(self, what: str, container: Literal["PKCS#8", "PKCS#12", "PEM"], algorithm: str) -> None:
        problem = f"locked with {algorithm}, which is not supported"
        super().__init__(f"{what} is {problem}", name=None, use=f"not usable: {problem}")
        self.container = container


def not_unlocked(*, missing: bool) -> PassphraseError:
    """Return the error that tells whether a passphrase is missing or wrong."""
    if missing:
        return PassphraseError("the private key is locked with a passphrase", missing=True)
    return PassphraseError("the passphrase does not unlock the private key", missing=False)


class PrivateKey(Protocol):
    """A private key; it gives out what it computes, and nothing of itself.

    Each kind of key does a part of this; the rest raises :class:`CredentialError`.
    """

    @property
    def public_key(self) -> PublicKey:
        """The public key that belongs to it."""
        ...

    def decrypt(self, ciphertext: bytes, algorithm: KeyTransport, /) -> bytes | None:
        """Decrypt with RSA; None if the padding does not fit, or the ciphertext is none for this key.

        The caller erases what is returned.
        """
        ...

    def decoy_secret(self) -> bytes:
        """Return what decoys of :meth:`decrypt` are made with: 32 bytes, the same whenever this key is loaded.

        The caller erases it.
        """
        ...

    def exchange(self, point: bytes, /) -> bytes:
        """Return the raw secret that this key and a public one on the same curve agree on (RFC 5753, RFC 7748).

        The caller erases it.

        Args:
            point: the public key: a point, compressed or not, or the bytes of X25519 and X448.

        Raises:
            MalformedError: this is no point on the curve, or one with which every private key agrees on zero.
        """
        ...

    def decapsulate(self, ciphertext: bytes, /) -> bytes:
        """Return the secret that a KEM's ciphertext carries, or another one if it was altered (FIPS 203, 6.3).

        The caller erases it.
        """
        ...

    def sign(self, data: bytes, algorithm: SignatureAlgorithm, /) -> bytes:
        """Sign ``data``; ECDSA's signature is in DER (RFC 5753, 7.2).

        Raises:
            CredentialError: a key of this kind does not sign so.
        """
        ...
