"""Folders in an object store that is in memory, by several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from smime_session import BatchError
from smime_session.batch import Journal, UrlSource, UrlTarget, run
from tests.interop.peers.everyone import report_missing
from tests.support.batching import contents, copied

if TYPE_CHECKING:
    from pathlib import Path

    from smime_session.batch import Tally

MAILS = {
    "a.eml": b"first",
    "more/b.eml": b"second",
    "more/deep/c.EML": b"third",
    "large.eml": b"x" * (9 << 20),
    "empty.eml": b"",
}


def _store() -> Any:  # noqa: ANN401  # fsspec has no types
    if find_spec("fsspec") is None:
        report_missing("fsspec", ["fsspec"])
    import fsspec  # type: ignore[import-not-found, unused-ignore]  # the extra

    return fsspec.filesystem("memory")


@pytest.fixture
def place() -> str:
    """Return a folder in memory that no other test has, with mails in ``in``."""
    store = _store()
    name = f"/{uuid4().hex}"
    others = {".hidden.eml": b"h", "note.txt": b"n", ".git/d.eml": b"h"}
    store.pipe({f"{name}/in/{path}": data for path, data in (MAILS | others).items()})
    return name


def _carried(place: str, folder: Path, *, retry_failed: bool = False) -> Tally:
    with Journal(folder / "journal") as journal:
        journal.begin({})
        source, target = UrlSource(f"memory:/{place}/in"), UrlTarget(f"memory:/{place}/out")
        return run(source, target, copied, journal, jobs=2, executor=ThreadPoolExecutor, retry_failed=retry_failed)


def test_a_folder_is_read_and_written(place: str, tmp_path: Path) -> None:
    """All mails of all folders arrive, large and empty ones too, and what is hidden or no mail is left out."""
    assert _carried(place, tmp_path).done == len(MAILS)
    assert contents(UrlSource(f"memory:/{place}/out")) == MAILS
    assert _carried(place, tmp_path).skipped == len(MAILS)


def test_nothing_is_there_of_what_fails(place: str, tmp_path: Path) -> None:
    """One that fails after half of it was written leaves nothing, large or small; it is tried again when asked to."""
    store = _store()
    store.pipe({f"{place}/in/x.eml": b"broken" + b"y" * 20, f"{place}/in/y.eml": b"broken" + b"y" * (9 << 20)})
    tally = _carried(place, tmp_path)
    assert (tally.done, tally.failed) == (len(MAILS), 2)
    assert contents(UrlSource(f"memory:/{place}/out")) == MAILS
    store.pipe(f"{place}/in/x.eml", b"mended")
    assert _carried(place, tmp_path, retry_failed=True).done == 1


def test_a_target_that_is_not_empty_is_refused(place: str, tmp_path: Path) -> None:
    """Unless its run is known."""
    _store().pipe(f"{place}/out/other", b"")
    with pytest.raises(BatchError, match="not empty"):
        _carried(place, tmp_path)


def test_a_protocol_that_nothing_knows_is_named() -> None:
    """One sentence says so."""
    _store()
    with pytest.raises(BatchError, match="nothing:// is not supported"):
        list(UrlSource("nothing://bucket/folder").items())
