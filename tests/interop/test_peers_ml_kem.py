"""ML-KEM recipients with every program that knows them, both ways: OpenSSL 3.6 and Bouncy Castle 1.86."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import smime_session
from smime_session.algorithms import (
    AES_128_CBC,
    AES_128_GCM,
    AES_192_GCM,
    AES_256_CBC,
    AES_256_GCM,
    HKDF_OIDS,
    KEY_WRAPS,
    ContentEncryption,
    KeyWrap,
    key_wrap_for,
)
from smime_session.operations.new_identity import new_identity
from tests.interop import ours
from tests.interop.peers.base import program, run
from tests.interop.peers.bouncycastle import BouncyCastle
from tests.interop.peers.everyone import PEERS

if TYPE_CHECKING:
    from pathlib import Path

    from smime_session.algorithms import HashName
    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Peer

CONTENTS: Final = (AES_128_CBC, AES_256_CBC, AES_128_GCM, AES_192_GCM, AES_256_GCM)
IDENTIFIERS: Final = ("issuer-serial", "key-identifier")
OPENSSL: Final = [peer for peer in PEERS if str(peer) == "openssl-unstable"]
BOUNCY_CASTLE: Final = [peer for peer in PEERS if str(peer) == "bouncycastle-unstable"]

with_openssl = pytest.mark.parametrize("peer", OPENSSL, indirect=True, ids=str)
with_bouncy_castle = pytest.mark.parametrize("peer", BOUNCY_CASTLE, indirect=True, ids=str)
with_each_content = pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.name)
with_each_identifier = pytest.mark.parametrize("identifier", IDENTIFIERS)


@dataclass(frozen=True)
class Reader:
    """Somebody with an ML-KEM key.

    Attributes:
        certificate_file: the certificate as PEM.
        key_file: the private key as PEM, a seed.
    """

    made: smime_session.NewIdentity
    certificate_file: Path
    key_file: Path

    @property
    def identities(self) -> list[smime_session.Identity]:
        """What opens messages for this reader."""
        return smime_session.load_identities(self.made.private_key_pem + self.made.certificate_pem)

    @property
    def certificate(self) -> str:
        """The certificate as Bouncy Castle is told it."""
        return _base64(self.made.certificate.public_bytes(Encoding.DER))

    @property
    def key(self) -> str:
        """The private key as Bouncy Castle is told it."""
        return "".join(self.made.private_key_pem.decode().splitlines()[1:-1])


@pytest.fixture(scope="module", params=["mlkem768", "mlkem1024"])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """One reader for each parameter set."""
    folder = tmp_path_factory.mktemp(request.param)
    made = new_identity("erin@example.org", key_type=request.param)
    files = Reader(made, folder / "erin.crt", folder / "erin.key")
    files.certificate_file.write_bytes(made.certificate_pem)
    files.key_file.write_bytes(made.private_key_pem)
    return files


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _encrypt(content: ContentEncryption, identifier: str, *certificates: object) -> bytes:
    """Return our envelope around :data:`ours.ENTITY`."""
    target = io.BytesIO()
    profile = replace(smime_session.MODERN, content=content, identifier=identifier)  # type: ignore[arg-type]  # a choice
    smime_session.encrypt_stream(io.BytesIO(ours.ENTITY), target, certificates, profile=profile, form="der")  # type: ignore[arg-type]  # of either kind
    return target.getvalue()


def _openssl(peer: Peer, *arguments: str | Path, stdin: bytes = b"") -> bytes:
    return run([program("openssl", peer.generation), *arguments], stdin)


def _openssl_encrypt(peer: Peer, content: ContentEncryption, *arguments: str | Path) -> bytes:
    options = ["-encrypt", "-binary", "-outform", "DER", f"-{content.name.lower()}"]
    return _openssl(peer, "cms", *options, *arguments, stdin=ours.ENTITY)


def _openssl_decrypt(peer: Peer, envelope: bytes, certificate: Path, key: Path) -> bytes:
    options = ["-decrypt", "-binary", "-inform", "DER"]
    return _openssl(peer, "cms", *options, "-recip", certificate, "-inkey", key, stdin=envelope)


# --- OpenSSL


@with_openssl
@with_each_content
@with_each_identifier
def test_openssl_opens_ours(peer: Peer, reader: Reader, content: ContentEncryption, identifier: str) -> None:
    """OpenSSL opens every content, whichever way its recipient is named."""
    envelope = _encrypt(content, identifier, reader.made.certificate)
    assert _openssl_decrypt(peer, envelope, reader.certificate_file, reader.key_file) == ours.ENTITY


@with_openssl
@with_each_content
@with_each_identifier
@pytest.mark.parametrize("stream", [False, True], ids=["definite", "indefinite"])
def test_we_open_openssl_s(
    peer: Peer, reader: Reader, content: ContentEncryption, identifier: str, *, stream: bool
) -> None:
    """We open what OpenSSL writes, in either encoding, with a certificate and without."""
    options = [*(["-stream"] if stream else []), *(["-keyid"] if identifier == "key-identifier" else [])]
    envelope = _openssl_encrypt(peer, content, *options, "-recip", reader.certificate_file)
    for identities in (reader.identities, smime_session.load_identities(reader.made.private_key_pem)):
        decrypted = smime_session.decrypt(envelope, identities)
        assert decrypted.message == ours.ENTITY
        assert decrypted.authenticated == content.authenticated


@with_openssl
def test_we_wrap_as_openssl_does(peer: Peer, reader: Reader) -> None:
    """For the same recipient and content, the two programs choose the same algorithms and sizes."""
    theirs = smime_session.inspect(_openssl_encrypt(peer, AES_256_GCM, "-recip", reader.certificate_file))
    (own,) = smime_session.inspect(_encrypt(AES_256_GCM, "issuer-serial", reader.made.certificate)).recipients
    assert theirs.recipients == (own,)
    assert theirs.post_quantum


@with_openssl
def test_a_mixed_message(peer: Peer, reader: Reader, alice: Keypair) -> None:
    """A message for an RSA key and an ML-KEM key opens with each, whoever wrote it."""
    by_us = _encrypt(AES_256_GCM, "issuer-serial", alice.certificate, reader.made.certificate)
    by_them = _openssl_encrypt(peer, AES_256_CBC, alice.certificate_file, reader.certificate_file)
    for envelope in (by_us, by_them):
        for certificate, key in (
            (reader.certificate_file, reader.key_file),
            (alice.certificate_file, alice.key_file),
        ):
            assert _openssl_decrypt(peer, envelope, certificate, key) == ours.ENTITY
        for identities in (reader.identities, ours.identities_of(alice)):
            assert smime_session.decrypt(envelope, identities).message == ours.ENTITY
        assert len(smime_session.inspect(envelope).notes) == 1


@with_openssl
def test_a_recipient_with_ml_kem_512_is_no_obstacle(peer: Peer, reader: Reader, tmp_path: Path) -> None:
    """Beside a recipient whose parameter set is not supported, ours is found, even by a bare key."""
    smaller = _certified(peer, tmp_path, "ML-KEM-512")
    envelope = _openssl_encrypt(peer, AES_256_GCM, "-recip", smaller, "-recip", reader.certificate_file)
    for identities in (reader.identities, smime_session.load_identities(reader.made.private_key_pem)):
        assert smime_session.decrypt(envelope, identities).message == ours.ENTITY
    found = smime_session.inspect(envelope)
    assert {recipient.summary.algorithm for recipient in found.recipients} >= {"ML-KEM-512"}
    with pytest.raises(smime_session.RecipientError, match=r"cannot be read \(algorithm ML-KEM-512\)"):
        smime_session.recipient_for(*smime_session.load_certificates(smaller.read_bytes()))


@with_openssl
@pytest.mark.parametrize("parameters", ["ML-KEM-768", "ML-KEM-1024"])
def test_openssl_s_keys_and_certificates(peer: Peer, parameters: str, tmp_path: Path) -> None:
    """A key that OpenSSL made, which it stores with its seed, and its certificate serve us."""
    certificate = _certified(peer, tmp_path, parameters)
    (loaded,) = smime_session.load_certificates(certificate.read_bytes())
    key = (tmp_path / "frank.key").read_bytes()
    envelope = _encrypt(AES_256_GCM, "issuer-serial", loaded)
    for data in (key, key + certificate.read_bytes()):
        assert smime_session.decrypt(envelope, smime_session.load_identities(data)).message == ours.ENTITY
    assert _openssl_decrypt(peer, envelope, certificate, tmp_path / "frank.key") == ours.ENTITY


@with_openssl
@pytest.mark.parametrize(
    ("form", "problem"),
    [("seed-only", ""), ("seed-priv", ""), ("priv-only", "lacks its seed: export it again with the seed")],
)
def test_each_form_of_openssl_s_keys(peer: Peer, form: str, problem: str, tmp_path: Path) -> None:
    """Keys are stored as seeds, as expanded keys, and as both; without the seed they are refused."""
    path = tmp_path / "key.pem"
    options = ["-algorithm", "ML-KEM-768", "-provparam", f"ml-kem.output_formats={form}"]
    _openssl(peer, "genpkey", *options, "-out", path)
    if problem:
        with pytest.raises(smime_session.CredentialError, match=problem):
            smime_session.load_identities(path.read_bytes())
    else:
        assert len(smime_session.load_identities(path.read_bytes())) == 1


@with_openssl
def test_openssl_verifies_the_certificate(peer: Peer, reader: Reader, tmp_path: Path) -> None:
    """The certificate of a new identity is good for S/MIME encryption under its issuer."""
    issuer = tmp_path / "issuer.pem"
    assert reader.made.issuer_certificate_pem
    issuer.write_bytes(reader.made.issuer_certificate_pem)
    purpose = ["-purpose", "smimeencrypt", "-x509_strict"]
    assert _openssl(peer, "verify", *purpose, "-CAfile", issuer, reader.certificate_file).endswith(b"OK\n")


def _certified(peer: Peer, folder: Path, parameters: str) -> Path:
    """Have OpenSSL make ``frank.key`` and its certificate, in the form that it prefers; return the certificate."""
    key, public, issuer_key, issuer, certificate = (
        folder / name for name in ("frank.key", "frank.pub", "issuer.key", "issuer.crt", "frank.crt")
    )
    _openssl(peer, "genpkey", "-algorithm", parameters, "-out", key)
    _openssl(peer, "pkey", "-in", key, "-pubout", "-out", public)
    _openssl(peer, "genpkey", "-algorithm", "ED25519", "-out", issuer_key)
    _openssl(peer, "req", "-x509", "-new", "-key", issuer_key, "-subj", "/CN=issuer", "-out", issuer)
    request = ["x509", "-new", "-subj", "/CN=frank"]
    _openssl(peer, *request, "-force_pubkey", public, "-CA", issuer, "-CAkey", issuer_key, "-out", certificate)
    return certificate


# --- Bouncy Castle


def _bouncy_castle_encrypt(  # noqa: PLR0917  # what it can be told
    peer: Peer,
    reader: Reader,
    content: ContentEncryption,
    identifier: str = "issuer-serial",
    hash_name: HashName = "SHA-256",
    wrap: KeyWrap | None = None,
    ukm: bytes | None = None,
) -> bytes:
    assert isinstance(peer, BouncyCastle)
    wrap = wrap or key_wrap_for(content.key_size)
    request = [("do", "encrypt"), ("content", content.name), ("encoding", "der"), ("data", _base64(ours.ENTITY))]
    request += [("identifier", identifier), ("kdf", HKDF_OIDS[hash_name]), ("wrap", wrap.oid)]
    request += [] if ukm is None else [("ukm", _base64(ukm))]
    return peer._ask([*request, ("encapsulate", reader.certificate)])


def _bouncy_castle_decrypt(peer: Peer, reader: Reader, envelope: bytes) -> bytes:
    assert isinstance(peer, BouncyCastle)
    request = [("do", "decrypt"), ("certificate", reader.certificate), ("key", reader.key)]
    return peer._ask([*request, ("envelope", _base64(envelope))])


@with_bouncy_castle
@with_each_content
@with_each_identifier
def test_bouncy_castle_opens_ours(peer: Peer, reader: Reader, content: ContentEncryption, identifier: str) -> None:
    """Bouncy Castle opens every content, whichever way its recipient is named."""
    envelope = _encrypt(content, identifier, reader.made.certificate)
    assert _bouncy_castle_decrypt(peer, reader, envelope) == ours.ENTITY


@with_bouncy_castle
@with_each_content
@with_each_identifier
def test_we_open_bouncy_castle_s(peer: Peer, reader: Reader, content: ContentEncryption, identifier: str) -> None:
    """We open what Bouncy Castle writes."""
    envelope = _bouncy_castle_encrypt(peer, reader, content, identifier)
    decrypted = smime_session.decrypt(envelope, reader.identities)
    assert decrypted.message == ours.ENTITY
    assert decrypted.authenticated == content.authenticated


@with_bouncy_castle
@pytest.mark.parametrize("hash_name", list(HKDF_OIDS))
@pytest.mark.parametrize("wrap", KEY_WRAPS.values(), ids=lambda wrap: wrap.name)
@pytest.mark.parametrize("ukm", [None, b"from a gateway"], ids=["no ukm", "ukm"])
def test_everything_that_bouncy_castle_can_choose(
    peer: Peer, reader: Reader, hash_name: HashName, wrap: KeyWrap, ukm: bytes | None
) -> None:
    """Every HKDF and key wrap, with and without user keying material, is opened and named."""
    envelope = _bouncy_castle_encrypt(peer, reader, AES_256_GCM, "issuer-serial", hash_name, wrap, ukm)
    assert smime_session.decrypt(envelope, reader.identities).message == ours.ENTITY
    (recipient,) = smime_session.inspect(envelope).recipients
    named = {"kdf": f"HKDF-{hash_name}", "wrap": wrap.name}
    assert recipient.summary.parameters == named | ({} if ukm is None else {"ukm": f"{len(ukm)} bytes"})


@with_bouncy_castle
def test_bouncy_castle_opens_the_profile_pq(peer: Peer, reader: Reader) -> None:
    """A message under ``pq``, whose content key is derived, is opened."""
    target = io.BytesIO()
    smime_session.encrypt_stream(
        io.BytesIO(ours.ENTITY), target, [reader.made.certificate], profile=smime_session.PQ, form="der"
    )
    assert _bouncy_castle_decrypt(peer, reader, target.getvalue()) == ours.ENTITY
