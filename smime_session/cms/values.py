"""CMS values as named tuples: no behaviour, nothing to fill in later.

Encodings are octets as they stand in a message, so that who keeps them keeps every byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from smime_session.algorithms import ContentEncryption


class IssuerAndSerialNumber(NamedTuple):
    """Names a certificate by who issued it and its number (RFC 5652, 10.2.4).

    Attributes:
        issuer: the issuer's Name, encoded.
        serial_number: the number.
    """

    issuer: bytes
    serial_number: int


class SubjectKeyIdentifier(NamedTuple):
    """Names a certificate by its subject key identifier extension (RFC 5652, 6.2.1).

    Attributes:
        value: the identifier's octets.
    """

    value: bytes


RecipientIdentifier = IssuerAndSerialNumber | SubjectKeyIdentifier


class AlgorithmIdentifier(NamedTuple):
    """An algorithm and its parameters (RFC 5280, 4.1.1.2).

    Attributes:
        oid: the object identifier, dotted.
        parameters: their encoding, or None if absent.
    """

    oid: str
    parameters: bytes | None = None


class WrappedKey(NamedTuple):
    """One RecipientInfo: the session key, encrypted for one recipient (RFC 5652, 6.2).

    Attributes:
        encoded: the whole RecipientInfo as it stands in the envelope.
        version: its CMSVersion, from which the envelope's own is computed (RFC 5652, 6.1).
        key_size: octets of the session key inside; 0 if the content's algorithm is not known here.
    """

    encoded: bytes
    version: int
    key_size: int


class ContentParameters(NamedTuple):
    """A content-encryption algorithm with what one message gives it.

    Attributes:
        algorithm: the algorithm.
        nonce: the nonce, or CBC's initialisation vector.
        tag_size: octets of tag; 0 without authentication.
        derivation_info: the encoded AlgorithmIdentifier that the content key is derived with
            (RFC 9709); empty where the session key is the content key itself.
    """

    algorithm: ContentEncryption
    nonce: bytes
    tag_size: int
    derivation_info: bytes = b""


class EnvelopeHeader(NamedTuple):
    """All that stands before the sealed content (RFC 5652, 6.1; RFC 5083, 2.1).

    Attributes:
        content_type: AuthEnvelopedData or EnvelopedData, dotted.
        version: the CMSVersion.
        wrapped_keys: the recipient infos, in their order.
        inner_content_type: the type of what is sealed, dotted.
        content_encryption: how it is sealed.
        originator_info: the encoded OriginatorInfo, or None.
    """

    content_type: str
    version: int
    wrapped_keys: tuple[WrappedKey, ...]
    inner_content_type: str
    content_encryption: AlgorithmIdentifier
    originator_info: bytes | None = None


class EnvelopeTrailer(NamedTuple):
    """All that stands after the sealed content.

    Attributes:
        tag: the authentication tag; empty without authentication.
        authenticated_attributes: encoded as the SET OF that the tag covers (RFC 5083, 2.2); empty if absent.
        unauthenticated_attributes: encoded as they stand; empty if absent.
    """

    tag: bytes = b""
    authenticated_attributes: bytes = b""
    unauthenticated_attributes: bytes = b""

    def __repr__(self) -> str:
        """Show everything but the tag, which belongs to the content."""
        shown = {name: value for name, value in self._asdict().items() if name != "tag"}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"
