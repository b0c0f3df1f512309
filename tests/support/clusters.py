"""A real Dask cluster on the loopback: a scheduler and workers in processes of their own, which can be killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smime_session.batch import Cluster, Credentials
from tests.support.chains import signed
from tests.support.killing import ROOT
from tests.support.making import key_usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE = 60.0  # seconds


def credentials_in(folder: Path) -> Credentials:
    """Return the files that :func:`make_credentials` makes."""
    return Credentials(str(folder / "ca.pem"), str(folder / "node.pem"), str(folder / "node.key"))


def make_credentials(folder: Path) -> None:
    """Make an authority, and a certificate of it for TLS, as all members of a cluster have one."""
    now = datetime.now(UTC)
    span = now - timedelta(days=1), now + timedelta(days=2)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("Cluster", "Member")]
    identifiers = [x509.SubjectKeyIdentifier.from_public_key(key.public_key()) for key in keys]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifiers[0])
    extensions: list[list[tuple[x509.ExtensionType, bool]]] = [
        [(x509.BasicConstraints(ca=True, path_length=0), True), (key_usage("key_cert_sign", "crl_sign"), True)],
        [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (key_usage("digital_signature"), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
            (x509.SubjectAlternativeName([x509.DNSName("localhost")]), False),
        ],
    ]
    for key, name, identifier, more, file in zip(keys, names, identifiers, extensions, ("ca", "node"), strict=True):
        added = [*more, (identifier, False), (issuer, False)]
        made = signed(names[0], name, key.public_key(), keys[0], added, *span)
        (folder / f"{file}.pem").write_bytes(made.public_bytes(Encoding.PEM))
    private = keys[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "node.key").write_bytes(private)


class Members(NamedTuple):
    """The processes of a cluster.

    Attributes:
        folder: for what they write.
        credentials: what TLS takes; None without.
        scheduler: the address.
        workers: those that run.
    """

    folder: Path
    credentials: Credentials | None
    scheduler: str
    workers: list[subprocess.Popen[bytes]]

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start one more worker, without a process that would start it anew."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        words = ["worker", self.scheduler, "--no-nanny", "--nthreads", "1", "--no-dashboard", "--death-timeout", "60"]
        process = _started(log, [*words, "--local-directory", str(self.folder)], self.credentials)
        self.workers.append(process)
        return process

    def options(self) -> list[str]:
        """Return the options of the command that name the cluster."""
        found = ["--cluster", self.scheduler]
        for option, path in zip(
            ("--cluster-ca", "--cluster-cert", "--cluster-key"), self.credentials or (), strict=False
        ):
            found += [option, path]
        return found

    def logs(self) -> str:
        """Return all that scheduler and workers have written."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


@contextmanager
def members(folder: Path, credentials: Credentials | None, workers: int) -> Iterator[Members]:
    """Run a scheduler and workers, until the block ends."""
    folder.mkdir()
    words = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
    protocol = "tls" if credentials else "tcp"
    scheduler = _started(folder / "scheduler.log", [*words, "--protocol", protocol], credentials)
    made: list[subprocess.Popen[bytes]] = []
    try:
        found = Members(folder, credentials, _address(folder / "scheduler.log", scheduler, protocol), made)
        for _ in range(workers):
            found.start_worker()
        with Cluster(found.scheduler, credentials, patience=_PATIENCE) as cluster:
            end = time.monotonic() + _PATIENCE
            while cluster.threads < workers and time.monotonic() < end:
                time.sleep(0.1)
        yield found
    finally:
        for process in (*made, scheduler):
            process.kill()
            process.wait()


def _started(log: Path, words: list[str], credentials: Credentials | None) -> subprocess.Popen[bytes]:
    if credentials:
        files = zip(("ca-file", "cert", "key"), credentials, strict=True)
        words = [*words, *(word for name, path in files for word in (f"--tls-{name}", path))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *words],
            stdout=file,
            stderr=file,
            cwd=log.parent,
            env=environment,
        )


def _address(log: Path, process: subprocess.Popen[bytes], protocol: str) -> str:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(rf"{protocol}://127\.0\.0\.1:\d+", log.read_text()):
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"the scheduler did not start:\n{log.read_text()}")
