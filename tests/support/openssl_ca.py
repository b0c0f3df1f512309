"""Authorities and users whose certificates ``openssl ca`` writes, with all that it can put into one."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509

if TYPE_CHECKING:
    from pathlib import Path

DAY: Final = timedelta(days=1)
CA: Final = "basicConstraints=critical,CA:TRUE"
CERTIFIER: Final = (CA, "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash")
USER: Final = ("basicConstraints=critical,CA:FALSE", "subjectAltName=email:alice@example.org")

_CONFIGURATION: Final = """
[ca]
default_ca = office
[office]
new_certs_dir = .
database = index.txt
policy = any
unique_subject = no
rand_serial = yes
default_md = sha256
email_in_dn = yes
default_crl_days = 5
[any]
commonName = optional
emailAddress = optional
"""


@dataclass(frozen=True, slots=True)
class Party:
    """Who has a key and a certificate.

    Attributes:
        certificate_file: the certificate as PEM.
        key_file: the private key as PEM.
    """

    certificate_file: Path
    key_file: Path

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate."""
        return x509.load_pem_x509_certificate(self.certificate_file.read_bytes())


class Office:
    """A folder in which ``openssl ca`` works.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0
        (folder / "ca.conf").write_text(_CONFIGURATION)
        (folder / "index.txt").touch()

    def key(self, algorithm: str = "EC", *options: str) -> Path:
        """Make a private key; without options, one on P-256."""
        path = self._new("key")
        if algorithm == "EC" and not options:
            options = ("ec_paramgen_curve:P-256",)
        settings = [part for option in options for part in ("-pkeyopt", option)]
        self.openssl("genpkey", "-quiet", "-algorithm", algorithm, *settings, "-out", path)
        return path

    def issue(  # what a certificate says
        self,
        name: str = "Alice",
        issuer: Party | None = None,
        extensions: tuple[str, ...] = USER,
        *,
        key: Path | None = None,
        subject: str | None = None,
        digest: str = "sha256",
        options: tuple[str, ...] = (),
        days: tuple[int, int] = (-30, 30),
    ) -> Party:
        """Issue a certificate; without an issuer, it is its own.

        Args:
            name: the common name.
            issuer: who signs.
            extensions: lines of OpenSSL's configuration.
            key: the private key; a new one if not given.
            subject: another subject, as OpenSSL's command takes it.
            digest: that is signed.
            options: how the signature is made, as OpenSSL names it.
            days: first and last day of its validity, counted from now.
        """
        key = key or self.key()
        request, certificate, additions = self._new("csr"), self._new("pem"), self._new("ext")
        additions.write_text("\n".join(extensions) + "\n")
        self.openssl("req", "-new", "-key", key, "-subj", subject or f"/CN={name}", "-out", request)
        start, end = (f"{datetime.now(UTC) + each * DAY:%Y%m%d%H%M%SZ}" for each in days)
        signer: list[str | Path] = ["-selfsign", "-keyfile", key]
        if issuer:
            signer = ["-cert", issuer.certificate_file, "-keyfile", issuer.key_file]
        md = [] if digest == "null" else ["-md", digest]
        md += [part for option in options for part in ("-sigopt", option)]
        self.openssl(
            *("ca", "-batch", "-notext", "-config", "ca.conf", "-in", request, "-out", certificate),
            *(*signer, "-startdate", start, "-enddate", end, "-extfile", additions, *md),
        )
        return Party(certificate, key)

    def root(self, name: str = "Root", extensions: tuple[str, ...] = CERTIFIER, *, key: Path | None = None) -> Party:
        """Make a root."""
        return self.issue(name, None, extensions, key=key)

    def verifies(self, user: Party, others: tuple[Party, ...], roots: tuple[Party, ...], *options: str) -> bool:
        """Tell whether OpenSSL itself builds a chain for mail."""
        files = [f"{name}.pem" for name in ("others", "roots")]
        for file, parties in zip(files, (others, roots), strict=True):
            (self.folder / file).write_bytes(b"".join(each.certificate_file.read_bytes() for each in parties))
        untrusted = ["-untrusted", files[0]] if others else []
        command = ["verify", "-purpose", "smimesign", "-CAfile", files[1], "-no-CApath", *untrusted, *options]
        done = self._run(*command, user.certificate_file)
        return done.returncode == 0

    def openssl(self, *arguments: str | Path) -> bytes:
        """Run OpenSSL in the folder and return its standard output."""
        done = self._run(*arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def _run(self, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, check=False, timeout=60)

    def _new(self, ending: str) -> Path:
        self._count += 1
        return self.folder / f"{self._count}.{ending}"
