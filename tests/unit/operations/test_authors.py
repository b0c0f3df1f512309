"""Whose a signed mail is: a From of another one, around it or inside, is not passed off as the signer's."""

from __future__ import annotations

import pytest

from smime_session import TrustAnchors, sign, verify
from tests.support.signing import LETTER, issued, opaque_mail, signed_object, signer, signer_info, signing_key

ROOT = ("Root", signing_key("P-256", "root"))
TRUST = TrustAnchors([issued(ROOT[1], "Root", authority=True)])
ALICE = signer(certificate=issued(signing_key(), issuer=ROOT))


@pytest.mark.parametrize(
    "around",
    [b"message/rfc822\n\n%s", b"multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\n%s\n--a--\n"],
)
def test_a_mail_around_a_signed_one_is_not_its_author_s(around: bytes) -> None:
    """A signed mail that is all of another one does not make that one's head its own."""
    found = verify(b"From: ceo@example.org\nContent-Type: " + around % sign(LETTER, ALICE), trust=TRUST)
    assert [each.verdict for each in found.signatures] == ["trusted"]
    assert not found.accepted
    assert found.content is None


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"From: alice@example.org\r\nContent-Type: text/plain\r\n\r\nhi\r\n", "trusted"),
        (b"From: ceo@example.org\r\nContent-Type: text/plain\r\n\r\nhi\r\n", "mismatch"),
        (b"X: " + b"x" * 70_000 + b"\r\nFrom: ceo@example.org\r\n\r\nhi\r\n", "mismatch"),
        (b"Content-Type: message/rfc822; forwarded=no\r\n\r\nFrom: ceo@example.org\r\n\r\nhi\r\n", "mismatch"),
        (b"Content-Type: message/rfc822\r\n\r\nFrom: ceo@example.org\r\n\r\nforwarded\r\n", "trusted"),
    ],
)
@pytest.mark.parametrize("head", [b"From: alice@example.org\n", b"Subject: no author\n"])
def test_from_inside_is_held_against_the_certificate(head: bytes, content: bytes, word: str) -> None:
    """What is signed may have a From of its own, which readers show: it is the signer's, or nothing is released."""
    mail = opaque_mail(signed_object(content, [signer_info(ALICE, content)], [ALICE.certificate]), head)
    found = verify(mail, trust=TRUST)
    assert [each.verdict for each in found.signatures] == [word]
    assert (found.content is None) is (word != "trusted")
