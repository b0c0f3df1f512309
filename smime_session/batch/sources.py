"""Where messages come from: a folder of files, or files that are named one by one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from smime_session.batch.items import FileContent, Item

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDING: Final = ".eml"


class Source(Protocol):
    """Where messages come from."""

    def items(self) -> Iterator[Item]:
        """Yield the messages, in the same order each time.

        Raises:
            OSError: it cannot be read.
            MessageError: it is damaged so that it is not clear what is in it.
        """
        ...


@dataclass(frozen=True)
class FolderSource:
    """The ``.eml`` files of a folder and of its subfolders; what is hidden is left out.

    Attributes:
        path: the folder.
    """

    path: str

    def items(self) -> Iterator[Item]:
        """Yield the files by name."""
        for relative in _walk(self.path, ""):
            yield Item(relative, relative, FileContent(f"{self.path}/{relative}"))


@dataclass(frozen=True)
class PathsSource:
    """Files that are named one by one.

    Attributes:
        paths: the files.
        root: the folder that relative ones start from; empty for the current one. Workers may have another.
    """

    paths: tuple[str, ...]
    root: str = ""

    def items(self) -> Iterator[Item]:
        """Yield them in their order, each once; one that is outside of the current folder keeps its whole path."""
        seen = set()
        for path in self.paths:
            place = os.path.normpath(path)
            if os.path.isabs(place) or place.startswith(".."):  # noqa: PTH117  # of many
                place = os.path.realpath(path).lstrip("/")
            if place not in seen:
                seen.add(place)
                yield Item(path, place, FileContent(os.path.join(self.root, path)))  # noqa: PTH118  # of many


def _walk(root: str, folder: str) -> Iterator[str]:
    """Yield the relative paths of mails; symbolic links to folders are not followed, as they could go round."""
    folders = []
    names = []
    with os.scandir(f"{root}/{folder}") as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif entry.name.lower().endswith(ENDING) and entry.is_file():
                names.append(entry.name)
    yield from (f"{folder}{name}" for name in sorted(names))
    del names
    for name in sorted(folders):
        yield from _walk(root, f"{folder}{name}/")
