"""Other programs accept what is signed here, clear and opaque, with every kind of key that they know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smime_session import SignatureAlgorithm, sign
from tests.interop.peers.base import Generation, PeerError, program, run
from tests.interop.peers.everyone import report_missing
from tests.support.making import pem
from tests.support.signing import KEYS, LETTER, signer

if TYPE_CHECKING:
    from pathlib import Path

    from smime_session import Signer

GENERATIONS: tuple[Generation, ...] = ("system", "unstable")
NEW = {"Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}
"""Kinds of key whose signatures in CMS OpenSSL reads since 3.2 and 3.5."""
TEXT = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nAt eight?\r\n"


def _openssl(generation: Generation) -> Path:
    """Return OpenSSL's command of a generation."""
    found = program("openssl", generation)
    if isinstance(found, str) or not found.exists():
        report_missing(f"openssl-{generation}", [str(found)])
    return found


def _verified(generation: Generation, mail: bytes, who: Signer, folder: Path) -> bytes:
    roots = folder / "roots.pem"
    roots.write_bytes(pem(who.certificate))
    return run([_openssl(generation), "cms", "-verify", "-CAfile", roots, "-purpose", "smimesign"], mail)


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("generation", "kind"),
    [(generation, kind) for generation in GENERATIONS for kind in KEYS if generation == "unstable" or kind not in NEW],
)
def test_openssl_verifies(generation: Generation, tmp_path: Path, kind: str, eol: bytes, *, opaque: bool) -> None:
    """OpenSSL accepts a signature and shows what was signed; of a changed one it does not."""
    who = signer(kind)
    mail = sign(LETTER.replace(b"\n", eol), who, opaque=opaque)
    assert _verified(generation, mail, who, tmp_path) == TEXT
    if not opaque:
        with pytest.raises(PeerError):
            _verified(generation, mail.replace(b"eight", b"seven"), who, tmp_path)


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("scheme", ["RSASSA-PKCS1-v1_5", "RSASSA-PSS"])
@pytest.mark.parametrize("digest", ["SHA-256", "SHA-384", "SHA-512"])
def test_openssl_verifies_each_way_of_rsa(generation: Generation, tmp_path: Path, scheme: str, digest: str) -> None:
    """Each padding and hash function is named as OpenSSL reads it."""
    who = signer(algorithm=SignatureAlgorithm(scheme, digest))  # type: ignore[arg-type]  # those above
    assert _verified(generation, sign(LETTER, who), who, tmp_path) == TEXT
