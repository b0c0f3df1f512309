"""Keys, certificates and mails for the tests of the command: made once, copied where a test wants them."""

from __future__ import annotations

import os
import shutil
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smime_session import COMPAT, MODERN, SessionKey, encrypt, recipient_for
from smime_session.algorithms import DATA, DES_EDE3_CBC, ENVELOPED_DATA
from smime_session.cms import codec, content_algorithm
from smime_session.cms.values import ContentParameters, EnvelopeHeader
from smime_session.content import seal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.serialization import KeySerializationEncryption

PASSPHRASE = b"open sesame"
LETTER = b"From: alice@example.org\nTo: bob@example.org\nSubject: Friday\n\nAt eight?\n"


def _serial_number() -> int:
    """Return a random serial number that always takes 20 octets, so that recipients keep their order in a message."""
    return x509.random_serial_number() | 1 << 158


def _certificate(
    key: rsa.RSAPrivateKey,
    name: str,
    *,
    days: int = 90,
    encipherment: bool = True,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
) -> x509.Certificate:
    """Make a self-signed certificate that ends in so many days."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(subject, subject, key.public_key(), _serial_number())
        .not_valid_before(now - timedelta(days=1000))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=encipherment,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )


def _chain(key: rsa.RSAPrivateKey) -> bytes:
    """Make a certificate and its issuer's, which says that it is one and no more."""
    issuer, subject = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("An Issuer", "erin@example.org")
    )
    now = datetime.now(UTC)
    made = b""
    for name, is_authority in ((subject, False), (issuer, True)):
        constraints = x509.BasicConstraints(ca=is_authority, path_length=None)
        builder = x509.CertificateBuilder(issuer, name, key.public_key(), _serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=90))
        builder = builder.add_extension(constraints, critical=True)
        made += builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return made


def _key_pem(key: rsa.RSAPrivateKey, lock: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def _legacy(certificate: x509.Certificate) -> bytes:
    """Encrypt the letter with Triple-DES, which nobody here does."""
    parameters = ContentParameters(DES_EDE3_CBC, bytes(8), 0)
    with SessionKey.generate(24) as key:
        wrapped = (recipient_for(certificate).wrap(key),)
        ciphertext, _ = seal(parameters, key, LETTER)
    header = EnvelopeHeader(ENVELOPED_DATA, 0, wrapped, DATA, content_algorithm.encode(parameters))
    return codec.envelope_start(header, len(ciphertext), 0) + ciphertext


def _make_all() -> dict[str, bytes]:
    """Make every fixture by its file name."""
    bob_key, carol_key, weak_key = (rsa.generate_private_key(65537, bits) for bits in (2048, 2048, 1024))
    certificates = {
        "bob": _certificate(bob_key, "bob@example.org"),
        "carol": _certificate(carol_key, "carol@example.org"),
        "expired": _certificate(carol_key, "expired@example.org", days=-1),
        "signing": _certificate(carol_key, "signing@example.org", encipherment=False),
        "web": _certificate(carol_key, "web@example.org", purpose=ExtendedKeyUsageOID.SERVER_AUTH),
        "weak": _certificate(weak_key, "weak@example.org"),
        "hopeless": _certificate(weak_key, "hopeless@example.org", days=-1),
        "rude": _certificate(carol_key, "rude\x1b[2J\u202e", days=-1),
    }
    pem = {name: certificate.public_bytes(Encoding.PEM) for name, certificate in certificates.items()}
    pem["chain"] = _chain(bob_key)
    lock = BestAvailableEncryption(PASSPHRASE)
    bob = certificates["bob"]
    return {
        **{f"{name}.pem": each for name, each in pem.items()},
        "both.pem": pem["bob"] + pem["carol"],
        "bob.key": _key_pem(bob_key, NoEncryption()) + pem["bob"],
        "carol.key": _key_pem(carol_key, NoEncryption()) + pem["carol"],
        "locked.key": _key_pem(bob_key, lock) + pem["bob"],
        "bob.p12": pkcs12.serialize_key_and_certificates(b"bob", bob_key, bob, None, lock),
        "passphrase.txt": PASSPHRASE + b"\n",
        "letter.eml": LETTER,
        "sealed.eml": encrypt(LETTER, [bob], profile=MODERN),
        "altered.eml": encrypt(LETTER, [bob], profile=MODERN, headers="hcp_baseline").replace(b"[...]", b"Monday"),
        "damaged.eml": b"X-List: users\nno field\n"
        + encrypt(LETTER, [bob], profile=MODERN)
        + b"-- \nusers mailing list\n",
        "mailbox": 2
        * (b"From alice@example.org Mon Jan  5 10:00:00 2026\n" + encrypt(LETTER, [bob], profile=MODERN) + b"\n"),
        "winmail.dat": bytes.fromhex("789f3e22") + bytes(99),
        "message.msg": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(999),
        "utf16.eml": encrypt(LETTER, [bob], profile=MODERN).decode().encode("utf-16"),
        "list.eml": _with_footer(encrypt(LETTER, [bob])),
        "compat.eml": encrypt(LETTER, [bob], profile=COMPAT),
        "legacy.der": _legacy(bob),
    }


def _with_footer(sealed: bytes) -> bytes:
    """Return an encrypted mail as a list sends it on: a part, with a footer in another one."""
    outer, kind, rest = sealed.partition(b"Content-Type: application/pkcs7-mime")
    footer = b"\n--list\nContent-Type: text/plain\n\nA footer\n--list--\n"
    return b"".join((outer, b"Content-Type: multipart/mixed; boundary=list\n\n--list\n", kind, rest, footer))


@pytest.fixture(autouse=True)
def no_signal_ignored() -> Iterator[None]:
    """Let commands begin with no signal ignored, even where ``nohup`` or a shell's background had these tests do so.

    A process inherits what is ignored, but no handler.
    """
    ignored = [
        each for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) == signal.SIG_IGN
    ]
    for each in ignored:
        signal.signal(each, lambda *_: None)
    yield
    for each in ignored:
        signal.signal(each, signal.SIG_IGN)


@pytest.fixture
def umask() -> Iterator[None]:
    """Take write permission from the group and every permission from all others."""
    previous = os.umask(0o027)
    yield
    os.umask(previous)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that holds every fixture."""
    folder = tmp_path_factory.mktemp("fixtures")
    for name, data in _make_all().items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def provide(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return what copies fixtures by name into the test's own folder, and makes that the current one."""

    def copy(*names: str) -> Path:
        for name in names:
            shutil.copyfile(store / name, tmp_path / name)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return copy
