"""Certificates, private keys and passphrases: from the files that options name to objects."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from .options import MisuseError
from .streams import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cryptography import x509

    from smime_session import Identity, Profile, Recipient

    Loaded = TypeVar("Loaded")

MAX_FILE_SIZE: Final = 64 << 20  # octets: a directory of a large company; a mistaken disk image is not read whole
MAX_PASSPHRASE_SIZE: Final = 4096  # octets: more is some other file

GUARDS: Final = ("expired", "key_usage", "extended_key_usage", "key_size")
"""What certificates are checked for; ``--insecure-…`` lifts each."""
