"""Mails that OpenSSL encrypted, signed and compressed, in parts and in one another: all comes out as it extracts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

import smime_session
from tests.interop.peers.base import missing, program, run
from tests.interop.peers.everyone import report_missing
from tests.interop.peers.openssl import OpenSSL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Generation

HEAD: Final = b"From: a@example.org\r\nSubject: Friday\r\nMIME-Version: 1.0\r\n"
ENTITY: Final = b"Content-Type: text/plain; charset=utf-8\r\n\r\nAt eight: 4711\r\n"
GENERATIONS: Final[tuple[Generation, ...]] = ("system", "unstable")
FOOTER: Final = b"Content-Type: text/plain\r\n\r\nA footer\r\n"


@pytest.fixture(params=GENERATIONS)
def openssl(request: pytest.FixtureRequest) -> Path | str:
    """OpenSSL's program, of each generation."""
    peer = OpenSSL(request.param)
    if absent := missing(peer):
        report_missing(str(peer), absent)
    return program("openssl", request.param)


def _identities(keypair: Keypair) -> list[smime_session.Identity]:
    return smime_session.load_identities(keypair.key_file.read_bytes() + keypair.certificate_file.read_bytes())


def _entity(octets: bytes) -> bytes:
    """Return what OpenSSL wrote as an entity with CRLF."""
    _, version, rest = octets.replace(b"\r\n", b"\n").partition(b"MIME-Version: 1.0\n")
    return (rest if version else octets).replace(b"\n", b"\r\n")


def _encrypted(openssl: Path | str, entity: bytes, alice: Keypair, cipher: str = "-aes256") -> bytes:
    command = [openssl, "cms", "-encrypt", "-binary", cipher, "-outform", "SMIME", "-recip", alice.certificate_file]
    return _entity(run(command, entity))


def _signed(openssl: Path | str, entity: bytes, alice: Keypair, *options: str) -> bytes:
    command = [openssl, "cms", "-sign", "-binary", *options, "-outform", "SMIME", "-signer", alice.certificate_file]
    return _entity(run([*command, "-inkey", alice.key_file], entity))


def _decrypted(openssl: Path | str, entity: bytes, alice: Keypair) -> bytes:
    """Return what OpenSSL extracts."""
    command = [openssl, "cms", "-decrypt", "-inform", "SMIME", "-recip", alice.certificate_file]
    return run([*command, "-inkey", alice.key_file], entity)


def _mixed(*entities: bytes) -> bytes:
    parts = b"".join(b"--list\r\n" + entity + b"\r\n" for entity in entities)
    return HEAD + b"Content-Type: multipart/mixed; boundary=list\r\n\r\n" + parts + b"--list--\r\n"


@pytest.mark.parametrize("cipher", ["-aes256", "-aes-256-gcm"])
def test_a_part_that_openssl_encrypted(openssl: Path | str, alice: Keypair, cipher: str) -> None:
    """It is opened in its place, to what OpenSSL makes of it, and the footer stays."""
    part = _encrypted(openssl, ENTITY, alice, cipher)
    opened = smime_session.decrypt(_mixed(FOOTER, part), _identities(alice))
    assert opened.message == _mixed(FOOTER, _decrypted(openssl, part, alice)) == _mixed(FOOTER, ENTITY)
    assert smime_session.decrypt(_mixed(FOOTER, part), _identities(alice), part="2").message == ENTITY


@pytest.mark.parametrize("inner", [(), ("-nodetach",)], ids=["multipart/signed", "opaque"])
@pytest.mark.parametrize("outer", [(), ("-nodetach",)], ids=["multipart/signed", "opaque"])
def test_what_openssl_wrapped_three_times(
    openssl: Path | str, alice: Keypair, inner: tuple[str, ...], outer: tuple[str, ...]
) -> None:
    """Signed, encrypted, signed and encrypted: what is left is what the author signed, which OpenSSL verifies."""
    signed = _signed(openssl, ENTITY, alice, *inner)
    mail = _encrypted(openssl, _signed(openssl, _encrypted(openssl, signed, alice), alice, *outer), alice)
    opened = smime_session.decrypt(HEAD + mail, _identities(alice))
    if outer:
        assert opened.message.removeprefix(HEAD) == signed
    assert signed in opened.message
    verified = run([openssl, "cms", "-verify", "-noverify", "-inform", "SMIME"], signed)
    assert verified.replace(b"\r\n", b"\n") == ENTITY.replace(b"\r\n", b"\n")
    assert [part.kind for part in opened.parts if part.opened] == ["signed-data", "enveloped-data"][not outer :]
    assert [each.holds for each in opened.signatures] == [True, True]


@pytest.mark.parametrize("openssl", ["unstable"], indirect=True)  # Debian's has no zlib
def test_what_openssl_compressed(openssl: Path | str, alice: Keypair) -> None:
    """It is expanded, to what OpenSSL makes of it."""
    packed = _entity(run([openssl, "cms", "-compress", "-binary", "-outform", "SMIME"], ENTITY * 100))
    opened = smime_session.decrypt(HEAD + _encrypted(openssl, packed, alice), _identities(alice))
    assert opened.message == HEAD + ENTITY * 100
    assert run([openssl, "cms", "-uncompress", "-binary", "-inform", "SMIME"], packed) == ENTITY * 100
