"""Chains to roots that are trusted; other programs' chains are in ``tests/interop/test_trust_chains.py``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smime_session import CredentialError, TrustAnchors, Verdict
from smime_session.certificates.trust import MAX_FILE_SIZE
from tests.support.chains import END, START, Authority, root, signed
from tests.support.making import DAY, NOW, key_usage, pem, smtp_utf8_mailbox, subject_with

if TYPE_CHECKING:
    from pathlib import Path

ALICE = "alice@example.org"


@pytest.fixture(scope="module")
def ca() -> Authority:
    """A root."""
    return root()


def _constrained(*permitted: str) -> x509.NameConstraints:
    return x509.NameConstraints([x509.RFC822Name(name) for name in permitted], None)


def test_a_certificate_of_a_root_is_trusted(ca: Authority) -> None:
    """The verdict names the root, and has the chain."""
    certificate = ca.issue()
    verdict = TrustAnchors([ca.certificate]).check(certificate, at=NOW)
    assert verdict.trusted
    assert verdict.word == "trusted"
    assert verdict.reason.startswith("has a chain to the trusted root Root (serial ")
    assert verdict.chain == (certificate, ca.certificate)


def test_issuers_come_with_the_certificate_or_are_known(ca: Authority) -> None:
    """Between it and the root, issuers are taken from where they are; without them there is no chain."""
    issuing = ca.below()
    certificate = issuing.issue()
    chain = (certificate, issuing.certificate, ca.certificate)
    assert TrustAnchors([ca.certificate]).check(certificate, [issuing.certificate], NOW).chain == chain
    known = TrustAnchors([ca.certificate], intermediates=[issuing.certificate])
    assert known.check(certificate, at=NOW).chain == chain
    verdict = TrustAnchors([ca.certificate]).check(certificate, at=NOW)
    assert verdict == Verdict(
        "untrusted",
        "has an issuer that is neither among the roots that are trusted nor among the certificates with it",
    )


def test_an_issuer_that_is_given_as_a_root_is_one(ca: Authority) -> None:
    """Who trusts an issuer needs not trust all that its root issues."""
    issuing = ca.below()
    certificate = issuing.issue()
    assert TrustAnchors([issuing.certificate]).check(certificate, at=NOW).chain == (certificate, issuing.certificate)


def test_a_user_who_is_given_as_a_root_is_trusted_for_itself(ca: Authority) -> None:
    """A certificate that is its own issuer is trusted if it was given, and issues nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = subject_with(NameOID.COMMON_NAME, "Alice")
    constraints = (x509.BasicConstraints(ca=False, path_length=None), True)
    alone = signed(name, name, key.public_key(), key, [constraints], START, END)
    verdict = TrustAnchors([alone]).check(alone, at=NOW)
    assert (verdict.word, verdict.reason) == ("trusted", "is itself among the roots that are trusted")
    verdict = TrustAnchors([ca.certificate]).check(alone, at=NOW)
    assert (verdict.word, verdict.reason) == (
        "untrusted",
        "is its own issuer, and not among the roots that are trusted",
    )
    verdict = TrustAnchors([alone]).check(Authority(alone, key).issue(), at=NOW)
    assert (verdict.word, verdict.reason) == ("untrusted", "has an issuer that is no certificate authority")


def test_a_wrong_signature_is_no_chain(ca: Authority) -> None:
    """An authority of the same name with another key issued it."""
    verdict = TrustAnchors([ca.certificate]).check(root().issue(), at=NOW)
    assert (verdict.word, verdict.reason) == (
        "untrusted",
        "has an issuer whose key did not sign it, or another one in its chain",
    )


def test_two_authorities_of_one_name_are_told_apart(ca: Authority) -> None:
    """The one that signed is found, in whatever order they come."""
    first, second = ca.below(), ca.below()
    for issuing in (first, second):
        certificate = issuing.issue()
        verdict = TrustAnchors([ca.certificate]).check(certificate, [first.certificate, second.certificate], NOW)
        assert verdict.chain == (certificate, issuing.certificate, ca.certificate)


@pytest.mark.parametrize(("start", "end"), [(START, NOW - DAY), (NOW + DAY, END)])
def test_outside_its_validity_it_is_expired(ca: Authority, start: object, end: object) -> None:
    """It has a chain but for its validity; the verdict says when that ended, or begins."""
    certificate = ca.issue(start=start, end=end)  # type: ignore[arg-type]  # a pair of the two
    verdict = TrustAnchors([ca.certificate]).check(certificate, at=NOW)
    words = "expired on 2026-02-28" if start == START else "is not valid before 2026-03-02"
    assert (verdict.word, verdict.reason) == ("expired", words)


def test_an_issuer_that_expired_is_named(ca: Authority) -> None:
    """The certificate itself has not; with a valid cross-certificate of the same key, nothing has."""
    old = ca.below(end=NOW - DAY)
    certificate = old.issue()
    anchors = TrustAnchors([ca.certificate])
    verdict = anchors.check(certificate, [old.certificate], NOW)
    assert verdict.word == "expired"
    assert verdict.reason.startswith("has an issuer, Issuing CA (serial ")
    assert verdict.reason.endswith("that expired on 2026-02-28")
    new = ca.below(key=old.key)
    assert anchors.check(certificate, [old.certificate, new.certificate], NOW).trusted
    assert anchors.check(certificate, [new.certificate, old.certificate], NOW).trusted


def test_what_expired_and_has_no_root_is_untrusted(ca: Authority) -> None:
    """Expired is said of what was trusted once."""
    assert TrustAnchors([ca.certificate]).check(root("Other").issue(end=NOW - DAY), at=NOW).word == "untrusted"


def test_path_length_is_kept() -> None:
    """An issuer that must not have others below it has one."""
    ca = root(path_length=0)
    issuing = ca.below()
    verdict = TrustAnchors([ca.certificate]).check(issuing.issue(), [issuing.certificate], NOW)
    assert (verdict.word, verdict.reason) == ("untrusted", "has an issuer that must not have so many others below it")


@pytest.mark.parametrize(
    ("permitted", "address", "trusted"),
    [
        ("example.org", ALICE, True),
        ("example.org", "alice@EXAMPLE.org", True),
        ("example.org", "alice@mail.example.org", False),
        (".example.org", "alice@mail.example.org", True),
        (".example.org", ALICE, False),
        (ALICE, ALICE, True),
        (ALICE, "bob@example.org", False),
        ("example.org", "alice@example.com", False),
        ("example.org", "example.org@example.com", False),
    ],
)
def test_name_constraints_on_addresses_are_kept(permitted: str, address: str, trusted: bool) -> None:  # noqa: FBT001
    """A host, a domain or a mailbox (RFC 5280, 4.2.1.10)."""
    ca = root(extensions=[(_constrained(permitted), True)])
    verdict = TrustAnchors([ca.certificate]).check(ca.issue(address), at=NOW)
    assert verdict.trusted is trusted
    assert trusted or verdict.reason == "has an issuer that must not issue for such names"


@pytest.mark.parametrize("alternative", [ALICE, None])
def test_an_address_in_the_subject_does_not_escape_name_constraints(alternative: str | None) -> None:
    """The address that is held against the constraint is not the only one."""
    ca = root(extensions=[(_constrained("example.org"), True)])
    certificate = ca.issue(alternative, subject=subject_with(NameOID.EMAIL_ADDRESS, "president@example.com"))
    verdict = TrustAnchors([ca.certificate]).check(certificate, at=NOW)
    assert verdict.word == "untrusted"
    assert verdict.reason == "has an address that its issuer's name constraints cannot be held against"
    same = ca.issue(ALICE, subject=subject_with(NameOID.EMAIL_ADDRESS, ALICE))
    assert TrustAnchors([ca.certificate]).check(same, at=NOW).trusted


def test_an_internationalised_address_does_not_escape_name_constraints() -> None:
    """Names of this kind have constraints of their own (RFC 9598, 6), which nothing here checks."""
    ca = root(extensions=[(_constrained("example.org"), True)])
    name = x509.SubjectAlternativeName([smtp_utf8_mailbox("дарья@example.com")])
    verdict = TrustAnchors([ca.certificate]).check(ca.issue(None, extensions=[(name, False)]), at=NOW)
    assert verdict.word == "untrusted"


def test_issuers_must_be_for_mail_where_they_say_what_for(ca: Authority) -> None:
    """An authority for web servers issues no certificates for mail."""
    for purpose, word in (("SERVER_AUTH", "untrusted"), ("EMAIL_PROTECTION", "trusted")):
        issuing = ca.below(extensions=[(x509.ExtendedKeyUsage([getattr(ExtendedKeyUsageOID, purpose)]), False)])
        verdict = TrustAnchors([ca.certificate]).check(issuing.issue(), [issuing.certificate], NOW)
        assert verdict.word == word
        assert verdict.trusted or verdict.reason == (
            "has an issuer that is not for mail: its extended key usage lacks emailProtection"
        )


def test_a_certificate_must_be_for_mail_where_it_says_what_for(ca: Authority) -> None:
    """Unless the caller takes those for other purposes too."""
    certificate = ca.issue(extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)])
    anchors = TrustAnchors([ca.certificate])
    verdict = anchors.check(certificate, at=NOW)
    assert (verdict.word, verdict.reason) == (
        "untrusted",
        "is not for mail: its extended key usage lacks emailProtection",
    )
    assert anchors.check(certificate, at=NOW, any_purpose=True).trusted


def test_an_issuer_must_be_allowed_to_issue(ca: Authority) -> None:
    """Its key usage lacks keyCertSign."""
    issuing = ca.below(extensions=[(key_usage("digital_signature"), True)])
    verdict = TrustAnchors([ca.certificate]).check(issuing.issue(), [issuing.certificate], NOW)
    assert verdict.reason == "has an issuer that must not issue: its key usage lacks keyCertSign"


def test_a_user_issues_nothing(ca: Authority) -> None:
    """A user who has a trusted certificate is no authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    user = Authority(ca.issue(key=key.public_key()), key)
    verdict = TrustAnchors([ca.certificate]).check(user.issue("mallory@example.org"), [user.certificate], NOW)
    assert (verdict.word, verdict.reason) == ("untrusted", "has an issuer that is no certificate authority")


def test_a_critical_extension_that_is_not_known_is_refused(ca: Authority) -> None:
    """Whatever it says (RFC 5280, 4.2)."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    verdict = TrustAnchors([ca.certificate]).check(ca.issue(extensions=[(unknown, True)]), at=NOW)
    assert verdict.reason == "has a chain with a critical extension in it that is not supported"
    assert TrustAnchors([ca.certificate]).check(ca.issue(extensions=[(unknown, False)]), at=NOW).trusted


def test_the_address_is_one_of_its_own(ca: Authority) -> None:
    """Spelt in whatever case."""
    anchors, certificate = TrustAnchors([ca.certificate]), ca.issue()
    assert anchors.check(certificate, at=NOW, address="Alice@EXAMPLE.org").trusted
    verdict = anchors.check(certificate, at=NOW, address="bob@example.org")
    assert (verdict.word, verdict.reason) == ("untrusted", "is not for bob@example.org")


def test_issuers_in_a_circle_end(ca: Authority) -> None:
    """Two that issued each other lead nowhere."""
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    first, second = (subject_with(NameOID.COMMON_NAME, name) for name in ("First", "Second"))
    constraints = (x509.BasicConstraints(ca=True, path_length=None), True)
    one = Authority(signed(second, first, key.public_key(), other, [constraints], START, END), key)
    two = Authority(signed(first, second, other.public_key(), key, [constraints], START, END), other)
    verdict = TrustAnchors([ca.certificate]).check(one.issue(), [one.certificate, two.certificate], NOW)
    assert (verdict.word, verdict.reason) == ("untrusted", "has more than 8 issuers, or issuers in a circle")


def test_a_hundred_issuers_in_a_row_are_too_many(ca: Authority) -> None:
    """A chain has eight; a hundred that do not belong to it are no harm."""
    row = [ca]
    for number in range(100):
        row.append(row[-1].below(f"CA {number}"))
    others = [each.certificate for each in row[1:]]
    anchors = TrustAnchors([ca.certificate])
    assert anchors.check(row[-1].issue(), others, NOW).reason == "has more than 8 issuers, or issuers in a circle"
    assert anchors.check(row[8].issue(), others, NOW).trusted
    assert not anchors.check(row[9].issue(), others, NOW).trusted


def test_a_hundred_issuers_of_one_name_and_key_end(ca: Authority) -> None:
    """Each could have issued each: there are more ways than can be tried."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = subject_with(NameOID.COMMON_NAME, "Same")
    constraints = (x509.BasicConstraints(ca=True, path_length=None), True)
    same = [signed(name, name, key.public_key(), key, [constraints], START, END) for _ in range(100)]
    verdict = TrustAnchors([ca.certificate]).check(Authority(same[0], key).issue(), same, NOW)
    assert (verdict.word, verdict.reason) == ("untrusted", "has too many issuers that could be meant")


def test_roots_come_from_files_and_folders(ca: Authority, tmp_path: Path) -> None:
    """All that is in a folder; whatever else lies there makes nothing trusted."""
    other = root("Other")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/root.pem").write_bytes(pem(ca.certificate))
    (tmp_path / "folder/README").write_text("The root of the company.\n")
    (tmp_path / "other.pem").write_bytes(pem(other.certificate))
    anchors = TrustAnchors.load(tmp_path / "folder", str(tmp_path / "other.pem"))
    assert anchors.check(ca.issue(), at=NOW).trusted
    assert anchors.check(other.issue(), at=NOW).trusted


def test_what_makes_nothing_trusted_is_an_error(tmp_path: Path) -> None:
    """No root at all, a folder without one, a file that is no certificate, or too large."""
    (tmp_path / "text").write_text("nothing\n")
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", MAX_FILE_SIZE + 1)
    with pytest.raises(CredentialError, match="no certificate is trusted: there is no root"):
        TrustAnchors([])
    with pytest.raises(CredentialError, match="text: this is text, not a certificate"):
        TrustAnchors.load(tmp_path / "text")
    with pytest.raises(CredentialError, match="large: a file of more than 67,108,864 bytes is too large for roots"):
        TrustAnchors.load(tmp_path / "large")
    (tmp_path / "large").unlink()
    with pytest.raises(CredentialError, match=f"{tmp_path.name}: the folder holds no certificate"):
        TrustAnchors.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        TrustAnchors.load(tmp_path / "missing")


def test_other_kinds_of_argument_are_refused(ca: Authority) -> None:
    """A file's name in place of roots, and a certificate in place of several."""
    with pytest.raises(TypeError, match="roots are given in a list"):
        TrustAnchors("roots.pem")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="other certificates are given in a list"):
        TrustAnchors([ca.certificate]).check(ca.issue(), ca.certificate)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a certificate is one that load_certificates"):
        TrustAnchors([ca.certificate]).check(b"")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a revocation list is one that load_crls"):
        TrustAnchors([ca.certificate], crls=[b""])  # type: ignore[list-item]
