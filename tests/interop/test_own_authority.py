"""What our small CA makes is used by other programs, and what they export and request is read."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from smime_session import (
    decrypt,
    encrypt,
    load_certificates,
    load_identities,
    new_authority,
    new_identity,
    new_request,
    revocation_list,
    split_pkcs12,
)
from tests.interop import ours
from tests.interop.peers.base import attempt, checked, run
from tests.interop.peers.everyone import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smime_session import NewAuthority, NewIdentity

KEY_TYPES: Final = ("rsa2048", "p256")
PASSPHRASE: Final = b"open sesame"
BOB: Final = "bob@example.org"


@pytest.fixture(scope="module", params=KEY_TYPES)
def ca(request: pytest.FixtureRequest) -> NewAuthority:
    """A CA with each of two types of key."""
    return new_authority("Example CA", key_type=request.param)


@pytest.fixture(scope="module")
def bob(ca: NewAuthority) -> NewIdentity:
    """One to whom it issued a certificate, which announces nothing that they do not know."""
    return new_identity(BOB, key_type="rsa2048", issuer=ca.issuer, announce=False)


@pytest.fixture
def folder(tmp_path: Path, ca: NewAuthority, bob: NewIdentity) -> Path:
    """A folder with the files of both, and two lists of what was revoked."""
    (tmp_path / "ca.pem").write_bytes(ca.certificate_pem)
    (tmp_path / "bob.pem").write_bytes(bob.certificate_pem)
    (tmp_path / "bob.key").write_bytes(bob.private_key_pem)
    for name, revoked in (("none", ()), ("bob", (bob.certificate,))):
        crl = revocation_list(ca.issuer, revoked)
        (tmp_path / f"{name}.crl").write_bytes(crl.public_bytes(Encoding.PEM))
    return tmp_path


def test_openssl_checks_the_chain(folder: Path) -> None:
    """By the strictest rules that it has, with the list of the CA; what is on the list is refused."""
    require("openssl")
    command = ["openssl", "verify", "-x509_strict", "-purpose", "smimeencrypt", "-crl_check"]
    files = [f"{folder}/bob.pem"]
    assert attempt([*command, "-CAfile", f"{folder}/ca.pem", "-CRLfile", f"{folder}/none.crl", *files]).returncode == 0
    done = attempt([*command, "-CAfile", f"{folder}/ca.pem", "-CRLfile", f"{folder}/bob.crl", *files])
    assert b"certificate revoked" in done.stderr


def test_openssl_signs_and_encrypts_with_it(folder: Path, bob: NewIdentity) -> None:
    """A signature by the issued key has a chain, and we open what is encrypted for the certificate."""
    require("openssl")
    files = ["-signer", f"{folder}/bob.pem", "-inkey", f"{folder}/bob.key"]
    signed = run(["openssl", "cms", "-sign", "-binary", "-nodetach", *files], ours.ENTITY)
    verifying = ["openssl", "cms", "-verify", "-binary", "-CAfile", f"{folder}/ca.pem", "-purpose", "smimesign"]
    assert run(verifying, signed) == ours.ENTITY
    sealed = run(["openssl", "cms", "-encrypt", "-aes256", "-binary", f"{folder}/bob.pem"], ours.ENTITY)
    (identity,) = load_identities(bob.private_key_pem + bob.certificate_pem)
    assert ours.body_of(decrypt(sealed, [identity]).message) == ours.body_of(ours.ENTITY)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home for gpgsm; its name is short, for the socket of its agent lives in it."""
    require("gpgsm", "gpg-agent", "gpgconf")
    home = Path(tempfile.mkdtemp(prefix="gpg-"))
    yield home
    attempt(["gpgconf", "--kill", "gpg-agent"], environment={"GNUPGHOME": str(home)})
    shutil.rmtree(home, ignore_errors=True)


def test_gpgsm_checks_the_chain_and_encrypts(folder: Path, home: Path, ca: NewAuthority, bob: NewIdentity) -> None:
    """It takes the certificate as valid once the CA is trusted, and not before; we open what it encrypts."""
    environment = {"GNUPGHOME": str(home)}
    command = ["gpgsm", "--batch", "--no-tty", "--quiet", "--disable-crl-checks"]
    checked(attempt([*command, "--import", f"{folder}/ca.pem", f"{folder}/bob.pem"], environment=environment))
    encrypting = [*command, "--encrypt", "--recipient", BOB]
    assert attempt(encrypting, ours.ENTITY, environment).returncode != 0
    fingerprint = ca.certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303  # its name for one
    (home / "trustlist.txt").write_text(f"{fingerprint} S\n")
    checked(attempt(["gpgconf", "--kill", "gpg-agent"], environment=environment))
    sealed = checked(attempt(encrypting, ours.ENTITY, environment))
    (identity,) = load_identities(bob.private_key_pem + bob.certificate_pem)
    assert decrypt(sealed, [identity]).message == ours.ENTITY


@pytest.mark.parametrize("key_type", ["rsa2048", "p384", "brainpoolp256r1"])
def test_openssl_accepts_a_request(key_type: str, tmp_path: Path) -> None:
    """Its signature fits, and ``openssl x509`` issues a certificate that has what was asked for."""
    require("openssl")
    made = new_request(BOB, key_type=key_type)
    (tmp_path / "bob.csr").write_bytes(made.request_pem)
    done = attempt(["openssl", "req", "-verify", "-noout", "-in", f"{tmp_path}/bob.csr"])
    assert (done.returncode, b"verify OK" in done.stdout + done.stderr) == (0, True)
    ca = new_authority("Example CA", key_type="p256")
    (tmp_path / "ca.pem").write_bytes(ca.certificate_pem)
    (tmp_path / "ca.key").write_bytes(ca.private_key_pem)
    files = ["-in", f"{tmp_path}/bob.csr", "-CA", f"{tmp_path}/ca.pem", "-CAkey", f"{tmp_path}/ca.key"]
    issued = run(["openssl", "x509", "-req", "-copy_extensions", "copyall", *files])
    (certificate,) = load_certificates(issued)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.RFC822Name) == [BOB]
    mail = b"To: bob@example.org\nSubject: greetings\n" + ours.ENTITY
    (identity,) = load_identities(made.private_key_pem + issued)
    assert ours.body_of(decrypt(encrypt(mail, [certificate]), [identity]).message) == ours.body_of(ours.ENTITY)


WINDOWS: Final = ("-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1")
"""As Windows locked what it exported before AES."""


@pytest.mark.parametrize("lock", [(), WINDOWS], ids=["aes", "3des"])
def test_what_openssl_exports_is_split(folder: Path, ca: NewAuthority, bob: NewIdentity, lock: tuple[str, ...]) -> None:
    """The key with its certificate, and the CA's beside."""
    require("openssl")
    files = ["-inkey", f"{folder}/bob.key", "-in", f"{folder}/bob.pem", "-certfile", f"{folder}/ca.pem"]
    exported = run(["openssl", "pkcs12", "-export", *files, *lock, "-passout", f"pass:{PASSPHRASE.decode()}"])
    parts = split_pkcs12(exported, PASSPHRASE)
    assert (parts.certificates_pem, parts.issuers_pem) == (bob.certificate_pem, ca.certificate_pem)
    assert parts.private_keys_pem == bob.private_key_pem + bob.certificate_pem


def test_what_a_browser_exports_is_split(folder: Path, bob: NewIdentity) -> None:
    """``pk12util`` writes what Firefox and Thunderbird write."""
    require("certutil", "pk12util", "openssl")
    database = ["-d", f"sql:{folder}/nss"]
    (folder / "nss").mkdir()
    secret = folder / "secret"
    secret.write_bytes(PASSPHRASE + b"\n")
    run(["certutil", "-N", "--empty-password", *database])
    files = ["-inkey", f"{folder}/bob.key", "-in", f"{folder}/bob.pem", "-certfile", f"{folder}/ca.pem"]
    taken = ["-name", "bob", "-out", f"{folder}/in.p12", "-passout", f"file:{secret}"]
    run(["openssl", "pkcs12", "-export", *files, *taken])
    run(["pk12util", "-i", f"{folder}/in.p12", "-w", str(secret), *database])
    run(["pk12util", "-o", f"{folder}/out.p12", "-n", "bob", "-w", str(secret), *database])
    parts = split_pkcs12((folder / "out.p12").read_bytes(), PASSPHRASE, lock=PASSPHRASE)
    assert parts.certificates == (bob.certificate,)
    (identity,) = load_identities(parts.private_keys_pem, PASSPHRASE)
    assert decrypt(encrypt(b"To: bob@example.org\n\ntext\n", [bob.certificate]), [identity]).message
