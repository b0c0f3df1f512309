"""Messages in an object store, named by a URL (``s3://bucket/folder``): read there, and written there as whole objects.

It wants the extra ``fsspec`` and what that takes for the protocol. Who may read and write there, the environment or
fsspec's own settings say: a URL with credentials is refused, as it would be in journals, reports and errors.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, cast
from urllib.parse import urlsplit

from smime_session import BatchError, MessageError, SmimeError
from smime_session.batch.extras import extra
from smime_session.batch.items import Item, Refused
from smime_session.batch.sources import ENDING
from smime_session.batch.storing import TargetFailedError
from smime_session.batch.targets import Committed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from smime_session.batch.journal import Entry, Journal
    from smime_session.batch.storing import Portion, Task, Writer

WHOLE: Final = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"})
"""Protocols of stores in which an object is there as a whole or not at all."""
_AT_ONCE: Final = 4 << 20  # bytes of a message that is read with one request
_HELD: Final = 32 << 20  # bytes that are held until they are written together
_BLOCK: Final = 8 << 20  # bytes of each part of a large object


def is_url(path: str) -> bool:
    """Tell whether a path is a URL."""
    return "://" in path


def local_path(url: str) -> str | None:
    """Return the path that a ``file://`` URL is, or None for any other.

    Raises:
        BatchError: it names another machine.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("file", "local"):
        return None
    if parts.netloc not in ("", "localhost"):
        raise BatchError("a file:// URL names a path of this machine: file:///folder")
    return url.partition("://")[2].removeprefix("localhost") or "/"


def check_url(url: str) -> str:
    """Return a URL without a slash at its end, if it is one that may be named anywhere.

    Raises:
        BatchError: it has credentials, parameters, or more than one protocol.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise BatchError(
            f"a {parts.scheme}:// URL has no credentials or parameters here: the environment or fsspec's settings do"
        )
    if "::" in url or url.count("://") != 1 or not parts.scheme:
        raise BatchError("a URL has one protocol here, as s3://bucket/folder has")
    if any(part in (".", "..") for part in url.split("/")):
        raise BatchError("a URL has no . or .. in it here")
    return url.rstrip("/")


def _opened(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it.

    Raises:
        BatchError: a package is missing, or the protocol is unknown.
    """
    scheme = urlsplit(url).scheme
    core = extra("fsspec.core", "fsspec", f"{scheme}://")
    try:
        system, path = core.url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise BatchError(f"{scheme}:// is not supported here: {' '.join(str(error).split())}") from None
    return system, str(path)


@contextmanager
def _as_errors(url: str, kind: type[SmimeError]) -> Iterator[None]:
    """Turn whatever a store raises into an error without its text, which could tell of requests and their secrets."""
    try:
        yield
    except SmimeError:
        raise
    except Exception as error:  # noqa: BLE001  # the libraries of stores raise their own kinds
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise kind(f"{url}: {str(reason)[:1].lower()}{str(reason)[1:]}") from None


class UrlContent(NamedTuple):
    """An object.

    Attributes:
        url: its URL.
        size: how many bytes it had when it was listed.
    """

    url: str
    size: int

    def open(self) -> BinaryIO:
        """Open it; a small one is read with one request.

        Raises:
            MessageError: it cannot be read.
        """
        system, path = _opened(self.url)
        try:
            if self.size <= _AT_ONCE:
                return io.BytesIO(system.cat_file(path))
            return cast("BinaryIO", system.open(path, "rb", block_size=_BLOCK))
        except Exception as error:  # noqa: BLE001  # whatever the store raises; its text may tell secrets
            raise MessageError(f"it cannot be read ({type(error).__name__})") from None


@dataclass(frozen=True)
class UrlSource:
    """The ``.eml`` objects under a URL; what is hidden is left out.

    Attributes:
        url: the folder, as ``s3://bucket/folder``.

    Raises:
        BatchError: it has credentials in it, or is none that is supported.
    """

    url: str

    def __post_init__(self) -> None:
        """Check it."""
        object.__setattr__(self, "url", check_url(self.url))

    def items(self) -> Iterator[Item]:
        """Yield the objects by name, one folder after the other; the names of one folder are held in memory.

        Raises:
            BatchError: it cannot be listed.
        """
        system, root = _opened(self.url)
        root = root.rstrip("/")
        with _as_errors(self.url, BatchError):
            if not system.exists(root):
                raise BatchError(f"there is nothing at {self.url}")
        folders = [root]
        while folders:
            folder = folders.pop()
            with _as_errors(self.url, BatchError):
                found = sorted((each["name"].rstrip("/"), each) for each in _listed(system, folder))
            deeper = []
            for path, each in found:
                relative = path[len(root) + 1 :]
                if not relative or relative.rpartition("/")[2].startswith(".") or path == folder:
                    continue
                if each["type"] == "directory":
                    deeper.append(path)
                elif relative.lower().endswith(ENDING):
                    yield _item(self.url, relative, int(each["size"] or 0))
            folders += reversed(deeper)


def _listed(system: Any, folder: str) -> list[dict[str, Any]]:  # noqa: ANN401  # fsspec has no types
    try:
        return cast("list[dict[str, Any]]", system.ls(folder, detail=True))
    except FileNotFoundError:
        return []


def _item(url: str, relative: str, size: int) -> Item:
    parts = relative.split("/")
    if "" in parts or "." in parts or ".." in parts or "\0" in relative:
        return Item(relative, f"refused{ENDING}", Refused("its name is none that a file may have"))
    return Item(relative, relative, UrlContent(f"{url}/{relative}", size))


class UrlWriter(NamedTuple):
    """Writes objects.

    Attributes:
        url: the folder.
        suffix: what is added to their names.
    """

    url: str
    suffix: str

    @property
    def replaces(self) -> bool:
        """Objects take nothing's place."""
        return False

    def portion(self, number: int) -> Portion:
        """Begin with some messages."""
        del number
        return _Objects(self)

    def place(self, task: Task) -> str:
        """Return the name that the source has for it."""
        return f"{task.item.place}{self.suffix}"


class _Objects:
    """Objects that are held in memory until they are written together; a large one is written in parts."""

    def __init__(self, writer: UrlWriter) -> None:
        self._writer = writer
        self._held: dict[str, bytes] = {}
        self._size = 0
        self._system, self._root = _opened(writer.url)

    @contextmanager
    def new(self, task: Task) -> Iterator[BinaryIO]:
        """Collect an object; it is not there if the block fails."""
        path = f"{self._root}/{self._writer.place(task)}"
        stream = _Object(self._system, path)
        try:
            yield cast("BinaryIO", stream)
            with _as_errors(self._writer.url, TargetFailedError):
                rest = stream.completed()
        except BaseException:
            stream.discard()
            raise
        if rest is not None:
            self._held[path] = rest
            self._size += len(rest)
        if self._size > _HELD:
            self.settle(())

    def settle(self, tasks: Sequence[Task]) -> None:
        """Write all that is held."""
        del tasks
        if self._held:
            with _as_errors(self._writer.url, TargetFailedError):
                self._system.pipe(self._held)
            self._held, self._size = {}, 0


class _Object(io.RawIOBase):
    """An object that is written: in memory while it is small, then as an upload that is completed or given up."""

    def __init__(self, system: Any, path: str) -> None:  # noqa: ANN401  # fsspec has no types
        super().__init__()
        self._system, self._path = system, path
        self._buffer = io.BytesIO()
        self._upload: Any = None

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        octets = memoryview(cast("bytes", data)).cast("B")
        try:
            if self._upload is not None:
                self._upload.write(octets)
            else:
                self._buffer.write(octets)
                if self._buffer.tell() > _BLOCK:
                    self._upload = self._system.open(self._path, "wb", autocommit=False, block_size=_BLOCK)
                    self._upload.write(self._buffer.getvalue())
                    self._buffer = io.BytesIO()
        except Exception as error:  # noqa: BLE001  # its text may tell secrets
            raise OSError(f"the store took no more ({type(error).__name__})") from None
        return len(octets)

    def completed(self) -> bytes | None:
        """Complete an upload, or return what is small enough to be written with others."""
        if self._upload is None:
            return self._buffer.getvalue()
        self._upload.close()
        self._upload.commit()
        return None

    def discard(self) -> None:
        """Give up what was uploaded."""
        upload, self._upload = self._upload, None
        if upload is not None:
            with _as_errors(self._path, TargetFailedError):
                upload.discard()
            upload.closed = True  # else its end would complete it


@dataclass(frozen=True)
class UrlTarget:
    """A folder in an object store, with an object for each message, named as the source has them.

    Attributes:
        url: the folder, as ``s3://bucket/folder``.
        suffix: what is added to the names of objects.

    Raises:
        BatchError: it has credentials in it, or is none in which objects appear as a whole.
    """

    url: str
    suffix: str = ""

    def __post_init__(self) -> None:
        """Check it."""
        object.__setattr__(self, "url", check_url(self.url))
        scheme = urlsplit(self.url).scheme
        if scheme not in WHOLE:
            raise BatchError(f"{scheme}:// is no target: objects would be seen there before they are complete")

    @property
    def path(self) -> str:
        """Its URL; the journal is kept elsewhere."""
        return self.url

    @property
    def replaces(self) -> bool:
        """Objects take nothing's place."""
        return False

    @property
    def ordered(self) -> bool:
        """Objects have no order."""
        return False

    def begin(self, journal: Journal, *, resumed: bool) -> None:
        """Check that it is empty, for a new run.

        Raises:
            BatchError: there is something in it already.
            TargetFailedError: it cannot be looked at.
        """
        del journal
        system, path = _opened(self.url)
        with _as_errors(self.url, TargetFailedError):
            if not resumed and system.exists(path) and _listed(system, path):
                raise BatchError(f"{self.url} is not empty, and no run on it is known")

    def writer(self) -> Writer:
        """Return what workers write to."""
        return UrlWriter(self.url, self.suffix)

    def recover(self, ready: Iterable[Entry]) -> Iterator[Entry]:
        """Yield nothing: an object is in its place once it is there."""
        del ready
        return iter(())

    def commit(self, number: int, entries: Sequence[Entry]) -> Committed:
        """Do nothing: an object is in its place once it is there."""
        del number
        return Committed(entries, {})

    def finish(self) -> None:
        """Do nothing."""
