"""The list of ``batch --recipients``: which rows it may have, and that all that is wrong with it is told at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from cli.listed import read_list
from smime_session import RecipientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cli.works import ByAddress

NAMES = ("a.eml", "b, c.eml", "d/e.eml")


class _Certificates:
    """Has a certificate for each address of example.org."""

    def find(self, addresses: Iterable[str]) -> list[Any]:
        if refused := [each for each in addresses if not each.endswith("@example.org")]:
            raise RecipientError([f"{each}: there is no certificate for it" for each in refused])
        return []


def _read(path: Path, data: bytes | str, names: Iterable[str] = NAMES) -> Mapping[str, tuple[str, ...]]:
    path = path / "list.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_list(str(path), names, cast("ByAddress", _Certificates()))


def _refused(path: Path, data: bytes | str, names: Iterable[str] = NAMES) -> list[str]:
    with pytest.raises(RecipientError) as caught:
        _read(path, data, names)
    return [each.replace(f"{path}/", "") for each in caught.value.refused]


ROWS = 'a.eml,x@example.org\n"b, c.eml", y@example.org ,x@example.org,\nd/e.eml,"z@example.org"\n'


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        f"\ufeff{ROWS}",
        f"file,address\n{ROWS}",
        f"\nFile,Address,More\n,,\n{ROWS}\n",
        ROWS.replace("\n", "\r\n"),
        ROWS.rstrip("\n"),
    ],
    ids=["plain", "with a byte order mark", "with a title", "with empty rows", "with CRLF", "without a last end"],
)
def test_rows_in_every_spelling(tmp_path: Path, data: str) -> None:
    """Names may be quoted, cells have spaces around them, a first row be a title."""
    assert _read(tmp_path, data) == {
        "a.eml": ("x@example.org",),
        "b, c.eml": ("y@example.org", "x@example.org"),
        "d/e.eml": ("z@example.org",),
    }


def test_all_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    """A row of each kind of mistake; the line is that in the file, after cells that go over several."""
    data = 'a.eml,x@example.com\n"unknown\nfile",y@example.org\na.eml,x@example.org\n"b, c.eml",\nfile,title\n'
    assert _refused(tmp_path, data) == [
        "list.csv, line 1: x@example.com: there is no certificate for it",
        "list.csv, line 3: there is no message unknown\\nfile",
        "list.csv, line 4: a.eml is in an earlier row too",
        "list.csv, line 5: b, c.eml has no address",
        "list.csv, line 6: there is no message file",
        "list.csv: no row is about d/e.eml",
    ]


def test_a_long_list_of_mistakes_ends(tmp_path: Path) -> None:
    """Twenty are named, the others are counted."""
    refused = _refused(tmp_path, "".join(f"{number},x@example.org\n" for number in range(1000)), [])
    assert len(refused) == 21
    assert refused[-1] == "and 980 more"


def test_what_is_no_list(tmp_path: Path) -> None:
    """A file that is not UTF-8, and one with a cell without end, are told with the line."""
    assert _refused(tmp_path, b"a.eml,x@example.org\n\xff\xfe,y\n")[0].startswith("list.csv, line ")
    (told,) = _refused(tmp_path, 'a.eml,"' + "x" * 200_000 + '"\n')
    assert told.startswith("list.csv, line ")
    assert "field larger than field limit" in told


def test_an_empty_list(tmp_path: Path) -> None:
    """No message is encrypted without a word on whom it is for."""
    assert _refused(tmp_path, "", ["a.eml"]) == ["list.csv: no row is about a.eml"]
