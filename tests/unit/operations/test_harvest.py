"""Certificates come out of mails whose signature holds and whose author is the signer."""

from __future__ import annotations

import pytest

from smime_session import CredentialError, sign
from smime_session.operations.harvest import certificates_in_mail
from tests.support.signing import LETTER, issued, signer, signing_key


@pytest.mark.parametrize("opaque", [False, True])
def test_the_signer_s_certificates_are_taken(*, opaque: bool) -> None:
    """The certificate to encrypt for comes first, then the signer's and its issuers', without the root."""
    root, middle = signing_key("P-256", "root"), signing_key("P-256", "middle")
    issuer = issued(middle, "Middle", issuer=("Root", root), authority=True)
    own = issued(signing_key("RSA"), issuer=("Middle", middle), usage=["digital_signature"])
    encryption = issued(signing_key("RSA", "bob"), issuer=("Middle", middle), usage=["key_encipherment"])
    who = signer(certificate=own, chain=(issuer,))
    assert certificates_in_mail(sign(LETTER, who, opaque=opaque)) == [own, issuer]
    who = signer(certificate=own, chain=(issuer,), encryption_certificate=encryption)
    assert certificates_in_mail(sign(LETTER, who, opaque=opaque)) == [encryption, own, issuer]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [(b"eight", b"seven", "is broken"), (b"<alice@", b"<mallory@", "is mismatch")],
)
def test_nothing_is_taken_from_a_forged_mail(old: bytes, new: bytes, reason: str) -> None:
    """A mail that was changed, or is from another address, brings no certificate."""
    with pytest.raises(CredentialError, match=f"the mail's signature {reason}, so nothing is taken from it"):
        certificates_in_mail(sign(LETTER, signer()).replace(old, new))


@pytest.mark.parametrize("mail", [LETTER, b"no mail"])
def test_what_is_not_signed_brings_nothing(mail: bytes) -> None:
    """The error says what it is."""
    with pytest.raises(CredentialError, match="no signature to take certificates from"):
        certificates_in_mail(mail)
