"""Messages that a wrong key does not open, although one in 256 seems to open content in CBC mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from smime_session import DecryptionError, decrypt

if TYPE_CHECKING:
    from collections.abc import Callable

    from smime_session import Identity

_MESSAGES: Final = 8  # with a wrong key that leaves sound padding in each, once in 2^64 times


def refusal(seal: Callable[[], bytes], identity: Identity, text: bytes) -> DecryptionError:
    """Return the error with which an identity that has a wrong key fails.

    Where the padding happens to be sound, what comes out is noise and not authenticated; then the
    next message is tried.

    Args:
        seal: makes a message, with a new session key each time.
        identity: has the wrong key.
        text: what stands in every message, and in no noise.
    """
    for _ in range(_MESSAGES):
        try:
            opened = decrypt(seal(), [identity])
        except DecryptionError as error:
            return error
        assert not opened.authenticated
        assert text not in opened.message
    pytest.fail("a wrong key opens every message")
