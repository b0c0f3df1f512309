"""Mail from Django arrives encrypted, through the backends that Django has."""

from __future__ import annotations

import importlib.util
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING, Any

import pytest

from smime_session import CertificateStore, RecipientError, load_certificates, new_identity
from tests.interop.peers.everyone import report_missing
from tests.support.correspondents import Correspondents
from tests.support.mail_server import HOST, Behaviour, mail_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

SMTP, MEMORY, FILES = (f"django.core.mail.backends.{name}.EmailBackend" for name in ("smtp", "locmem", "filebased"))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Correspondents:
    """Bob, Carol and Dave, with a store of their certificates."""
    made = {name: new_identity(f"{name}@example.org", key_type="p256") for name in ("bob", "carol", "dave")}
    store = CertificateStore(tmp_path_factory.mktemp("store"))
    store.add(certificate for each in made.values() for certificate in load_certificates(each.certificate_pem))
    return Correspondents(store, {name: each.private_key_pem + each.certificate_pem for name, each in made.items()})


@pytest.fixture(scope="module")
def django() -> ModuleType:
    """Django's module for mail, with settings."""
    if importlib.util.find_spec("django") is None:
        report_missing("Django", ["django"])
    from django.conf import settings

    settings.configure(EMAIL_BACKEND="smime_session.contrib.django.EncryptingEmailBackend")
    from django.core import mail

    found: ModuleType = mail
    return found


@pytest.fixture
def server(django: ModuleType, people: Correspondents) -> Iterator[Behaviour]:
    """Run a server that Django sends to."""
    from django.test.utils import override_settings

    assert django
    with (
        mail_server() as (behaviour, port),
        override_settings(EMAIL_HOST=HOST, EMAIL_PORT=port, SMIME_SESSION={"CERTIFICATES": str(people.store.path)}),
    ):
        yield behaviour


def test_a_mail_arrives_encrypted(django: ModuleType, server: Behaviour, people: Correspondents) -> None:
    """send_mail and mails with attachments and Bcc arrive; who is in bcc gets a mail of their own."""
    sent = django.send_mail("Friday", "At eight? Grüße", "Alice <alice@example.org>", ["Bob <bob@example.org>"])
    mail = django.EmailMultiAlternatives(
        "Friday",
        "At eight?",
        "alice@example.org",
        ["bob@example.org"],
        cc=["carol@example.org"],
        bcc=["dave@example.org"],
    )
    mail.attach_alternative("<p>At eight?</p>", "text/html")
    mail.attach("plan.bin", bytes(range(256)), "application/octet-stream")
    assert (sent, mail.send()) == (1, 1)
    assert [each.recipients for each in server.received] == [
        ["bob@example.org"],
        ["bob@example.org", "carol@example.org"],
        ["dave@example.org"],
    ]
    assert [people.readers(each.content) for each in server.received] == [["bob"], ["bob", "carol"], ["dave"]]
    assert b"plan.bin" in people.opened(server.received[2].content, "dave")
    fields = BytesHeaderParser().parsebytes(server.received[0].content)
    assert (fields["From"], fields["To"], fields["Subject"]) == (
        "Alice <alice@example.org>",
        "Bob <bob@example.org>",
        "Friday",
    )


def test_several_mails_take_one_connection(django: ModuleType, server: Behaviour) -> None:
    """What Django sends at once is sent at once."""
    mails = [("Friday", "At eight?", "alice@example.org", ["bob@example.org"])] * 3
    assert django.send_mass_mail(mails) == 3
    assert (server.connections, len(server.received)) == (1, 3)


def test_without_a_certificate_nothing_is_sent(django: ModuleType, server: Behaviour) -> None:
    """Neither that mail nor those that go with it; failing silently sends nothing either."""
    mails = [("Friday", "x", "alice@example.org", [f"{name}@example.org"]) for name in ("bob", "eve")]
    with pytest.raises(RecipientError, match=r"eve@example\.org: there is no certificate for it"):
        django.send_mass_mail(mails)
    assert django.send_mass_mail(mails, fail_silently=True) == 0
    assert server.seen == []


def test_the_subject_can_be_hidden(django: ModuleType, server: Behaviour, people: Correspondents) -> None:
    """Then it travels inside alone."""
    from django.test.utils import override_settings

    chosen = {"CERTIFICATES": people.store, "HIDE_SUBJECT": True, "PROFILE": "modern"}
    with override_settings(SMIME_SESSION=chosen):
        django.send_mail("Friday", "At eight?", "alice@example.org", ["bob@example.org"])
    (mail,) = server.received
    assert b"Subject: [...]" in mail.content
    assert b"authEnveloped-data" in mail.content
    assert b"Subject: Friday" in people.opened(mail.content, "bob")


@pytest.mark.parametrize("backend", [MEMORY, FILES])
def test_other_backends(django: ModuleType, people: Correspondents, tmp_path: Path, backend: str) -> None:
    """What keeps mails in memory or in files keeps encrypted ones."""
    from django.test.utils import override_settings

    vars(django)["outbox"] = []
    chosen: dict[str, Any] = {"CERTIFICATES": people.store.path, "BACKEND": backend}
    with override_settings(SMIME_SESSION=chosen, EMAIL_FILE_PATH=str(tmp_path)):
        assert django.send_mail("Friday", "At eight?", "alice@example.org", ["bob@example.org"]) == 1
    if backend == MEMORY:
        (kept,) = django.outbox
        mails = [kept.message().as_bytes()]
    else:
        mails = [path.read_bytes().partition(b"\n----")[0] for path in tmp_path.iterdir()]
    assert [people.readers(each) for each in mails] == [["bob"]]


def test_a_backend_that_builds_mails_itself_fails(django: ModuleType, people: Correspondents) -> None:
    """It would send the subject and an empty body: it gets neither body nor attachment."""
    from django.core.mail.backends.base import BaseEmailBackend
    from django.test.utils import override_settings

    class Building(BaseEmailBackend):  # type: ignore[misc]  # Django is not typed
        def send_messages(self, messages: Any) -> int:  # noqa: ANN401  # untyped
            return sum(len(each.body) for each in messages)

    chosen = {"CERTIFICATES": people.store, "BACKEND": MEMORY}
    with override_settings(SMIME_SESSION=chosen):
        connection = django.get_connection()
        connection.wrapped = Building()
        with pytest.raises(TypeError, match="builds mails by itself, and cannot send one that is encrypted"):
            django.send_mail("Friday", "x", "alice@example.org", ["bob@example.org"], connection=connection)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({}, "CERTIFICATES is a folder of certificates, or a CertificateSource"),
        ({"CERTIFICATES": "/no/such/folder"}, "CERTIFICATES: /no/such/folder is not a folder of certificates"),
        ({"CERTIFICATES": "/", "PROFILE": "strong"}, "PROFILE is one of .*, not 'strong'"),
        ({"CERTIFICATE": "/"}, "SMIME_SESSION has no CERTIFICATE"),
    ],
)
def test_settings_that_cannot_be_used(django: ModuleType, chosen: dict[str, str], words: str) -> None:
    """Each is told with its name."""
    from django.core.exceptions import ImproperlyConfigured
    from django.test.utils import override_settings

    with override_settings(SMIME_SESSION=chosen), pytest.raises(ImproperlyConfigured, match=words):
        django.get_connection()
