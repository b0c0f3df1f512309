"""Identities whose private keys stay locked until a message needs them.

Whom a message is for, the certificates tell that lie open beside a locked key. So a passphrase is wanted only for a
key that is to compute, and not for one of several that happens to be there.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from smime_session.certificates.certificate import read_certificates
from smime_session.certificates.check import without_issuers
from smime_session.errors import CredentialError, MessageError, NoMatchError, PassphraseError
from smime_session.recipients.identities import identity_for
from smime_session.recipients.kind import KeyIdentity
from smime_session.recipients.registry import NamedIdentity, is_locked, is_selective, kind_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from smime_session.algorithms import KeyTransport, SignatureAlgorithm
    from smime_session.certificates.public_key import PublicKey
    from smime_session.cms.values import WrappedKey
    from smime_session.keys.private_key import PrivateKey
    from smime_session.recipients.registry import Identity
    from smime_session.session_key import SessionKey


class LockedKey:
    """A private key that is unlocked when it is first to compute; what it computes is that of the key itself.

    Args:
        public_key: the public key, from its certificate.
        unlock: returns the private keys of the file.
    """

    def __init__(self, public_key: PublicKey, unlock: Callable[[], Sequence[PrivateKey]]) -> None:
        self._public_key = public_key
        self._unlock = unlock

    @property
    def locked(self) -> bool:
        """Whether a passphrase may be wanted before it computes."""
        return True

    @property
    def public_key(self) -> PublicKey:
        """The public key that belongs to it."""
        return self._public_key

    def decrypt(self, ciphertext: bytes, algorithm: KeyTransport, /) -> bytes | None:
        """Decrypt with RSA, as :meth:`~smime_session.keys.private_key.PrivateKey.decrypt` does."""
        return self.unlock().decrypt(ciphertext, algorithm)

    def decoy_secret(self) -> bytes:
        """Return what decoys are made with."""
        return self.unlock().decoy_secret()

    def exchange(self, point: bytes, /) -> bytes:
        """Agree on a secret."""
        return self.unlock().exchange(point)

    def decapsulate(self, ciphertext: bytes, /) -> bytes:
        """Return the secret in a KEM's ciphertext."""
        return self.unlock().decapsulate(ciphertext)

    def sign(self, data: bytes, algorithm: SignatureAlgorithm, /) -> bytes:
        """Sign ``data``."""
        return self.unlock().sign(data, algorithm)

    def unlock(self) -> PrivateKey:
        """Return the key itself.

        Raises:
            CredentialError: it stays locked, or the certificate belongs to none of the keys.
        """
        for key in self._unlock():
            if key.public_key.canonical == self._public_key.canonical:
                return key
        raise CredentialError("the certificate beside the locked private key is not its own: it belongs to another key")

    def __reduce__(self) -> tuple[Callable[[PrivateKey], PrivateKey], tuple[PrivateKey]]:
        """Give way to the key itself: a passphrase never travels, and whether the key may, the key decides."""
        return _itself, (self.unlock(),)


def _itself(key: PrivateKey) -> PrivateKey:
    return key


class LockedIdentity:
    """The private keys of a file that says nothing about them while it is locked, like most PKCS#12 files.

    Args:
        name: what it is called in errors.
        unlock: returns the identities in the file.
    """

    def __init__(self, name: str, unlock: Callable[[], Sequence[Identity]]) -> None:
        self._name = name
        self._unlock = unlock

    @property
    def locked(self) -> bool:
        """Whether a passphrase may be wanted."""
        return True

    def unlocked(self) -> Sequence[Identity]:
        """Return the identities in the file.

        Raises:
            CredentialError: it stays locked, or holds none that can be used.
        """
        return self._unlock()

    def unwrap(self, wrapped: Sequence[WrappedKey]) -> SessionKey:
        """Return the session key from the first that is addressed to one of the identities.

        Raises:
            NoMatchError: none is.
            CredentialError: the file stays locked, or holds no identity that can be used.
        """
        for identity in self._unlock():
            try:
                return identity.unwrap(wrapped)
            except NoMatchError:
                continue
        raise NoMatchError(identities=[self._name])

    def __str__(self) -> str:
        return self._name


def open_beside(data: bytes, unlock: Callable[[], Sequence[PrivateKey]]) -> list[Identity]:
    """Return an identity for each certificate that lies open beside locked private keys, issuers' left out.

    Args:
        data: the file.
        unlock: returns its private keys.
    """
    try:
        certificates, _ = without_issuers(read_certificates(data))
    except CredentialError:
        return []
    identities: list[Identity] = []
    for certificate in certificates:
        public_key = certificate.public_key
        if public_key is not None and kind_for(public_key) is not None:
            identities.append(identity_for(LockedKey(public_key, unlock), certificate, certificates))
    return identities


def unlocked_if_needed(identities: Sequence[Identity], wrapped: Sequence[WrappedKey]) -> Sequence[Identity]:
    """Return who may read a message, as few locked ones among them as will do.

    If the message names the certificate of an identity that is not locked, that is none; else it is the first one whose
    certificate is named and that can be unlocked; else all of those that have to be unlocked to say whose they are.

    Args:
        identities: all that are given.
        wrapped: the recipient infos of the message.

    Raises:
        CredentialError: what is needed stays locked.
    """
    locked = [each for each in identities if is_locked(each)]
    if not locked:
        return identities
    found = [each for each in identities if not is_locked(each)]
    if any(_is_named(each, wrapped) for each in found):
        return found
    failures: list[PassphraseError] = []
    for each in locked:
        if isinstance(each, KeyIdentity) and _is_named(each, wrapped):
            with _kept(failures):
                each.unlock()
                return [*found, each]
    for each in locked:
        if isinstance(each, LockedIdentity):
            with _kept(failures):
                found += each.unlocked()
        elif not _is_named(each, wrapped):
            found.append(each)
    if failures and not any(_may_read(each, wrapped) for each in found):
        raise failures[0]
    return found


@contextmanager
def _kept(failures: list[PassphraseError]) -> Iterator[None]:
    """Go on if something stays locked: something else may open."""
    try:
        yield
    except PassphraseError as error:
        failures.append(error)


def _may_read(identity: Identity, wrapped: Sequence[WrappedKey]) -> bool:
    """Tell whether a message may be for an identity, for all that its public fields say."""
    try:
        return not is_selective(identity) or bool(identity.matching(wrapped))
    except MessageError:
        return True


def _is_named(identity: Identity, wrapped: Sequence[WrappedKey]) -> bool:
    """Tell whether a message names the certificate of an identity, which is then sure to be addressed."""
    if not isinstance(identity, NamedIdentity) or identity.names.certificate is None or not is_selective(identity):
        return False
    try:
        return bool(identity.matching(wrapped))
    except MessageError:
        return False
