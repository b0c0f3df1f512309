"""The directory of a zip: read as Python reads it, however it is damaged, and without holding it in memory."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smime_session import MessageError
from smime_session.batch import ZipSource
from smime_session.batch.directory import Entry, entries

if TYPE_CHECKING:
    from pathlib import Path


def _zip(comment: bytes = b"", prefix: bytes = b"", *, large: bool = False) -> bytes:
    target = io.BytesIO()
    target.write(prefix)
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            entry = zipfile.ZipInfo(f"folder/{number}.eml", (2026, 1, 2 + number, 3, 4, 6))
            entry.comment = b"about it" * number
            entry.external_attr = 0o100600 << 16
            with archive.open(entry, "w", force_zip64=large) as file:
                file.write(b"letter %d\n" % number * 100)
        archive.comment = comment
    return target.getvalue()


def _theirs(data: bytes) -> list[tuple[object, ...]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [
            (
                each.orig_filename,
                each.flag_bits,
                each.compress_type,
                each.CRC,
                each.compress_size,
                each.file_size,
                each.header_offset,
                each.external_attr >> 16,
            )
            for each in archive.infolist()
        ]


def _plain(each: Entry) -> tuple[object, ...]:
    name = each.raw.decode("utf-8" if each.flags & 1 << 11 else "cp437")
    return name, each.flags, each.method, each.checksum, each.compressed, each.size, each.begin, each.mode


PLAIN: Final = _zip()
COMMENTED: Final = _zip(b"PK\5\6 of an archive")


@pytest.mark.parametrize(
    "data",
    [PLAIN, COMMENTED, _zip(prefix=b"#!/bin/sh\n" * 50), _zip(large=True), _zip(b"c" * 0xFFFF)],
    ids=["plain", "with a comment", "behind a program", "with large sizes", "with a long comment"],
)
def test_entries_are_those_that_python_finds(data: bytes) -> None:
    """Names, sizes, places and all else."""
    found = list(entries(io.BytesIO(data)))
    if data == COMMENTED:
        data = PLAIN
    assert [_plain(each) for each in found] == _theirs(data)
    assert all(each.moment for each in found)


def _with_large_numbers(values: tuple[int, int, int], extra: bytes) -> bytes:
    name = b"a.eml"
    size, compressed, place = values
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 45, 45, 0, 8, 0, 0x21, 0, compressed, size, 5, len(extra), 0, 0, 0, 0, place
    )
    entry += name + extra
    return entry + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(entry), 0, 0)


def test_large_numbers_are_in_an_extra_field() -> None:
    """Those alone that are too large for their own, behind other extra fields; one that is missing is damage."""
    most = 0xFFFFFFFF
    other = struct.pack("<2H4s", 0x7075, 4, b"else")
    (found,) = entries(
        io.BytesIO(_with_large_numbers((most, 7, most), other + struct.pack("<2H2Q", 1, 16, 5 << 32, 6 << 32)))
    )
    assert (found.size, found.compressed, found.begin) == (5 << 32, 7, 6 << 32)
    for extra in (b"", other, struct.pack("<2HQ", 1, 8, 5 << 32), struct.pack("<2HQ", 1, 16, 5), b"\1\0\x10"):
        with pytest.raises(MessageError, match="a size is missing"):
            list(entries(io.BytesIO(_with_large_numbers((most, 7, most), extra))))


_CHANGES: Final = st.lists(st.tuples(st.integers(0, len(PLAIN) - 1), st.integers(0, 255)), min_size=1, max_size=4)


@given(changes=_CHANGES, cut=st.integers(0, 40), plain=st.booleans())
@settings(max_examples=300)
def test_damage_is_an_error_or_read_as_python_reads_it(
    changes: list[tuple[int, int]], cut: int, *, plain: bool
) -> None:
    """Whatever is altered, there is a sentence about it or the same entries."""
    data = bytearray(PLAIN if plain else _zip(large=True))
    for place, value in changes:
        data[-1 - place % len(data)] = value
    del data[len(data) - cut :]
    try:
        found = [_plain(each) for each in entries(io.BytesIO(data))]
    except (MessageError, UnicodeDecodeError):  # of the name, here in the test
        return
    try:
        expected = _theirs(bytes(data))
    except (zipfile.BadZipFile, RuntimeError, ValueError):
        return
    assert found == expected


def test_memory_is_flat_in_the_number_of_entries(tmp_path: Path) -> None:
    """A directory of many is read as one of few is."""
    peaks = []
    for count in (1_000, 8_000):
        path = tmp_path / f"{count}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(count):
                archive.writestr(f"{number:08}/{random.Random(number).random()}.eml", b"")  # noqa: S311
        tracemalloc.start()
        assert sum(1 for _ in ZipSource(str(path)).items()) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 50_000, peaks
