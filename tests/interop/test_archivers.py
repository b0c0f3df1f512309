"""Archives that other programs open, and that they made: GNU tar, bsdtar, zip and unzip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from smime_session.batch import ARCHIVE_FORMS, ArchiveTarget, FolderSource, TarSource, ZipSource
from tests.interop.peers.base import run
from tests.interop.peers.everyone import require
from tests.support.batching import carried, contents, written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAILS: Final = {
    **{f"{number:03}.eml": b"letter %d\r\n" % number * 50 for number in range(120)},
    "more/empty.eml": b"",
    f"more/{'long' * 24}.eml": b"x" * 5000,
    "more/\N{LATIN SMALL LETTER U WITH DIAERESIS}ber.eml": b"\xff\0\r\n",
}
OPENERS: Final[dict[str, Sequence[Sequence[str]]]] = {
    "zip": (("unzip", "-q", "-d", "{folder}", "{archive}"), ("bsdtar", "-x", "-C", "{folder}", "-f", "{archive}")),
    "tar": (("tar", "-x", "-C", "{folder}", "-f", "{archive}"), ("bsdtar", "-x", "-C", "{folder}", "-f", "{archive}")),
    "tar.gz": (
        ("tar", "-x", "-z", "-C", "{folder}", "-f", "{archive}"),
        ("bsdtar", "-x", "-C", "{folder}", "-f", "{archive}"),
    ),
    "tar.zst": (
        ("tar", "-x", "--zstd", "-C", "{folder}", "-f", "{archive}"),
        ("bsdtar", "-x", "-C", "{folder}", "-f", "{archive}"),
    ),
}
MAKERS: Final[Sequence[tuple[str, Sequence[str]]]] = (
    ("zip", ("zip", "-q", "-r", "{archive}", ".")),
    ("zip", ("bsdtar", "-c", "--format=zip", "-f", "{archive}", ".")),
    ("tar", ("tar", "-c", "--format=gnu", "-f", "{archive}", ".")),
    ("tar", ("tar", "-c", "--format=posix", "-f", "{archive}", ".")),
    ("tar", ("tar", "-c", "--format=ustar", "-f", "{archive}", ".")),
    ("tar", ("bsdtar", "-c", "-f", "{archive}", ".")),
    ("tar.gz", ("tar", "-c", "-z", "-f", "{archive}", ".")),
    ("tar.bz2", ("bsdtar", "-c", "-j", "-f", "{archive}", ".")),
    ("tar.xz", ("bsdtar", "-c", "-J", "-f", "{archive}", ".")),
    ("tar.zst", ("tar", "-c", "--zstd", "-f", "{archive}", ".")),
    ("tar.zst", ("bsdtar", "-c", "--zstd", "-f", "{archive}", ".")),
)


def _filled(command: Sequence[str], **places: Path) -> list[str]:
    return [each.format(**places) for each in command]


@pytest.mark.parametrize(
    ("form", "command"),
    [pytest.param(form, each, id=f"{form}-{each[0]}") for form in OPENERS for each in OPENERS[form]],
)
def test_they_open_ours(tmp_path: Path, form: str, command: Sequence[str]) -> None:
    """Every message is a file with its bytes, after a run that went on where an earlier one had ended too."""
    require(command[0], *(["zstd"] if "--zstd" in command else []))
    mails = {**MAILS, "007.eml": b"broken, at first"}
    folder = written(tmp_path / "in", mails)
    archive = tmp_path / f"ours.{form}"
    (known,) = (each for each in ARCHIVE_FORMS if each == form)
    carried(FolderSource(str(folder)), ArchiveTarget(str(archive), known))
    (folder / "007.eml").write_bytes(MAILS["007.eml"])
    carried(FolderSource(str(folder)), ArchiveTarget(str(archive), known), retry_failed=True)
    opened = tmp_path / "opened"
    opened.mkdir()
    run(_filled(command, folder=opened, archive=archive))
    assert contents(FolderSource(str(opened))) == MAILS
    assert {path.stat().st_mode & 0o777 for path in opened.rglob("*.eml")} <= {0o644, 0o600}


@pytest.mark.parametrize(
    ("form", "command"),
    [pytest.param(form, each, id=f"{form}-{each[0]}-{number}") for number, (form, each) in enumerate(MAKERS)],
)
def test_we_open_theirs(tmp_path: Path, form: str, command: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mail is read; a name that begins with ``./`` is the same without."""
    require(command[0], *(["zstd"] if "--zstd" in command else []))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")  # names in the archive are what they are in the folder
    monkeypatch.chdir(written(tmp_path / "in", {**MAILS, "notes.txt": b"no mail"}))
    archive = tmp_path / f"theirs.{form}"
    run(_filled(command, archive=archive))
    source = ZipSource(str(archive)) if form == "zip" else TarSource(str(archive))
    assert contents(source) == MAILS
