"""setuptools, with archives that depend on nothing but what is in them: the same tree, the same octets.

What differs from machine to machine is taken out: times, owners, the umask, the order in which a folder lists its
files, and what earlier builds left behind. ``$SOURCE_DATE_EPOCH`` says of when the files are (seconds since 1970).
"""

from __future__ import annotations

import gzip
import os
import tarfile
import tempfile
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

_FIRST_DAY: Final = 315_532_800  # seconds to 1980: a ZIP archive knows no time before


def build_wheel(folder: str, settings: dict[str, Any] | None = None, metadata: str | None = None) -> str:
    """Make a wheel in ``folder`` and return its name (PEP 517)."""
    with _nothing_left_from_before():
        name: str = build_meta.build_wheel(folder, settings, metadata)
    path = Path(folder) / name
    made = path.with_suffix(".new")
    date = time.gmtime(_moment())[:6]
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(made, "w") as after:
        for entry in before.infolist():
            plain = zipfile.ZipInfo(entry.filename, date)
            plain.compress_type = zipfile.ZIP_DEFLATED
            plain.create_system = 3  # Unix, whose permissions follow
            plain.external_attr = _permissions(entry.external_attr >> 16) << 16
            after.writestr(plain, before.read(entry))
    made.replace(path)
    return name


def build_sdist(folder: str, settings: dict[str, Any] | None = None) -> str:
    """Make a source distribution in ``folder`` and return its name (PEP 517)."""
    name: str = build_meta.build_sdist(folder, settings)
    path = Path(folder) / name
    made = path.with_suffix(".new")
    with (
        tarfile.open(path) as before,
        made.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=_moment()) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as after,
    ):
        for entry in sorted(before, key=lambda each: each.name):
            plain = tarfile.TarInfo(entry.name)
            plain.type, plain.size, plain.mtime = entry.type, entry.size, _moment()
            plain.mode = _permissions(entry.mode | 0o100 * entry.isdir())
            after.addfile(plain, before.extractfile(entry))
    made.replace(path)
    return name


def _moment() -> int:
    return max(_FIRST_DAY, int(os.environ.get("SOURCE_DATE_EPOCH", _FIRST_DAY)))


def _permissions(mode: int) -> int:
    """Return what all may do: read, and what its owner may execute."""
    return mode & ~0o7777 | (0o755 if mode & 0o100 else 0o644)


@contextmanager
def _nothing_left_from_before() -> Iterator[None]:
    """Let setuptools build in a new folder: in ``build/`` there may be modules that were removed since."""
    variable = "DIST_EXTRA_CONFIG"  # read after the tree's own configuration
    given = os.environ.get(variable)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "build.cfg"
        config.write_text(f"[build]\nbuild_base = {folder}/build\n", encoding="utf-8")
        os.environ[variable] = str(config)
        try:
            yield
        finally:
            os.environ.pop(variable)
            if given is not None:
                os.environ[variable] = given
