"""Archives that are read: in each compression, and without what they should not make a program do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
from typing import TYPE_CHECKING, Final

import pytest
import zstandard

from smime_session import MessageError
from smime_session.batch import FolderTarget, TarSource, ZipSource, is_tar
from tests.support.batching import carried, contents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MAILS: Final = {f"{number:03}.eml": b"letter %d\n" % number * 50 for number in range(50)}
NOISE: Final = {f"{number}.eml": random.Random(number).randbytes(1000) for number in range(50)}  # noqa: S311


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


COMPRESSIONS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": _zstd,
    "zstd frames": lambda data: _zstd(data[:5120]) + _zstd(data[5120:]),
    "zstd skippable": lambda data: b"\x50\x2a\x4d\x18\x03\0\0\0abc" + _zstd(data),
    "gzip members": lambda data: gzip.compress(data[:5120]) + gzip.compress(data[5120:]),
}


def _tarred(mails: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        for name, data in mails.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return target.getvalue()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_tar_is_read(tmp_path: Path, compression: str, form: int) -> None:
    """Whatever it is compressed with, in one piece or in several, mails come in their order."""
    path = tmp_path / "in"
    path.write_bytes(COMPRESSIONS[compression](_tarred({**MAILS, "notes.txt": b"no mail"}, form)))
    assert is_tar(str(path))
    assert list(contents(TarSource(str(path))).items()) == list(MAILS.items())


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_tar_that_is_cut_off_is_told_of(tmp_path: Path, compression: str) -> None:
    """What is missing does not pass for the end."""
    path = tmp_path / "in.tar"
    data = COMPRESSIONS[compression](_tarred(NOISE))
    between = 7 * 3 * tarfile.BLOCKSIZE  # where the eighth mail would begin
    for end in (len(data) * 3 // 4, len(data) // 2, between if compression == "plain" else len(data) - 5):
        path.write_bytes(data[:end])
        with pytest.raises(MessageError, match=r"in\.tar: "):
            list(TarSource(str(path)).items())


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_damage_is_told_of_by_the_name_of_the_archive(tmp_path: Path, compression: str) -> None:
    """Bytes in the middle are altered: what is read is never wrong without a word of it."""
    path = tmp_path / "in.tar"
    data = bytearray(COMPRESSIONS[compression](_tarred(NOISE)))
    at = data.index(b"25.eml") if compression == "plain" else len(data) // 2
    data[at : at + 4] = bytes(each ^ 0x55 for each in data[at : at + 4])
    path.write_bytes(data)
    with pytest.raises(MessageError, match=r"in\.tar: "):
        contents(TarSource(str(path)))


@pytest.mark.parametrize("compression", [name for name in COMPRESSIONS if name != "plain"])
def test_a_bomb_is_not_unpacked(tmp_path: Path, compression: str) -> None:
    """A tar that grows beyond measure ends, before it is a mail or after."""
    for name in ("bomb.eml", "bomb.txt"):
        path = tmp_path / name
        path.write_bytes(COMPRESSIONS[compression](_tarred({name: bytes(40 << 20)})))
        with pytest.raises(MessageError, match="it grows "):
            contents(TarSource(str(path)))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_header_is_not_held_in_memory_whatever_its_size(tmp_path: Path, kind: bytes, *, compressed: bool) -> None:
    """One that says it has gigabytes is refused, though they are there."""
    path = tmp_path / "in.tar"
    entry = tarfile.TarInfo("large")
    entry.type, entry.size = kind, 1 << 33
    header = entry.tobuf(tarfile.GNU_FORMAT)
    if compressed:
        path.write_bytes(gzip.compress(header + bytes(1 << 20)))
    else:
        with path.open("wb") as file:
            file.write(header)
            file.truncate(1 << 34)
    with pytest.raises(MessageError, match="too large to be held in memory"):
        contents(TarSource(str(path)))


def test_a_window_of_zstandard_has_its_limit(tmp_path: Path) -> None:
    """A frame that wants gigabytes of memory to be unpacked is refused."""
    path = tmp_path / "in.tar.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes([0, 21 << 3]) + bytes(100))  # a window of 2 GiB
    with pytest.raises(MessageError, match=r"in\.tar\.zst: it is damaged: "):
        contents(TarSource(str(path)))


def test_names_that_lead_elsewhere(tmp_path: Path) -> None:
    """Each is refused with its reason; none of them can be opened."""
    deep, long = "a/" * 200 + "a.eml", "a" * 5000 + ".eml"
    names = [deep, long, "../a.eml", "/a.eml", "b/../../a.eml", "c\\..\\a.eml", "C:a.eml", ".hidden/a.eml"]
    path = tmp_path / "in.tar"
    path.write_bytes(_tarred({**dict.fromkeys(names, b"bad"), "good.eml": b"good"}))
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name in names:
            archive.writestr(name, b"bad")
        archive.writestr("good.eml", b"good")
    for source in (TarSource(str(path)), ZipSource(str(tmp_path / "in.zip"))):
        *bad, good = source.items()
        assert [item.name for item in bad] == names
        for item in bad:
            with pytest.raises(MessageError, match="its name in the archive"):
                item.content.open()
        assert good.content.open().read() == b"good"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_several_with_one_name_the_first_is_read(tmp_path: Path) -> None:
    """The others are refused, and told by names of their own."""
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for data in (b"first", b"second", b"third"):
            archive.writestr("a.eml", data)
    first, *others = ZipSource(str(tmp_path / "in.zip")).items()
    assert first.content.open().read() == b"first"
    assert len({item.name for item in (first, *others)}) == 3
    for item in others:
        with pytest.raises(MessageError, match="several of that name"):
            item.content.open()


def test_a_file_and_a_folder_of_one_name(tmp_path: Path) -> None:
    """A folder of files can have one of them alone: the other is refused, whichever comes first."""
    (tmp_path / "in.tar").write_bytes(
        _tarred({"a.eml": b"1", "a.eml/b.eml": b"2", "c.eml/d/e.eml": b"3", "c.eml": b"4"})
    )
    items = list(TarSource(str(tmp_path / "in.tar")).items())
    assert [bool(_refusal(item.content.open)) for item in items] == [False, True, False, True]


def _zip(path: Path, data: bytes) -> bytearray:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.eml", data)
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("depth", [1, 20])
def test_a_name_that_is_too_long_stops_no_run(tmp_path: Path, depth: int) -> None:
    """It is told, and the other messages are worked on."""
    name = "/".join(["x" * 300] * depth) + ".eml"
    (tmp_path / "in.tar").write_bytes(_tarred({name: b"bad", "good.eml": b"good"}))
    tally = carried(TarSource(str(tmp_path / "in.tar")), FolderTarget(str(tmp_path / "out")))
    assert (tally.done, tally.failed) == (1, 1)
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["good.eml"]


def test_a_zip_whose_directory_leads_before_its_beginning(tmp_path: Path) -> None:
    """It is damage like any other."""
    data = _zip(tmp_path / "in.zip", b"mail")
    data[-6:-2] = b"\xff\xff\xff\x7f"  # where the directory is said to begin
    (tmp_path / "in.zip").write_bytes(data)
    with pytest.raises(MessageError, match=r"in\.zip: the directory of the zip is not where it should be"):
        list(ZipSource(str(tmp_path / "in.zip")).items())


def test_a_zip_that_lies_about_a_size(tmp_path: Path) -> None:
    """No more comes out than the directory tells, and what is not right is told of."""
    path = tmp_path / "in.zip"
    for told in (10, 49_999, 100_000):
        data = _zip(path, bytes(50_000))
        at = data.index(b"PK\1\2")
        struct.pack_into("<I", data, at + 24, told)
        path.write_bytes(data)
        (item,) = ZipSource(str(path)).items()
        with pytest.raises(MessageError, match="cannot be read from the archive"):
            item.content.open().read()


def test_entries_of_a_zip_that_lie_over_each_other(tmp_path: Path) -> None:
    """A directory that names the same bytes again and again grows without end; its names are compared too."""
    path = tmp_path / "in.zip"
    data = _zip(path, bytes(15 << 20))
    directory = data[data.index(b"PK\1\2") : data.index(b"PK\5\6")]
    begin = data.index(b"PK\1\2")
    entries = b"".join(directory.replace(b"a.eml", b"%05d" % number) for number in range(20))
    entries = entries.replace(b"000", b".em")  # names of the same length
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 20, 20, len(entries), begin, 0)
    path.write_bytes(bytes(data[:begin]) + entries.replace(b".em", b"000") + end)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 20
    path.write_bytes(bytes(data[:begin]) + directory * 20 + end)
    refused = [item for item in ZipSource(str(path)).items() if _refusal(item.content.open)]
    assert len(refused) == 19


def _refusal(call: Callable[[], object]) -> str:
    try:
        call()
    except MessageError as error:
        return str(error)
    return ""


def test_the_header_of_an_entry_must_be_its_own(tmp_path: Path) -> None:
    """What the directory tells of a place where another entry begins is not read."""
    path = tmp_path / "in.zip"
    data = _zip(path, b"a mail")
    data[data.index(b"a.eml")] = ord("b")
    path.write_bytes(data)
    (item,) = ZipSource(str(path)).items()
    with pytest.raises(MessageError, match="the directory tells of it where it is not"):
        item.content.open()


def test_what_is_no_archive(tmp_path: Path) -> None:
    """A mail and an empty file are none, compressed ones neither; a zip is no tar."""
    for data in (b"From: a@example.org\n\nText\n" * 100, b"", gzip.compress(b"text" * 1000)):
        (tmp_path / "in").write_bytes(data)
        assert not is_tar(str(tmp_path / "in"))
    _zip(tmp_path / "in.zip", b"a mail")
    assert not is_tar(str(tmp_path / "in.zip"))
