"""The sample people of RFC 9216: their certificates have a chain, and their keys sign, verify and read."""

from __future__ import annotations

import base64
import os
import re

import pytest

from smime_session import (
    DecryptionError,
    TrustAnchors,
    decrypt,
    encrypt,
    load_certificates,
    load_identities,
    load_signer,
    sign,
    verify,
)
from tests.conftest import CORPUS_FOLDER

PEOPLE = {"alice": 4, "bob": 5, "carlos": 7, "dana": 8}
"""The section that each has in the RFC; the first two are of the CA with RSA, the others of that with Ed25519."""
PKCS12 = {"alice": "4.5", "bob": "5.5", "carlos": "7.5", "dana": "8.5"}


@pytest.fixture(scope="module")
def samples() -> dict[str, bytes]:
    """What is printed in each section of the RFC, as PEM; its text is looked for beside the corpus."""
    path = CORPUS_FOLDER.parent / "rfc" / "rfc9216.txt"
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"no {path}")
        pytest.skip(f"no {path}")
    found: dict[str, bytes] = {}
    section = ""
    pattern = r"(?m)^(\d+\.\d+)\.  |^   (-----BEGIN [\s\S]*?-----END [^\n]*)"
    for title, block in re.findall(pattern, path.read_text()):
        section = title or section
        if block:
            found[section] = re.sub(r"(?m)^ +", "", block).encode() + b"\n"
    return found


def _mail(name: str) -> bytes:
    return f"From: {name}@smime.example\r\nTo: {name}@smime.example\r\nSubject: Friday\r\n\r\nAt eight?\r\n".encode()


@pytest.mark.parametrize("name", PEOPLE)
def test_each_signs_and_is_verified(samples: dict[str, bytes], name: str) -> None:
    """Under the root with RSA the signer is trusted; without a root, or with the other one, nobody vouches."""
    section = PEOPLE[name]
    signer = load_signer(samples[f"{section}.2"] + samples[f"{section}.1"])
    signed = sign(_mail(name), signer)
    rsa, ed25519 = load_certificates(samples["3.1"]), load_certificates(samples["6.1"])
    own, other = (rsa, ed25519) if section < 6 else (ed25519, rsa)
    assert [each.verdict for each in verify(signed, trust=TrustAnchors(other)).signatures] == ["untrusted"]
    (found,) = verify(signed, trust=TrustAnchors(own)).signatures
    assert (found.verdict, found.from_matches) == (("trusted", True) if own is rsa else ("untrusted", True))
    broken = verify(signed.replace(b"At eight?", b"At seven?"), trust=TrustAnchors(own)).signatures
    assert [each.verdict for each in broken] == ["broken"]


@pytest.mark.parametrize("name", PEOPLE)
def test_each_reads_what_is_encrypted_for_them(samples: dict[str, bytes], name: str) -> None:
    """With RSA and with X25519, by the key alone and out of the PKCS#12 object with its simple password."""
    section = PEOPLE[name]
    encrypted = encrypt(_mail(name), load_certificates(samples[f"{section}.3"]))
    identities = load_identities(samples[f"{section}.4"] + samples[f"{section}.3"])
    assert decrypt(encrypted, identities).message.endswith(b"At eight?\r\n")
    pkcs12 = base64.b64decode(b"".join(samples[PKCS12[name]].splitlines()[1:-1]))
    unlocked = load_identities(pkcs12, passphrase=name.encode())
    assert decrypt(encrypted, unlocked).message.endswith(b"At eight?\r\n")
    other = {4: 5, 5: 4, 7: 8, 8: 7}[section]  # who has a key of the same kind
    with pytest.raises(DecryptionError):
        decrypt(encrypted, load_identities(samples[f"{other}.4"]))
