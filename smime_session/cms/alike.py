"""Recipient infos that differ from message to message in nothing but what is drawn anew for each.

What is inside a primitive value changes nothing around it. So what stands around an encrypted key, or around
a sender's point and an encrypted key, is read once as if those were zeros, and remembered.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from smime_session.cms import asn1, codec, key_agree
from smime_session.cms.values import KeyAgreeRecipientInfo, OriginatorKey, RecipientEncryptedKey, WrappedKey
from smime_session.errors import MessageError

if TYPE_CHECKING:
    from smime_session.algorithms import Curve

_BIT_STRING: Final = 0x03
_KEYS: Final = {b"\x04" + asn1.length(size): size for size in (40, 24, 32)}  # AES-256, -128, -192 wrapped with its like
_POINT: Final = re.compile(rb"\x03(\x42|\x62|\x81\x86|\x21|\x39)\x00")  # how the BIT STRING begins that holds one
_POINT_SIZES: Final = {b"\x42": 65, b"\x62": 97, b"\x81\x86": 133, b"\x21": 32, b"\x39": 56}
_MAX_BEFORE_POINT: Final = 64  # octets: there are 30 mostly


def decode_key_agreement(wrapped: WrappedKey) -> KeyAgreeRecipientInfo | None:
    """Decode a KeyAgreeRecipientInfo for one recipient with a new key of the sender's, as most are.

    Returns:
        What :func:`~smime_session.cms.key_agree.decode` returns; None if it is not like that, whatever it is.
    """
    return _decode_key_agreement(wrapped) if len(wrapped.encoded) <= codec.MAX_REMEMBERED else None


@lru_cache(maxsize=64)  # matching, policy and unwrapping ask for the same
def _decode_key_agreement(wrapped: WrappedKey) -> KeyAgreeRecipientInfo | None:
    encoded = wrapped.encoded
    point = _POINT.search(encoded, 0, _MAX_BEFORE_POINT)
    if point is None:
        return None
    start, end = point.end(), point.end() + _POINT_SIZES[point[1]]
    for before_key, size in _KEYS.items():
        if encoded.startswith(before_key, max(end, len(encoded) - size - len(before_key))):
            around = _read_around(encoded[:start], end - start, encoded[end:-size], size)
            if around is not None:
                info, curve = around
                member = RecipientEncryptedKey(info.encrypted_keys[0].recipient, encoded[-size:])
                return info._replace(originator=OriginatorKey(curve, encoded[start:end]), encrypted_keys=(member,))
    return None


@lru_cache(maxsize=64)  # the same in every message to one recipient
def _read_around(
    before: bytes, point_size: int, between: bytes, key_size: int
) -> tuple[KeyAgreeRecipientInfo, Curve | None] | None:
    """Read what stands around a point and an encrypted key, which comes last; None if they are not there."""
    encoded = b"".join((before, bytes(point_size), between, bytes(key_size)))
    try:
        children = key_agree.children_of(encoded)
        found = key_agree.fields_of(children)
        info = key_agree.interpret(found)
        if not isinstance(info.originator, OriginatorKey) or len(info.encrypted_keys) != 1:
            return None
        point, key = found.originator.children()[-1], children[1][0].children()[-1]
    except MessageError:
        return None
    there = point.is_primitive(_BIT_STRING, len(before) - 1, point_size + 1) and key.is_primitive(
        asn1.OCTET_STRING, len(encoded) - key_size, key_size
    )
    return (info, info.originator.curve) if there else None
