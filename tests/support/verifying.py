"""Signers whose certificates a root has issued, and what verifying says of their mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smime_session import Policy, TrustAnchors, verify
from tests.support.signing import issued, signer, signing_key

if TYPE_CHECKING:
    from cryptography import x509

    from smime_session import Signer

ROOT = issued(signing_key("P-256", "root"), "Root", authority=True)


def issued_signer(kind: str = "P-256", owner: str = "alice", **choices: object) -> Signer:
    """Return who signs with a certificate of the root's."""
    key = signing_key(kind, owner)
    choices.setdefault("addresses", [f"{owner}@example.org"])
    own = issued(key, owner.title(), issuer=("Root", signing_key("P-256", "root")), **choices)  # type: ignore[arg-type]
    return signer(
        kind,
        owner,
        certificate=own,
        insecure_expired=True,
        insecure_key_usage=True,
        insecure_extended_key_usage=True,
        insecure_address=True,
    )


def trusting(*roots: x509.Certificate) -> TrustAnchors:
    """Return what trusts these roots, or else the root."""
    return TrustAnchors(roots or [ROOT])


def verdicts(mail: bytes, trust: TrustAnchors | None = None, *, policy: Policy | None = None) -> list[str]:
    """Return the verdicts, of which each must agree with what is accepted and released."""
    found = verify(mail, trust=trust or trusting(), policy=policy or Policy())
    assert found.accepted is (all(each.verdict == "trusted" for each in found.signatures) and not found.unsigned_parts)
    assert (found.content is not None) is found.released
    return [each.verdict for each in found.signatures]
