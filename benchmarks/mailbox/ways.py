"""Ways to encrypt a folder of mails, and how long they take."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from benchmarks.fixtures import make_group, text_mail
from benchmarks.measuring import CommandError
from benchmarks.peers.commands import OpenSsl, Ours
from benchmarks.suites import GCM
from smime_session import encrypt, recipient_for
from smime_session.batch import FolderSource, FolderTarget, Journal, journal_beside, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import BinaryIO

    from smime_session import Recipient
    from smime_session.batch import Entry, Item

    Way = Callable[[], int]

FOLDER: Final = "a folder"
"""The way that others are compared with."""
JOURNALS: Final = ("in the library, with a journal", "in the library, without")
_SIZE: Final = 20_000
_IN_A_FOLDER: Final = 1000


class EncryptWork:
    """What a user of the library would write.

    Args:
        recipients: of every mail.
    """

    def __init__(self, recipients: Sequence[Recipient]) -> None:
        self.recipients = recipients

    def __call__(self, item: Item, source: BinaryIO, target: BinaryIO) -> None:
        """Encrypt a mail."""
        del item
        target.write(encrypt(source.read(), self.recipients, profile=GCM.profile))


class _Forgetful:
    """What stands in for a journal, and remembers nothing."""

    folder = "nowhere"

    def fact(self, name: str, default: str = "") -> str:
        del name
        return default

    def remember(self, name: str, value: str) -> None:
        del name, value

    def write(self, entries: Sequence[Entry], facts: Mapping[str, str] | None = None) -> None:
        del entries, facts

    def known(self, names: Sequence[str]) -> dict[str, str]:
        del names
        return {}

    def entries(self, state: str | None = None) -> Iterator[Entry]:
        del state
        return iter(())

    def next_number(self) -> int:
        return 1


def _processors() -> float:
    """Return the seconds that this process and those that it started have used processors."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


class Yard:
    """Mails, a recipient, and room for what is made.

    Args:
        folder: an empty one on a large disk.
        count: how many mails.
        sampled: how many of them a program gets that is started for each.
        jobs: processes.
    """

    def __init__(self, folder: Path, count: int, sampled: int, jobs: int) -> None:
        self._folder, self.count, self._sampled, self._jobs = folder, count, min(sampled, count), jobs
        self.group = make_group("rsa2048", 1, folder)
        self.mails = folder / "mails"
        self.paths = [f"{number // _IN_A_FOLDER:04}/{number:07}.eml" for number in range(count)]
        self.work = EncryptWork([recipient_for(self.group.certificates[0], profile=GCM.profile)])
        body = text_mail(_SIZE).partition(b"Subject: ")
        for each in dict.fromkeys(path.partition("/")[0] for path in self.paths):
            (self.mails / each).mkdir(parents=True)
        for number, path in enumerate(self.paths):
            (self.mails / path).write_bytes(b"%sSubject: %d: %s" % (body[0], number, body[2]))
        absent = OpenSsl().absent() or (None if shutil.which("xargs") else "xargs not found on the PATH")
        self.left_out = {OpenSsl.name: absent} if absent else {}

    def ways(self) -> dict[str, Way]:
        """Return all ways by name; each returns how many mails it encrypted."""
        found: dict[str, Way] = {
            FOLDER: partial(self._command, self._jobs, "out"),
            "one process": partial(self._command, 1, "out"),
            "a Maildir": partial(self._command, self._jobs, "out", "maildir"),
            "an mbox": partial(self._command, self._jobs, "out.mbox"),
            "a zip": partial(self._command, self._jobs, "out.zip"),
            JOURNALS[0]: partial(self.in_library, self._jobs, "out", journal=True),
            JOURNALS[1]: partial(self.in_library, self._jobs, "out", journal=False),
        }
        if not self.left_out:
            found |= {
                "openssl cms, one by one": partial(self._openssl, 1),
                "openssl cms, xargs -P": partial(self._openssl, self._jobs),
            }
        return found

    def cost(self, way: Way) -> dict[str, float]:
        """Return the seconds for a mail, on the clock and of processors, with nothing of others left to be synced."""
        os.sync()
        begin, used = time.perf_counter(), _processors()
        count = way()
        spent = {"clock": (time.perf_counter() - begin) / count, "processors": (_processors() - used) / count}
        self.clear()
        return spent

    def clear(self) -> None:
        """Remove what was made."""
        for each in (*self._folder.glob("out*"), *self._folder.glob(".out*")):
            shutil.rmtree(each) if each.is_dir() else each.unlink()

    def _command(self, jobs: int, target: str, form: str = "") -> int:
        ours = Ours()
        options = ["--target-form", form] if form else []
        start = [ours.path, "batch", "encrypt", "-q", *GCM.ours, "--jobs", str(jobs), *options]
        self._done([*start, "-r", str(self.group.files(1)[0]), str(self.mails), str(self._folder / target)])
        return self.count

    def in_library(self, jobs: int, target: str, *, journal: bool) -> int:
        """Call the library in this process, which forks; with a journal or without."""
        out = str(self._folder / target)
        opened: AbstractContextManager[Journal] = (
            Journal(journal_beside(out)) if journal else nullcontext(cast("Journal", _Forgetful()))
        )
        with opened as kept:
            run(FolderSource(str(self.mails)), FolderTarget(out), self.work, kept, jobs=jobs)
        return self.count

    def _openssl(self, jobs: int) -> int:
        """Start a process for each of some mails, spread over all; no shell is between."""
        step = self.count // self._sampled
        paths = self.paths[::step][: self._sampled]
        out = self._folder / "out"
        for each in dict.fromkeys(path.partition("/")[0] for path in paths):
            (out / each).mkdir(parents=True)
        command = OpenSsl().encrypt(GCM, self.mails / "{}", out / "{}", self.group.files(1))
        self._done(["xargs", "-P", str(jobs), "-I", "{}", *map(str, command.arguments)], "\n".join(paths))
        return len(paths)

    @staticmethod
    def _done(command: list[str], given: str = "") -> None:
        done = subprocess.run(command, check=False, capture_output=True, input=given, text=True)
        if done.returncode:
            raise CommandError(f"{command[0]} failed: {done.stderr}")
