"""What the extensions of a plain certificate say, where an issuer writes the same into all its certificates.

Here too only what is usual is known (RFC 5280, 4.2); whatever else there is, even if it is harmless, is left to
the cryptography library. What that would refuse to read must be refused here, though its value is not asked for.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from smime_session.certificates.facts import KEY_USAGE, MAIL, Use
from smime_session.cms import asn1, capabilities
from smime_session.cms.capabilities import SMIME_CAPABILITIES_OID
from smime_session.errors import MalformedError, MessageError

if TYPE_CHECKING:
    from collections.abc import Callable

    _Shape = Callable[[asn1.Element], bool]

_KEY_USAGE: Final = "2.5.29.15"
_EXTENDED_KEY_USAGE: Final = "2.5.29.37"
_BASIC_CONSTRAINTS: Final = "2.5.29.19"
_CPS: Final = "1.3.6.1.5.5.7.2.1"  # a policy's qualifier: where its statement is
_UNREAD: Final = frozenset(
    {
        SMIME_CAPABILITIES_OID,  # looked into here; what is broken announces nothing
        "2.16.840.1.113730.1.1",  # Netscape's certificate type
        "2.16.840.1.113730.1.13",  # Netscape's comment
    }
)
"""Extensions that the library does not look into; where one is critical, the certificate is not used."""
_TRUE: Final = b"\x01\x01\xff"
_MAX_OID_SIZE: Final = 32  # bytes; real ones have 12
_HIGH_BIT: Final = 0x80  # set in each byte of an object identifier's arc but the last
_BIT_STRING: Final = 0x03
_IA5_STRING: Final = 0x16
_CONTEXT_0: Final = 0xA0


@lru_cache(maxsize=512)  # as many issuers can have their certificates in any order
def use_of(*pieces: bytes) -> Use | None:
    """Return what pieces of a certificate's extensions say; None if something in them is not plain.

    Args:
        pieces: whole extensions each, without the subject's key identifier and alternative name.
    """
    values: dict[str, asn1.Element] = {}
    try:
        for piece in pieces:
            _read_into(values, piece)
        if not all(oid in _UNREAD or (oid in _SOUND and _SOUND[oid](value)) for oid, value in values.items()):
            return None
    except MessageError:
        return None
    usage, purposes = values.get(_KEY_USAGE), values.get(_EXTENDED_KEY_USAGE)
    constraints, announced = values.get(_BASIC_CONSTRAINTS), values.get(SMIME_CAPABILITIES_OID)
    return Use(
        None if usage is None else frozenset(name for name, bit in KEY_USAGE.items() if usage.contents[1] & bit),
        purposes is None or any(purpose.object_identifier() in MAIL for purpose in purposes),
        constraints is not None and constraints.contents.startswith(_TRUE),
        capabilities=() if announced is None else capabilities.announced(announced.encoded),
    )


def _read_into(values: dict[str, asn1.Element], piece: bytes) -> None:
    """Add the value of each extension in a piece under its object identifier.

    Raises:
        MessageError: the piece does not consist of whole extensions in DER; or one is there twice, or is
            critical and not known.
    """
    at = 0
    while at < len(piece):
        extension = _in_der(asn1.Element(piece, at))
        oid, *critical, octets = _all_of(extension, least=2, most=3)
        name = _dotted(oid)
        if [mark.encoded for mark in critical] not in ([], [_TRUE]) or name in values:
            raise MalformedError("an extension is malformed, or is there twice")
        if critical and name in _UNREAD:
            raise MalformedError("an extension is critical and not known")
        values[name] = _in_der(asn1.parse(octets.expect(asn1.OCTET_STRING).contents))
        at = extension.end


def _all_of(value: asn1.Element, tag: int = asn1.SEQUENCE, *, least: int = 1, most: int = 64) -> list[asn1.Element]:
    """Return the values in a value, if they are as many as they should.

    Raises:
        MalformedError: they are not, or it carries another tag.
    """
    children = value.expect(tag).children()
    if not least <= len(children) <= most:
        raise MalformedError("a value does not hold as many others as it should")
    return children


def _in_der(value: asn1.Element) -> asn1.Element:
    """Return a value whose lengths are definite, and as short as they go.

    Raises:
        MalformedError: they are not.
    """
    if value.definite() != value.encoded:
        raise MalformedError("a value is not in DER")
    return value


def _dotted(oid: asn1.Element) -> str:
    """Return the dotted form of an OBJECT IDENTIFIER.

    Raises:
        MalformedError: it is none in DER.
    """
    padded = any(byte == _HIGH_BIT and before < _HIGH_BIT for before, byte in pairwise(b"\x00" + oid.contents))
    if padded or len(oid.contents) > _MAX_OID_SIZE:
        raise MalformedError("an OBJECT IDENTIFIER is malformed")
    return oid.object_identifier()


# --- the values of extensions: each is sound, or it is not, or it raises MessageError --------------


def _is_key_usage(value: asn1.Element) -> bool:
    """``BIT STRING``, of up to nine bits; those that are not used are zero, the last two refine keyAgreement."""
    contents = value.expect(_BIT_STRING).contents
    if len(contents) not in (2, 3) or contents[0] > 7 or contents[-1] & (1 << contents[0]) - 1:  # noqa: PLR2004  # X.690, 8.6.2
        return False
    refined = contents[1] & KEY_USAGE["encipher_only"] or contents[2:]
    return not refined or bool(contents[1] & KEY_USAGE["key_agreement"])


def _is_basic_constraints(value: asn1.Element) -> bool:
    """``SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }``."""
    authority, *length = [child.encoded for child in _all_of(value, least=0, most=2)] or [_TRUE]
    return authority == _TRUE and all(path.startswith(b"\x02\x01") and path[2] < _HIGH_BIT for path in length)


def _is_oid(value: asn1.Element) -> bool:
    return bool(_dotted(value))


def _has_tag(tag: int) -> _Shape:
    return lambda value: value.tag == tag


def _is_ascii(tag: int) -> _Shape:
    return lambda value: value.expect(tag).contents.isascii()


def _each(shape: _Shape, tag: int = asn1.SEQUENCE) -> _Shape:
    """``SEQUENCE OF``, which is not empty."""
    return lambda value: all(map(shape, _all_of(value, tag)))


def _parts(*shapes: _Shape, optional: int = 0, tag: int = asn1.SEQUENCE) -> _Shape:
    """``SEQUENCE``, of which some of the last may be absent."""
    most = len(shapes)
    return lambda value: all(
        shape(part) for shape, part in zip(shapes, _all_of(value, tag, least=most - optional, most=most), strict=False)
    )


_URI: Final = _is_ascii(0x86)
_POINT: Final = _parts(_parts(_each(_URI, _CONTEXT_0), tag=_CONTEXT_0))
_STATEMENT: Final = _parts(lambda kind: _dotted(kind) == _CPS, _is_ascii(_IA5_STRING))
_SOUND: Final = {
    _KEY_USAGE: _is_key_usage,
    _EXTENDED_KEY_USAGE: _each(_is_oid),
    _BASIC_CONSTRAINTS: _is_basic_constraints,
    "2.5.29.31": _each(_POINT),  # CRL distribution points
    "2.5.29.32": _each(_parts(_is_oid, _each(_STATEMENT), optional=1)),  # certificate policies
    "2.5.29.35": _parts(_has_tag(0x80)),  # authority key identifier, without issuer and serial number
    "1.3.6.1.5.5.7.1.1": _each(_parts(_is_oid, _URI)),  # authority information access
}
"""Extensions that are known, and what their values must look like."""
