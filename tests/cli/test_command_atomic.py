"""Files that take their name when they are complete, and what a process that was killed leaves."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from cli.atomic import WRITTEN_BACK, AtomicFile, remove_leftovers
from cli.files import PRIVATE, SHARED
from tests.support.folders import Accident, mode, names

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("umask")

NAMELESS: Final = pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no files without a name")


@pytest.mark.parametrize(("permissions", "bits"), [(SHARED, 0o640), (PRIVATE, 0o600)])
def test_new_file(tmp_path: Path, permissions: int, bits: int) -> None:
    """A new file appears at the end of the block, with the permissions asked for less the umask."""
    path = tmp_path / "out.eml"
    with AtomicFile(str(path), permissions) as stream:
        stream.write(b"new")
        stream.flush()
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert mode(path) == bits
    assert names(tmp_path) == ["out.eml"]


@pytest.mark.parametrize("sizes", [(WRITTEN_BACK - 1,), (WRITTEN_BACK,), (5, WRITTEN_BACK, 7, WRITTEN_BACK + 1, 100)])
@pytest.mark.parametrize("known", [True, False])
def test_large_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sizes: tuple[int, ...], *, known: bool) -> None:
    """What sets out for the disk early is all there, on a system that knows no such hint too."""
    hints: list[tuple[int, int]] = []
    if known:
        monkeypatch.setattr(
            os, "posix_fadvise", lambda _, start, size, _advice: hints.append((start, size)), raising=False
        )
    else:
        monkeypatch.delattr(os, "posix_fadvise", raising=False)
    monkeypatch.setattr(os, "POSIX_FADV_DONTNEED", 4, raising=False)
    path = tmp_path / "out.eml"
    data = [bytes((number,)) * size for number, size in enumerate(sizes)]
    with AtomicFile(str(path), SHARED) as stream:
        for piece in data:
            stream.write(piece)
    assert path.read_bytes() == b"".join(data)
    ends = [start + size for start, size in hints]
    assert [start for start, _ in hints] == [0, *ends][: len(hints)]
    assert len(hints) == (sum(sizes) // WRITTEN_BACK if known else 0)


@pytest.mark.parametrize("bits", [0o600, 0o644, 0o666])
def test_replaced_file_hands_on_its_permissions(tmp_path: Path, bits: int) -> None:
    """A file that is replaced keeps its permissions, whatever those of a new one would be."""
    path = tmp_path / "out.eml"
    path.write_bytes(b"old")
    path.chmod(bits)
    with AtomicFile(str(path), PRIVATE) as stream:
        stream.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert mode(path) == bits


@pytest.mark.parametrize("bits", [0o600, 0o644, 0o666])
def test_replaced_file_hands_on_nothing_where_that_would_tell_a_secret(tmp_path: Path, bits: int) -> None:
    """What is secret gets its own permissions, whatever file it replaces."""
    path = tmp_path / "letter.key"
    path.write_bytes(b"old")
    path.chmod(bits)
    with AtomicFile(str(path), PRIVATE, inherit=False) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600


def test_unfinished_replacement_is_private(tmp_path: Path) -> None:
    """Until it takes its name, nobody else can read what replaces a readable file."""
    path = tmp_path / "out.eml"
    path.write_bytes(b"old")
    path.chmod(0o644)
    with AtomicFile(str(path), SHARED) as stream:
        assert stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == 0o600


def test_another_group_does_not_inherit(tmp_path: Path) -> None:
    """What one group may read is not handed on to another group that the new file happens to have."""
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    path = tmp_path / "out.eml"
    path.write_bytes(b"old")
    os.chown(path, -1, 12345)
    path.chmod(0o664)
    with AtomicFile(str(path), SHARED) as stream:
        stream.write(b"new")
    assert mode(path) == 0o604


@pytest.mark.parametrize("accident", [ValueError, Accident])
def test_failure_leaves_what_was_there(tmp_path: Path, accident: type[BaseException]) -> None:
    """A block that fails changes nothing and leaves nothing, however much it had written."""
    path = tmp_path / "out.eml"
    path.write_bytes(b"old")

    def fail() -> None:
        with AtomicFile(str(path), SHARED) as stream:
            stream.write(bytes(1 << 20))
            raise accident

    with pytest.raises(accident):
        fail()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["out.eml"]


def test_failure_after_the_caller_closed_it(tmp_path: Path) -> None:
    """A stream that somebody closed within the block is a failure that leaves nothing."""
    with pytest.raises(ValueError, match="closed file"), AtomicFile(str(tmp_path / "out.eml"), SHARED) as stream:
        stream.close()
    assert names(tmp_path) == []


@pytest.mark.parametrize("exists", [True, False])
def test_symbolic_link_stays(tmp_path: Path, exists: bool) -> None:  # noqa: FBT001  # a parameter
    """A symbolic link stays; what it points to is replaced, or made if it points to nothing."""
    (tmp_path / "mails").mkdir()
    aim = tmp_path / "mails" / "real.eml"
    if exists:
        aim.write_bytes(b"old")
    link = tmp_path / "out.eml"
    link.symlink_to(aim)
    with AtomicFile(str(link), SHARED) as stream:
        stream.write(b"new")
    assert link.is_symlink()
    assert aim.read_bytes() == b"new"
    assert names(tmp_path / "mails") == ["real.eml"]


def test_file_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that its owner protected is not replaced by way of its folder."""
    path = tmp_path / "out.eml"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write what nobody may
    with pytest.raises(PermissionError) as caught, AtomicFile(str(path), SHARED):
        pass
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"


def test_missing_folder_is_named(tmp_path: Path) -> None:
    """An error names the folder that is missing and not the temporary name."""
    with pytest.raises(FileNotFoundError) as caught, AtomicFile(str(tmp_path / "no" / "out.eml"), SHARED):
        pass
    assert caught.value.filename == str(tmp_path / "no")


@NAMELESS
def test_what_is_not_finished_has_no_name(tmp_path: Path) -> None:
    """A process that is killed while it writes leaves nothing behind: until the end there is no file to find."""
    path = tmp_path / "letter.eml"
    with AtomicFile(str(path), PRIVATE) as stream:
        stream.write(b"not proven yet")
        stream.flush()
        assert names(tmp_path) == []
    assert names(tmp_path) == ["letter.eml"]


def test_a_system_without_nameless_files_is_served_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no files without a name, one with a made-up name takes their place."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "letter.eml"
    with AtomicFile(str(path), PRIVATE) as stream:
        stream.write(b"new")
        assert len(names(tmp_path)) == 1
    assert (names(tmp_path), path.read_bytes()) == (["letter.eml"], b"new")


def test_a_failure_leaves_nothing_there_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file with a made-up name goes, and the one that was to be replaced stays."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "letter.eml"
    path.write_bytes(b"old")
    file = AtomicFile(str(path), PRIVATE)
    file.__enter__().write(b"not proven")
    assert len(names(tmp_path)) == 2
    file.__exit__(KeyError, KeyError(), None)
    assert (names(tmp_path), path.read_bytes()) == (["letter.eml"], b"old")


_KILLED: Final = """
import os, signal, sys
from smime_session_cli.atomic import AtomicFile

def then_die(call):
    def die(*arguments, **others):
        if sys.argv[2] == "after":
            call(*arguments, **others)
        os.kill(os.getpid(), signal.SIGKILL)
    return die

setattr(os, sys.argv[1], then_die(getattr(os, sys.argv[1])))
with AtomicFile("letter.eml", 0o600, inherit=False) as stream:
    stream.write(b"new")
"""


def _killed(folder: Path, call: str, when: str) -> None:
    """Write ``letter.eml`` in a process that is killed right before or after one call of the system."""
    done = subprocess.run([sys.executable, "-c", _KILLED, call, when], cwd=folder, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL


def _replace(path: Path) -> None:
    """Replace a file as the next process does."""
    remove_leftovers.cache_clear()
    with AtomicFile(str(path), PRIVATE) as stream:
        stream.write(b"newer")


@NAMELESS
@pytest.mark.parametrize(("when", "left"), [("before", []), ("after", ["letter.eml"])])
def test_a_new_file_has_never_another_name(tmp_path: Path, when: str, left: list[str]) -> None:
    """A process that is killed while a new file gets its name leaves the file or nothing."""
    _killed(tmp_path, "link", when)
    assert names(tmp_path) == left
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"] * len(left)


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """A process that is killed while it replaces a file leaves the old one and a copy, which the next one removes."""
    path = tmp_path / "letter.eml"
    path.write_bytes(b"old")
    _killed(tmp_path, "replace", "before")
    assert path.read_bytes() == b"old"
    (left,) = set(names(tmp_path)) - {"letter.eml"}
    assert mode(tmp_path / left) == 0o600
    _replace(path)
    assert (names(tmp_path), path.read_bytes()) == (["letter.eml"], b"newer")


@pytest.mark.parametrize("nameless", [True, False])
def test_what_is_being_written_is_no_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, nameless: bool
) -> None:
    """What another process has not finished stays: while it is written, and between its link and its rename."""
    first, second = tmp_path / "first.eml", tmp_path / "second.eml"
    first.write_bytes(b"old")
    second.write_bytes(b"old")
    rename = os.replace
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)

    def interrupted(*paths: str) -> None:
        monkeypatch.setattr(os, "replace", rename)
        _replace(second)
        rename(*paths)

    with AtomicFile(str(first), PRIVATE) as stream:
        stream.write(b"new")
        stream.flush()
        _replace(second)
        monkeypatch.setattr(os, "replace", interrupted)
    assert (first.read_bytes(), second.read_bytes()) == (b"new", b"newer")
    assert names(tmp_path) == ["first.eml", "second.eml"]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    """Nothing is removed but regular files with such names that are not locked."""
    path, name = tmp_path / "letter.eml", ".smime-session-0123456789abcde{}.tmp"
    path.write_bytes(b"old")
    kept = [".0123456789abcdef.tmp", "letter.tmp", name.format("") + "x", "x" + name.format(0), name.format("G")]
    for each in kept:
        (tmp_path / each).write_bytes(b"kept")
    (tmp_path / name.format(1)).symlink_to(tmp_path / "letter.tmp")
    (tmp_path / name.format(2)).mkdir()
    os.mkfifo(tmp_path / name.format(3))
    reader = os.open(tmp_path / name.format(3), os.O_RDONLY | os.O_NONBLOCK)
    (tmp_path / name.format(4)).write_bytes(b"left")
    _replace(path)
    os.close(reader)
    assert names(tmp_path) == sorted([*kept, *(name.format(number) for number in (1, 2, 3)), "letter.eml"])


def test_without_locks_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files cannot be locked, nothing tells a leftover from what is being written, and files are replaced."""
    path = tmp_path / "letter.eml"
    path.write_bytes(b"old")
    left = tmp_path / ".smime-session-0123456789abcdef.tmp"
    left.write_bytes(b"left?")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    _replace(path)
    assert (names(tmp_path), path.read_bytes()) == ([left.name, "letter.eml"], b"newer")


def test_a_file_that_was_taken_for_a_leftover_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another process removes a file after it was made and before it was locked, another one takes its place."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    made: list[list[str]] = []

    def lock(*_: int) -> None:
        made.append(names(tmp_path))
        if len(made) == 1:
            (tmp_path / made[0][0]).unlink()

    monkeypatch.setattr(fcntl, "flock", lock)
    with AtomicFile(str(tmp_path / "letter.eml"), PRIVATE) as stream:
        stream.write(b"new")
    assert names(tmp_path) == ["letter.eml"]
    assert [len(each) for each in made] == [1, 1]


@NAMELESS
def test_a_name_that_was_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    """A file that appears while another of that name is written is replaced, as it is by a rename."""
    path = tmp_path / "letter.eml"
    with AtomicFile(str(path), PRIVATE) as stream:
        stream.write(b"new")
        path.write_bytes(b"meanwhile")
    assert (names(tmp_path), path.read_bytes()) == (["letter.eml"], b"new")


def test_errors_name_the_file_that_is_written(tmp_path: Path) -> None:
    """If a file cannot take its name, the error is about that name."""
    path = tmp_path / "letter.eml"
    with pytest.raises(IsADirectoryError) as caught, AtomicFile(str(path), PRIVATE):
        path.mkdir()
    assert (caught.value.filename, caught.value.filename2) == (str(path), None)
    assert names(tmp_path) == ["letter.eml"]
