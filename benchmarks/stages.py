"""Where the time goes: the stages of encrypting and decrypting, seen by looking at what runs every millisecond.

The function that runs is looked up among the library's modules; each belongs to a stage. What
C code does on its behalf, as hashing or encrypting, counts for the function that called it.
"""

from __future__ import annotations

import linecache
import re
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import smime_session
from smime_session import MODERN, decrypt, decrypt_stream, encrypt, encrypt_stream, recipient_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from benchmarks.fixtures import Group
    from benchmarks.scale import Scale

STAGES: Final = ("read", "parse", "wrap", "seal", "base64", "write", "the rest")
"""In the order in which a mail meets them; decrypting unwraps and opens."""

_INTERVAL: Final = 0.001  # seconds
_PACKAGE: Final = str(Path(smime_session.__file__).parent) + "/"
_MODULES: Final = (
    ("base64", re.compile(r"mail/(transfer|pem)\.py|strided\.py")),
    ("parse", re.compile(r"mail/|sources\.py")),
    ("wrap", re.compile(r"recipients/|credentials/|cms/(key_\w+|kem|kek|pwri)\.py|session_key\.py")),
    ("seal", re.compile(r"content\.py")),
)
"""The stage of a module by its path in the package: the first that matches."""
_CALLS: Final = (
    ("read", re.compile(r"[\w.]*\b(read|readinto|readv|preadv?)\(")),
    ("write", re.compile(r"[\w.]*\b(write|writelines|writev|pwritev?|fsync)\(")),
)
"""The stages of what the system does, by what is called wherever that is."""
_WAITING: Final = re.compile(r"[\w.]*\b(get|put|join|acquire|wait)\(")
_THREADED: Final = re.compile(r"(pipeline|parallel)\.py")
"""Modules in which a call of that kind waits for another thread."""
_THREADING: Final = re.compile(r"/(threading|queue|selectors)\.py$|/concurrent/futures/")


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the time of one kind of work goes.

    Attributes:
        work: what was done.
        seconds: CPU time that it takes.
        shares: of the stages; they add up to 1.
    """

    work: str
    seconds: float
    shares: dict[str, float]


class Sampler:
    """Look at every thread each millisecond, and count the stages they are in.

    It must be used in the main thread.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, _INTERVAL, _INTERVAL)
        return self

    def __exit__(self, *_exc: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        frames: dict[int, FrameType | None] = dict(sys._current_frames())  # noqa: SLF001  # the documented way to see all threads
        frames[threading.get_ident()] = frame  # not this function
        self.counts.update(stage for stage in map(stage_of, frames.values()) if stage)


def stage_of(frame: Any) -> str | None:  # noqa: ANN401  # a frame, or what looks like one
    """Return the stage that a thread is in, or None if it waits for another or is not in the library."""
    if frame is None or _THREADING.search(frame.f_code.co_filename):
        return None
    while frame and not frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    if frame is None:
        return None
    module, call = frame.f_code.co_filename.removeprefix(_PACKAGE), _call(frame)
    if _THREADED.match(module) and _WAITING.match(call):
        return None
    by_call = next((stage for stage, pattern in _CALLS if pattern.match(call)), None)
    return by_call or next((stage for stage, pattern in _MODULES if pattern.match(module)), "the rest")


def _call(frame: FrameType) -> str:
    """Return the expression that a function evaluates now: a call of something that is none of ours."""
    positions = islice(frame.f_code.co_positions(), frame.f_lasti // 2, None)
    line, _, begin, end = next(positions, (None, None, None, None))
    if line is None:
        return ""
    source = linecache.getline(frame.f_code.co_filename, line).encode()  # columns count octets
    return source[begin:end].decode()


def profile(work: str, step: Callable[[], object], seconds: float) -> Profile:
    """Do something for some seconds, at least once, and return where the time went."""
    step()
    count, cpu, end = 0, time.process_time(), time.perf_counter() + seconds
    with Sampler() as sampler:
        while not count or time.perf_counter() < end:
            step()
            count += 1
    spent = (time.process_time() - cpu) / count
    seen = max(1, sampler.counts.total())
    return Profile(work, spent, {stage: sampler.counts[stage] / seen for stage in STAGES})


def profiles(group: Group, small: Path, large: Path | None, scale: Scale) -> Iterator[Profile]:
    """Yield the profiles of the small mail and of the large one, if there is one."""
    recipients = [recipient_for(group.certificates[0], profile=MODERN)]
    identities, mail = group.identities(0), small.read_bytes()
    sealed = encrypt(mail, recipients, profile=MODERN)
    seconds = scale.seconds * 8
    yield profile("encrypt 10 KB", partial(encrypt, mail, recipients, profile=MODERN), seconds)
    yield profile("decrypt 10 KB", partial(decrypt, sealed, identities), seconds)
    if large:
        size = f"{scale.large // 1_000_000:,} MB"
        out, back = large.with_suffix(".sealed"), large.with_suffix(".opened")
        yield profile(
            f"encrypt {size}",
            partial(_convert, partial(encrypt_stream, profile=MODERN), large, out, recipients),
            seconds,
        )
        yield profile(f"decrypt {size}", partial(_convert, decrypt_stream, out, back, identities), seconds)
        out.unlink()
        back.unlink()


def _convert(operation: Callable[..., object], source: Path, target: Path, keys: object) -> None:
    with source.open("rb") as stream, target.open("wb") as out:
        operation(stream, out, keys)
