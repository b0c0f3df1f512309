"""The signed examples of RFC 4134, which are made with RSA-1024 or DSA, and with SHA-1: what is said of them."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

from smime_session import CredentialError, NotSignedError, Policy, load_certificates, verify
from tests.conftest import CORPUS_FOLDER

if TYPE_CHECKING:
    from cryptography import x509

OLD = Policy(insecure_legacy=True)
DSA = "cannot be checked: the signature algorithm (1.2.840.10040.4.3) is not supported"
RSA = (
    "no root was given that could vouch for its signer, and the certificate has an RSA key of 1024 bits, less than 2048"
)
EXPECTED = {
    "4.1.bin": [("broken", DSA)],
    "4.2.bin": [("untrusted", RSA)],
    "4.3.bin": [("broken", "stands alone: what it is one of is elsewhere")],
    "4.4.bin": [("broken", DSA)],
    "4.5.bin": [("untrusted", RSA)],
    "4.6.bin": [("broken", DSA), ("broken", DSA)],
    "4.7.bin": [("broken", DSA)],
    "4.8.eml": [("broken", DSA)],
    "4.9.eml": [("broken", DSA)],
    "4.10.bin": [("broken", DSA)],
}


@pytest.fixture(scope="module")
def examples() -> dict[str, bytes]:
    """The files in the RFC, by name; its text is looked for beside the corpus."""
    path = CORPUS_FOLDER.parent / "rfc" / "rfc4134.txt"
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"no {path}")
        pytest.skip(f"no {path}")
    found: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in path.read_text().splitlines():
        if line.startswith("|>"):
            lines = found.setdefault(line[2:].strip(), [])
        elif line.startswith("|<"):
            lines = None
        elif lines is not None and line.startswith("|"):
            lines.append(line[1:])
    return {name: base64.b64decode("".join(each)) for name, each in found.items()}


def _certificates(examples: dict[str, bytes]) -> list[x509.Certificate]:
    found: list[x509.Certificate] = []
    for name, octets in examples.items():
        if name.endswith(".cer"):
            try:
                found += load_certificates(octets)
            except CredentialError:  # one inherits its parameters, as no certificate may any more
                assert name == "DianeDSSSignByCarlInherit.cer"
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_signed_examples(examples: dict[str, bytes], name: str) -> None:
    """RSA's hold, apart from what is too weak in them today; those of DSA are named."""
    found = verify(examples[name], certificates=_certificates(examples), policy=OLD)
    assert [(each.verdict, each.reason) for each in found.signatures] == EXPECTED[name]
    assert not found.accepted
    assert all(each.verdict == "broken" for each in verify(examples[name]).signatures)


@pytest.mark.parametrize("name", ["3.1.bin", "4.11.bin", "5.1.bin", "6.0.bin", "7.1.bin"])
def test_others_are_not_signed(examples: dict[str, bytes], name: str) -> None:
    """Plain data, certificates alone, encrypted and digested data have no signature."""
    with pytest.raises(NotSignedError):
        verify(examples[name], policy=OLD)
