"""What Mutt and NeoMutt show to the reader of a mail that we write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

import pytest

import smime_session
from smime_session.algorithms import (
    AES_128_GCM,
    AES_256_GCM,
    CHACHA20_POLY1305,
    DES_EDE3_CBC,
    RC2_CBC,
    RSAES_PKCS1_V1_5,
)
from tests.interop import messages, ours
from tests.interop.keypair import make_keypair_of
from tests.interop.messages import CLASSIC, MESSAGES, Message
from tests.interop.peers.everyone import OPENSSL, require
from tests.interop.peers.terminal import UNTRIED, TerminalClient, show
from tests.interop.spec import Spec

if TYPE_CHECKING:
    from pathlib import Path

    from smime_session.algorithms import ContentEncryption
    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Peer

CURVES: Final = {"p256": True, "p384": True, "p521": True, "brainpoolp256r1": True, "x25519": False, "x448": False}
"""Whether they open a message for a key on a curve."""


@pytest.fixture(params=get_args(TerminalClient))
def client(request: pytest.FixtureRequest) -> TerminalClient:
    """Each of the programs."""
    name: TerminalClient = request.param
    require(name, "openssl")
    return name


def assert_noted(mail: bytes, screen: str) -> None:
    """Check that the note on both says what was shown."""
    assert messages.opens("Mutt and NeoMutt with OpenSSL", mail) == ("yes" if "Grüße" in screen else "no")


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_message(client: TerminalClient, message: Message, alice: Keypair, tmp_path: Path) -> None:
    """Whatever has a tag is not even tried; all the rest is shown, unless its key is derived."""
    mail = messages.encrypt(message, alice, form="mail")
    screen = show(client, mail, alice, tmp_path)
    tagged = message.profile.content in (AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305)
    assert (UNTRIED in screen) == tagged
    assert ("Grüße" in screen) == (not tagged and not message.profile.derived_content_key)
    assert_noted(mail, screen)


@pytest.mark.parametrize("key_type", CURVES)
def test_curve(client: TerminalClient, key_type: str, tmp_path: Path) -> None:
    """Keys are agreed on on the curves that OpenSSL agrees on."""
    reader = make_keypair_of(key_type, tmp_path)
    mail = messages.encrypt(Message("curve", CLASSIC), reader, form="mail")
    screen = show(client, mail, reader, tmp_path)
    assert ("Grüße" in screen) == CURVES[key_type]
    assert_noted(mail, screen)


def test_line_feeds(client: TerminalClient, alice: Keypair, tmp_path: Path) -> None:
    """A mail with the line endings of a Unix mailbox is shown as well."""
    mail = (ours.FIELDS + ours.ENTITY).replace(b"\r\n", b"\n")
    encrypted = smime_session.encrypt(mail, [alice.certificate], profile=smime_session.COMPAT)
    assert b"\r" not in encrypted
    assert "Grüße" in show(client, encrypted, alice, tmp_path)


def test_a_lost_kind(client: TerminalClient, alice: Keypair, tmp_path: Path) -> None:
    """A mail whose ``smime-type`` was lost on the way is known by its Content-Description, and by nothing else."""
    mail = smime_session.encrypt(ours.FIELDS + ours.ENTITY, [alice.certificate], profile=smime_session.COMPAT)
    lost = mail.replace(b" smime-type=enveloped-data;", b"")
    unknown = lost.replace(b"Content-Description: S/MIME Encrypted Message\r\n", b"")
    assert len(unknown) < len(lost) < len(mail)
    for each, shown in ((lost, True), (unknown, False)):
        folder = tmp_path / str(shown)
        folder.mkdir()
        assert ("Grüße" in show(client, each, alice, folder)) == shown


@pytest.mark.parametrize(("content", "shown"), [(DES_EDE3_CBC, True), (RC2_CBC, False)])
@pytest.mark.parametrize("peer", [OPENSSL], indirect=True, ids=str)
def test_what_older_programs_sent(
    client: TerminalClient, peer: Peer, alice: Keypair, tmp_path: Path, *, content: ContentEncryption, shown: bool
) -> None:
    """3DES is shown; RC2 is not, because OpenSSL would have to be given another provider."""
    mail = ours.FIELDS + peer.encrypt(ours.ENTITY, [alice], Spec(content, RSAES_PKCS1_V1_5, form="mail"))
    screen = show(client, mail, alice, tmp_path)
    assert ("Grüße" in screen) == shown
    assert_noted(mail, screen)
