"""Pre-shared key: the session key encrypted with a key that both sides have (RFC 5652, 6.2.3).

AES key wrap (RFC 3394), whose own check value tells a wrong key from the right one; nothing here
tells it on.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, NoReturn

from smime_session.algorithms import KEY_WRAPS, name_of
from smime_session.arguments import check_octets
from smime_session.cms import kek
from smime_session.cms.values import KekIdentifier, KekRecipientInfo, WrappedKey
from smime_session.errors import CredentialError, MessageError, NoMatchError, RecipientError
from smime_session.recipients import key_wrap
from smime_session.recipients.summary import RecipientSummary
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG: Final = kek.TAG

_WRAPS: Final = {wrap.key_size: wrap for wrap in KEY_WRAPS.values()}


def summarize(wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
    """Describe a KEKRecipientInfo.

    Raises:
        MalformedError: it is broken.
    """
    identifier, algorithm, encrypted_key = kek.fields(wrapped)
    problem = None
    try:
        kek.decode(wrapped)
    except MessageError as error:
        problem = str(error)
    return (
        RecipientSummary(
            technique="pre-shared key",
            key_identifier=identifier.key_identifier.hex(),
            algorithm=name_of(algorithm.oid) or algorithm.oid,
            algorithm_oid=algorithm.oid,
            parameters={"date": identifier.date} if identifier.date else {},
            encrypted_key_size=len(encrypted_key),
            problem=problem,
        ),
    )


def legacy_algorithm(_wrapped: WrappedKey) -> None:
    """Nothing that is read here is left to ``insecure_legacy``."""


class PresharedKey:
    """A key that both sides have, and the name they agreed on for it: a recipient and an identity.

    Its size chooses the wrap: AES-128, AES-192 or AES-256. It wraps no session key that is longer
    than itself, because RFC 3565, 2.3.2 forbids that; reading does not mind.

    Args:
        key: 16, 24 or 32 octets; they are copied.
        identifier: the name, any octets.

    Raises:
        CredentialError: the key has another size, or its name is empty.
        TypeError: one of them is not octets.
    """

    __slots__ = ("_identifier", "_key", "_wrap")

    def __init__(self, key: bytes | bytearray | memoryview, identifier: bytes) -> None:
        check_octets(key, "a pre-shared key")  # bytearray() makes zeros of a number
        check_octets(identifier, "the identifier of a pre-shared key")
        self._key = bytearray(key)
        if len(self._key) not in _WRAPS:
            raise CredentialError(f"a pre-shared key has 16, 24 or 32 octets, not {len(self._key)}")
        if not identifier:
            raise CredentialError("the identifier of a pre-shared key is empty")
        self._wrap = _WRAPS[len(self._key)]
        self._identifier = bytes(identifier)

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Encrypt ``key`` with this one.

        Raises:
            RecipientError: ``key`` is the longer one.
        """
        from cryptography.hazmat.primitives.keywrap import aes_key_wrap

        if len(key) > len(self._key):
            raise RecipientError((f"{self} is shorter than the session key, which has {len(key) * 8} bits",))
        encrypted = aes_key_wrap(self._key, key.material)
        encoded = kek.encode(KekRecipientInfo(KekIdentifier(self._identifier), self._wrap, encrypted))
        return WrappedKey(encoded.encoded, encoded.version, len(key))

    def matching(self, wrapped: Sequence[WrappedKey]) -> list[WrappedKey]:
        """Return those of ``wrapped`` that are encrypted with a key of this name and size.

        Raises:
            MessageError: one that is named so is broken, or its algorithm is not spoken here.
        """
        return [candidate for candidate in wrapped if self._info(candidate)]

    def unwrap(self, wrapped: Sequence[WrappedKey]) -> SessionKey:
        """Return the session key from the first that is encrypted with a key of this name and size, or a decoy.

        Raises:
            NoMatchError: none of them is.
            MessageError: one that is named so is broken, or its algorithm is not spoken here.
        """
        for candidate in wrapped:
            if info := self._info(candidate):
                return self._open(info, candidate.key_size)
        raise NoMatchError(identities=[str(self)])

    def _info(self, wrapped: WrappedKey) -> KekRecipientInfo | None:
        """Decode a recipient info if it is for this key."""
        if wrapped.encoded[0] != TAG or kek.fields(wrapped)[0].key_identifier != self._identifier:
            return None  # whatever its algorithm is: others may have one that is not spoken here
        info = kek.decode(wrapped)
        return info if info.wrap == self._wrap else None

    def _open(self, info: KekRecipientInfo, size: int) -> SessionKey:
        """Unwrap, or make a decoy of the right size, the same one each time, as a real key would be."""
        decoy = hmac.digest(self._key, info.encrypted_key, "sha512")[:size]
        opened = key_wrap.unwrap(info.wrap, self._key, info.encrypted_key, size)
        return SessionKey(bytearray(decoy)) if opened is None else opened

    def __str__(self) -> str:
        return f"pre-shared key of {len(self._key) * 8} bits, identifier {self._identifier.hex()}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a pre-shared key can be neither pickled nor copied")
