"""CMS structures to octets and back (RFC 5652, RFC 5083).

Writing emits DER by hand, because a message is mostly pieces that were encoded once before.
Reading decodes only what is asked for. This is the one importer of asn1crypto, which serves for
what is rare and intricate (names, unusual parameters); none of its values leaves.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from smime_session import algorithms
from smime_session.cms import asn1
from smime_session.cms.names import MAX_NAME_SIZE
from smime_session.cms.values import (
    AlgorithmIdentifier,
    EnvelopeHeader,
    EnvelopeTrailer,
    IssuerAndSerialNumber,
    RecipientIdentifier,
    SubjectKeyIdentifier,
    WrappedKey,
)
from smime_session.errors import LimitError, MalformedError, UnsupportedAlgorithmError
from smime_session.text import printable

_CONTEXT_0: Final = 0x80
_CONTEXT_0_CONSTRUCTED: Final = 0xA0
_CONTEXT_1_CONSTRUCTED: Final = 0xA1

KEY_TRANSPORT_TAG: Final = asn1.SEQUENCE
KEY_AGREEMENT_TAG: Final = 0xA1
KEK_TAG: Final = 0xA2
PASSWORD_TAG: Final = 0xA3
OTHER_TAG: Final = 0xA4

_MAX_USUAL: Final = 256  # octets of what is usual and kept: RSAES-OAEP with all its parameters has 60, a name 100
_KEY_AGREEMENT_FIELDS: Final = 5  # of a KeyAgreeRecipientInfo, at most (RFC 5652, 6.2.2)

_VERSIONS: Final = {asn1.integer(version): version for version in range(6)}  # by the octets that they mostly are


# --- algorithm identifiers ---------------------------------------------------------------------


def algorithm_identifier(algorithm: AlgorithmIdentifier) -> bytes:
    """Encode an AlgorithmIdentifier (RFC 5280, 4.1.1.2)."""
    return asn1.encode(asn1.SEQUENCE, asn1.object_identifier(algorithm.oid), algorithm.parameters or b"")


def algorithm_identifier_from(element: asn1.Element) -> AlgorithmIdentifier:
    """Decode an AlgorithmIdentifier.

    Raises:
        MalformedError: it is none.
    """
    children = element.expect(asn1.SEQUENCE).children()
    if not 1 <= len(children) <= 2:  # noqa: PLR2004  # an identifier and its parameters
        raise MalformedError("an AlgorithmIdentifier is malformed")
    parameters = children[1].encoded if len(children) > 1 else None
    if parameters is not None and parameters[0] == asn1.NULL[0] and not children[1].contents:
        parameters = asn1.NULL  # whatever form its length has
    return AlgorithmIdentifier(children[0].object_identifier(), parameters)


def hash_identifier(name: algorithms.HashName) -> bytes:
    """Encode a hash function's AlgorithmIdentifier, its parameters NULL (RFC 4055, 2.1)."""
    return algorithm_identifier(AlgorithmIdentifier(algorithms.HASH_OIDS[name], asn1.NULL))


def hash_from(identifier: AlgorithmIdentifier, role: str) -> algorithms.HashName:
    """Return the hash function that ``identifier`` names; ``role`` says what for.

    Raises:
        UnsupportedAlgorithmError: it is not supported.
        MalformedError: it has parameters.
    """
    name = algorithms.HASHES.get(identifier.oid)
    if name is None:
        raise UnsupportedAlgorithmError(role, identifier.oid, algorithms.name_of(identifier.oid))
    if identifier.parameters not in (None, asn1.NULL):  # RFC 4055, 2.1: accept both
        raise MalformedError(f"the parameters of {name} are malformed")
    return name


# --- recipient infos ---------------------------------------------------------------------------


def recipient_identifier(identifier: RecipientIdentifier) -> bytes:
    """Encode whom a recipient info is for (RFC 5652, 6.2.1)."""
    if isinstance(identifier, SubjectKeyIdentifier):
        return asn1.encode(_CONTEXT_0, identifier.value)
    return asn1.encode(asn1.SEQUENCE, identifier.issuer, asn1.integer(identifier.serial_number))


def recipient_identifier_from(element: asn1.Element) -> RecipientIdentifier:
    """Decode whom a recipient info is for.

    Raises:
        MalformedError: it is neither kind of identifier.
    """
    if element.tag != asn1.SEQUENCE:
        return SubjectKeyIdentifier(element.octets(_CONTEXT_0))
    encoded = element.encoded
    return _usual_name(encoded) if len(encoded) <= _MAX_USUAL else _issuer_and_serial_number(element)


def _issuer_and_serial_number(element: asn1.Element) -> IssuerAndSerialNumber:
    children = element.children()
    if len(children) != 2:  # noqa: PLR2004  # issuer and serial number
        raise MalformedError("an IssuerAndSerialNumber is malformed")
    return IssuerAndSerialNumber(children[0].encoded, children[1].integer())


@lru_cache(maxsize=64)  # who reads many messages has one name in all of them
def _usual_name(encoded: bytes) -> IssuerAndSerialNumber:
    return _issuer_and_serial_number(asn1.parse(encoded))


def other_recipient_info(encoded: bytes) -> tuple[str, asn1.Element]:
    """Return the object identifier and the value of an encoded OtherRecipientInfo (RFC 5652, 6.2.5).

    Raises:
        MalformedError: it is none, or broken.
    """
    children = asn1.parse(encoded, asn1.FEW_INNER_VALUES).expect(OTHER_TAG).children()
    if len(children) != 2:  # noqa: PLR2004  # oriType and oriValue
        raise MalformedError("an OtherRecipientInfo is malformed")
    return children[0].object_identifier(), children[1]


def recipient_infos(infos: asn1.Element, key_size: int, limit: int) -> tuple[WrappedKey, ...]:
    """Walk RecipientInfos without decoding them: one WrappedKey each, whatever its technique.

    Args:
        infos: the SET OF RecipientInfo.
        key_size: octets of the session key; 0 if they are not known.
        limit: recipients to accept.

    Raises:
        LimitError: there are more than ``limit`` recipients in them.
        MalformedError: they are not a SET, or one is broken.
    """
    found: list[WrappedKey] = []
    left = limit
    for info in infos.expect(asn1.SET):
        left -= 1 if info.tag != KEY_AGREEMENT_TAG else _recipients_in(info, left)
        if left < 0:
            raise LimitError("the number of recipients", limit, option="max_recipients")
        found.append(WrappedKey(info.encoded, _version_of(info), key_size))
    return tuple(found)


def _recipients_in(info: asn1.Element, most: int) -> int:
    """Count a KeyAgreeRecipientInfo's recipients, to one more than ``most``.

    It alone ends in a list of them (RFC 5652, 6.2.2).
    """
    try:
        recipients = info.last_child(_KEY_AGREEMENT_FIELDS)
        return max(1, recipients.count(most)) if recipients else 1
    except MalformedError:  # broken: decoding it raises
        return 1


def _version_of(info: asn1.Element) -> int:
    """Return a RecipientInfo's version; an OtherRecipientInfo has none (RFC 5652, 6.2.5)."""
    if info.tag != OTHER_TAG and info.constructed:
        version = _VERSIONS.get(info.contents[:3])
        if version is not None:
            return version
    first = info.first_child()
    return first.integer() if first is not None and first.tag == asn1.INTEGER else 0


# --- the envelope ------------------------------------------------------------------------------


def envelope_start(header: EnvelopeHeader, ciphertext_size: int | None, trailer_size: int) -> bytes:
    """Encode all that stands before the ciphertext.

    Args:
        header: what to encode.
        ciphertext_size: octets of ciphertext; None opens an indefinite-length envelope, whose
            ciphertext then follows in separate OCTET STRINGs.
        trailer_size: octets that :func:`envelope_end` will return.
    """
    infos = asn1.encode(asn1.SET, *sorted([wrapped.encoded for wrapped in header.wrapped_keys]))  # DER sorts a SET OF
    before = b"".join((asn1.integer(header.version), header.originator_info or b"", infos))
    sealed = asn1.object_identifier(header.inner_content_type) + algorithm_identifier(header.content_encryption)
    outer = asn1.object_identifier(header.content_type)
    if ciphertext_size is None:
        return b"".join((b"\x30\x80", outer, b"\xa0\x80\x30\x80", before, b"\x30\x80", sealed, b"\xa0\x80"))
    sealed += asn1.begin(_CONTEXT_0, ciphertext_size)
    before += asn1.begin(asn1.SEQUENCE, len(sealed) + ciphertext_size) + sealed
    after = ciphertext_size + trailer_size
    before = asn1.begin(asn1.SEQUENCE, len(before) + after) + before
    before = b"".join((outer, asn1.begin(_CONTEXT_0_CONSTRUCTED, len(before) + after), before))
    return asn1.begin(asn1.SEQUENCE, len(before) + after) + before


def envelope_end(trailer: EnvelopeTrailer, *, authenticated: bool, indefinite: bool) -> bytes:
    """Encode all that stands after the ciphertext."""
    attributes = trailer.authenticated_attributes
    parts = (
        asn1.OCTETS[_CONTEXT_1_CONSTRUCTED] + attributes[1:] if attributes else b"",
        asn1.encode(asn1.OCTET_STRING, trailer.tag) if authenticated else b"",
        trailer.unauthenticated_attributes,
    )
    end = b"".join(parts)
    return asn1.END_OF_CONTENTS * 2 + end + asn1.END_OF_CONTENTS * 3 if indefinite else end


def envelope(header: EnvelopeHeader, ciphertext: asn1.Buffer, trailer: EnvelopeTrailer) -> bytes:
    """Encode an envelope whose content is in memory."""
    end = envelope_end(trailer, authenticated=header.content_type == algorithms.AUTH_ENVELOPED_DATA, indefinite=False)
    return b"".join((envelope_start(header, len(ciphertext), len(end)), ciphertext, end))


def attributes_for_tag(attributes: asn1.Element) -> bytes:
    """Re-tag authenticated attributes as the DER SET OF that the tag covers (RFC 5083, 2.2)."""
    members = sorted(child.definite() for child in attributes.expect(_CONTEXT_1_CONSTRUCTED))
    return asn1.encode(asn1.SET, *members)


# --- names -------------------------------------------------------------------------------------


def name_text(issuer: bytes) -> str:
    """Return an encoded Name for people, most specific part first and escaped as in RFC 4514, 2.4; safe to print."""
    if len(issuer) > MAX_NAME_SIZE:
        return "a name that is too long"
    return _usual_name_text(issuer) if len(issuer) <= _MAX_USUAL else _usual_name_text.__wrapped__(issuer)


@lru_cache(maxsize=64)  # in a list of recipients, most have one issuer
def _usual_name_text(issuer: bytes) -> str:
    from asn1crypto import x509  # only text for people needs it: 21 ms

    try:
        parts = [
            "+".join(
                f"{_SHORT_NAMES.get(pair['type'].dotted, pair['type'].dotted)}={_escaped(str(pair['value'].native))}"
                for pair in relative
            )
            for relative in x509.Name.load(issuer, strict=True).chosen
        ]
    except _ASN1_ERRORS:
        return "an unreadable name"
    return printable(", ".join(reversed(parts))) or "an empty name"


def _escaped(value: str) -> str:
    """Escape what would end a value, or look like the beginning of another one (RFC 4514, 2.4)."""
    escaped = _SPECIAL.sub(r"\\\g<0>", value)
    if escaped.endswith(" "):
        escaped = f"{escaped[:-1]}\\ "
    return f"\\{escaped}" if escaped.startswith(("#", " ")) else escaped


_SPECIAL: Final = re.compile(r'[",+;<>\\]')
_ASN1_ERRORS: Final = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""What asn1crypto raises on octets that are not what they should be."""

_SHORT_NAMES: Final = {
    "2.5.4.3": "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "E",
}
