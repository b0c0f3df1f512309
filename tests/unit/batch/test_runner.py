"""The run: what is on disk before the journal says so, and how messages are divided."""

from __future__ import annotations

import io
import os
import random
import tarfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from smime_session.batch import (
    FolderSource,
    FolderTarget,
    Item,
    Journal,
    MaildirTarget,
    MboxTarget,
    PathsSource,
    Shard,
    TarSource,
    journal_beside,
    run,
    storing,
)
from smime_session.batch.runner import MOST_AT_ONCE
from smime_session.batch.storing import folders_of
from tests.support.batching import carried, contents, copied, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from smime_session.batch import Entry, Target

MAILS = {f"{'a/b/' if number % 2 else ''}{number:03}.eml": b"letter %d\n" % number for number in range(10)}


def _told(log: list[str], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # whatever it takes and returns
        log.append(name)
        return function(*arguments, **options)

    return call


@pytest.mark.parametrize(("kind", "in_place"), [(FolderTarget, False), (FolderTarget, True), (MaildirTarget, False)])
def test_files_are_on_disk_before_the_journal_says_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[FolderTarget | MaildirTarget],
    *,
    in_place: bool,
) -> None:
    """Files are synced, then renamed, then their folders are synced, and then it is written that they are done."""
    folder = written(tmp_path / "in", MAILS)
    target = kind(str(folder if in_place else tmp_path / "out"), in_place=in_place)
    log: list[str] = []
    states: list[str] = []
    write = Journal.write

    def writing(journal: Journal, entries: Sequence[Entry], facts: object = None) -> None:
        entries = list(entries)
        if entries:
            log.append("journal")
            states.append(entries[0].state)
        write(journal, entries)
        del facts

    with Journal(journal_beside(target.path)) as journal:
        journal.begin({})
        monkeypatch.setattr(Journal, "write", writing)
        for module in ("targets", "maildir"):
            monkeypatch.setattr(f"smime_session.batch.{module}.sync", _told(log, "folder", storing.sync))
        monkeypatch.setattr(storing, "sync_files", _told(log, "files", storing.sync_files))
        monkeypatch.setattr("os.rename", _told(log, "rename", os.rename))
        monkeypatch.setattr("os.replace", _told(log, "rename", os.replace))
        run(FolderSource(str(folder)), target, copied, journal, jobs=1, executor=ThreadPoolExecutor)
    order = [each for number, each in enumerate(log) if each != log[number - 1] or not number]
    begin = order.index("files")
    ready = ["journal"] if in_place else []
    assert order[begin:] == ["files", *ready, "rename", "folder", "journal"]
    assert states == [*(["ready"] if in_place else []), "done"]


def test_an_mbox_is_on_disk_before_the_journal_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is synced after it grew, and the journal then tells how long it is."""
    folder = written(tmp_path / "in", MAILS)
    log: list[str] = []
    monkeypatch.setattr("os.fsync", _told(log, "sync", os.fsync))
    monkeypatch.setattr(Journal, "write", _told(log, "journal", Journal.write))
    carried(FolderSource(str(folder)), MboxTarget(str(tmp_path / "out.mbox")))
    assert "sync" in log[log.index("journal") + 1 : len(log) - 1 - log[::-1].index("journal")]


def test_folders_that_are_synced() -> None:
    """Each on the way, so that a new folder in a new folder is there."""
    assert folders_of(["a/b/c.eml", "a/d.eml", "e.eml"]) == {"", "a", "a/b"}


def test_shards_have_each_message_once(tmp_path: Path) -> None:
    """Those of all shards are all messages."""
    folder = written(tmp_path / "in", MAILS)
    names = [item.name for item in FolderSource(str(folder)).items()]
    for shares in (1, 2, 7):
        shards = [Shard(number, shares) for number in range(1, shares + 1)]
        assert sorted(name for shard in shards for name in names if shard.has(name)) == sorted(names)


class _Portions:
    """A target that keeps how many messages each portion has."""

    def __init__(self, target: Target) -> None:
        self.sizes: list[int] = []
        self._target = target

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # what the target has
        return getattr(self._target, name)

    def commit(self, number: int, entries: Sequence[Entry]) -> object:
        self.sizes.append(len(entries))
        return self._target.commit(number, entries)


def test_portions_grow(tmp_path: Path) -> None:
    """A short run is divided well, a long one has few commits."""
    folder = written(tmp_path / "in", {"a.eml": b"mail"})
    names = [folder / f"{number}.eml" for number in range(1500)]
    for path in names:
        path.hardlink_to(folder / "a.eml")
    target: Any = _Portions(FolderTarget(str(tmp_path / "out")))
    carried(PathsSource(tuple(map(str, names))), target)
    assert sum(target.sizes) == 1500
    assert min(target.sizes) <= 16
    assert max(target.sizes) == MOST_AT_ONCE


def test_bodies_that_travel_are_few_at_a_time(tmp_path: Path) -> None:
    """Mails of a compressed tar are given to workers with their bytes: large ones by the few."""
    mails = {f"{number:02}.eml": bytes([number]) * (3 << 20) for number in range(20)}
    path = tmp_path / "in.tar.xz"
    with tarfile.open(path, "w:xz", preset=0) as archive:
        for name, data in {"noise": random.Random(1).randbytes(1 << 20), **mails}.items():  # noqa: S311
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    target: Any = _Portions(FolderTarget(str(tmp_path / "out")))
    carried(TarSource(str(path)), target)
    assert max(target.sizes) <= 3
    assert contents(FolderSource(str(tmp_path / "out"))) == mails


def test_a_mistake_in_the_work_fails_one_message(tmp_path: Path) -> None:
    """Its text, which could have something of the mail, is not told."""
    folder = written(tmp_path / "in", MAILS)

    def work(item: Item, source: Any, target: Any) -> None:  # noqa: ANN401  # streams
        if item.name == "002.eml":
            raise KeyError("secret words of a mail")
        copied(item, source, target)

    assert carried(FolderSource(str(folder)), FolderTarget(str(tmp_path / "out")), work).failed == 1
    with Journal(journal_beside(tmp_path / "out")) as journal:
        ((reason, _),) = journal.reasons()
    assert reason == "it could not be worked on, by a mistake of this program (KeyError)"
