"""A process for each mail: ``smime-session``, ``openssl cms`` and a script of a few lines with cryptography."""

from __future__ import annotations

import filecmp
import shutil
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from benchmarks.measuring import Point, Table, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.fixtures import Group
    from benchmarks.measuring import Usage
    from benchmarks.scale import Scale

    Command = Sequence[str | Path]

OURS: Final = "smime-session"
OPENSSL: Final = "openssl cms"
PYCA: Final = "cryptography, a script"

MODERN: Final = "AES-256-GCM, RSAES-OAEP"
COMPAT: Final = "AES-256-CBC, RSAES-PKCS1-v1_5"


class Peer(ABC):
    """A program that encrypts and decrypts files.

    Attributes:
        name: in tables.
        suites: the algorithms it has.
        streams: whether it takes a mail of any size in little memory, one way at least.
    """

    name: ClassVar[str]
    suites: ClassVar[tuple[str, ...]] = (MODERN, COMPAT)
    streams: ClassVar[bool] = True

    @abstractmethod
    def installed(self) -> bool:
        """Tell whether it can be run."""

    @abstractmethod
    def encrypt(self, suite: str, mail: Path, out: Path, certificates: Sequence[Path]) -> Command:
        """Return the command that encrypts ``mail``."""

    @abstractmethod
    def decrypt(self, mail: Path, out: Path, identity: Path) -> Command:
        """Return the command that decrypts ``mail``."""


class Ours(Peer):
    """The command of this project, from the environment that runs this script or from the PATH."""

    name = OURS

    def __init__(self) -> None:
        beside = Path(sys.executable).with_name("smime-session")
        self._program = str(beside) if beside.exists() else shutil.which("smime-session")

    def installed(self) -> bool:
        """Tell whether it was found."""
        return self._program is not None

    def encrypt(self, suite: str, mail: Path, out: Path, certificates: Sequence[Path]) -> Command:
        """Return the command that encrypts ``mail``."""
        profile = "modern" if suite == MODERN else "compat"
        recipients = [word for path in certificates for word in ("-r", path)]
        return (str(self._program), "encrypt", "-q", "--profile", profile, *recipients, "-o", out, mail)

    def decrypt(self, mail: Path, out: Path, identity: Path) -> Command:
        """Return the command that decrypts ``mail``."""
        return (str(self._program), "decrypt", "-q", "-i", identity, "-o", out, mail)


class OpenSsl(Peer):
    """``openssl cms``, writing as a stream."""

    name = OPENSSL

    def installed(self) -> bool:
        """Tell whether it is on the PATH."""
        return shutil.which("openssl") is not None

    def encrypt(self, suite: str, mail: Path, out: Path, certificates: Sequence[Path]) -> Command:
        """Return the command that encrypts ``mail``."""
        start = ("openssl", "cms", "-encrypt", "-binary", "-stream", "-in", mail, "-out", out)
        if suite == COMPAT:
            return (*start, "-aes-256-cbc", *certificates)
        oaep = ("-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")
        recipients = [word for path in certificates for word in ("-recip", path, *oaep)]
        return (*start, "-aes-256-gcm", *recipients)

    def decrypt(self, mail: Path, out: Path, identity: Path) -> Command:
        """Return the command that decrypts ``mail``."""
        return ("openssl", "cms", "-decrypt", "-in", mail, "-out", out, "-inkey", identity, "-recip", identity)


class Pyca(Peer):
    """The two scripts beside this one."""

    name = PYCA
    suites = (COMPAT,)
    streams = False

    def installed(self) -> bool:
        """Tell that it is: the library depends on cryptography."""
        return True

    def encrypt(self, suite: str, mail: Path, out: Path, certificates: Sequence[Path]) -> Command:  # noqa: ARG002  # it has one
        """Return the command that encrypts ``mail``."""
        return (sys.executable, Path(__file__).with_name("pyca_encrypt.py"), mail, out, *certificates)

    def decrypt(self, mail: Path, out: Path, identity: Path) -> Command:
        """Return the command that decrypts ``mail``."""
        return (sys.executable, Path(__file__).with_name("pyca_decrypt.py"), mail, out, identity)


def installed_peers() -> list[Peer]:
    """Return the programs that can be run here."""
    return [peer for peer in (Ours(), OpenSsl(), Pyca()) if peer.installed()]


@dataclass(frozen=True, slots=True)
class _Files:
    """Where the processes read and write."""

    mail: Path
    folder: Path
    group: Group

    def sealed(self, suite: str, count: int) -> Path:
        return self.folder / f"{suite}-{count}.eml"

    def seal(self, peer: Peer, suite: str, count: int) -> None:
        """Encrypt the mail that every peer will decrypt, and see that decrypting gives it back."""
        sealed, opened = self.sealed(suite, count), self.folder / "opened.eml"
        run(peer.encrypt(suite, self.mail, sealed, self.group.files(count)))
        run(peer.decrypt(sealed, opened, self.group.key_file("first")))
        if not filecmp.cmp(self.mail, opened, shallow=False):
            raise RuntimeError(f"{suite}: what was decrypted is not what was encrypted")

    def encrypt(self, peer: Peer, suite: str, count: int) -> Usage:
        return run(peer.encrypt(suite, self.mail, self.folder / "out", self.group.files(count)))

    def decrypt(self, peer: Peer, suite: str, count: int) -> Usage:
        return run(peer.decrypt(self.sealed(suite, count), self.folder / "out", self.group.key_file("first")))


def small_tables(group: Group, mail: Path, folder: Path, scale: Scale) -> Iterator[Table]:
    """Yield the tables for small mails: milliseconds on the clock."""
    peers = installed_peers()
    files = _Files(mail, folder, group)
    for suite in (MODERN, COMPAT):
        able = [peer for peer in peers if suite in peer.suites]
        for count in scale.command_counts:
            files.seal(able[0], suite, count)
        for peer in able:  # the first time compiles its modules
            files.encrypt(peer, suite, scale.command_counts[0])
            files.decrypt(peer, suite, scale.command_counts[0])
        for word, operation in (("Encrypt", files.encrypt), ("Decrypt", files.decrypt)):
            points = [
                Point(peer.name, partial(_milliseconds, partial(operation, peer, suite, count), count))
                for count in scale.command_counts
                for peer in able
            ]
            title = f"{word} 10 KB, a process for each mail: RSA-2048, {suite}"
            yield Table("command", title, "ms on the clock", points, (OPENSSL,), more_is_better=False)


def large_tables(group: Group, mail: Path, folder: Path, scale: Scale) -> Iterator[Table]:
    """Yield the tables for the large mail: time and memory of the whole process."""
    peers = [peer for peer in installed_peers() if peer.streams or scale.whole_peers]
    files = _Files(mail, folder, group)
    for suite in (MODERN, COMPAT):
        able = [peer for peer in peers if suite in peer.suites]
        files.seal(able[0], suite, 1)
        for word, operation in (("Encrypt", files.encrypt), ("Decrypt", files.decrypt)):
            points = [Point(peer.name, partial(_usage, partial(operation, peer, suite, 1))) for peer in able]
            title = f"{word} {scale.large // 1_000_000:,} MB: RSA-2048, {suite}"
            yield Table("large", title, "seconds, MB", points, (OPENSSL,), more_is_better=False)


def _milliseconds(operation: partial[Usage], count: int) -> dict[str, float]:
    return {f"{count:,} recipient{'s' * (count > 1)}": operation().wall * 1e3}


def _usage(operation: partial[Usage]) -> dict[str, float]:
    usage = operation()
    return {"clock": usage.wall, "CPU": usage.cpu, "peak memory": usage.memory / 1e6}
