"""Certificates by mail address: a folder of files, with an index beside them.

The files are the truth: whatever PEM, DER and PKCS#7 files are put into the folder is found. The index only
tells in which file, and where in it, to look for an address, so that the first look-up among 100,000 certificates
parses one of them. It is made anew where the files have changed, where it is damaged, and where it is not the
caller's own; where it cannot be written it is kept in memory.
"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import time
import weakref
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar, runtime_checkable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from smime_session.certificates.announcements import announced_in, block
from smime_session.certificates.load import load_certificates
from smime_session.certificates.names import addresses_of, mailbox_of
from smime_session.certificates.tables import checksum, count_places, make_tables, whole_files
from smime_session.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cryptography import x509

    from smime_session.certificates.announcements import Announcement

T = TypeVar("T")

MAX_FILE_SIZE: Final = 1 << 28  # bytes of a file that is looked into: 100,000 certificates have 200 million
INDEX_FOLDER: Final = ".smime-session"  # its own: what SQLite makes and removes there is no change to the store
INDEX_NAME: Final = f"{INDEX_FOLDER}/index.sqlite"

_SETTLED: Final = 2_000_000_000  # nanoseconds after which a change would have changed the folder's time of change
_PATIENCE: Final = 30.0  # seconds to wait for another process that makes the index
_NAME_SIZE: Final = 100  # characters of an address in a file's name
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"
_DAMAGED: Final = (sqlite3.DatabaseError, UnicodeDecodeError)  # whose words may be octets of the file
_UNSAFE: Final = re.compile(r"[^\w.@+-]")


@runtime_checkable
class CertificateSource(Protocol):
    """Where certificates are found by mail address: a folder, a directory service, a dictionary in a test."""

    def find(self, address: str) -> list[x509.Certificate]:
        """Return all certificates for a mail address, usable or not."""
        ...


class CertificateBundle:
    """Certificates in memory, by mail address: a :class:`CertificateSource`.

    Args:
        certificates: the certificates.
    """

    def __init__(self, certificates: Iterable[x509.Certificate]) -> None:
        self._by_mailbox: dict[str, list[x509.Certificate]] = {}
        for certificate in dict.fromkeys(certificates):
            for mailbox in _mailboxes(certificate):
                self._by_mailbox.setdefault(mailbox, []).append(certificate)

    def find(self, address: str) -> list[x509.Certificate]:
        """Return all certificates for a mail address, usable or not."""
        return list(self._by_mailbox.get("@".join(mailbox_of(address)), ()))


class StoredFile(NamedTuple):
    """A file in a store.

    Attributes:
        name: its name in the folder.
        certificates: what it holds.
        problem: why it holds none that can be read, or None.
    """

    name: str
    certificates: tuple[x509.Certificate, ...]
    problem: str | None = None


class _State(NamedTuple):
    """What tells whether a file has changed."""

    size: int
    changed: int
    inode: int


class CertificateStore:
    """A folder of certificate files, which is a :class:`CertificateSource`; safe with several processes.

    Files whose names begin with a dot, and folders in it, are left alone.

    Args:
        path: the folder.

    Raises:
        CredentialError: it is no folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise CredentialError(f"{self.path} is not a folder of certificates")
        self._memory: sqlite3.Connection | None = None

    def find(self, address: str) -> list[x509.Certificate]:
        """Return all certificates for a mail address, usable or not, in the order of their files.

        Letter case does not count, and a domain is the same with A-labels and U-labels.

        Raises:
            OSError: the folder cannot be read.
        """
        mailbox = "@".join(mailbox_of(address)).encode("utf-8", "backslashreplace").decode()  # it need not be text

        def look_up(index: sqlite3.Connection) -> list[x509.Certificate]:
            self._refresh(index, at_once=False)
            found = self._found(index, mailbox)
            if not found:  # whether there is none, all the files tell, not the folder's time of change
                self._refresh(index, at_once=True)
                found = self._found(index, mailbox)
            if found is None:  # the files are as they were: the index is not
                index.execute("DELETE FROM place")
                index.execute("DELETE FROM file")
                self._refresh(index, at_once=True)
                found = self._found(index, mailbox) or []
            return list(dict.fromkeys(found))

        return self._with_index(look_up)

    def files(self) -> Iterator[StoredFile]:
        """Yield every file with what it holds, in the order of their names.

        Raises:
            OSError: the folder cannot be read.
        """
        for name in sorted(self._states()):
            try:
                yield StoredFile(name, tuple(load_certificates(self._read(name))))
            except (CredentialError, OSError) as error:
                yield StoredFile(name, (), _words(error))

    def add(
        self,
        certificates: Iterable[x509.Certificate],
        announced: Mapping[x509.Certificate, Announcement] | None = None,
    ) -> list[str]:
        """Write each certificate to a file of its own, unless the store has it; return the names of the new files.

        Args:
            certificates: the certificates.
            announced: what the owners of some of them announced, which is written beside them unless the store has
                something newer; those files count as new.

        Raises:
            OSError: a file cannot be written; those before it are there.
        """
        certificates = tuple(certificates)
        added: list[str] = []

        def add(index: sqlite3.Connection) -> None:
            self._refresh(index, at_once=True)
            for certificate in dict.fromkeys(certificates):
                addresses = addresses_of(certificate)
                mailbox = "@".join(mailbox_of(addresses[0])) if addresses else ""
                name = _name(certificate, addresses)
                said, known = (announced or {}).get(certificate), self.announced(certificate)
                newer = said is not None and (known is None or known.at < said.at)
                there = certificate in (self._found(index, mailbox) or ()) or (self.path / name).exists()
                if newer or not there:
                    latest = said if newer else None
                    self._write(name, certificate.public_bytes(Encoding.PEM) + (block(latest) if latest else b""))
                    added.append(name)

        self._with_index(add)
        return added

    def announced(self, certificate: x509.Certificate) -> Announcement | None:
        """Return what the owner of a certificate announced last, as far as the store has learnt of it."""
        try:
            return announced_in(self._read(_name(certificate, addresses_of(certificate))))
        except (CredentialError, OSError):
            return None

    def _write(self, name: str, data: bytes) -> None:
        """Write a file that takes its name when it is complete."""
        temporary = self.path / f".{os.urandom(8).hex()}.tmp"
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _read(self, name: str, begin: int = 0, size: int = -1) -> bytes:
        """Read a file, or a part of it.

        Raises:
            CredentialError: it is too large to be looked into.
            OSError: it cannot be read.
        """
        with (self.path / name).open("rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_FILE_SIZE:
                raise CredentialError(f"{name} is larger than {MAX_FILE_SIZE:,} bytes")
            file.seek(begin)
            return file.read(size)

    # --- the index -----------------------------------------------------------------------------

    def _with_index(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the index; where it turns out to be damaged, again with a new one."""
        for _ in range(2):
            try:
                with self._index() as index:
                    return work(index)
            except sqlite3.OperationalError:  # locked for too long, full
                break
            except _DAMAGED:
                self._remove_index()
        self._keep_in_memory()
        with self._index() as index:
            return work(index)

    @contextmanager
    def _index(self) -> Iterator[sqlite3.Connection]:
        """Open the index; a damaged one is made anew, and what cannot be written is kept in memory."""
        for attempt in range(2):
            connection = self._memory or self._open_file()
            if connection is None:
                break
            try:
                make_tables(connection)
            except sqlite3.OperationalError:  # locked for too long, read-only, full
                connection.close()
                break
            except _DAMAGED:
                connection.close()
                if attempt == 0:
                    self._remove_index()
                continue
            if connection is self._memory:
                yield connection
                return
            with closing(connection):
                yield connection
            return
        memory = self._keep_in_memory()
        make_tables(memory)
        yield memory

    def _keep_in_memory(self) -> sqlite3.Connection:
        if self._memory is None:
            self._memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            weakref.finalize(self, self._memory.close)
        return self._memory

    def _open_file(self) -> sqlite3.Connection | None:
        """Open the index's file; None if it cannot be there, or is not the caller's own."""
        path = self.path / INDEX_NAME
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
        if not _is_own(path.parent, stat.S_IFDIR) or (os.path.lexists(path) and not _is_own(path, stat.S_IFREG)):
            return None
        try:
            connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
            connection.text_factory = _text
        except sqlite3.OperationalError:
            return None
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.OperationalError:
            connection.close()
            return None
        except sqlite3.DatabaseError:  # it is no database
            connection.close()
            self._remove_index()
            return self._open_file()
        return connection

    def _remove_index(self) -> None:
        for end in ("", "-wal", "-shm"):
            (self.path / f"{INDEX_NAME}{end}").unlink(missing_ok=True)

    def _refresh(self, index: sqlite3.Connection, *, at_once: bool) -> None:
        """Read the files that have changed; without ``at_once``, only if the folder's time says that some have."""
        changed = self.path.stat().st_mtime_ns
        known = index.execute("SELECT changed, indexed, places FROM folder").fetchone()
        settled = known and known[0] == changed and isinstance(known[1], int) and known[1] - changed > _SETTLED
        whole = known and known[2] == count_places(index)
        if settled and whole and not at_once:
            return
        index.execute("BEGIN IMMEDIATE")
        try:
            now, states = time.time_ns(), self._states()
            seen = {
                _named(name): _State(*state)
                for name, *state in index.execute("SELECT name, size, changed, inode FROM file")
            }
            for name in seen.keys() - states.keys():
                _forget(index, name)
            kept = seen.keys() if whole and not at_once else {_named(each) for each in whole_files(index)}
            for name, state in states.items():
                if seen.get(name) != state or name not in kept:
                    if name in seen:
                        _forget(index, name)
                    self._learn(index, name, state)
            index.execute("DELETE FROM folder")
            index.execute("INSERT INTO folder VALUES (?, ?, ?)", (changed, now, count_places(index)))
        except BaseException:
            index.execute("ROLLBACK")
            raise
        index.execute("COMMIT")

    def _states(self) -> dict[str, _State]:
        """Return the files in the folder."""
        found = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    with suppress(OSError):  # it has just gone
                        if entry.is_file():
                            status = entry.stat()
                            found[entry.name] = _State(status.st_size, status.st_mtime_ns, status.st_ino)
        return found

    def _learn(self, index: sqlite3.Connection, name: str, state: _State) -> None:
        """Note which addresses a file has certificates for."""
        places: list[_Place] = []
        with suppress(CredentialError, OSError):  # what cannot be read is not found: files() says why
            places = list(_places(self._read(name)))
        octets = os.fsencode(name)  # which need not be text
        index.executemany("INSERT INTO place VALUES (?, ?, ?, ?, ?)", [(p.mailbox, octets, *p[1:]) for p in places])
        index.execute("INSERT INTO file VALUES (?, ?, ?, ?, ?)", (octets, *state, checksum(places)))

    def _found(self, index: sqlite3.Connection, mailbox: str) -> list[x509.Certificate] | None:
        """Return the certificates that the index has for a mailbox; None if a file is not what it was."""
        found = []
        query = "SELECT name, begin, place.size, number FROM place WHERE mailbox = ? ORDER BY name, begin, number"
        for octets, begin, size, number in index.execute(query, (mailbox,)).fetchall():
            try:
                name = _named(octets)
                if "/" in name or name.startswith("."):  # no file of the store
                    return None
                certificate = load_certificates(self._read(name, begin, size))[number]
            except (CredentialError, OSError, sqlite3.DatabaseError, IndexError, TypeError, ValueError, OverflowError):
                return None
            if mailbox not in _mailboxes(certificate):
                return None
            found.append(certificate)
        return found


def _name(certificate: x509.Certificate, addresses: Sequence[str]) -> str:
    """Return the name of the file that a certificate gets."""
    owner = _UNSAFE.sub("_", addresses[0] if addresses else "certificate")[:_NAME_SIZE].lstrip(".")
    return f"{owner}-{certificate.fingerprint(hashes.SHA256()).hex()[:16]}.pem"


def _is_own(path: Path, kind: int) -> bool:
    """Tell whether a file is of a kind (``stat.S_IFREG`` or another), and not another user's."""
    try:
        there = path.lstat()
    except OSError:
        return False
    return stat.S_IFMT(there.st_mode) == kind and (not hasattr(os, "getuid") or there.st_uid == os.getuid())


class _Place(NamedTuple):
    """Where a certificate for a mailbox stands: the part of the file, and which of those in that part."""

    mailbox: str
    begin: int
    size: int
    number: int


def _places(data: bytes) -> Iterator[_Place]:
    """Yield the certificates in a file by the mailboxes that they are for.

    Raises:
        CredentialError: there is none that can be read.
    """
    certificates = load_certificates(data)
    blocks = list(_blocks(data))
    alone = len(blocks) == len(certificates)  # else it is PKCS#7, or DER: the whole file is one part
    for number, certificate in enumerate(certificates):
        begin, size = blocks[number] if alone else (0, len(data))
        for mailbox in _mailboxes(certificate):
            yield _Place(mailbox, begin, size, 0 if alone else number)


def _blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield begin and size of each PEM block of a certificate."""
    at = 0
    while (begin := data.find(_BEGIN, at)) >= 0 and (end := data.find(_END, begin)) >= 0:
        at = end + len(_END)
        yield begin, at - begin


def _mailboxes(certificate: x509.Certificate) -> set[str]:
    return {"@".join(mailbox_of(address)) for address in addresses_of(certificate)}


def _named(octets: object) -> str:
    """Return the name of a file as the index has it.

    Raises:
        sqlite3.DatabaseError: it has none.
    """
    if not isinstance(octets, bytes):
        raise sqlite3.DatabaseError("the index has a file without a name")
    return os.fsdecode(octets)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")  # what is damaged is no name of a file, and no other error


def _forget(index: sqlite3.Connection, name: str) -> None:
    index.execute("DELETE FROM place WHERE name = ?", (os.fsencode(name),))
    index.execute("DELETE FROM file WHERE name = ?", (os.fsencode(name),))


def _words(error: CredentialError | OSError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
