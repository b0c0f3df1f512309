"""Log records arrive as encrypted mail."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING

import pytest

from smime_session import RecipientError
from smime_session.contrib.logging import EncryptingSMTPHandler
from tests.support.mail_server import HOST, mail_server

if TYPE_CHECKING:
    from tests.support.correspondents import Correspondents
    from tests.support.mail_server import Authorities


def _log(handler: logging.Handler) -> None:
    logger = logging.Logger("payroll")  # noqa: LOG001  # one of its own, so that no other handler is asked
    logger.addHandler(handler)
    logger.error("the run of %s failed", "October")
    handler.close()


def test_a_record_arrives_encrypted(people: Correspondents, authorities: Authorities) -> None:
    """A record goes to all its addresses, under TLS with the context that was given."""
    context = ssl.create_default_context(cafile=authorities.roots)
    with mail_server(starttls=authorities.context(HOST)) as (behaviour, port):
        addresses = ["bob@example.org", "carol@example.org"]
        handler = EncryptingSMTPHandler(
            (HOST, port),
            "payroll@example.org",
            addresses,
            "Payroll\nfailed",
            secure=(context,),
            certificates=people.store,
            hide_subject=True,
        )
        _log(handler)
    (mail,) = behaviour.received
    assert mail.recipients == addresses
    assert people.readers(mail.content) == ["bob", "carol"]
    opened = people.opened(mail.content, "bob")
    assert b"the run of October failed" in opened
    assert b"Subject: Payroll failed" in opened
    assert b"Payroll failed" not in mail.content


def test_a_server_that_is_not_trusted_gets_nothing(
    people: Correspondents, authorities: Authorities, capsys: pytest.CaptureFixture[str]
) -> None:
    """``secure=()`` checks the server's certificate; what fails is told as handlers tell it."""
    with mail_server(starttls=authorities.context(HOST)) as (behaviour, port):
        addresses = ["bob@example.org"]
        _log(EncryptingSMTPHandler((HOST, port), "a@example.org", addresses, "x", secure=(), certificates=people.store))
    assert behaviour.seen == []
    assert "certificate verify failed" in capsys.readouterr().err


def test_an_address_without_a_certificate_shows_at_once(people: Correspondents) -> None:
    """Not when the first record is to be sent, but when the handler is made."""
    with pytest.raises(RecipientError, match=r"^eve@example\.org: there is no certificate for it"):
        EncryptingSMTPHandler(HOST, "a@example.org", "eve@example.org", "x", certificates=people.store)
