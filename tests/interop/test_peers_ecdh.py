"""Keys are agreed on with every program that can, each way, on every curve, with recipients that share a new key."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, cast

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import smime_session
from smime_session.algorithms import (
    AES_128_CBC,
    AES_128_GCM,
    AES_128_WRAP,
    AES_192_WRAP,
    AES_256_CBC,
    AES_256_GCM,
    AES_256_WRAP,
    CURVES,
    KEY_AGREEMENTS,
    KEY_WRAPS,
    RSAES_PKCS1_V1_5,
    X448,
    X25519,
    ContentEncryption,
    Curve,
    KeyAgreement,
    KeyWrap,
)
from tests.interop import ours
from tests.interop.keypair import Keypair, PrivateKey, write_keypair
from tests.interop.peers.base import Peer, PeerError, missing, program, run
from tests.interop.peers.bouncycastle import BouncyCastle
from tests.interop.peers.gpgsm import Gpgsm
from tests.interop.peers.nss import NSS
from tests.interop.peers.openssl import OpenSSL
from tests.interop.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from _pytest.mark import ParameterSet

    Identifier = Literal["issuer-serial", "key-identifier"]
    Keypairs = Sequence[Keypair]
    Start = Callable[[Peer, Curve], tuple[Peer, Keypairs]]

CONTENT: Final = b"Content-Type: text/plain\r\n\r\nhello\r\n"
PEERS: Final[tuple[Peer, ...]] = (
    OpenSSL("system"),
    OpenSSL("unstable"),
    BouncyCastle("system"),
    BouncyCastle("unstable"),
    NSS("unstable"),
    Gpgsm("unstable"),
)
"""Those that agree on keys at all: NSS 3.87 and gpgsm 2.2 do not."""
NAMES: Final = {algorithm.name for algorithm in KEY_AGREEMENTS.values()}
NIST: Final = tuple(curve for curve in CURVES.values() if curve.name.startswith("P-"))
RFC_8418: Final = (X25519, X448)

SPECS: Final = tuple(
    Spec(content, RSAES_PKCS1_V1_5, identifier)
    for content in (AES_128_GCM, AES_256_CBC)
    for identifier in ("issuer-serial", "key-identifier")
)
CBC: Final = Spec(AES_256_CBC, RSAES_PKCS1_V1_5)


def knows(peer: Peer, curve: Curve) -> bool:
    """Tell whether a peer agrees on keys on a curve."""
    if curve in RFC_8418:
        return str(peer) == "bouncycastle-unstable"
    return curve in NIST or peer.name != "nss"


def reads(peer: Peer, spec: Spec, *, share: bool) -> bool:
    """Tell whether a peer opens such an envelope, each recipient by itself."""
    if peer.name == "gpgsm":
        return spec.content.mode == "cbc" and spec.identifier == "issuer-serial" and not share
    return spec.content.mode == "cbc" or str(peer) != "bouncycastle-system"


READERS: Final = [
    pytest.param(peer, curve, spec, share, id=f"{peer}_{curve.name}_{spec}_{'shared' if share else 'single'}")
    for peer in PEERS
    for curve in CURVES.values()
    for spec in SPECS
    for share in (True, False)
    if knows(peer, curve) and reads(peer, spec, share=share)
]


def with_curves(*names: str) -> list[ParameterSet]:
    """Pair the peers of these names with every curve that they know."""
    pairs = [(peer, curve) for peer in PEERS for curve in CURVES.values() if peer.name in names and knows(peer, curve)]
    return [pytest.param(peer, curve, id=f"{peer}_{curve.name}") for peer, curve in pairs]


OPENSSL: Final = [peer for peer in PEERS if peer.name == "openssl"]
BOUNCY_CASTLE: Final = [peer for peer in PEERS if peer.name == "bouncycastle"]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Curve], Keypairs]:
    """Give a function that makes three recipients with keys on a curve."""
    made: dict[Curve, Keypairs] = {}

    def keypairs(curve: Curve) -> Keypairs:
        if curve not in made:
            folder = tmp_path_factory.mktemp(curve.name)
            made[curve] = [_keypair(name, curve, folder) for name in ("alice", "bob", "carol")]
        return made[curve]

    return keypairs


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, people: Callable[[Curve], Keypairs]) -> Iterator[Start]:
    """Give a function that starts a peer with the recipients of a curve."""
    running: dict[tuple[Peer, Curve], Peer] = {}
    with ExitStack() as ends:

        def started(peer: Peer, curve: Curve) -> tuple[Peer, Keypairs]:
            if (peer, curve) not in running:
                if absent := missing(peer):
                    _report_missing(f"{peer} is not installed: {', '.join(absent)}")
                another = type(peer)(peer.generation)
                ends.callback(another.stop)
                another.start(tmp_path_factory.mktemp(f"{peer}-{curve.name}"), people(curve))
                running[peer, curve] = another
            return running[peer, curve], people(curve)

        yield started


def _report_missing(words: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(words)
    pytest.skip(words)


def _keypair(name: str, curve: Curve, folder: Path) -> Keypair:
    made = smime_session.new_identity(f"{name}@example.org", key_type=curve.name.replace("-", "").lower())
    key = cast("PrivateKey", load_pem_private_key(made.private_key_pem, None))
    return write_keypair(Keypair(name, made.certificate, key, folder))


def encrypted(readers: Keypairs, spec: Spec, *, share: bool = True) -> bytes:
    """Return our envelope."""
    profile = replace(ours.profile_of(spec), share_ephemeral=share)
    target = io.BytesIO()
    certificates = [keypair.certificate for keypair in readers]
    smime_session.encrypt_stream(io.BytesIO(CONTENT), target, certificates, profile=profile, form="der")
    return target.getvalue()


def assert_we_open(envelope: bytes, readers: Keypairs, algorithm: KeyAgreement | None = None) -> None:
    """Open it as each of ``readers``, with the certificate and with the key alone."""
    for reader in readers:
        content, opened = ours.decrypt(envelope, reader)
        assert content == CONTENT
        assert opened.key_management in ({algorithm.name} if algorithm else NAMES)
        bare = smime_session.load_identities(reader.key_file.read_bytes())
        assert smime_session.decrypt(envelope, bare).message == CONTENT


@pytest.mark.parametrize(("peer", "curve", "spec", "share"), READERS)
def test_each_recipient_opens_ours(peer: Peer, curve: Curve, spec: Spec, *, share: bool, start: Start) -> None:
    """Each of three recipients opens what we write, whether they share a new key or not."""
    running, readers = start(peer, curve)
    envelope = encrypted(readers, spec, share=share)
    assert [running.decrypt(envelope, reader, spec) for reader in readers] == [CONTENT] * 3


def test_gpgsm_finds_the_first_that_shares(start: Start) -> None:
    """It looks at one recipient of each recipient info, which is why ``compat`` does not share."""
    gpgsm, readers = start(Gpgsm("unstable"), NIST[0])
    envelope = encrypted(readers, CBC)
    assert gpgsm.decrypt(envelope, readers[0], CBC) == CONTENT
    for reader in readers[1:]:
        with pytest.raises(PeerError, match="DECRYPTION_FAILED"):
            gpgsm.decrypt(envelope, reader, CBC)


@pytest.mark.parametrize("content", [AES_128_CBC, AES_256_CBC, AES_256_GCM], ids=lambda content: content.name)
@pytest.mark.parametrize("identifier", ["issuer-serial", "key-identifier"])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-keyopt", "ecdh_kdf_md:sha1"],
        ["-keyopt", "ecdh_kdf_md:sha224"],
        ["-keyopt", "ecdh_kdf_md:sha384"],
        ["-keyopt", "ecdh_cofactor_mode:1"],
        ["-keyopt", "ecdh_kdf_md:sha512", "-keyopt", "ecdh_cofactor_mode:1"],
        ["-aes128-wrap"],
        ["-aes192-wrap"],
        ["-aes256-wrap"],
    ],
    ids=lambda options: "-".join(options[-1:]).strip("-") or "default",
)
@pytest.mark.parametrize("peer", OPENSSL, ids=str)
def test_we_open_openssl(
    peer: Peer, options: list[str], identifier: Identifier, content: ContentEncryption, start: Start
) -> None:
    """Each derivation, with a cofactor or without, each key wrap and both names."""
    _, readers = start(peer, NIST[0])
    command: list[str | Path] = [program("openssl", peer.generation), "cms", "-encrypt", "-binary", "-outform", "DER"]
    command += [f"-{content.name.lower()}", *(["-keyid"] if identifier == "key-identifier" else [])]
    wraps, keyopts = ([], options) if "-keyopt" in options else (options, [])
    for reader in readers:
        command += ["-recip", reader.certificate_file, *keyopts]
    assert_we_open(run([*command, *wraps], CONTENT), readers)


@pytest.mark.parametrize(("peer", "curve"), with_curves("openssl"))
def test_we_open_openssl_on_each_curve(peer: Peer, curve: Curve, start: Start) -> None:
    """With its defaults on every curve that it knows."""
    openssl, readers = start(peer, curve)
    assert_we_open(openssl.encrypt(CONTENT, readers, CBC), readers)


@pytest.mark.parametrize("wrap", KEY_WRAPS.values(), ids=lambda wrap: wrap.name)
@pytest.mark.parametrize("ukm", [None, b"keying material"], ids=["no-ukm", "ukm"])
@pytest.mark.parametrize("identifier", ["issuer-serial", "key-identifier"])
@pytest.mark.parametrize(("peer", "curve"), with_curves("bouncycastle"))
def test_we_open_bouncy_castle(  # noqa: PLR0917  # every choice that it offers
    peer: Peer, curve: Curve, identifier: Identifier, ukm: bytes | None, wrap: KeyWrap, start: Start
) -> None:
    """Three recipients in one recipient info, with keying material or without, in both kinds of envelope."""
    castle, readers = start(peer, curve)
    assert isinstance(castle, BouncyCastle)
    for content in (AES_256_GCM, AES_256_CBC):
        spec = Spec(content, RSAES_PKCS1_V1_5, identifier)
        envelope = castle.encrypt_by_agreement(CONTENT, readers, spec, curve.agreement, wrap, ukm)
        assert_we_open(envelope, readers, curve.agreement)


@pytest.mark.parametrize("algorithm", [each for each in KEY_AGREEMENTS.values() if each.kdf == "X9.63"], ids=str)
@pytest.mark.parametrize("peer", BOUNCY_CASTLE, ids=str)
def test_we_open_every_derivation_of_bouncy_castle(peer: Peer, algorithm: KeyAgreement, start: Start) -> None:
    """Every hash, with a cofactor or without."""
    castle, readers = start(peer, NIST[0])
    assert isinstance(castle, BouncyCastle)
    for wrap in (AES_128_WRAP, AES_192_WRAP, AES_256_WRAP):
        assert_we_open(castle.encrypt_by_agreement(CONTENT, readers, CBC, algorithm, wrap), readers, algorithm)


@pytest.mark.parametrize(("peer", "curve"), with_curves("nss", "gpgsm"))
def test_we_open_nss_and_gpgsm(peer: Peer, curve: Curve, start: Start) -> None:
    """NSS adds keying material; gpgsm wraps with a key of the content's size."""
    running, readers = start(peer, curve)
    spec = Spec(AES_128_CBC, RSAES_PKCS1_V1_5, stream=True)
    assert_we_open(running.encrypt(CONTENT, readers, spec), readers)


def test_the_default_of_openssl_is_sha_1(start: Start) -> None:
    """It derives with SHA-1 unless told otherwise, which is why that must be read."""
    openssl, readers = start(OpenSSL("system"), NIST[0])
    _, opened = ours.decrypt(openssl.encrypt(CONTENT, readers, CBC), readers[0])
    assert opened.key_management == "ECDH with SHA-1 KDF"
