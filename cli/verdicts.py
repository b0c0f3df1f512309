"""What is said of signatures: as data, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session import Signature


def described(signatures: Sequence[Signature]) -> list[dict[str, object]]:
    """Return what is known of signatures, as ``--json`` prints it."""
    return [
        {
            "verdict": each.verdict,
            "reason": each.reason,
            "signer": each.signer,
            "addresses": list(each.addresses),
            "from_matches": each.from_matches,
            "sender_matches": each.sender_matches,
            "algorithm": each.algorithm,
            "signing_time": f"{each.signing_time:%Y-%m-%d %H:%M:%S} UTC" if each.signing_time else None,
            "opaque": each.opaque,
            "part": each.part,
        }
        for each in signatures
    ]
