"""Who encrypts how much: sizes of a mail, numbers of recipients, numbers of mails."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.curves.series import Dimension, Job
from benchmarks.fixtures import text_mail, write_mail
from benchmarks.measuring import loop, run, run_settled
from benchmarks.peers.commands import OpenSsl, Ours
from benchmarks.peers.libcrypto import Libcrypto
from benchmarks.rows.many import encrypt_many
from benchmarks.suites import GCM
from smime_session import MODERN, encrypt, recipient_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.fixtures import Group
    from benchmarks.measuring import Command, Spent

_SMALL_MAIL: Final = 10_000
_PEER_DECRYPTS: Final = 1_100_000_000  # octets at most: openssl cms holds a mail 2.3 times in memory
_PEER_MESSAGES: Final = 4096  # processes: they take half a minute
_ROOM: Final = 4  # times the mail: itself, encrypted, decrypted, and to spare


@dataclass(frozen=True, slots=True)
class Extent:
    """How far each dimension goes.

    Attributes:
        sizes: of a mail, in octets.
        recipients: of one mail of 10 KB.
        messages: of 10 KB for one recipient.
        seconds: for one point in process.
    """

    sizes: Sequence[int]
    recipients: Sequence[int]
    messages: Sequence[int]
    seconds: float


FULL: Final = Extent(
    [1000 * 4**power for power in range(12)],  # to 4 GB
    [*(4**power for power in range(7)), 10_000],
    [*(4**power for power in range(8)), 100_000],
    0.25,
)
QUICK: Final = Extent([1000, 16_000, 256_000, 1_000_000], [1, 4, 16], [1, 4, 16], 0.01)


class Workshop:
    """What the jobs are done with.

    Args:
        group: recipients with RSA keys, as many as there will be.
        folder: an empty one on a large disk.
        extent: how far to go.
    """

    def __init__(self, group: Group, folder: Path, extent: Extent) -> None:
        self._group, self._folder, self._extent = group, folder, extent
        self._mail = folder / "small.eml"
        self._mail.write_bytes(text_mail(_SMALL_MAIL))
        self._ours, peer, self._libcrypto = Ours(), OpenSsl(), Libcrypto(folder)
        absent = {peer.name: peer.absent(), self._libcrypto.name: self._libcrypto.absent}
        self.left_out = {name: reason for name, reason in absent.items() if reason}
        self._peers = [] if peer.absent() else [peer]
        # modules compiled, caches filled
        sealed, out = folder / "warm.sealed", folder / "warm.out"
        run(self._ours.encrypt(GCM, self._mail, sealed, group.files(1)))
        run(self._ours.decrypt(GCM, sealed, out, group.key_file(0)))

    def dimensions(self) -> list[Dimension]:
        """Return all three; the one that needs most time is the last."""
        return [
            Dimension("recipients", self._extent.recipients, self._recipients),
            Dimension("mails", self._extent.messages, self._messages),
            Dimension("octets of a mail", self._extent.sizes, self._sizes, self._no_room),
        ]

    def _recipients(self, count: int) -> Iterator[Job]:
        """One mail: in processes, and in process with the recipients prepared."""
        out, bundle, raw = self._folder / "out.eml", self._group.bundle(count), self._mail.read_bytes()
        yield self._own("", partial(run_settled, self._ours.encrypt(GCM, self._mail, out, [bundle])))
        for peer in self._peers:
            yield self._peer(
                peer.name, partial(run_settled, peer.encrypt(GCM, self._mail, out, self._group.files(count)))
            )
        prepared = [recipient_for(certificate, profile=MODERN) for certificate in self._group.certificates[:count]]
        yield self._own(
            ", in process", partial(_of_cpu, partial(encrypt, raw, prepared, profile=MODERN), self._extent.seconds)
        )
        if not self._libcrypto.absent:
            again = partial(self._libcrypto.encrypt, self._mail, GCM, bundle, self._extent.seconds)
            yield self._peer(f"{self._libcrypto.name}, in process", again)

    def _messages(self, count: int) -> Iterator[Job]:
        """Many mails: one process with our library, a process for each with the peer."""
        step = partial(encrypt_many, count, self._mail, self._group.bundle(1), self._folder / "sent")
        yield self._own("", step)
        for peer in self._peers if count <= _PEER_MESSAGES else ():
            command = peer.encrypt(GCM, self._mail, self._folder / "out.eml", self._group.files(1))
            yield self._peer(f"{peer.name}, a process each", partial(_together, command, count))

    def _sizes(self, size: int) -> Iterator[Job]:
        """One mail from file to file; ours are the last to encrypt, so that theirs can read it too."""
        mail, sealed, out = (self._folder / name for name in ("mail.eml", "sealed.eml", "out.eml"))
        write_mail(mail, size)
        programs = [*self._peers, self._ours]
        for program in programs:
            command = program.encrypt(GCM, mail, sealed, self._group.files(1))
            yield Job(f"{program.name}, encrypt", program is self._ours, partial(run_settled, command))
        mail.unlink()
        for program in programs:
            if program is self._ours or size <= _PEER_DECRYPTS:
                command = program.decrypt(GCM, sealed, out, self._group.key_file(0))
                yield Job(f"{program.name}, decrypt", program is self._ours, partial(run_settled, command))
        sealed.unlink()
        out.unlink()

    def _no_room(self, size: int) -> str | None:
        free = shutil.disk_usage(self._folder).free
        return None if free > _ROOM * size else f"{_ROOM * size / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free"

    def _own(self, way: str, step: Callable[[], Spent]) -> Job:
        return Job(f"{self._ours.name}{way}", ours=True, step=step)

    @staticmethod
    def _peer(label: str, step: Callable[[], Spent]) -> Job:
        return Job(label, ours=False, step=step)


def _together(command: Command, count: int) -> Spent:
    """Run a process many times, and return what all took as that of one piece of work."""
    return replace(run_settled(command, count), times=1)


def _of_cpu(step: Callable[[], object], seconds: float) -> Spent:
    """Repeat a step in this process; CPU time stands for the clock's, as in what libcrypto's program reports."""
    spent = loop(step, seconds)
    return replace(spent, wall=spent.cpu)
