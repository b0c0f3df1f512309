"""Outputs: when they appear, what they replace, who may read them."""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest

from cli.files import PRIVATE, SHARED, WRITTEN_BACK, AtomicFile, Output, new_files
from cli.root import run
from cli.streams import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class _Accident(BaseException):
    """What may happen at any moment: a signal."""


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    previous = os.umask(0o027)
    yield
    os.umask(previous)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("permissions", "mode"), [(SHARED, 0o640), (PRIVATE, 0o600)])
def test_new_file(tmp_path: Path, permissions: int, mode: int) -> None:
    """A new file appears at the end of the block, with the permissions asked for less the umask."""
    path = tmp_path / "out.eml"
    with AtomicFile(str(path), permissions) as stream:
        stream.write(b"new")
        stream.flush()
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert _mode(path) == mode
    assert _names(tmp_path) == ["out.eml"]


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
    with AtomicFile(str(path)) as stream:
        for piece in data:
            stream.write(piece)
    assert path.read_bytes() == b"".join(data)
    ends = [start + size for start, size in hints]
    assert [start for start, _ in hints] == [0, *ends][: len(hints)]
    assert len(hints) == (sum(sizes) // WRITTEN_BACK if known else 0)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_replaced_file_hands_on_its_permissions(tmp_path: Path, mode: int) -> None:
    """A file that is replaced keeps its permissions, whatever those of a new one would be."""
    path = tmp_path / "out.eml"
    path.write_bytes(b"old")
    path.chmod(mode)
    with AtomicFile(str(path), PRIVATE) as stream:
        stream.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert _mode(path) == mode


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_replaced_file_hands_on_nothing_where_that_would_tell_a_secret(tmp_path: Path, mode: int) -> None:
    """What is secret gets its own permissions, whatever file it replaces."""
    path = tmp_path / "letter.key"
    path.write_bytes(b"old")
    path.chmod(mode)
    with AtomicFile(str(path), PRIVATE, inherit=False) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"new"
    assert _mode(path) == 0o600


def test_a_session_key_is_its_owner_s(provide: Callable[..., Path]) -> None:
    """The file that the command writes can be read by nobody else, new or not."""
    folder = provide("bob.key", "sealed.eml")
    path = folder / "letter.key"
    for _ in range(2):
        assert run(["session-key", "-i", "bob.key", "sealed.eml", "-o", "letter.key"]) == 0
        assert _mode(path) == 0o600
        path.chmod(0o644)


def test_unfinished_replacement_is_private(tmp_path: Path) -> None:
    """Until it takes its name, nobody else can read what replaces a readable file."""
    path = tmp_path / "out.eml"
    path.write_bytes(b"old")
    path.chmod(0o644)
    with AtomicFile(str(path)) as stream:
        assert stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == 0o600


def test_another_group_does_not_inherit(tmp_path: Path) -> None:
    """What one group may read is not handed on to another group that the new file happens to have."""
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    path = tmp_path / "out.eml"
    path.write_bytes(b"old")
    os.chown(path, -1, 12345)
    path.chmod(0o664)
    with AtomicFile(str(path)) as stream:
        stream.write(b"new")
    assert _mode(path) == 0o604


@pytest.mark.parametrize("accident", [ValueError, _Accident])
def test_failure_leaves_what_was_there(tmp_path: Path, accident: type[BaseException]) -> None:
    """A block that fails changes nothing and leaves nothing, however much it had written."""
    path = tmp_path / "out.eml"
    path.write_bytes(b"old")

    def fail() -> None:
        with AtomicFile(str(path)) as stream:
            stream.write(bytes(1 << 20))
            raise accident

    with pytest.raises(accident):
        fail()
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["out.eml"]


def test_failure_after_the_caller_closed_it(tmp_path: Path) -> None:
    """A stream that somebody closed within the block is a failure that leaves nothing."""
    with pytest.raises(ValueError, match="closed file"), AtomicFile(str(tmp_path / "out.eml")) as stream:
        stream.close()
    assert _names(tmp_path) == []


@pytest.mark.parametrize("exists", [True, False])
def test_symbolic_link_stays(tmp_path: Path, exists: bool) -> None:  # noqa: FBT001  # a parameter
    """A symbolic link stays; what it points to is replaced, or made if it points to nothing."""
    (tmp_path / "mails").mkdir()
    aim = tmp_path / "mails" / "real.eml"
    if exists:
        aim.write_bytes(b"old")
    link = tmp_path / "out.eml"
    link.symlink_to(aim)
    with AtomicFile(str(link)) as stream:
        stream.write(b"new")
    assert link.is_symlink()
    assert aim.read_bytes() == b"new"
    assert _names(tmp_path / "mails") == ["real.eml"]


def test_file_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that its owner protected is not replaced by way of its folder."""
    path = tmp_path / "out.eml"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write what nobody may
    with pytest.raises(PermissionError) as caught, AtomicFile(str(path)):
        pass
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("path", ["", "out/"])
def test_name_of_a_folder(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without a last part names no file."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IsADirectoryError), Output(path).open():
        pass
    assert _names(tmp_path) == []


def test_missing_folder_is_named(tmp_path: Path) -> None:
    """An error names the folder that is missing and not the temporary name."""
    with pytest.raises(FileNotFoundError) as caught, AtomicFile(str(tmp_path / "no" / "out.eml")):
        pass
    assert caught.value.filename == str(tmp_path / "no")


def test_link_to_itself(tmp_path: Path) -> None:
    """A symbolic link that leads nowhere is an error of the operating system, not an endless loop."""
    link = tmp_path / "out.eml"
    link.symlink_to(link)
    with pytest.raises(OSError, match=r"out\.eml"), Output(str(link)).open():
        pass
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("path", "transactional"),
    [(None, False), ("-", False), ("/dev/stdout", False), ("/dev/null", False), ("new.eml", True), (__file__, True)],
)
def test_transactional(path: str | None, transactional: bool) -> None:  # noqa: FBT001  # a parameter
    """Only a file undoes what was written to it; a stream and a device do not."""
    assert Output(path).transactional is transactional


def test_would_replace(tmp_path: Path) -> None:
    """An output is recognised as a file under any of its names; a device replaces nothing."""
    path = tmp_path / "bob.key"
    path.write_bytes(b"key")
    (tmp_path / "alias").symlink_to(path)
    assert Output(str(tmp_path / "alias")).would_replace(str(path))
    assert not Output(str(tmp_path / "other")).would_replace(str(path))
    assert not Output("/dev/null").would_replace("/dev/null")
    assert not Output(None).would_replace(str(path))


def test_errors_name_the_output() -> None:
    """A full disk is an error about the output, whether it shows in the middle or at the end."""
    for octets in (1, 1 << 20):
        with pytest.raises(OSError, match="/dev/full") as caught, Output("/dev/full").open() as target:
            target.write(bytes(octets))
        assert caught.value.filename == "/dev/full"


def test_source_counts_and_names() -> None:
    """A source tells where it is read and what failed."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            del size
            raise OSError(5, "Input/output error")

    source = Source(io.BytesIO(b"0123456789"), "letter.eml")
    counts: list[int] = []
    source.on_read = counts.append
    assert source.read(4) == b"0123"
    assert source.readinto(bytearray(4)) == 4
    assert source.position == 8
    assert source.seek(2) == 2
    assert source.read() == b"23456789"
    assert (counts, source.position, source.size) == ([4, 4, 8], 10, None)
    with pytest.raises(OSError, match=r"letter\.eml"):
        Source(Broken(), "letter.eml").read(1)


def test_source_is_the_stream_it_stands_for(tmp_path: Path) -> None:
    """Whoever is given a source finds the regular file behind it."""
    path = tmp_path / "letter.eml"
    path.write_bytes(b"To: bob\n\nx\n")
    with path.open("rb") as file:
        source = Source(cast("BinaryIO", file), "letter.eml").stream
        assert source.seekable()
        assert source.fileno() == file.fileno()
        assert list(source) == [b"To: bob\n", b"\n", b"x\n"]
        assert Source(cast("BinaryIO", file), "letter.eml").size == 11


def test_new_files(tmp_path: Path) -> None:
    """New files have their permissions from the first moment on."""
    key, certificate = tmp_path / "d.key", tmp_path / "d.pem"
    with new_files((str(key), PRIVATE), (str(certificate), SHARED)) as (first, second):
        assert (_mode(key), _mode(certificate)) == (0o600, 0o640)
        first.write(b"key")
        second.write(b"certificate")
    assert (key.read_bytes(), certificate.read_bytes()) == (b"key", b"certificate")


@pytest.mark.parametrize("accident", [ValueError, _Accident])
def test_new_files_all_or_none(tmp_path: Path, accident: type[BaseException]) -> None:
    """A block that fails leaves none of its files."""

    def fail() -> None:
        with new_files((str(tmp_path / "a"), PRIVATE), (str(tmp_path / "b"), PRIVATE)) as (first, _):
            first.write(b"x")
            raise accident

    with pytest.raises(accident):
        fail()
    assert _names(tmp_path) == []


@pytest.mark.parametrize("existing", ["a", "b"])
def test_new_files_overwrite_nothing(tmp_path: Path, existing: str) -> None:
    """If one of them exists, even as a link to nothing, it stays and the others are not made."""
    (tmp_path / existing).symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError) as caught, new_files(*((str(tmp_path / n), PRIVATE) for n in "ab")):
        pass
    assert caught.value.filename == str(tmp_path / existing)
    assert _names(tmp_path) == [existing]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no files without a name")
def test_what_is_not_finished_has_no_name(tmp_path: Path) -> None:
    """A process that is killed while it writes leaves nothing behind: until the end there is no file to find."""
    path = tmp_path / "letter.eml"
    with AtomicFile(str(path), PRIVATE) as stream:
        stream.write(b"not proven yet")
        stream.flush()
        assert _names(tmp_path) == []
    assert _names(tmp_path) == ["letter.eml"]


def test_a_system_without_nameless_files_is_served_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no files without a name, one with a made-up name takes their place."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "letter.eml"
    with AtomicFile(str(path), PRIVATE) as stream:
        stream.write(b"new")
        assert len(_names(tmp_path)) == 1
    assert (_names(tmp_path), path.read_bytes()) == (["letter.eml"], b"new")


def test_a_failure_leaves_nothing_there_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file with a made-up name goes, and the one that was to be replaced stays."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "letter.eml"
    path.write_bytes(b"old")
    file = AtomicFile(str(path), PRIVATE)
    file.__enter__().write(b"not proven")
    assert len(_names(tmp_path)) == 2
    file.__exit__(KeyError, KeyError(), None)
    assert (_names(tmp_path), path.read_bytes()) == (["letter.eml"], b"old")
