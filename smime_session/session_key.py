"""The session key: one message's content-encryption key, from its making to its end."""

from __future__ import annotations

import os
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NoReturn, Self

from smime_session.memory import erase

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT: Final = "smime-session-key"
"""What the file of a saved session key says that it is."""


class Proof(IntEnum):
    """What tells that an unwrapped key is the one that its message was encrypted with, from least to most.

    Attributes:
        REFUTED: unwrapping checked it, and it is not: a decoy, which goes the way of every other key (RFC 3218).
        NONE: nothing does: a wrong private key unwraps such a key too.
        NAMED: the recipient info names the private key that unwrapped it, which checked nothing.
        CHECKED: unwrapping checked it, as AES key wrap, RSAES-OAEP and PWRI-KEK do.
    """

    REFUTED = 0
    NONE = 1
    NAMED = 2
    CHECKED = 3


class SessionKey:
    """A content-encryption key in memory that is overwritten when the message ends.

    It takes no part in ``repr``, pickling or copying. Use it as a context manager, so that it is
    wiped on every way out::

        with SessionKey.generate(32) as key:
            ...

    It is also an :class:`~smime_session.recipients.Identity`: :meth:`unwrap` answers with a copy of
    itself, whatever the recipients. What a user saves is
    :class:`~smime_session.operations.saved_key.SavedSessionKey`, which is tied to its message besides.

    Args:
        material: the key's octets; the object takes this buffer as its own and will overwrite it.
        proof: what tells that it is the right one.
        message: what marks the one message that it opens, where its user saved that with the key
            (:func:`~smime_session.operations.opening.mark_of`).
    """

    __slots__ = ("_material", "_octets", "message", "proof")

    def __init__(self, material: bytearray, *, proof: Proof = Proof.NONE, message: bytes = b"") -> None:
        self._material = material
        self._octets = b""
        self.proof = proof
        self.message = message

    @classmethod
    def generate(cls, size: int) -> Self:
        """Draw a new key of ``size`` octets from the operating system's random source."""
        return cls.adopt(os.urandom(size))

    @classmethod
    def adopt(cls, octets: bytes, *, proof: Proof = Proof.NONE) -> Self:
        """Make a key of octets that a call has just returned, and overwrite those: no other code may hold them."""
        key = cls(bytearray(octets), proof=proof)
        erase(octets)
        return key

    @property
    def material(self) -> bytearray:
        """The octets themselves, not a copy: for cryptographic calls, and for nothing else."""
        return self._material

    @property
    def octets(self) -> bytes:
        """The octets for calls that insist on ``bytes``: one copy for all of them, overwritten with the key."""
        if not self._octets:
            self._octets = bytes(self._material)
        return self._octets

    def wipe(self) -> None:
        """Overwrite the key; it is empty from then on."""
        if self._octets:
            erase(self._octets)
            self._octets = b""
        self._material[:] = bytes(len(self._material))
        self._material = bytearray()

    def unwrap(self, _wrapped: Sequence[object]) -> SessionKey:
        """Return a copy of this key, which opens its message without any private key."""
        return SessionKey(bytearray(self._material))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.wipe()

    def __len__(self) -> int:
        return len(self._material)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SessionKey):
            return NotImplemented
        from hmac import compare_digest  # seldom asked for, and slow to load

        return compare_digest(self._material, other._material)

    __hash__ = None  # type: ignore[assignment]  # a secret is no dictionary key

    def __repr__(self) -> str:
        return f"<SessionKey, {len(self._material) * 8} bits>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a session key can be neither pickled nor copied")
