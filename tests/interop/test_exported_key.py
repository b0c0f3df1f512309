"""What we save of another program's message is the key that its content is sealed with, and nothing else."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

from smime_session import DEFAULT, OtherMessageError, decrypt, export_session_key, load_session_key
from smime_session.cms.envelope import EnvelopeReader
from tests.interop import ours
from tests.interop.peers.everyone import writers
from tests.interop.spec import CLASSIC, COMPAT, MODERN

if TYPE_CHECKING:
    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Peer
    from tests.interop.spec import Spec

SPECS = [replace(base, stream=stream) for base in (MODERN, COMPAT, CLASSIC) for stream in (False, True)]


def opened_with(key: bytes, envelope: bytes) -> bytes:
    """Return an envelope's content as pyca/cryptography alone opens it, with nothing but the key."""
    reader = EnvelopeReader(io.BytesIO(envelope).read, DEFAULT)
    nonce = reader.parameters.nonce
    ciphertext = b"".join(map(bytes, reader.ciphertext()))
    if reader.parameters.algorithm.authenticated:
        return AESGCM(key).decrypt(nonce, ciphertext + reader.trailer().tag, None)
    decryptor = Cipher(algorithms.AES(key), modes.CBC(nonce)).decryptor()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(decryptor.update(ciphertext) + decryptor.finalize()) + unpadder.finalize()


@pytest.mark.parametrize(("peer", "spec"), writers(SPECS), indirect=["peer"])
def test_the_saved_key_is_the_content_key(peer: Peer, spec: Spec, alice: Keypair) -> None:
    """It opens the ciphertext by itself, it opens the message, and it is refused for the next one."""
    first, second = (peer.encrypt(ours.ENTITY, [alice], spec) for _ in range(2))
    saved = load_session_key(export_session_key(first, ours.identities_of(alice)).to_json())
    with saved.unwrap(()) as key:
        assert opened_with(bytes(key.material), first) == ours.ENTITY
    assert decrypt(first, [saved]).message == ours.ENTITY
    with pytest.raises(OtherMessageError):
        decrypt(second, [saved])
