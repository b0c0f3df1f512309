"""What all tests share: RSA keys with their certificates, and the corpus of other programs' envelopes."""

from __future__ import annotations

import functools
import inspect
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, settings

from smime_session.keys.software import private_key
from smime_session.recipients.rsa import KeyTransportIdentity

# A machine that is busy with something else fails no test; a failing example is printed so that it can be repeated.
settings.register_profile("here", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")

if "mix_stderr" in inspect.signature(CliRunner).parameters:  # click before 8.2, which keeps both apart when asked to
    CliRunner.__init__ = functools.partialmethod(CliRunner.__init__, mix_stderr=False)  # type: ignore[method-assign, assignment]

CORPUS_FOLDER = Path(os.environ.get("SMIME_SESSION_CORPUS", Path(__file__).parents[2] / "shared" / "corpus"))
"""Where the corpus is: beside the repository, unless SMIME_SESSION_CORPUS says otherwise."""


os.environ["SMIME_SESSION_CONFIG"] = ""  # no settings of the person at this machine


class Person(NamedTuple):
    """Somebody who can read: a private key and the certificate that names its owner."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def identity(self) -> KeyTransportIdentity:
        """The identity of the key with its certificate."""
        return KeyTransportIdentity(private_key(self.key), self.certificate)

    @property
    def bare(self) -> KeyTransportIdentity:
        """The identity of the key alone."""
        return KeyTransportIdentity(private_key(self.key))


def _person(name: str) -> Person:
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Person(key, certificate)


@pytest.fixture(scope="session")
def alice() -> Person:
    """To whom the tests' messages are addressed."""
    return _person("Alice")


@pytest.fixture(scope="session")
def bob() -> Person:
    """Somebody else, with a key of the same size."""
    return _person("Bob")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of envelopes that other programs made; without it, tests skip, or fail under ``CI=true``."""
    if not (CORPUS_FOLDER / "MANIFEST.tsv").is_file():
        reason = f"no corpus in {CORPUS_FOLDER}; SMIME_SESSION_CORPUS names its folder"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return CORPUS_FOLDER
