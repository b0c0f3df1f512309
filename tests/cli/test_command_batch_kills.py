"""Many messages at once, killed at random moments: nothing is lost, nothing is there twice.

$SMIME_SESSION_KILLS says how many kills there are for each form; without it there are few, as each takes a while.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from smime_session import decrypt, load_identities
from smime_session.batch import Journal, MboxSource, TarSource, ZipSource, journal_beside
from tests.support.batching import contents, written
from tests.support.killing import ROOT, command, killed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from smime_session.batch import Source

MAIL: Final = "From: alice@example.org\nTo: bob@example.org\nSubject: Number {0}\n\nThis is letter {0}.\n"
MAILS: Final = 300
KILLS: Final = int(os.environ.get("SMIME_SESSION_KILLS", "4"))
DELAYS: Final = (0.0, 0.01, 0.03, 0.1, 0.2)  # seconds from the first trace of work to the kill, at most
FORMS: Final[dict[str, Callable[[str], Source] | None]] = {
    "folder": None,
    "folder in place": None,
    "maildir": None,
    "maildir in place": None,
    "mbox": MboxSource,
    "zip": ZipSource,
    "tar.gz": TarSource,
}


class Trial:
    """A source and a target that are killed over and over.

    Args:
        here: the folder for both.
        form: what the target is.
    """

    def __init__(self, here: Path, form: str) -> None:
        self._here, self._form = here, form
        self._in_place = form.endswith("in place")
        self.target = here / "in" if self._in_place else here / f"out.{form}"
        target_form = form.removesuffix(" in place")
        where = ["--in-place"] if self._in_place else ["--target-form", target_form]
        self.arguments = command(
            "batch", "encrypt", "--again", "--jobs", "2", "-r", here / "bob.pem", *where, here / "in"
        ) + ([] if self._in_place else [str(self.target)])
        self._identities = load_identities((here / "bob.key").read_bytes())

    def renew(self) -> None:
        """Begin from the start."""
        for path in (self._here / "in", self.target, journal_beside(self.target)):
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)
        if "maildir" in self._form or not self._in_place:
            for part in ("cur", "new", "tmp"):
                (self._here / "in" / part).mkdir(parents=True)
            names = (f"cur/{number:03}.x:2,S" for number in range(MAILS))
        else:
            names = (f"{number % 7}/{number:03}.eml" for number in range(MAILS))
        written(self._here / "in", {name: MAIL.format(f"{n:03}").encode() for n, name in enumerate(names)})

    def check(self) -> None:
        """Check that each message is there once, in its order where there is one, and that the journal says so."""
        if source := FORMS[self._form]:
            sealed = list(contents(source(str(self.target))).values())
        else:
            sealed = [path.read_bytes() for path in sorted(self.target.rglob("*")) if path.is_file()]
        opened = [decrypt(each, self._identities).message.decode().rstrip().split()[-1] for each in sealed]
        expected = [f"{number:03}." for number in range(MAILS)]
        assert (opened if source else sorted(opened)) == expected
        with Journal(journal_beside(self.target)) as journal:
            assert journal.counts() == {"done": MAILS}

    def check_leftovers(self) -> None:
        """Check that no file but the messages that were given holds plaintext."""
        if not self._in_place:
            beside = [
                path for path in self._here.rglob("*") if path.is_file() and self._here / "in" not in path.parents
            ]
            assert [path for path in beside if b"This is letter" in path.read_bytes()] == []


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_lost_when_processes_are_killed(provide: Callable[..., Path], form: str) -> None:
    """However often it or a worker is killed, the same command ends with every message made once."""
    trial = Trial(provide("bob.pem", "bob.key"), form)
    chance = random.Random(f"{os.environ.get('PYTEST_SEED', '8551')} {form}")  # noqa: S311  # when to kill
    trial.renew()
    kills: Counter[str] = Counter()
    while kills.total() < KILLS:
        victim = killed(trial.arguments, journal_beside(trial.target), chance, chance.choice(DELAYS))
        if victim:
            kills[victim] += 1
            trial.check_leftovers()
        if victim != "command":  # it came to its end
            trial.check()
            trial.renew()
    assert kills["command"]
    finished = subprocess.run(trial.arguments, check=False, capture_output=True, cwd=ROOT)
    assert finished.returncode == 0, finished.stderr.decode()
    trial.check()
