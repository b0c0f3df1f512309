"""Locked ML-KEM keys of OpenSSL 3.6, in PKCS#8 and PKCS#12, and what else a private key must not be taken for."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import smime_session
from smime_session.algorithms import AES_256_CBC, AES_256_WRAP, RSA_KEM_OID
from smime_session.inspection.listing import list_credentials
from smime_session.operations.new_identity import new_identity
from tests.interop import ours
from tests.interop.peers.base import PeerError, program, run
from tests.interop.peers.bouncycastle import BouncyCastle
from tests.interop.peers.everyone import PEERS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Peer

PASSPHRASE: Final = "sécret \N{SNOWMAN}"  # noqa: S105  # of keys that are made here

with_openssl = pytest.mark.parametrize(
    "peer", [peer for peer in PEERS if str(peer) == "openssl-unstable"], indirect=True, ids=str
)
with_bouncy_castle = pytest.mark.parametrize(
    "peer", [peer for peer in PEERS if str(peer) == "bouncycastle-unstable"], indirect=True, ids=str
)
with_each_size = pytest.mark.parametrize("parameters", ["ML-KEM-768", "ML-KEM-1024"])


def _openssl(peer: Peer, *arguments: str | Path) -> bytes:
    return run([program("openssl", peer.generation), *arguments])


def _refused(data: bytes, passphrase: str | None) -> bool:
    """Return whether a passphrase is called missing for a key that must stay locked."""
    with pytest.raises(smime_session.PassphraseError) as caught:
        smime_session.load_identities(data, passphrase.encode() if passphrase else None)
    return caught.value.missing


@with_openssl
@with_each_size
@pytest.mark.parametrize("form", ["seed-only", "seed-priv", "priv-only"])
@pytest.mark.parametrize("cipher", ["-aes128", "-aes192", "-aes256"])
def test_openssl_s_locked_keys(peer: Peer, parameters: str, form: str, cipher: str, tmp_path: Path) -> None:
    """A key that OpenSSL locked is unlocked, as its seed and with what it expands to; without the seed it says so."""
    path = tmp_path / "key.pem"
    stored = ["-provparam", f"ml-kem.output_formats={form}"]
    lock = [cipher, "-pass", f"pass:{PASSPHRASE}"]
    _openssl(peer, "genpkey", "-algorithm", parameters, *stored, *lock, "-out", path)
    data = path.read_bytes()
    assert _refused(data, None)
    assert not _refused(data, "other")
    if form == "priv-only":
        with pytest.raises(smime_session.CredentialError, match="lacks its seed: export it again with the seed"):
            smime_session.load_identities(data, PASSPHRASE.encode())
        (key,) = list_credentials(data, PASSPHRASE.encode()).private_keys
        assert (key.key, key.locked, key.use) == (parameters, True, "not usable: lacks its seed")
    else:
        assert len(smime_session.load_identities(data, PASSPHRASE.encode())) == 1


@with_openssl
@pytest.mark.parametrize("prf", ["hmacWithSHA1", "hmacWithSHA384", "hmacWithSHA512"])
def test_each_derivation_of_openssl_s(peer: Peer, prf: str, tmp_path: Path) -> None:
    """So it is with other hash functions and many iterations."""
    key, locked = tmp_path / "key.pem", tmp_path / "locked.der"
    _openssl(peer, "genpkey", "-algorithm", "ML-KEM-768", "-out", key)
    lock = ["-v2", "aes256", "-v2prf", prf, "-iter", "100000", "-passout", "pass:pw"]
    _openssl(peer, "pkcs8", "-topk8", "-in", key, *lock, "-outform", "DER", "-out", locked)
    assert str(smime_session.load_identities(locked.read_bytes(), b"pw")[0]) == str(
        smime_session.load_identities(key.read_bytes())[0]
    )


@with_openssl
@pytest.mark.parametrize("key_type", ["mlkem768", "mlkem1024"])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-macalg", "SHA1"],
        ["-macalg", "SHA512"],
        ["-nomac"],
        ["-pbmac1_pbkdf2"],
        ["-pbmac1_pbkdf2", "-pbmac1_pbkdf2_md", "sha512", "-macalg", "SHA512"],
        ["-keypbe", "AES-128-CBC", "-certpbe", "NONE"],
        ["-keypbe", "NONE", "-certpbe", "AES-192-CBC"],
    ],
    ids=" ".join,
)
def test_openssl_s_pkcs12(peer: Peer, key_type: str, options: list[str], tmp_path: Path) -> None:
    """PKCS#12 with an ML-KEM key and its chain opens a message with its passphrase, and with no other."""
    data, made = _exported(peer, key_type, options, tmp_path)
    envelope = smime_session.encrypt(ours.FIELDS + ours.ENTITY, [made.certificate])
    opened = smime_session.decrypt(envelope, smime_session.load_identities(data, PASSPHRASE.encode()))
    assert opened.message.endswith(ours.ENTITY)
    assert _refused(data, None)
    assert not _refused(data, "other")
    found = list_credentials(data, PASSPHRASE.encode())
    assert (found.private_keys[0].matching_certificates, len(found.certificates)) == ((1,), 2)


@with_openssl
@pytest.mark.parametrize("options", [["-legacy"], ["-keypbe", "PBE-SHA1-3DES"], ["-certpbe", "PBE-SHA1-RC2-40"]])
def test_older_locks_around_ml_kem_open(peer: Peer, options: list[str], tmp_path: Path) -> None:
    """An ML-KEM key may be locked the old way, although the library opens no such lock around it."""
    legacy = ["-provider", "legacy", "-provider", "default"]
    data, _ = _exported(peer, "mlkem768", [*options, *legacy], tmp_path)
    (identity,) = smime_session.load_identities(data, PASSPHRASE.encode())
    assert "alice@example.org" in str(identity)
    assert not _refused(data, "other")


def _exported(peer: Peer, key_type: str, options: list[str], folder: Path) -> tuple[bytes, smime_session.NewIdentity]:
    """Have OpenSSL put a new key, its certificate and its issuer's into PKCS#12; it stores the key in its own form."""
    made = new_identity("alice@example.org", key_type=key_type)
    key, certificate, chest = folder / "key.pem", folder / "certificate.pem", folder / "chest.p12"
    key.write_bytes(made.private_key_pem)
    certificate.write_bytes(made.certificate_pem + (made.issuer_certificate_pem or b""))
    source: list[str | Path] = ["-inkey", key, "-in", certificate, "-passout", f"pass:{PASSPHRASE}"]
    _openssl(peer, "pkcs12", "-export", *source, *options, "-out", chest)
    return chest.read_bytes(), made


@with_openssl
def test_a_key_of_openssl_s_for_signatures_alone(peer: Peer, tmp_path: Path) -> None:
    """RSASSA-PSS is for signatures, and OpenSSL does not decrypt with such a key either."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = ["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048", "-noenc", "-subj", "/CN=frank"]
    _openssl(peer, "req", "-x509", *options, "-keyout", key, "-out", certificate)
    with pytest.raises(smime_session.CredentialError, match=r"it is only for signing \(RSASSA-PSS\)$"):
        smime_session.load_identities(key.read_bytes() + certificate.read_bytes())
    with pytest.raises(PeerError):
        _openssl(peer, "cms", "-encrypt", "-in", key, "-recip", certificate)


# --- RSA-KEM


@with_bouncy_castle
def test_rsa_kem_is_named(peer: Peer, alice: Keypair) -> None:
    """RSA-KEM (RFC 9690), which Bouncy Castle writes, is shown by name, and the error says that it is not supported."""
    assert isinstance(peer, BouncyCastle)
    envelope = peer._ask(
        [
            *(("do", "encrypt"), ("content", AES_256_CBC.name), ("encoding", "der"), ("identifier", "issuer-serial")),
            *(("data", b64encode(ours.ENTITY).decode()), ("wrap", AES_256_WRAP.oid)),
            ("encapsulate", b64encode(alice.certificate.public_bytes(Encoding.DER)).decode()),
        ]
    )
    (recipient,) = smime_session.inspect(envelope).recipients
    summary = recipient.summary
    assert (summary.algorithm, summary.algorithm_oid, summary.parameters["kdf"]) == ("RSA-KEM", RSA_KEM_OID, "KDF3")
    assert not summary.post_quantum
    words = r"is named in the message, but the key encapsulation mechanism RSA-KEM \(1\.0\.18033\.2\.2\.4\) is not supp"
    with pytest.raises(smime_session.NoMatchError, match=words):
        smime_session.decrypt(envelope, ours.identities_of(alice))
