"""What a kind of recipient says about the mail programs that read it, as rules over public fields.

Of the rules for a program the first that applies decides. ``docs/clients.md`` has the source of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = Literal["yes", "no", "unknown"]
"""Whether a mail program opens something; ``unknown`` where it is untested."""


class KeyTraits(NamedTuple):
    """What decides whether a mail program unwraps a session key.

    Attributes:
        name: the algorithm's name, or the kind's.
        oid: the algorithm's object identifier.
        kind: the kind of recipient, by its name in the registry.
        curve: the elliptic curve, by name.
        by_key_identifier: whether the recipient is a certificate that is named by its key identifier.
        follows: whether another recipient stands before it in the same recipient info.
        broken: whether it cannot be read here.
    """

    name: str
    oid: str | None
    kind: str
    curve: str | None
    by_key_identifier: bool
    follows: bool
    broken: bool


Traits = TypeVar("Traits")


class Rule(NamedTuple, Generic[Traits]):
    """One thing that is known of a mail program.

    Attributes:
        applies: to what.
        opens: whether it opens that.
        reason: why, in words that follow on the program's name or stand alone.
    """

    applies: Callable[[Traits], bool]
    opens: Answer
    reason: str


KeyRule = Rule[KeyTraits]
"""What is known of how a mail program unwraps session keys."""


def always(key: KeyTraits) -> bool:
    """Apply to whatever recipient of the kind."""
    del key
    return True
