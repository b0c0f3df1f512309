"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured.

    Attributes:
        counts: numbers of recipients.
        certificates: how many are loaded at once; at least as many as recipients.
        mails: how many are encrypted one after the other.
        sampled: how many of them a peer that needs a process for each is given, to be scaled up.
        large: octets of the large mail.
        seconds: for one point in process.
        rounds: how often each point is measured at most.
        repeats: how often a small process runs in one round.
        budget: seconds after which no further round begins.
    """

    counts: tuple[int, ...] = (1, 10, 100, 1000)
    certificates: int = 10_000
    mails: int = 2_000
    sampled: int = 100
    large: int = 1_000_000_000
    seconds: float = 0.25
    rounds: int = 9
    repeats: int = 3
    budget: float = 420


FULL = Scale()
QUICK = Scale(
    counts=(1, 10),
    certificates=20,
    mails=4,
    sampled=2,
    large=4_000_000,
    seconds=0.01,
    rounds=1,
    repeats=1,
    budget=0,
)
