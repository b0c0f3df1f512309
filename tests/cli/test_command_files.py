"""Outputs: when they appear, what they replace, who may read them."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest

from cli.files import PRIVATE, SHARED, Output, new_files
from cli.root import run
from cli.streams import Source
from tests.support.folders import Accident, mode, names

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("umask")


def test_a_session_key_is_its_owner_s(provide: Callable[..., Path]) -> None:
    """The file that the command writes can be read by nobody else, new or not."""
    folder = provide("bob.key", "sealed.eml")
    path = folder / "letter.key"
    for _ in range(2):
        assert run(["session-key", "-i", "bob.key", "sealed.eml", "-o", "letter.key"]) == 0
        assert mode(path) == 0o600
        path.chmod(0o644)


@pytest.mark.parametrize("path", ["", "out/"])
def test_name_of_a_folder(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without a last part names no file."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IsADirectoryError), Output(path).open():
        pass
    assert names(tmp_path) == []


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
    """New files have their names when they are complete, and their permissions from the first moment on."""
    key, certificate = tmp_path / "d.key", tmp_path / "d.pem"
    with new_files((str(key), PRIVATE), (str(certificate), SHARED)) as (first, second):
        assert [stat.S_IMODE(os.fstat(each.fileno()).st_mode) for each in (first, second)] == [0o600, 0o640]
        first.write(b"key")
        second.write(b"certificate")
        assert not key.exists()
    assert (mode(key), mode(certificate)) == (0o600, 0o640)
    assert (key.read_bytes(), certificate.read_bytes()) == (b"key", b"certificate")


@pytest.mark.parametrize("accident", [ValueError, Accident])
def test_new_files_all_or_none(tmp_path: Path, accident: type[BaseException]) -> None:
    """A block that fails leaves none of its files."""

    def fail() -> None:
        with new_files((str(tmp_path / "a"), PRIVATE), (str(tmp_path / "b"), PRIVATE)) as (first, _):
            first.write(b"x")
            raise accident

    with pytest.raises(accident):
        fail()
    assert names(tmp_path) == []


@pytest.mark.parametrize("existing", ["a", "b"])
def test_new_files_overwrite_nothing(tmp_path: Path, existing: str) -> None:
    """If one of them exists, even as a link to nothing, it stays and the others are not made."""
    (tmp_path / existing).symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError) as caught, new_files(*((str(tmp_path / n), PRIVATE) for n in "ab")):
        pass
    assert caught.value.filename == str(tmp_path / existing)
    assert names(tmp_path) == [existing]


def _no_link(*_: object, **__: object) -> None:
    raise PermissionError(errno.EPERM, "no links here")


@pytest.mark.parametrize("ways", ["nameless", "named", "without links"])
@pytest.mark.parametrize("taken", [True, False])
def test_new_files_on_any_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ways: str, *, taken: bool
) -> None:
    """A name that was taken meanwhile stays with its file, and no other new file is there then."""
    if ways != "nameless":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    if ways == "without links":
        monkeypatch.setattr(os, "link", _no_link)
    path, other = tmp_path / "d.key", tmp_path / "d.pem"
    with contextlib.ExitStack() as stack:
        if taken:
            stack.enter_context(pytest.raises(FileExistsError, match=r"d\.pem"))
        first, second = stack.enter_context(new_files((str(path), PRIVATE), (str(other), SHARED)))
        first.write(b"key")
        second.write(b"certificate")
        if taken:
            other.write_bytes(b"another's")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == (
        {"d.pem": b"another's"} if taken else {"d.key": b"key", "d.pem": b"certificate"}
    )
    assert taken or mode(path) == 0o600
