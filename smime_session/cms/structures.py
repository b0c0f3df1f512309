"""CMS values as frozen dataclasses: no behaviour, nothing to fill in later.

Encodings are octets as they stand in a message, so that whoever keeps them keeps every byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from smime_session.algorithms import ContentEncryption, KeyTransport


@dataclass(frozen=True, slots=True)
class IssuerAndSerialNumber:
    """Names a certificate by who issued it and its number (RFC 5652, 10.2.4).

    Attributes:
        issuer: the issuer's Name, encoded.
        serial_number: the number.
    """

    issuer: bytes
    serial_number: int


@dataclass(frozen=True, slots=True)
class SubjectKeyIdentifier:
    """Names a certificate by its subject key identifier extension (RFC 5652, 6.2.1).

    Attributes:
        value: the identifier's octets.
    """

    value: bytes


RecipientIdentifier = IssuerAndSerialNumber | SubjectKeyIdentifier


@dataclass(frozen=True, slots=True)
class AlgorithmIdentifier:
    """An algorithm and its parameters (RFC 5280, 4.1.1.2).

    Attributes:
        oid: the object identifier, dotted.
        parameters: their encoding, or None if absent.
    """

    oid: str
    parameters: bytes | None = None


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """One RecipientInfo: the session key, encrypted for one recipient (RFC 5652, 6.2).

    Attributes:
        encoded: the whole RecipientInfo as it stands in the envelope.
        version: its CMSVersion, from which the envelope's own is computed (RFC 5652, 6.1).
        key_size: octets of the session key inside.
    """

    encoded: bytes
    version: int
    key_size: int


@dataclass(frozen=True, slots=True)
class KeyTransRecipientInfo:
    """A session key encrypted with an RSA key (RFC 5652, 6.2.1).

    Attributes:
        recipient: whose key.
        algorithm: how.
        encrypted_key: the result, as many octets as the RSA modulus.
    """

    recipient: RecipientIdentifier
    algorithm: KeyTransport
    encrypted_key: bytes


@dataclass(frozen=True, slots=True)
class ContentParameters:
    """A content-encryption algorithm with what one message gives it.

    Attributes:
        algorithm: the algorithm.
        nonce: GCM's nonce or CBC's initialisation vector.
        tag_size: octets of tag; 0 without authentication.
    """

    algorithm: ContentEncryption
    nonce: bytes
    tag_size: int


@dataclass(frozen=True, slots=True)
class EnvelopeHeader:
    """All that stands before the sealed content (RFC 5652, 6.1; RFC 5083, 2.1).

    Attributes:
        content: the content-encryption algorithm and its parameters; authenticated ones make
            this an AuthEnvelopedData, others an EnvelopedData.
        wrapped_keys: the recipient infos, in their order.
        inner_content_type: the type of what is sealed, dotted.
        originator_info: the encoded OriginatorInfo, or None.
        version: the CMSVersion that was read; None where it is to be computed.
    """

    content: ContentParameters
    wrapped_keys: tuple[WrappedKey, ...]
    inner_content_type: str
    originator_info: bytes | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class EnvelopeTrailer:
    """All that stands after the sealed content.

    Attributes:
        tag: the authentication tag; empty without authentication.
        authenticated_attributes: encoded as the SET OF that the tag covers (RFC 5083, 2.2), or None.
        unauthenticated_attributes: encoded as it stands, or None.
    """

    tag: bytes = field(default=b"", repr=False)
    authenticated_attributes: bytes | None = None
    unauthenticated_attributes: bytes | None = None
