"""Inspecting: whom a message is for, among those who are given, and what becomes of it elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from smime_session import MODERN, encrypt, inspect
from smime_session.certificates.names import describe
from smime_session.inspection.clients import CLIENTS
from smime_session.keys.software import private_key
from smime_session.recipients.rsa import KeyTransportIdentity

if TYPE_CHECKING:
    from tests.conftest import Person

MAIL = b"Subject: hello\r\n\r\ntext\r\n"


def _message(*people: Person) -> bytes:
    return encrypt(MAIL, [person.certificate for person in people], profile=MODERN)


def test_given_certificates_name_the_recipients(alice: Person, bob: Person) -> None:
    """Each recipient whose certificate is given is named by it, the others stay numbers."""
    found = inspect(_message(bob, alice), certificates=[alice.certificate])
    assert [recipient.certificate for recipient in found.recipients] == [None, describe(alice.certificate)]


def test_the_closest_identity_is_told_if_none_is_addressed(alice: Person, bob: Person) -> None:
    """Nothing is compared once somebody is addressed, and without identities there is nothing to compare."""
    message = _message(alice)
    assert inspect(message).closest is None
    assert inspect(message, [bob.identity]).closest is None
    assert inspect(message, [bob.identity, alice.identity]).closest is None
    again = type(bob)(bob.key, alice.certificate)  # bears the name; the private key is never asked
    assert inspect(message, [again.identity]).recipients[0].opened_by


def test_everything_is_plain_values(alice: Person, bob: Person) -> None:
    """The dictionary can be written as JSON and holds the notes on programs."""
    found = json.loads(json.dumps(inspect(_message(alice), [bob.identity], [alice.certificate]).to_dict()))
    assert [set(note) for note in found["clients"]] == [{"name", "opens", "reason"}] * len(CLIENTS)
    assert found["recipients"][0]["certificate"] == describe(alice.certificate)
    assert found["closest"] is None


@pytest.mark.parametrize("identifier", ["issuer-serial", "key-identifier"])
def test_a_key_alone_is_named_by_its_identifier_only(
    alice: Person, bob: Person, identifier: Literal["issuer-serial", "key-identifier"]
) -> None:
    """A private key without its certificate may have any serial number, and then nothing more is claimed of it."""
    message = encrypt(MAIL, [alice.certificate], profile=replace(MODERN, identifier=identifier))
    alone, stranger = (KeyTransportIdentity(private_key(person.key), None) for person in (alice, bob))
    (found,) = inspect(message, [alone, stranger]).recipients
    if identifier == "key-identifier":
        assert (found.opened_by, found.may_be_opened_by) == ((str(alone),), (str(stranger),))
    else:
        assert (found.opened_by, found.may_be_opened_by) == ((), (str(alone), str(stranger)))
    (found,) = inspect(message, [alice.identity, bob.identity]).recipients
    assert (found.opened_by, found.may_be_opened_by) == ((str(alice.identity),), ())
