"""Pre-shared key: the session key encrypted with a key that both sides have (RFC 5652, 6.2.3).

AES key wrap (RFC 3394), whose own check value tells a wrong key from the right one; nothing here
tells it on.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from smime_session.algorithms import KEY_WRAPS, KeyWrap, name_of
from smime_session.arguments import check_octets
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, WrappedKey
from smime_session.errors import (
    CredentialError,
    LimitError,
    MalformedError,
    MessageError,
    NoMatchError,
    RecipientError,
    UnsupportedAlgorithmError,
)
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE
from smime_session.recipients import key_wrap
from smime_session.recipients.summary import RecipientSummary
from smime_session.session_key import Proof, SessionKey
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG: Final = codec.KEK_TAG
VERSION: Final = 4  # RFC 5652, 6.2.3: always

_GENERALIZED_TIME: Final = 0x18
_WRAP_BLOCK: Final = 8  # octets in which the AES key wrap counts (RFC 3394, 2)
_MIN_WRAPPED_SIZE: Final = 3 * _WRAP_BLOCK  # two blocks of key and one of check value (RFC 3394, 2.2.1)

_WRAPS: Final = {wrap.key_size: wrap for wrap in KEY_WRAPS.values()}


# --- the recipient info ------------------------------------------------------------------------


class KekIdentifier(NamedTuple):
    """Names a key that was shared beforehand (RFC 5652, 6.2.3).

    Attributes:
        key_identifier: the name that was agreed on with it.
        date: which of several keys of that name, a GeneralizedTime in its own letters; None if there is one.
    """

    key_identifier: bytes
    date: str | None = None


class KekRecipientInfo(NamedTuple):
    """A session key encrypted with a key that was shared beforehand.

    RFC 5652, 6.2.3::

        KEKRecipientInfo ::= SEQUENCE {
          version CMSVersion,  -- always set to 4
          kekid KEKIdentifier,
          keyEncryptionAlgorithm KeyEncryptionAlgorithmIdentifier,
          encryptedKey EncryptedKey }

    Attributes:
        identifier: which key.
        wrap: how.
        encrypted_key: the result, 8 octets longer than the session key.
    """

    identifier: KekIdentifier
    wrap: KeyWrap
    encrypted_key: bytes


def encode(info: KekRecipientInfo) -> WrappedKey:
    """Encode a KEKRecipientInfo whose identifier has no date; the wrap's parameters are absent (RFC 3565, 2.3.2)."""
    encoded = asn1.encode(
        TAG,
        asn1.integer(VERSION),
        asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OCTET_STRING, info.identifier.key_identifier)),
        codec.algorithm_identifier(AlgorithmIdentifier(info.wrap.oid)),
        asn1.encode(asn1.OCTET_STRING, info.encrypted_key),
    )
    return WrappedKey(encoded, VERSION, 0)


def decode(wrapped: WrappedKey) -> KekRecipientInfo:
    """Decode a KEKRecipientInfo.

    Raises:
        MalformedError: it is none, or broken.
        UnsupportedAlgorithmError: its algorithm is not spoken here.
        LimitError: its encrypted key is larger than any is.
    """
    identifier, algorithm, encrypted_key = fields(wrapped)
    wrap = wrap_from(algorithm)
    if len(encrypted_key) > MAX_ENCRYPTED_KEY_SIZE:
        raise LimitError("the size of an encrypted key", MAX_ENCRYPTED_KEY_SIZE, "octets")
    if len(encrypted_key) < _MIN_WRAPPED_SIZE or len(encrypted_key) % _WRAP_BLOCK:
        raise MalformedError(f"{wrap.name} makes no encrypted key of {len(encrypted_key)} octets")
    return KekRecipientInfo(identifier, wrap, encrypted_key)


def wrap_from(identifier: AlgorithmIdentifier) -> KeyWrap:
    """Read with what a session key was encrypted.

    Raises:
        UnsupportedAlgorithmError: it is no AES key wrap.
        MalformedError: it has parameters.
    """
    wrap = KEY_WRAPS.get(identifier.oid)
    if wrap is None:
        raise UnsupportedAlgorithmError("key-encryption algorithm", identifier.oid, name_of(identifier.oid))
    if identifier.parameters not in (None, asn1.NULL):  # RFC 3565, 2.3.2: absent; some write NULL
        raise MalformedError(f"the parameters of {wrap.name} are malformed")
    return wrap


def fields(wrapped: WrappedKey) -> tuple[KekIdentifier, AlgorithmIdentifier, bytes]:
    """Return a KEKRecipientInfo's identifier, algorithm and encrypted key as they stand, whatever they are.

    Raises:
        MalformedError: it is none, or broken.
    """
    children = asn1.parse(wrapped.encoded, asn1.FEW_INNER_VALUES).expect(TAG).children()
    if len(children) != 4:  # noqa: PLR2004  # version, identifier, algorithm, encrypted key
        raise MalformedError("a KEKRecipientInfo is malformed")
    return _identifier_from(children[1]), codec.algorithm_identifier_from(children[2]), children[3].octets()


def _identifier_from(element: asn1.Element) -> KekIdentifier:
    """Decode a KEKIdentifier; its other attribute says nothing to whoever knows the key by its name."""
    name, *rest = element.expect(asn1.SEQUENCE).children() or (None,)
    date = rest.pop(0) if rest and rest[0].tag == _GENERALIZED_TIME else None
    if name is None or len(rest) > 1 or any(other.tag != asn1.SEQUENCE for other in rest):
        raise MalformedError("a KEKIdentifier is malformed")
    return KekIdentifier(name.octets(), excerpt(date.contents.decode("ascii", "replace")) if date else None)


# --- the kind ----------------------------------------------------------------------------------


def summarize(wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
    """Describe a KEKRecipientInfo.

    Raises:
        MalformedError: it is broken.
    """
    identifier, algorithm, encrypted_key = fields(wrapped)
    problem = None
    try:
        decode(wrapped)
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
        encoded = encode(KekRecipientInfo(KekIdentifier(self._identifier), self._wrap, encrypted))
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
        if wrapped.encoded[0] != TAG or fields(wrapped)[0].key_identifier != self._identifier:
            return None  # whatever its algorithm is: others may have one that is not spoken here
        info = decode(wrapped)
        return info if info.wrap == self._wrap else None

    def _open(self, info: KekRecipientInfo, size: int) -> SessionKey:
        """Unwrap, or make a decoy of the right size, the same one each time, as a real key would be."""
        decoy = hmac.digest(self._key, info.encrypted_key, "sha512")[:size]
        opened = key_wrap.unwrap(info.wrap, self._key, info.encrypted_key, size)
        return SessionKey(bytearray(decoy), proof=Proof.REFUTED) if opened is None else opened

    def __str__(self) -> str:
        return f"pre-shared key of {len(self._key) * 8} bits, identifier {self._identifier.hex()}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a pre-shared key can be neither pickled nor copied")
