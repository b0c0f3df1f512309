"""From the addresses of a mail to certificates: who is chosen, who is passed over, and who gets which message."""

from __future__ import annotations

from email.message import EmailMessage
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.x509.oid import NameOID

from smime_session import MODERN, CertificateBundle, RecipientError, decrypt, encrypt_by_address, inspect, new_identity
from smime_session.errors import AlreadyEncryptedError, MessageError
from smime_session.mail.fields import parse_fields
from smime_session.operations.addressees import addressee_for, addresses_of_fields
from smime_session.recipients.identities import load_identities
from tests.support.making import DAY, NOW, certificate, key_usage, pem, rsa_key, smtp_utf8_mailbox, subject_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

BOB: Final = "bob@example.org"
EMAIL: Final = NameOID.EMAIL_ADDRESS


def _chosen(address: str, *certificates: x509.Certificate, every: bool = False) -> list[int]:
    found = addressee_for(address, [CertificateBundle(certificates)], profile=MODERN, at=NOW, every=every)
    return [each.serial_number for each in found.certificates]


def test_the_certificate_that_became_valid_last_is_chosen() -> None:
    """Of several that can be used the newest wins, in whatever order they lie; all are taken where that is asked."""
    made = [certificate(BOB, serial=number, start=NOW - number * DAY) for number in (3, 1, 2)]
    assert _chosen(BOB, *made) == [1]
    assert _chosen(BOB, *made, every=True) == [1, 2, 3]


def test_certificates_that_cannot_be_used_are_passed_over() -> None:
    """An expired one and one that only signs lie beside a usable one, and are named."""
    expired = certificate(BOB, serial=1, end=NOW - DAY)
    signing = certificate(BOB, serial=2, start=NOW - DAY, usage="digital_signature")
    usable = certificate(BOB, serial=3)
    found = addressee_for(BOB, [CertificateBundle([expired, signing, usable])], profile=MODERN, at=NOW)
    assert found.certificates == (usable,)
    assert [reason.partition(" serial ")[2][:3] for reason in found.reasons] == ["0x1", "0x2"]
    assert "expired on" in found.reasons[0]
    assert "keyEncipherment" in found.reasons[1]


def test_without_a_usable_certificate_there_are_reasons() -> None:
    """What is there and cannot be used is told from what is not there."""
    source = CertificateBundle([certificate(BOB, end=NOW - DAY)])
    assert "expired on" in addressee_for(BOB, [source], profile=MODERN, at=NOW).reasons[0]
    nobody = addressee_for("carol@example.org", [source], profile=MODERN, at=NOW)
    assert (nobody.certificates, nobody.reasons) == ((), ("there is no certificate for it",))


def test_an_alternative_name_goes_before_a_subject_and_an_exact_spelling_before_another() -> None:
    """Where an address stands counts first, then letter case in its local part, then the date."""
    in_subject = certificate(None, serial=1, subject=subject_with(EMAIL, BOB), start=NOW - DAY)
    in_name = certificate("Bob@example.org", serial=2, start=NOW - 9 * DAY)
    exact = certificate("bob@EXAMPLE.org", serial=3, start=NOW - 10 * DAY)
    assert _chosen(BOB, in_subject, in_name, exact, every=True) == [3, 2, 1]


def test_internationalised_addresses_are_matched() -> None:
    """A SmtpUTF8Mailbox (RFC 9598), and a domain in either form."""
    local = certificate(None, serial=1, names=[smtp_utf8_mailbox("jörg@example.org")])
    domain = certificate("bob@xn--mller-kva.example", serial=2)
    assert _chosen("JÖRG@example.org", local) == [1]
    assert _chosen("bob@müller.example", domain) == [2]


def test_addresses_come_from_the_fields_once_each() -> None:
    """Repeated fields and addresses, groups and names; what is no address is an error that names the field."""
    head = b"To: Bob <bob@x.org>, team: carol@x.org;\r\nCC: BOB@X.org\r\nTo: dana@x.org\r\nSubject: eve@x.org\r\n"
    assert addresses_of_fields(parse_fields(head), ("to", "cc")) == ["bob@x.org", "carol@x.org", "dana@x.org"]
    with pytest.raises(MessageError, match="the CC field"):
        addresses_of_fields(parse_fields(b"CC: nobody\r\n"), ("cc",))


MAIL: Final = (
    b"From: alice@x.org\nTo: bob@x.org\nCc: carol@x.org\nBcc: dana@x.org, erin@x.org, bob@x.org\nSubject: s\n\ntext\n"
)


def _identity(address: str) -> x509.Certificate:
    return certificate(address, serial=sum(address.encode()), end=NOW + 36_500 * DAY)


def _serials(message: bytes) -> Sequence[int]:
    return sorted(int(each.summary.serial_number or "0", 16) for each in inspect(message).recipients)


def test_each_blind_recipient_gets_a_message_of_their_own() -> None:
    """No message shows a blind recipient to another one, in its header or its recipient infos; keys differ."""
    people = {name: _identity(f"{name}@x.org") for name in ("bob", "carol", "dana", "erin", "alice")}
    source = CertificateBundle(people.values())
    made = list(encrypt_by_address(MAIL, source, add=[people["alice"]]))
    assert [each.recipients for each in made] == [("bob@x.org", "carol@x.org"), ("dana@x.org",), ("erin@x.org",)]
    wanted = [["bob", "carol", "alice"], ["dana"], ["erin"]]
    assert [_serials(each.message) for each in made] == [
        sorted(people[name].serial_number for name in names) for names in wanted
    ]
    for each in made:
        assert b"Bcc" not in each.message
        assert b"dana" not in each.message.partition(b"\n\n")[0]
    identities = load_identities(pem(rsa_key()))
    opened = [decrypt(each.message, identities).message for each in made]
    assert opened[0] == opened[1] == opened[2]
    assert opened[0].endswith(b"\n\ntext\n")


def test_a_message_object_is_encrypted_too_and_addresses_can_be_given() -> None:
    """``to`` takes the place of the header, Bcc included."""
    message = EmailMessage()
    message["To"], message["Bcc"], message["Subject"] = "bob@x.org", "dana@x.org", "s"
    message.set_content("text\n")
    (made,) = encrypt_by_address(message, [CertificateBundle([_identity("carol@x.org")])], to=["carol@x.org"])
    assert made.recipients == ("carol@x.org",)
    assert made.message["To"] == "bob@x.org"
    assert made.message["Bcc"] is None


def test_each_envelope_looks_at_its_own_readers() -> None:
    """What a blind recipient does not read takes nothing from the others, and the other way round."""
    old = new_identity("old@example.org", key_type="p256", announce=False).certificate
    new = new_identity("new@example.org", key_type="p256").certificate
    source = CertificateBundle([old, new])
    for visible, blind in (("old", "new"), ("new", "old")):
        mail = f"To: {visible}@example.org\nBcc: {blind}@example.org\n\ntext\n".encode()
        found = {each.recipients[0]: inspect(each.message) for each in encrypt_by_address(mail, source)}
        assert {address: each.content.algorithm for address, each in found.items()} == {
            "old@example.org": "AES-256-CBC",
            "new@example.org": "AES-256-GCM",
        }


def test_a_mail_that_is_encrypted_already_is_refused_before_anything_else() -> None:
    """It is told at once, and not when the first message is asked for; where it is expected, it is encrypted again."""
    source = CertificateBundle([_identity(f"{name}@x.org") for name in ("bob", "carol", "dana", "erin")])
    (first, *_) = encrypt_by_address(MAIL, source)
    with pytest.raises(AlreadyEncryptedError):
        encrypt_by_address(first.message, source)
    (again,) = encrypt_by_address(first.message, source, to=["bob@x.org"], again=True, headers="none", compress=True)
    assert again.message.count(b"enveloped-data") == 1


def test_nothing_is_encrypted_where_one_address_has_no_certificate() -> None:
    """Every such address is named, blind ones too, before the first message is made."""
    source = CertificateBundle([_identity("bob@x.org"), certificate("dana@x.org", end=NOW - 900 * DAY)])
    with pytest.raises(RecipientError) as caught:
        encrypt_by_address(MAIL, source)
    assert [sentence.partition(":")[0] for sentence in caught.value.refused] == [
        "carol@x.org",
        "dana@x.org",
        "erin@x.org",
    ]
    with pytest.raises(RecipientError, match="no recipient"):
        encrypt_by_address(b"Subject: to nobody\n\ntext\n", source)


def test_key_usage_is_that_of_the_kind_of_key() -> None:
    """A certificate that agrees on keys is no RSA recipient."""
    made = certificate(BOB, extensions=[(key_usage("key_agreement"), True)])
    assert _chosen(BOB, made) == []
