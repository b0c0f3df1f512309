"""Shared keys and passwords, with every program that knows them, both ways."""

from __future__ import annotations

import io
import os
from base64 import b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pytest

import smime_session
from smime_session.algorithms import (
    AES_128_CBC,
    AES_192_CBC,
    AES_256_CBC,
    AES_256_GCM,
    CONTENT_ENCRYPTION,
    DES_EDE3_CBC,
    PRF_OIDS,
    ContentEncryption,
)
from tests.interop import ours
from tests.interop.peers.base import program, run
from tests.interop.peers.bouncycastle import BouncyCastle
from tests.interop.peers.everyone import PEERS
from tests.interop.peers.gpgsm import Gpgsm

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

    from smime_session.algorithms import HashName
    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Generation, Peer

LEGACY: Final = smime_session.Policy(insecure_legacy=True)
NEWER: Final[tuple[Generation, ...]] = ("unstable",)
PASSWORD_CIPHERS: Final = ("AES-128-CBC", "AES-192-CBC", "AES-256-CBC", "DES-EDE3-CBC")


@dataclass(frozen=True)
class Shared:
    """A key that both sides have."""

    key: bytes
    identifier: bytes = bytes.fromhex("c0fee0")

    def __str__(self) -> str:
        return f"shared-{len(self.key) * 8}"

    @property
    def ours(self) -> smime_session.PresharedKey:
        """The recipient and identity."""
        return smime_session.PresharedKey(self.key, self.identifier)

    @property
    def options(self) -> list[str]:
        """What ``openssl cms`` is told."""
        return ["-secretkey", self.key.hex(), "-secretkeyid", self.identifier.hex()]

    @property
    def request(self) -> list[tuple[str, str]]:
        """What Bouncy Castle is told."""
        return [("shared", _base64(self.key)), ("name", _base64(self.identifier))]


@dataclass(frozen=True)
class Word:
    """A password, and how Bouncy Castle encrypts with it."""

    text: str = "gr\u00fc\u00dfe, caf\u00e9"
    prf: HashName = "SHA-256"
    kek: str = "AES-256-CBC"

    def __str__(self) -> str:
        return f"password-{self.prf}-{self.kek}"

    @property
    def ours(self) -> smime_session.Password:
        """The recipient and identity."""
        return smime_session.Password(self.text)

    @property
    def options(self) -> list[str]:
        """What ``openssl cms`` is told."""
        return ["-pwri_password", self.text]

    @property
    def request(self) -> list[tuple[str, str]]:
        """What Bouncy Castle is told."""
        password = ("password", _base64(self.text.encode()))
        return [password, ("prf", self.prf), ("iterations", "2048"), ("kek", self.kek)]


SHARED: Final = tuple(Shared(bytes(range(size))) for size in (16, 24, 32))
WORDS: Final = tuple(Word(prf=prf) for prf in PRF_OIDS) + tuple(Word(kek=kek) for kek in PASSWORD_CIPHERS)
AUTHENTICATED: Final = tuple(content for content in CONTENT_ENCRYPTION.values() if content.authenticated)
AES: Final = tuple(content for content in CONTENT_ENCRYPTION.values() if content.cipher == "AES")


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _cases(
    name: str,
    contents: tuple[ContentEncryption, ...],
    *secrets: Shared | Word,
    generations: tuple[Generation, ...] = ("system", "unstable"),
) -> list[ParameterSet]:
    """Pair the generations of a program with contents and secrets; no shared key is shorter than the content's."""
    return [
        pytest.param(peer, content, secret, id=f"{peer}_{content.name}_{secret}")
        for peer in PEERS
        if peer.name == name and peer.generation in generations
        for content in contents
        for secret in dict.fromkeys(secrets)
        if isinstance(secret, Word) or len(secret.key) >= content.key_size
    ]


def _encrypt(content: ContentEncryption, *recipients: smime_session.Recipient) -> bytes:
    """Return our envelope around :data:`ours.ENTITY`."""
    target = io.BytesIO()
    profile = replace(smime_session.MODERN, content=content)
    smime_session.encrypt_stream(io.BytesIO(ours.ENTITY), target, recipients, profile=profile, form="der")
    return target.getvalue()


def _openssl_decrypt(peer: Peer, envelope: bytes, *options: str) -> bytes:
    command = [program("openssl", peer.generation), "cms", "-decrypt", "-binary", "-inform", "DER", *options]
    return run(command, envelope)


def _openssl_encrypt(peer: Peer, content: ContentEncryption, *options: str) -> bytes:
    name = "des3" if content == DES_EDE3_CBC else content.name.lower()
    command = [program("openssl", peer.generation), "cms", "-encrypt", "-binary", "-outform", "DER", f"-{name}"]
    return run([*command, *options], ours.ENTITY)


def _check(envelope: bytes, secret: Shared | Word, content: ContentEncryption) -> smime_session.Decrypted[bytes]:
    """Open a peer's envelope with the secret, and fail to open it with another."""
    opened = smime_session.decrypt(envelope, [secret.ours], policy=LEGACY)
    assert opened.message == ours.ENTITY
    assert opened.content_encryption == content.name
    other = Word("another") if isinstance(secret, Word) else replace(secret, key=os.urandom(len(secret.key)))
    if content.authenticated:
        with pytest.raises(smime_session.DecryptionError):
            smime_session.decrypt(envelope, [other.ours], policy=LEGACY)
    return opened


@pytest.mark.parametrize(("peer", "content", "secret"), _cases("openssl", AES, *SHARED, Word()), indirect=["peer"])
def test_openssl_opens_ours(peer: Peer, content: ContentEncryption, secret: Shared | Word) -> None:
    """OpenSSL opens every content with shared keys of each size and with a password."""
    assert _openssl_decrypt(peer, _encrypt(content, secret.ours), *secret.options) == ours.ENTITY


@pytest.mark.parametrize(
    ("peer", "content", "secret"), _cases("openssl", (*AES, DES_EDE3_CBC), *SHARED), indirect=["peer"]
)
def test_we_open_openssl_s_shared_key(peer: Peer, content: ContentEncryption, secret: Shared) -> None:
    """What OpenSSL encrypts with a shared key is opened."""
    opened = _check(_openssl_encrypt(peer, content, *secret.options), secret, content)
    assert opened.key_management == f"AES-{len(secret.key) * 8} key wrap"


@pytest.mark.parametrize(
    ("peer", "content", "secret"),
    _cases("openssl", tuple(content for content in (*AES, DES_EDE3_CBC) if content.mode == "cbc"), Word()),
    indirect=["peer"],
)
def test_we_open_openssl_s_password(peer: Peer, content: ContentEncryption, secret: Word) -> None:
    """What OpenSSL encrypts with a password, its own cipher underneath, is opened."""
    opened = _check(_openssl_encrypt(peer, content, *secret.options), secret, content)
    assert opened.key_management == f"PWRI-KEK with {content.name}"


@pytest.mark.parametrize(
    ("peer", "content", "secret"), _cases("openssl", (AES_256_GCM,), Word(), generations=NEWER), indirect=["peer"]
)
def test_we_open_openssl_s_password_with_gcm(peer: Peer, content: ContentEncryption, secret: Word) -> None:
    """AES-GCM with a password needs another cipher underneath, which OpenSSL takes since 3.6."""
    opened = _check(_openssl_encrypt(peer, content, *secret.options, "-kekcipher", "aes-192-cbc"), secret, content)
    assert opened.key_management == "PWRI-KEK with AES-192-CBC"


@pytest.mark.parametrize(
    ("peer", "content", "secret"),
    [
        *_cases("bouncycastle", (AES_128_CBC, AES_192_CBC, AES_256_CBC), *SHARED, Word()),
        *_cases("bouncycastle", AUTHENTICATED, *SHARED, Word(), generations=NEWER),  # 1.72 opens none with a secret
    ],
    indirect=["peer"],
)
def test_bouncy_castle_opens_ours(peer: Peer, content: ContentEncryption, secret: Shared | Word) -> None:
    """Bouncy Castle opens every content with shared keys of each size and with a password."""
    assert isinstance(peer, BouncyCastle)
    envelope = _encrypt(content, secret.ours)
    assert peer._ask([("do", "decrypt"), ("envelope", _base64(envelope)), *secret.request]) == ours.ENTITY


@pytest.mark.parametrize("encoding", ["der", "ber"])
@pytest.mark.parametrize(
    ("peer", "content", "secret"),
    _cases("bouncycastle", (AES_128_CBC, AES_256_CBC, AES_256_GCM), *SHARED, *WORDS),
    indirect=["peer"],
)
def test_we_open_bouncy_castle_s(peer: Peer, content: ContentEncryption, secret: Shared | Word, encoding: str) -> None:
    """What Bouncy Castle encrypts, with every hash function and every cipher underneath, is opened."""
    assert isinstance(peer, BouncyCastle)
    request = [("do", "encrypt"), ("content", content.name), ("encoding", encoding), ("data", _base64(ours.ENTITY))]
    opened = _check(peer._ask([*request, *secret.request]), secret, content)
    if isinstance(secret, Word):
        assert opened.key_management == f"PWRI-KEK with {secret.kek}"


@pytest.mark.parametrize(
    ("peer", "content", "secret"), _cases("gpgsm", (AES_128_CBC, AES_256_CBC), Word()), indirect=["peer"]
)
def test_gpgsm_opens_our_password(peer: Peer, content: ContentEncryption, secret: Word) -> None:
    """GnuPG, which has no shared keys and writes no passwords, opens what we write with one."""
    assert isinstance(peer, Gpgsm)
    file = peer.workspace / "password"
    file.write_bytes(_encrypt(content, secret.ours))
    done = peer._gpgsm(None, ["--passphrase-fd", "0", "--decrypt", str(file)], secret.text.encode())
    assert (done.returncode, done.stdout) == (0, ours.ENTITY), done.stderr


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.name == "openssl"], indirect=True, ids=str)
@pytest.mark.parametrize("content", [AES_256_CBC, AES_256_GCM], ids=lambda content: content.name)
def test_all_kinds_in_one_envelope(peer: Peer, content: ContentEncryption, alice: Keypair) -> None:
    """A certificate, a shared key and a password are recipients of one message; each opens it alone."""
    shared, word = SHARED[-1], Word()
    certificate = smime_session.recipient_for(alice.certificate)
    envelope = _encrypt(content, certificate, shared.ours, word.ours)
    by_key = ["-recip", str(alice.certificate_file), "-inkey", str(alice.key_file)]
    for options in (by_key, shared.options, word.options):
        assert _openssl_decrypt(peer, envelope, *options) == ours.ENTITY
    identities = ours.identities_of(alice)
    for identity in (*identities, shared.ours, word.ours):
        assert smime_session.decrypt(envelope, [identity]).message == ours.ENTITY
