"""Folders as targets, anew and in place: permissions, what is left, and files that change while they are read."""

from __future__ import annotations

import io
import os
import shutil
import stat
import uuid
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import pytest

from smime_session import BatchError
from smime_session.batch import (
    ARCHIVE_FORMS,
    ArchiveTarget,
    Entry,
    FolderSource,
    FolderTarget,
    Item,
    Journal,
    MaildirSource,
    MaildirTarget,
    MboxSource,
    MboxTarget,
    TarSource,
    ZipSource,
    journal_beside,
)
from smime_session.batch.storing import Measured, kept_rights, seen, staged_path
from tests.support.batching import carried, contents, copied, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from smime_session.batch import Source, Target

MAILS: Final = {f"{'more/' if number % 3 else ''}{number:03}.eml": b"letter %d\n" % number for number in range(60)}


def _marked(item: Item, source: BinaryIO, target: BinaryIO) -> None:
    """Write a mark before a message."""
    target.write(b"made of ")
    copied(item, source, target)


def test_a_folder_like_the_source(tmp_path: Path) -> None:
    """Files are in the same subfolders, with the permissions that were asked for; nothing else is left."""
    folder = written(tmp_path / "in", MAILS)
    target = FolderTarget(str(tmp_path / "deep" / "out"), permissions=0o600, suffix=".json")
    (tmp_path / "deep").mkdir()
    assert carried(FolderSource(str(folder)), target).done == len(MAILS)
    found = {path for path in (tmp_path / "deep" / "out").rglob("*") if path.is_file()}
    assert {str(path.relative_to(target.path)) for path in found} == {f"{name}.json" for name in MAILS}
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    assert sorted(path.name for path in Path(target.path).iterdir() if path.is_dir()) == ["more"]


@pytest.mark.parametrize("form", ["folder", "maildir", "mbox", *ARCHIVE_FORMS])
def test_a_message_that_is_begun_anew(tmp_path: Path, form: str) -> None:
    """What was written before is gone, in the file and in its digest; another place than the start is none."""

    def work(item: Item, source: BinaryIO, target: BinaryIO) -> None:
        target.write(b"From here: thrown away\n" * 1000)
        assert target.tell() == 23_000
        with pytest.raises(OSError, match="written from its start"):
            target.seek(5)
        target.seek(0)
        target.truncate()
        copied(item, source, target)

    folder = written(tmp_path / "in", MAILS)
    path = str(tmp_path / "out")
    if form == "folder":
        target: Target = FolderTarget(path)
    elif form in {"maildir", "mbox"}:
        target = MaildirTarget(path) if form == "maildir" else MboxTarget(path)
    else:
        (known,) = (each for each in ARCHIVE_FORMS if each == form)
        target = ArchiveTarget(path, known)
    carried(FolderSource(str(folder)), target, work)
    kinds: dict[str, Callable[[str], Source]] = {"folder": FolderSource, "maildir": MaildirSource, "mbox": MboxSource}
    source = kinds.get(form, ZipSource if form == "zip" else TarSource)(path)
    assert sorted(contents(source).values()) == sorted(MAILS.values())
    with Journal(journal_beside(path)) as journal:
        assert {entry.digest for entry in journal.entries()} == {sha256(data).digest() for data in MAILS.values()}


def test_nothing_stays_of_a_message_that_failed(tmp_path: Path) -> None:
    """Neither under its name nor under a hidden one."""
    folder = written(tmp_path / "in", {**MAILS, "bad.eml": b"broken message"})
    target = FolderTarget(str(tmp_path / "out"))
    assert carried(FolderSource(str(folder)), target).failed == 1
    assert contents(FolderSource(target.path)) == MAILS
    assert not list((tmp_path / "out").glob(".*"))


def test_in_place_permissions_stay(tmp_path: Path) -> None:
    """What takes the place of a file has its permissions."""
    folder = written(tmp_path / "in", MAILS)
    for number, name in enumerate(MAILS):
        (folder / name).chmod(0o600 if number % 2 else 0o644)
    carried(FolderSource(str(folder)), FolderTarget(str(folder), in_place=True), _marked)
    assert contents(FolderSource(str(folder))) == {name: b"made of " + data for name, data in MAILS.items()}
    for number, name in enumerate(MAILS):
        assert stat.S_IMODE((folder / name).stat().st_mode) == (0o600 if number % 2 else 0o644)


def _rewritten(path: Path) -> None:
    path.write_bytes(b"written anew meanwhile")


def _replaced(path: Path) -> None:
    (path.parent / "new").write_bytes(b"written anew meanwhile")
    (path.parent / "new").replace(path)


@pytest.mark.parametrize("change", [_rewritten, _replaced])
def test_a_file_that_changes_while_it_is_read_is_not_lost(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """In place, what another wrote meanwhile stays, is told of, and is worked on when it is tried again."""
    folder = written(tmp_path / "in", MAILS)

    def work(item: Item, source: BinaryIO, target: BinaryIO) -> None:
        _marked(item, source, target)
        if item.name == "000.eml":
            change(folder / item.name)

    target = FolderTarget(str(folder), in_place=True)
    tally = carried(FolderSource(str(folder)), target, work)
    assert (tally.done, tally.failed) == (59, 1)
    assert (folder / "000.eml").read_bytes() == b"written anew meanwhile"
    with Journal(journal_beside(folder)) as journal:
        assert journal.reasons() == [("it was changed while it was read", 1)]
    assert carried(FolderSource(str(folder)), target, _marked, retry_failed=True).done == 1
    assert (folder / "000.eml").read_bytes() == b"made of written anew meanwhile"
    assert not list(folder.glob(".*"))


def test_a_file_that_is_removed_meanwhile_stays_removed(tmp_path: Path) -> None:
    """In place, what was made of it does not come into its place."""
    folder = written(tmp_path / "in", MAILS)

    def work(item: Item, source: BinaryIO, target: BinaryIO) -> None:
        _marked(item, source, target)
        if item.name == "000.eml":
            (folder / item.name).unlink()

    assert carried(FolderSource(str(folder)), FolderTarget(str(folder), in_place=True), work).failed == 1
    assert not (folder / "000.eml").exists()
    with Journal(journal_beside(folder)) as journal:
        assert journal.reasons() == [("it was removed meanwhile", 1)]


def test_a_new_mail_under_the_name_of_one_that_was_made(tmp_path: Path) -> None:
    """In place, it is worked on; a copy of what was made, with its date, and what is gone, are left alone."""
    folder = written(tmp_path / "in", MAILS)
    target = FolderTarget(str(folder), in_place=True)
    carried(FolderSource(str(folder)), target, _marked)
    written(folder, {"000.eml": b"new letter"})
    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(folder)
    (tmp_path / "copy").rename(folder)
    (folder / "003.eml").unlink()
    tally = carried(FolderSource(str(folder)), target, _marked)
    assert (tally.done, tally.skipped) == (1, 58)
    assert (folder / "000.eml").read_bytes() == b"made of new letter"
    assert carried(FolderSource(str(folder)), target, _marked).done == 0


@pytest.mark.parametrize("state", ["made", "in its place", "changed", "removed"])
def test_what_was_ready_when_a_run_was_killed(tmp_path: Path, state: str) -> None:
    """In place, a file that was complete is put into its place once, unless what it was made of is another by now."""
    folder = written(tmp_path / "in", {"a.eml": b"letter", "b.eml": b"other"})
    target = FolderTarget(str(folder), in_place=True)
    with Journal(journal_beside(folder)) as journal:
        journal.begin({"settings": ""})
        target.begin(journal, resumed=False)
        journal.remember("begun", "yes")
        before = seen((folder / "a.eml").stat())
        journal.write([Entry("a.eml", 1, "ready", "a.eml", "", 6, b"", seen=before)])
    staged = Path(staged_path(f"{folder}/.smime-session", 1))
    staged.write_bytes(b"made of letter")
    if state == "in its place":
        staged.replace(folder / "a.eml")
    elif state == "changed":
        _replaced(folder / "a.eml")
    elif state == "removed":
        (folder / "a.eml").unlink()
    carried(FolderSource(str(folder)), target, _marked)
    assert not staged.exists()
    expected = {"changed": {"a.eml": b"written anew meanwhile"}, "removed": {}}.get(state, {"a.eml": b"made of letter"})
    assert contents(FolderSource(str(folder))) == {**expected, "b.eml": b"made of other"}
    with Journal(journal_beside(folder)) as journal:
        assert journal.counts() == ({"done": 1, "failed": 1} if state in ("changed", "removed") else {"done": 2})


def test_a_folder_with_files_is_no_new_target(tmp_path: Path) -> None:
    """Nor one that was removed since a run had begun on it."""
    folder = written(tmp_path / "in", MAILS)
    written(tmp_path / "out", {"mine.eml": b"mine"})
    with pytest.raises(BatchError, match="is not empty, and no run on it is known"):
        carried(FolderSource(str(folder)), FolderTarget(str(tmp_path / "out")))
    carried(FolderSource(str(folder)), FolderTarget(str(tmp_path / "other")))
    (tmp_path / "other").rename(tmp_path / "away")
    with pytest.raises(BatchError, match="is gone, and"):
        carried(FolderSource(str(folder)), FolderTarget(str(tmp_path / "other")))


def test_a_target_that_cannot_be_made(tmp_path: Path) -> None:
    """The error names the target and what the system says."""
    folder = written(tmp_path / "in", MAILS)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BatchError, match=r"file: File exists"):
        carried(FolderSource(str(folder)), FolderTarget(str(tmp_path / "file")))


def test_a_link_in_the_staging_folder_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's link does not make a run write elsewhere, even if its random name was guessed."""
    monkeypatch.setattr("smime_session.batch.targets.uuid.uuid4", lambda: uuid.UUID(int=0))
    folder = written(tmp_path / "in", {"a.eml": b"letter"})
    target = FolderTarget(str(tmp_path / "out"))
    (tmp_path / "out" / ".smime-session").mkdir(parents=True)
    (tmp_path / "precious").write_text("mine")
    Path(staged_path(str(tmp_path / "out" / ".smime-session"), 1, f"-{uuid.UUID(int=0).hex}")).symlink_to(
        tmp_path / "precious"
    )
    with pytest.raises(BatchError, match=r"Too many levels of symbolic links"):
        carried(FolderSource(str(folder)), target)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_target_that_cannot_be_begun_anew() -> None:
    """Work is told, so that it takes another way."""

    class Upload(io.RawIOBase):
        def writable(self) -> bool:
            return True

    assert not Measured(cast("BinaryIO", Upload()), "store").seekable()
    assert Measured(io.BytesIO(), "file").seekable()


_root = pytest.mark.skipif(os.geteuid() != 0, reason="root alone can give files away")


@_root
@pytest.mark.parametrize("can_give", [True, False])
@pytest.mark.parametrize("form", ["folder", "maildir"])
def test_in_place_the_owner_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, *, can_give: bool
) -> None:
    """A server could not read its mail if root became the owner; where the owner cannot stay, the mail does."""
    path = tmp_path / "in"
    for part in ("cur", "new"):
        (path / part).mkdir(parents=True)
    written(path, {"cur/1.eml": b"letter"})
    os.chown(path / "cur/1.eml", 65534, 65534)
    if not can_give:
        monkeypatch.setattr(os, "chown", _refuse)
    source = FolderSource(str(path / "cur")) if form == "folder" else MaildirSource(str(path))
    target = FolderTarget(source.path, in_place=True) if form == "folder" else MaildirTarget(str(path), in_place=True)
    tally = carried(source, target, _marked)
    (file,) = (path / "cur").iterdir()
    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65534)
    assert (tally.done, tally.failed) == (can_give, not can_give)
    assert file.read_bytes() == (b"made of letter" if can_give else b"letter")


def test_a_group_that_cannot_be_given_is_no_reason_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions are kept."""
    file = tmp_path / "file"
    file.touch(0o600)
    monkeypatch.setattr(os, "chown", _refuse)
    fields = list(file.stat())
    fields[stat.ST_GID] += 1
    fields[stat.ST_MODE] = stat.S_IFREG | 0o640
    assert kept_rights(str(file), os.stat_result(fields))
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def _refuse(*_arguments: object) -> None:
    raise PermissionError
