"""What is seen of an envelope: how its content is sealed, and one recipient after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smime_session.recipients.summary import RecipientSummary


@dataclass(frozen=True, slots=True)
class InspectedContent:
    """How the content is sealed; sizes in octets.

    Attributes:
        type: what is sealed, mostly ``data``.
        algorithm: the content-encryption algorithm, by name; its object identifier if it has no name here.
        algorithm_oid: the same, dotted.
        key_bits: size of the session key; None for an algorithm that is not supported.
        key_derivation: how the content key is derived from the session key (RFC 9709); None if they are the same.
        nonce_size: size of the nonce or initialisation vector.
        tag_size: size of the authentication tag; 0 without authentication.
        ciphertext_size: size of what is sealed, the tag not counted.
        constructed: whether it comes as several OCTET STRINGs.
        problem: why it cannot be opened here whatever the key, or None.
    """

    type: str
    algorithm: str
    algorithm_oid: str
    key_bits: int | None
    key_derivation: str | None
    nonce_size: int | None
    tag_size: int | None
    ciphertext_size: int
    constructed: bool
    problem: str | None


@dataclass(frozen=True, slots=True)
class InspectedPart:
    """One part of a mail that has no others.

    Attributes:
        number: where it is: ``2.1`` is the first part of the second part; what stands in a part that can be read, as in
            a signed one, follows a slash.
        content_type: its media type.
        object: the CMS object in it (``enveloped-data``, ``signed-data``, ...), or why it cannot be read; None for a
            part that does not say that it is one.
    """

    number: str
    content_type: str
    object: str | None


@dataclass(frozen=True, slots=True)
class InspectedRecipient:
    """One recipient.

    Attributes:
        index: the place of its recipient info in the envelope, from 1.
        summary: its public fields.
        opened_by: the given identities that it is addressed to by a name of theirs, in words.
        may_be_opened_by: the given identities that its public fields do not rule out, in words: a private key
            without its certificate may go by any issuer and serial number, and a password by no name at all.
        certificate: the given certificate that it names, in words; None if none of them is named.
    """

    index: int
    summary: RecipientSummary
    opened_by: tuple[str, ...]
    may_be_opened_by: tuple[str, ...] = ()
    certificate: str | None = None
