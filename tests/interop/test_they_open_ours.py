"""What we write is opened by every program that can."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest

import smime_session
from tests.interop import messages, ours
from tests.interop.messages import MESSAGES, Message
from tests.interop.peers.base import PeerError, program, run
from tests.interop.peers.everyone import PEERS, readers
from tests.interop.peers.openssl import OpenSSL
from tests.interop.spec import ALGORITHMS, CHACHA20, COMPAT, MODERN, ODD_OAEP, SHAPES, Spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Peer

SIZED = [Spec(base.content, base.transport, stream=stream) for base in (MODERN, COMPAT) for stream in (False, True)]
MAILS = [Spec(base.content, base.transport, form="mail") for base in (MODERN, COMPAT)]


@pytest.mark.parametrize(("peer", "spec"), readers([*ALGORITHMS, *ODD_OAEP, *CHACHA20]), indirect=["peer"])
def test_algorithm(peer: Peer, spec: Spec, alice: Keypair) -> None:
    """Every content-encryption algorithm with every key transport is understood."""
    assert peer.decrypt(ours.encrypt(ours.ENTITY, [alice], spec), alice, spec) == ours.ENTITY


@pytest.mark.parametrize(("peer", "spec"), readers(SHAPES), indirect=["peer"])
def test_shape(peer: Peer, spec: Spec, alice: Keypair) -> None:
    """Either identifier, every form and both kinds of length are understood."""
    content = peer.decrypt(ours.encrypt(ours.ENTITY, [alice], spec), alice, spec)
    assert ours.body_of(content) == ours.body_of(ours.ENTITY)


@pytest.mark.parametrize("size", [0, *ours.SIZES])
@pytest.mark.parametrize(("peer", "spec"), readers(SIZED), indirect=["peer"])
def test_size(peer: Peer, spec: Spec, size: int, alice: Keypair) -> None:
    """Content of any size, even none, arrives whole."""
    content = os.urandom(size)
    assert peer.decrypt(ours.encrypt(content, [alice], spec), alice, spec) == content


@pytest.mark.parametrize("name", ["alice", "bob", "carol"])
@pytest.mark.parametrize(("peer", "spec"), readers([MODERN, COMPAT]), indirect=["peer"])
def test_each_recipient(peer: Peer, spec: Spec, name: str, keypairs: tuple[Keypair, ...]) -> None:
    """Each of three recipients, whatever the size of the key, opens the one message."""
    reader = next(keypair for keypair in keypairs if keypair.name == name)
    assert peer.decrypt(ours.encrypt(ours.ENTITY, keypairs, spec), reader, spec) == ours.ENTITY


@pytest.mark.parametrize(("peer", "spec"), readers(MAILS), indirect=["peer"])
def test_mail_in_memory(peer: Peer, spec: Spec, alice: Keypair) -> None:
    """A mail encrypted in memory is a mail to the peer too."""
    mail = smime_session.encrypt(ours.FIELDS + ours.ENTITY, [alice.certificate], profile=ours.profile_of(spec))
    assert ours.body_of(peer.decrypt(mail, alice, spec)) == ours.body_of(ours.ENTITY)


@pytest.mark.parametrize(
    "message",
    [message for message in MESSAGES if message.beside in {"password", "mlkem768"}],
    ids=lambda message: message.name,
)
@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.name == "nss"], indirect=True, ids=str)
def test_what_nss_refuses(peer: Peer, message: Message, alice: Keypair) -> None:
    """One recipient of a kind that NSS does not know takes the message from all others."""
    with pytest.raises(PeerError):
        peer.decrypt(messages.encrypt(message, alice), alice, MODERN)


@pytest.mark.parametrize("source", [io.BytesIO, ours.Pipe], ids=["memory", "pipe"])
@pytest.mark.parametrize("peer", [OpenSSL("unstable")], indirect=True, ids=str)
def test_compressed(peer: Peer, source: Callable[[bytes], BinaryIO], alice: Keypair) -> None:
    """A compressed mail unpacks in two steps to what it would be otherwise; OpenSSL 3.0 in Debian has no zlib."""
    target, plain = io.BytesIO(), io.BytesIO()
    for out, compress in ((target, True), (plain, False)):
        mail = source(ours.FIELDS + ours.ENTITY * 100)
        smime_session.encrypt_stream(mail, out, [alice.certificate], compress=compress)
    packed, entity = (peer.decrypt(out.getvalue(), alice, MAILS[0]) for out in (target, plain))
    assert len(packed) < len(entity)
    assert run([program("openssl", "unstable"), "cms", "-uncompress", "-inform", "SMIME"], packed) == entity
