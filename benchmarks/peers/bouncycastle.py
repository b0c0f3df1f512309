"""Bouncy Castle for Java: one run of the program that the interoperability tests talk to, compiled beforehand."""

# ruff: noqa: D102  # the methods are described where Program declares them

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.measuring import Command, run
from benchmarks.peers.base import Program, not_found

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from benchmarks.fixtures import Group
    from benchmarks.suites import Suite

_SOURCE: Final = Path(__file__).parents[2] / "tests" / "interop" / "BouncyCastle.java"
_JARS: Final = [Path("/usr/share/java") / f"{jar}.jar" for jar in ("bcmail", "bcpkix", "bcprov", "bcutil")]
_FAST_START: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_OAEP: Final = {"transport": "oaep", "hash": "SHA-256", "mgf": "SHA-256", "label": ""}


class BouncyCastle(Program):
    """Reads a request in lines of base64 and answers with one; no file but that is read or written."""

    name = "Bouncy Castle (Java)"
    form = "der"

    def __init__(self) -> None:
        self._folder = Path()
        self._certificate = self._key = b""

    def absent(self) -> str | None:
        if missing := [str(jar) for jar in _JARS if not jar.exists()]:
            return f"{' and '.join(missing)} not found"
        return not_found("java", "javac")

    def start(self, group: Group, folder: Path, ends: ExitStack) -> None:
        del ends  # nothing keeps running
        self._folder = folder
        self._certificate = group.certificates[0].public_bytes(Encoding.DER)
        self._key = group.keys.private(0).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        run(Command(("javac", "-cp", _classpath(), "-d", folder, _SOURCE)))

    def encrypt(self, suite: Suite, mail: Path, out: Path, certificates: Sequence[Path]) -> Command:
        del out, certificates  # it answers, and knows one recipient
        request: dict[str, str | bytes] = {"do": "encrypt", "content": suite.name, "data": mail.read_bytes()}
        request |= {"encoding": "der", "identifier": "issuer-serial"}
        request |= _OAEP if suite.oaep else {"transport": "v1.5"}
        return self._command(request | {"rsa": self._certificate})

    def decrypt(self, suite: Suite, sealed: Path, out: Path, key_file: Path) -> Command:
        del suite, out, key_file  # it looks for itself, answers, and has the key
        request: dict[str, str | bytes] = {"do": "decrypt", "certificate": self._certificate, "key": self._key}
        return self._command(request | {"envelope": sealed.read_bytes()})

    def _command(self, request: dict[str, str | bytes]) -> Command:
        texts = {
            name: b64encode(value).decode() if isinstance(value, bytes) else value for name, value in request.items()
        }
        file = self._folder / f"{request['do']!s}-{len(list(self._folder.iterdir()))}"
        file.write_text("".join(f"{name}={text}\n" for name, text in texts.items()) + "\n")
        classpath = f"{self._folder}:{_classpath()}"
        return Command(("java", *_FAST_START, "-cp", classpath, "BouncyCastle"), stdin=file, answer=b"ok=")


def _classpath() -> str:
    return ":".join(map(str, _JARS))
