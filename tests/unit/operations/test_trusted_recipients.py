"""Encrypting for those alone whose certificates have a chain to a trusted root."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from smime_session import (
    MODERN,
    CertificateBundle,
    Password,
    RecipientError,
    TrustAnchors,
    encrypt,
    encrypt_by_address,
    encrypt_stream,
    inspect,
    load_recipients,
    recipient_for,
    rewrap,
)
from tests.support.chains import Authority, Period, root
from tests.support.making import DAY, pem

if TYPE_CHECKING:
    from collections.abc import Callable

    from smime_session import Recipient

NOW: Final = datetime.now(UTC)
VALID: Final[Period] = {"start": NOW - 30 * DAY, "end": NOW + 30 * DAY}
MAIL: Final = b"From: alice@example.org\nTo: bob@example.org\nSubject: s\n\ntext\n"
FOREIGN: Final = "has an issuer that is neither among the roots that are trusted nor among the certificates with it"


@pytest.fixture(scope="module")
def ca() -> Authority:
    """A root."""
    return root(**VALID)


@pytest.fixture(scope="module")
def bob(ca: Authority) -> x509.Certificate:
    """A certificate of the root."""
    return ca.issue("bob@example.org", **VALID)


@pytest.fixture(scope="module")
def foreign() -> x509.Certificate:
    """One of another root, for the same address."""
    return root("Other", **VALID).issue("bob@example.org", **VALID)


def _stream(message: bytes, *arguments: object, **options: object) -> bytes:
    target = io.BytesIO()
    encrypt_stream(io.BytesIO(message), target, *arguments, **options)  # type: ignore[arg-type]  # as they come
    return target.getvalue()


@pytest.mark.parametrize("function", [encrypt, _stream])
def test_who_is_trusted_gets_the_mail(
    function: Callable[..., bytes], ca: Authority, bob: x509.Certificate, foreign: x509.Certificate
) -> None:
    """One who is not keeps it from all; without roots, neither chain is looked at."""
    trust = TrustAnchors([ca.certificate])
    password = Password(b"correct horse battery staple")
    assert len(inspect(function(MAIL, [bob, password], trust=trust)).recipients) == 2
    assert len(inspect(function(MAIL, [bob, foreign])).recipients) == 2
    with pytest.raises(RecipientError) as caught:
        function(MAIL, [bob, foreign], trust=trust)
    (refused,) = caught.value.refused
    assert refused == f"certificate of bob@example.org (serial {foreign.serial_number:#x}) {FOREIGN}"


def test_recipients_are_prepared_with_their_chains(ca: Authority, bob: x509.Certificate) -> None:
    """An issuer between comes with the certificate in its file; one alone has none."""
    issuing = ca.below(**VALID)
    carol = issuing.issue("carol@example.org", **VALID)
    trust = TrustAnchors([ca.certificate])
    assert recipient_for(bob, trust=trust)
    assert len(load_recipients(pem(bob) + pem(carol) + pem(issuing.certificate), trust=trust)) == 2
    for load in (lambda: load_recipients(pem(carol), trust=trust), lambda: recipient_for(carol, trust=trust)):
        with pytest.raises(RecipientError, match=FOREIGN):
            load()


def test_what_is_not_trusted_is_passed_over_by_address(
    ca: Authority, bob: x509.Certificate, foreign: x509.Certificate
) -> None:
    """The trusted one is chosen although the other is as good; the other alone is named."""
    trust = TrustAnchors([ca.certificate])
    (made,) = encrypt_by_address(MAIL, CertificateBundle([foreign, bob]), trust=trust)
    (recipient,) = inspect(made.message).recipients
    assert recipient.summary.serial_number == f"{bob.serial_number:#x}"
    with pytest.raises(RecipientError) as caught:
        encrypt_by_address(MAIL, CertificateBundle([foreign]), trust=trust)
    serial = f"the certificate with serial {foreign.serial_number:#x}"
    assert caught.value.refused == (f"bob@example.org: {serial} {FOREIGN}",)
    with pytest.raises(RecipientError, match=FOREIGN):
        list(encrypt_by_address(MAIL, CertificateBundle([bob]), add=[foreign], trust=trust))


def test_a_source_that_gives_the_certificate_of_another_is_not_believed(ca: Authority) -> None:
    """It is trusted, and for another address than that which was asked for."""
    mallory = ca.issue("mallory@example.org", **VALID)

    class Directory:
        def find(self, address: str) -> list[x509.Certificate]:
            assert address
            return [mallory]

    assert list(encrypt_by_address(MAIL, Directory()))
    with pytest.raises(RecipientError, match=r"is not for bob@example\.org"):
        encrypt_by_address(MAIL, Directory(), trust=TrustAnchors([ca.certificate]))


def test_revoked_certificates_are_refused(ca: Authority, bob: x509.Certificate) -> None:
    """The date is named."""
    crl = ca.crl(bob, start=NOW - DAY, end=NOW + DAY)
    with pytest.raises(RecipientError, match=f"was revoked on {NOW - 2 * DAY:%Y-%m-%d}"):
        encrypt(MAIL, [bob], trust=TrustAnchors([ca.certificate], crls=[crl]))


def test_the_profile_lifts_what_it_lifts_without_roots(ca: Authority) -> None:
    """An expired certificate, and one for another purpose; the chain must be there."""
    expired = ca.issue("bob@example.org", start=NOW - 9 * DAY, end=NOW - DAY)
    purpose = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    other_purpose = ca.issue("bob@example.org", extensions=[purpose], **VALID)
    trust = TrustAnchors([ca.certificate])
    lifting = (replace(MODERN, insecure_expired=True), replace(MODERN, insecure_extended_key_usage=True))
    for certificate, lifted in zip((expired, other_purpose), lifting, strict=True):
        with pytest.raises(RecipientError):
            encrypt(MAIL, [certificate], trust=trust)
        assert encrypt(MAIL, [certificate], trust=trust, profile=lifted)
        with pytest.raises(RecipientError, match=FOREIGN):
            encrypt(MAIL, [certificate], trust=TrustAnchors([root("Other", **VALID).certificate]), profile=lifted)


def test_roots_alone_are_not_whom_to_trust(ca: Authority, bob: x509.Certificate) -> None:
    """What is made of them is."""
    for use in (
        lambda trust: encrypt(MAIL, [bob], trust=trust),
        lambda trust: recipient_for(bob, trust=trust),
        lambda trust: encrypt_by_address(MAIL, CertificateBundle([bob]), trust=trust),
    ):
        with pytest.raises(TypeError, match="what is trusted is a TrustAnchors, not an object of type list"):
            use([ca.certificate])


@pytest.mark.parametrize("reseal", [False, True])
def test_new_readers_must_be_trusted(
    ca: Authority, bob: x509.Certificate, foreign: x509.Certificate, *, reseal: bool
) -> None:
    """One who is not keeps a message as it was."""
    password = Password(b"correct horse battery staple")
    message, trust = encrypt(MAIL, [password]), TrustAnchors([ca.certificate])
    all_of_them: list[x509.Certificate | Recipient] = [bob, password] if reseal else [bob]
    wider = rewrap(message, [password], add=all_of_them, reseal=reseal, trust=trust)
    assert len(inspect(wider).recipients) == 2
    assert rewrap(message, [password], add=[foreign], reseal=reseal)
    with pytest.raises(RecipientError, match=FOREIGN):
        rewrap(message, [password], add=[bob, foreign], reseal=reseal, trust=trust)
