"""``-r``: what names a recipient, and which certificates of a file are passed over for better ones beside them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from .options import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smime_session import Recipient, RecipientError
    from smime_session.certificates.certificate import Certificate

SOON_DAYS: Final = 30  # before a certificate expires, in which it is named
_MOST_NAMED: Final = 3

ENDINGS: Final = (".pem", ".crt", ".cer", ".der", ".p7b", ".p7c", ".p12", ".pfx")  # of files with certificates


class Named(NamedTuple):
    """What the values of ``-r`` name.

    Attributes:
        files: files with certificates.
        addresses: mail addresses, whose certificates are looked up.
        folders: folders of certificates, to look up addresses in.
    """

    files: tuple[str, ...]
    addresses: tuple[str, ...]
    folders: tuple[str, ...]

    @classmethod
    def by(cls, values: Iterable[str]) -> Named:
        """Tell files, addresses and folders from each other."""
        found: tuple[list[str], list[str], list[str]] = ([], [], [])
        for value in values:
            found[2 if os.path.isdir(value) else 1 if is_address(value) else 0].append(value)  # noqa: PTH112  # pathlib is slow to load
        return cls(*map(tuple, found))


def is_address(value: str) -> bool:
    """Tell whether a mail address is meant, and no file."""
    return "@" in value.strip("@") and not looks_like_a_file(value) and not os.path.exists(value)  # noqa: PTH110  # the same


def looks_like_a_file(name: str) -> bool:
    """Tell whether a file is meant by this: no other name of a recipient has a slash or such an ending."""
    return not name or os.sep in name or name.lower().endswith(ENDINGS)


def refuse_lookup(addresses: Sequence[str], option: str) -> None:
    """Refuse addresses where nothing says in which certificates they are looked up.

    Raises:
        MisuseError: there are some.
    """
    if addresses:
        raise MisuseError(
            f"there is no file {addresses[0]}, and nothing to look up the address in",
            f"{option} says where its certificate is",
        )


def passed_over(certificates: Iterable[tuple[Certificate, Recipient | RecipientError]]) -> set[Certificate]:
    """Return which certificates of a file cannot be used but lie beside one that can, of the same address.

    Args:
        certificates: each with the recipient made of it or with what is against it.
    """
    usable: list[Certificate] = []
    refused: list[Certificate] = []
    for certificate, made in certificates:
        (usable if hasattr(made, "wrap") else refused).append(certificate)
    if not usable or not refused:
        return set()
    reached = frozenset().union(*(each.mailboxes for each in usable))
    return {each for each in refused if (own := each.mailboxes) and own <= reached}


def expiring(certificates: Iterable[Certificate]) -> list[str]:
    """Return a sentence about each certificate that is valid now and soon is no more; of many, some are named."""
    now = datetime.now(UTC)
    today, then = (f"{moment:%Y%m%d%H%M%S}" for moment in (now, now + timedelta(days=SOON_DAYS)))
    soon = [each for each in certificates if today <= each.facts.not_after < then]
    if not soon:
        return []
    said = [
        f"certificate of {each} expires on {each.whole.not_valid_after_utc:%Y-%m-%d}" for each in soon[:_MOST_NAMED]
    ]
    more = len(soon) - _MOST_NAMED
    return [*said, f"{more:,} more certificates expire within {SOON_DAYS} days"] if more > 0 else said
