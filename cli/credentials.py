"""Certificates, private keys and passphrases: from what options name to objects."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from smime_session import CredentialError, PassphraseError, RecipientError
from smime_session.text import printable

from .console import say
from .files import reading
from .interruption import InterruptedBySignal
from .options import MisuseError
from .recipients import passed_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Literal

    from cryptography import x509

    from smime_session import Identity, Profile, Recipient
    from smime_session.certificates.certificate import Certificate
    from smime_session.inspection.listing import Listing

LoadedT = TypeVar("LoadedT")

MAX_FILE_SIZE: Final = 64 << 20  # bytes: the certificates of a large company; a disk image is not read whole
MAX_PASSPHRASE_SIZE: Final = 4096  # bytes: what is longer is some other file

_QUESTIONS: Final = 3  # how often a passphrase is asked for

_TERMINAL: Final = "CONIN$" if os.name == "nt" else "/dev/tty"

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
    paths: Iterable[str], profile: Profile, passphrases: Sequence[bytes] = ()
) -> tuple[list[Recipient], list[str]]:
    """Prepare a recipient for each certificate in the files, once each.

    One that cannot be used is passed over if the same file has one that can, of the same address.

    Args:
        paths: the files.
        profile: what may be used, and how.
        passphrases: those of PKCS#12 files; without any it is asked for.

    Returns:
        The recipients, and a sentence about each certificate that was left out.

    Raises:
        CredentialError: a file holds no certificate.
        RefusedError: ``profile`` refuses at least one; every one is named with its file.
        OSError: a file cannot be read.
    """
    found, left_out = _made_of(paths, profile, passphrases)
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
    paths: Iterable[str], profile: Profile, passphrases: Sequence[bytes] = ()
) -> tuple[list[x509.Certificate], list[str]]:
    """Load the certificates in the files that :func:`recipients_in` does not leave out, those refused among them.

    Raises:
        CredentialError: a file holds no certificate.
        OSError: a file cannot be read.
    """
    found, left_out = _made_of(paths, profile, passphrases)
    return [certificate.whole for certificate in found], left_out


def _made_of(
    paths: Iterable[str], profile: Profile, passphrases: Sequence[bytes]
) -> tuple[dict[Certificate, tuple[str, Recipient | RecipientError]], list[str]]:
    """Return each certificate with its file and what becomes of it, and a sentence about each one left out."""
    from smime_session.recipients.from_certificates import made_of

    found: dict[Certificate, tuple[str, Recipient | RecipientError]] = {}
    left_out: list[str] = []
    for path in paths:
        certificates, issuers = _load_public(path, lambda data: made_of(data, profile=profile), passphrases)
        left_out += [f"{path}: left out: {sentence}" for sentence in issuers]
        skipped = passed_over(certificates)
        for certificate, made in certificates:
            if certificate not in skipped:
                found.setdefault(certificate, (path, made))
            elif isinstance(made, RecipientError):
                left_out += [f"{path}: passed over: {sentence}" for sentence in made.refused]
    return found, left_out


def certificates_in(paths: Iterable[str], passphrases: Sequence[bytes] = ()) -> list[x509.Certificate]:
    """Load the certificates in the files, whatever they are fit for.

    Raises:
        CredentialError: a file holds no certificate.
        OSError: a file cannot be read.
    """
    from smime_session import load_certificates

    return [certificate for path in paths for certificate in _load_public(path, load_certificates, passphrases)]


def certificates_or_mail(path: str) -> list[x509.Certificate]:
    """Load the certificates in a file, or those that came with a signed mail.

    Raises:
        CredentialError: there are none.
        OSError: the file cannot be read.
    """

    def load(data: bytes) -> list[x509.Certificate]:
        from smime_session import load_certificates
        from smime_session.certificates.files import Kind, read

        if [piece.kind for piece in read(data)] != [Kind.MAIL]:
            return load_certificates(data)
        from smime_session.operations.harvest import certificates_in_mail

        return certificates_in_mail(data)

    return _load(path, load)


def listing_of(path: str, passphrases: Sequence[bytes]) -> Listing:
    """Tell what a certificate or private key file holds.

    Raises:
        CredentialError: it holds neither, or what is broken, or the passphrase is wrong.
        OSError: the file cannot be read.
    """
    from smime_session.inspection.listing import list_credentials

    return _load(path, lambda data: _unlocked(passphrases, lambda passphrase: list_credentials(data, passphrase)))


def _sole_guards(certificate: bytes, profile: Profile) -> set[str]:
    """Return the guards without which, each alone, ``profile`` would accept the certificate."""
    from dataclasses import replace

    from smime_session import load_recipients

    def accepts(changed: Profile) -> bool:
        try:
            load_recipients(certificate, profile=changed)
        except RecipientError:
            return False
        return True

    return {guard for guard in GUARDS if accepts(replace(profile, **_lifting(guard)))}


def _lifting(guard: str) -> dict[str, Any]:
    """Return the change to a profile that lifts one of :data:`GUARDS`."""
    return {f"insecure_{guard}": True}


def identities_in(
    paths: Iterable[str], passphrases: Sequence[bytes], *, ignore_certificates: bool = False
) -> list[Identity]:
    """Load the private keys in the files; for one that is locked, ask on the terminal if no passphrase is given.

    Args:
        paths: the files.
        passphrases: each is tried on each.
        ignore_certificates: whether each key is tried on every recipient.

    Raises:
        CredentialError: a file holds no private key that can be used, or it stays locked.
        OSError: a file cannot be read.
    """
    from smime_session import load_identities

    def unlocker(path: str) -> Callable[[bytes], list[Identity]]:
        def unlock(data: bytes) -> list[Identity]:
            load = partial(load_identities, data, ignore_certificates=ignore_certificates)
            try:
                return _unlocked_or_asked(path, passphrases, load)
            except PassphraseError:
                raise
            except CredentialError:
                if _is_saved_session_key(data):
                    raise MisplacedKeyError from None
                raise

        return unlock

    return [identity for path in paths for identity in _load(path, unlocker(path))]


def _unlocked(passphrases: Sequence[bytes], load: Callable[[bytes | None], LoadedT]) -> LoadedT:
    """Load with the first passphrase that fits, or without any if none was given.

    Raises:
        PassphraseError: none fits, or one is missing.
    """
    for passphrase in passphrases[:-1]:
        try:
            return load(passphrase)
        except PassphraseError:
            continue
    return load(passphrases[-1] if passphrases else None)


def _unlocked_or_asked(path: str, passphrases: Sequence[bytes], load: Callable[[bytes | None], LoadedT]) -> LoadedT:
    """Load likewise; what is locked although no passphrase was given is asked for on the terminal, up to three times.

    Raises:
        PassphraseError: no passphrase fits, or there is no terminal to ask for one.
    """
    try:
        return _unlocked(passphrases, load)
    except PassphraseError as error:
        failure = error
    for left in reversed(range(_QUESTIONS if failure.missing else 0)):
        if (answer := ask(f"Passphrase for {path}: ")) is None:
            break
        try:
            return load(answer)
        except PassphraseError as error:
            failure = error
            if left:
                say("This passphrase does not fit; try again.")
    raise failure


def _is_saved_session_key(data: bytes) -> bool:
    from smime_session.operations.saved_key import FORMAT

    return FORMAT.encode() in data


def session_keys_in(paths: Iterable[str]) -> list[Identity]:
    """Load the saved session key in each of the files.

    Raises:
        CredentialError: a file holds none.
        OSError: a file cannot be read.
    """

    def load(data: bytes) -> Identity:
        from smime_session import load_session_key  # most commands are given none

        return load_session_key(data)

    return [_load(path, load) for path in paths]


def given_passphrases(files: Iterable[str], variables: Iterable[str]) -> list[bytes]:
    """Return the passphrases of private keys, each as :func:`given_secret` does."""
    found = [given_secret("passphrase", file, None) for file in files]
    found += [given_secret("passphrase", None, variable) for variable in variables]
    return [passphrase for passphrase in found if passphrase is not None]


def given_secret(kind: Literal["passphrase", "password"], file: str | None, variable: str | None) -> bytes | None:
    """Return a secret from a file, less one line ending, or from an environment variable; None without both.

    Raises:
        MisuseError: the variable is not set.
        CredentialError: the file is too long for such a secret.
        OSError: the file cannot be read.
    """
    if file is not None:
        return read_limited(file, MAX_PASSPHRASE_SIZE, f"a {kind}").removesuffix(b"\n").removesuffix(b"\r")
    if variable is not None:
        if variable not in os.environ:
            raise MisuseError(f"the environment variable {variable} is not set")
        return os.fsencode(os.environ[variable])
    return None


def ask(question: str) -> bytes | None:
    """Ask for a secret on the terminal, whatever standard input is; None if there is no terminal, or no answer.

    Raises:
        CredentialError: what was typed is no text in the encoding of the terminal.
    """
    try:
        os.close(
            os.open(_TERMINAL, os.O_RDWR | getattr(os, "O_NOCTTY", 0))
        )  # getpass would fall back to standard input
    except OSError:
        return None
    from getpass import getpass

    try:
        return getpass(printable(question)).encode("utf-8", "surrogateescape")
    except EOFError:
        return None
    except InterruptedBySignal:
        say("")  # the cursor stands behind the question
        raise
    except UnicodeDecodeError:
        raise CredentialError("what was typed is not text in the encoding of this terminal") from None


def _load(path: str, load: Callable[[bytes], LoadedT]) -> LoadedT:
    """Read a file and load what it holds; errors name the file."""
    data = read_limited(path, MAX_FILE_SIZE, "certificates and keys")
    try:
        return load(data)
    except PassphraseError as error:
        raise PassphraseError(f"{path}: {error}", missing=error.missing) from error
    except CredentialError as error:
        raise CredentialError(f"{path}: {error}") from error


def _load_public(path: str, load: Callable[[bytes], LoadedT], passphrases: Sequence[bytes]) -> LoadedT:
    """Load certificates from a file; of PKCS#12, those that belong to the private keys in it."""

    def unlocked(data: bytes) -> bytes:
        from smime_session.certificates.files import Kind, read

        if not data.startswith(b"\x30") or read(data)[0].kind is not Kind.PKCS12:
            return data
        from cryptography.hazmat.primitives.serialization import Encoding

        from smime_session.keys.load import certificates_in_pkcs12

        found = _unlocked_or_asked(path, passphrases, partial(certificates_in_pkcs12, data))
        return b"".join(each.public_bytes(Encoding.PEM) for each in found)

    return _load(path, lambda data: load(unlocked(data)))


def read_limited(path: str, limit: int, what: str) -> bytes:
    """Read a whole file.

    Raises:
        CredentialError: it has more than ``limit`` bytes; ``what`` says what it cannot be then.
        OSError: it cannot be read.
    """
    with reading(path) as source:
        data = source.read(limit + 1)
    if len(data) > limit:
        raise CredentialError(f"{path}: a file of more than {limit:,} bytes is too large for {what}")
    return data
