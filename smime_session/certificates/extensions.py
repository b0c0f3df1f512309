"""What the extensions of a plain certificate say, where an issuer writes the same into all its certificates.

Here too only what is usual is known (RFC 5280, 4.2); whatever else there is, even if it is harmless, is left to
the cryptography library. What that would refuse to read must be refused here, though its value is not asked for.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.cms import asn1
from smime_session.errors import MalformedError, MessageError

if TYPE_CHECKING:
    from collections.abc import Callable

SUBJECT_KEY_IDENTIFIER: Final = asn1.object_identifier("2.5.29.14")
SUBJECT_ALTERNATIVE_NAME: Final = asn1.object_identifier("2.5.29.17")

_KEY_USAGE: Final = "2.5.29.15"
_EXTENDED_KEY_USAGE: Final = "2.5.29.37"
_MAIL: Final = frozenset({"1.3.6.1.5.5.7.3.4", "2.5.29.37.0"})  # emailProtection, anyExtendedKeyUsage
_CPS: Final = "1.3.6.1.5.5.7.2.1"  # a policy's qualifier: where its statement is
_UNREAD: Final = frozenset(
    {
        "1.2.840.113549.1.9.15",  # S/MIME capabilities
        "2.16.840.1.113730.1.1",  # Netscape's certificate type
        "2.16.840.1.113730.1.13",  # Netscape's comment
    }
)
"""Extensions that the library does not look into; where one is critical, the certificate is not used."""

_BOOLEAN_TRUE: Final = b"\x01\x01\xff"
_BIT_STRING: Final = 0x03
_IA5_STRING: Final = 0x16
_CONTEXT_0: Final = 0x80
_CONTEXT_0_CONSTRUCTED: Final = 0xA0
_URI: Final = 0x86

_MAX_OID_SIZE: Final = 32  # octets; real ones have 12
_PADDED_ARC: Final = re.compile(rb"(?:\A|[\x00-\x7f])\x80")
_BASIC_CONSTRAINTS: Final = re.compile(rb"\x30(?:\x00|\x03\x01\x01\xff|\x06\x01\x01\xff\x02\x01[\x00-\x7f])")


class Use(NamedTuple):
    """What a certificate's key is for.

    Attributes:
        key_usage: those bits of key usage that a sender asks for, as far as they are set, named as in
            :class:`cryptography.x509.KeyUsage`. A certificate that does not say is for anything.
        mail: whether it is for mail.
    """

    key_usage: frozenset[str]
    mail: bool


_BITS: Final = {"key_encipherment": 0x20, "key_agreement": 0x08}
_KEY_CERT_SIGN: Final = 0x04
_ENCIPHER_ONLY: Final = 0x01


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
        if not all(_is_sound(oid, value) for oid, value in values.items()):
            return None
    except MessageError:
        return None
    usage, purposes = values.get(_KEY_USAGE), values.get(_EXTENDED_KEY_USAGE)
    if usage is not None and usage.contents[1] & (_KEY_CERT_SIGN | _ENCIPHER_ONLY):  # an authority's, or not usual
        return None
    return Use(
        frozenset(name for name, bit in _BITS.items() if usage is None or usage.contents[1] & bit),
        purposes is None or any(purpose.object_identifier() in _MAIL for purpose in purposes),
    )


def _read_into(values: dict[str, asn1.Element], piece: bytes) -> None:
    """Add the value of each extension in a piece under its object identifier.

    Raises:
        MessageError: the piece does not consist of whole extensions in DER; or one is there twice, or is
            critical and not read by anybody.
    """
    at = 0
    while at < len(piece):
        extension = _in_der(asn1.Element(piece, at))
        oid, *critical, octets = _all_of(extension, least=2, most=3)
        name = _dotted(oid)
        if [mark.encoded for mark in critical] not in ([], [_BOOLEAN_TRUE]) or name in values:
            raise MalformedError("an extension is malformed, or is there twice")
        if critical and name in _UNREAD:
            raise MalformedError("an extension is critical and not known")
        values[name] = _in_der(asn1.parse(octets.expect(asn1.OCTET_STRING).contents))
        at = extension.end


# --- the values of extensions: each is sound, or it is not, or it raises MessageError --------------


def _is_sound(oid: str, value: asn1.Element) -> bool:
    return oid in _UNREAD or (oid in _SOUND and _SOUND[oid](value))


def _is_key_usage(value: asn1.Element) -> bool:
    """``BIT STRING``, of up to nine bits; those that are not used are zero, the last two refine keyAgreement."""
    contents = value.expect(_BIT_STRING).contents
    if len(contents) not in (2, 3) or contents[0] > 7 or contents[-1] & (1 << contents[0]) - 1:  # noqa: PLR2004  # X.690, 8.6.2
        return False
    refined = contents[1] & _ENCIPHER_ONLY or contents[2:]
    return not refined or bool(contents[1] & _BITS["key_agreement"])


def _is_extended_key_usage(value: asn1.Element) -> bool:
    """``SEQUENCE OF OBJECT IDENTIFIER``."""
    return all(_dotted(purpose) for purpose in _all_of(value))


def _is_basic_constraints(value: asn1.Element) -> bool:
    """``SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }``."""
    return _BASIC_CONSTRAINTS.fullmatch(value.encoded) is not None


def _is_authority_key_identifier(value: asn1.Element) -> bool:
    """``SEQUENCE { keyIdentifier [0] OCTET STRING, ... }``, with nothing else in it."""
    return [child.tag for child in _all_of(value)] == [_CONTEXT_0]


def _are_distribution_points(value: asn1.Element) -> bool:
    """``SEQUENCE OF SEQUENCE { distributionPoint [0] { fullName [0] GeneralNames } }``, all of them URIs."""
    return all(
        _is_uri(address)
        for point in _all_of(value)
        for name in _all_of(_all_of(point, most=1)[0], _CONTEXT_0_CONSTRUCTED, most=1)
        for address in _all_of(name, _CONTEXT_0_CONSTRUCTED)
    )


def _is_authority_information(value: asn1.Element) -> bool:
    """``SEQUENCE OF SEQUENCE { accessMethod OBJECT IDENTIFIER, accessLocation GeneralName }``, a URI."""
    descriptions = [_all_of(description, least=2, most=2) for description in _all_of(value)]
    return all(_dotted(method) and _is_uri(location) for method, location in descriptions)


def _are_policies(value: asn1.Element) -> bool:
    """``SEQUENCE OF SEQUENCE { policyIdentifier OBJECT IDENTIFIER, policyQualifiers SEQUENCE OF ... OPTIONAL }``."""
    policies = [_all_of(policy, most=2) for policy in _all_of(value)]
    return all(
        _dotted(oid) and all(_is_statement(each) for sequence in qualifiers for each in _all_of(sequence))
        for oid, *qualifiers in policies
    )


def _is_statement(qualifier: asn1.Element) -> bool:
    """``SEQUENCE { id-qt-cps, IA5String }``: where a policy's statement is."""
    kind, address = _all_of(qualifier, least=2, most=2)
    return _dotted(kind) == _CPS and address.expect(_IA5_STRING).contents.isascii()


def _is_uri(value: asn1.Element) -> bool:
    return value.expect(_URI).contents.isascii()


_SOUND: Final[dict[str, Callable[[asn1.Element], bool]]] = {
    _KEY_USAGE: _is_key_usage,
    _EXTENDED_KEY_USAGE: _is_extended_key_usage,
    "2.5.29.19": _is_basic_constraints,
    "2.5.29.31": _are_distribution_points,
    "2.5.29.32": _are_policies,
    "2.5.29.35": _is_authority_key_identifier,
    "1.3.6.1.5.5.7.1.1": _is_authority_information,
}


# --- elements --------------------------------------------------------------------------------------


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
    if _PADDED_ARC.search(oid.contents) or len(oid.contents) > _MAX_OID_SIZE:
        raise MalformedError("an OBJECT IDENTIFIER is malformed")
    return oid.object_identifier()
