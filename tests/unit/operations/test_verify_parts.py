"""Verifying mails of parts and layers: what no signature covers is named, and each author is held against From."""

from __future__ import annotations

import pytest

from smime_session import (
    LimitError,
    NotSignedError,
    encrypt,
    sign,
    verify,
)
from smime_session.operations.signed_layers import MAX_LAYERS
from tests.support.signing import (
    LETTER,
    clear_mail,
    issued,
    opaque_mail,
    signed_object,
    signer_info,
    signing_key,
)
from tests.support.verifying import issued_signer, trusting

CONTENT = b"Content-Type: text/plain\r\n\r\nAt eight?\r\n"
PGP = (
    b'From: a\nContent-Type: multipart/signed; protocol="application/pgp-signature"; boundary=a\n\n'
    b"--a\n\nx\n--a\nContent-Type: application/pgp-signature\n\nx\n--a--\n"
)


def test_parts_around_are_named() -> None:
    """A list's footer, and whatever an attacker puts around a signed part, is named, and the mail is not accepted."""
    inner = sign(LETTER, issued_signer()).partition(b"MIME-Version: 1.0\n")[2]
    for before, after, unsigned in (
        (b"", b"--a\n\nfooter\n", ("part 2 (text/plain)",)),
        (b"--a\nContent-Type: text/html\n\n<p>pay!<!--\n", b"", ("part 1 (text/html)",)),
    ):
        mail = b"From: alice@example.org\nContent-Type: multipart/mixed; boundary=a\n\n"
        found = verify(mail + before + b"--a\n" + inner + b"\n" + after + b"--a--\n", trust=trusting())
        assert [each.verdict for each in found.signatures] == ["trusted"]
        assert (found.unsigned_parts, found.accepted, found.content) == (unsigned, False, None)


def test_text_around_an_object_is_named() -> None:
    """A mail that is text, with a signed object in PEM in it, shows more than was signed."""
    who = issued_signer("RSA")
    octets = signed_object(CONTENT, [signer_info(who, CONTENT)], [who.certificate])
    body = opaque_mail(octets).partition(b"\n\n")[2]
    pem = b"-----BEGIN PKCS7-----\n" + body + b"-----END PKCS7-----\n"
    for text in (b"Pay!\n\n" + pem, pem):
        found = verify(b"From: alice@example.org\n\n" + text, trust=trusting())
        assert (found.unsigned_parts, found.accepted) == (("what stands around the CMS object",), False)
    assert verify(pem, trust=trusting()).accepted


def test_two_signed_parts_are_told_apart() -> None:
    """Each is verified for itself; there is no one content to give out."""
    one = sign(LETTER, issued_signer()).partition(b"MIME-Version: 1.0\n")[2]
    mail = b"From: alice@example.org\nContent-Type: multipart/mixed; boundary=a\n\n--a\n%s\n--a\n%s\n--a--\n" % (
        one,
        one,
    )
    found = verify(mail, trust=trusting())
    assert [each.part for each in found.signatures] == ["1", "2"]
    assert (found.accepted, found.released, found.content) == (True, False, None)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_a_signature_around_another(*, first: bool, second: bool) -> None:
    """Both are told, the outer one first; a broken inner one is not made good by the outer one."""
    alice, bob = issued_signer(), issued_signer("RSA", "bob")
    inner = sign(LETTER, alice, opaque=first)
    if not first:
        broken = inner.replace(b"eight", b"seven")
        (_, signature) = verify(sign(broken, alice, opaque=second), trust=trusting()).signatures
        assert (signature.verdict, signature.part) == ("broken", "0/0")
    found = verify(sign(inner, alice, opaque=second), trust=trusting())
    assert [(each.verdict, each.part) for each in found.signatures] == [("trusted", "0"), ("trusted", "0/0")]
    assert found.accepted
    assert found.content
    assert verify(b"From: alice@example.org\n" + found.content, trust=trusting()).accepted
    outer = verify(sign(inner, bob, opaque=second), trust=trusting())
    assert [each.verdict for each in outer.signatures] == ["mismatch", "trusted"]


def test_layers_are_limited() -> None:
    """No mail has so many signatures around each other."""
    mail, who = LETTER, issued_signer()
    for _ in range(MAX_LAYERS):
        mail = sign(mail, who, opaque=True)
    assert len(verify(mail, trust=trusting()).signatures) == MAX_LAYERS
    with pytest.raises(LimitError, match="the number of signatures around each other"):
        verify(sign(mail, who, opaque=True), trust=trusting())


def test_a_forwarded_mail_has_its_own_author() -> None:
    """The signature of a mail that is attached is compared with that mail's From."""
    attached = sign(LETTER, issued_signer())
    mail = (
        b"From: bob@example.org\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\nsee\n"
        b"--a\nContent-Type: message/rfc822\n\n%s\n--a--\n"
    ) % attached
    found = verify(mail, trust=trusting())
    assert [(each.part, each.verdict) for each in found.signatures] == [("2.1", "trusted")]
    assert found.unsigned_parts == ("part 1 (text/plain)", "the mail around part 2.1")


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"From: Alice <ALICE@example.org>\n", "trusted"),
        (b'From: "ceo@example.org" <alice@example.org>\n', "trusted"),
        (b"From: alice@example.org\nFrom: ceo@example.org\n", "mismatch"),
        (b"From: alice@example.org, ceo@example.org\n", "mismatch"),
        (b"From: ceo@example.org\nSender: alice@example.org\n", "mismatch"),
        (b"From: alice@example.org\nSender: list@example.org\n", "trusted"),
        (b"From: ceo@example.org (alice@example.org)\n", "mismatch"),
        (b"From: =?utf-8?q?alice=40example=2Eorg?= <ceo@example.org>\n", "mismatch"),
        (b"From: alice\n", "mismatch"),
        (b"From:\n", "mismatch"),
        (b"From: <ceo@example.org> <alice@example.org>\n", "mismatch"),
        (b"From: <ceo@example.org:alice@example.org>\n", "mismatch"),
        (b"Subject: no author\n", "trusted"),
    ],
)
def test_from_is_held_against_the_certificate(head: bytes, word: str) -> None:
    """Every address in every From must be the signer's; a name that looks like one is none."""
    who = issued_signer("RSA")
    octets = signed_object(CONTENT, [signer_info(who, CONTENT)], [who.certificate])
    for mail in (
        opaque_mail(octets, head),
        clear_mail(CONTENT, signed_object(None, [signer_info(who, CONTENT)], [who.certificate]), head),
    ):
        (signature,) = verify(mail, trust=trusting()).signatures
        assert signature.verdict == word
        assert signature.from_matches is (None if b"From" not in head else word == "trusted")
        assert signature.sender_matches is (None if b"Sender" not in head else b"Sender: alice" in head)


@pytest.mark.parametrize(
    ("mail", "found"),
    [
        (LETTER, "a mail without a signature (text/plain)"),
        (b"From: a\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a--\n", "a mail without a signature"),
        (PGP, "a mail without a signature (multipart/signed)"),
        (encrypt(LETTER, [issued(signing_key("RSA"))]), "enveloped-data"),
    ],
)
def test_what_is_not_signed_is_named(mail: bytes, found: str) -> None:
    """A mail without a signature says what it is."""
    with pytest.raises(NotSignedError) as caught:
        verify(mail)
    assert found in caught.value.found


def test_a_signature_alone_is_one_of_nothing() -> None:
    """A detached signature without what it is one of proves nothing."""
    who = issued_signer("RSA")
    (signature,) = verify(signed_object(None, [signer_info(who, CONTENT)], [who.certificate])).signatures
    assert (signature.verdict, signature.reason) == ("broken", "stands alone: what it is one of is elsewhere")
