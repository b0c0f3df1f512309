"""What ``inspect`` says of OpenSSL and gpgsm, held against what they do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

import smime_session
from smime_session.algorithms import BRAINPOOL_P256R1, P_256, P_521, X25519
from smime_session.inspection import clients
from tests.interop import ours
from tests.interop.keypair import make_keypair_of
from tests.interop.messages import CLASSIC, GCM, MESSAGES, Message, encrypt
from tests.interop.peers.base import PeerError
from tests.interop.peers.everyone import PEERS
from tests.interop.peers.gpgsm import Gpgsm
from tests.interop.peers.openssl import OpenSSL
from tests.interop.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from smime_session.algorithms import Curve
    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Peer

CLIENTS: Final = {"openssl": "OpenSSL", "gpgsm": "gpgsm"}
"""The name in a note of each peer here."""
JUDGED: Final = [peer for peer in PEERS if peer.name in CLIENTS]
VERSION: Final = re.compile(r"[0-9]\.[0-9]")
"""Where a reason names a version, an older program may not open what the note says is opened."""

AES_256_GCM_PARAMETERS: Final = bytes.fromhex("301e 0609 60864801650304012e 3011 040c") + b"nonce" + b"\x02\x01\x10"
"""An AlgorithmIdentifier with GCMParameters (RFC 5084, 3.2): a nonce of 12 octets and a tag of 16."""


def _notes(peer: Peer, envelope: bytes) -> list[smime_session.ClientNote]:
    return [note for note in smime_session.inspect(envelope).clients if note.name == CLIENTS[peer.name]]


def _opens(peer: Peer, envelope: bytes, reader: Keypair) -> bool:
    try:
        return peer.decrypt(envelope, reader, Spec()) == ours.ENTITY
    except PeerError:
        return False


def _with_short_tag(envelope: bytes, *, written_out: bool) -> bytes:
    """Cut the tag of an envelope with indefinite lengths to 12 octets; that size may be left to its DEFAULT."""
    head, tail = AES_256_GCM_PARAMETERS.split(b"nonce")
    before, _, after = envelope.partition(head)
    nonce, rest = after[:12], after[12:].removeprefix(tail)
    content, tag, ends = rest[:-24], rest[-22:-6], rest[-6:]
    if written_out:
        parameters = head + nonce + b"\x02\x01\x0c"
    else:
        parameters = head.replace(b"\x30\x1e", b"\x30\x1b").replace(b"\x30\x11", b"\x30\x0e") + nonce
    return b"".join((before, parameters, content, b"\x04\x0c", tag[:12], ends))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
@pytest.mark.parametrize("peer", JUDGED, indirect=True, ids=str)
def test_the_note_is_right(peer: Peer, message: Message, alice: Keypair) -> None:
    """What a note says of a program, the program does; an older one where the note names no version."""
    envelope = encrypt(message, alice)
    (note,) = _notes(peer, envelope)
    assert note.opens != "unknown", "it is run here"
    older = peer.generation == "system" and (VERSION.search(note.reason) or message.beside)
    if note.opens == "no" or not older:
        assert _opens(peer, envelope, alice) == (note.opens == "yes"), note.reason


@pytest.mark.parametrize("written_out", [True, False], ids=["written out", "default"])
@pytest.mark.parametrize("peer", JUDGED, indirect=True, ids=str)
def test_the_note_on_short_tags_is_right(peer: Peer, alice: Keypair, *, written_out: bool) -> None:
    """A tag of 12 octets is opened in the one form or the other, which the note cannot know."""
    whole = encrypt(Message("short tag", GCM), alice, stream=True)
    envelope = _with_short_tag(whole, written_out=written_out)
    assert smime_session.decrypt(envelope, ours.identities_of(alice)).message == ours.ENTITY
    opened, (note,) = _opens(peer, envelope, alice), _notes(peer, envelope)
    assert (opened, note.opens) == (written_out == (peer.name == "openssl"), "unknown")


@pytest.mark.parametrize(
    ("kind", "curve"),
    [
        *((kind, curve) for kind in (OpenSSL, Gpgsm) for curve in (P_256, P_521, BRAINPOOL_P256R1)),
        (OpenSSL, X25519),
    ],
    ids=lambda value: value.name,
)
def test_the_note_on_curves_is_right(
    kind: type[Peer], curve: Curve, started: Callable[[Peer], Peer], tmp_path: Path
) -> None:
    """Keys are agreed on with those of whom it is said, on those curves."""
    started(next(peer for peer in JUDGED if isinstance(peer, kind) and peer.generation == "unstable"))
    reader = make_keypair_of(curve.name.replace("-", "").lower(), tmp_path)
    envelope = encrypt(Message("key agreement", CLASSIC), reader)
    peer = kind("unstable")
    (note,) = _notes(peer, envelope)
    peer.start(tmp_path, [reader])
    try:
        assert _opens(peer, envelope, reader) == (note.opens == "yes"), note.reason
    finally:
        peer.stop()


def test_every_program_that_is_run_has_a_note() -> None:
    """Each peer stands for a family that notes speak of."""
    assert {peer.name for peer in JUDGED} == set(CLIENTS)
    assert set(CLIENTS.values()) <= {client.name for client in clients.CLIENTS}
