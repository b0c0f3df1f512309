"""URLs of folders in object stores, and packages that are absent; real stores are asked in tests/interop."""

from __future__ import annotations

import sys

import pytest

from smime_session import BatchError, MessageError
from smime_session.batch import Cluster, UrlSource, UrlTarget, check_url, is_url, local_path
from smime_session.batch.items import Refused
from smime_session.batch.remote import _item


@pytest.mark.parametrize(
    "url",
    [
        "s3://user:secret@bucket/folder",
        "s3://secret@bucket/folder",
        "https://example.org/folder?sig=secret",
        "s3://bucket/folder#secret",
        "zip://secret::s3://bucket/mails.zip",
        "s3://bucket/../secret",
    ],
)
def test_credentials_have_no_place_in_a_url(url: str) -> None:
    """They would be in journals and reports; the refusal does not repeat them."""
    with pytest.raises(BatchError) as caught:
        check_url(url)
    assert "secret" not in str(caught.value)
    with pytest.raises(BatchError):
        UrlSource(url)


def test_a_target_is_a_store_of_whole_objects() -> None:
    """Elsewhere, files would be seen before they are complete."""
    with pytest.raises(BatchError, match="sftp:// is no target"):
        UrlTarget("sftp://example.org/folder")


@pytest.mark.parametrize(
    ("url", "path"),
    [("file:///srv/in", "/srv/in"), ("file://localhost/srv", "/srv"), ("s3://bucket/folder", None)],
)
def test_a_url_of_a_file_is_a_path(url: str, path: str | None) -> None:
    """So all that holds for folders holds for it."""
    assert local_path(url) == path


def test_a_url_of_a_file_elsewhere_is_refused() -> None:
    """It names a machine."""
    with pytest.raises(BatchError, match="this machine"):
        local_path("file://server/srv")


def test_what_is_a_url() -> None:
    """A path with a colon is none."""
    assert is_url("s3://bucket/folder")
    assert not is_url("C:/folder")
    assert check_url("s3://bucket/folder/") == "s3://bucket/folder"


@pytest.mark.parametrize("name", ["../up.eml", "a/../../up.eml", "a//b.eml", "./a.eml", "a\0b.eml"])
def test_a_name_that_no_file_may_have_is_refused(name: str) -> None:
    """A store may have objects of any name; such a one fails, and leads nowhere in a target."""
    item = _item("s3://bucket/in", name, 5)
    assert item.name == name
    assert item.place == "refused.eml"
    assert isinstance(item.content, Refused)
    with pytest.raises(MessageError, match="none that a file may have"):
        item.content.open()


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what brings it."""
    for name in ("distributed", "fsspec", "fsspec.core"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BatchError, match=r"pip install 'smime-session\[fsspec\]'"):
        next(UrlSource("s3://bucket/folder").items())
    with (
        pytest.raises(BatchError, match=r"pip install 'smime-session\[cluster\]'"),
        Cluster("tcp://127.0.0.1:1") as one,
    ):
        one(1)
