"""What became of a mail, for each of its recipients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["accepted", "refused", "postponed", "unsent", "unknown"]
"""What is known: the server took the mail; it refused for good; it refused for now, each time; the mail did not get
to the server; or the connection was lost when all of the mail was sent and no answer had come."""

Notify = Literal["never", "success", "failure", "delay"]
"""When the sender is to get a report (RFC 3461, 4.1)."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a mail for one recipient.

    Attributes:
        address: the recipient's address.
        outcome: what is known of it. Only ``accepted`` is success; with ``unknown`` the recipient may have got the
            mail, and it is not sent again.
        reason: what the server answered, or what happened; a sentence or part of one, without control characters.
        code: the server's reply code; None without a reply.
        attempts: how often it was tried.
    """

    address: str
    outcome: Outcome
    reason: str
    code: int | None = None
    attempts: int = 1

    @property
    def accepted(self) -> bool:
        """Whether the server took responsibility for the mail."""
        return self.outcome == "accepted"
