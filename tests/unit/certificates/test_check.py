"""Certificate authorities are nobody to write to, and users who made their certificate themselves are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

from smime_session.certificates.certificate import Certificate
from smime_session.certificates.check import issuers_among, without_issuers
from smime_session.certificates.load import load_certificates
from smime_session.errors import RecipientError
from smime_session.profiles import MODERN
from smime_session.recipients.from_certificates import load_recipients, reasons_against, recipient_for, recipients_for
from tests.support.making import DAY, NOW, certificate, der, key_usage, pem, rsa_key, subject_with

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import rsa

AUTHORITY = (x509.BasicConstraints(ca=True, path_length=None), True)
SIGNS = (key_usage("key_cert_sign", "crl_sign", "key_encipherment"), True)
ANYHOW = replace(MODERN, insecure_key_usage=True)
REASON = "belongs to a certificate authority"


def issued(
    subject: str,
    issuer: str,
    *,
    signer: rsa.RSAPrivateKey,
    key: rsa.RSAPrivateKey | None = None,
    serial: int = 1,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.Certificate:
    """Make a certificate that names its issuer, and is signed with the issuer's key, or with another."""
    issuer_name, subject_name = (subject_with(NameOID.COMMON_NAME, name) for name in (issuer, subject))
    public_key = (key or rsa_key(subject)).public_key()
    builder = x509.CertificateBuilder(issuer_name, subject_name, public_key, serial, NOW - DAY, NOW + DAY)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256())


ROOT = issued("root", "root", signer=rsa_key("root"), extensions=[AUTHORITY])
BETWEEN = issued("between", "root", signer=rsa_key("root"), serial=2, extensions=[AUTHORITY])
LEAF = issued("leaf", "between", signer=rsa_key("between"), serial=3)
OTHER_LEAF = issued("other", "between", signer=rsa_key("between"), serial=4)
STATED = issued("stated", "stated", signer=rsa_key("root"), key=rsa_key("root"), extensions=[AUTHORITY, SIGNS])


def test_an_authority_whose_extensions_cannot_be_read_is_none() -> None:
    """Nothing is made of what it seems to say, and it disturbs nobody."""
    unread = (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.37"), b"\x05\x00"), False)
    odd = issued("between", "root", signer=rsa_key("root"), serial=2, extensions=[AUTHORITY, unread])
    given = list(map(Certificate.of, [odd, LEAF]))
    assert without_issuers(given) == (given, [])


@pytest.mark.parametrize(
    "extensions",
    [
        [AUTHORITY],
        [AUTHORITY, (key_usage("key_encipherment"), True)],
        [SIGNS],
        [(x509.BasicConstraints(ca=False, path_length=None), True), SIGNS],
    ],
    ids=["openssl req -x509", "for encrypting", "no constraints", "no authority"],
)
@pytest.mark.parametrize("address", ["alice@example.org", None])
def test_a_user_s_own_certificate_is_usable(
    address: str | None, extensions: list[tuple[x509.ExtensionType, bool]]
) -> None:
    """What programs write into the certificate that a user makes without an issuer says nothing against it."""
    made = certificate(address, extensions=extensions)
    assert reasons_against(made, at=NOW) == []
    assert recipient_for(made, at=NOW)
    assert len(load_recipients(pem(made), at=NOW)) == 1


@pytest.mark.parametrize(
    "options", ["", "-addext subjectAltName=email:alice@example.org -addext keyUsage=keyCertSign,keyEncipherment"]
)
def test_openssl_s_certificate_is_usable(openssl: Callable[..., bytes], tmp_path: Path, options: str) -> None:
    """``openssl req -x509`` makes a certificate authority of everybody, and each of them can be written to."""
    assert tmp_path.is_dir()
    data = openssl(f"req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=Alice {options}")
    assert b"CA:TRUE" in openssl("x509 -noout -text", data)
    assert len(load_recipients(data)) == 1


def test_a_certificate_that_is_only_an_authority_s_is_refused() -> None:
    """One that says that it signs certificates, and has no address, is nobody's to write to, unless that is wanted."""
    assert reasons_against(STATED, at=NOW) == [REASON]
    for make in (lambda: recipient_for(STATED, at=NOW), lambda: load_recipients(der(STATED), at=NOW)):
        with pytest.raises(RecipientError, match=rf"^certificate of stated \(serial 0x1\) {REASON}$"):
            make()
    assert reasons_against(STATED, at=NOW, profile=ANYHOW) == []
    assert recipient_for(STATED, at=NOW, profile=ANYHOW)


def test_an_address_makes_it_a_user_s() -> None:
    """A key for signing certificates and for mail is a user's who does both."""
    assert reasons_against(certificate(extensions=[AUTHORITY, SIGNS]), at=NOW) == []


def issuers(*given: x509.Certificate) -> dict[x509.Certificate, x509.Certificate]:
    """Return those that issued another, each with that one."""
    found = issuers_among(list(map(Certificate.of, given)))
    return {issuer.whole: issued.whole for issuer, issued in found.items()}


def test_issuers_are_found_in_any_order() -> None:
    """Each certificate that issued another is told with one of those, and the rest is left."""
    assert issuers(LEAF, ROOT, OTHER_LEAF, BETWEEN) == {ROOT: BETWEEN, BETWEEN: LEAF}
    others, sentences = without_issuers(list(map(Certificate.of, [ROOT, BETWEEN, LEAF, OTHER_LEAF])))
    assert [each.whole for each in others] == [LEAF, OTHER_LEAF]
    assert sorted(sentences) == [
        f"certificate of between (serial 0x2) {REASON}: it issued the certificate of leaf (serial 0x3)",
        f"certificate of root (serial 0x1) {REASON}: it issued the certificate of between (serial 0x2)",
    ]


def test_a_name_alone_makes_no_issuer() -> None:
    """Another authority's name under a certificate takes nothing from it: the signature must fit."""
    impostor = issued("root", "root", signer=rsa_key("mallory"), key=rsa_key("mallory"), extensions=[AUTHORITY])
    assert issuers(impostor, BETWEEN) == {}
    assert issuers(impostor, ROOT, BETWEEN) == {ROOT: BETWEEN}


def test_a_renewed_certificate_was_not_issued_by_the_old_one() -> None:
    """A user who makes a new certificate for the same name and key is the issuer of neither for somebody else."""
    renewed = issued("root", "root", signer=rsa_key("root"), serial=9, extensions=[AUTHORITY])
    assert issuers(ROOT, renewed) == {}
    assert len(recipients_for([ROOT, renewed], at=NOW)) == 2


def test_who_is_no_authority_issued_nothing() -> None:
    """Without basic constraints a certificate is no issuer's, whatever is signed with its key."""
    plain = issued("root", "root", signer=rsa_key("root"))
    assert issuers(plain, BETWEEN) == {}


def test_an_issuer_that_was_given_is_refused() -> None:
    """Whoever gives a whole chain to the library learns which of them is nobody to write to."""
    for given in ([LEAF, BETWEEN], [BETWEEN, LEAF]):
        with pytest.raises(RecipientError) as caught:
            recipients_for(given, at=NOW)
        assert caught.value.refused == (
            f"certificate of between (serial 0x2) {REASON}: it issued the certificate of leaf (serial 0x3)",
        )
        assert len(recipients_for(given, at=NOW, profile=ANYHOW)) == 2
    assert len(recipients_for([LEAF, OTHER_LEAF], at=NOW)) == 2


@pytest.mark.parametrize("profile", [MODERN, ANYHOW], ids=["modern", "any key usage"])
def test_a_chain_in_a_file_is_one_recipient(profile: object) -> None:
    """In a file of PEM or PKCS#7, issuers of others are left out, even where one would be accepted by itself."""
    assert isinstance(profile, type(MODERN))
    chain = [LEAF, BETWEEN, ROOT]
    for data in (b"".join(map(pem, chain)), pkcs7.serialize_certificates(chain, Encoding.DER)):
        assert len(load_certificates(data)) == 3
        assert len(load_recipients(data, profile=profile, at=NOW)) == 1
    unfit = issued("root", "root", signer=rsa_key("root"), extensions=[AUTHORITY, (key_usage("crl_sign"), True)])
    assert len(load_recipients(pem(unfit) + pem(BETWEEN), profile=profile, at=NOW)) == 1
