"""What a signature covers besides the content: signed attributes (RFC 5652, 5.3 and 11; RFC 8551, 2.5; RFC 5035)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.cms import asn1, capabilities, codec
from smime_session.cms.signature_algorithm import digest_from, digest_identifier
from smime_session.cms.values import IssuerAndSerialNumber, SubjectKeyIdentifier
from smime_session.errors import MalformedError, MessageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smime_session.algorithms import DigestName
    from smime_session.cms.values import AlgorithmIdentifier, RecipientIdentifier

CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
ENCRYPTION_KEY_PREFERENCE: Final = "1.2.840.113549.1.9.16.2.11"

MAX_ATTRIBUTES: Final = 64  # of one signature; programs write five
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_FIRST_GENERALIZED: Final = 2050  # the year from which UTCTime has no two digits (RFC 5652, 11.3)
_TIME: Final = re.compile(rb"(\d\d)?(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z")
_BY_ISSUER, _BY_KEY_IDENTIFIER = 0xA0, 0x82
_PAIR: Final = 2  # values: a type and its values, an issuer and a number


class CertificateHash(NamedTuple):
    """A certificate, named by its hash (RFC 5035, 4).

    Attributes:
        hash: the hash function.
        value: the hash of its DER.
    """

    hash: DigestName
    value: bytes


class SignedAttributes(NamedTuple):
    """What signed attributes say.

    Attributes:
        content_type: the type of the content, dotted.
        message_digest: the hash of the content.
        signing_time: when the signer claims to have signed, in UTC.
        certificates: the signer's certificate, named by its hash, as each attribute that does so has it.
        capabilities: what the signer's program reads, the best first; None if that is not said.
        encryption_key: which certificate of the signer to encrypt for, if it is named.
    """

    content_type: str = ""
    message_digest: bytes = b""
    signing_time: datetime | None = None
    certificates: tuple[CertificateHash, ...] = ()
    capabilities: tuple[AlgorithmIdentifier, ...] | None = None
    encryption_key: RecipientIdentifier | None = None


def encode(attributes: SignedAttributes, others: Iterable[bytes] = ()) -> bytes:
    """Encode signed attributes as the SET OF in DER that is signed.

    Args:
        attributes: what they say.
        others: further ones, encoded.
    """
    return asn1.encode(asn1.SET, *sorted((*encoded(attributes), *others)))


def encoded(attributes: SignedAttributes) -> tuple[bytes, ...]:
    """Encode each attribute for itself; of what is not said there is none."""
    found: list[bytes] = []
    if attributes.content_type:
        found.append(_attribute(CONTENT_TYPE, asn1.object_identifier(attributes.content_type)))
    if attributes.message_digest:
        found.append(_attribute(MESSAGE_DIGEST, asn1.encode(asn1.OCTET_STRING, attributes.message_digest)))
    if attributes.signing_time is not None:
        found.append(_attribute(SIGNING_TIME, _encoded_time(attributes.signing_time)))
    if attributes.certificates:
        found.append(_attribute(SIGNING_CERTIFICATE_V2, _encoded_certificates(attributes.certificates)))
    if attributes.capabilities is not None:
        announced = capabilities.encode(attributes.capabilities)
        found.append(_attribute(capabilities.SMIME_CAPABILITIES_OID, announced))
    if attributes.encryption_key is not None:
        found.append(_attribute(ENCRYPTION_KEY_PREFERENCE, _encoded_preference(attributes.encryption_key)))
    return tuple(found)


def _attribute(oid: str, value: bytes) -> bytes:
    return asn1.encode(asn1.SEQUENCE, asn1.object_identifier(oid), asn1.encode(asn1.SET, value))


def _encoded_time(moment: datetime) -> bytes:
    moment = moment.astimezone(UTC)
    if moment.year >= _FIRST_GENERALIZED:
        return asn1.encode(_GENERALIZED_TIME, f"{moment:%Y%m%d%H%M%SZ}".encode("ascii"))
    return asn1.encode(_UTC_TIME, f"{moment:%y%m%d%H%M%SZ}".encode("ascii"))


def _encoded_certificates(certificates: Iterable[CertificateHash]) -> bytes:
    """Encode a SigningCertificateV2; of a certificate's name its hash is enough."""
    identifiers = [
        asn1.encode(
            asn1.SEQUENCE,
            b"" if each.hash == "SHA-256" else codec.algorithm_identifier(digest_identifier(each.hash)),
            asn1.encode(asn1.OCTET_STRING, each.value),
        )
        for each in certificates
    ]
    return asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.SEQUENCE, *identifiers))


def _encoded_preference(identifier: RecipientIdentifier) -> bytes:
    if isinstance(identifier, SubjectKeyIdentifier):
        return asn1.encode(_BY_KEY_IDENTIFIER, identifier.value)
    return asn1.encode(_BY_ISSUER, identifier.issuer, asn1.integer(identifier.serial_number))


def decode(encoded: bytes) -> SignedAttributes:
    """Decode signed attributes.

    Args:
        encoded: a SET OF.

    Raises:
        MalformedError: they are broken, one that must be there is not, or one has more than one value.
    """
    values = _values(encoded)
    if CONTENT_TYPE not in values or MESSAGE_DIGEST not in values:
        raise MalformedError("the signed attributes lack the content's type or its hash")
    time, key = values.get(SIGNING_TIME), values.get(ENCRYPTION_KEY_PREFERENCE)
    announced = values.get(capabilities.SMIME_CAPABILITIES_OID)
    return SignedAttributes(
        values[CONTENT_TYPE].object_identifier(),
        values[MESSAGE_DIGEST].octets(),
        None if time is None else _time_from(time),
        tuple(_certificates_from(values)),
        None if announced is None else _capabilities_from(announced),
        None if key is None else _preference_from(key),
    )


def _values(encoded: bytes) -> dict[str, asn1.Element]:
    """Return the value of each attribute; those that are not known here may have several, and are left out."""
    found: dict[str, asn1.Element] = {}
    for number, attribute in enumerate(asn1.parse(encoded).expect(asn1.SET)):
        if number >= MAX_ATTRIBUTES:
            raise MalformedError("there are too many signed attributes")
        children = attribute.expect(asn1.SEQUENCE).children()
        if len(children) != _PAIR:
            raise MalformedError("a signed attribute is malformed")
        oid = children[0].object_identifier()
        if oid not in _KNOWN:
            continue
        values = children[1].expect(asn1.SET).children()
        if len(values) != 1 or oid in found:
            raise MalformedError("a signed attribute has more than one value, or none")
        found[oid] = values[0]
    return found


_KNOWN: Final = frozenset(
    {
        CONTENT_TYPE,
        MESSAGE_DIGEST,
        SIGNING_TIME,
        SIGNING_CERTIFICATE,
        SIGNING_CERTIFICATE_V2,
        ENCRYPTION_KEY_PREFERENCE,
        capabilities.SMIME_CAPABILITIES_OID,
    }
)


def _time_from(value: asn1.Element) -> datetime:
    found = _TIME.fullmatch(value.contents)
    if found is None or value.tag != (_GENERALIZED_TIME if found[1] else _UTC_TIME):
        raise MalformedError("the signing time is malformed")
    century, year, *rest = (int(part or 0) for part in found.groups())
    if not found[1]:
        century = 19 if year >= _FIRST_GENERALIZED % 100 else 20
    month, day, hour, minute, second = rest
    try:
        return datetime(century * 100 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise MalformedError("the signing time is malformed") from error


def _certificates_from(values: dict[str, asn1.Element]) -> Iterable[CertificateHash]:
    """Yield the first certificate of each attribute that names some: that is the signer's (RFC 5035, 5.4)."""
    for oid, usual in ((SIGNING_CERTIFICATE, "SHA-1"), (SIGNING_CERTIFICATE_V2, "SHA-256")):
        if oid in values:
            first = _first(_first(values[oid]))
            parts = first.expect(asn1.SEQUENCE).children()
            digest: DigestName = "SHA-1" if usual == "SHA-1" else "SHA-256"
            if oid == SIGNING_CERTIFICATE_V2 and parts and parts[0].tag == asn1.SEQUENCE:
                digest = digest_from(codec.algorithm_identifier_from(parts.pop(0)))
            if not parts:
                raise MalformedError("the signing certificate's name is malformed")
            yield CertificateHash(digest, parts[0].octets())


def _first(element: asn1.Element) -> asn1.Element:
    child = element.expect(asn1.SEQUENCE).first_child()
    if child is None:
        raise MalformedError("the signing certificate's name is malformed")
    return child


def _capabilities_from(value: asn1.Element) -> tuple[AlgorithmIdentifier, ...] | None:
    """Decode capabilities; what is broken in them is the announcer's loss, and says nothing of the signature."""
    try:
        return capabilities.decode(value.encoded)
    except MessageError:
        return None


def _preference_from(value: asn1.Element) -> RecipientIdentifier | None:
    if value.tag == _BY_KEY_IDENTIFIER:
        return SubjectKeyIdentifier(value.contents)
    if value.tag != _BY_ISSUER:
        return None
    children = value.children()
    if len(children) != _PAIR:
        raise MalformedError("the encryption key preference is malformed")
    return IssuerAndSerialNumber(children[0].encoded, children[1].integer())
