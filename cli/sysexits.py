"""Exit statuses as callers of sendmail know them (``sysexits.h``)."""

from __future__ import annotations

from typing import Final

import click

from smime_session import CredentialError, MessageError, RecipientError, SignerError, SubmissionError

from .interruption import InterruptedBySignal
from .settings import SettingsError

USAGE: Final = 64
DATA: Final = 65
UNAVAILABLE: Final = 69
IO: Final = 74
LATER: Final = 75
REFUSED: Final = 77
CONFIGURED: Final = 78


def status_of(error: BaseException, otherwise: int) -> int:  # noqa: PLR0911  # one for each kind
    """Return the status for an error: what the caller can do about it.

    Args:
        error: what went wrong.
        otherwise: the status for all that has none of its own.
    """
    match error:
        case SettingsError():
            return CONFIGURED
        case click.UsageError():
            return USAGE
        case RecipientError():
            return REFUSED
        case CredentialError() | SignerError():
            return CONFIGURED
        case MessageError():
            return DATA
        case SubmissionError(temporary=temporary):
            return LATER if temporary else UNAVAILABLE
        case OSError() if not isinstance(error, InterruptedBySignal):
            return IO
    return otherwise
