"""What a vector is: octets that should not be believed, and how each way of reading must end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["envelopes", "signed", "mails", "credentials", "containers", "large"]

TOLD: Final = "told"
"""In place of an error: it is read, and what is wrong is told in what comes out."""


@dataclass(frozen=True)
class Vector:
    """One vector.

    Attributes:
        name: of its file, which says what is wrong with it.
        octets: what is in it.
        expected: how each operation on it ends, by the operation's name: the name of the error's class, or
            :data:`TOLD`.
    """

    name: str
    octets: bytes
    expected: dict[str, str]


def envelope(  # one for each operation
    name: str,
    octets: bytes,
    decrypt: str,
    *,
    inspect: str = TOLD,
    verify: str = "NotSignedError",
    rewrap: str = "",
    session_key: str = "",
) -> Vector:
    """Return a vector of which other operations than ``decrypt`` make the same, unless something else is said."""
    return Vector(
        name,
        octets,
        {
            "decrypt": decrypt,
            "inspect": inspect,
            "verify": verify,
            "rewrap": rewrap or decrypt,
            "session-key": session_key or rewrap or decrypt,
        },
    )


def broken(name: str, octets: bytes, error: str = "MalformedError", verify: str = "NotSignedError") -> Vector:
    """Return a vector that is refused before any key is looked at."""
    return envelope(name, octets, error, inspect=error, verify=verify)
