"""What is no message's fault but its caller's is a TypeError that says what is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from smime_session import Password, encrypt, load_certificates, load_identities, recipient_for
from smime_session.credentials.fitness import recipients_for
from smime_session.recipients.selection import Roster

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Person

MAIL = b"Subject: x\r\n\r\ntext\r\n"
NO_RECIPIENT = r"^a recipient is what load_certificates\(\) or recipient_for\(\) returns, .* of type {}$"


def test_an_identity_is_no_recipient(alice: Person) -> None:
    """Encrypting is for certificates; the private key's identity is told by its type."""
    identity: Any = alice.identity
    for use in (lambda: encrypt(MAIL, [identity]), lambda: recipient_for(identity)):
        with pytest.raises(TypeError, match=NO_RECIPIENT.format("KeyTransportIdentity")):
            use()


@pytest.mark.parametrize("wrong", ["alice@example.org", b"-----BEGIN CERTIFICATE-----"])
def test_text_and_octets_are_no_recipients(wrong: object) -> None:
    """An address or a file's octets are not looked up or loaded, neither in a list nor instead of one."""
    several: tuple[Any, ...] = (wrong, [wrong], [[wrong]])
    for recipients in several:
        with pytest.raises(TypeError, match=NO_RECIPIENT.format("(str|bytes|list)")):
            recipients_for(recipients)


def test_a_profile_is_no_name(alice: Person) -> None:
    """The name of a profile is for the command line."""
    name: Any = "modern"
    for use in (
        lambda: encrypt(MAIL, [Password("pw")], profile=name),
        lambda: recipient_for(alice.certificate, profile=name),
    ):
        with pytest.raises(TypeError, match=r"^a profile is MODERN, COMPAT, PQ or made of one, .* of type str$"):
            use()


@pytest.mark.parametrize("load", [load_certificates, load_identities])
def test_a_file_is_read_as_octets(load: Callable[..., object]) -> None:
    """Text is refused in a sentence, since an encoding may have changed it; a buffer that can change is fine."""
    with pytest.raises(TypeError, match=r"^what a file holds is wanted as bytes, not as an object of type str$"):
        load("-----BEGIN CERTIFICATE-----")


def test_certificates_are_read_from_a_bytearray(alice: Person) -> None:
    """Octets in a buffer are as good as others."""
    for encoding in (Encoding.PEM, Encoding.DER):
        assert load_certificates(bytearray(alice.certificate.public_bytes(encoding))) == [alice.certificate]  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [5, None, ["pw"]])
def test_a_password_is_text_or_octets(wrong: object) -> None:
    """A number would be a password of so many zeros."""
    with pytest.raises(TypeError, match=r"^a password is text or bytes, not an object of type (int|NoneType|list)$"):
        Password(wrong)  # type: ignore[arg-type]


def test_one_name_is_no_list_of_names() -> None:
    """The letters of one name are not looked up one by one."""
    with pytest.raises(TypeError, match=r"^several names are wanted, in a list: one alone is \[name\], not name$"):
        Roster([]).select("alice@example.org")
