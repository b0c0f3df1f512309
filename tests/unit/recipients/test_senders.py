"""Senders who name their own certificate: it is found beside the private key or in the message, and not trusted."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from smime_session import (
    COMPAT,
    MODERN,
    LimitError,
    MalformedError,
    MessageError,
    decrypt,
    export_session_key,
    inspect,
    recipient_for,
    rewrap,
)
from smime_session.algorithms import P_256, P_384, X448, X25519, Curve
from smime_session.keys.software import private_key
from smime_session.profiles import MAX_ORIGINATOR_CERTIFICATES
from smime_session.recipients.ecdh import KeyAgreementIdentity
from tests.support.agreeing import Person, person
from tests.support.making import NOW, altered, certificate
from tests.support.readers import parts_of
from tests.support.static_senders import CONTENT, FromStatic, message_with, originator_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from smime_session import Profile, Recipient
    from smime_session.cms.values import RecipientIdentifier
    from tests.conftest import Person as RsaPerson

ALICE, BOB, CAROL = person(), person("bob"), person("carol")
TO_ALICE = FromStatic(ALICE, BOB, BOB.by_serial)
NOT_AT_HAND = "the certificate of the originator is not at hand"
NAMES = pytest.mark.parametrize(
    "name", [attrgetter("by_serial"), attrgetter("by_key")], ids=["issuer and serial number", "key identifier"]
)


# --- a certificate in the message --------------------------------------------------------------


@NAMES
@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=attrgetter("name"))
@pytest.mark.parametrize("curve", [P_256, P_384, X25519, X448], ids=attrgetter("name"))
def test_the_message_may_carry_the_certificate(
    curve: Curve, profile: Profile, name: Callable[[Person], RecipientIdentifier]
) -> None:
    """Among others, and with the reader's certificate or without."""
    alice, bob = person(curve=curve), person("bob", curve)
    info = originator_info(certificate(), person("dave", X25519).certificate, alice.certificate, bob.certificate)
    message = message_with([FromStatic(alice, bob, name(bob))], info, profile)
    for identity in (alice.identity, alice.bare):
        assert decrypt(message, [identity]).message == CONTENT


def test_a_session_key_is_exported() -> None:
    """Whatever opens a message uses what it carries."""
    message = message_with([TO_ALICE], originator_info(BOB.certificate))
    assert decrypt(message, [export_session_key(message, [ALICE.identity])]).message == CONTENT


@pytest.mark.parametrize("reseal", [False, True])
def test_rewrapping_keeps_what_the_message_carries(*, reseal: bool) -> None:
    """A new reader opens the message, and so does an old one who was not taken out."""
    message = message_with([TO_ALICE], originator_info(BOB.certificate))
    wider = rewrap(message, [ALICE.identity], add=[CAROL.recipient()], reseal=reseal)
    assert parts_of(wider).header.originator_info == originator_info(BOB.certificate)
    assert decrypt(wider, [CAROL.identity]).message == CONTENT
    if not reseal:
        assert parts_of(wider).unchanging == parts_of(message).unchanging
        assert decrypt(wider, [ALICE.identity]).message == CONTENT


def test_inspecting_tells_both() -> None:
    """Who is named, and that there are certificates of the originator."""
    found = inspect(message_with([TO_ALICE], originator_info(BOB.certificate)))
    assert found.has_originator_info
    assert f"{BOB.certificate.serial_number:#x}" in str(found.recipients[0].summary.parameters["originator"])


def test_a_certificate_of_the_message_is_for_that_message_alone() -> None:
    """An identity does not remember what a message brought along."""
    identity = ALICE.identity
    assert decrypt(message_with([TO_ALICE], originator_info(BOB.certificate)), [identity]).message == CONTENT
    for info in (None, originator_info(CAROL.certificate)):
        with pytest.raises(MessageError, match=f"{NOT_AT_HAND}: .*{BOB.certificate.serial_number:#x}"):
            decrypt(message_with([TO_ALICE], info), [identity])


def test_a_certificate_lends_its_key_and_proves_nothing() -> None:
    """Expired and with a signature that does not fit, it serves as well."""
    made = certificate(public_key=BOB.key.public_key(), serial=0x77665544, end=NOW)
    forged = altered(made, made.signature, bytes(len(made.signature)))
    sender = Person(BOB.key, forged)
    message = message_with([FromStatic(ALICE, sender, sender.by_serial)], originator_info(forged))
    assert decrypt(message, [ALICE.identity]).message == CONTENT


# --- a certificate beside the private key ------------------------------------------------------


def test_a_certificate_beside_the_key_goes_first() -> None:
    """Who has it does not look into the message, whatever is in there."""
    identity = KeyAgreementIdentity(private_key(ALICE.key), ALICE.certificate, [BOB.certificate])
    impostor = certificate(public_key=CAROL.key.public_key(), serial=BOB.certificate.serial_number)
    for info in (originator_info(impostor), b"\xa0\x02\x30\x00"):
        assert decrypt(message_with([TO_ALICE], info), [identity]).message == CONTENT


def test_both_places_are_searched() -> None:
    """A certificate beside the key does not hide the one in the message."""
    identity = KeyAgreementIdentity(private_key(ALICE.key), ALICE.certificate, [CAROL.certificate])
    assert decrypt(message_with([TO_ALICE], originator_info(BOB.certificate)), [identity]).message == CONTENT


# --- what is broken ----------------------------------------------------------------------------


def test_nobody_looks_who_needs_no_certificate(alice: RsaPerson) -> None:
    """A broken OriginatorInfo keeps nobody out whose recipient info names no certificate."""
    rsa = recipient_for(alice.certificate, profile=replace(MODERN, insecure_expired=True))
    message = message_with([ALICE.recipient(), rsa], b"\xa0\x02\x30\x00")
    for identity in (ALICE.identity, alice.identity):
        assert decrypt(message, [identity]).message == CONTENT


def test_a_broken_certificate_hides_no_other() -> None:
    """What cannot be read, or has a key of no known curve, is passed over."""
    der = BOB.certificate.public_bytes(Encoding.DER)
    unknown_curve = bytes.fromhex("06082a8648ce3d030107")
    assert unknown_curve in der
    version = b"\xa0\x03\x02\x01\x02"
    broken = [b"\x30\x00", der.replace(unknown_curve, unknown_curve[:-1] + b"\x7f"), b"\x30\x03\x02\x01\x05"]
    broken.append(der.replace(version, version[:-1] + b"\x09", 1))
    message = message_with([TO_ALICE], originator_info(*broken, BOB.certificate))
    assert decrypt(message, [ALICE.identity]).message == CONTENT
    with pytest.raises(MessageError, match=NOT_AT_HAND):
        decrypt(message_with([TO_ALICE], originator_info(*broken)), [ALICE.identity])


def test_a_broken_originator_info_is_told() -> None:
    """By whoever needs it."""
    with pytest.raises(MalformedError, match="the OriginatorInfo is malformed"):
        decrypt(message_with([TO_ALICE], b"\xa0\x02\x30\x00"), [ALICE.identity])


def test_too_many_certificates_are_refused() -> None:
    """The last that is allowed is found."""
    others = [CAROL.certificate] * (MAX_ORIGINATOR_CERTIFICATES - 1)
    message = message_with([TO_ALICE], originator_info(*others, BOB.certificate))
    assert decrypt(message, [ALICE.identity]).message == CONTENT
    with pytest.raises(LimitError, match="the number of the originator's certificates exceeds the limit of"):
        decrypt(message_with([TO_ALICE], originator_info(*others, *others[:1], BOB.certificate)), [ALICE.identity])


def test_a_key_on_another_curve_is_refused() -> None:
    """A certificate in the message may hold any key."""
    dave = person("dave", P_384)
    message = message_with([FromStatic(ALICE, BOB, dave.by_serial)], originator_info(dave.certificate))
    with pytest.raises(MalformedError, match="the originator's public key is not on P-256"):
        decrypt(message, [ALICE.identity])


@pytest.mark.parametrize("broken_first", [True, False])
def test_one_without_its_certificate_hides_no_other(*, broken_first: bool) -> None:
    """A recipient info whose sender is not known does not keep an identity from its others."""
    recipients: list[Recipient] = [TO_ALICE, ALICE.recipient()]
    message = message_with(recipients if broken_first else recipients[::-1], None)
    for identity in (ALICE.identity, ALICE.bare):
        assert decrypt(message, [identity]).message == CONTENT
