"""Pre-shared key: the session key encrypted with a key that both sides have (RFC 5652, 6.2.3).

AES key wrap (RFC 3394), whose own check value tells a wrong key from the right one; nothing here
tells it on.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from smime_session.algorithms import KEY_WRAPS, name_of
from smime_session.arguments import check_octets
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, WrappedKey
from smime_session.errors import (
    CredentialError,
    MalformedError,
    MessageError,
    RecipientError,
    UnsupportedAlgorithmError,
)
from smime_session.recipients.client_rules import KeyRule, always
from smime_session.recipients.key_wrap import check_size, unwrap
from smime_session.recipients.kind import Kind, KindIdentity
from smime_session.recipients.summary import RecipientSummary
from smime_session.session_key import Proof, SessionKey
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smime_session.algorithms import KeyWrap

TAG: Final = codec.KEK_TAG
VERSION: Final = 4  # RFC 5652, 6.2.3: always

_GENERALIZED_TIME: Final = 0x18

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
        encrypted_key: the result, 8 bytes longer than the session key.
    """

    identifier: KekIdentifier
    wrap: KeyWrap
    encrypted_key: bytes


class Fields(NamedTuple):
    """The same as it stands, whatever its algorithm is."""

    identifier: KekIdentifier
    algorithm: AlgorithmIdentifier
    encrypted_key: bytes


def encode(info: KekRecipientInfo, key_size: int = 0) -> WrappedKey:
    """Encode a KEKRecipientInfo whose identifier has no date; the wrap's parameters are absent (RFC 3565, 2.3.2)."""
    encoded = asn1.encode(
        TAG,
        asn1.integer(VERSION),
        asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OCTET_STRING, info.identifier.key_identifier)),
        codec.algorithm_identifier(AlgorithmIdentifier(info.wrap.oid)),
        asn1.encode(asn1.OCTET_STRING, info.encrypted_key),
    )
    return WrappedKey(encoded, VERSION, key_size)


def decode(wrapped: WrappedKey) -> KekRecipientInfo:
    """Decode a KEKRecipientInfo.

    Raises:
        MalformedError: it is none, or broken.
        UnsupportedAlgorithmError: its algorithm is not supported.
        LimitError: its encrypted key is larger than any is.
    """
    return interpret(fields(wrapped))


def fields(wrapped: WrappedKey) -> Fields:
    """Return a KEKRecipientInfo's fields as they stand, whatever they are.

    Raises:
        MalformedError: it is none, or broken.
    """
    children = asn1.parse(wrapped.encoded, asn1.FEW_INNER_VALUES).expect(TAG).children()
    if len(children) != 4:  # noqa: PLR2004  # version, identifier, algorithm, encrypted key
        raise MalformedError("a KEKRecipientInfo is malformed")
    version, identifier, algorithm, encrypted_key = children
    version.expect(asn1.INTEGER)
    return Fields(_identifier_from(identifier), codec.algorithm_identifier_from(algorithm), encrypted_key.octets())


def _identifier_from(element: asn1.Element) -> KekIdentifier:
    """Decode a KEKIdentifier; its other attribute says nothing about a key that is known by its name."""
    name, *rest = element.expect(asn1.SEQUENCE).children() or (None,)
    date = rest.pop(0) if rest and rest[0].tag == _GENERALIZED_TIME else None
    if name is None or len(rest) > 1 or any(other.tag != asn1.SEQUENCE for other in rest):
        raise MalformedError("a KEKIdentifier is malformed")
    return KekIdentifier(name.octets(), excerpt(date.contents.decode("ascii", "replace")) if date else None)


def interpret(found: Fields) -> KekRecipientInfo:
    """Give the fields of a KEKRecipientInfo their meaning.

    Raises:
        MalformedError: its algorithm's parameters, or its encrypted key, are none of that algorithm.
        UnsupportedAlgorithmError: its algorithm is not supported.
        LimitError: its encrypted key is larger than any is.
    """
    oid, parameters = found.algorithm
    wrap = KEY_WRAPS.get(oid)
    if wrap is None:
        raise UnsupportedAlgorithmError("key-encryption algorithm", oid, name_of(oid))
    if parameters not in (None, asn1.NULL):  # RFC 3565, 2.3.2: absent; some write NULL
        raise MalformedError(f"the parameters of {wrap.name} are malformed")
    check_size(found.encrypted_key, wrap)
    return KekRecipientInfo(found.identifier, wrap, found.encrypted_key)


# --- who writes, and who reads -----------------------------------------------------------------


class PresharedKey(KindIdentity[KekRecipientInfo]):
    """A key that both sides have, and the name they agreed on for it: a recipient and an identity.

    Its size chooses the wrap: AES-128, AES-192 or AES-256. It wraps no session key that is longer
    than itself, because RFC 3565, 2.3.2 forbids that; reading does not mind.

    Args:
        key: 16, 24 or 32 bytes; they are copied.
        identifier: the name, any bytes.

    Raises:
        CredentialError: the key has another size, or its name is empty.
        TypeError: one of them is not bytes.
    """

    __slots__ = ("_identifier", "_key", "_wrap")

    def __init__(self, key: bytes | bytearray | memoryview, identifier: bytes) -> None:
        check_octets(key, "a pre-shared key")  # bytearray() makes zeros of a number
        check_octets(identifier, "the identifier of a pre-shared key")
        self._key = bytearray(key)
        if len(self._key) not in _WRAPS:
            raise CredentialError(f"a pre-shared key has 16, 24 or 32 bytes, not {len(self._key)}")
        if not identifier:
            raise CredentialError("the identifier of a pre-shared key is empty")
        self._wrap = _WRAPS[len(self._key)]
        self._identifier = bytes(identifier)

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Encrypt ``key`` with this one.

        Raises:
            RecipientError: ``key`` is the longer one.
        """
        if len(key) > len(self._key):
            raise RecipientError((f"{self} is shorter than the session key, which has {len(key) * 8} bits",))
        encrypted = aes_key_wrap(self._key, key.material)
        return encode(KekRecipientInfo(KekIdentifier(self._identifier), self._wrap, encrypted), len(key))

    def _info(self, wrapped: WrappedKey) -> KekRecipientInfo | None:
        """Decode a recipient info if it is encrypted with a key of this name and size."""
        if wrapped.encoded[0] != TAG:
            return None
        found = fields(wrapped)
        if found.identifier.key_identifier != self._identifier:
            return None  # whatever its algorithm is: others may have one that is not supported
        info = interpret(found)
        return info if info.wrap == self._wrap else None

    def _open(self, info: KekRecipientInfo, size: int) -> SessionKey:
        decoy = hmac.digest(self._key, info.encrypted_key, "sha512")[:size]
        opened = unwrap(info.wrap, self._key, info.encrypted_key, size)
        return SessionKey(bytearray(decoy), proof=Proof.REFUTED) if opened is None else opened

    def __str__(self) -> str:
        return f"pre-shared key of {len(self._key) * 8} bits, identifier {self._identifier.hex()}"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a pre-shared key can be neither pickled nor copied")


# --- the kind ----------------------------------------------------------------------------------


class PresharedKeyKind(Kind):
    """Keys that both sides have."""

    def identifier(self, part: WrappedKey) -> tuple[KekIdentifier, AlgorithmIdentifier]:
        """Return which key it is: keys of different sizes may go by one identifier."""
        found = fields(part)
        return found.identifier, found.algorithm

    def summarize(self, wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
        """Describe a KEKRecipientInfo."""
        found = fields(wrapped)
        problem = None
        try:
            interpret(found)
        except MessageError as error:
            problem = str(error)
        date = found.identifier.date
        return (
            RecipientSummary(
                key_identifier=found.identifier.key_identifier.hex(),
                algorithm=name_of(found.algorithm.oid) or found.algorithm.oid,
                algorithm_oid=found.algorithm.oid,
                parameters={"date": date} if date else {},
                encrypted_key_size=len(found.encrypted_key),
                problem=problem,
                post_quantum=True,
            ),
        )

    def client_rules(self) -> Mapping[str, Sequence[KeyRule]]:
        """Return what mail programs open."""
        none = KeyRule(always, "no", "it has no way to be given a pre-shared key")
        opens = KeyRule(always, "yes", "it opens messages for pre-shared keys")
        return {
            "Thunderbird": (none,),
            "Mutt and NeoMutt with OpenSSL": (none,),
            "gpgsm": (none,),
            "OpenSSL": (opens,),
        }


KIND: Final = PresharedKeyKind()
