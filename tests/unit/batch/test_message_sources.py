"""Where messages come from: which of them are found, in which order, and by which names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from smime_session.batch import FolderSource, FolderTarget, Journal, PathsSource, journal_beside
from smime_session.batch.items import Refused, Section
from smime_session.errors import MessageError
from tests.support.batching import carried, contents, written

if TYPE_CHECKING:
    from pathlib import Path


def _names(source: FolderSource | PathsSource) -> list[str]:
    return [item.name for item in source.items()]


def test_a_folder_has_its_mails_by_name(tmp_path: Path) -> None:
    """Subfolders come after files; what is hidden, and what is no .eml file, is left out."""
    names = ["b.eml", "A.EML", "z/1.eml", "a/2.eml", "a/b/3.eml", ".hidden.eml", ".git/4.eml", "notes.txt", "a.eml.bak"]
    written(tmp_path, dict.fromkeys(names, b"mail"))
    (tmp_path / "folder.eml").mkdir()
    assert _names(FolderSource(str(tmp_path))) == ["A.EML", "b.eml", "a/2.eml", "a/b/3.eml", "z/1.eml"]


def test_links(tmp_path: Path) -> None:
    """A link to a file is a file; one to a folder is not followed, and one to nothing is none."""
    written(tmp_path, {"a.eml": b"mail", "sub/b.eml": b"mail"})
    (tmp_path / "link.eml").symlink_to("a.eml")
    (tmp_path / "round").symlink_to(".")
    (tmp_path / "nothing.eml").symlink_to("missing")
    os.mkfifo(tmp_path / "pipe.eml")
    assert _names(FolderSource(str(tmp_path))) == ["a.eml", "link.eml", "sub/b.eml"]


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    """A name of any bytes goes through the journal and back, and is left alone the second time."""
    folder = os.fsencode(tmp_path / "in")
    (tmp_path / "in").mkdir()
    with open(folder + b"/\xff\xfe.eml", "wb") as file:  # noqa: PTH123  # a path of bytes
        file.write(b"mail")
    target = FolderTarget(str(tmp_path / "out"))
    source = FolderSource(str(tmp_path / "in"))
    assert carried(source, target).done == 1
    assert carried(source, target).skipped == 1
    assert [os.fsencode(path.name) for path in (tmp_path / "out").iterdir()] == [b"\xff\xfe.eml"]
    with Journal(journal_beside(target.path)) as journal:
        (entry,) = journal.entries()
    assert os.fsencode(entry.place) == b"\xff\xfe.eml"


def test_paths_keep_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file comes once; one outside of the current folder keeps its whole path."""
    written(tmp_path, {"here/a.eml": b"a", "here/sub/b": b"b", "there/c.eml": b"c"})
    monkeypatch.chdir(tmp_path / "here")
    outside = str(tmp_path / "there" / "c.eml")
    source = PathsSource(("a.eml", "./a.eml", "sub/../sub/b", outside, "../there/c.eml"))
    assert contents(source) == {"a.eml": b"a", "sub/b": b"b", outside.lstrip("/"): b"c"}


def test_a_section_is_a_file_of_its_own(tmp_path: Path) -> None:
    """It is read from its start to its end and no further, and can be sought in."""
    (tmp_path / "file").write_bytes(b"0123456789")
    with Section(str(tmp_path / "file"), 3, 4).open() as stream:
        assert stream.read() == b"3456"
        assert stream.seek(1) == 1
        assert stream.read(2) == b"45"
        assert stream.seek(-1, os.SEEK_END) == 3
        assert stream.read() == b"6"
        assert stream.read() == b""


def test_a_section_that_is_not_there_any_more(tmp_path: Path) -> None:
    """A file that became shorter is told of; the rest does not pass for all."""
    (tmp_path / "file").write_bytes(b"0123456789")
    with Section(str(tmp_path / "file"), 3, 100).open() as stream, pytest.raises(MessageError, match="was cut off"):
        stream.read()


def test_what_is_refused_cannot_be_opened() -> None:
    """The reason is the error."""
    with pytest.raises(MessageError, match="it is a link"):
        Refused("it is a link").open()
