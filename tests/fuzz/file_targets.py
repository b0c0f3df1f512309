"""Targets that read files: certificates, private keys, saved session keys, mailboxes, lists, settings."""

from __future__ import annotations

import atexit
import bz2
import gzip
import io
import lzma
import os
import tarfile
import tempfile
import zipfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast
from unittest.mock import patch

import click
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from cli.listed import read_list
from cli.settings import Settings, SettingsError
from smime_session import RecipientError, SmimeError, list_credentials, load_certificates, load_session_key
from smime_session.algorithms import AES_128_CBC, AES_256_GCM
from smime_session.batch import MboxSource, TarSource, ZipSource
from smime_session.batch.items import Refused
from smime_session.batch.mbox import _Mboxrd
from smime_session.batch.storing import Task
from smime_session.certificates.announcements import announced_in, block
from smime_session.certificates.certificate import Certificate, read_certificates
from smime_session.certificates.names import addresses_of
from smime_session.certificates.ocsp import _judged
from smime_session.certificates.revocation import crls_in
from smime_session.keys import locks
from smime_session.keys.load import load_private_keys
from smime_session.operations.saved_key import SavedSessionKey
from smime_session.session_key import SessionKey
from tests.fuzz import seeds
from tests.fuzz.cms_targets import outcome
from tests.fuzz.harness import Target
from tests.vectors.hostile import seeds as made

if TYPE_CHECKING:
    from smime_session.batch import MboxForm

_FORMS: Final[tuple[MboxForm, ...]] = ("mboxrd", "mboxo", "mboxcl2")
_MOMENT: Final = datetime(2026, 3, 1, tzinfo=UTC)
_WORK: Final = 5000  # iterations that a file may take here, so that it goes fast


@cache
def _folder() -> str:
    """Return a folder for what is read from files; it goes when the process ends."""
    made = tempfile.TemporaryDirectory(prefix="fuzz-")
    atexit.register(made.cleanup)
    return made.name


def _file(name: str, data: bytes) -> str:
    path = os.path.join(_folder(), name)  # noqa: PTH118  # for each execution
    with open(path, "wb") as file:  # noqa: PTH123  # the same
        file.write(data)
    return path


def certificates(data: bytes) -> None:
    """Certificates and revocation lists: what is loaded and written again is loaded again, with the same names."""
    outcome(lambda: crls_in(data))
    outcome(lambda: [announced_in(data), read_certificates(data)])
    for found in load_certificates(data):
        der = found.public_bytes(Encoding.DER)
        assert load_certificates(der) == [found]
        ours = Certificate.of(found)
        assert Certificate.load(der) == ours
        plain = Certificate.plain(der)
        if plain is not None:
            assert (plain.mailboxes, plain.subject, plain.name, plain.key_identifier, str(plain)) == (
                *(ours.mailboxes, ours.subject, ours.name, ours.key_identifier, str(ours)),
            )
        addresses_of(found)
        _ = ours.public_key


def private_keys(data: bytes) -> None:
    """Private keys in PEM, DER, PKCS#8 and PKCS#12: what is loaded can compute, and no error shows what is inside."""
    with patch.object(locks, "MAX_WORK", _WORK):
        outcome(lambda: str(list_credentials(data, seeds.PASSPHRASE).to_dict()))
        outcome(lambda: load_private_keys(data))
        for found in load_private_keys(data, seeds.PASSPHRASE):
            assert found.private_key.public_key.canonical
            assert set(found.certificates) <= set(found.beside)


def session_keys(data: bytes) -> None:
    """Saved session keys: the same when one is written again."""
    with load_session_key(data) as found:
        text = found.to_json()
        with load_session_key(text) as again:
            assert (again.algorithm, again.fingerprint, again.to_json()) == (found.algorithm, found.fingerprint, text)


def mailboxes(data: bytes) -> None:
    """Mailboxes: messages follow each other, and come back when they are written again."""
    path = _file("box", data)
    for form in _FORMS:
        items = list(MboxSource(path, form).items())
        at = 0
        for item in items:
            section = item.content.section  # type: ignore[attr-defined]
            assert at <= section.begin <= section.begin + section.size <= len(data)
            at = section.begin + section.size
        with_messages = [(item, item.content.open().read()) for item in items]
        made = io.BytesIO()
        for number, (item, message) in enumerate(with_messages):
            frame = _Mboxrd().frame(cast("Any", made), Task(number, item))
            frame.start()
            frame.write(message)
            frame.finish()
        again = MboxSource(_file("again", made.getvalue()))
        ended = [text if not text or text.endswith(b"\n") else text + b"\n" for _, text in with_messages]
        assert [each.content.open().read() for each in again.items()] == ended


def archives(data: bytes) -> None:
    """Archives (zip, and tar with and without compression): no entry is put outside, each has its bytes or a reason."""
    path = _file("archive", data)
    for source in (ZipSource(path), TarSource(path)):
        try:
            items = list(source.items())
        except SmimeError:
            continue
        assert len({item.name for item in items}) == len(items)
        for item in items:
            if not isinstance(item.content, Refused):
                assert not {"", ".", ".."} & {*item.place.split("/")}
            with suppress(SmimeError):
                _drained(item.content.open())


def _drained(stream: BinaryIO) -> int:
    with stream:
        return sum(map(len, iter(lambda: stream.read(1 << 16), b"")))


def answers(data: bytes) -> None:
    """Answers of OCSP responders: what is broken, about another certificate or too old is no answer."""
    person = made.alice()
    _judged(data, person, person, _MOMENT)


class _Finder:
    """Finds certificates for addresses at one domain."""

    def find(self, addresses: tuple[str, ...]) -> None:
        """Refuse the others."""
        if refused := [each for each in addresses if not each.endswith("@example.org")]:
            raise RecipientError(refused)


def lists(data: bytes) -> None:
    """Lists of recipients (CSV): every message has the addresses that its row gives."""
    found = read_list(_file("list", data), ("a.eml", "b.eml"), cast("Any", _Finder()))
    assert found.keys() == {"a.eml", "b.eml"}
    assert all(found.values())


@cache
def _options() -> dict[str, list[click.Option]]:
    from cli.root import group  # loads every command, when it is needed

    context = click.Context(group)
    commands = {name: group.get_command(context, name) for name in ("encrypt", "decrypt", "send", "sign")}
    return {
        name: [each for each in command.params if isinstance(each, click.Option)]
        for name, command in commands.items()
        if command
    }


def settings(data: bytes) -> None:
    """Settings (TOML): every value is one that its option takes."""
    path = _file("settings", data)
    found = Settings(path)
    try:
        assert isinstance(found.tables, dict)
    except SettingsError as error:
        assert error.message.startswith(path)  # noqa: PT017  # whatever the words are
        return
    for name, options in _options().items():
        try:
            for value in found.for_command(name, options):
                assert value.source == path
        except SettingsError as error:
            assert error.message.startswith(path)  # noqa: PT017


def _saved() -> list[bytes]:
    made = [
        SavedSessionKey(SessionKey(bytearray(algorithm.key_size)), algorithm, bytes(range(32))).to_json()
        for algorithm in (AES_256_GCM, AES_128_CBC)
    ]
    return [*made, *seeds.vectors("hostile/credentials/*.session")]


def _boxes() -> list[bytes]:
    start = b"From a@example.org Thu Jan  1 00:00:00 1970\n"
    letter = seeds.LETTER.replace(b"\r\n", b"\n")
    told = letter.replace(b"To:", b"Content-Length: 20\nTo:")
    return [
        *((start + letter + b"\n") * 3, start + told + b"\n" + start + told, start + seeds.LETTER + b"\r\n" + start),
        *(start + b">From \n>>From \nFrom\n\nFrom b\n", *seeds.vectors("hostile/containers/*.mbox")),
    ]


_LISTS: Final = (
    b"file,addresses\r\na.eml,a@example.org\r\nb.eml,b@example.org,c@example.org\r\n",
    b'\xef\xbb\xbfa.eml, a@example.org\n\nb.eml,"b@example.org"\n',
)
_SETTINGS: Final = (
    b'certs = ["a.pem", "b"]\nprofile = "modern"\nquiet = true\nattempts = 3\n[send]\nsmtp = "mail.example.org:25"\n',
    b'identity = "~/a.key"\n[encrypt]\nhide-subject = true\nto = 1\n[sendmail]\nprogram = "/usr/sbin/sendmail"\n',
    b'cipher = """aes-256-gcm"""\ntimeout = 1.5\nsign_with = \'k.pem\'\n[decrypt]\nmax-trials = 0x10\n',
)


def _archives() -> list[bytes]:
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive, tarfile.open(fileobj=tarred, mode="w") as other:
        for name in ("a.eml", "b/c.eml"):
            archive.writestr(name, seeds.LETTER)
            entry = tarfile.TarInfo(name)
            entry.size = len(seeds.LETTER)
            other.addfile(entry, io.BytesIO(seeds.LETTER))
    tar = tarred.getvalue()[:2560]
    return [zipped.getvalue(), tar, *(pack(tar) for pack in (gzip.compress, bz2.compress, lzma.compress))]


def _answers() -> list[bytes]:
    person = made.alice()
    builder = ocsp.OCSPResponseBuilder().responder_id(ocsp.OCSPResponderEncoding.HASH, person)
    times: tuple[Any, ...] = (_MOMENT, _MOMENT + timedelta(days=1))
    states: tuple[Any, ...] = ((ocsp.OCSPCertStatus.GOOD, None, None), (ocsp.OCSPCertStatus.REVOKED, _MOMENT, None))
    found = [
        builder.add_response(person, person, SHA256(), status, *times, *more).sign(made.rsa_key(), SHA256())
        for status, *more in states
    ]
    refusal = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    return [each.public_bytes(Encoding.DER) for each in (*found, refusal)]


def _announced() -> list[bytes]:
    found = announced_in(seeds.certificate_files()[0])
    return [] if found is None else [block(found)]


TARGETS: Final = {
    "certificates": Target(certificates, lambda: [*seeds.certificate_files(), *_announced()], "values"),
    "private-keys": Target(private_keys, lambda: list(seeds.key_files()), "values"),
    "session-keys": Target(session_keys, _saved, "text"),
    "mailboxes": Target(mailboxes, _boxes, "text"),
    "archives": Target(archives, lambda: [*_archives(), *seeds.vectors("hostile/containers/*.[zt]*")], "octets"),
    "answers": Target(answers, _answers, "values"),
    "lists": Target(lists, lambda: [*_LISTS, *seeds.vectors("hostile/containers/*.csv")], "text"),
    "settings": Target(settings, lambda: [*_SETTINGS, *seeds.vectors("hostile/containers/*.toml")], "text"),
}
