"""Targets that read files: certificates, private keys, saved session keys, mailboxes, lists, settings."""

from __future__ import annotations

import atexit
import io
import os
import tempfile
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

import click
from cryptography.hazmat.primitives.serialization import Encoding

from cli.listed import read_list
from cli.settings import Settings, SettingsError
from smime_session import RecipientError, list_credentials, load_certificates, load_session_key
from smime_session.algorithms import AES_128_CBC, AES_256_GCM
from smime_session.batch import MboxSource
from smime_session.batch.mbox import _Mboxrd
from smime_session.batch.storing import Task
from smime_session.certificates.announcements import announced_in, block
from smime_session.certificates.certificate import Certificate, read_certificates
from smime_session.certificates.names import addresses_of
from smime_session.certificates.revocation import crls_in
from smime_session.keys import locks
from smime_session.keys.load import load_private_keys
from smime_session.operations.saved_key import SavedSessionKey
from smime_session.session_key import SessionKey
from tests.fuzz import seeds
from tests.fuzz.cms_targets import outcome
from tests.fuzz.harness import Target

if TYPE_CHECKING:
    from smime_session.batch import MboxForm

_FORMS: Final[tuple[MboxForm, ...]] = ("mboxrd", "mboxo", "mboxcl2")
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


def _announced() -> list[bytes]:
    found = announced_in(seeds.certificate_files()[0])
    return [] if found is None else [block(found)]


TARGETS: Final = {
    "certificates": Target(certificates, lambda: [*seeds.certificate_files(), *_announced()], "values"),
    "private-keys": Target(private_keys, lambda: list(seeds.key_files()), "values"),
    "session-keys": Target(session_keys, _saved, "text"),
    "mailboxes": Target(mailboxes, _boxes, "text"),
    "lists": Target(lists, lambda: [*_LISTS, *seeds.vectors("hostile/containers/*.csv")], "text"),
    "settings": Target(settings, lambda: [*_SETTINGS, *seeds.vectors("hostile/containers/*.toml")], "text"),
}
