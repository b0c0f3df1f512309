"""OpenSSL opens what we open of senders who name their certificate; no program here writes such a message."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

import pytest

import smime_session
from smime_session import COMPAT, MODERN
from smime_session.algorithms import BRAINPOOL_P256R1, P_256, P_384, P_521, Curve
from tests.interop import ours
from tests.interop.keypair import Keypair, write_keypair
from tests.interop.peers.base import Peer, program, run
from tests.interop.peers.openssl import OpenSSL
from tests.support.agreeing import Person, person
from tests.support.static_senders import CONTENT, FromStatic, message_with, originator_info

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from smime_session import Profile
    from smime_session.cms.values import RecipientIdentifier

PEERS: Final = [OpenSSL("system"), OpenSSL("unstable")]


@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=attrgetter("name"))
@pytest.mark.parametrize(
    "name", [attrgetter("by_serial"), attrgetter("by_key")], ids=["issuer and serial number", "key identifier"]
)
@pytest.mark.parametrize("curve", [P_256, P_384, P_521, BRAINPOOL_P256R1], ids=attrgetter("name"))
@pytest.mark.parametrize("peer", PEERS, indirect=True, ids=str)
def test_openssl_opens_the_same(
    peer: Peer, curve: Curve, name: Callable[[Person], RecipientIdentifier], profile: Profile, tmp_path: Path
) -> None:
    """We find the sender's certificate in the message; OpenSSL reads on past it and is given it once more."""
    alice, bob = (person(each, curve) for each in ("alice", "bob"))
    reader, sender = (_written(*each, tmp_path) for each in (("alice", alice), ("bob", bob)))
    message = message_with([FromStatic(alice, bob, name(bob))], originator_info(bob.certificate), profile)
    content, opened = ours.decrypt(message, reader)
    assert content == CONTENT
    assert opened.key_management == curve.agreement.name
    assert smime_session.inspect(message).has_originator_info
    command: list[str | Path] = [program("openssl", peer.generation), "cms", "-decrypt", "-binary", "-inform", "DER"]
    command += ["-recip", reader.certificate_file, "-inkey", reader.key_file, "-originator", sender.certificate_file]
    assert run(command, message) == CONTENT


def _written(name: str, somebody: Person, folder: Path) -> Keypair:
    return write_keypair(Keypair(name, somebody.certificate, somebody.key, folder))
