"""NSS's ``cmsutil``, the library behind Thunderbird."""

# ruff: noqa: D102  # the methods are described where Peer declares them

from __future__ import annotations

from typing import TYPE_CHECKING

from smime_session.algorithms import AES_128_CBC, CHACHA20_POLY1305
from tests.interop.keypair import PASSPHRASE
from tests.interop.peers.base import Peer, PeerError, SigningPeer, program, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.interop.keypair import Keypair
    from tests.interop.spec import Spec


class NSS(Peer, SigningPeer):
    """Writes AES-128-CBC in indefinite lengths and nothing else; reads more with each generation."""

    name = "nss"

    def needs(self) -> Sequence[Path | str]:
        return [program(name, self.generation) for name in ("cmsutil", "certutil", "pk12util")]

    def can_write(self, spec: Spec) -> bool:
        ordinary = spec.transport.hash is None and spec.identifier == "issuer-serial"
        return spec.form == "der" and spec.stream and spec.content == AES_128_CBC and ordinary

    def can_read(self, spec: Spec) -> bool:
        classic = spec.content.mode == "cbc" and spec.transport.hash is None
        modern = self.generation == "unstable" and spec.content != CHACHA20_POLY1305
        return spec.form == "der" and (classic or modern)

    def encrypt(self, content: bytes, recipients: Sequence[Keypair], spec: Spec) -> bytes:
        del spec  # it has no choice
        names = ",".join(keypair.name for keypair in recipients)
        return self._cmsutil(recipients[0], ["-E", "-r", names], content)

    def decrypt(self, envelope: bytes, keypair: Keypair, spec: Spec) -> bytes:
        del spec  # it looks for itself
        return self._cmsutil(keypair, ["-D"], envelope)

    def sign(self, content: bytes, keypair: Keypair, *, attached: bool) -> bytes:
        arguments = ["-S", "-G", "-P", "-N", keypair.name, "-H", "SHA256", *([] if attached else ["-T"])]
        return self._cmsutil(keypair, arguments, content)

    def verify(self, signed: bytes, content: bytes | None, keypair: Keypair) -> bytes:
        if content is None:
            return self._cmsutil(keypair, ["-D"], signed)
        beside = self.workspace / "content"
        beside.write_bytes(content)
        out = self._cmsutil(keypair, ["-D", "-c", str(beside)], signed)
        if out not in {b"", content}:
            raise PeerError("cmsutil shows something else")
        return content

    def _cmsutil(self, keypair: Keypair, arguments: Sequence[str], stdin: bytes) -> bytes:
        """Run it with a database that holds one private key, so that no other can open the message."""
        folder = self.workspace / keypair.name
        if not folder.exists():
            self._make_database(keypair, folder)
        return run([program("cmsutil", self.generation), "-d", f"sql:{folder}", *arguments], stdin)

    def _make_database(self, keypair: Keypair, folder: Path) -> None:
        folder.mkdir()
        certutil = [program("certutil", self.generation), "-d", f"sql:{folder}"]
        run([*certutil, "-N", "--empty-password"])
        pk12util = [program("pk12util", self.generation), "-d", f"sql:{folder}"]
        run([*pk12util, "-i", keypair.pkcs12_file, "-W", PASSPHRASE.decode()])
        for known in self.keypairs:
            run([*certutil, "-A", "-n", known.name, "-t", "CP,CP,CP", "-a", "-i", known.certificate_file])
