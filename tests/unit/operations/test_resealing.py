"""Resealing: a message gets a new session key, for exactly those who are named, and keeps what else it says."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import Any

import pytest

import smime_session
from smime_session import (
    COMPAT,
    MODERN,
    PQ,
    DecryptionError,
    Policy,
    PolicyError,
    Profile,
    RecipientError,
    SessionKey,
    decrypt,
    rewrap,
    rewrap_stream,
)
from smime_session.algorithms import DATA, SIGNED_DATA
from smime_session.cms import asn1
from tests.support.readers import (
    EC,
    MAIL,
    ML_KEM,
    PASSWORD,
    RSA,
    SHARED,
    opens,
    parts_of,
    prepared_for,
    sealed_for,
    with_attributes,
)


@pytest.mark.parametrize("transactional", [False, True])
@pytest.mark.parametrize("new", [MODERN, COMPAT, PQ], ids=lambda profile: profile.name)
@pytest.mark.parametrize("old", [MODERN, COMPAT], ids=lambda profile: profile.name)
@pytest.mark.parametrize("size", [0, 15, 16, 17, 65_536, 2 << 20])
def test_a_resealed_message_has_a_new_key(old: Profile, new: Profile, size: int, transactional: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """The content is sealed with another key, for exactly those who are named, in any size, from and to any cipher."""
    content = os.urandom(size)
    message, target = sealed_for(RSA, EC, form="der", profile=old, content=content), io.BytesIO()
    keep = ML_KEM if new is PQ else EC
    done = rewrap_stream(
        io.BytesIO(message),
        target,
        RSA.identities,
        add=[keep.recipient],
        reseal=True,
        profile=new,
        transactional=transactional,
    )
    before, after = parts_of(message), parts_of(target.getvalue())
    assert decrypt(target.getvalue(), keep.identities).message == content
    assert not opens(target.getvalue(), RSA)
    assert before.header.content_encryption != after.header.content_encryption
    assert not before.wrapped & after.wrapped
    assert done.resealed
    assert old.content
    assert new.content
    assert done.content_encryption == new.content.name
    assert (done.kept, done.added) == ((0, 1) if new is PQ else (1, 0))
    one_cipher = old.content.block_size == new.content.block_size
    assert done.encoding == ("BER" if transactional and not one_cipher else "DER")
    assert after.indefinite == (done.encoding == "BER")


def test_resealing_names_who_is_left_out() -> None:
    """Whoever is not among those for whom a message is resealed is reported."""
    source, target = io.BytesIO(sealed_for(RSA, EC, PASSWORD, SHARED)), io.BytesIO()
    add = [PASSWORD.recipient, EC.recipient]
    done = rewrap_stream(source, target, RSA.identities, add=add, remove=[RSA.certificate], reseal=True)
    assert (done.kept, done.added, len(done.removed)) == (2, 0, 2)
    assert any("6f757273" in name for name in done.removed)


def test_a_resealed_mail_says_what_it_is() -> None:
    """A mail that changes from one kind of envelope to the other says so, and keeps its other fields."""
    message = sealed_for(RSA, profile=COMPAT)
    assert b"smime-type=enveloped-data" in message
    resealed = rewrap(message, RSA.identities, add=[RSA.recipient], reseal=True, profile=MODERN)
    assert b"smime-type=authEnveloped-data" in resealed
    assert resealed.startswith(b"From: a@example.org\r\nSubject: hello\r\nX-Odd:  kept \r\n")
    assert decrypt(resealed, RSA.identities).message == decrypt(message, RSA.identities).message


@pytest.mark.parametrize("transactional", [False, True])
@pytest.mark.parametrize("authenticated", [True, False])
def test_resealing_keeps_attributes(authenticated: bool, transactional: bool) -> None:  # noqa: FBT001  # parameters
    """Attributes stay, and those that the old tag covered are covered by the new one."""
    message, target = with_attributes(*prepared_for(RSA), authenticated=authenticated), io.BytesIO()
    target.write(b"before")
    rewrap_stream(
        io.BytesIO(message),
        target,
        RSA.identities,
        add=[EC.recipient],
        reseal=True,
        profile=MODERN,
        transactional=transactional,
    )
    assert target.getvalue().startswith(b"before")
    resealed = target.getvalue()[6:]
    old, new = parts_of(message).trailer, parts_of(resealed).trailer
    assert new.authenticated_attributes == old.authenticated_attributes
    assert new.unauthenticated_attributes[1:] == old.unauthenticated_attributes[1:]
    assert new.unauthenticated_attributes[0] == 0xA2
    assert decrypt(resealed, EC.identities).message == MAIL


@pytest.mark.parametrize("who", ["0x1", "password", "nobody@example.org"])
def test_resealing_without_somebody_who_is_not_there_is_refused(who: str) -> None:
    """Whoever is named has to be a recipient, even where nobody stays but those who are named again."""
    target = io.BytesIO()
    with pytest.raises(RecipientError, match=f"^{who} is "):
        rewrap_stream(
            io.BytesIO(sealed_for(RSA)), target, RSA.identities, add=[EC.recipient], remove=[who], reseal=True
        )
    assert not target.getvalue()


def test_authenticated_attributes_are_not_given_up() -> None:
    """Resealing without authentication a message that has authenticated attributes is refused."""
    message = with_attributes(*prepared_for(RSA), authenticated=True)
    with pytest.raises(smime_session.MessageError, match="AES-256-CBC cannot protect"):
        rewrap(message, RSA.identities, add=[EC.recipient], reseal=True, profile=COMPAT)


@pytest.mark.parametrize("transactional", [False, True])
@pytest.mark.parametrize("new", [MODERN, COMPAT], ids=lambda profile: profile.name)
def test_content_of_another_type_is_said_to_be(new: Profile, transactional: bool) -> None:  # noqa: FBT001  # a parameter
    """Where content is no plain data, its type is authenticated with it, if anything is (RFC 5083, 2.1)."""
    data, signed = asn1.object_identifier(DATA), asn1.object_identifier(SIGNED_DATA)
    message = sealed_for(RSA, form="der", profile=COMPAT)
    assert message.count(data) == 1
    target = io.BytesIO()
    rewrap_stream(
        io.BytesIO(message.replace(data, signed)),
        target,
        RSA.identities,
        add=[EC.recipient],
        reseal=True,
        profile=new,
        transactional=transactional,
    )
    after = parts_of(target.getvalue())
    attribute = asn1.encode(0x30, asn1.object_identifier("1.2.840.113549.1.9.3"), asn1.encode(0x31, signed))
    assert after.header.inner_content_type == SIGNED_DATA
    assert after.trailer.authenticated_attributes == (asn1.encode(0x31, attribute) if new is MODERN else b"")
    assert decrypt(target.getvalue(), EC.identities).message == MAIL
    plain = parts_of(rewrap(message, RSA.identities, add=[EC.recipient], reseal=True, profile=new))
    assert plain.trailer.authenticated_attributes == b""
    again = io.BytesIO()
    rewrap_stream(
        io.BytesIO(target.getvalue()),
        again,
        EC.identities,
        add=[RSA.recipient],
        reseal=True,
        profile=new,
        transactional=transactional,
    )
    assert parts_of(again.getvalue()).trailer.authenticated_attributes == after.trailer.authenticated_attributes
    assert decrypt(again.getvalue(), RSA.identities).message == MAIL


@pytest.mark.parametrize("transactional", [False, True])
def test_a_key_that_nothing_proves_is_not_passed_on(transactional: bool) -> None:  # noqa: FBT001  # a parameter
    """A session key that is given as it is opens content in CBC mode, which proves nothing; noise stays noise."""
    message = sealed_for(SHARED, profile=COMPAT)
    key = SHARED.identities[0].unwrap(parts_of(message).header.wrapped_keys)
    bare = SessionKey(bytearray(key.material))
    assert decrypt(message, [bare]).message.endswith(b"Good morning\r\n")
    with pytest.raises(DecryptionError) as refused:
        rewrap_stream(
            io.BytesIO(message), io.BytesIO(), [bare], add=[RSA.recipient], reseal=True, transactional=transactional
        )
    assert refused.value.unproven


def test_whoever_is_named_in_another_way_is_the_same() -> None:
    """A certificate that was addressed by its key identifier, and is by its serial number now, is one who stays."""
    message = sealed_for(RSA, EC, SHARED, PASSWORD, profile=replace(MODERN, identifier="key-identifier"))
    add = [RSA.recipient, SHARED.recipient, PASSWORD.recipient, ML_KEM.recipient]
    done = rewrap_stream(io.BytesIO(message), io.BytesIO(), RSA.identities, add=add, reseal=True, profile=MODERN)
    assert (done.kept, done.added) == (3, 1)
    assert [f"{EC.certificate.serial_number:#x}" in name or "key" in name for name in done.removed] == [True]


def test_resealing_for_nobody_is_refused() -> None:
    """Resealing needs to be told for whom."""
    with pytest.raises(RecipientError, match="no recipient"):
        rewrap(sealed_for(RSA), RSA.identities, reseal=True)


@pytest.mark.parametrize(("old", "proven"), [(MODERN, True), (COMPAT, False)], ids=["modern", "compat"])
def test_resealing_tells_what_was_proven_before(old: Profile, proven: bool) -> None:  # noqa: FBT001  # a parameter
    """What could have been altered is called that, though nothing shows it in the new message any more."""
    message, target = sealed_for(RSA, profile=old), io.BytesIO()
    done = rewrap_stream(io.BytesIO(message), target, RSA.identities, add=[RSA.recipient], reseal=True, profile=MODERN)
    assert done.authenticated is proven
    assert decrypt(target.getvalue(), RSA.identities).authenticated


@pytest.mark.parametrize(
    "change",
    [{"reseal": True, "add": [RSA.recipient]}, {"add": [SHARED.recipient]}, {"remove": [EC.certificate]}],
    ids=["reseal", "add", "remove"],
)
def test_authentication_can_be_required(change: dict[str, Any]) -> None:
    """No change is made to a message that is not authenticated, if that is asked for, whatever the change."""
    message, target = sealed_for(RSA, EC, profile=COMPAT), io.BytesIO()
    policy = Policy(require_authenticated=True)
    with pytest.raises(PolicyError, match=r"^the content is not authenticated \(AES-256-CBC\)$"):
        rewrap_stream(io.BytesIO(message), target, RSA.identities, policy=policy, **change)
    assert not target.getvalue()
    assert rewrap(message, RSA.identities, **change) != message
