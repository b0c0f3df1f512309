"""What is no message's fault but its caller's is a TypeError that says what is wanted."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from smime_session import (
    MODERN,
    Password,
    Policy,
    PresharedKey,
    addresses_of,
    certificates_for,
    decrypt,
    decrypt_stream,
    encrypt,
    encrypt_stream,
    export_session_key,
    inspect,
    list_credentials,
    load_certificates,
    load_recipients,
    load_session_key,
    new_identity,
    recipient_for,
    rewrap,
    rewrap_stream,
)
from smime_session.operations.roster import Roster
from smime_session.recipients.from_certificates import recipients_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Person

MAIL = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\ntext\r\n"
READER = PresharedKey(bytes(32), b"reader")
OTHER = PresharedKey(bytes(32), b"other")
NO_RECIPIENT = r"^a recipient is a certificate, what recipient_for\(\) returns, or .*, not an object of type {}$"


def _kind(value: object) -> str:
    return type(value).__name__


def test_an_identity_is_no_recipient(alice: Person) -> None:
    """Encrypting is for certificates; the private key's identity is told by its type."""
    identity: Any = alice.identity
    for use in (lambda: encrypt(MAIL, [identity]), lambda: recipient_for(identity)):
        with pytest.raises(TypeError, match=NO_RECIPIENT.format("KeyTransportIdentity")):
            use()


@pytest.mark.parametrize("wrong", ["alice@example.org", b"-----BEGIN CERTIFICATE-----"])
def test_text_and_octets_are_no_recipients(wrong: object) -> None:
    """An address or a file's octets are not looked up or loaded, neither in a list nor instead of one."""
    several: tuple[Any, ...] = ([wrong], [[wrong]])
    for recipients in several:
        with pytest.raises(TypeError, match=NO_RECIPIENT.format("(str|bytes|list)")):
            recipients_for(recipients)
    alone: Any = wrong
    with pytest.raises(TypeError, match=r"^recipients are given in a list, even if there is one, .* (str|bytes)$"):
        recipients_for(alone)


def test_one_certificate_is_no_list(alice: Person) -> None:
    """A certificate alone, where recipients are added, is told to belong in a list."""
    alone: Any = alice.certificate
    with pytest.raises(TypeError, match=r"^recipients are given in a list, even if there is one, .* Certificate$"):
        rewrap(MAIL, add=alone)


@pytest.mark.parametrize("wrong", ["alice@example.org", None, b"-----BEGIN CERTIFICATE-----", 5])
def test_other_things_are_no_recipients_to_be_added(alice: Person, wrong: Any) -> None:  # noqa: ANN401  # that is the point
    """Nobody is added, removed or looked up by what is neither a certificate nor a recipient."""
    sealed, kind = encrypt(MAIL, [alice.certificate]), _kind(wrong)
    with pytest.raises(TypeError, match=NO_RECIPIENT.format(kind)):
        rewrap(sealed, [alice.identity], add=[wrong])
    no_certificate = rf"^a certificate is one that load_certificates\(\) returns, .* of type {kind}$"
    uses: list[Callable[[], object]] = [
        lambda: rewrap(sealed, [alice.identity], remove=[alice.certificate], certificates=[wrong]),
        lambda: inspect(sealed, (), [wrong]),
        lambda: addresses_of(wrong),
        lambda: certificates_for("alice@example.org", [wrong]),
    ]
    for use in uses:
        with pytest.raises(TypeError, match=no_certificate):
            use()
    if not isinstance(wrong, str):
        with pytest.raises(TypeError, match=r"^(certificates are given in a list|a certificate is one)"):
            rewrap(sealed, [alice.identity], remove=[wrong])


def test_certificates_are_no_identities(alice: Person) -> None:
    """What is to be inspected for whom is not mixed up."""
    wrong: Any = [alice.certificate]
    with pytest.raises(
        TypeError, match=r"^an identity is one of those that load_identities\(\) returns, .* Certificate$"
    ):
        inspect(encrypt(MAIL, [alice.certificate]), wrong)


@pytest.mark.parametrize("wrong", [None, 5, "require_authenticated", Policy], ids=_kind)
def test_a_policy_is_a_policy(wrong: Any) -> None:  # noqa: ANN401  # that is the point
    """Nothing else is taken for one."""
    sealed = encrypt(MAIL, [READER])
    for use in (
        lambda: decrypt(sealed, [READER], policy=wrong),
        lambda: inspect(sealed, policy=wrong),
        lambda: rewrap(sealed, [READER], add=[OTHER], policy=wrong),
    ):
        with pytest.raises(TypeError, match=r"^a policy is DEFAULT or made with Policy\(\), not an object of type "):
            use()


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"require_authenticated": "no"}, "require_authenticated is True or False, not 'no'"),
        ({"insecure_legacy": 0}, "insecure_legacy is True or False, not 0"),
        ({"max_trials": "5"}, "max_trials is a whole number, not '5'"),
        ({"max_recipients": True}, "max_recipients is a whole number, not True"),
        ({"max_password_iterations": 1.5}, "max_password_iterations is a whole number, not 1.5"),
        ({"max_header_size": None}, "max_header_size is a whole number, not None"),
    ],
)
def test_a_policy_has_no_mistaken_choice(choice: dict[str, Any], words: str) -> None:
    """A word is not taken for true, and a limit is a number."""
    with pytest.raises(TypeError, match=f"^{words}$"):
        Policy(**choice)


@pytest.mark.parametrize(("key", "identifier"), [(32, b"x"), ("secret", b"x"), (bytes(32), 5), (bytes(32), "name")])
def test_a_shared_key_is_octets(key: Any, identifier: Any) -> None:  # noqa: ANN401  # that is the point
    """A number would be a key of so many zeros, and a name of them."""
    words = r"^(a pre-shared key|the identifier of a pre-shared key) is bytes, not an object of type (int|str)$"
    with pytest.raises(TypeError, match=words):
        PresharedKey(key, identifier)


def test_a_passphrase_is_octets(alice: Person) -> None:
    """Text is refused where keys are made or listed: how it would be encoded is for its owner to say."""
    text: Any = "open sesame"
    pem = alice.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    uses: tuple[Callable[[], object], ...] = (
        lambda: list_credentials(pem, text),
        lambda: new_identity("alice@example.org", key_type="p256", passphrase=text),
    )
    for use in uses:
        with pytest.raises(TypeError, match=r"^a passphrase is bytes, not an object of type str$"):
            use()


def test_an_address_is_text() -> None:
    """What is no text is no address."""
    nothing: Any = None
    with pytest.raises(TypeError, match=r"^a mail address is text, not an object of type NoneType$"):
        new_identity(nothing)


def test_a_profile_is_no_name(alice: Person) -> None:
    """The name of a profile is for the command line."""
    name: Any = "modern"
    for use in (
        lambda: encrypt(MAIL, [Password("pw")], profile=name),
        lambda: recipient_for(alice.certificate, profile=name),
    ):
        with pytest.raises(
            TypeError,
            match=r"^a profile is AUTO, MODERN, COMPAT, PQ or made from one of them, not an object of type str$",
        ):
            use()


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
    with pytest.raises(
        TypeError, match=r"^names are given in a list, even if there is one, not an object of type str$"
    ):
        Roster([]).select("alice@example.org")


@pytest.mark.parametrize("buffer", [bytearray, memoryview], ids=lambda each: each.__name__)
def test_a_message_may_be_in_any_buffer(buffer: Callable[[bytes], Any]) -> None:
    """What takes a message as bytes takes it from any buffer, and gives bytes back."""
    sealed = encrypt(buffer(MAIL), [READER])
    assert type(sealed) is bytes
    opened = decrypt(buffer(sealed), [READER])
    assert (type(opened.message), opened.message) == (bytes, MAIL)
    wider = rewrap(buffer(sealed), [READER], add=[OTHER])
    assert (type(wider), decrypt(wider, [OTHER]).message) == (bytes, MAIL)
    assert len(inspect(buffer(wider)).recipients) == 2
    with export_session_key(buffer(sealed), [READER]) as saved, load_session_key(buffer(saved.to_json())) as loaded:
        assert decrypt(sealed, [loaded]).message == MAIL


@pytest.mark.parametrize("wrong", ["Subject: x\n\ntext\n", Path("letter.eml"), None, 5, ["a"]], ids=_kind)
def test_a_message_is_no_text_and_no_path(wrong: Any) -> None:  # noqa: ANN401  # that is the point
    """A text has lost its octets, and a path is not opened here."""
    words = rf"^a message is a message object or bytes, not an object of type {type(wrong).__name__}$"
    uses: tuple[Callable[[], object], ...] = (
        lambda: encrypt(wrong, [READER]),
        lambda: decrypt(wrong, [READER]),
        lambda: rewrap(wrong, [READER], add=[OTHER]),
        lambda: inspect(wrong),
        lambda: export_session_key(wrong, [READER]),
    )
    for use in uses:
        with pytest.raises(TypeError, match=words):
            use()


@pytest.mark.parametrize("wrong", [io.StringIO("Subject: x\n\n"), Path("letter.eml"), MAIL, None], ids=_kind)
def test_a_stream_is_a_binary_file(wrong: Any) -> None:  # noqa: ANN401  # that is the point
    """A file of text, a path and octets are refused on both sides before anything is read or written."""
    kind = type(wrong).__name__
    source, target = io.BytesIO(MAIL), io.BytesIO()
    for use in (encrypt_stream, decrypt_stream, rewrap_stream):
        with pytest.raises(
            TypeError, match=rf"^a message is read from a binary file, not from an object of type {kind}$"
        ):
            use(wrong, target, [READER])
        with pytest.raises(
            TypeError, match=rf"^a message is written to a binary file, not to an object of type {kind}$"
        ):
            use(source, wrong, [READER])
    assert (source.tell(), target.tell()) == (0, 0)


def test_a_file_of_text_is_no_message() -> None:
    """What takes a message or a file takes no file of text."""
    text: Any = io.StringIO("Subject: x\n\n")
    for use in (lambda: inspect(text), lambda: export_session_key(text, [READER])):
        with pytest.raises(TypeError, match=r"^a message is read from a binary file, not .* of type StringIO$"):
            use()


@pytest.mark.parametrize("wrong", ["PEM", "DER", "smime", "", None])
def test_a_form_is_spelt_as_it_is_known(wrong: Any) -> None:  # noqa: ANN401  # that is the point
    """A misspelt form is refused, and not taken for one of them."""
    target = io.BytesIO()
    with pytest.raises(TypeError, match=rf"^form is 'mail' or 'der' or 'pem', not {wrong!r}$"):
        encrypt_stream(io.BytesIO(MAIL), target, [READER], form=wrong)
    assert not target.getvalue()


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"identifier": "issuer_serial"}, "identifier is 'issuer-serial' or 'key-identifier', not 'issuer_serial'"),
        ({"content": "aes128-gcm"}, "content is an algorithm like AES_256_GCM, not an object of type str"),
        (
            {"rsa": MODERN.content},
            "rsa is an algorithm like RSAES_OAEP_SHA256, not an object of type ContentEncryption",
        ),
        ({"share_ephemeral": "no"}, "share_ephemeral is True or False, not 'no'"),
        ({"insecure_expired": 1}, "insecure_expired is True or False, not 1"),
    ],
)
def test_a_profile_has_no_misspelt_choice(choice: dict[str, Any], words: str) -> None:
    """What a profile does not know is refused when it is made, and not taken for something else."""
    with pytest.raises(TypeError, match=f"^{words}$"):
        replace(MODERN, **choice)


def test_a_saved_session_key_is_read_as_octets() -> None:
    """Text is refused as with any other file, and not shown."""
    text: Any = '{"key": "c2VjcmV0"}'
    with pytest.raises(TypeError, match=r"^what a file holds is bytes, not an object of type str$"):
        load_session_key(text)


def test_a_moment_has_a_time_zone(alice: Person) -> None:
    """Without one it is another moment on another computer."""
    pem = alice.certificate.public_bytes(Encoding.PEM)
    naive = datetime(2026, 3, 1, 12)  # noqa: DTZ001  # that is the point
    day: Any = naive.date()
    uses: tuple[Callable[[datetime], object], ...] = (
        lambda at: recipient_for(alice.certificate, at=at),
        lambda at: certificates_for("alice@example.org", [alice.certificate], at=at),
        lambda at: load_recipients(pem, at=at),
        lambda at: list_credentials(pem, at=at),
        lambda at: new_identity("alice@example.org", key_type="p256", at=at),
    )
    for use in uses:
        with pytest.raises(TypeError, match=r"^a moment needs a time zone, and 2026-03-01 12:00:00 has none$"):
            use(naive)
        with pytest.raises(TypeError, match=r"^a moment is a datetime with a time zone, not an object of type date$"):
            use(day)
