"""Sources that are read twice."""

from __future__ import annotations

import os
import tempfile
from io import BytesIO, RawIOBase
from typing import TYPE_CHECKING, cast

import pytest

from smime_session.errors import MalformedError
from smime_session.streams.sources import BLOCK_SIZE, SPOOL_MEMORY, Replay, is_seekable

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

SIZES = [
    0,
    1,
    BLOCK_SIZE - 1,
    BLOCK_SIZE,
    BLOCK_SIZE + 1,
    2 * BLOCK_SIZE,
    SPOOL_MEMORY - 1,
    SPOOL_MEMORY,
    SPOOL_MEMORY + 1,
    2 * SPOOL_MEMORY,
]


class Pipe(RawIOBase):
    """A file that cannot seek and hands out at most ``step`` octets at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self.data = memoryview(data)
        self.step = step

    def seekable(self) -> bool:
        """Say no."""
        return False

    def read(self, size: int = -1) -> bytes:
        """Return the next few octets."""
        taken = min(self.step, size if size >= 0 else self.step)
        piece, self.data = self.data[:taken], self.data[taken:]
        return bytes(piece)


def pipe(data: bytes, step: int = 5000) -> BinaryIO:
    return cast("BinaryIO", Pipe(data, step))


def drain(replay: Replay) -> list[bytes]:
    return [bytes(block) for block in iter(replay.read_block, b"")]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["bytes", "file", "pipe"])
def test_every_pass_sees_the_same_blocks(kind: str, size: int) -> None:
    """Whatever the source, each pass returns all octets in the same blocks."""
    data = os.urandom(size)
    sources: dict[str, bytes | BinaryIO] = {"bytes": data, "file": BytesIO(data), "pipe": pipe(data)}
    with Replay(sources[kind]) as replay:
        first = drain(replay)
        assert b"".join(first) == data
        for _ in range(2):
            replay.rewind()
            assert drain(replay) == first
            assert not replay.read_block()
    assert all(len(block) == BLOCK_SIZE for block in first[:-1])


def test_octets_in_memory_are_not_copied() -> None:
    """Blocks of a bytes object are views of it."""
    data = bytes(BLOCK_SIZE + 1)
    block = Replay(data).read_block()
    assert isinstance(block, memoryview)
    assert block.obj is data


def test_a_file_is_read_from_where_it_stood() -> None:
    """Octets before the file's position belong to the caller, in both passes."""
    file = BytesIO(b"before|after")
    file.seek(7)
    replay = Replay(file)
    assert drain(replay) == [b"after"]
    replay.rewind()
    assert drain(replay) == [b"after"]


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_a_pass_may_be_left_early(kind: str) -> None:
    """Rewinding after one block of three still replays all of them."""
    data = os.urandom(3 * BLOCK_SIZE)
    replay = Replay(BytesIO(data) if kind == "file" else pipe(data))
    assert replay.read_block() == data[:BLOCK_SIZE]
    replay.rewind()
    assert b"".join(drain(replay)) == data


@pytest.mark.parametrize("size", [1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE])
@pytest.mark.parametrize("change", ["first octet", "last octet", "shorter", "longer", "much longer", "empty"])
def test_a_change_between_the_passes_is_noticed(tmp_path: Path, size: int, change: str) -> None:
    """A file whose octets or size changed is refused before the changed block is handed out."""
    data = os.urandom(size)
    changed = {
        "first octet": bytes((data[0] ^ 1,)) + data[1:],
        "last octet": data[:-1] + bytes((data[-1] ^ 1,)),
        "shorter": data[:-1],
        "longer": data + b"x",
        "much longer": data + bytes(BLOCK_SIZE),
        "empty": b"",
    }[change]
    path = tmp_path / "message"
    path.write_bytes(data)
    seen: list[bytes] = []
    with path.open("rb") as file, Replay(file) as replay:
        drain(replay)
        path.write_bytes(changed)
        replay.rewind()
        with pytest.raises(MalformedError, match="changed while it was being read"):
            seen.extend(bytes(block) for block in iter(replay.read_block, b""))
    assert data.startswith(b"".join(seen))


def test_two_blocks_cannot_change_places() -> None:
    """The place of a block is part of its proof."""
    one, two = os.urandom(BLOCK_SIZE), os.urandom(BLOCK_SIZE)
    file = BytesIO(one + two)
    replay = Replay(file)
    drain(replay)
    file.seek(0)
    file.write(two + one)
    replay.rewind()
    with pytest.raises(MalformedError, match="changed while"):
        replay.read_block()


def test_a_pipe_is_kept_without_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a large pipe delivers goes to a file that no folder lists and that closing frees."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    replay = Replay(pipe(bytes(2 * SPOOL_MEMORY)))
    drain(replay)
    assert replay._spool is not None
    kept = replay._spool._file
    assert not isinstance(kept, BytesIO)
    assert list(tmp_path.iterdir()) == []
    replay.close()
    assert kept.closed


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_the_callers_source_stays_open(kind: str) -> None:
    """Closing drops what was kept and nothing else."""
    source = BytesIO(b"x") if kind == "file" else pipe(b"x")
    with Replay(source) as replay:
        drain(replay)
    assert not source.closed


def test_a_single_pass_keeps_nothing() -> None:
    """Without replaying, a pipe's short reads come as they are and nothing is spooled or tagged."""
    replay = Replay(pipe(b"abcdef", step=2), replayable=False)
    assert drain(replay) == [b"ab", b"cd", b"ef"]
    assert replay._spool is None
    assert replay._tags is None


def test_a_single_pass_cannot_be_rewound() -> None:
    """Rewinding what was opened for one pass is a mistake of the program."""
    with pytest.raises(RuntimeError, match="single pass"):
        Replay(b"x", replayable=False).rewind()


def test_a_source_that_is_not_ready_is_no_end() -> None:
    """A non-blocking file with nothing to read must not pass for an empty one."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(writing, "wb"), os.fdopen(reading, "rb", buffering=0) as file:
        replay = Replay(cast("BinaryIO", file))
        with pytest.raises(BlockingIOError):
            replay.read_block()


def test_seekable_sources_are_known() -> None:
    """Octets and regular files can be read twice, a pipe cannot."""
    assert is_seekable(b"")
    assert is_seekable(BytesIO())
    assert not is_seekable(pipe(b""))


def test_a_full_disk_is_told_by_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a pipe delivers is kept in a file without a name; where there is no room for it is said."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: open("/dev/full", "r+b", buffering=0))  # noqa: PTH123, SIM115  # a device
    with pytest.raises(OSError, match="No space left") as caught, Replay(pipe(bytes(2 * SPOOL_MEMORY))) as replay:
        drain(replay)
    assert caught.value.filename == str(tmp_path)
