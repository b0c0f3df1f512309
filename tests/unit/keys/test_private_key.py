"""The joint of private keys: a token that computes inside opens what is for it, and gives out nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mlkem, padding, rsa, x25519

from smime_session import (
    COMPAT,
    MODERN,
    CredentialError,
    DecryptionError,
    decrypt,
    encrypt,
    export_session_key,
    inspect,
    rewrap,
)
from smime_session.algorithms import AES_256_GCM as GCM
from smime_session.certificates.public_key import PublicKey
from smime_session.recipients.identities import identity_for
from tests.support.making import certificate

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from smime_session import Profile
    from smime_session.algorithms import KeyTransport, SignatureAlgorithm

TODAY: Final = replace(MODERN, insecure_expired=True)
PKCS1: Final = replace(COMPAT, insecure_expired=True)
TEXT: Final = b"\r\n\r\nGood morning\r\n"
MAIL: Final = b"From: a@example.org\r\nSubject: hello" + TEXT


class Token:
    """What a smart card is to a program: it has the key inside, here in the functions that it was given.

    Args:
        public_key: kind, size and SubjectPublicKeyInfo.
        **does: what it computes, by the names of the protocol.
    """

    def __init__(self, public_key: PublicKey, **does: Callable[..., bytes]) -> None:
        self.public_key = PublicKey(public_key.kind, public_key.bits, public_key.info)
        self._does = does
        self.asked: list[str] = []

    def _ask(self, what: str, *arguments: object) -> bytes:
        self.asked.append(what)
        return self._does[what](*arguments)

    def certificate(self, serial: int = 1) -> x509.Certificate:
        """Make its certificate; what names it is the serial number alone."""
        key = cast("CertificatePublicKeyTypes", self.public_key.loaded())
        return certificate("token@example.org", public_key=key, serial=serial)

    def decrypt(self, ciphertext: bytes, algorithm: KeyTransport, /) -> bytes | None:
        """Decrypt inside, with what PKCS#11 tells of a padding that does not fit."""
        try:
            return self._ask("decrypt", ciphertext, algorithm.hash)
        except ValueError:
            return None

    def decoy_secret(self) -> bytes:
        """Return what stays the same: a signature of a sentence."""
        return self._ask("decoy_secret")

    def exchange(self, point: bytes, /) -> bytes:
        """Agree inside."""
        return self._ask("exchange", point)

    def decapsulate(self, ciphertext: bytes, /) -> bytes:
        """Decapsulate inside."""
        return self._ask("decapsulate", ciphertext)

    def sign(self, data: bytes, algorithm: SignatureAlgorithm, /) -> bytes:
        """Sign inside."""
        return self._ask("sign", data, algorithm)


def _rsa() -> Token:
    key = rsa.generate_private_key(65537, 2048)

    def decrypt_inside(ciphertext: bytes, name: str | None) -> bytes:
        if name is None:
            return key.decrypt(ciphertext, padding.PKCS1v15())
        assert name == "SHA-256"
        return key.decrypt(ciphertext, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))

    def decoy_secret() -> bytes:
        return hashlib.sha256(key.sign(b"decoys", padding.PKCS1v15(), hashes.SHA256())).digest()

    return Token(PublicKey.of(key.public_key()), decrypt=decrypt_inside, decoy_secret=decoy_secret)


def _p256() -> Token:
    key = ec.generate_private_key(ec.SECP256R1())

    def exchange(point: bytes) -> bytes:
        return key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))

    return Token(PublicKey.of(key.public_key()), exchange=exchange)


def _x25519() -> Token:
    key = x25519.X25519PrivateKey.generate()

    def exchange(point: bytes) -> bytes:
        return key.exchange(x25519.X25519PublicKey.from_public_bytes(point))

    return Token(PublicKey.of(key.public_key()), exchange=exchange)


def _ml_kem() -> Token:
    key = mlkem.MLKEM768PrivateKey.generate()
    return Token(PublicKey.of(key.public_key()), decapsulate=key.decapsulate)


TOKENS: Final = [
    pytest.param(_rsa, TODAY, ["decoy_secret", "decrypt"], id="RSAES-OAEP"),
    pytest.param(_rsa, PKCS1, ["decoy_secret", "decrypt"], id="RSAES-PKCS1-v1_5"),
    pytest.param(_p256, TODAY, ["exchange"], id="P-256"),
    pytest.param(_x25519, TODAY, ["exchange"], id="X25519"),
    pytest.param(_ml_kem, TODAY, ["decapsulate"], id="ML-KEM-768"),
]
EACH_TOKEN = pytest.mark.parametrize(("make", "profile", "asked"), TOKENS)


@EACH_TOKEN
@pytest.mark.parametrize("bare", [False, True], ids=["certificate", "bare key"])
def test_a_token_opens_messages(make: Callable[[], Token], profile: Profile, asked: list[str], *, bare: bool) -> None:
    """Messages of every technique are opened by what the token computes, once each, with its certificate or without."""
    token = make()
    own = token.certificate()
    identity = identity_for(token, None if bare else own)
    opened = decrypt(encrypt(MAIL, [own], profile=profile), [identity])
    assert opened.message.endswith(TEXT)
    assert token.asked == asked
    assert token.public_key.kind in str(identity)


@EACH_TOKEN
def test_a_token_does_everything_else_too(make: Callable[[], Token], profile: Profile, asked: list[str]) -> None:
    """Rewrapping, inspecting and exporting a session key ask it for nothing more."""
    token, other = make(), make()
    own, others = token.certificate(), other.certificate(2)
    identity = identity_for(token, own)
    sealed = encrypt(MAIL, [own], profile=profile)
    assert inspect(sealed, [identity]).recipients[0].opened_by == (str(identity),)
    with export_session_key(sealed, [identity]) as saved:
        assert decrypt(sealed, [saved]).message.endswith(TEXT)
    moved = rewrap(sealed, [identity], add=[others], profile=profile)
    assert decrypt(moved, [identity_for(other, others)]).message.endswith(TEXT)
    assert set(token.asked) == set(asked)


@EACH_TOKEN
def test_a_token_fails_as_any_key_does(make: Callable[[], Token], profile: Profile, asked: list[str]) -> None:
    """What was encrypted for another key under this one's name is asked of the token, and fails in one way."""
    token, other = make(), make()
    sealed = encrypt(MAIL, [other.certificate()], profile=replace(profile, content=GCM))
    with pytest.raises(DecryptionError):
        decrypt(sealed, [identity_for(token, token.certificate())])
    assert token.asked == asked


def test_a_key_that_only_signs_is_no_identity() -> None:
    """A token's key of such a kind is refused as one in a file is."""
    token = Token(PublicKey.of(ed25519.Ed25519PrivateKey.generate().public_key()))
    with pytest.raises(CredentialError, match="this kind of key cannot decrypt mail: Ed25519"):
        identity_for(token)
