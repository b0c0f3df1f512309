"""CMS values as named tuples: no behaviour, nothing to fill in later.

Encodings are octets as they stand in a message, so that whoever keeps them keeps every byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from smime_session.algorithms import ContentEncryption, Curve, HashName, Kem, KeyAgreement, KeyTransport, KeyWrap


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


class KeyTransRecipientInfo(NamedTuple):
    """A session key encrypted with an RSA key (RFC 5652, 6.2.1).

    Attributes:
        recipient: whose key.
        algorithm: how.
        encrypted_key: the result, as many octets as the RSA modulus.
    """

    recipient: RecipientIdentifier
    algorithm: KeyTransport
    encrypted_key: bytes


class KemRecipientInfo(NamedTuple):
    """A session key encrypted with a key that a KEM agreed on (RFC 9629, 3).

    Attributes:
        recipient: whose key.
        kem: the mechanism.
        ciphertext: what carries the shared secret.
        hash: the hash function of HKDF, which makes the key-encryption key of the shared secret.
        wrap: how the session key is encrypted with that key.
        encrypted_key: the result, 8 octets longer than the session key.
        user_keying_material: what the sender adds to the derivation, or None.
    """

    recipient: RecipientIdentifier
    kem: Kem
    ciphertext: bytes
    hash: HashName
    wrap: KeyWrap
    encrypted_key: bytes
    user_keying_material: bytes | None = None


class KekIdentifier(NamedTuple):
    """Names a key that was shared beforehand (RFC 5652, 6.2.3).

    Attributes:
        key_identifier: the name that was agreed on with it.
        date: which of several keys of that name, a GeneralizedTime in its own letters; None if there is one.
    """

    key_identifier: bytes
    date: str | None = None


class KekRecipientInfo(NamedTuple):
    """A session key encrypted with a key that was shared beforehand (RFC 5652, 6.2.3).

    Attributes:
        identifier: which key.
        wrap: how.
        encrypted_key: the result, 8 octets longer than the session key.
    """

    identifier: KekIdentifier
    wrap: KeyWrap
    encrypted_key: bytes


class Pbkdf2(NamedTuple):
    """How a key is made of a password (RFC 8018, 5.2); its size is its user's.

    Attributes:
        salt: the salt.
        iterations: how often HMAC is repeated.
        prf: HMAC's hash function.
    """

    salt: bytes
    iterations: int
    prf: HashName


class PasswordRecipientInfo(NamedTuple):
    """A session key encrypted with a password (RFC 5652, 6.2.4; RFC 3211).

    Attributes:
        derivation: how the key-encryption key is made of the password.
        cipher: the block cipher underneath PWRI-KEK; its key is the key-encryption key.
        vector: that cipher's initialisation vector.
        encrypted_key: the result, whole blocks.
    """

    derivation: Pbkdf2
    cipher: ContentEncryption
    vector: bytes
    encrypted_key: bytes


class OriginatorKey(NamedTuple):
    """The public key with which a sender agrees on a key, made for one message (RFC 5652, 6.2.2).

    Attributes:
        curve: its curve, or None if it is the recipient's, whichever that is (RFC 5753, 7.1.2).
        octets: the point.
    """

    curve: Curve | None
    octets: bytes


class RecipientEncryptedKey(NamedTuple):
    """A session key as one of the recipients of a KeyAgreeRecipientInfo gets it (RFC 5652, 6.2.2).

    Attributes:
        recipient: whose key.
        encrypted_key: the session key, wrapped.
    """

    recipient: RecipientIdentifier
    encrypted_key: bytes


class KeyAgreeRecipientInfo(NamedTuple):
    """A session key wrapped with keys that the sender agrees on with each recipient (RFC 5652, 6.2.2).

    Attributes:
        originator: the sender's public key, or the name of a certificate that holds it.
        algorithm: how they agree.
        wrap: how the session key is encrypted with what they agreed on.
        key_info: the encoded AlgorithmIdentifier of ``wrap`` as it stands: the key derivation takes it in.
        encrypted_keys: the result for each recipient.
        user_keying_material: what the sender adds to the derivation, or None.
    """

    originator: RecipientIdentifier | OriginatorKey
    algorithm: KeyAgreement
    wrap: KeyWrap
    key_info: bytes
    encrypted_keys: tuple[RecipientEncryptedKey, ...]
    user_keying_material: bytes | None = None


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
