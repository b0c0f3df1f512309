"""Archives that are written: what is in them, that a run goes on with them, and that they are right when large."""

from __future__ import annotations

import base64
import io
import os
import random
import stat
import sys
import tarfile
import zipfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest

from smime_session import BatchError
from smime_session.batch import (
    ARCHIVE_FORMS,
    ArchiveTarget,
    FolderSource,
    Item,
    Journal,
    TarSource,
    ZipSource,
    journal_beside,
)
from smime_session.batch.items import Data
from smime_session.batch.packing import _Zip
from smime_session.batch.storing import Task
from tests.support.batching import carried, contents, written

if TYPE_CHECKING:
    from pathlib import Path

    from smime_session.batch import ArchiveForm

MAILS: Final = {
    **{f"{number:03}.eml": b"letter %d\r\n" % number * 20 for number in range(100)},
    "more/empty.eml": b"",
    f"more/{'long' * 40}.eml": b"x" * 512,
    "more/\N{LATIN SMALL LETTER U WITH DIAERESIS}ber.eml": b"\xff\0\r\n",
}


def _source(path: Path) -> TarSource | ZipSource:
    return ZipSource(str(path)) if path.name.endswith(".zip") else TarSource(str(path))


@pytest.mark.parametrize("form", ARCHIVE_FORMS)
def test_an_archive_has_every_message_in_its_order(tmp_path: Path, form: ArchiveForm) -> None:
    """What is read from it is what was written, name by name, with dates, readable by its owner alone if so asked."""
    source = FolderSource(str(written(tmp_path / "in", MAILS)))
    path = tmp_path / f"out.{form}"
    assert carried(source, ArchiveTarget(str(path), form, 0o600)).done == len(MAILS)
    assert list(contents(_source(path)).items()) == list(contents(source).items())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if form == "zip":
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            assert {each.external_attr >> 16 for each in archive.infolist()} == {stat.S_IFREG | 0o600}


def test_dates_are_kept(tmp_path: Path) -> None:
    """A date goes from one archive to the next, in the steps that the format has."""
    with tarfile.open(tmp_path / "in.tar", "w") as archive:
        entry = tarfile.TarInfo("a.eml")
        entry.mtime = 1_000_000_001
        archive.addfile(entry)
    carried(TarSource(str(tmp_path / "in.tar")), ArchiveTarget(str(tmp_path / "out.tar.gz"), "tar.gz"))
    assert [each.modified for each in TarSource(str(tmp_path / "out.tar.gz")).items()] == [1_000_000_001]
    carried(TarSource(str(tmp_path / "in.tar")), ArchiveTarget(str(tmp_path / "out.zip"), "zip"))
    assert [each.modified for each in ZipSource(str(tmp_path / "out.zip")).items()] == [1_000_000_000]


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.zst"])
def test_what_has_repetitions_and_what_has_none(tmp_path: Path, form: ArchiveForm) -> None:
    """Text becomes a fraction; base64 of what is random becomes three quarters, as its characters have six bits."""
    random_lines = base64.encodebytes(random.Random(1).randbytes(200_000))  # noqa: S311  # what is in a mail
    sizes = []
    for name, data in (("text", b"the same line, time and again\n" * 9000), ("random", random_lines)):
        folder = written(tmp_path / name, {"a.eml": data})
        carried(FolderSource(str(folder)), ArchiveTarget(str(tmp_path / f"{name}.{form}"), form))
        sizes.append((tmp_path / f"{name}.{form}").stat().st_size / len(data))
    assert sizes[0] < 0.02
    assert 0.74 < sizes[1] < 0.78


@pytest.mark.parametrize("form", ARCHIVE_FORMS)
def test_what_failed_comes_later(tmp_path: Path, form: ArchiveForm) -> None:
    """Half of a message is not in the archive; when it is tried again, the archive goes on where it ended."""
    folder = written(tmp_path / "in", {**MAILS, "050.eml": b"broken message, and more of it"})
    path = tmp_path / f"out.{form}"
    target = ArchiveTarget(str(path), form, 0o600)
    assert carried(FolderSource(str(folder)), target).failed == 1
    assert "050.eml" not in contents(_source(path))
    (folder / "050.eml").write_bytes(b"mended")
    assert carried(FolderSource(str(folder)), target, retry_failed=True).done == 1
    found = contents(_source(path))
    assert found == {**MAILS, "050.eml": b"mended"}
    assert list(found)[-1] == "050.eml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("form", ARCHIVE_FORMS)
@pytest.mark.parametrize("complete", [False, True], ids=["growing", "with its end"])
def test_what_the_journal_does_not_know_of_is_cut_off(tmp_path: Path, form: ArchiveForm, *, complete: bool) -> None:
    """A run that was killed while it wrote, the end of the archive too, is gone on with from the last commit."""
    folder = written(tmp_path / "in", {**MAILS, "050.eml": b"broken"})
    path = tmp_path / f"out.{form}"
    carried(FolderSource(str(folder)), ArchiveTarget(str(path), form))
    data = path.read_bytes()
    if not complete:
        with Journal(journal_beside(path)) as journal:
            data = data[: int(journal.fact("size without the end"))]
    growing = journal_beside(path) / "growing"
    path.rename(growing)
    growing.write_bytes(data + b"half of a message")
    (folder / "050.eml").write_bytes(b"mended")
    carried(FolderSource(str(folder)), ArchiveTarget(str(path), form), retry_failed=True)
    assert contents(_source(path)) == {**MAILS, "050.eml": b"mended"}
    assert not growing.exists()


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_a_copy_that_was_cut_short_is_made_again(tmp_path: Path, form: ArchiveForm) -> None:
    """To go on with a complete archive it is copied; it stays as it is until the copy is complete."""
    folder = written(tmp_path / "in", {**MAILS, "050.eml": b"broken"})
    path = tmp_path / f"out.{form}"
    carried(FolderSource(str(folder)), ArchiveTarget(str(path), form))
    (journal_beside(path) / "part-of-before").write_bytes(path.read_bytes()[:100])
    (folder / "050.eml").write_bytes(b"mended")
    carried(FolderSource(str(folder)), ArchiveTarget(str(path), form), retry_failed=True)
    assert contents(_source(path)) == {**MAILS, "050.eml": b"mended"}


def test_a_file_of_another_is_not_replaced(tmp_path: Path) -> None:
    """Neither one that is there before, nor one that is made meanwhile; when it is away, the archive appears."""
    folder = written(tmp_path / "in", MAILS)
    path = tmp_path / "out.zip"
    path.write_text("mine")
    with pytest.raises(BatchError, match="exists already, and no run on it is known"):
        carried(FolderSource(str(folder)), ArchiveTarget(str(path), "zip"))
    path.unlink()

    def work(item: Item, source: io.BufferedIOBase, target: io.BufferedIOBase) -> None:
        path.write_text("mine")
        target.write(source.read())
        del item

    with pytest.raises(BatchError, match="was made by another meanwhile"):
        carried(FolderSource(str(folder)), ArchiveTarget(str(path), "zip"), work)  # type: ignore[arg-type]
    assert path.read_text() == "mine"
    path.unlink()
    assert carried(FolderSource(str(folder)), ArchiveTarget(str(path), "zip")).done == 0
    assert contents(ZipSource(str(path))) == MAILS


def test_an_archive_that_was_altered_is_not_gone_on_with(tmp_path: Path) -> None:
    """What the journal calls done must be there."""
    folder = written(tmp_path / "in", MAILS)
    path = tmp_path / "out.tar"
    carried(FolderSource(str(folder)), ArchiveTarget(str(path), "tar"))
    os.truncate(path, 1000)
    with pytest.raises(BatchError, match="is not as the run left it"):
        carried(FolderSource(str(folder)), ArchiveTarget(str(path), "tar"))


def _zipped(growing: io.BufferedRandom, names: list[str]) -> None:
    form = _Zip(0o644)
    for number, name in enumerate(names):
        frame = form.frame(growing, Task(number, Item(name, name, Data(b""), 1e9)))
        frame.start()
        frame.write(b"a mail")
        frame.finish()
    form.end(growing)


def test_more_entries_than_a_plain_zip_can_have(tmp_path: Path) -> None:
    """From 65,535 on, the end of a zip is that of Zip64."""
    names = [str(number) for number in range(65_535)]
    with (tmp_path / "large.zip").open("w+b") as growing:
        _zipped(growing, names)
    with zipfile.ZipFile(tmp_path / "large.zip") as archive:
        assert archive.namelist() == names
        assert archive.read(names[-1]) == b"a mail"
    assert b"PK\6\6" in (tmp_path / "large.zip").read_bytes()


def test_a_zip_beyond_4_gib(tmp_path: Path) -> None:
    """An entry of that size, and one that begins there, are told of in Zip64's fields."""
    hole = (4 << 30) + 5
    path = tmp_path / "large.zip"
    form = _Zip(0o644)
    with path.open("w+b") as growing:
        first: Any = form.frame(growing, Task(1, Item("first", "first", Data(b""))))
        first.start()
        growing.seek(hole, io.SEEK_CUR)  # as if so much had been written
        first._size = first._compressed = hole
        first._deflate = SimpleNamespace(flush=lambda: b"")
        growing.truncate()
        first.finish()
        second = form.frame(growing, Task(2, Item("second", "second", Data(b""))))
        second.start()
        second.write(b"behind it")
        second.finish()
        form.end(growing)
    with zipfile.ZipFile(path) as archive:
        assert [each.file_size for each in archive.infolist()] == [hole, 9]
        assert archive.read("second") == b"behind it"


def test_without_the_package_zstandard_it_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither writing nor reading goes on without it."""
    (tmp_path / "in.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(BatchError, match=r"needs the package zstandard: pip install 'smime-session\[zstd\]'"):
        ArchiveTarget(str(tmp_path / "out.tar.zst"), "tar.zst")
    with pytest.raises(BatchError, match="needs the package zstandard"):
        next(TarSource(str(tmp_path / "in.tar.zst")).items())
