"""Certificates and saved session keys: from what options name to objects."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography.hazmat.primitives.serialization import Encoding

import smime_session
from smime_session import CredentialError, PassphraseError, RecipientError
from smime_session.certificates.files import Kind, read

from .files import read_limited
from .passphrases import unlocked, unlocked_or_asked
from .recipients import expiring, passed_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from cryptography import x509

    from smime_session import Identity, Issuer, Profile, Recipient, SplitPkcs12, TrustAnchors
    from smime_session.certificates.certificate import Certificate
    from smime_session.inspection.listing import Listing

LoadedT = TypeVar("LoadedT")

MAX_FILE_SIZE: Final = 64 << 20  # bytes: the certificates of a large company; a disk image is not read whole

GUARDS: Final = ("expired", "key_usage", "extended_key_usage", "key_size")
"""What ``--insecure-…`` lifts, one by one."""


class RefusedError(RecipientError):
    """Certificates were refused.

    Attributes:
        guard: the one of :data:`GUARDS` without which all of them would do, or None if no single one is.
    """

    def __init__(self, refused: Sequence[str], guard: str | None) -> None:
        super().__init__(refused)
        self.guard = guard


class MisplacedKeyError(CredentialError):
    """A saved session key was given where a private key belongs."""

    def __init__(self) -> None:
        super().__init__("this is a saved session key, not a private key")


def recipients_in(
    paths: Iterable[str], profile: Profile, passphrases: Sequence[bytes] = (), trust: TrustAnchors | None = None
) -> tuple[list[Recipient], list[str]]:
    """Prepare a recipient for each certificate in the files, once each.

    One that cannot be used is passed over if the same file has one that can, of the same address.

    Args:
        paths: the files.
        profile: what may be used, and how.
        passphrases: those of PKCS#12 files; without any it is asked for.
        trust: checks the chain of each certificate; without it, none is checked.

    Returns:
        The recipients, and a sentence about each certificate that was left out.

    Raises:
        CredentialError: a file holds no certificate.
        RefusedError: at least one is refused, or not trusted; every one is named with its file.
        OSError: a file cannot be read.
    """
    found, left_out = _made_of(paths, profile, passphrases, trust)
    recipients: list[Recipient] = []
    refused: list[str] = []
    guards = set(GUARDS)
    for certificate, (path, made) in found.items():
        if isinstance(made, RecipientError):
            refused += [f"{path}: {sentence}" for sentence in made.refused]
            guards &= _sole_guards(certificate.der, profile)
        else:
            recipients.append(made)
    if refused:
        raise RefusedError(refused, min(guards, default=None))
    return recipients, left_out


def newcomers_in(
    paths: Iterable[str], profile: Profile, passphrases: Sequence[bytes] = (), trust: TrustAnchors | None = None
) -> tuple[list[x509.Certificate], list[str]]:
    """Load the certificates in the files that :func:`recipients_in` does not leave out, those refused among them.

    Raises:
        CredentialError: a file holds no certificate.
        OSError: a file cannot be read.
    """
    found, left_out = _made_of(paths, profile, passphrases, trust)
    return [certificate.whole for certificate in found], left_out


def _made_of(
    paths: Iterable[str], profile: Profile, passphrases: Sequence[bytes], trust: TrustAnchors | None = None
) -> tuple[dict[Certificate, tuple[str, Recipient | RecipientError]], list[str]]:
    """Return each certificate with its file and what becomes of it, and a sentence about each one left out."""
    from smime_session.recipients.from_certificates import made_of  # not for decrypting: 4 ms

    found: dict[Certificate, tuple[str, Recipient | RecipientError]] = {}
    left_out: list[str] = []
    for path in paths:
        certificates, issuers = _load_public(
            path, lambda data: made_of(data, profile=profile, trust=trust), passphrases
        )
        left_out += [f"{path}: left out: {sentence}" for sentence in issuers]
        skipped = passed_over(certificates)
        for certificate, made in certificates:
            if certificate not in skipped:
                found.setdefault(certificate, (path, made))
            elif isinstance(made, RecipientError):
                left_out += [f"{path}: passed over: {sentence}" for sentence in made.refused]
    return found, left_out + expiring(found)


def certificates_in(paths: Iterable[str], passphrases: Sequence[bytes] = ()) -> list[x509.Certificate]:
    """Load the certificates in the files, whatever they are fit for.

    Raises:
        CredentialError: a file holds no certificate.
        OSError: a file cannot be read.
    """
    return [
        certificate
        for path in paths
        for certificate in _load_public(path, smime_session.load_certificates, passphrases)
    ]


def listing_of(path: str, passphrases: Sequence[bytes]) -> Listing:
    """Tell what a certificate or private key file holds.

    Raises:
        CredentialError: it holds neither, or what is broken, or the passphrase is wrong.
        OSError: the file cannot be read.
    """
    return load_file(
        path, lambda data: unlocked(passphrases, lambda passphrase: smime_session.list_credentials(data, passphrase))
    )


def split_in(path: str, passphrases: Sequence[bytes], *, locked: bool) -> tuple[SplitPkcs12, Listing]:
    """Split a PKCS#12 file, and tell what it holds; without a passphrase it is asked for.

    Args:
        path: the file.
        passphrases: each is tried.
        locked: whether the passphrase that fits locks the private keys anew.

    Raises:
        CredentialError: it is another kind of file, holds no private key that can be used, or it stays locked.
        OSError: the file cannot be read.
    """

    def split(data: bytes, passphrase: bytes | None) -> tuple[SplitPkcs12, Listing]:
        parts = smime_session.split_pkcs12(data, passphrase, lock=(passphrase or None) if locked else None)
        return parts, smime_session.list_credentials(data, passphrase)

    return load_file(path, lambda data: unlocked_or_asked(path, passphrases, partial(split, data)))


def authority_in(path: str, certificate: str | None, passphrases: Sequence[bytes]) -> Issuer:
    """Load an authority; if its private key is locked, ask on the terminal if no passphrase is given.

    Args:
        path: the file of its private key.
        certificate: that of its certificate; None if both are in one.
        passphrases: each is tried.

    Raises:
        CredentialError: a file does not hold what it should, or it stays locked.
        OSError: a file cannot be read.
    """
    other = None if certificate is None else read_limited(certificate, MAX_FILE_SIZE, "certificates and keys")

    def load(data: bytes, passphrase: bytes | None) -> Issuer:
        return smime_session.load_authority(data, other, passphrase=passphrase)

    return load_file(path, lambda data: unlocked_or_asked(path, passphrases, partial(load, data)))


def _sole_guards(certificate: bytes, profile: Profile) -> set[str]:
    """Return the guards without which, each alone, ``profile`` would accept the certificate; none if it does anyway."""

    def accepts(changed: Profile) -> bool:
        try:
            smime_session.load_recipients(certificate, profile=changed)
        except RecipientError:
            return False
        return True

    if accepts(profile):  # it is not trusted
        return set()
    return {guard for guard in GUARDS if accepts(replace(profile, **_lifting(guard)))}


def _lifting(guard: str) -> dict[str, Any]:
    """Return the change to a profile that lifts one of :data:`GUARDS`."""
    return {f"insecure_{guard}": True}


def session_keys_in(paths: Iterable[str]) -> list[Identity]:
    """Load the saved session key in each of the files.

    Raises:
        CredentialError: a file holds none.
        OSError: a file cannot be read.
    """

    def load(data: bytes) -> Identity:
        return smime_session.load_session_key(data)

    return [load_file(path, load) for path in paths]


def load_file(path: str, load: Callable[[bytes], LoadedT]) -> LoadedT:
    """Read a file and load what it holds; errors name the file."""
    data = read_limited(path, MAX_FILE_SIZE, "certificates and keys")
    with naming_file(path):
        return load(data)


@contextlib.contextmanager
def naming_file(path: str) -> Iterator[None]:
    """Give what is wrong with certificates and keys the name of their file."""
    try:
        yield
    except PassphraseError as error:
        raise PassphraseError(f"{path}: {error}", missing=error.missing) from error
    except CredentialError as error:
        raise CredentialError(f"{path}: {error}") from error


def _load_public(path: str, load: Callable[[bytes], LoadedT], passphrases: Sequence[bytes]) -> LoadedT:
    """Load certificates from a file; of PKCS#12, those that belong to the private keys in it."""

    def in_clear(data: bytes) -> bytes:
        if not is_pkcs12(data):
            return data
        from smime_session.keys.load import (
            certificates_in_pkcs12,  # only where -r names a PKCS#12 file: 7 ms
        )

        found = unlocked_or_asked(path, passphrases, partial(certificates_in_pkcs12, data))
        return b"".join(each.public_bytes(Encoding.PEM) for each in found)

    return load_file(path, lambda data: load(in_clear(data)))


def is_pkcs12(data: bytes) -> bool:
    """Tell whether a file is PKCS#12."""
    return data.startswith(b"\x30") and read(data)[0].kind is Kind.PKCS12
