"""Where the time of encrypting goes: each stage on its own, next to the whole."""

from __future__ import annotations

import io
import os
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final

from benchmarks.measuring import Point, Table, duration
from smime_session import MODERN, SessionKey, encrypt, encrypt_stream, recipient_for
from smime_session.cms.structures import ContentParameters
from smime_session.content import SLACK, seal, sealer
from smime_session.mail.entity import read_head, split_head
from smime_session.mail.line_endings import Canonicaliser, canonical
from smime_session.mail.transfer import Base64Writer, encode_base64
from smime_session.recipients import wrap_all
from smime_session.sources import BLOCK_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.fixtures import Group
    from benchmarks.scale import Scale

    Stages = dict[str, Callable[[], object]]

_ALGORITHM: Final = MODERN.content
_WRITE_SIZE: Final = 78_000  # octets: what the writer of base64 hands on at once


def tables(group: Group, small: Path, large: Path, scale: Scale) -> Iterator[Table]:
    """Yield a table for the small mail and one for the large."""
    key = SessionKey.generate(_ALGORITHM.key_size)
    recipients = [recipient_for(group.certificates[0])]
    wrap: Stages = {"wrap": partial(wrap_all, recipients, key)}
    mail = small.read_bytes()
    stages = wrap | _small_stages(mail, key) | {"whole": partial(encrypt, mail, recipients)}
    yield _table("10 KB", "µs of CPU time", stages, scale, 1e6)
    file = _LargeMail(large, key)
    stages = wrap | file.stages() | {"whole": lambda: file.convert(partial(encrypt_stream, recipients=recipients))}
    yield _table(f"{scale.large // 1_000_000:,} MB", "ms of CPU time", stages, scale, 1e3)


def _table(size: str, unit: str, stages: Stages, scale: Scale, factor: float) -> Table:
    points = [Point(name, partial(_timed, step, scale.seconds, factor)) for name, step in stages.items()]
    title = f"Stages of encrypting {size} for one recipient: RSA-2048, AES-256-GCM, RSAES-OAEP"
    return Table("stages", title, unit, points, ("whole",), comparison="as a share of the")


def _timed(step: Callable[[], object], seconds: float, factor: float) -> dict[str, float]:
    return {"time": duration(step, seconds) * factor}


def _parameters() -> ContentParameters:
    return ContentParameters(_ALGORITHM, os.urandom(_ALGORITHM.nonce_size), _ALGORITHM.tag_size)


def _small_stages(mail: bytes, key: SessionKey) -> Stages:
    def split() -> bytes:
        head, body = read_head(io.BytesIO(mail).read)
        return split_head(head).inner + canonical(bytes(body))

    return {
        "read and split": split,
        "seal": lambda: seal(_parameters(), key, mail),
        "base64": partial(encode_base64, (mail,)),
    }


class _LargeMail:
    """The stages that a mail in a file goes through.

    Args:
        path: the mail.
        key: the session key.
    """

    def __init__(self, path: Path, key: SessionKey) -> None:
        self._path = path
        self._out = path.with_suffix(".out")
        self._key = key
        self._block = next(self._blocks())
        self._count = path.stat().st_size // len(self._block)

    def stages(self) -> Stages:
        return {"read and split": self._split, "seal": self._seal, "base64": self._encode, "write": self._write}

    def convert(self, operation: Callable[[BinaryIO, BinaryIO], object]) -> None:
        """Do something from the file to another."""
        with self._path.open("rb") as source, self._out.open("wb") as target:
            operation(source, target)

    def _blocks(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            yield from iter(partial(file.read, BLOCK_SIZE), b"")

    def _split(self) -> None:
        """Read twice as a file is: to know how long the content will be, and to seal it."""
        counting, converting = Canonicaliser(), Canonicaliser()
        for block in self._blocks():
            counting.count(block)
        for block in self._blocks():
            converting.convert(block)

    def _seal(self) -> None:
        stream = sealer(_parameters(), self._key)
        buffer = memoryview(bytearray(BLOCK_SIZE + SLACK))
        for _ in range(self._count):
            stream.update_into(self._block, buffer)
        stream.finish()

    def _encode(self) -> None:
        writer = Base64Writer(_Nowhere())
        for _ in range(self._count):
            writer.write(self._block)
        writer.finish()

    def _write(self) -> None:
        lines = bytes(_WRITE_SIZE)
        with self._out.open("wb") as file:
            for _ in range(self._count * len(self._block) * 4 // 3 // _WRITE_SIZE):
                file.write(lines)


class _Nowhere:
    """A target that takes everything and keeps nothing."""

    def write(self, data: bytes | memoryview) -> int:
        return len(data)
