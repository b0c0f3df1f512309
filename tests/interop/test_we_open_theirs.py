"""We open what other programs write, in each of their encodings."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import smime_session
from tests.interop import ours
from tests.interop.peers.base import program, run
from tests.interop.peers.everyone import PEERS, writers
from tests.interop.spec import (
    AES,
    ALGORITHMS,
    CHACHA20,
    CLASSIC,
    COMPAT,
    MODERN,
    ODD_OAEP,
    SHAPES,
    TRANSPORTS,
    WEAK,
    Spec,
)

if TYPE_CHECKING:
    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Peer

CLASSICS = [Spec(content, TRANSPORTS[0], form=form, stream=True) for content in AES for form in ("der", "pem")]
SIZED = [replace(base, stream=stream) for base in (MODERN, COMPAT, CLASSIC) for stream in (False, True)]
EMPTY = [spec for spec in SIZED if not (spec.content.authenticated and spec.stream)]  # openssl cannot write these
THREE = [MODERN, COMPAT, replace(COMPAT, stream=True), replace(CLASSIC, stream=True)]
MAILS = [replace(base, form="mail", stream=stream) for base in (MODERN, COMPAT) for stream in (False, True)]
OPENSSL = [peer for peer in PEERS if peer.name == "openssl"]
GPGSM = [peer for peer in PEERS if peer.name == "gpgsm"]


@pytest.mark.parametrize(("peer", "spec"), writers([*ALGORITHMS, *CLASSICS, *ODD_OAEP, *CHACHA20]), indirect=["peer"])
def test_algorithm(peer: Peer, spec: Spec, alice: Keypair) -> None:
    """Every content-encryption algorithm and key transport is opened and reported by its name."""
    content, opened = ours.decrypt(peer.encrypt(ours.ENTITY, [alice], spec), alice)
    assert content == ours.ENTITY
    assert opened.content_encryption == spec.content.name
    assert opened.authenticated == spec.content.authenticated


@pytest.mark.parametrize(("peer", "spec"), writers(WEAK), indirect=["peer"])
def test_weak_content(peer: Peer, spec: Spec, alice: Keypair) -> None:
    """Weak content encryption is opened when asked for by name, and only then."""
    envelope = peer.encrypt(ours.ENTITY, [alice], spec)
    policy = smime_session.Policy(insecure_legacy=True)
    assert ours.decrypt(envelope, alice, policy)[0] == ours.ENTITY
    with pytest.raises(smime_session.PolicyError, match="weak"):
        ours.decrypt(envelope, alice)


@pytest.mark.parametrize(("peer", "spec"), writers(SHAPES), indirect=["peer"])
def test_shape(peer: Peer, spec: Spec, alice: Keypair) -> None:
    """Either identifier, every form and both kinds of length are opened."""
    content, opened = ours.decrypt(peer.encrypt(ours.ENTITY, [alice], spec), alice)
    assert ours.body_of(content) == ours.body_of(ours.ENTITY)
    assert opened.form == spec.form


@pytest.mark.parametrize("size", ours.SIZES)
@pytest.mark.parametrize(("peer", "spec"), writers(SIZED), indirect=["peer"])
def test_size(peer: Peer, spec: Spec, size: int, alice: Keypair) -> None:
    """Content of any size arrives whole."""
    content = os.urandom(size)
    assert ours.decrypt(peer.encrypt(content, [alice], spec), alice)[0] == content


@pytest.mark.parametrize(("peer", "spec"), writers(EMPTY), indirect=["peer"])
def test_no_content(peer: Peer, spec: Spec, alice: Keypair) -> None:
    """An envelope around nothing, whichever way its emptiness is encoded, opens."""
    assert ours.decrypt(peer.encrypt(b"", [alice], spec), alice)[0] == b""


@pytest.mark.parametrize("name", ["alice", "bob", "carol"])
@pytest.mark.parametrize(("peer", "spec"), writers(THREE), indirect=["peer"])
def test_each_recipient(peer: Peer, spec: Spec, name: str, keypairs: tuple[Keypair, ...]) -> None:
    """We open it as each of three recipients, whatever the size of the key."""
    reader = next(keypair for keypair in keypairs if keypair.name == name)
    assert ours.decrypt(peer.encrypt(ours.ENTITY, keypairs, spec), reader)[0] == ours.ENTITY


@pytest.mark.parametrize(("peer", "spec"), writers(MAILS), indirect=["peer"])
def test_mail_in_memory(peer: Peer, spec: Spec, alice: Keypair) -> None:
    """A peer's mail in memory is decrypted, and whether it was authenticated is told."""
    mail = peer.encrypt(ours.ENTITY, [alice], spec)
    decrypted = smime_session.decrypt(mail, ours.identities_of(alice))
    assert ours.body_of(decrypted.message) == ours.body_of(ours.ENTITY)
    assert decrypted.authenticated == spec.content.authenticated


@pytest.mark.parametrize("peer", OPENSSL, indirect=True, ids=str)
def test_openssl_mail_fields(peer: Peer, alice: Keypair) -> None:
    """Fields that openssl puts around the envelope are still there, once, after decrypting."""
    fields = ["-from", "dave@example.org", "-to", "alice@example.org", "-subject", "greetings"]
    command = [program("openssl", peer.generation), "cms", "-encrypt", "-binary", "-aes-256-gcm", *fields]
    mail = run([*command, alice.certificate_file], ours.ENTITY)
    content, _ = ours.decrypt(mail, alice)
    assert content.count(b"Subject: greetings") == 1
    assert content.lower().count(b"content-type:") == 1
    assert ours.body_of(content) == ours.body_of(ours.ENTITY)


@pytest.mark.parametrize("peer", OPENSSL, indirect=True, ids=str)
def test_openssl_text(peer: Peer, alice: Keypair) -> None:
    """Plain text that openssl turned into an entity, with canonical line endings, becomes a mail."""
    command = [program("openssl", peer.generation), "cms", "-encrypt", "-text", "-aes-256-cbc", alice.certificate_file]
    content, _ = ours.decrypt(run(command, b"first\nsecond\n"), alice)
    assert b"Content-Type: text/plain" in content
    assert ours.body_of(content) == b"first\nsecond\n"


@pytest.mark.parametrize("peer", OPENSSL, indirect=True, ids=str)
def test_openssl_smime_command(peer: Peer, alice: Keypair) -> None:
    """The older ``openssl smime``, which writes ``application/x-pkcs7-mime``, is understood too."""
    command = [program("openssl", peer.generation), "smime", "-encrypt", "-binary", "-aes128", alice.certificate_file]
    mail = run(command, ours.ENTITY)
    assert b"application/x-pkcs7-mime" in mail
    assert ours.body_of(ours.decrypt(mail, alice)[0]) == ours.body_of(ours.ENTITY)


@pytest.mark.parametrize("peer", GPGSM, indirect=True, ids=str)
def test_gpgsm_bare_base64(peer: Peer, alice: Keypair) -> None:
    """Base64 with nothing around it, as ``gpgsm --base64`` writes it, is recognised."""
    mail = peer.encrypt(ours.ENTITY, [alice], replace(COMPAT, form="mail", stream=True))
    content, opened = ours.decrypt(ours.body_of(mail), alice)
    assert content == ours.ENTITY
    assert opened.form == "base64"
