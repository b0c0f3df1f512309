"""Rewrapping copies what it does not change: ciphertext, form, head and attributes, from any stream."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest

import smime_session
from smime_session import COMPAT, MODERN, MalformedError, decrypt, encrypt, inspect, rewrap, rewrap_stream
from smime_session.algorithms import AES_128_CBC, AES_256_GCM, CHACHA20_POLY1305
from smime_session.cms import asn1
from smime_session.mail.transfer import encode_base64
from tests.support.pem_text import encode_pem
from tests.support.readers import (
    EC,
    MAIL,
    ML_KEM,
    PASSWORD,
    RSA,
    Pipe,
    Reader,
    opens,
    parts_of,
    prepared_for,
    sealed_for,
    with_attributes,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography import x509


# --- what stays --------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [AES_256_GCM, CHACHA20_POLY1305, AES_128_CBC], ids=lambda content: content.name)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 1 << 20])
def test_ciphertext_of_any_size_is_copied(content: smime_session.algorithms.ContentEncryption, size: int) -> None:
    """What is sealed stays octet for octet, from nothing to several blocks, from definite and indefinite lengths."""
    profile = replace(MODERN, content=content)
    plaintext = os.urandom(size)
    for pipe in (False, True):
        message = sealed_for(RSA, form="der", profile=profile, content=plaintext, pipe=pipe)
        wider = rewrap(message, RSA.identities, add=[EC.recipient])
        after = parts_of(wider)
        assert after.unchanging == parts_of(message).unchanging
        assert (after.indefinite, after.constructed) == (False, False)
        assert decrypt(wider, EC.identities).message == plaintext


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("form", ["mail", "der", "pem", "base64"])
def test_the_form_stays(form: str, eol: bytes) -> None:
    """A mail, DER, PEM or base64 stays what it was, with its line endings."""
    der = sealed_for(RSA, EC, form="der")
    if form == "mail":
        message = sealed_for(RSA, EC, content=MAIL.replace(b"\r\n", eol))
    elif form == "pem":
        message = encode_pem([der], label="PKCS7", eol=eol)
    else:
        message = encode_base64(der, eol=eol) if form == "base64" else der
    narrower = rewrap(message, remove=[EC.certificate])
    assert decrypt(narrower, RSA.identities).form == form
    assert inspect(narrower).recipients[0].summary.technique == "key transport"
    if form != "der":
        assert narrower.count(eol) == narrower.count(b"\n")
        assert narrower.count(b"\r") == (narrower.count(b"\n") if eol == b"\r\n" else 0)
        widths = {len(line) for line in narrower.partition(eol + eol)[2].splitlines()}
        assert form != "mail" or max(widths) == 76
    if form == "pem":
        assert narrower.startswith(b"-----BEGIN PKCS7-----" + eol)
        assert narrower.endswith(b"-----END PKCS7-----" + eol)


def test_the_head_of_a_mail_stays() -> None:
    """The fields of a mail are kept octet for octet: odd spacing, order, folding, and the line of a mail store."""
    head, _, body = sealed_for(RSA, EC).partition(b"\r\n\r\n")
    head = (
        b"From a@example.org Mon Jan  1 00:00:00 2024\r\nRECEIVED: \t by\r\n\tsomebody\r\n"
        + head
        + b"\r\nBcc: x\r\n\r\n"
    )
    narrower = rewrap(head + body, remove=[EC.certificate])
    assert narrower.startswith(head)
    assert opens(narrower, RSA)


@pytest.mark.parametrize("encoding", ["binary", "8bit", "7bit", "quoted-printable"])
def test_the_transfer_encoding_stays(encoding: str) -> None:
    """A body that is binary stays so, text stays text; quoted-printable becomes base64 and says so."""
    head = b"Subject: x\nContent-Type: application/pkcs7-mime; name=smime.p7m\n"
    text = sealed_for(RSA, EC).partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")
    body = sealed_for(RSA, EC, form="der") if encoding == "binary" else text
    if encoding == "quoted-printable":
        body = text.replace(b"=", b"=3D")
    message = head + b"Content-Transfer-Encoding: " + encoding.encode() + b"\n\n" + body
    narrower = rewrap(message, remove=[EC.certificate])
    kept = b"base64" if encoding == "quoted-printable" else encoding.encode()
    assert narrower.startswith(head + b"Content-Transfer-Encoding: " + kept + b"\n\n")
    after = narrower.partition(b"\n\n")[2]
    assert (after[:1] == b"\x30") == (encoding == "binary")
    assert opens(narrower, RSA)


@pytest.mark.parametrize("authenticated", [True, False])
def test_the_version_is_that_of_the_kind(authenticated: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """That of AuthEnvelopedData is 0 whatever it carries (RFC 5083, 2.1); EnvelopedData tells."""
    other = asn1.encode(0xA0, asn1.encode(0xA0, asn1.encode(0xA3, b"")))
    message = with_attributes(*prepared_for(RSA), authenticated=authenticated, originator=other)
    profile = MODERN if authenticated else COMPAT
    for reseal in (False, True):
        wider = rewrap(message, RSA.identities, add=[PASSWORD.recipient], reseal=reseal, profile=profile)
        assert parts_of(wider).header.version == (0 if authenticated else 4)


def test_a_message_object_stays_one() -> None:
    """A mail of the standard library comes back as one."""
    original = message_from_bytes(MAIL, policy=policy.default)
    message = encrypt(original, [RSA.recipient, EC.recipient])
    narrower = rewrap(message, remove=[EC.certificate])
    assert type(narrower) is type(message)
    assert narrower["X-Odd"].strip() == "kept"
    assert decrypt(narrower, RSA.identities).message.get_content().strip() == "Good morning"


@pytest.mark.parametrize("definite", [True, False])
@pytest.mark.parametrize("authenticated", [True, False])
def test_attributes_stay(authenticated: bool, definite: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """Attributes survive, those that the tag covers and those that it does not."""
    message = with_attributes(*prepared_for(RSA), authenticated=authenticated, definite=definite)
    wider = rewrap(message, RSA.identities, add=[EC.recipient])
    assert parts_of(wider).unchanging == parts_of(message).unchanging
    assert parts_of(wider).trailer.unauthenticated_attributes
    assert decrypt(wider, EC.identities).message == MAIL


# --- versions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("originator", "readers", "version"),
    [
        (b"", [RSA], 2),
        (b"", [RSA, EC], 2),
        (b"", [RSA, PASSWORD], 3),
        (b"", [RSA, ML_KEM], 3),
        (asn1.encode(0xA0, asn1.encode(0xA0, asn1.encode(0x30))), [RSA], 2),
        (asn1.encode(0xA0, asn1.encode(0xA0, asn1.encode(0xA2))), [RSA], 3),
        (asn1.encode(0xA0, asn1.encode(0xA0, asn1.encode(0xA3))), [RSA, PASSWORD], 4),
        (asn1.encode(0xA0, asn1.encode(0xA1, asn1.encode(0xA1))), [RSA], 4),
    ],
)
def test_the_version_is_computed(originator: bytes, readers: list[Reader], version: int) -> None:
    """The version follows the recipients that are left, the originator's certificates and the attributes."""
    message = with_attributes(*prepared_for(RSA, EC), authenticated=False, originator=originator or None)
    add = [reader.recipient for reader in readers]
    remove = [] if EC in readers else [EC.certificate]
    changed = rewrap(message, EC.identities, add=add, remove=remove, profile=MODERN)
    assert parts_of(changed).header.version == version


@pytest.mark.parametrize(("remove", "version"), [((), 3), (("password",), 2), (("password", EC.certificate), 0)])
def test_the_version_falls_again(remove: Sequence[str | x509.Certificate], version: int) -> None:
    """Without attributes and originator the version is that of the recipients who are left."""
    message = sealed_for(RSA, EC, PASSWORD, profile=COMPAT)
    changed = rewrap(message, RSA.identities, add=[RSA.recipient], remove=remove)
    assert parts_of(changed).header.version == version


# --- streams -----------------------------------------------------------------------------------


def test_a_pipe_is_rewrapped() -> None:
    """A source that cannot seek is read once and checked all the same."""
    message, target = sealed_for(RSA, content=MAIL + bytes(2 << 20)), io.BytesIO()
    rewrap_stream(Pipe(message), target, RSA.identities, add=[EC.recipient])
    assert decrypt(target.getvalue(), EC.identities).message == decrypt(message, RSA.identities).message


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    """What is copied is what was checked."""
    path = tmp_path / "message"
    path.write_bytes(sealed_for(RSA, EC, form="der", content=os.urandom(300_000)))

    class Changing(io.FileIO):
        def seek(self, offset: int, whence: int = 0, /) -> int:
            if offset == 0:
                with path.open("r+b") as file:
                    file.seek(200_000)
                    file.write(b"changed")
            return super().seek(offset, whence)

    with Changing(path) as source, pytest.raises(MalformedError):
        rewrap_stream(source, io.BytesIO(), remove=[EC.certificate])


def test_memory_stays_flat() -> None:
    """Rewrapping and resealing hold no more of a large message than of a small one."""
    import tracemalloc

    message = sealed_for(RSA, form="der", content=bytes(64 << 20))
    for reseal in (False, True):
        tracemalloc.start()
        done = rewrap_stream(io.BytesIO(message), _Nowhere(), RSA.identities, add=[EC.recipient], reseal=reseal)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert done.added == 1
        assert peak < len(message) + (8 << 20)  # BytesIO may copy the message once


class _Nowhere(io.BytesIO):
    def write(self, data: Any, /) -> int:  # noqa: ANN401  # whatever has octets
        return len(data)
