"""Commands that write over an existing file, killed at random moments: the old file is there or the new one, whole.

$SMIME_SESSION_KILLS says how many kills there are for each command; without it there are few.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import stat
import time
from typing import TYPE_CHECKING, Final

import pytest

from smime_session import CertificateStore, load_certificates, load_identities
from tests.support.forking import Commands
from tests.support.writers import MARK, NAMES, WRITERS, make_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

KILLS: Final = int(os.environ.get("SMIME_SESSION_KILLS", "10"))
KILLED: Final = [name for name in WRITERS if name not in {"encrypt signed", "certs find"}]
LEFTOVER: Final = re.compile(r"\.smime-session-[0-9a-f]{16}\.tmp")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """Return what runs commands."""
    with Commands(tmp_path_factory.mktemp("streams")) as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with what the commands read."""
    folder = tmp_path_factory.mktemp("killed")
    make_all(folder)
    (folder / "out").mkdir()
    (folder / "temporary").mkdir()
    return folder


class Killer:
    """Kills a command at a random moment of its life.

    Args:
        commands: what runs it.
        folder: where.
        seed: says when.
    """

    def __init__(self, commands: Commands, folder: Path, seed: str) -> None:
        self._commands, self._folder = commands, folder
        self._chance = random.Random(f"{os.environ.get('PYTEST_SEED', '4711')} {seed}")  # noqa: S311  # when to kill
        self._longest = 0.0
        self.kills = 0

    def choose(self, options: Sequence[bool]) -> bool:
        """Return one of several."""
        return self._chance.choice(options)

    def run(self, words: Sequence[str], *, kill: bool, pipe: str | None = None, named: bool = False) -> None:
        """Run the command, and kill it if it lives long enough."""

        def meanwhile(process: int) -> None:
            if kill:
                time.sleep(self._chance.random() * self._longest)
                os.kill(process, signal.SIGKILL)

        begin = time.monotonic()
        done = self._commands.run(
            self._folder,
            words,
            meanwhile=meanwhile,
            pipe=pipe,
            environment={"TMPDIR": str(self._folder / "temporary")},
            faults=["named"] if named else [],
        )
        if kill and done.status == -signal.SIGKILL:
            self.kills += 1
        else:
            assert done.status == 0, done.words
            self._longest = time.monotonic() - begin  # as fast as the machine is just now


@pytest.mark.parametrize("name", KILLED)
def test_the_old_file_is_there_or_the_new_one(commands: Commands, folder: Path, name: str) -> None:
    """Whatever moment the kill comes at; and no plaintext is left, but where it was to be written, for its owner."""
    writer, target = WRITERS[name], folder / "out" / "result"
    old = (folder / writer.old).read_bytes()
    killer = Killer(commands, folder, name)
    seen = {"old": 0, "new": 0}
    killer.run(writer.words("out/result") if writer.old == "old" else writer.words("old.crl"), kill=False)
    (folder / writer.old).write_bytes(old)
    while killer.kills < KILLS:
        shutil.rmtree(folder / "out")
        (folder / "out").mkdir()
        target.write_bytes(old)
        piped = writer.source is not None and killer.choose([True, False])
        pipe = str(folder / str(writer.source)) if piped else None
        killer.run(writer.words("out/result", piped=piped), kill=True, pipe=pipe, named=killer.choose([True, False]))
        if (data := target.read_bytes()) == old:
            seen["old"] += 1
        else:
            assert writer.whole(folder, data), name
            seen["new"] += 1
        for path in (folder / "temporary").iterdir():  # where a file has a name for a moment
            assert MARK not in path.read_bytes()
            path.unlink()
        for left in set((folder / "out").iterdir()) - {target}:
            assert LEFTOVER.fullmatch(left.name)
            assert stat.S_IMODE(left.stat().st_mode) == 0o600 or not writer.private
            assert name in {"decrypt", "decrypt compat", "sign", "verify"} or MARK not in left.read_bytes()
    killer.run(writer.words("out/result"), kill=False)
    assert list((folder / "out").iterdir()) == [target]
    assert seen["old"] or KILLS < 5


def test_certificates_are_added_whole(commands: Commands, folder: Path) -> None:
    """A store has each certificate or does not have it, its index is usable, and the same command adds the rest."""
    killer = Killer(commands, folder, "certs add")
    words = ["certs", "add", "store", *(f"{name}.pem" for name in NAMES), "ca.pem"]
    (folder / "store").mkdir()
    killer.run(words, kill=False)
    known = {path.read_bytes() for path in (folder / "store").glob("*.pem")}
    assert len(known) == len(NAMES) + 1
    while killer.kills < KILLS:
        shutil.rmtree(folder / "store")
        (folder / "store").mkdir()
        killer.run(words, kill=True)
        assert {path.read_bytes() for path in (folder / "store").glob("*.pem")} <= known
        assert all(each.problem is None for each in CertificateStore(folder / "store").files())
    killer.run(words, kill=False)
    store = CertificateStore(folder / "store")
    assert {path.read_bytes() for path in (folder / "store").glob("*.pem")} == known
    assert all(len(store.find(f"{name}@example.org")) == 1 for name in NAMES)


def _is_identity(path: Path) -> bool:
    return len(load_identities(path.read_bytes())) == 1


def _is_certificate(path: Path) -> bool:
    return len(load_certificates(path.read_bytes())) == 1


def _is_mail(path: Path) -> bool:
    return MARK not in path.read_bytes() and WRITERS["encrypt"].whole(path.parents[1], path.read_bytes())


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (
            ("identity", "new", "dora@example.org", "--type", "p256", "-o", "new/dora"),
            {"dora.key": _is_identity, "dora.pem": _is_certificate},
        ),
        (
            ("encrypt", "--certs", "certificates", "letter.eml", "-o", "new"),
            {"1.eml": _is_mail, "envelopes.json": lambda path: path.read_bytes().endswith(b"]\n")},
        ),
    ],
    ids=["identity new", "encrypt into a folder"],
)
def test_new_files_are_whole(
    commands: Commands, folder: Path, words: tuple[str, ...], kinds: dict[str, Callable[[Path], bool]]
) -> None:
    """A file that was not there before has its name when it is complete, or never."""
    killer = Killer(commands, folder, words[0])
    shutil.rmtree(folder / "new", ignore_errors=True)
    (folder / "new").mkdir()
    killer.run(words, kill=False)
    assert {path.name for path in (folder / "new").iterdir()} == kinds.keys()
    while killer.kills < KILLS:
        shutil.rmtree(folder / "new")
        (folder / "new").mkdir()
        killer.run(words, kill=True, named=killer.choose([True, False]))
        for path in (folder / "new").iterdir():
            if LEFTOVER.fullmatch(path.name):
                assert stat.S_IMODE(path.stat().st_mode) == 0o600 or b"PRIVATE KEY" not in path.read_bytes()
                assert MARK not in path.read_bytes()
                continue
            assert kinds[path.name](path), path.name
    shutil.rmtree(folder / "new")
