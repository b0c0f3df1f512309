"""Keep the cryptography library's warnings from our callers."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_filters: Final = RLock()  # they belong to the process: two threads must not restore each other's


@contextmanager
def quietly() -> Iterator[None]:
    """Silence warnings while a certificate or key is parsed; works as a decorator too.

    The library warns of what it still reads but may refuse one day: negative serial numbers, BER
    in PKCS#12, odd names. Who was sent such a file cannot mend it. The day it is refused, the
    library's error becomes ours.
    """
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
