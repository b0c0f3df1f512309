"""The list of ``--recipients``: for each message the addresses that it is for, checked before the first one is made."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Final

from smime_session import RecipientError
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TextIO

    from .works import ByAddress

_MOST_NAMED: Final = 20
_MOST_REFUSED: Final = 10_000  # after which nothing more is read
_TITLE: Final = "file"
_MAX_LINE: Final = 4 << 20  # characters: 100,000 addresses
_MAX_SIZE: Final = 1 << 28  # characters: a million messages, with several addresses each


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
    refusals = 0
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_lines(file), strict=True)
        try:
            for row in reader:
                cells = [cell.strip() for cell in row]
                if not any(cells) or (not found and not refusals and cells[0].lower() == _TITLE):
                    continue
                name, addresses = cells[0], tuple(filter(None, cells[1:]))
                against = _against(name, addresses, known, found, by_address)
                if against:
                    refusals += len(against)
                    refused += [f"{path}, line {reader.line_num}: {each}" for each in against][:_MOST_NAMED]
                    del refused[_MOST_NAMED:]
                    if refusals > _MOST_REFUSED:  # it is another file altogether
                        break
                if name in known:
                    found.setdefault(name, addresses)
        except (csv.Error, UnicodeDecodeError) as error:
            raise RecipientError([f"{path}, line {reader.line_num + 1}: {error}"]) from None
    missing = sorted(known - found.keys())
    refused += [f"{path}: no row is about {name}" for name in missing[:_MOST_NAMED]]
    if refused:
        more = refusals + len(missing) - _MOST_NAMED
        raise RecipientError([*refused[:_MOST_NAMED], *([f"and {more:,} more"] if more > 0 else [])])
    return found


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of a list.

    Raises:
        csv.Error: one is too long, or there are too many.
    """
    left = _MAX_SIZE
    while line := file.readline(_MAX_LINE):
        left -= len(line)
        if len(line) == _MAX_LINE or left < 0:
            limit = _MAX_SIZE if left < 0 else _MAX_LINE
            raise csv.Error(f"it is too long: more than {limit:,} characters are no {'list' if left < 0 else 'row'}")
        yield line


def _against(
    name: str, addresses: tuple[str, ...], known: set[str], found: Mapping[str, object], by_address: ByAddress
) -> list[str]:
    if name not in known:
        return [f"there is no message {excerpt(name)}"]
    if name in found:
        return [f"{name} is in an earlier row too"]
    if not addresses:
        return [f"{name} has no address"]
    try:
        by_address.find(addresses)
    except RecipientError as error:
        return list(error.refused)
    return []
