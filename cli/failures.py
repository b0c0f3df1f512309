"""Every exception that a user can cause, as an exit status, a sentence and what to do about it."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Final

import click

from smime_session import (
    NoMatchError,
    NotMailError,
    PassphraseError,
    PolicyError,
    RecipientError,
    SmimeError,
)

FAILED: Final = 1
MISUSED: Final = 2
SIGNALLED: Final = 128  # plus the signal's number, as shells count

_SHOWN: Final = 5  # recipients named when none of them matches: a list may have thousands

_ACCEPTING: Final = {
    "key usage": "--insecure-key-usage",
    "extended key usage": "--insecure-extended-key-usage",
    "expired": "--insecure-expired",
    "not yet valid": "--insecure-expired",
    "bits": "--insecure-key-size",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """How a command ends that did not do what it was asked.

    Attributes:
        status: the exit status.
        sentence: what went wrong; None where nobody is left to read it.
        hint: what to do about it, if there is something.
    """

    status: int
    sentence: str | None
    hint: str | None = None


class MisuseError(click.UsageError):
    """The options contradict each other or the terminal.

    Attributes:
        hint: what to do instead, or None to point at the help.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class InterruptedBySignal(BaseException):  # noqa: N818  # no error: it stands beside KeyboardInterrupt
    """A signal asks the process to end; it passes through whatever catches mere exceptions.

    Attributes:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def explain(error: BaseException, command: str | None) -> Failure | None:
    """Return how to end after ``error`` in the subcommand ``command``, or None if it is a bug of ours."""
    match error:
        case InterruptedBySignal():
            return Failure(SIGNALLED + error.number, _SIGNAL_WORDS.get(error.number, "terminated"))
        case click.UsageError():
            return Failure(MISUSED, _usage(error), _usage_hint(error))
        case BrokenPipeError():
            return Failure(FAILED, None)
        case OSError():
            return Failure(FAILED, _system(error), _system_hint(error, command))
        case NoMatchError():
            return Failure(FAILED, _no_match(error), _hint(error, command))
        case SmimeError():
            return Failure(FAILED, str(error), _hint(error, command))
    return None


def _usage(error: click.UsageError) -> str:
    """Return click's message in our style: one line, lower case, no full stop."""
    message = " ".join(error.format_message().split()).rstrip(".")
    return message[:1].lower() + message[1:]


def _usage_hint(error: click.UsageError) -> str:
    hint = getattr(error, "hint", None)
    return hint or f"{error.ctx.command_path if error.ctx else 'smime-session'} --help names the options"


def _system(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    reason = error.strerror[:1].lower() + error.strerror[1:]
    return reason if error.filename is None else f"{os.fsdecode(error.filename) or chr(39) * 2}: {reason}"


def _system_hint(error: OSError, command: str | None) -> str | None:
    if isinstance(error, FileExistsError) and command == "identity":
        return "-o PREFIX writes to other files; nothing is ever overwritten"
    return None


def _no_match(error: NoMatchError) -> str:
    if (more := len(error.addressed_to) - _SHOWN) <= 0:
        return str(error)
    return str(NoMatchError([*error.addressed_to[:_SHOWN], f"{more:,} more"], error.identities))


def _hint(error: SmimeError, command: str | None) -> str | None:
    match error:
        case NotMailError() if command == "encrypt":
            return "--format der or --format pem encrypts what is not a mail"
        case PassphraseError(missing=True):
            return "--passphrase-file or --passphrase-env gives it where no terminal is"
        case PolicyError(option="require_authenticated"):
            return "ask the sender for AES-GCM, or read it as it is without --require-authenticated"
        case NoMatchError():
            return "-i takes the private key of one of those recipients"
        case RecipientError(refused=sentences):
            return _recipient_hint(sentences)
    return None


def _recipient_hint(refused: tuple[str, ...]) -> str | None:
    """Name the option that accepts what was refused, if one option would: nobody is led to lift several guards."""
    options = {_accepting(sentence) for sentence in refused}
    option = options.pop() if len(options) == 1 else None
    return f"ask for a new certificate, or use {option} to accept this weakness" if option else None


def _accepting(sentence: str) -> str | None:
    """Return the option that accepts the longest reason named in ``sentence``."""
    reasons = [reason for reason in _ACCEPTING if reason in sentence]
    return _ACCEPTING[max(reasons, key=len)] if reasons else None


_SIGNAL_WORDS: Final = {signal.SIGINT: "interrupted"}
