"""OpenSSL's ``cms`` command."""

# ruff: noqa: D102  # the methods are described where Peer declares them

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smime_session.algorithms import CHACHA20_POLY1305, RC2_CBC
from tests.interop.peers.base import Peer, SigningPeer, program, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from smime_session.algorithms import KeyTransport
    from tests.interop.keypair import Keypair
    from tests.interop.spec import Spec

FORMS: Final = {"der": "DER", "pem": "PEM", "mail": "SMIME"}

RC2_PROVIDERS: Final = ["-provider", "legacy", "-provider", "default"]


class OpenSSL(Peer, SigningPeer):
    """Writes and reads all there is but ChaCha20-Poly1305."""

    name = "openssl"

    def needs(self) -> Sequence[Path | str]:
        return [program("openssl", self.generation)]

    def can_write(self, spec: Spec) -> bool:
        return spec.content != CHACHA20_POLY1305

    def can_read(self, spec: Spec) -> bool:
        return spec.content != CHACHA20_POLY1305

    def encrypt(self, content: bytes, recipients: Sequence[Keypair], spec: Spec) -> bytes:
        command: list[str | Path] = [program("openssl", self.generation), "cms", "-encrypt", "-binary"]
        command += [f"-{spec.content.name.lower()}", "-outform", FORMS[spec.form]]
        command += RC2_PROVIDERS if spec.content == RC2_CBC else []
        command += ["-stream"] if spec.stream else []
        command += ["-keyid"] if spec.identifier == "key-identifier" else []
        for keypair in recipients:
            command += ["-recip", keypair.certificate_file, *_key_options(spec.transport)]
        return run(command, content)

    def decrypt(self, envelope: bytes, keypair: Keypair, spec: Spec) -> bytes:
        command = [program("openssl", self.generation), "cms", "-decrypt", "-binary", "-inform", FORMS[spec.form]]
        command += RC2_PROVIDERS if spec.content == RC2_CBC else []
        return run([*command, "-recip", keypair.certificate_file, "-inkey", keypair.key_file], envelope)

    def sign(self, content: bytes, keypair: Keypair, *, attached: bool) -> bytes:
        command = [program("openssl", self.generation), "cms", "-sign", "-binary", "-outform", "DER"]
        command += ["-nodetach"] if attached else []
        return run([*command, "-signer", keypair.certificate_file, "-inkey", keypair.key_file], content)

    def verify(self, signed: bytes, content: bytes | None, keypair: Keypair) -> bytes:
        command: list[str | Path] = [program("openssl", self.generation), "cms", "-verify", "-binary", "-inform", "DER"]
        if content is not None:
            beside = self.workspace / "content"
            beside.write_bytes(content)
            command += ["-content", beside]
        return run([*command, "-CAfile", keypair.certificate_file], signed)


def _key_options(transport: KeyTransport) -> list[str]:
    if transport.hash is None or transport.mgf_hash is None:
        return []
    options = ["rsa_padding_mode:oaep", f"rsa_oaep_md:{_digest(transport.hash)}"]
    options += [f"rsa_mgf1_md:{_digest(transport.mgf_hash)}"]
    options += [f"rsa_oaep_label:{transport.label.hex()}"] if transport.label else []
    return [argument for option in options for argument in ("-keyopt", option)]


def _digest(name: str) -> str:
    return name.replace("-", "").lower()
