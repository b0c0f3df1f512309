"""Every exception that a user can cause, as an exit status, a sentence and what to do about it."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import click

from smime_session import (
    AlreadyEncryptedError,
    CredentialError,
    DecryptionError,
    LimitError,
    NoMatchError,
    NotEnvelopeError,
    NotMailError,
    NotSignedError,
    PassphraseError,
    PolicyError,
    RecipientError,
    SignerError,
    SmimeError,
    SubmissionError,
)
from smime_session.certificates.files import Kind
from smime_session.errors import UnknownAddressError
from smime_session.keys.private_key import UnsupportedLockError

from .credentials import MisplacedKeyError, RefusedError
from .interruption import InterruptedBySignal
from .recipients import ENDINGS
from .sysexits import status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FAILED: Final = 1
MISUSED: Final = 2
_MOST_LISTED: Final = 10  # names in a list on the terminal
SIGNALLED: Final = 128  # plus the signal's number, as shells count


@dataclass(frozen=True, slots=True)
class Failure:
    """How a command ends that did not do what it was asked.

    Attributes:
        status: the exit status.
        sentence: what went wrong; None where no reader is left.
        hint: what to do about it, if there is something.
        details: what belongs to the sentence, in lines of its own.
    """

    status: int
    sentence: str | None
    hint: str | None = None
    details: tuple[str, ...] = ()


def explain(error: BaseException, command: str | None) -> Failure | None:
    """Return how to end after ``error`` in the subcommand ``command``, or None if it is a bug of ours."""
    failure = _explained(error, command)
    if failure is not None and command == "sendmail":
        return replace(failure, status=status_of(error, failure.status))
    return failure


def _explained(error: BaseException, command: str | None) -> Failure | None:  # noqa: PLR0911  # one for each kind
    match error:
        case InterruptedBySignal(number=number):
            return Failure(SIGNALLED + number, "interrupted" if number == signal.SIGINT else "terminated")
        case click.UsageError():
            return Failure(MISUSED, _usage_sentence(error), _usage_hint(error))
        case BrokenPipeError():
            return Failure(FAILED, None)
        case OSError():
            return Failure(FAILED, _system_sentence(error), _system_hint(error, command))
        case NoMatchError() | DecryptionError():
            sentence = str(error).partition(": it is addressed to ")[0]
            return Failure(FAILED, sentence, _readers_hint(error), tuple(_readers(error)))
        case SmimeError():
            return Failure(FAILED, str(error), _hint(error, command))
    return None


def _usage_sentence(error: click.UsageError) -> str:
    """Return click's message in our style: one line, lower case, no full stop."""
    return _uncapitalized(" ".join(error.format_message().split()).rstrip("."))


def _usage_hint(error: click.UsageError) -> str:
    hint: str | None = getattr(error, "hint", None)
    return hint or f"{error.ctx.command_path if error.ctx else 'smime-session'} --help shows the usage"


def _system_sentence(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    reason = _uncapitalized(error.strerror)
    if error.filename is None:
        return reason
    return f"{os.fsdecode(error.filename) or 'the empty file name'}: {reason}"


def _uncapitalized(sentence: str) -> str:
    return sentence if sentence[:2].isupper() else sentence[:1].lower() + sentence[1:]


def _system_hint(error: OSError, command: str | None) -> str | None:
    if isinstance(error, FileExistsError) and command == "identity":
        return "nothing is ever overwritten; -o PREFIX names other files"
    return None


_PROVIDERS: Final = "-provider legacy -provider default"
_CONVERSIONS: Final = {
    "PKCS#12": "openssl pkcs12 -legacy -in FILE -out NEW.pem",
    "PKCS#8": f"openssl pkcs8 -topk8 -v2 aes256 {_PROVIDERS} -in FILE -out NEW.pem",
    "PEM": f"openssl pkcs8 -topk8 -v2 aes256 {_PROVIDERS} -in FILE -out NEW.pem",
}
"""What unlocks a file whose lock is not supported and locks it with AES, by its kind."""


_WAYS_ON: Final = {
    "mbox": "save one of its mails to a file; formail -s smime-session decrypt -i IDENTITY <MAILBOX opens one by one",
    "tnef": "Outlook wrote it: tnef or ytnef takes out the attachment smime.p7m, which opens",
    "outlook": "save the message as .eml, or take out its attachment smime.p7m, which opens",
    "archive": "unpack it first",
    "utf-16": "iconv -f utf-16 -t utf-8 FILE makes of it what it was",
}
"""What makes something readable of what is none, by its kind."""


_SERVERS: Final = {
    "insecure_certificate": "--smtp-ca FILE says whom to trust; --insecure-smtp-certificate takes any certificate",
    "insecure_name": "it may be another server; --insecure-smtp-name takes its certificate all the same",
    "security": "--security plaintext sends without TLS within this machine",
}
"""What accepts a submission server all the same, by the field of its value."""


def _hint(error: SmimeError, command: str | None) -> str | None:  # noqa: C901, PLR0911  # one for each kind
    match error:
        case NotEnvelopeError(kind=str(kind)):
            return _WAYS_ON[kind]
        case NotMailError() if command == "encrypt":
            if str(error).partition(": ")[0].lower().endswith(ENDINGS):
                return "for several certificates, repeat the option: -r ONE -r TWO"
            return "--format der or --format pem encrypts what is not a mail"
        case AlreadyEncryptedError():
            return (
                "rewrap gives it other recipients; --again encrypts it once more, and most programs show this mail then"
            )
        case PolicyError(option="require_authenticated"):
            return "ask the sender to use AES-GCM, or leave out --require-authenticated"
        case PolicyError(option="insecure_legacy") if command in ("decrypt", "rewrap", "session-key"):
            return "--insecure-legacy opens it all the same"
        case LimitError(option=str(option)) if command in ("decrypt", "inspect", "rewrap", "session-key"):
            return f"--{option.replace('_', '-')} N accepts more"
        case NotSignedError() | SignerError():
            return _signature_hint(error)
        case SubmissionError(option=str(option)):
            return _SERVERS[option]
        case CredentialError() | RecipientError():
            return _credential_hint(error, command)
    return None


def _signature_hint(error: NotSignedError | SignerError) -> str | None:
    match error:
        case SignerError(option=str(option)):
            return f"--{option.replace('_', '-')} signs all the same"
        case NotSignedError(found="enveloped-data" | "auth-enveloped-data"):
            return "decrypt tells of signatures inside"
    return None


def _credential_hint(  # noqa: PLR0911  # one for each kind
    error: CredentialError | RecipientError, command: str | None
) -> str | None:
    match error:
        case PassphraseError(missing=True):
            return "it is asked for on a terminal; --passphrase-file or --passphrase-env gives it in a script"
        case CredentialError(__cause__=MisplacedKeyError()) if command in ("decrypt", "rewrap"):
            return "--session-key takes it"
        case CredentialError(__cause__=UnsupportedLockError(container=str(container))):
            return f"{_CONVERSIONS[container]} makes a file of it that opens, if OpenSSL reads it"
        case CredentialError() if str(error).endswith(f"this is {Kind.CERTIFICATE}, not a private key"):
            return "the private key that belongs to it is in another file, mostly .key or .p12"
        case CredentialError() if str(error).endswith(f"this is {Kind.PRIVATE_KEY}, not a certificate"):
            return "the certificate that belongs to it is in another file, mostly .pem or .crt; never give the key away"
        case UnknownAddressError():
            return "--certificates FILE names a file with the certificate of that address"
        case RefusedError(guard=str(guard)):
            return f"ask for a better certificate; --insecure-{guard.replace('_', '-')} accepts this one all the same"
    return None


def _readers(error: DecryptionError | NoMatchError) -> Iterator[str]:
    """Say for whom the message is, and who tried to read it."""
    if isinstance(error, DecryptionError) and (error.unproven or not error.addressed_to):
        return
    yield from _listed("it is addressed to", error.addressed_to or ("no recipient",))
    yield from _listed("given", error.identities or ("no key",))
    if isinstance(error, NoMatchError) and error.closest:
        yield f"closest: {error.closest}"


def _listed(title: str, names: Sequence[str]) -> Iterator[str]:
    if len(names) == 1:
        yield f"{title}: {names[0]}"
        return
    yield f"{title}:"
    yield from (f"  {name}" for name in names[:_MOST_LISTED])
    if len(names) > _MOST_LISTED:
        yield f"  and {len(names) - _MOST_LISTED:,} more"


def _readers_hint(error: DecryptionError | NoMatchError) -> str | None:
    if isinstance(error, DecryptionError):
        unproven = "the content is not authenticated: the private key must come with its certificate"
        return unproven if error.unproven else None
    if error.closest:
        return "--ignore-certificates tries the private key on every recipient"
    return "-i takes the private key of one of those recipients, --password a password, --shared-key a shared key"
