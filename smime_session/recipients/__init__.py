"""Key management: how one session key reaches each recipient, a file per CMS technique.

Each technique module holds wrapping and unwrapping side by side and offers them through the
same few functions (:class:`Technique`). A new kind of key is a new module here and its row in
:data:`TECHNIQUES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from smime_session.cms.structures import RecipientIdentifier, WrappedKey
    from smime_session.profiles import Profile
    from smime_session.session_key import SessionKey


class Recipient(Protocol):
    """Who can be addressed: the one open joint for wrapping."""

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Encrypt ``key`` for this recipient."""
        ...


class Identity(Protocol):
    """Who can read: the mirror of :class:`Recipient`."""

    def unwrap(self, wrapped: Sequence[WrappedKey]) -> SessionKey:
        """Return the session key from the first of ``wrapped`` that is addressed to this identity.

        A wrapped key that does not decrypt is no error here: the answer is then a random key of
        the right size, and opening the content fails as it does for an altered message (RFC 3218).

        Raises:
            NoMatchError: none of them is addressed to this identity.
        """
        ...


@runtime_checkable
class SelectiveIdentity(Identity, Protocol):
    """An identity that can tell which wrapped keys are for it without using its private key."""

    def matching(self, wrapped: Sequence[WrappedKey]) -> list[WrappedKey]:
        """Return those of ``wrapped`` that are addressed to this identity, judged by public fields alone."""
        ...


class Technique(Protocol):
    """What each technique module for asymmetric keys offers.

    Attributes:
        KEY_USAGE: the key usage bit that a certificate needs (RFC 8550, 4.4.2), named as in
            :class:`cryptography.x509.KeyUsage`.
    """

    KEY_USAGE: str

    def accepts(self, public_key: object) -> bool:
        """Tell whether this technique is the one for such a key."""
        ...

    def unfit(self, public_key: object, profile: Profile) -> str | None:
        """Say in a few words why ``profile`` must not use this key, or None if it may."""
        ...

    def recipient(self, public_key: object, identifier: RecipientIdentifier, profile: Profile) -> Recipient:
        """Prepare a recipient: everything that is the same for each message is encoded here, once."""
        ...

    def identity(self, private_key: object, certificate: x509.Certificate | None) -> Identity:
        """Make an identity from a private key and, if it is at hand, its certificate.

        Raises:
            CredentialError: the key is broken.
        """
        ...


def technique_for(public_key: object) -> Technique | None:
    """Return the technique for a public key, or None if its kind is not spoken here."""
    from smime_session.recipients import key_transport

    techniques: tuple[Technique, ...] = (key_transport,)
    return next((technique for technique in techniques if technique.accepts(public_key)), None)
