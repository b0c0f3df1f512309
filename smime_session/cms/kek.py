"""KEKRecipientInfo: a session key encrypted with a key that was shared beforehand (RFC 5652, 6.2.3; RFC 3565, 2.4)."""

from __future__ import annotations

from typing import Final

from smime_session import algorithms
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, KekIdentifier, KekRecipientInfo, WrappedKey
from smime_session.errors import LimitError, MalformedError, UnsupportedAlgorithmError
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE
from smime_session.text import printable

TAG: Final = codec.KEK_TAG
VERSION: Final = 4  # RFC 5652, 6.2.3: always

_GENERALIZED_TIME: Final = 0x18
_WRAP_BLOCK: Final = 8  # octets in which the AES key wrap counts (RFC 3394, 2)
_MIN_WRAPPED_SIZE: Final = 3 * _WRAP_BLOCK  # two blocks of key and one of check value (RFC 3394, 2.2.1)


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


def wrap_from(identifier: AlgorithmIdentifier) -> algorithms.KeyWrap:
    """Read with what a session key was encrypted.

    Raises:
        UnsupportedAlgorithmError: it is no AES key wrap.
        MalformedError: it has parameters.
    """
    wrap = algorithms.KEY_WRAPS.get(identifier.oid)
    if wrap is None:
        raise UnsupportedAlgorithmError("key-encryption algorithm", identifier.oid, algorithms.name_of(identifier.oid))
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
    return KekIdentifier(name.octets(), printable(date.contents.decode("ascii", "replace")) if date else None)
