"""What comes closest: told from recipient infos and certificates, never from a private key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from smime_session import MODERN, NoMatchError, Password, decrypt, encrypt
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier
from smime_session.inspection.explanation import MOST_COMPARED, Directory, closest
from smime_session.keys.software import private_key
from smime_session.recipients.from_certificates import recipient_for
from smime_session.recipients.identities import identity_for
from smime_session.recipients.registry import summarize
from smime_session.session_key import SessionKey
from tests.support.making import DAY, NOW, rsa_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from smime_session.cms.values import WrappedKey
    from smime_session.recipients.registry import Identity

BY_KEY = replace(MODERN, identifier="key-identifier")
ISSUER = ec.generate_private_key(ec.SECP256R1())


def certificate(
    address: str, serial: int, key: PrivateKeyTypes | None = None, *, issuer: str = "An Issuer", days: int = 365
) -> x509.Certificate:
    """Make a certificate for mail."""
    key = key or rsa_key()
    public_key = key.public_key()
    issuer_name, subject = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (issuer, address))
    start = min(NOW - 365 * DAY, NOW + (days - 1) * DAY)
    return (
        x509.CertificateBuilder(issuer_name, subject, public_key, serial, start, NOW + days * DAY)  # type: ignore[arg-type]  # of a kind that certificates have
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)  # type: ignore[arg-type]  # likewise
        .sign(ISSUER, hashes.SHA256())
    )


def identity(owner: x509.Certificate, key: PrivateKeyTypes | None = None) -> Identity:
    """Make the identity of a key and its certificate."""
    key = key or rsa_key()
    return identity_for(private_key(key), owner)


def wrapped_for(*certificates: x509.Certificate, by_key: bool = False) -> list[WrappedKey]:
    """Wrap a key for the owners."""
    profile = BY_KEY if by_key else MODERN
    return [recipient_for(each, profile=profile, at=NOW).wrap(SessionKey.generate(32)) for each in certificates]


BOB = certificate("bob@example.org", 0x10)
RENEWED = certificate("bob@example.org", 0x11)
REKEYED = certificate("bob@example.org", 0x12, rsa_key("rekeyed"), issuer="Another Issuer")
CAROL = certificate("carol@example.org", 0x20, rsa_key("carol"), issuer="Another Issuer")
WHO = r"RSA-2048 private key of bob@example\.org \(serial 0x10\)"


def test_another_serial_number_of_the_same_issuer_is_close() -> None:
    """What is known without the other certificate: the issuer is the same."""
    sentence = closest(wrapped_for(RENEWED), [identity(BOB)], at=NOW)
    assert sentence == (
        "RSA-2048 private key of bob@example.org (serial 0x10) has the same issuer, but the message names serial "
        "number 0x11: an earlier or later certificate, or another person's"
    )


def test_an_issuer_that_is_the_owner_tells_the_address() -> None:
    """A certificate that issued itself names its owner in every message."""
    own = certificate("bob@example.org", 1, issuer="bob@example.org")
    later = certificate("bob@example.org", 2, issuer="BOB@example.org")
    sentence = closest(wrapped_for(later), [identity(own)], at=NOW)
    assert sentence
    assert (
        "has the same mail address, bob@example.org, but the message names serial 0x2 of CN=BOB@example.org" in sentence
    )


@pytest.mark.parametrize(
    "issuer", ["abob@example.org", "bob@example.org.example", "x.bob@example.org", "bob+x@example.org"]
)
def test_part_of_another_address_is_not_the_address(issuer: str) -> None:
    """An address counts where it stands whole."""
    own = certificate("bob@example.org", 1)
    assert closest(wrapped_for(certificate("a@example.org", 2, issuer=issuer)), [identity(own)], at=NOW) is None


@pytest.mark.parametrize("by_key", [False, True])
def test_a_renewed_certificate_of_the_same_key_is_closest(*, by_key: bool) -> None:
    """With the certificate that the message names at hand, the same key is seen, and what to do."""
    other = certificate("bob@example.org", 0x30, rsa_key(), issuer="Another Issuer")
    if by_key:  # a key identifier that is not the usual one, or the identity would answer to it
        other = _with_key_identifier(other, b"unusual")
    sentence = closest(wrapped_for(CAROL, other, by_key=by_key), [identity(BOB)], [CAROL, other], at=NOW)
    assert sentence == (
        "RSA-2048 private key of bob@example.org (serial 0x10) has the same key as the certificate that the message "
        "names, that of bob@example.org (serial 0x30): it opens the message once it is loaded with that certificate"
    )


def _with_key_identifier(owner: x509.Certificate, identifier: bytes) -> x509.Certificate:
    key = rsa_key().public_key()
    end = owner.not_valid_after_utc
    builder = x509.CertificateBuilder(owner.issuer, owner.subject, key, owner.serial_number, end - 900 * DAY, end)
    builder = builder.add_extension(x509.SubjectKeyIdentifier(identifier), critical=False)
    names = owner.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return builder.add_extension(names, critical=False).sign(ISSUER, hashes.SHA256())


def test_the_remedy_works() -> None:
    """A key that is loaded with the certificate that the message names opens it."""
    now = certificate("bob@example.org", 0x31, issuer="Another Issuer", days=4000)
    message = encrypt(b"Subject: x\r\n\r\nhello\r\n", [now])
    with pytest.raises(NoMatchError):
        decrypt(message, [identity(BOB)])
    assert decrypt(message, [identity(now)]).message.endswith(b"hello\r\n")


def test_the_same_address_with_another_key_is_close() -> None:
    """A certificate for comparison tells the address too, and that the key is another."""
    sentence = closest(wrapped_for(REKEYED), [identity(BOB)], [REKEYED], at=NOW)
    assert sentence
    assert "has the same mail address as the certificate that the message names, that of bob@example.org" in sentence
    assert sentence.endswith("but another key")


def test_a_name_without_its_key_is_closest() -> None:
    """A recipient info for another kind of key that bears the name is told as what it is."""
    key = ec.generate_private_key(ec.SECP256R1())
    (for_curve,) = wrapped_for(certificate("bob@example.org", 0x10, key))
    sentence = closest([for_curve], [identity(BOB)], at=NOW)
    assert sentence
    assert sentence.endswith("is named in the message, but for key agreement, which its key is not for")


def test_what_is_not_supported_comes_closest() -> None:
    """A recipient info that bears the name and has an unknown algorithm says so."""
    (wrapped,) = wrapped_for(BOB)
    fields = [each.encoded for each in asn1.parse(wrapped.encoded).children()]
    fields[2] = codec.algorithm_identifier(AlgorithmIdentifier("1.2.3"))
    unknown = wrapped._replace(encoded=asn1.encode(asn1.SEQUENCE, *fields))
    sentence = closest([unknown], [identity(BOB)], at=NOW)
    assert sentence
    assert sentence.endswith("is named in the message, but the key-encryption algorithm (1.2.3) is not supported")


def test_the_closest_of_all_is_told() -> None:
    """Of several identities and recipients the nearest pair is chosen, whatever their order."""
    other = certificate("bob@example.org", 0x30, issuer="Another Issuer")
    wrapped = wrapped_for(CAROL, RENEWED, other)
    given = [identity(CAROL, rsa_key("carol")), identity(BOB)]
    for identities in (given, given[::-1]):
        sentence = closest(wrapped[1:], identities, [other], at=NOW)
        assert sentence
        assert "same key" in sentence


def test_what_speaks_against_the_certificate_is_told() -> None:
    """A certificate that expired was probably replaced by the one that the message names."""
    expired = certificate("bob@example.org", 0x9, days=-30)
    sentence = closest(wrapped_for(RENEWED), [identity(expired)], at=NOW)
    assert sentence
    assert sentence.endswith("; its own certificate expired on 2026-01-30")


def test_nothing_is_close_to_strangers() -> None:
    """No sentence is made up: not for others' certificates, a key without one, or a password."""
    assert closest(wrapped_for(CAROL), [identity(BOB)], [CAROL], at=NOW) is None
    bare = identity_for(private_key(rsa_key()))
    assert closest(wrapped_for(RENEWED), [bare, Password("a password", iterations=1000)], at=NOW) is None
    assert closest([], [identity(BOB)], at=NOW) is None


def test_a_list_is_not_read_to_its_end() -> None:
    """An error about a mailing list costs no more than one about a thousand recipients."""
    (stranger,), (near,) = wrapped_for(CAROL), wrapped_for(RENEWED)
    assert closest([stranger] * (MOST_COMPARED - 1) + [near], [identity(BOB)], at=NOW)
    assert closest([stranger] * MOST_COMPARED + [near], [identity(BOB)], at=NOW) is None


def test_the_error_says_it() -> None:
    """The refusal to decrypt has it as a fact and in its sentence."""
    sent_to = certificate("bob@example.org", 0x11, days=4000)
    with pytest.raises(NoMatchError, match=rf"closest: {WHO} has the same issuer") as refused:
        decrypt(encrypt(b"Subject: x\r\n\r\nhello\r\n", [sent_to]), [identity(certificate("bob@example.org", 0x10))])
    assert refused.value.closest
    assert refused.value.closest in str(refused.value)
    assert refused.value.addressed_to == ("serial 0x11 of CN=An Issuer (key transport)",)


def test_a_directory_finds_by_either_name() -> None:
    """Certificates are found by issuer and serial number and by the key identifier they state."""
    directory = Directory([BOB, CAROL])
    for by_key in (False, True):
        (wrapped,) = wrapped_for(CAROL, by_key=by_key)
        assert directory.find(summarize(wrapped)[0]) == CAROL
    (wrapped,) = wrapped_for(REKEYED)
    assert directory.find(summarize(wrapped)[0]) is None
