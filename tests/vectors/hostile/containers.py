"""Archives, mailboxes, lists and settings that lead a program elsewhere."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from typing import TYPE_CHECKING, Final

from tests.hostile.forge import TEXT
from tests.vectors.hostile.mails import part, whole
from tests.vectors.hostile.vector import TOLD, Vector

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD: Final = "good.eml"
"""The one entry of each archive that is as it should be."""

MAIL: Final = whole(part(TEXT))

NAMES: Final = {
    "parent-folder": "../out.eml",
    "parent-folder-inside": "a/../../out.eml",
    "absolute-path": "/tmp/out.eml",  # noqa: S108  # nothing may be written there
    "backslashes": "..\\out.eml",
    "drive": "C:out.eml",
    "hidden": ".config/out.eml",
    "line-break": "a\nb.eml",
    "control-characters": "\x1b[2Jx.eml",
    "300-characters": "x" * 300 + ".eml",
}


def _of_name(label: str) -> dict[str, str]:
    """Return what becomes of a name: odd characters are allowed in names of files, and never shown as they are."""
    return {"batch": "good" if label in {"line-break", "control-characters"} else TOLD}


def _zipped(*entries: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for entry, data in (*entries, (zipfile.ZipInfo(GOOD), MAIL)):
            entry.create_system = 3
            archive.writestr(entry, data)
    return target.getvalue()


def _zips() -> Iterator[Vector]:
    told = {"batch": TOLD}
    for label, name in NAMES.items():
        yield Vector(f"name-{label}.zip", _zipped((zipfile.ZipInfo(name), MAIL)), _of_name(label))
    for label, mode in {"link": 0o120_777, "device": 0o060_666, "fifo": 0o010_666}.items():
        entry = zipfile.ZipInfo(f"{label}.eml")
        entry.external_attr = mode << 16
        yield Vector(f"{label}.zip", _zipped((entry, b"/etc/passwd")), told)
    honest = _zipped((zipfile.ZipInfo("bad.eml"), MAIL))
    for label, lie in {"less": len(MAIL) // 2, "more": len(MAIL) * 2, "gigabytes": 0xFFFFFFF0}.items():
        yield Vector(f"size-says-{label}.zip", _resized(honest, lie), told)
    yield Vector("encrypted-entry.zip", _flagged(honest, 1), told)
    for end in (10, len(honest) // 2, len(honest) - 5):
        yield Vector(f"cut-at-{end:05}.zip", honest[:end], {"batch": "UsageError"})
    yield Vector("directory-lies.zip", honest[: len(honest) - 6] + b"\xff\xff\xff\x7f\0\0", {"batch": "all"})


def _resized(archive: bytes, size: int) -> bytes:
    """Return an archive whose directory says that the first entry unpacks to another size."""
    found = bytearray(archive)
    found[22:26] = struct.pack("<I", size)
    at = archive.index(b"PK\1\2") + 24
    found[at : at + 4] = struct.pack("<I", size)
    return bytes(found)


def _flagged(archive: bytes, flag: int) -> bytes:
    """Return an archive whose first entry has a flag in both of its headers."""
    found = bytearray(archive)
    found[6] |= flag
    found[archive.index(b"PK\1\2") + 8] |= flag
    return bytes(found)


def _tarred(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry, data in (*entries, (tarfile.TarInfo(GOOD), MAIL)):
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return target.getvalue()


def _tars() -> Iterator[Vector]:
    told = {"batch": TOLD}
    for label, name in NAMES.items():
        yield Vector(f"name-{label}.tar", _tarred((tarfile.TarInfo(name), MAIL)), _of_name(label))
    kinds = {
        "symbolic-link": tarfile.SYMTYPE,
        "hard-link": tarfile.LNKTYPE,
        "device": tarfile.CHRTYPE,
        "fifo": tarfile.FIFOTYPE,
    }
    for label, kind in kinds.items():
        entry = tarfile.TarInfo("bad.eml")
        entry.type, entry.linkname = kind, "/etc/passwd"
        yield Vector(f"{label}.tar", _tarred((entry, b"")), told)
    honest = _tarred((tarfile.TarInfo("bad.eml"), MAIL))
    entry = tarfile.TarInfo("bad.eml")
    entry.size = 1 << 40
    yield Vector("size-says-terabyte.tar", entry.tobuf(tarfile.GNU_FORMAT) + honest[512:], {"batch": "MessageError"})
    for end in (700, 512 + len(MAIL) + 600):
        yield Vector(f"cut-at-{end:05}.tar", honest[:end], {"batch": "MessageError"})
    damaged = bytearray(honest)
    damaged[150] ^= 1
    yield Vector("checksum-wrong.tar", bytes(damaged), {"batch": "UsageError"})


def _mailboxes() -> Iterator[Vector]:
    mail = MAIL.replace(b"\r\n", b"\n")
    first = b"From alice@example.org Mon Jan  5 10:00:00 2026\n"
    content = mail + b"\nFrom here on, this is text\n\nFrom there\n"
    yield Vector("from-lines-are-content.mbox", first + content + b"\n" + first + mail, {"batch": TOLD})
    yield Vector("no-from-line.mbox", mail, {"batch": "UsageError"})
    yield Vector("from-lines-alone.mbox", first * 50, {"batch": TOLD})
    lying = mail.replace(b"\n\n", b"\nContent-Length: 999999999999\n\n", 1)
    yield Vector("length-lies.mbox", first + lying + b"\n" + first + mail, {"batch": "good"})
    inside = mail.replace(b"\n\n", b"\nContent-Length: 7\n\n", 1)
    yield Vector("length-leads-inside.mbox", first + inside + b"\n" + first + mail, {"batch": "good"})


def _lists() -> Iterator[Vector]:
    """Yield lists for ``--recipients``; the folder has one mail, ``good.eml``, and Alice's certificate."""
    refused = {"recipients": "RecipientError"}
    address = b"alice@example.org"
    rows = {
        "nul": b"good.eml,alice\0@example.org\n",
        "formula": b'good.eml,"=HYPERLINK(""http://example.org"")"\n',
        "formula-as-name": b"=1+1,alice@example.org\n",
        "other-file": b"../good.eml," + address + b"\n",
        "twice": b"good.eml," + address + b"\ngood.eml," + address + b"\n",
        "no-address": b"good.eml\n",
        "empty": b"",
        "utf-16": b"\xff\xfe" + b"good.eml,".decode().encode("utf-16-le"),
        "not-utf-8": b"good.eml,\xff\xfe\n",
        "quote-never-closed": b'good.eml,"' + address,
        "line-breaks-in-a-cell": b'good.eml,"a\r\nBcc: eve@example.org"\n',
    }
    for label, data in rows.items():
        yield Vector(f"list-{label}.csv", data, refused)
    yield Vector("list-byte-order-mark.csv", b"\xef\xbb\xbfgood.eml," + address + b"\n", {"recipients": TOLD})


def _settings() -> Iterator[Vector]:
    refused = {"settings": "SettingsError"}
    texts = {
        "nul": b"quiet = true\0\n",
        "not-utf-8": b"ca = '\xff\xfe'\n",
        "utf-16": b"\xff\xfe" + b"q\0=\0",
        "nested": b"a = " + b"[" * 50_000,
        "unknown-name": b"quite = true\n",
        "unknown-table": b"[decypt]\nquiet = true\n",
        "secret": b"password = 'open sesame'\n",
        "wrong-type": b"quiet = 'yes'\n",
        "table-as-value": b"quiet = {a = 1}\n",
        "name-twice": b"quiet = true\nquiet = true\n",
        "number-of-5000-digits": b"max-recipients = " + b"1" * 5000 + b"\n",
        "control-characters": b"ca = '\x1b[2J'\n",
    }
    for label, data in texts.items():
        yield Vector(f"settings-{label}.toml", data, refused)


def vectors() -> Iterator[Vector]:
    """Yield all of them."""
    for some in (_zips, _tars, _mailboxes, _lists, _settings):
        yield from some()
