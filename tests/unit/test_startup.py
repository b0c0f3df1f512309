"""Starting up: a process that encrypts one mail loads nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Person

UNNEEDED: Final = frozenset(
    {
        *("asn1crypto", "click", "tempfile", "email.message", "email.parser", "email.policy"),
        *(
            "smime_session.inspection.clients",
            "smime_session.operations.rewrap",
            "smime_session.operations.new_identity",
        ),
        *("smime_session.recipients.ecdh", "smime_session.recipients.kem"),
        *("smime_session.recipients.password", "smime_session.inspection.listing"),
        *("smime_session.streams.threads", "smime_session.streams.strided"),
    }
)
# Certificates come from cryptography.x509, which loads email.utils itself; importing the package does without.
UNNEEDED_TO_IMPORT: Final = UNNEEDED | {"email", "cryptography.x509"}

_IMPORT: Final = """
import sys
import smime_session
"""
_ENCRYPT_AND_DECRYPT: Final = """
import sys
from smime_session import decrypt, encrypt, load_certificates, load_identities

with open(sys.argv[1], "rb") as file:
    credentials = file.read()
mail = b"From: a@example.org\\r\\nTo: b@example.org\\r\\nSubject: hello\\r\\n\\r\\ntext\\r\\n"
sent = encrypt(mail, load_certificates(credentials))
opened = decrypt(sent, load_identities(credentials))
assert opened.message.endswith(b"\\r\\n\\r\\ntext\\r\\n"), opened
"""
_REPORT: Final = "\nprint(*sorted(sys.modules))\n"


@pytest.mark.parametrize(
    ("program", "unneeded"),
    [(_IMPORT, UNNEEDED_TO_IMPORT), (_ENCRYPT_AND_DECRYPT, UNNEEDED)],
    ids=["import", "encrypt and decrypt"],
)
def test_what_is_not_needed_is_not_loaded(
    alice: Person, tmp_path: Path, program: str, unneeded: frozenset[str]
) -> None:
    """Neither importing the package nor one mail there and back loads a slow module that only others need."""
    pem = tmp_path / "alice.pem"
    private_key = alice.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(alice.certificate.public_bytes(Encoding.PEM) + private_key)
    command = [sys.executable, "-W", "error", "-c", program + _REPORT, str(pem)]
    loaded = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True).stdout.split()
    assert "smime_session" in loaded
    assert unneeded.intersection(loaded) == set()
