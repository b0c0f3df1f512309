"""The directory of a zip (APPNOTE 6.3, with Zip64), read one entry after the other in flat memory."""

from __future__ import annotations

import io
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from smime_session import MessageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")  # APPNOTE 4.3.12
_END: Final = struct.Struct("<4s4H2IH")  # 4.3.16
_END_64: Final = struct.Struct("<4sQ2H2I4Q")  # 4.3.14
_LOCATOR_64: Final = struct.Struct("<4sIQI")  # 4.3.15
_MOST_COMMENT: Final = 0xFFFF
_MOST_32: Final = 0xFFFFFFFF
_ZIP64: Final = 1  # the identifier of an extra field with large numbers


class Entry(NamedTuple):
    """What the directory tells of an entry.

    Attributes:
        raw: its name, as it stands there.
        flags: the general purpose bits.
        method: how it is compressed, by its number.
        moment: when it was changed, in seconds since 1970; None if that is no date.
        checksum: the CRC-32 of what it has.
        compressed: how many bytes it has in the archive.
        size: how many it has unpacked.
        begin: where its header is, in bytes from the start of the file; nothing says that it is there.
        mode: its type and permissions, as Unix has them; 0 if another system made it.
    """

    raw: bytes
    flags: int
    method: int
    moment: float | None
    checksum: int
    compressed: int
    size: int
    begin: int
    mode: int


def entries(file: BinaryIO) -> Iterator[Entry]:
    """Yield what the directory tells of each entry.

    Args:
        file: the zip; another may not move in it meanwhile.

    Raises:
        MessageError: it is no zip, or its directory is damaged.
    """
    begin, size, shift = _place(file)
    file.seek(begin)
    while size > 0:
        header = file.read(_CENTRAL.size)
        if len(header) < _CENTRAL.size or not header.startswith(b"PK\1\2"):
            raise MessageError("the directory of the zip is damaged")
        fields = _CENTRAL.unpack(header)
        *_, flags, method, clock, day, checksum, compressed, full, names, extras, comments, _, _, mode, place = fields
        raw, extra = file.read(names), file.read(extras)
        if comments:
            file.seek(comments, io.SEEK_CUR)
        size -= _CENTRAL.size + names + extras + comments
        full, compressed, place = _large((full, compressed, place), extra)
        moment = _moment(clock, day)
        yield Entry(raw, flags, method, moment, checksum, compressed, full, place + shift, mode >> 16)
    if size:
        raise MessageError("the directory of the zip is damaged")


def _place(file: BinaryIO) -> tuple[int, int, int]:
    """Return where the directory is, its size, and how much stands before the zip, as a program that unpacks it."""
    length = file.seek(0, io.SEEK_END)
    file.seek(max(0, length - _MOST_COMMENT - _END.size))
    tail_begin = file.tell()
    tail = file.read(_MOST_COMMENT + _END.size)
    at = tail.rfind(b"PK\5\6", 0, max(0, len(tail) - _END.size) + len(b"PK\5\6"))
    if at < 0:
        raise MessageError("it is no zip, or cut off")
    end = tail_begin + at
    _, disk, first_disk, _, _, size, told, _ = _END.unpack_from(tail, at)
    if large := _place_64(file, end):
        end, size, told = large
    elif disk or first_disk:
        raise MessageError("it is a zip of several files")
    begin = end - size
    if begin < 0 or begin < told:
        raise MessageError("the directory of the zip is not where it should be")
    return begin, size, begin - told


def _place_64(file: BinaryIO, end: int) -> tuple[int, int, int] | None:
    """Return where the end of a large zip is, the size of its directory, and its place; None for a small one."""
    if end < _LOCATOR_64.size + _END_64.size:
        return None
    file.seek(end - _LOCATOR_64.size - _END_64.size)
    record, locator = file.read(_END_64.size), file.read(_LOCATOR_64.size)
    if not (locator.startswith(b"PK\6\7") and record.startswith(b"PK\6\6")):
        return None
    *_, size, told = _END_64.unpack(record)
    return end - _LOCATOR_64.size - _END_64.size, size, told


def _large(numbers: tuple[int, int, int], extra: bytes) -> tuple[int, int, int]:
    """Return size, compressed size and place; those that are too large for their fields are in an extra one."""
    if _MOST_32 not in numbers:
        return numbers
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64:
            told = iter(struct.unpack_from(f"<{min(length, len(extra) - at - 4) // 8}Q", extra, at + 4))
            found = [next(told, -1) if each == _MOST_32 else each for each in numbers]
            if -1 in found:
                break
            return found[0], found[1], found[2]
        at += 4 + length
    raise MessageError("the directory of the zip is damaged: a size is missing")


def _moment(clock: int, day: int) -> float | None:
    """Return a time as a zip tells it: local, in steps of two seconds."""
    date = (day >> 9) + 1980, day >> 5 & 15, day & 31
    with suppress(ValueError, OverflowError):
        return time.mktime((*date, clock >> 11, clock >> 5 & 63, (clock & 31) * 2, 0, 0, -1))
    return None
