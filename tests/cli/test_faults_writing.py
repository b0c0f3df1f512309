"""Whatever goes wrong around a command that writes a file: the old file stays, or the new one is whole."""

from __future__ import annotations

import os
import random
import shutil
import signal
import stat
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import pytest

from smime_session import MODERN, encrypt, load_certificates
from tests.support.forking import Commands
from tests.support.writers import LETTER, MARK, WRITERS, make_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.forking import Done

LARGE: Final = [name for name in WRITERS if name not in {"session-key", "certs find", "revoke"}]
STREAMED: Final = [name for name in WRITERS if name != "revoke"]  # whose output is a list that grows
READING: Final = ["decrypt", "decrypt compat", "rewrap", "reseal", "session-key", "verify"]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """Return what runs commands."""
    with Commands(tmp_path_factory.mktemp("streams")) as found:
        yield found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with what the commands read."""
    folder = tmp_path_factory.mktemp("faults")
    make_all(folder)
    return folder


@pytest.fixture
def folder(made: Path) -> Iterator[Path]:
    """Return that folder, with an empty one for what is written."""
    (made / "out").mkdir()
    yield made
    shutil.rmtree(made / "out")


def _old(folder: Path, name: str, target: str = "out/result") -> Path:
    shutil.copyfile(folder / WRITERS[name].old, folder / target)
    return folder / target


def _failed(done: Done, words: str) -> None:
    assert done.status == 1, done.words
    assert done.words.startswith("Error: "), done.words
    assert words in done.words
    assert done.words.count("\n") == 1


def _unchanged(folder: Path, name: str, target: Path) -> None:
    """Check that the old file is there and nothing else."""
    assert target.read_bytes() == (folder / WRITERS[name].old).read_bytes()
    assert list(target.parent.iterdir()) == [target]


@contextmanager
def _disk(folder: Path) -> Iterator[Path]:
    """Make a small disk; skip where it cannot be made."""
    disk = folder / "out"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("a small disk cannot be mounted: the limit of a file's size takes its place")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("name", LARGE)
def test_a_full_disk(commands: Commands, folder: Path, name: str) -> None:
    """It ends the command, and the old file is as it was."""
    with _disk(folder):
        target = _old(folder, name)
        _failed(commands.run(folder, WRITERS[name].words("out/result")), "result: no space left on device")
        _unchanged(folder, name, target)


@pytest.mark.parametrize("name", LARGE)
def test_a_limit_of_the_size_of_files(commands: Commands, folder: Path, name: str) -> None:
    """Is as a full disk."""
    target = _old(folder, name)
    _failed(commands.run(folder, WRITERS[name].words("out/result"), faults=["small files"]), "file too large")
    _unchanged(folder, name, target)


@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_file_system(commands: Commands, folder: Path, name: str) -> None:
    """Is told with its folder, before or after the work."""
    with _disk(folder) as disk:
        target = _old(folder, name)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        _failed(commands.run(folder, WRITERS[name].words("out/result")), "out")
        _unchanged(folder, name, target)


@pytest.mark.parametrize("name", LARGE)
def test_a_reader_that_goes_away(commands: Commands, folder: Path, name: str) -> None:
    """As ``head -c 1`` does: the command ends without a word."""
    pipe = folder / "out" / "pipe"
    os.mkfifo(pipe)

    def read_one(_process: int) -> None:
        with pipe.open("rb", buffering=0) as reader:
            assert len(reader.read(1)) == 1

    done = commands.run(folder, WRITERS[name].words("-"), stdout=str(pipe), meanwhile=read_one)
    assert (done.status, done.words) == (1, "")


def _content(pipe: Path) -> tuple[threading.Thread, list[bytes]]:
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    thread.start()
    return thread, found


@pytest.mark.parametrize("name", STREAMED)
def test_devices_and_pipes_are_written_into(commands: Commands, folder: Path, name: str) -> None:
    """``/dev/full`` is an error, ``/dev/null`` none, and ``/dev/stdout`` and a FIFO get the result and no more."""
    writer = WRITERS[name]
    _failed(commands.run(folder, writer.words("/dev/full")), "/dev/full: no space left on device")
    assert commands.run(folder, writer.words("/dev/null")).status == 0
    done = commands.run(folder, writer.words("/dev/stdout"))
    assert done.status == 0
    assert writer.whole(folder, done.stdout)
    pipe = folder / "out" / "pipe"
    os.mkfifo(pipe)
    thread, found = _content(pipe)
    assert commands.run(folder, writer.words("out/pipe")).status == 0
    thread.join()
    assert writer.whole(folder, found[0])
    assert pipe.is_fifo()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", WRITERS)
def test_a_signal_at_any_moment(commands: Commands, folder: Path, name: str, number: signal.Signals) -> None:
    """It leaves the old file or the new one, nothing else, and says so in a line."""
    target, chance = _old(folder, name), random.Random(name)  # noqa: S311  # when
    temporary = folder / "out" / "temporary"
    temporary.mkdir()
    pipe = WRITERS[name].source

    def interrupt(process: int) -> None:
        time.sleep(chance.random() * 0.1)
        os.kill(process, number)

    done = commands.run(
        folder,
        WRITERS[name].words("out/result", piped=pipe is not None),
        pipe=pipe and str(folder / pipe),
        meanwhile=interrupt,
        environment={"TMPDIR": str(temporary)},
    )
    assert done.status in {0, 128 + number, -number}, done.words
    if done.status > 0:
        assert done.words == f"Error: {'interrupted' if number == signal.SIGINT else 'terminated'}\n"
    for left in temporary.iterdir():  # with it Python tries whether a folder can be written, for an instant
        assert left.read_bytes() in {b"", b"blat"}
    shutil.rmtree(temporary)
    if WRITERS[name].whole(folder, target.read_bytes()):
        assert list(target.parent.iterdir()) == [target]
    else:
        _unchanged(folder, name, target)


@pytest.mark.parametrize("name", [name for name in WRITERS if WRITERS[name].source])
def test_no_folder_for_temporary_files(commands: Commands, folder: Path, name: str) -> None:
    """A command that must keep a copy of what comes through a pipe says that it cannot; encrypting keeps none."""
    target, writer = _old(folder, name), WRITERS[name]
    pipe = str(folder / str(writer.source))
    done = commands.run(folder, writer.words("out/result", piped=True), pipe=pipe, faults=["no temporary folder"])
    if name.startswith("encrypt"):
        assert done.status == 0
        assert writer.whole(folder, target.read_bytes())
    else:
        _failed(done, "no usable temporary directory")
        _unchanged(folder, name, target)
    assert commands.run(folder, writer.words("out/result"), faults=["no temporary folder"]).status == 0


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
@pytest.mark.parametrize("name", WRITERS)
def test_permissions_follow_the_umask(commands: Commands, folder: Path, name: str, umask: int) -> None:
    """A new file has them less the umask; what is private is for its owner alone; other files keep what they had."""
    writer, new = WRITERS[name], folder / "out" / "new"
    wanted = 0o600 if writer.private else 0o666
    assert commands.run(folder, writer.words("out/new"), umask=umask).status == 0
    assert stat.S_IMODE(new.stat().st_mode) == wanted & ~umask
    if umask == 0o077:
        target = _old(folder, name)
        target.chmod(0o640)
        assert commands.run(folder, writer.words("out/result"), umask=umask).status == 0
        assert stat.S_IMODE(target.stat().st_mode) == (0o600 if writer.private else 0o640)


@pytest.mark.parametrize("name", WRITERS)
def test_symbolic_links_stay(commands: Commands, folder: Path, name: str) -> None:
    """What they point to is replaced, or made if it is not there; a link that ends nowhere is an error."""
    writer, out = WRITERS[name], folder / "out"
    (out / "elsewhere").mkdir()
    _old(folder, name, "out/elsewhere/old")
    for link, points_to in (("first", "elsewhere/old"), ("second", "elsewhere/new")):
        (out / link).symlink_to(points_to)
        assert commands.run(folder, writer.words(f"out/{link}")).status == 0
        assert os.readlink(out / link) == points_to  # noqa: PTH115  # as it stands
        assert writer.whole(folder, (out / link).read_bytes())
    assert sorted(path.name for path in (out / "elsewhere").iterdir()) == ["new", "old"]
    (out / "loop").symlink_to("loop")
    _failed(commands.run(folder, writer.words("out/loop")), "out/loop: too many levels of symbolic links")
    (out / "nowhere").symlink_to("missing/file")
    _failed(commands.run(folder, writer.words("out/nowhere")), "no such file or directory")
    assert sorted(path.name for path in out.iterdir()) == ["elsewhere", "first", "loop", "nowhere", "second"]


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        for _ in range(50):
            file.write(path.read_bytes()[-50_000:])


def _overwrite(path: Path) -> None:
    folder = path.parents[1]
    other = encrypt(
        LETTER.replace(MARK, MARK.swapcase()), load_certificates((folder / "bob.pem").read_bytes()), profile=MODERN
    )
    with path.open("r+b") as file:
        file.write(other)


@pytest.mark.parametrize("change", [_truncate, _grow, _overwrite])
@pytest.mark.parametrize("name", READING)
def test_a_message_that_changes_while_it_is_read(
    commands: Commands, folder: Path, name: str, change: Callable[[Path], None]
) -> None:
    """Either it was read before, or it is refused: never is a mixture written."""
    target, writer, chance = _old(folder, name), WRITERS[name], random.Random(name)  # noqa: S311  # when
    source = folder / "out" / "source"
    shutil.copyfile(folder / str(writer.source), source)

    def meanwhile(_process: int) -> None:
        time.sleep(chance.random() * 0.03)
        change(source)

    done = commands.run(folder, writer._replace(source="out/source").words("out/result"), meanwhile=meanwhile)
    data = target.read_bytes()
    source.unlink()
    if done.status:
        assert done.status == 1, done.words
        assert done.words.startswith("Error: ") or (name == "verify" and b"broken" in done.stdout), done.words
        _unchanged(folder, name, target)
    elif change is _overwrite and name != "verify":
        assert not (MARK in data and MARK.swapcase() in data)
        assert target.stat().st_size
    else:
        assert writer.whole(folder, data)


NEW: Final = {
    "identity new": ("identity", "new", "dora@example.org", "--type", "p256", "-o", "out/dora"),
    "identity new-ca": ("identity", "new-ca", "Example CA", "--type", "p256", "-o", "out/ca"),
    "identity request": ("identity", "request", "dora@example.org", "--type", "p256", "-o", "out/dora"),
    "encrypt into a folder": ("encrypt", "--certs", "certificates", "letter.eml", "-o", "out"),
    "certs add": ("certs", "add", "out", "alice.pem", "bob.pem"),
}


@pytest.mark.parametrize("name", NEW)
def test_new_files_on_a_full_disk(commands: Commands, folder: Path, name: str) -> None:
    """None of them is there, and nothing else either; with room for them, the same command makes them."""
    with _disk(folder) as disk:
        filling = disk / "filling"
        with suppress(OSError), filling.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        _failed(commands.run(folder, NEW[name]), "no space left on device")
        assert [path.name for path in disk.iterdir() if path.name != ".smime-session"] == ["filling"]
        filling.unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        assert commands.run(folder, NEW[name]).status == 0
        assert len([path for path in disk.iterdir() if path.name != ".smime-session"]) == 2


@pytest.mark.parametrize("umask", [0, 0o077])
@pytest.mark.parametrize("name", NEW)
def test_new_files_follow_the_umask(commands: Commands, folder: Path, name: str, umask: int) -> None:
    """A private key is its owner's alone; the rest is for all, less the umask; what exists is never replaced."""
    assert commands.run(folder, NEW[name], umask=umask).status == 0
    for path in (path for path in (folder / "out").iterdir() if path.is_file()):
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if path.suffix == ".key" else 0o666 & ~umask)
    before = {path.name: path.read_bytes() for path in (folder / "out").iterdir() if path.is_file()}
    done = commands.run(folder, NEW[name])
    assert done.status == int(name != "certs add"), done.words
    assert {path.name: path.read_bytes() for path in (folder / "out").iterdir() if path.is_file()} == before
