"""A kind of recipient: what the library asks about one, whichever it is, and what their identities share.

Each kind has a file in this folder, which holds everything of it, and a row in the table of
:mod:`~smime_session.recipients.registry`, which names that file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar, cast

from smime_session.algorithms import CONTENT_ENCRYPTION
from smime_session.errors import NoMatchError
from smime_session.recipients.naming import OwnNames

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from smime_session.certificates.certificate import AnyCertificate
    from smime_session.certificates.public_key import PublicKey
    from smime_session.cms.values import AlgorithmIdentifier, RecipientIdentifier, WrappedKey
    from smime_session.keys.private_key import PrivateKey
    from smime_session.profiles import Policy, Profile
    from smime_session.recipients.client_rules import KeyRule
    from smime_session.recipients.registry import Identity, Recipient
    from smime_session.recipients.summary import RecipientSummary
    from smime_session.session_key import SessionKey

    Capabilities = tuple[AlgorithmIdentifier, ...]

Info = TypeVar("Info")


class KeyType(NamedTuple):
    """A type of key that a new identity can have.

    Attributes:
        generate: makes a new private key.
        key_usage: the bits of key usage in its certificate, named as in :class:`cryptography.x509.KeyUsage`.
        signs: whether it can sign its own certificate.
        capabilities: how session keys may be encrypted for it, as its certificate announces them, the best first.
    """

    generate: Callable[[], PrivateKeyTypes]
    key_usage: frozenset[str]
    signs: bool
    capabilities: Capabilities = ()


class Kind:
    """A kind of recipient; the answers here are those of a kind with nothing special about it."""

    ANONYMOUS: ClassVar = False
    """Whether nothing in a recipient info tells one recipient of this kind from another."""

    def summarize(self, wrapped: WrappedKey) -> Sequence[RecipientSummary]:  # noqa: ARG002  # here is none to describe
        """Describe a recipient info, one summary for each recipient in it; the registry adds the kind's name.

        Raises:
            MessageError: it is broken.
        """
        return ()

    def identifier(self, part: WrappedKey) -> Hashable | None:
        """Return what names the one recipient of a recipient info; None if nothing does.

        What names a certificate is a :class:`~smime_session.cms.values.RecipientIdentifier`.

        Raises:
            MessageError: it is broken.
        """
        del part
        return None

    def legacy_algorithm(self, wrapped: WrappedKey) -> str | None:
        """Return the name of an algorithm in a recipient info that is only read with ``insecure_legacy``, or None.

        Raises:
            MessageError: it is broken.
        """
        del wrapped
        return None

    def split(self, wrapped: WrappedKey) -> Iterable[WrappedKey]:
        """Take a recipient info apart: one for each recipient in it.

        Raises:
            MessageError: it is broken.
        """
        return (wrapped,)

    def join(self, parts: Sequence[WrappedKey]) -> WrappedKey:
        """Make one recipient info of some of those that :meth:`split` made of another."""
        (part,) = parts
        return part

    def check_limits(self, wrapped: Sequence[WrappedKey], policy: Policy) -> None:
        """Check that reading with ``policy`` accepts a message with these recipient infos of this kind.

        Raises:
            LimitError: it does not.
        """

    def client_rules(self) -> Mapping[str, Sequence[KeyRule]]:
        """Return by the names of mail programs what is known of how they unwrap; of their rules the first decides.

        A program that is not there does not know the kind. ``docs/clients.md`` has the sources.
        """
        return {}


class KeyKind(Kind, ABC):
    """A kind of recipient with a certificate."""

    KEY_USAGE: ClassVar[str]
    """The key usage bit that a certificate needs (RFC 8550, 4.4.2), named as in :class:`cryptography.x509.KeyUsage`."""
    POST_QUANTUM: ClassVar = False
    """Whether its keys withstand a quantum computer."""

    @abstractmethod
    def unfit(self, public_key: PublicKey, profile: Profile) -> str | None:
        """Say in a few words why ``profile`` must not use this key, or None if it may.

        Raises:
            CredentialError: the key cannot be read.
        """

    @abstractmethod
    def recipient(
        self,
        public_key: PublicKey,
        identifier: RecipientIdentifier,
        profile: Profile,
        capabilities: Capabilities = (),
    ) -> Recipient:
        """Make a recipient: everything that is the same for each message is encoded here, once.

        Args:
            public_key: the key, which may be used.
            identifier: how the envelope names its owner.
            profile: how to wrap.
            capabilities: what the certificate announces of its owner's programs.
        """

    @abstractmethod
    def identity(
        self, private_key: PrivateKey, certificate: AnyCertificate | None, others: Sequence[AnyCertificate] = ()
    ) -> Identity:
        """Make an identity from a private key and, if it is at hand, its certificate.

        Among ``others`` may be that of a sender whose key is needed too.
        """

    def key_types(self) -> Mapping[str, KeyType]:
        """Return the types of key that a new identity can have, by their names on the command line."""
        return {}


@lru_cache(maxsize=512)  # the certificates of one issuer mostly announce the same
def content_read(capabilities: Capabilities, otherwise: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the content-encryption algorithms that a recipient is known to read, by object identifier.

    Args:
        capabilities: what the certificate announces.
        otherwise: what is known of a recipient whose certificate announces none.
    """
    announced = frozenset(capability.oid for capability in capabilities).intersection(CONTENT_ENCRYPTION)
    return announced or otherwise


class KeyRecipient:
    """What recipients with a certificate have in common.

    Args:
        identifier: how the envelope names its owner.
        reads: see below.

    Attributes:
        identifier: the same.
        reads: the content-encryption algorithms that its owner is known to read, by object identifier.
    """

    __slots__ = ("identifier", "reads")

    def __init__(self, identifier: RecipientIdentifier, reads: frozenset[str]) -> None:
        self.identifier = identifier
        self.reads = reads

    def __str__(self) -> str:
        return summary(self.identifier).name


def summary(identifier: RecipientIdentifier | None = None, **found: Any) -> RecipientSummary:  # noqa: ANN401  # its fields
    """Make a summary of a recipient info.

    Args:
        identifier: what names the recipient.
        found: other fields.
    """
    from smime_session.recipients.summary import RecipientSummary, identifier_fields  # one mail needs none: 2 ms

    return RecipientSummary(**(identifier_fields(identifier) if identifier else {}), **found)


class KindIdentity(ABC, Generic[Info]):
    """Who reads recipient infos of one kind; ``Info`` is what they are once decoded."""

    __slots__ = ()

    def matching(self, wrapped: Sequence[WrappedKey]) -> list[WrappedKey]:
        """Return those of ``wrapped`` that are addressed to this identity, judged by public fields alone.

        Of one that is for several recipients, the part for this identity is returned.

        Raises:
            MessageError: one that may be is broken, or an algorithm in it is not supported.
        """
        return [part for part, _ in self._infos(wrapped)]

    def unwrap(self, wrapped: Sequence[WrappedKey]) -> SessionKey:
        """Return the session key from the first that is addressed to this identity, or a decoy (RFC 3218).

        Raises:
            NoMatchError: none of them is.
            MessageError: one that may be is broken, or an algorithm in it is not supported.
        """
        for part, info in self._infos(wrapped):
            return self._open(info, part.key_size)
        raise NoMatchError(identities=[str(self)])

    def _infos(self, wrapped: Sequence[WrappedKey]) -> Iterable[tuple[WrappedKey, Info]]:
        """Find and decode what is for this identity."""
        for candidate in wrapped:
            if info := self._info(candidate):
                yield candidate, info

    def _info(self, wrapped: WrappedKey) -> Info | None:  # noqa: ARG002  # for those who decode one by one
        """Decode a recipient info if it is for this identity; who decodes all together overrides :meth:`_infos`."""
        return None

    @abstractmethod
    def _open(self, info: Info, size: int) -> SessionKey:
        """Decrypt a session key of ``size`` bytes, or make a decoy, so that what follows is the same either way.

        A decoy depends on the identity and the recipient info alone: it stays the same when a message is
        sent twice, as a real key would.
        """

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


class KeyIdentity(KindIdentity[Info]):
    """A private key, with or without the certificate that names its owner.

    With a certificate it answers to that certificate's issuer and serial number and to its key
    identifier. A bare key tries whatever may be for it.

    Args:
        private_key: the key.
        certificate: its certificate, or None.
    """

    def __init__(self, private_key: PrivateKey, certificate: AnyCertificate | None = None) -> None:
        self._private_key = private_key
        self._names = OwnNames(private_key.public_key, certificate)
        self._bare = certificate is None

    @property
    def locked(self) -> bool:
        """Whether a passphrase may be wanted before its private key computes."""
        return getattr(self._private_key, "locked", False)

    def unlock(self) -> None:
        """Unlock the private key now, if it is locked.

        Raises:
            CredentialError: it stays locked.
        """
        if self.locked:
            cast("Any", self._private_key).unlock()

    @property
    def names(self) -> OwnNames:
        """The names it goes by."""
        return self._names

    def __str__(self) -> str:
        return self._names.describe(f"{self._private_key.public_key.name} private key")
