"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured.

    Attributes:
        counts: numbers of recipients in process.
        command_counts: numbers of recipients where each mail is a process.
        seconds: for one point in process.
        rounds: how often each point is measured.
        command_rounds: the same where each mail is a process.
        large: octets of the large mail.
        large_rounds: how often it is encrypted and decrypted.
        whole_peers: whether peers that hold the whole mail in memory, many times, get the large mail too.
    """

    counts: tuple[int, ...] = (1, 10, 100, 1000)
    command_counts: tuple[int, ...] = (1, 10, 100)
    seconds: float = 0.25
    rounds: int = 5
    command_rounds: int = 15
    large: int = 100_000_000
    large_rounds: int = 5
    whole_peers: bool = True


FULL = Scale()
LARGE = Scale(large=1_000_000_000, large_rounds=3, whole_peers=False)
QUICK = Scale(
    counts=(1, 10),
    command_counts=(1,),
    seconds=0.02,
    rounds=1,
    command_rounds=1,
    large=4_000_000,
    large_rounds=1,
)
