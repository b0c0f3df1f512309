"""The list of ``--recipients``: for each message the addresses that it is for, checked before the first one is made."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Final

from smime_session import RecipientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .works import ByAddress

_MOST_NAMED: Final = 20
_TITLE: Final = "file"


def read_list(path: str, names: Iterable[str], by_address: ByAddress) -> Mapping[str, tuple[str, ...]]:
    """Read a CSV file of rows ``file,address,address,…``; a first row that begins with ``file`` is a title.

    Args:
        path: the file, in UTF-8.
        names: the names of all messages.
        by_address: finds certificates.

    Returns:
        The addresses of each message.

    Raises:
        RecipientError: a row names no message, or one that another row names, or no address, or one that has no
            certificate; or a message is in no row. All are named, with their lines.
        OSError: it cannot be read.
    """
    found: dict[str, tuple[str, ...]] = {}
    refused: list[str] = []
    known = set(names)
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            for row in reader:
                cells = [cell.strip() for cell in row]
                if not any(cells) or (not found and not refused and cells[0].lower() == _TITLE):
                    continue
                name, addresses = cells[0], tuple(filter(None, cells[1:]))
                against = _against(name, addresses, known, found, by_address)
                refused += [f"{path}, line {reader.line_num}: {each}" for each in against]
                found.setdefault(name, addresses)
        except (csv.Error, UnicodeDecodeError) as error:
            raise RecipientError([f"{path}, line {reader.line_num + 1}: {error}"]) from None
    refused += [f"{path}: no row is about {name}" for name in sorted(known - found.keys())]
    if refused:
        more = len(refused) - _MOST_NAMED
        raise RecipientError([*refused[:_MOST_NAMED], *([f"and {more:,} more"] if more > 0 else [])])
    return found


def _against(
    name: str, addresses: tuple[str, ...], known: set[str], found: Mapping[str, object], by_address: ByAddress
) -> list[str]:
    if name not in known:
        return [f"there is no message {name}"]
    if name in found:
        return [f"{name} is in an earlier row too"]
    if not addresses:
        return [f"{name} has no address"]
    try:
        by_address.find(addresses)
    except RecipientError as error:
        return list(error.refused)
    return []
