"""Maildirs: flags, dates and subfolders are kept, and a mail server that works on one meanwhile is not disturbed."""

from __future__ import annotations

import os
import re
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import pytest

from smime_session import BatchError
from smime_session.batch import (
    Entry,
    FolderSource,
    FolderTarget,
    Item,
    Journal,
    MaildirSource,
    MaildirTarget,
    is_maildir,
    journal_beside,
)
from smime_session.batch.storing import seen, staged_path
from tests.support.batching import carried, contents, copied, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILES: Final = {
    "cur/1700000000.M1P1.host,S=7,W=8:2,FS": b"letter 1",
    "cur/1700000001.M1P2.host:2,": b"letter 2",
    "new/1700000002.M1P3.host": b"letter 3",
    ".Archive/cur/1700000003.M1P4.host:2,RS": b"letter 4",
    ".Archive.2025/new/1700000004.M1P5.host": b"letter 5",
}


def _maildir(path: Path, files: Mapping[str, bytes] = FILES) -> Path:
    for folder in ("", ".Archive", ".Archive.2025"):
        for part in ("cur", "new", "tmp"):
            (path / folder / part).mkdir(parents=True)
    written(path, files)
    for number, name in enumerate(files):
        os.utime(path / name, (1_700_000_000 + number, 1_700_000_000 + number))
    return path


def _files(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in sorted(path.rglob("*")) if each.is_file()}


def _marked(item: Item, source: BinaryIO, target: BinaryIO) -> None:
    target.write(b"made of ")
    copied(item, source, target)


def test_messages_are_found_in_every_folder(tmp_path: Path) -> None:
    """Each has a name without flags and sizes; what is hidden, and what is in tmp, is no message."""
    path = _maildir(tmp_path / "in")
    written(path, {"tmp/1": b"not yet", "cur/.hidden": b"", "dovecot-uidlist": b"3", ".Archive/maildirfolder": b""})
    (path / ".NoMaildir").mkdir()
    items = list(MaildirSource(str(path)).items())
    assert [item.name for item in items] == [
        "1700000000.M1P1.host",
        "1700000001.M1P2.host",
        "1700000002.M1P3.host",
        "Archive/1700000003.M1P4.host",
        "Archive.2025/1700000004.M1P5.host",
    ]
    assert [item.mailbox.flags for item in items if item.mailbox] == ["FS", "", "", "RS", ""]
    assert [item.modified for item in items] == [1_700_000_000 + number for number in range(5)]
    assert list(contents(MaildirSource(str(path))).values()) == list(FILES.values())


def test_a_maildir_becomes_one_like_it(tmp_path: Path) -> None:
    """Flags, dates, subfolders and names stay; sizes in names, which are wrong by then, are gone."""
    path = _maildir(tmp_path / "in")
    target = MaildirTarget(str(tmp_path / "out"))
    assert carried(MaildirSource(str(path)), target, _marked).done == 5
    assert _files(tmp_path / "out") == {
        name.replace(",S=7,W=8", ""): b"made of " + data for name, data in FILES.items()
    }
    for number, name in enumerate(FILES):
        status = (tmp_path / "out" / name.replace(",S=7,W=8", "")).stat()
        assert status.st_mtime == 1_700_000_000 + number
        assert stat.S_IMODE(status.st_mode) == 0o600
    for folder in ("", ".Archive", ".Archive.2025"):
        assert is_maildir(str(tmp_path / "out" / folder))
        assert (tmp_path / "out" / folder / "tmp").is_dir()


def test_two_names_that_differ_in_sizes_alone(tmp_path: Path) -> None:
    """Both messages are there, and neither takes the other's place."""
    files = {"cur/1.host,S=1:2,S": b"first", "cur/1.host,S=2:2,S": b"second"}
    path = _maildir(tmp_path / "in", files)
    carried(MaildirSource(str(path)), MaildirTarget(str(tmp_path / "out")))
    assert sorted(_files(tmp_path / "out").values()) == [b"first", b"second"]


def test_mails_of_a_folder_become_new_ones(tmp_path: Path) -> None:
    """Each has a name of its own, the same in each run."""
    folder = written(tmp_path / "in", {"a.eml": b"a", "b/a.eml": b"b"})
    for name in ("one", "two"):
        carried(FolderSource(str(folder)), MaildirTarget(str(tmp_path / name)))
    assert _files(tmp_path / "one") == _files(tmp_path / "two")
    assert sorted(_files(tmp_path / "one").values()) == [b"a", b"b"]
    assert all(name.startswith("new/") for name in _files(tmp_path / "one"))


def test_a_maildir_becomes_a_folder(tmp_path: Path) -> None:
    """Subfolders are folders, messages .eml files."""
    path = _maildir(tmp_path / "in")
    carried(MaildirSource(str(path)), FolderTarget(str(tmp_path / "out")))
    found = contents(FolderSource(str(tmp_path / "out")))
    assert found["Archive/1700000003.M1P4.host.eml"] == b"letter 4"
    assert sorted(found.values()) == sorted(FILES.values())


def test_in_place_each_gets_a_new_name(tmp_path: Path) -> None:
    """As a server keeps what it knows of a message by its name; flags, dates and folders stay, permissions too."""
    path = _maildir(tmp_path / "in")
    for name in FILES:
        (path / name).chmod(0o640)
    target = MaildirTarget(str(path), in_place=True)
    assert carried(MaildirSource(str(path)), target, _marked).done == 5
    found = _files(path)
    assert sorted(found.values()) == sorted(b"made of " + data for data in FILES.values())
    stems = {re.sub(r"-smime\d+\.\d+", "", name) for name in found}
    assert stems == {name.replace(",S=7,W=8", "") for name in FILES}
    assert {stat.S_IMODE((path / name).stat().st_mode) for name in found} == {0o640}
    assert {(path / name).stat().st_mtime for name in found} == {1_700_000_000.0 + number for number in range(5)}
    tally = carried(MaildirSource(str(path)), MaildirTarget(str(path), in_place=True), _marked)
    assert (tally.done, tally.skipped) == (0, 5)


def test_a_message_that_comes_back_under_its_old_name(tmp_path: Path) -> None:
    """It is another message by then: in place, neither takes the place of the other."""
    path = _maildir(tmp_path / "in", {"cur/1.host:2,S": b"first"})
    carried(MaildirSource(str(path)), MaildirTarget(str(path), in_place=True), _marked)
    written(path, {"cur/1.host:2,S": b"again"})
    for expected in ((1, 1), (0, 2)):
        tally = carried(MaildirSource(str(path)), MaildirTarget(str(path), in_place=True), _marked)
        assert (tally.done, tally.skipped) == expected
        assert sorted(_files(path).values()) == [b"made of again", b"made of first"]
    written(path, {"cur/1.host:2,S": b"third"})
    with Journal(journal_beside(path)) as journal:
        journal.begin({"settings": "other"}, anew=True)
    tally = carried(MaildirSource(str(path)), MaildirTarget(str(path), in_place=True), _marked, settings="other")
    assert tally.done == 3
    assert sorted(_files(path).values()) == [b"made of made of again", b"made of made of first", b"made of third"]


def _others(path: Path, item: Item, change: str) -> None:
    """Do to a message what a mail server, or its client, does."""
    (old,) = path.rglob(item.name.rpartition("/")[2] + "*:2,*")
    if change == "removed":
        old.unlink()
    elif change == "flagged":
        old.rename(f"{old}T")
    elif change == "written anew":
        old.write_bytes(b"by another")


@pytest.mark.parametrize("moment", ["before it is read", "after it is read"])
@pytest.mark.parametrize("change", ["flagged", "removed", "written anew"])
def test_a_server_works_on_it_meanwhile(tmp_path: Path, change: str, moment: str) -> None:
    """In place, flags that were set are on the new file; what was removed stays removed, what was written stays."""
    path = _maildir(tmp_path / "in", {"cur/1.host:2,S": b"letter 1", "cur/2.host:2,S": b"letter 2"})

    class Disturbed(MaildirSource):
        def items(self) -> Iterator[Item]:
            for item in list(super().items()):
                if item.name == "1.host" and moment == "before it is read":
                    _others(path, item, change)
                yield item

    def work(item: Item, source: BinaryIO, target: BinaryIO) -> None:
        _marked(item, source, target)
        if item.name == "1.host" and moment == "after it is read":
            _others(path, item, change)

    tally = carried(Disturbed(str(path)), MaildirTarget(str(path), in_place=True), work)
    found = {re.sub(r"-smime\d+\.\d+", "", name): data for name, data in _files(path).items()}
    expected = {"cur/2.host:2,S": b"made of letter 2"}
    if change == "flagged":
        expected["cur/1.host:2,ST"] = b"made of letter 1"
    elif change == "written anew":
        expected["cur/1.host:2,S"] = b"made of by another" if moment == "before it is read" else b"by another"
    assert found == expected
    assert tally.failed == (change == "removed" or (change == "written anew" and moment == "after it is read"))


@pytest.mark.parametrize("state", ["made", "in its place", "both", "flagged", "removed"])
def test_what_was_ready_when_a_run_was_killed(tmp_path: Path, state: str) -> None:
    """In place, the new file takes the old one's place once, wherever the run ended."""
    path = _maildir(tmp_path / "in", {"cur/1.host:2,S": b"letter 1"})
    old, new = path / "cur" / "1.host:2,S", path / "cur" / "1.host-smime5.1:2,S"
    target = MaildirTarget(str(path), in_place=True)
    with Journal(journal_beside(path)) as journal:
        journal.begin({"settings": ""})
        target.begin(journal, resumed=False)
        journal.remember("begun", "yes")
        entry = Entry("1.host", 1, "ready", "1.host-smime5.1", "cur/1.host:2,S", 6, b"", seen=seen(old.stat()))
        journal.write([entry])
    staged = Path(staged_path(str(path / "tmp"), 1))
    (new if state in ("in its place", "both") else staged).write_bytes(b"made of letter 1")
    if state in ("in its place", "removed"):
        old.unlink()
    elif state == "flagged":
        old.rename(f"{old}T")
    carried(MaildirSource(str(path)), target, _marked)
    expected = {"removed": {}, "flagged": {"cur/1.host-smime5.1:2,ST": b"made of letter 1"}}
    assert _files(path) == expected.get(state, {"cur/1.host-smime5.1:2,S": b"made of letter 1"})
    with Journal(journal_beside(path)) as journal:
        assert journal.counts() == ({"failed": 1} if state == "removed" else {"done": 1})


def test_a_maildir_with_messages_is_no_new_target(tmp_path: Path) -> None:
    """Nor one that was removed since a run had begun on it; an empty one is."""
    folder = written(tmp_path / "in", {"a.eml": b"a"})
    _maildir(tmp_path / "full")
    with pytest.raises(BatchError, match="is not empty, and no run on it is known"):
        carried(FolderSource(str(folder)), MaildirTarget(str(tmp_path / "full")))
    _maildir(tmp_path / "empty", {})
    assert carried(FolderSource(str(folder)), MaildirTarget(str(tmp_path / "empty"))).done == 1
    (tmp_path / "empty").rename(tmp_path / "away")
    with pytest.raises(BatchError, match="is gone, and"):
        carried(FolderSource(str(folder)), MaildirTarget(str(tmp_path / "empty")))


def test_a_subfolder_is_removed_meanwhile(tmp_path: Path) -> None:
    """In place, its messages fail, with their reason; those of other folders are made."""
    path = _maildir(tmp_path / "in")

    def work(item: Item, source: BinaryIO, target: BinaryIO) -> None:
        _marked(item, source, target)
        if item.name.startswith("Archive/"):
            shutil.rmtree(path / ".Archive")

    tally = carried(MaildirSource(str(path)), MaildirTarget(str(path), in_place=True), work)
    assert (tally.done, tally.failed) == (4, 1)
    assert not (path / ".Archive").exists()
    with Journal(journal_beside(path)) as journal:
        assert journal.reasons() == [("it was removed meanwhile", 1)]
