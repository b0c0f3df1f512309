"""What every peer offers, and how its programs are found and run."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.interop.keypair import Keypair
    from tests.interop.spec import Spec

Generation = Literal["system", "unstable"]

TIMEOUT = 60  # seconds for one message; each takes milliseconds


class PeerError(Exception):
    """A peer refused or failed; the message is what it said."""


class Peer(ABC):
    """Another program that writes and reads envelopes, in one generation.

    Args:
        generation: the distribution's own program, or the one that ``.ci/install-peers`` unpacked.
    """

    name: ClassVar[str]

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.workspace = Path()
        self.keypairs: Sequence[Keypair] = ()

    def __str__(self) -> str:
        return f"{self.name}-{self.generation}"

    @abstractmethod
    def needs(self) -> Sequence[Path | str]:
        """Name the files and programs without which it cannot run; a bare name was not found on the PATH."""

    def start(self, workspace: Path, keypairs: Sequence[Keypair]) -> None:
        """Get ready: ``workspace`` is an empty folder, ``keypairs`` are all that will ever be used."""
        self.workspace = workspace
        self.keypairs = keypairs

    def stop(self) -> None:  # noqa: B027  # most have nothing to end
        """End whatever was started."""

    @abstractmethod
    def can_write(self, spec: Spec) -> bool:
        """Tell whether it can write such an envelope."""

    @abstractmethod
    def can_read(self, spec: Spec) -> bool:
        """Tell whether it can open such an envelope."""

    @abstractmethod
    def encrypt(self, content: bytes, recipients: Sequence[Keypair], spec: Spec) -> bytes:
        """Return an envelope around ``content``, which is a MIME entity where the form is a mail."""

    @abstractmethod
    def decrypt(self, envelope: bytes, keypair: Keypair, spec: Spec) -> bytes:
        """Return the content of an envelope as ``keypair`` opens it."""


class SigningPeer(ABC):
    """A peer that signs and verifies, as bare CMS objects in DER."""

    @abstractmethod
    def sign(self, content: bytes, keypair: Keypair, *, attached: bool) -> bytes:
        """Return a signature of ``content``, which is inside it or not."""

    @abstractmethod
    def verify(self, signed: bytes, content: bytes | None, keypair: Keypair) -> bytes:
        """Check a signature with the certificate of ``keypair`` as a root; return what is signed.

        Args:
            signed: the object.
            content: what is signed, if it is not inside.
            keypair: whose it is.

        Raises:
            PeerError: it does not hold.
        """


def program(name: str, generation: Generation) -> Path | str:
    """Return where a program is, or its bare name if it is not on the PATH."""
    if generation == "system":
        return Path(found) if (found := shutil.which(name)) else name
    return unstable() / "bin" / name


def unstable() -> Path:
    """Return the folder into which ``.ci/install-peers`` unpacks."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("SMIME_SESSION_PEERS") or Path(cache) / "smime-session-peers")


def missing(peer: Peer) -> list[str]:
    """Name what a peer needs and this machine does not have."""
    return [str(need) for need in peer.needs() if isinstance(need, str) or not need.exists()]


def attempt(
    command: Sequence[str | Path], stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, whatever its exit status."""
    surroundings = {**os.environ, **(environment or {})}
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=TIMEOUT, env=surroundings)


def described(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return a program's name, its exit status and its last words."""
    words = done.stderr.decode(errors="replace").strip()
    return f"{Path(done.args[0]).name} ended with status {done.returncode}: {words}"


def checked(done: subprocess.CompletedProcess[bytes]) -> bytes:
    """Return the standard output of a program that succeeded.

    Raises:
        PeerError: it failed.
    """
    if done.returncode:
        raise PeerError(described(done))
    return done.stdout


def run(command: Sequence[str | Path], stdin: bytes = b"") -> bytes:
    """Run a program and return its standard output.

    Raises:
        PeerError: it failed.
    """
    return checked(attempt(command, stdin))
