"""A terminal that was not asked for by name: it shows text, and nothing that it would obey."""

from __future__ import annotations

import contextlib
import io
import re
from typing import TYPE_CHECKING, BinaryIO, Final

from .options import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer

MAX_SHOWN: Final = 4 << 20  # bytes: more than a user reads there

_OBEYED: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")  # control characters, also in UTF-8
_INSTEAD: Final = "-o FILE writes it to a file, -o - writes it to the terminal anyway"


@contextlib.contextmanager
def text_only(target: BinaryIO) -> Iterator[BinaryIO]:
    """Hold what is written until the block has succeeded, and hand it on if it is text.

    Args:
        target: the terminal.

    Raises:
        MisuseError: it is not, or a lot.
    """
    with _Held() as held:
        yield held
        data = held.getvalue()
        if _OBEYED.search(data):
            raise MisuseError("the message is not plain text and standard output is a terminal", _INSTEAD)
        target.write(data)


class _Held(io.BytesIO):
    """Bytes that wait in memory, up to what a user would want to see."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Take ``data``.

        Raises:
            MisuseError: it is too much.
        """
        if self.tell() + memoryview(data).nbytes > MAX_SHOWN:
            raise MisuseError("the message is large and standard output is a terminal", _INSTEAD)
        return super().write(data)
