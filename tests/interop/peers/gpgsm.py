"""GnuPG's ``gpgsm``."""

# ruff: noqa: D102  # the methods are described where Peer declares them

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from smime_session.algorithms import DES_EDE3_CBC, RC2_CBC
from tests.interop.keypair import PASSPHRASE
from tests.interop.peers.base import Generation, Peer, PeerError, SigningPeer, attempt, checked, described, program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import CompletedProcess

    from tests.interop.keypair import Keypair
    from tests.interop.spec import Spec

FORMS: Final = {"der": [], "pem": ["--armor"], "mail": ["--base64"]}
MAIL_HEADER: Final = (
    b"MIME-Version: 1.0\nContent-Type: application/pkcs7-mime; name=smime.p7m; smime-type=enveloped-data\n"
    b"Content-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=smime.p7m\n\n"
)
"""Around what ``--base64`` writes, as the mail programs that use gpgsm put it."""

IMPORTS: Final = 8  # attempts: gpgsm derives a wrong key from one PKCS#12 salt in fifty; each attempt draws new ones

ENDING: Final = 10  # seconds that its agent may take to end


class Gpgsm(Peer, SigningPeer):
    """Writes CBC with RSAES-PKCS1-v1_5, always in indefinite lengths; reads no OAEP and no key identifier.

    It reads AES-GCM with a tag of 12 octets only, which nobody writes: libksba takes a nonce out of the
    parameters only where the tag's length is left to its default.
    """

    name = "gpgsm"

    def __init__(self, generation: Generation) -> None:
        super().__init__(generation)
        self._homes: dict[Keypair | None, Path] = {}

    def needs(self) -> Sequence[Path | str]:
        return [program("gpgsm", self.generation), program("gpg-agent", self.generation), program("gpgconf", "system")]

    def can_write(self, spec: Spec) -> bool:
        return spec.stream and _is_classic(spec)

    def can_read(self, spec: Spec) -> bool:
        return spec.form != "mail" and _is_classic(spec)

    def encrypt(self, content: bytes, recipients: Sequence[Keypair], spec: Spec) -> bytes:
        algorithm = "3DES" if spec.content == DES_EDE3_CBC else spec.content.name.removesuffix("-CBC").replace("-", "")
        arguments = ["--encrypt", "--cipher-algo", algorithm, *FORMS[spec.form]]
        for keypair in recipients:
            arguments += ["--recipient", f"{keypair.name}@example.org"]
        envelope = checked(self._gpgsm(None, arguments, content))
        return MAIL_HEADER + envelope if spec.form == "mail" else envelope

    def decrypt(self, envelope: bytes, keypair: Keypair, spec: Spec) -> bytes:
        del spec  # it looks for itself
        file = self.workspace / "envelope"
        file.write_bytes(envelope)
        done = self._gpgsm(keypair, ["--status-fd", "2", "--passphrase-fd", "0", "--decrypt", str(file)], PASSPHRASE)
        # its exit status is 2 for all but the first recipient; with AES-GCM it is 0 and the word is missing
        if done.returncode and b"[GNUPG:] DECRYPTION_OKAY" not in done.stderr:
            raise PeerError(described(done))
        return done.stdout

    def sign(self, content: bytes, keypair: Keypair, *, attached: bool) -> bytes:
        file = self.workspace / "content"
        file.write_bytes(content)
        action = "--sign" if attached else "--detach-sign"
        arguments = ["--passphrase-fd", "0", "--local-user", f"{keypair.name}@example.org", action, str(file)]
        return checked(self._gpgsm(keypair, arguments, PASSPHRASE))

    def verify(self, signed: bytes, content: bytes | None, keypair: Keypair) -> bytes:
        file, beside, out = (self.workspace / name for name in ("signed", "content", "out"))
        file.write_bytes(signed)
        out.unlink(missing_ok=True)
        arguments = ["--status-fd", "2"]
        if content is None:
            arguments += ["--output", str(out), "--verify", str(file)]
        else:
            beside.write_bytes(content)
            arguments += ["--verify", str(file), str(beside)]
        done = self._gpgsm(keypair, arguments, b"")
        checked(done)
        if b"[GNUPG:] GOODSIG" not in done.stderr or b"[GNUPG:] TRUST_FULLY" not in done.stderr:
            raise PeerError(described(done))
        return out.read_bytes() if content is None else content

    def stop(self) -> None:
        for home in self._homes.values():
            checked(
                attempt([program("gpgconf", "system"), "--kill", "gpg-agent"], environment={"GNUPGHOME": str(home)})
            )
            deadline = time.monotonic() + ENDING
            while home.exists() and time.monotonic() < deadline:  # the agent removes its sockets at the same time
                with suppress(OSError):
                    shutil.rmtree(home)
        self._homes.clear()

    def _gpgsm(self, keypair: Keypair | None, arguments: Sequence[str], stdin: bytes) -> CompletedProcess[bytes]:
        """Run it with a home that holds one private key alone, or without one every certificate.

        Certificates of other recipients would make it look for their keys on a smart card.
        """
        if keypair not in self._homes:
            self._homes[keypair] = Path(tempfile.mkdtemp(prefix="gpg-"))  # short: the agent's socket lives in it
            self._furnish(self._homes[keypair], keypair)
        return self._run(self._homes[keypair], arguments, stdin)

    def _run(self, home: Path, arguments: Sequence[str], stdin: bytes = b"") -> CompletedProcess[bytes]:
        options = ["--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback", "--disable-crl-checks"]
        agent = ["--agent-program", program("gpg-agent", self.generation)]
        command = [program("gpgsm", self.generation), *options, *agent, *arguments]
        return attempt(command, stdin, {"GNUPGHOME": str(home)})

    def _furnish(self, home: Path, keypair: Keypair | None) -> None:
        fingerprints = [known.certificate.fingerprint(hashes.SHA1()) for known in self.keypairs]  # noqa: S303  # its name for one
        (home / "trustlist.txt").write_text("".join(f"{one.hex()} S relax\n" for one in fingerprints))
        (home / "gpg-agent.conf").write_text("s2k-count 65536\n")  # or each key costs it half a second
        if keypair is None:
            checked(self._run(home, ["--import", *(str(known.certificate_file) for known in self.keypairs)]))
            return
        file = home / "key.p12"
        for _ in range(IMPORTS):
            file.write_bytes(_locked(keypair))
            done = self._run(home, ["--passphrase-fd", "0", "--import", str(file)], PASSPHRASE)
            if not done.returncode:
                return
        raise PeerError(described(done))


def _locked(keypair: Keypair) -> bytes:
    """Return a PKCS#12 file locked with 3DES and SHA-1: gpgsm 2.2 reads nothing newer."""
    lock = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2048)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303  # what the format had when gpgsm 2.2 was written
        .build(PASSPHRASE)
    )
    name, key = keypair.name.encode(), keypair.private_key
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return pkcs12.serialize_key_and_certificates(name, key, keypair.certificate, None, lock)


def _is_classic(spec: Spec) -> bool:
    algorithms = spec.content.mode == "cbc" and spec.content != RC2_CBC and spec.transport.hash is None
    return algorithms and spec.identifier == "issuer-serial"
