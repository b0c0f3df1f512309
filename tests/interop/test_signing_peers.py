"""Every program that signs accepts our signatures, and we accept theirs, with the content inside or beside them."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Final, cast

import pytest

from smime_session import SignatureAlgorithm, Signer, TrustAnchors, sign, verify
from smime_session.keys.software import private_key
from tests.interop.peers.base import Peer, PeerError, SigningPeer
from tests.interop.peers.everyone import PEERS
from tests.support.signing import LETTER, clear_mail, opaque_mail

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interop.keypair import Keypair

SIGNING: Final = [peer for peer in PEERS if isinstance(peer, SigningPeer) and str(peer) != "nss-unstable"]
"""Newer NSS trusts no signer without an authority; Thunderbird, which is built on it, is asked with one."""
ENTITY: Final = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nAt eight?\r\n"
LARGE_ENTITY: Final = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + b"line of text\r\n" * 50_000


@pytest.fixture(params=SIGNING, ids=str)
def signing_peer(request: pytest.FixtureRequest, started: Callable[[Peer], Peer]) -> SigningPeer:
    """A program that signs and verifies, started."""
    return cast("SigningPeer", started(request.param))


def _signer(keypair: Keypair, scheme: str = "RSASSA-PKCS1-v1_5") -> Signer:
    way = SignatureAlgorithm(scheme, "SHA-256")  # type: ignore[arg-type]  # one of two
    return Signer(private_key=private_key(keypair.private_key), certificate=keypair.certificate, algorithm=way)


def _object_in(mail: bytes) -> bytes:
    """Return the CMS object in a signed mail."""
    parts = [*message_from_bytes(mail, policy=policy.SMTP).walk()]
    return bytes(parts[-1].get_payload(decode=True))


@pytest.mark.parametrize("entity", [ENTITY, LARGE_ENTITY], ids=["short", "large"])
@pytest.mark.parametrize("attached", [False, True])
def test_they_verify_ours(signing_peer: SigningPeer, alice: Keypair, entity: bytes, *, attached: bool) -> None:
    """What we sign is verified, and of what was changed nothing is."""
    mail = LETTER.partition(b"\n\n")[0] + b"\n" + entity.replace(b"\r\n", b"\n")
    signed = _object_in(sign(mail, _signer(alice), opaque=attached))
    assert signing_peer.verify(signed, None if attached else entity, alice) == entity
    changed = signed.replace(b"text", b"test"), None if attached else entity.replace(b"text", b"test")
    with pytest.raises(PeerError):
        signing_peer.verify(*changed, alice)


@pytest.mark.parametrize("entity", [ENTITY, LARGE_ENTITY], ids=["short", "large"])
@pytest.mark.parametrize("attached", [False, True])
def test_we_verify_theirs(signing_peer: SigningPeer, alice: Keypair, entity: bytes, *, attached: bool) -> None:
    """What they sign is trusted with their root, and of what was changed nothing is."""
    signed = signing_peer.sign(entity, alice, attached=attached)
    mail = opaque_mail(signed) if attached else clear_mail(entity, signed)
    found = verify(mail, trust=TrustAnchors([alice.certificate]))
    assert [each.verdict for each in found.signatures] == ["trusted"], found.signatures[0].reason
    assert found.content == entity
    changed = opaque_mail(signed.replace(b"text", b"test")) if attached else mail.replace(b"text/", b"test/")
    assert [each.verdict for each in verify(changed).signatures] == ["broken"]
