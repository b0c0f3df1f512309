"""Signed inside, encrypted outside, and signed once more outside of that."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from smime_session import (
    MODERN,
    CertificateBundle,
    SignerError,
    TrustAnchors,
    decrypt,
    decrypt_stream,
    encrypt,
    encrypt_by_address,
    encrypt_stream,
    load_identities,
    sign,
    verify,
)
from smime_session.streams.sources import LARGE
from tests.support.signing import KEYS, LETTER, issued, pem_file, signer, signing_key

if TYPE_CHECKING:
    from smime_session import Signer
    from tests.conftest import Person


def _verified(mail: bytes, who: Signer) -> bytes:
    found = verify(mail, trust=TrustAnchors([who.certificate]))
    assert [each.verdict for each in found.signatures] == ["trusted"]
    assert found.content is not None
    return found.content


class Pipe(io.BytesIO):
    """A source that cannot seek."""

    def seekable(self) -> bool:
        """Say so."""
        return False


def _streamed(mail: bytes, person: Person, who: Signer, *, piped: bool, triple: bool = False) -> bytes:
    target = io.BytesIO()
    source = Pipe(mail) if piped else io.BytesIO(mail)
    sealed = encrypt_stream(source, target, [person.certificate], profile=MODERN, signer=who, triple=triple)
    assert sealed.encoding == "BER"
    return target.getvalue()


@pytest.mark.parametrize("kind", KEYS)
def test_signed_inside(alice: Person, kind: str) -> None:
    """What is signed and then encrypted comes out signed, with the header fields protected inside the signature."""
    who = signer(kind)
    opened = decrypt(encrypt(LETTER, [alice.certificate], signer=who), [alice.identity]).message
    content = _verified(opened, who)
    assert content.endswith(b"\r\n\r\nAt eight?\r\n")
    assert b"\r\nFrom: Alice <alice@example.org>\r\n" in b"\r\n" + content
    assert b'hp="cipher"' in content


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("size", [10, 2 * LARGE])
def test_streams(alice: Person, size: int, *, piped: bool) -> None:
    """A mail of any size is signed in the one pass that encrypts it."""
    who = signer("P-256")
    mail = LETTER.replace(b"At eight?\n", b"line\n" * (size // 5))
    opened = decrypt(_streamed(mail, alice, who, piped=piped), [alice.identity]).message
    assert _verified(opened, who).endswith(b"\r\n\r\n" + b"line\r\n" * (size // 5))


@pytest.mark.parametrize("streamed", [False, True])
def test_triple(alice: Person, *, streamed: bool) -> None:
    """Signed, encrypted and signed again: who sent it can be told without opening it, and inside it is the same."""
    who = signer()
    if streamed:
        mail = _streamed(LETTER, alice, who, piped=False, triple=True)
    else:
        mail = encrypt(LETTER, [alice.certificate], signer=who, triple=True)
    content = _verified(mail, who)
    assert b"smime-type=" in content
    assert b"At eight?" not in mail
    opened = decrypt(b"From: alice@example.org\r\n" + content, [alice.identity]).message
    assert _verified(opened, who).endswith(b"\r\n\r\nAt eight?\r\n")


def test_signed_and_compressed(alice: Person) -> None:
    """What is compressed is what is signed, and decrypting leaves the signature."""
    who = signer()
    opened = decrypt(encrypt(LETTER, [alice.certificate], signer=who, compress=True), [alice.identity]).message
    assert _verified(opened, who).endswith(b"\r\n\r\nAt eight?\r\n")


def test_by_address() -> None:
    """Every message of a mail with blind recipients is signed."""
    who = signer()
    own = issued(signing_key("RSA", "bob"), addresses=["bob@example.org"])
    blind = issued(signing_key("RSA", "carol"), addresses=["carol@example.org"])
    source = CertificateBundle([own, blind])
    mail = LETTER.replace(b"To:", b"Bcc: carol@example.org\nTo:")
    first, second = encrypt_by_address(mail, source, signer=who)
    assert _verified(decrypt(first.message, load_identities(pem_file(signing_key("RSA", "bob")))).message, who)
    assert second.message != first.message
    with pytest.raises(SignerError):
        encrypt_by_address(mail.replace(b"alice", b"mallory"), source, signer=who)


def test_nothing_is_encrypted_that_must_not_be_signed(alice: Person) -> None:
    """A signer whose certificate is for another address stops all of it, in memory and as a stream."""
    who = signer("RSA", "bob")
    with pytest.raises(SignerError, match=r"is not for alice@example\.org"):
        encrypt(LETTER, [alice.certificate], signer=who)
    target = io.BytesIO()
    with pytest.raises(SignerError):
        encrypt_stream(io.BytesIO(LETTER), target, [alice.certificate], signer=who)
    assert target.getvalue() == b""


def test_mistakes_are_told(alice: Person) -> None:
    """A signer is one, triple needs one, and files that are no mails are not signed."""
    with pytest.raises(TypeError, match=r"a signer is what load_signer\(\) returns"):
        encrypt(LETTER, [alice.certificate], signer=object())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="triple needs a signer"):
        encrypt(LETTER, [alice.certificate], triple=True)
    with pytest.raises(TypeError, match="a signer is for a mail"):
        encrypt_stream(io.BytesIO(), io.BytesIO(), [alice.certificate], form="der", signer=signer())


def test_what_is_signed_already_is_encrypted_as_it_is(alice: Person) -> None:
    """A mail that was signed before keeps its signature byte for byte."""
    who = signer()
    signed = sign(LETTER, who)
    assert _verified(decrypt(encrypt(signed, [alice.certificate]), [alice.identity]).message, who)


# --- what decrypting says of signatures --------------------------------------------------------


def _told(mail: bytes, person: Person, *roots: Signer) -> list[tuple[str, str]]:
    trust = TrustAnchors([each.certificate for each in roots]) if roots else None
    found = decrypt(mail, [person.identity], trust=trust)
    target = io.BytesIO()
    opened = decrypt_stream(io.BytesIO(mail), target, [person.identity], trust=trust)
    assert (opened.signatures, target.getvalue()) == (found.signatures, found.message)
    return [(each.part, each.verdict) for each in found.signatures]


def test_decrypting_tells_of_signatures(alice: Person) -> None:
    """Those inside are judged as by verify; one that is not there is never made up."""
    who, other = signer(), signer("P-256", "bob")
    assert _told(encrypt(LETTER, [alice.certificate]), alice, who) == []
    mail = encrypt(LETTER, [alice.certificate], signer=who)
    assert _told(mail, alice, who) == [("0/0", "trusted")]
    assert _told(mail, alice, other) == [("0/0", "untrusted")]
    assert _told(mail, alice) == [("0/0", "untrusted")]
    for opaque in (False, True):
        signed = sign(LETTER, who, opaque=opaque)
        assert _told(encrypt(signed, [alice.certificate]), alice, who) == [("0/0", "trusted")]
        mallory = signed.replace(b"From: Alice <alice@", b"From: Alice <mallory@")
        assert _told(encrypt(mallory, [alice.certificate]), alice, who) == [("0/0", "mismatch")]
    changed = sign(LETTER, who).replace(b"eight", b"seven")
    assert _told(encrypt(changed, [alice.certificate]), alice, who) == [("0/0", "broken")]


def test_decrypting_tells_of_every_layer(alice: Person) -> None:
    """Of what is signed, encrypted and signed again, each signature is judged before anything in it is opened."""
    who = signer()
    mail = encrypt(LETTER, [alice.certificate], signer=who, triple=True)
    assert _told(mail, alice, who) == [("0", "trusted"), ("1/0", "trusted")]
    opaque = sign(encrypt(LETTER, [alice.certificate], signer=who), who, opaque=True)
    assert _told(opaque, alice, who) == [("0", "trusted"), ("0/0/0", "trusted")]
    forged = mail.replace(b"From: Alice <alice@", b"From: Alice <mallory@")
    assert _told(forged, alice, who)[0] == ("0", "mismatch")


def test_a_signed_part_beside_an_encrypted_one(alice: Person) -> None:
    """Each is what it is: what is encrypted is not signed by that."""
    who = signer()
    encrypted = encrypt(LETTER, [alice.certificate]).partition(b"MIME-Version: 1.0\n")[2]
    signed = sign(LETTER, who).partition(b"MIME-Version: 1.0\n")[2]
    head = b"From: alice@example.org\nContent-Type: multipart/mixed; boundary=a\n\n"
    mail = head + b"--a\n%s\n--a\n%s\n--a--\n" % (encrypted, signed)
    assert _told(mail, alice, who) == [("2", "trusted")]


def test_hidden_fields_come_back(alice: Person) -> None:
    """A hidden subject is taken from inside the signature, which stays whole; a broken one gives none."""
    who = signer()
    trust = TrustAnchors([who.certificate])
    mail = encrypt(LETTER, [alice.certificate], signer=who, headers="hcp_baseline")
    assert b"Subject: [...]" in mail
    opened = decrypt(mail, [alice.identity], trust=trust)
    assert b"\nSubject: Friday\n" in opened.message
    assert opened.altered_headers == ()
    assert _verified(opened.message, who)
    altered = decrypt(mail.replace(b"Subject: [...]", b"Subject: Pay"), [alice.identity], trust=trust)
    assert b"\nSubject: Friday\n" in altered.message
    assert altered.altered_headers == ("Subject",)
