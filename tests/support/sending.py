"""A mail that tests send as Alice, and whom they send it to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from smime_session.submission import Server, Submission
from tests.support.mail_server import HOST

if TYPE_CHECKING:
    from smime_session.submission import Delivery

MAIL: Final = b"From: alice@example.org\nTo: bob@example.org\nSubject: Friday\n\nAt eight?\n"
ALICE, BOB, CAROL, DAVE = (f"{name}@example.org" for name in ("alice", "bob", "carol", "dave"))


def local(port: int, **choices: Any) -> Server:  # noqa: ANN401
    """Return a server on this machine without TLS."""
    return Server(HOST, port, "plaintext", **choices)


def send(server: Server, *recipients: str, mail: bytes = MAIL, waited: list[float] | None = None) -> list[Delivery]:
    """Send a mail as Alice."""
    pauses = [] if waited is None else waited
    with Submission(server, wait=pauses.append) as submission:
        return list(submission.send(mail, sender=ALICE, recipients=recipients))


def outcomes(deliveries: list[Delivery]) -> dict[str, str]:
    """Return the outcome for each recipient."""
    return {each.address: each.outcome for each in deliveries}
