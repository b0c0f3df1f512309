"""A folder of certificates: found by address, whatever happens to the files and to the index beside them."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from smime_session.certificates.load import load_certificates
from smime_session.certificates.store import INDEX_NAME, CertificateStore
from smime_session.errors import CredentialError
from tests.support.making import certificate, der, pem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography import x509

BOB: Final = "bob@example.org"


def _certificate(address: str | None, serial: int = 1) -> x509.Certificate:
    return certificate(address, serial=serial)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with certificates in files of every kind."""
    (tmp_path / "bob.pem").write_bytes(pem(_certificate(BOB)))
    (tmp_path / "carol.der").write_bytes(der(_certificate("carol@example.org", serial=2)))
    bundle = [_certificate(f"user{number}@example.org", serial=number) for number in range(10, 15)]
    (tmp_path / "bundle.pem").write_bytes(b"staff\n" + b"\n".join(pem(each) for each in bundle))
    several = [_certificate("dana@example.org", serial=3), _certificate(BOB, serial=4)]
    (tmp_path / "several.p7b").write_bytes(pkcs7.serialize_certificates(several, Encoding.DER))
    (tmp_path / "notes.txt").write_text("not a certificate")
    (tmp_path / ".hidden.pem").write_bytes(pem(_certificate("hidden@example.org")))
    (tmp_path / "folder").mkdir()
    return tmp_path


def _serials(store: CertificateStore, address: str) -> list[int]:
    return [each.serial_number for each in store.find(address)]


def test_certificates_are_found_in_files_of_every_kind(folder: Path) -> None:
    """PEM, DER, bundles and PKCS#7 are looked into, hidden files and folders are not; letter case does not count."""
    store = CertificateStore(folder)
    for _ in range(2):  # with a new index, and with one that is there
        assert _serials(store, BOB) == [1, 4]
        assert _serials(store, "CAROL@Example.ORG") == [2]
        assert _serials(store, "user13@example.org") == [13]
        assert _serials(store, "dana@example.org") == [3]
        assert _serials(store, "hidden@example.org") == []
        assert _serials(store, "erin@example.org") == []


def test_a_look_up_with_an_index_parses_no_other_certificate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle is not loaded again for one of its certificates, nor is any other file."""
    _serials(CertificateStore(folder), BOB)
    os.utime(folder, ns=(0, 0))  # as if the folder had not changed for long
    _serials(CertificateStore(folder), BOB)
    read: list[int] = []

    def note(data: bytes) -> list[x509.Certificate]:
        read.append(len(data))
        return load_certificates(data)

    monkeypatch.setattr("smime_session.certificates.store.load_certificates", note)
    assert _serials(CertificateStore(folder), "user12@example.org") == [12]
    assert len(read) == 1
    assert read[0] < (folder / "bundle.pem").stat().st_size / 4


def test_what_happens_to_the_files_is_seen(folder: Path) -> None:
    """New, changed, replaced, renamed and removed files count at once, also where the folder's time stays."""
    store = CertificateStore(folder)
    assert _serials(store, BOB) == [1, 4]
    (folder / "new.pem").write_bytes(pem(_certificate(BOB, serial=5)))
    assert _serials(store, BOB) == [1, 5, 4]
    (folder / "several.p7b").unlink()
    (folder / "new.pem").rename(folder / "another.pem")
    assert _serials(store, BOB) == [5, 1]
    os.utime(folder, ns=(0, 0))
    assert _serials(store, BOB) == [5, 1]
    with (folder / "bob.pem").open("r+b") as file:  # in its place, which leaves the folder's time as it is
        file.write(pem(_certificate("erin@example.org", serial=6)))
    assert _serials(store, "erin@example.org") == [6]
    assert _serials(store, BOB) == [5]


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 100, None])
def test_a_damaged_index_is_made_anew(folder: Path, damage: bytes | None) -> None:
    """Whatever stands in the index file, what is found comes from the certificates."""
    store = CertificateStore(folder)
    assert _serials(store, BOB) == [1, 4]
    index = folder / INDEX_NAME
    for end in ("-wal", "-shm"):
        (folder / f"{INDEX_NAME}{end}").unlink(missing_ok=True)
    octets = bytearray(index.read_bytes())
    octets[200:2000] = bytes(1800)
    index.write_bytes(octets if damage is None else damage)
    assert _serials(CertificateStore(folder), BOB) == [1, 4]


def test_an_index_that_lies_leads_to_no_other_certificate(folder: Path) -> None:
    """What the index says about a file is checked against the certificate in it."""
    store = CertificateStore(folder)
    assert _serials(store, BOB) == [1, 4]
    with sqlite3.connect(folder / INDEX_NAME) as index:
        index.execute("UPDATE place SET mailbox = 'erin@example.org' WHERE CAST(name AS TEXT) = 'carol.der'")
        index.execute("UPDATE place SET name = CAST('../bob.pem' AS BLOB) WHERE CAST(name AS TEXT) = 'bob.pem'")
    index.close()
    assert _serials(store, "erin@example.org") == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM place",
        "DELETE FROM place WHERE CAST(name AS TEXT) = 'bob.pem'",
        "UPDATE place SET mailbox = 'erin@example.org'",
        "UPDATE place SET mailbox = 7",
        "UPDATE place SET name = CAST('none.pem' AS BLOB)",
        "UPDATE place SET name = 'bob.pem'",
        "UPDATE file SET places = NULL",
    ],
)
def test_an_index_with_rows_missing_hides_no_certificate(folder: Path, statement: str) -> None:
    """Before it is said that there is no certificate, what the index has of each file is checked."""
    store = CertificateStore(folder)
    certificates = store.find("bob@example.org")
    index = sqlite3.connect(folder / INDEX_NAME)
    index.execute(statement)
    index.commit()
    index.close()
    assert len(certificates) == 2
    assert CertificateStore(folder).find("bob@example.org") == certificates
    assert store.find("erin@example.org") == []


@pytest.mark.parametrize(
    "statements",
    [
        "UPDATE place SET begin = 'x'",
        "UPDATE place SET begin = -1",
        "UPDATE place SET size = 9223372036854775807",
        "UPDATE place SET number = NULL",
        "UPDATE place SET name = x'00'",
        "UPDATE place SET name = NULL",
        "UPDATE place SET name = CAST('/dev/zero' AS BLOB)",
        "UPDATE file SET name = 1 WHERE rowid = 1; UPDATE folder SET changed = 0",
        "UPDATE folder SET indexed = 'x'",
        "UPDATE folder SET indexed = NULL",
        "DROP TABLE place",
        "CREATE TRIGGER t BEFORE DELETE ON folder BEGIN SELECT RAISE(ABORT, ''); END; UPDATE folder SET changed = 0",
        (
            "DROP TABLE file; CREATE VIEW file AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
            " SELECT CAST(x AS BLOB) AS name, 1 AS size, 1 AS changed, 1 AS inode FROM c; UPDATE folder SET changed = 0"
        ),
    ],
)
def test_an_index_that_others_made_is_made_anew(folder: Path, statements: str) -> None:
    """Values of other kinds, other tables, views and triggers are no obstacle, and no error."""
    assert _serials(CertificateStore(folder), BOB) == [1, 4]
    index = sqlite3.connect(folder / INDEX_NAME)
    index.executescript(statements)
    index.close()
    assert _serials(CertificateStore(folder), BOB) == [1, 4]


def test_file_names_and_addresses_need_not_be_text(folder: Path) -> None:
    """A file is found whatever bytes its name has; an address that is no text is none's."""
    name = os.fsdecode(b"\xff\n.pem")
    (folder / "bob.pem").rename(folder / name)
    for _ in range(2):
        assert sorted(_serials(CertificateStore(folder), BOB)) == [1, 4]
    assert CertificateStore(folder).find("\udcff@example.org") == []


def test_an_index_of_another_kind_is_not_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A link in the index's place leads nowhere: what it points to stays as it is."""
    other = tmp_path_factory.mktemp("other") / "precious"
    other.write_text("precious")
    (folder / INDEX_NAME).parent.mkdir()
    (folder / INDEX_NAME).symlink_to(other)
    assert _serials(CertificateStore(folder), BOB) == [1, 4]
    assert other.read_text() == "precious"


def test_an_index_folder_of_another_kind_is_not_followed(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing is written where a link in its place points to."""
    other = tmp_path_factory.mktemp("other")
    (folder / INDEX_NAME).parent.symlink_to(other)
    assert _serials(CertificateStore(folder), BOB) == [1, 4]
    assert list(other.iterdir()) == []


def test_a_second_look_up_compares_no_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Using the index does not change the folder, so that its time of change says that nothing is new."""
    long_ago = time.time() - 60
    os.utime(folder, (long_ago, long_ago))
    assert _serials(CertificateStore(folder), BOB) == [1, 4]
    os.utime(folder, (long_ago, long_ago))  # making the index's own folder has changed it
    assert _serials(CertificateStore(folder), BOB) == [1, 4]
    monkeypatch.setattr(CertificateStore, "_states", None)
    assert _serials(CertificateStore(folder), BOB) == [1, 4]


def test_where_no_index_can_be_written_it_is_kept_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is read-only serves too, and gets no file."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def refuse(path: object, **options: object) -> sqlite3.Connection:
        if path != ":memory:":
            raise sqlite3.OperationalError("unable to open database file")
        return connect(path, **options)

    monkeypatch.setattr(sqlite3, "connect", refuse)
    store = CertificateStore(folder)
    assert _serials(store, BOB) == [1, 4]
    (folder / "several.p7b").unlink()
    assert _serials(store, BOB) == [1]
    assert not (folder / INDEX_NAME).exists()


def test_added_certificates_are_found_and_not_added_twice(folder: Path) -> None:
    """Each gets a file of its own with its address in the name; one that is there, in whatever file, stays alone."""
    store = CertificateStore(folder)
    erin = _certificate("../Erin O'Hara@example.org", serial=7)
    (name,) = store.add([erin, *store.find(BOB), erin])
    assert name.startswith("_Erin_O_Hara@example.org-")
    assert store.add([erin]) == []
    assert (folder / name).read_bytes() == pem(erin)
    (anonymous,) = store.add([_certificate(None, serial=8)])
    assert anonymous.startswith("certificate-")
    assert store.add([_certificate(None, serial=8)]) == []
    assert not list(folder.glob(".*.tmp"))


def test_all_files_are_listed_with_what_is_wrong(folder: Path) -> None:
    """What cannot be read is named, in the order of the files."""
    listed = list(CertificateStore(folder).files())
    assert [each.name for each in listed] == ["bob.pem", "bundle.pem", "carol.der", "notes.txt", "several.p7b"]
    assert [len(each.certificates) for each in listed] == [1, 5, 1, 0, 2]
    assert listed[3].problem == "this is text, not a certificate"


def test_a_store_is_a_folder(tmp_path: Path) -> None:
    """A path that is none is named."""
    with pytest.raises(CredentialError, match="nowhere is not a folder"):
        CertificateStore(tmp_path / "nowhere")


def _find_and_add(folder: str, number: int) -> list[int]:
    store = CertificateStore(folder)
    store.add([_certificate(BOB, serial=100 + number)])
    return _serials(store, BOB)


def test_several_processes_share_an_index(folder: Path) -> None:
    """Processes that add and look up at the same time find their own and, in the end, all."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.starmap(_find_and_add, [(str(folder), number) for number in range(12)])
    assert all(100 + number in serials for number, serials in enumerate(found))
    assert sorted(_serials(CertificateStore(folder), BOB)) == sorted([1, 4, *range(100, 112)])
