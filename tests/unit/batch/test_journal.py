"""The journal: what it knows survives, what it is asked to forget or to mix is refused."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from smime_session import BatchError
from smime_session.batch import Entry, FolderSource, FolderTarget, Journal, journal_beside
from tests.support.batching import carried, contents, written
from tests.support.killing import ROOT

if TYPE_CHECKING:
    from pathlib import Path

ENTRIES: Final = [
    Entry("a.eml", 1, "done", "a.eml", "", 10, b"digest"),
    Entry("b.eml", 2, "failed", reason="it is broken"),
    Entry("c.eml", 3, "ready", "cur/c", "cur/c:2,S", 30, b"digest"),
    Entry("\udcff.eml", 4, "done", "\udcff.eml", "", 40, b"digest"),
]
MAILS: Final = {f"{number:03}.eml": b"letter %d\n" % number for number in range(60)}


def test_it_remembers(tmp_path: Path) -> None:
    """What was written is there when it is opened again, in the order of the messages."""
    with Journal(tmp_path / "journal") as journal:
        journal.write(reversed(ENTRIES), {"size": "5"})
        journal.remember("begun", "yes")
    with Journal(tmp_path / "journal") as journal:
        assert list(journal.entries()) == ENTRIES
        assert list(journal.entries("failed")) == ENTRIES[1:2]
        assert journal.counts() == {"done": 2, "failed": 1, "ready": 1}
        assert journal.next_number() == 5
        assert (journal.fact("size"), journal.fact("begun"), journal.fact("nothing", "else")) == ("5", "yes", "else")


def test_it_knows_messages_by_name_and_by_place(tmp_path: Path) -> None:
    """In place, a message is found by the name that it was given."""
    with Journal(tmp_path / "journal") as journal:
        journal.write(ENTRIES)
        known = journal.known(["a.eml", "b.eml", "cur/c", "c.eml", "\udcff.eml", "d.eml"])
        assert known == {"a.eml": "done", "b.eml": "failed", "c.eml": "ready", "\udcff.eml": "done"}
        journal.write([ENTRIES[2]._replace(state="done")])
        assert journal.known(["cur/c"]) == {"cur/c": "done"}


def test_it_is_for_its_owner(tmp_path: Path) -> None:
    """No other user reads which messages there are."""
    with Journal(tmp_path / "journal"):
        assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"-r": "carol", "profile": "modern"}, "-r was bob, and is carol"),
        ({"-r": "bob"}, "profile is missing"),
        ({"-r": "bob", "profile": "modern", "compress": "True"}, "compress is new"),
        ({"-r": "b" * 200, "profile": "modern"}, "-r has changed"),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, now: dict[str, str], told: str) -> None:
    """What changed is named; the same settings in another order are the same."""
    with Journal(tmp_path / "journal") as journal:
        journal.begin({"-r": "bob", "profile": "modern"})
    with Journal(tmp_path / "journal") as journal:
        journal.begin({"profile": "modern", "-r": "bob"})
        with pytest.raises(BatchError, match=told):
            journal.begin(now)
        journal.begin({"profile": "modern", "-r": "bob"})


def test_a_finished_run_can_give_way_to_another(tmp_path: Path) -> None:
    """In place, other work follows; but not on a run that is not finished."""
    with Journal(tmp_path / "journal") as journal:
        journal.begin({"subcommand": "encrypt"})
        journal.write(ENTRIES)
        with pytest.raises(BatchError, match="subcommand was encrypt, and is decrypt"):
            journal.begin({"subcommand": "decrypt"}, anew=True)
        journal.remember("finished", "yes")
        journal.begin({"subcommand": "decrypt"}, anew=True)
        assert list(journal.entries()) == []
        with pytest.raises(BatchError, match="subcommand was decrypt, and is encrypt"):
            journal.begin({"subcommand": "encrypt"}, anew=True)


def test_all_of_a_commit_or_nothing(tmp_path: Path) -> None:
    """An entry that cannot be written takes the others with it, and the facts."""
    with Journal(tmp_path / "journal") as journal:
        with pytest.raises(TypeError):
            journal.write([ENTRIES[0], None], {"size": "1"})  # type: ignore[list-item]
        assert (list(journal.entries()), journal.fact("size")) == ([], "")
        journal.write(ENTRIES[:1])
        assert journal.counts() == {"done": 1}


def test_reasons_are_counted(tmp_path: Path) -> None:
    """The most frequent comes first."""
    with Journal(tmp_path / "journal") as journal:
        for number, reason in enumerate(["rare", "often", "often"]):
            journal.write([Entry(str(number), number, "failed", reason=reason)])
        assert journal.reasons() == [("often", 2), ("rare", 1)]


def test_what_is_no_journal(tmp_path: Path) -> None:
    """A file that is none, and a journal of another version, are told of, and stay as they are."""
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "journal.sqlite").write_bytes(b"something else" * 1000)
    with pytest.raises(BatchError, match="holds no journal that can be read"):
        Journal(tmp_path / "journal")
    assert (tmp_path / "journal" / "journal.sqlite").read_bytes() == b"something else" * 1000
    with Journal(tmp_path / "other") as journal:
        journal.remember("version", "2")
    with pytest.raises(BatchError, match="holds the journal of another version"):
        Journal(tmp_path / "other")


def test_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one waits a little, and is refused; when the first is killed, it is let in."""
    script = (
        "import sys, time; from smime_session.batch import Journal\n"
        "journal = Journal(sys.argv[1]); print('open', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "journal")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        monkeypatch.setattr("smime_session.batch.journal._PATIENCE", 0.1)
        with pytest.raises(BatchError, match="another run is at work on this target"):
            Journal(tmp_path / "journal")
        other.send_signal(signal.SIGKILL)
    monkeypatch.setattr("smime_session.batch.journal._PATIENCE", 30)
    Journal(tmp_path / "journal").close()


def test_where_it_is_kept(tmp_path: Path) -> None:
    """Beside the target, hidden; a link and what it leads to have the same, a share has its own."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    expected = tmp_path.resolve() / ".real.smime-session"
    assert journal_beside(tmp_path / "real") == journal_beside(f"{tmp_path}/link/") == expected
    assert journal_beside(tmp_path / "real", "-1-of-2").name == ".real.smime-session-1-of-2"


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    """The second run makes what is new, and nothing else."""
    folder = written(tmp_path / "in", MAILS)
    target = FolderTarget(str(tmp_path / "out"))
    assert carried(FolderSource(str(folder)), target).done == 60
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    written(folder, {"new.eml": b"new"})
    tally = carried(FolderSource(str(folder)), target)
    assert (tally.done, tally.skipped) == (1, 60)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert contents(FolderSource(str(tmp_path / "out"))) == {**MAILS, "new.eml": b"new"}


def test_what_is_on_disk_and_not_in_the_journal_is_made_again(tmp_path: Path) -> None:
    """Power fails after files were renamed and before the journal knew: each message is there once."""
    folder = written(tmp_path / "in", MAILS)
    target = FolderTarget(str(tmp_path / "out"))
    carried(FolderSource(str(folder)), target)
    with sqlite3.connect(journal_beside(target.path) / "journal.sqlite") as database:
        database.execute("DELETE FROM message WHERE number % 3 = 0")
    database.close()
    (tmp_path / "out" / "000.eml").write_bytes(b"half")
    with sqlite3.connect(journal_beside(target.path) / "journal.sqlite") as database:
        database.execute("DELETE FROM message WHERE name = '000.eml'")
    database.close()
    assert carried(FolderSource(str(folder)), target).done >= 20
    assert contents(FolderSource(str(tmp_path / "out"))) == MAILS


def test_removing_it_lets_another_begin(tmp_path: Path) -> None:
    """Nothing of it stays, and no lock."""
    journal = Journal(tmp_path / "journal")
    journal.remove()
    assert not os.path.lexists(tmp_path / "journal")
    Journal(tmp_path / "journal").close()
