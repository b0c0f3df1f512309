"""Bouncy Castle for Java, driven by ``BouncyCastle.java``."""

# ruff: noqa: D102  # the methods are described where Peer declares them

from __future__ import annotations

import subprocess
from base64 import b64decode, b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from smime_session.algorithms import CHACHA20_POLY1305
from tests.interop.peers.base import Generation, Peer, PeerError, SigningPeer, program, unstable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session.algorithms import KeyAgreement, KeyWrap
    from tests.interop.keypair import Keypair
    from tests.interop.spec import Spec

PROGRAM: Final = Path(__file__).parent.parent / "BouncyCastle.java"
JARS: Final = ("bcmail", "bcpkix", "bcprov", "bcutil")


class BouncyCastle(Peer, SigningPeer):
    """Writes and reads all there is, as bare CMS objects; 1.72 reads ChaCha20-Poly1305 but cannot write it."""

    name = "bouncycastle"

    def __init__(self, generation: Generation) -> None:
        super().__init__(generation)
        self._process: subprocess.Popen[str] | None = None

    def needs(self) -> Sequence[Path | str]:
        return [program("java", "system"), program("javac", "system"), *self._jars()]

    def can_write(self, spec: Spec) -> bool:
        return spec.form == "der" and (spec.content != CHACHA20_POLY1305 or self.generation == "unstable")

    def can_read(self, spec: Spec) -> bool:
        return spec.form == "der"

    def start(self, workspace: Path, keypairs: Sequence[Keypair]) -> None:
        super().start(workspace, keypairs)
        classpath = ":".join(str(jar) for jar in self._jars())
        options = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]  # a short life: start fast
        command = [program("java", "system"), *options, "-cp", classpath, PROGRAM]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self) -> None:
        if self._process:
            self._process.communicate()
            self._process = None

    def encrypt(self, content: bytes, recipients: Sequence[Keypair], spec: Spec) -> bytes:
        return self._ask(self._encryption(content, recipients, spec))

    def encrypt_derived(self, content: bytes, recipients: Sequence[Keypair], spec: Spec) -> bytes:
        """Return an envelope whose content key is derived from the session key (RFC 9709)."""
        return self._ask([*self._encryption(content, recipients, spec), ("derived", "yes")])

    def _encryption(self, content: bytes, recipients: Sequence[Keypair], spec: Spec) -> list[tuple[str, str]]:
        request = [("do", "encrypt"), ("content", spec.content.name), ("data", _base64(content))]
        request += [("encoding", "ber" if spec.stream else "der"), ("identifier", spec.identifier)]
        if spec.transport.hash and spec.transport.mgf_hash:
            request += [("transport", "oaep"), ("hash", spec.transport.hash), ("mgf", spec.transport.mgf_hash)]
            request += [("label", _base64(spec.transport.label))]
        else:
            request += [("transport", "v1.5")]
        return [*request, *(("rsa", _certificate(keypair)) for keypair in recipients)]

    def encrypt_by_agreement(  # noqa: PLR0917  # what a sender chooses
        self,
        content: bytes,
        recipients: Sequence[Keypair],
        spec: Spec,
        agreement: KeyAgreement,
        wrap: KeyWrap,
        ukm: bytes | None = None,
    ) -> bytes:
        """Return an envelope whose recipients, all on one curve, share one recipient info."""
        request = [("do", "encrypt"), ("content", spec.content.name), ("data", _base64(content))]
        request += [("encoding", "ber" if spec.stream else "der"), ("identifier", spec.identifier)]
        request += [("agreement", agreement.oid), ("wrap", wrap.oid)]
        request += [] if ukm is None else [("ukm", _base64(ukm))]
        return self._ask([*request, *(("agree", _certificate(keypair)) for keypair in recipients)])

    def decrypt(self, envelope: bytes, keypair: Keypair, spec: Spec) -> bytes:
        del spec  # it looks for itself
        key = keypair.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        request = [("do", "decrypt"), ("certificate", _certificate(keypair)), ("key", _base64(key))]
        return self._ask([*request, ("envelope", _base64(envelope))])

    def sign(self, content: bytes, keypair: Keypair, *, attached: bool) -> bytes:
        key = keypair.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        request = [("do", "sign"), ("data", _base64(content)), ("certificate", _certificate(keypair))]
        request += [("key", _base64(key)), ("algorithm", "SHA256withRSA"), ("attached", "yes" if attached else "no")]
        return self._ask(request)

    def verify(self, signed: bytes, content: bytes | None, keypair: Keypair) -> bytes:
        del keypair  # it takes the certificate in the message
        beside = [] if content is None else [("data", _base64(content))]
        return self._ask([("do", "verify"), ("signed", _base64(signed)), *beside])

    def _ask(self, request: Sequence[tuple[str, str]]) -> bytes:
        if not self._process or not self._process.stdin or not self._process.stdout:
            raise PeerError("Bouncy Castle was not started")
        self._process.stdin.write("".join(f"{name}={value}\n" for name, value in request) + "\n")
        self._process.stdin.flush()
        verdict, _, value = self._process.stdout.readline().rstrip("\n").partition("=")
        if verdict != "ok":
            raise PeerError(value or "the Java program ended")
        return b64decode(value)

    def _jars(self) -> list[Path]:
        folder = Path("/usr/share/java") if self.generation == "system" else unstable() / "share" / "java"
        return [folder / f"{jar}.jar" for jar in JARS]


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _certificate(keypair: Keypair) -> str:
    return _base64(keypair.certificate.public_bytes(Encoding.DER))
