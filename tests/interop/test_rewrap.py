"""Messages whose recipients were changed open in other programs; messages of other programs are rewrapped."""

from __future__ import annotations

import io
import os
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

import smime_session
from smime_session import MODERN, Policy, rewrap
from smime_session.algorithms import (
    AES_128_CBC,
    AES_256_CBC,
    AES_256_GCM,
    DES_EDE3_CBC,
    RSAES_OAEP_SHA256,
    RSAES_PKCS1_V1_5,
    ContentEncryption,
)
from smime_session.cms.envelope import EnvelopeReader
from smime_session.mail.detection import open_message
from smime_session.recipients.registry import NamedIdentity
from tests.corpus.test_corpus import OPENING, Row
from tests.interop import ours
from tests.interop.peers.base import PeerError, program, run
from tests.interop.peers.bouncycastle import BouncyCastle
from tests.interop.peers.everyone import PEERS, writers
from tests.interop.spec import CLASSIC, SHAPES, Spec

if TYPE_CHECKING:
    from pathlib import Path

    from smime_session.cms.values import EnvelopeTrailer
    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Peer

LENIENT: Final = Policy(insecure_legacy=True)
OPENSSL: Final = [peer for peer in PEERS if peer.name == "openssl"]
NEWER: Final = [peer for peer in PEERS if str(peer) in ("openssl-unstable", "bouncycastle-unstable")]
CONTENTS: Final = (AES_256_GCM, AES_256_CBC)
PASSWORD: Final = smime_session.Password("grüße")
SHARED: Final = smime_session.PresharedKey(bytes(range(32)), b"\xc0\xfe\xe0")
AGREEING: Final = ("p256", "p384")


def sealed_part(message: bytes) -> tuple[bytes, bytes, EnvelopeTrailer]:
    """Return what rewrapping must not touch: the content's parameters, the content, and all that follows."""
    reader = EnvelopeReader(open_message(io.BytesIO(message).read).next_block, smime_session.DEFAULT)
    ciphertext = b"".join(bytes(piece) for piece in reader.ciphertext())
    return reader.header.content_encryption.parameters or b"", ciphertext, reader.trailer()


class Person:
    """Somebody with a key of any kind, and the files that ``openssl`` reads."""

    def __init__(self, kind: str, folder: Path) -> None:
        made = smime_session.new_identity(f"{kind}@example.org", key_type=kind)
        self.certificate = smime_session.load_certificates(made.certificate_pem)[0]
        self.identities = smime_session.load_identities(made.private_key_pem + made.certificate_pem)
        self._request = [("certificate", _body(made.certificate_pem)), ("key", _body(made.private_key_pem))]
        self.options = ["-recip", str(folder / f"{kind}.crt"), "-inkey", str(folder / f"{kind}.key")]
        (folder / f"{kind}.crt").write_bytes(made.certificate_pem)
        (folder / f"{kind}.key").write_bytes(made.private_key_pem)

    def read(self, peer: Peer, envelope: bytes) -> bytes:
        """Return what a program reads with this person's key.

        Raises:
            PeerError: it does not open.
        """
        if isinstance(peer, BouncyCastle):
            return peer._ask([("do", "decrypt"), *self._request, ("envelope", b64encode(envelope).decode())])
        return _openssl_read(peer, envelope, *self.options)

    def cannot_read(self, peer: Peer, envelope: bytes) -> bool:
        """Tell whether a program does not get at the content with this person's key."""
        try:
            return self.read(peer, envelope) != ours.ENTITY
        except PeerError:
            return True


def _body(pem: bytes) -> str:
    return "".join(pem.decode().split("-----")[2].split())


def _openssl_read(peer: Peer, envelope: bytes, *options: str) -> bytes:
    return run(
        [program("openssl", peer.generation), "cms", "-decrypt", "-binary", "-inform", "DER", *options], envelope
    )


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    """One person for each kind of key."""
    folder = tmp_path_factory.mktemp("people")
    kinds = ("rsa3072", "rsa2048", "p256", "p384", "x25519", "mlkem768")
    return {kind: Person(kind, folder) for kind in kinds}


def _seal(content: ContentEncryption, *recipients: object) -> bytes:
    target = io.BytesIO()
    transport = RSAES_OAEP_SHA256 if content.authenticated else RSAES_PKCS1_V1_5
    profile = replace(MODERN, content=content, rsa=transport)
    smime_session.encrypt_stream(io.BytesIO(ours.ENTITY), target, recipients, profile=profile, form="der")  # type: ignore[arg-type]  # of any kind
    return target.getvalue()


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.name)
@pytest.mark.parametrize("peer", OPENSSL, indirect=True, ids=str)
def test_openssl_opens_for_the_new_and_the_kept(
    peer: Peer, content: ContentEncryption, people: dict[str, Person]
) -> None:
    """OpenSSL opens a rewrapped message for newcomers and for those who stay, and not for those who left."""
    staying, leaving, coming, together = (people[kind] for kind in ("rsa3072", "rsa2048", "p256", "p384"))
    message = _seal(content, staying.certificate, leaving.certificate, coming.certificate)
    changed = rewrap(message, remove=[leaving.certificate, coming.certificate])
    changed = rewrap(changed, staying.identities, add=[coming.certificate, together.certificate, SHARED, PASSWORD])
    assert sealed_part(changed) == sealed_part(message)
    for person in (staying, coming, together):
        assert person.read(peer, changed) == ours.ENTITY
    assert leaving.cannot_read(peer, changed)
    assert _openssl_read(peer, changed, "-secretkey", bytes(range(32)).hex(), "-secretkeyid", "c0fee0") == ours.ENTITY
    assert _openssl_read(peer, changed, "-pwri_password", "grüße") == ours.ENTITY


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.name)
@pytest.mark.parametrize("peer", OPENSSL, indirect=True, ids=str)
def test_openssl_opens_what_is_resealed_for_secrets(
    peer: Peer, content: ContentEncryption, people: dict[str, Person]
) -> None:
    """OpenSSL opens a resealed message with the password and the shared key that stay, and not with the old one."""
    staying, leaving = people["rsa3072"], people["rsa2048"]
    old = smime_session.Password("an old one", iterations=1000)
    message = _seal(content, staying.certificate, leaving.certificate, old)
    changed = rewrap(message, [old], add=[staying.certificate, SHARED, PASSWORD], reseal=True)
    assert smime_session.inspect(changed).content.algorithm == content.name
    assert staying.read(peer, changed) == ours.ENTITY
    assert leaving.cannot_read(peer, changed)
    assert _openssl_read(peer, changed, "-secretkey", bytes(range(32)).hex(), "-secretkeyid", "c0fee0") == ours.ENTITY
    assert _openssl_read(peer, changed, "-pwri_password", "grüße") == ours.ENTITY
    with pytest.raises(PeerError):
        _openssl_read(peer, changed, "-pwri_password", "an old one")


@pytest.mark.parametrize("reseal", [False, True])
@pytest.mark.parametrize("kind", ["p256", "p384", "x25519", "mlkem768"])
@pytest.mark.parametrize("peer", NEWER, indirect=True, ids=str)
def test_newer_programs_open_every_kind_of_newcomer(
    peer: Peer,
    kind: str,
    people: dict[str, Person],
    reseal: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """The current OpenSSL and Bouncy Castle open rewrapped and resealed messages with every key that they know."""
    if kind == "x25519" and peer.name == "openssl":
        kind = "p256"  # RFC 8418 is Bouncy Castle's alone
    first, coming = people["rsa3072"], people[kind]
    message = _seal(AES_256_GCM, first.certificate, people["rsa2048"].certificate)
    leaving = people["rsa2048"].certificate
    add = [coming.certificate, *([first.certificate] if reseal else [])]
    changed = rewrap(message, first.identities, add=add, remove=[leaving], reseal=reseal)
    assert (sealed_part(changed) == sealed_part(message)) != reseal
    assert coming.read(peer, changed) == ours.ENTITY
    assert first.read(peer, changed) == ours.ENTITY
    assert people["rsa2048"].cannot_read(peer, changed)


@pytest.mark.parametrize("leaving", ["p256-one", "p256-two", "p256-three"])
@pytest.mark.parametrize("peer", NEWER, indirect=True, ids=str)
def test_those_who_share_a_recipient_info_part(peer: Peer, leaving: str, tmp_path: Path) -> None:
    """When one of three who share a sender's key leaves, other programs open the message for the other two."""
    three = {}
    for name in ("p256-one", "p256-two", "p256-three"):
        (tmp_path / name).mkdir()
        three[name] = Person("p256", tmp_path / name)
    message = _seal(AES_256_CBC, *(person.certificate for person in three.values()))
    changed = rewrap(message, remove=[three[leaving].certificate])
    assert sealed_part(changed) == sealed_part(message)
    for name, person in three.items():
        if name == leaving:
            assert person.cannot_read(peer, changed)
        else:
            assert person.read(peer, changed) == ours.ENTITY


WRITTEN: Final = [*SHAPES, *(replace(CLASSIC, stream=stream) for stream in (False, True))]


@pytest.mark.parametrize(("peer", "spec"), writers(WRITTEN), indirect=["peer"])
def test_their_messages_are_rewrapped(peer: Peer, spec: Spec, alice: Keypair, people: dict[str, Person]) -> None:
    """Definite, indefinite or in pieces: what others sealed stays as it is, and opens for old and new readers."""
    content = os.urandom(100_000) if spec.form != "mail" else ours.ENTITY + b"x" * 100_000
    message = peer.encrypt(content, [alice], spec)
    changed = rewrap(message, ours.identities_of(alice), add=[people["p256"].certificate])
    assert sealed_part(changed) == sealed_part(message)
    inspected = smime_session.inspect(changed)
    assert (inspected.form, inspected.encoding) == (spec.form, "DER")
    expected = smime_session.decrypt(message, ours.identities_of(alice)).message
    assert smime_session.decrypt(changed, people["p256"].identities).message == expected
    assert smime_session.decrypt(changed, ours.identities_of(alice)).message == expected


@pytest.mark.parametrize("reseal", [False, True], ids=["", "resealed"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.name != "cryptography"], indirect=True, ids=str)
def test_they_open_their_own_again(peer: Peer, keypairs: tuple[Keypair, ...], *, stream: bool, reseal: bool) -> None:
    """A program opens its own message as it is passed on without a profile, for who stayed and who came alone."""
    first, second, third = keypairs
    spec = Spec(AES_128_CBC, RSAES_PKCS1_V1_5, stream=stream)
    if not peer.can_write(spec):
        spec = replace(spec, stream=not stream)
    message = peer.encrypt(ours.ENTITY, [first, second], spec)
    add = [first.certificate, third.certificate] if reseal else [third.certificate]
    changed = rewrap(message, ours.identities_of(first), add=add, remove=[second.certificate], reseal=reseal)
    assert peer.decrypt(changed, first, spec) == ours.ENTITY
    assert peer.decrypt(changed, third, spec) == ours.ENTITY
    with pytest.raises(PeerError):
        peer.decrypt(changed, second, spec)


# --- messages of the corpus --------------------------------------------------------------------


def _is_in_a_part(row: Row) -> bool:
    """Tell whether the message is a mail of several parts, one of which is encrypted."""
    try:
        open_message(io.BytesIO(row.data).read)
    except smime_session.NotEnvelopeError:
        return True
    return False


WHOLE: Final = [row for row in OPENING if not _is_in_a_part(row)]


def _is_unproven(row: Row) -> bool:
    """Tell whether nothing proves a session key that a bare RSA key gives: PKCS #1 v1.5 and CBC check none.

    The message may name the key by an identifier that programs make of it, as Outlook 2010 does.
    """
    unchecked = (
        "rsa-pkcs1v15" in row["keymgmt_alg"] and "kari" not in row["keymgmt_alg"] and row["content_alg"].endswith("cbc")
    )
    return unchecked and not any(_names_key(row, each) for each in row.identities)


def _names_key(row: Row, identity: smime_session.Identity) -> bool:
    assert isinstance(identity, NamedIdentity)
    names = identity.names
    identifiers = {identifier.hex() for identifier in names.key_identifiers}
    found = smime_session.inspect(row.data).recipients
    return any(each.summary.key_identifier in identifiers for each in found)


@pytest.mark.usefixtures("corpus")
@pytest.mark.parametrize("row", [row for row in WHOLE if _is_unproven(row)], ids=str)
def test_corpus_messages_are_not_passed_on_with_a_key_that_is_not_proven(row: Row, people: dict[str, Person]) -> None:
    """What opens with a key without its certificate, and may be noise, is not given to another reader."""
    assert smime_session.decrypt(row.data, row.identities, policy=LENIENT).message
    with pytest.raises(smime_session.DecryptionError):
        rewrap(row.data, row.identities, add=[people["p256"].certificate], policy=LENIENT)


@pytest.mark.usefixtures("corpus")
@pytest.mark.parametrize("row", [row for row in OPENING if row not in WHOLE], ids=str)
def test_corpus_messages_in_a_part_are_rewrapped_alone(row: Row, people: dict[str, Person]) -> None:
    """Of a mail with an encrypted part only that part can be passed on, which the error says."""
    with pytest.raises(smime_session.NotEnvelopeError, match="give that part alone"):
        rewrap(row.data, row.identities, add=[people["p256"].certificate], policy=LENIENT)


@pytest.mark.usefixtures("corpus")
@pytest.mark.parametrize("row", [row for row in WHOLE if not _is_unproven(row)], ids=str)
def test_corpus_messages_are_rewrapped(row: Row, people: dict[str, Person]) -> None:
    """Every message of the corpus can be passed on: nothing that is sealed changes, and old and new keys open it."""
    message, identities, newcomer = row.data, row.identities, people["p256"]
    changed = rewrap(message, identities, add=[newcomer.certificate], policy=LENIENT)
    assert sealed_part(changed) == sealed_part(message)
    expected = smime_session.decrypt(message, identities, policy=LENIENT)
    for readers in (newcomer.identities, identities):
        opened = smime_session.decrypt(changed, readers, policy=LENIENT)
        assert (opened.message, opened.form) == (expected.message, expected.form)
    back = rewrap(changed, remove=[newcomer.certificate])
    assert sealed_part(back) == sealed_part(message)
    assert _recipients(back) == _recipients(message)


def _recipients(message: bytes) -> list[bytes]:
    reader = EnvelopeReader(open_message(io.BytesIO(message).read).next_block, smime_session.DEFAULT)
    return sorted(wrapped.encoded for wrapped in reader.header.wrapped_keys)


@pytest.mark.usefixtures("corpus")
@pytest.mark.parametrize("peer", [peer for peer in OPENSSL if peer.generation == "unstable"], indirect=True, ids=str)
def test_authenticated_attributes_survive(peer: Peer, people: dict[str, Person]) -> None:
    """OpenSSL's own message with authenticated attributes, which 3.0 cannot parse, keeps them and opens as before."""
    row = next(row for row in OPENING if row["path"].endswith("/authenveloped_attrs.pem"))
    message, newcomer = row.data, people["rsa2048"]
    changed = rewrap(message, row.identities, add=[newcomer.certificate])
    trailer = sealed_part(changed)[2]
    assert trailer.authenticated_attributes
    assert trailer.unauthenticated_attributes
    assert trailer == sealed_part(message)[2]
    assert smime_session.decrypt(changed, newcomer.identities).message == row.plaintext
    command = [program("openssl", peer.generation), "cms", "-decrypt", "-binary", "-inform", "PEM"]
    secret = ["-secretkey", row["password"].removeprefix("kek-hex:"), "-secretkeyid", "c0fee0"]
    for options in (secret, newcomer.options):
        assert run([*command, *options], changed) == row.plaintext


@pytest.mark.parametrize("peer", OPENSSL, indirect=True, ids=str)
def test_weak_messages_are_resealed(peer: Peer, alice: Keypair, people: dict[str, Person]) -> None:
    """A message that OpenSSL sealed with 3DES becomes one with AES-256-GCM by itself, which OpenSSL opens."""
    message = peer.encrypt(ours.ENTITY, [alice], Spec(DES_EDE3_CBC, RSAES_PKCS1_V1_5, stream=True))
    newcomer = people["rsa2048"].certificate
    changed = rewrap(message, ours.identities_of(alice), add=[newcomer], reseal=True, policy=LENIENT)
    assert smime_session.inspect(changed).content.algorithm == "AES-256-GCM"
    assert people["rsa2048"].read(peer, changed) == ours.ENTITY
