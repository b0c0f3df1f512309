"""Hand mail to a submission server, and tell for each recipient what became of it.

Built on the library's public names alone, with :mod:`smtplib` underneath::

    from smime_session.submission import FromFile, Server, Submission

    server = Server("submission.example.com", user="alice", password=FromFile("password.txt"))
    with Submission(server) as submission:
        for recipients, encrypted in encrypt_by_address(message, store):
            for delivery in submission.send(encrypted, sender="alice@example.com", recipients=recipients):
                print(delivery.address, delivery.outcome, delivery.reason)
"""

from __future__ import annotations

from smime_session.submission.content import MailContent
from smime_session.submission.delivery import Delivery, Notify, Outcome
from smime_session.submission.mailboxes import check_mailbox
from smime_session.submission.secrets import FromCommand, FromFile, FromVariable, SecretSource
from smime_session.submission.server import Security, Server
from smime_session.submission.submission import Submission

__all__ = [
    "Delivery",
    "FromCommand",
    "FromFile",
    "FromVariable",
    "MailContent",
    "Notify",
    "Outcome",
    "SecretSource",
    "Security",
    "Server",
    "Submission",
    "check_mailbox",
]
