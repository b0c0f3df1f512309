"""Messages per second of one core, in process: the library, cryptography's builder and libcrypto's CMS."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7

from benchmarks.fixtures import KINDS
from benchmarks.measuring import Point, Table, rate
from smime_session import COMPAT, MODERN, Profile, decrypt, encrypt, recipient_for
from smime_session.algorithms import AES_128_CBC, RSAES_PKCS1_V1_5

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.fixtures import Group
    from benchmarks.scale import Scale

OURS: Final = "smime-session"
UNPREPARED: Final = "smime-session, from certificates"
LIBCRYPTO: Final = "libcrypto (C)"
PYCA_MAIL: Final = "cryptography"
PYCA_DER: Final = "cryptography, DER only"
REFERENCES: Final = (LIBCRYPTO, PYCA_MAIL)

_PROGRAM: Final = os.environ.get("SMIME_SESSION_CMSBENCH")
_BINARY: Final = [pkcs7.PKCS7Options.Binary]


@dataclass(frozen=True, slots=True)
class Suite:
    """Algorithms, by every name they have.

    Attributes:
        name: in tables.
        profile: in the library.
        flags: of the program that runs libcrypto.
        pyca: whether cryptography's builder has them too.
    """

    name: str
    profile: Profile
    flags: tuple[str, ...]
    pyca: bool = False


_GCM: Final = ("--cipher", "aes256gcm")
_GCM_V1_5: Final = replace(MODERN, rsa=RSAES_PKCS1_V1_5)
_CBC: Final = Suite("AES-128-CBC", replace(COMPAT, content=AES_128_CBC), ("--cipher", "aes128cbc"), pyca=True)
SUITES: Final = {
    "rsa2048": (
        Suite("AES-256-GCM, RSAES-OAEP", MODERN, (*_GCM, "--oaep")),
        Suite("AES-256-GCM, RSAES-PKCS1-v1_5", _GCM_V1_5, _GCM),
        replace(_CBC, name="AES-128-CBC, RSAES-PKCS1-v1_5"),
    ),
    "p256": (Suite("AES-256-GCM", MODERN, _GCM), replace(_CBC, pyca=False)),
    "x25519": (Suite("AES-256-GCM", MODERN, ()),),
    "mlkem768": (Suite("AES-256-GCM", MODERN, ()),),
}
"""What is measured for each kind of key; libcrypto's CMS takes no others than those with flags."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One kind of key with one suite."""

    group: Group
    suite: Suite
    mail: Path
    scale: Scale

    @property
    def title(self) -> str:
        return f"{KINDS[self.group.kind]}, {self.suite.name}"

    def encryptors(self, count: int) -> Iterator[tuple[str, Callable[[], float]]]:
        """Yield a measurement of messages per second for each peer."""
        raw, profile = self.mail.read_bytes(), self.suite.profile
        certificates = self.group.certificates[:count]
        recipients = [recipient_for(certificate, profile=profile) for certificate in certificates]
        yield OURS, self._rate(partial(encrypt, raw, recipients, profile=profile))
        yield UNPREPARED, self._rate(partial(encrypt, raw, certificates, profile=profile))
        if self.suite.pyca:
            builder = pkcs7.PKCS7EnvelopeBuilder().set_content_encryption_algorithm(AES128)
            for certificate in certificates:
                builder = builder.add_recipient(certificate)
            yield PYCA_MAIL, self._rate(lambda: builder.set_data(raw).encrypt(Encoding.SMIME, _BINARY))
            yield PYCA_DER, self._rate(lambda: builder.set_data(raw).encrypt(Encoding.DER, _BINARY))
        if _PROGRAM and self.suite.flags:
            certificates_file = self.group.bundle(count)
            yield LIBCRYPTO, partial(self._libcrypto, "enc", self.mail, "--certs", certificates_file)

    def decryptors(self, count: int, which: str) -> Iterator[tuple[str, Callable[[], float]]]:
        """Yield the same for decrypting one mail for ``count`` recipients with the key of the first or the last."""
        profile, key_file = self.suite.profile, self.group.key_file(which)
        raw = self.mail.read_bytes()
        recipients = [recipient_for(certificate, profile=profile) for certificate in self.group.certificates[:count]]
        sealed = encrypt(raw, recipients, profile=profile)
        identities = self.group.identities(which)
        if decrypt(sealed, identities).message != raw:
            raise RuntimeError(f"{self.title}: what was decrypted is not what was encrypted")
        yield OURS, self._rate(partial(decrypt, sealed, identities))
        if self.suite.pyca:
            key = load_pem_private_key(key_file.read_bytes(), None)
            certificate = self.group.certificates[0 if which == "first" else -1]
            opened = partial(pkcs7.pkcs7_decrypt_smime, sealed, certificate, key, [])  # type: ignore[arg-type]  # RSA
            yield PYCA_MAIL, self._rate(opened)
        if _PROGRAM and self.suite.flags:
            path = self.group.folder / f"{self.suite.name}-{count}.eml"
            path.write_bytes(sealed)
            yield LIBCRYPTO, partial(self._libcrypto, "dec", path, "--key", key_file, "--cert", key_file)

    def _rate(self, step: Callable[[], object]) -> Callable[[], float]:
        return partial(rate, step, self.scale.seconds)

    def _libcrypto(self, operation: str, mail: Path, *flags: str | Path) -> float:
        seconds = ("--warm", str(self.scale.seconds / 5), "--secs", str(self.scale.seconds))
        command = (str(_PROGRAM), operation, "--in", mail, *self.suite.flags, *flags, *seconds)
        answer = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return float(answer["n"] / answer["cpu"])


def tables(groups: dict[str, Group], mail: Path, scale: Scale) -> Iterator[Table]:
    """Yield the tables for every kind of key and suite."""
    for kind, group in groups.items():
        for suite in SUITES[kind]:
            if group.fits(suite.profile):
                case = _Case(group, suite, mail, scale)
                yield _encryption(case)
                yield _decryption(case)
    yield _recipients(groups, mail, scale)


def _encryption(case: _Case) -> Table:
    points = [
        Point(peer, partial(_in_column, _recipient_count(count), measure))
        for count in case.scale.counts
        for peer, measure in case.encryptors(count)
    ]
    return Table("encrypt", f"Encrypt 10 KB: {case.title}", "messages/s of a core", points, REFERENCES)


def _decryption(case: _Case) -> Table:
    last = case.scale.counts[-1]
    points = [
        Point(peer, partial(_in_column, column, measure))
        for column, count, which in (("the only recipient", 1, "first"), (f"the last of {last:,}", last, "last"))
        for peer, measure in case.decryptors(count, which)
    ]
    return Table("decrypt", f"Decrypt 10 KB: {case.title}", "messages/s of a core", points, REFERENCES)


def _recipients(groups: dict[str, Group], mail: Path, scale: Scale) -> Table:
    """Show how many recipients a core serves where there are many, so that the mail itself counts for little."""
    count = scale.counts[-1]
    points = []
    for kind, group in groups.items():
        if group.fits(MODERN):
            case = _Case(group, SUITES[kind][0], mail, scale)
            for peer, measure in case.encryptors(count):
                points.append(Point(peer, partial(_in_column, KINDS[kind], measure, times=count)))
    title = f"Encrypt 10 KB for {count:,} recipients, AES-256-GCM (RSA: RSAES-OAEP)"
    return Table("recipients", title, "recipients/s of a core", points, REFERENCES)


def _in_column(column: str, measure: Callable[[], float], *, times: float = 1) -> dict[str, float]:
    return {column: measure() * times}


def _recipient_count(count: int) -> str:
    return f"{count:,} recipient{'s' * (count > 1)}"
