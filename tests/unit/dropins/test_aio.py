"""With asyncio, encrypting and decrypting leave the loop to others."""

from __future__ import annotations

import asyncio
import threading
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

import smime_session
from smime_session import RecipientError, aio, load_certificates, load_identities

if TYPE_CHECKING:
    from tests.support.correspondents import Correspondents

MAIL = b"From: alice@example.org\nTo: bob@example.org\nBcc: dave@example.org\nSubject: Friday\n\nAt eight?\n"


def test_there_and_back(people: Correspondents) -> None:
    """What goes in comes out, with the same types and options as without asyncio."""
    message = EmailMessage()
    message["Subject"] = "Friday"
    message.set_content("At eight?\n")
    certificates, identities = load_certificates(people.keys["bob"]), load_identities(people.keys["bob"])

    async def run() -> EmailMessage:
        sealed = await aio.encrypt(message, certificates, headers="hcp_baseline")
        assert sealed["Subject"] == "[...]"
        return (await aio.decrypt(sealed, identities)).message

    assert asyncio.run(run()).get_content() == "At eight?\n"


def test_by_address(people: Correspondents) -> None:
    """All messages of a mail come at once."""
    found = asyncio.run(aio.encrypt_by_address(MAIL, people.store))
    assert [(each.recipients, people.readers(each.message)) for each in found] == [
        (("bob@example.org",), ["bob"]),
        (("dave@example.org",), ["dave"]),
    ]


def test_errors_arrive(people: Correspondents) -> None:
    """What goes wrong is the same error."""
    assert people
    with pytest.raises(RecipientError):
        asyncio.run(aio.encrypt(MAIL, []))


@pytest.mark.parametrize("name", aio.__all__)
def test_the_loop_goes_on(name: str) -> None:
    """The work is done in another thread, under the name and with the words of the library's function."""
    wrapped: Any = getattr(aio, name)
    assert asyncio.iscoroutinefunction(wrapped)
    assert wrapped.__name__ == name
    threads: list[threading.Thread] = []

    class Message:
        def __getattribute__(self, attribute: str) -> object:
            threads.append(threading.current_thread())
            raise KeyError(attribute)

    with pytest.raises((KeyError, TypeError)):
        asyncio.run(wrapped(Message(), [smime_session.Password("a long and unusual one")]))
    assert threading.main_thread() not in threads
