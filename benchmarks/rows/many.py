"""Much of the same: mails in a loop, and certificates loaded for a mailing list."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from cryptography import x509

from benchmarks.contest import CPU_SECONDS, SECONDS, Contest, Opponent
from benchmarks.fixtures import text_mail
from benchmarks.measuring import Command, loop, run_settled
from benchmarks.peers.commands import SCRIPTS, OpenSsl
from benchmarks.suites import GCM, NAMES, title
from smime_session import load_recipients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.fixtures import Group
    from benchmarks.measuring import Spent
    from benchmarks.peers.base import Program
    from benchmarks.scale import Scale

_MAIL_SIZE: Final = 20_000
_MAILS_TARGET: Final = 25
_LOADING_TARGET: Final = 1 / 1.5  # at most 1.5 times as long
_LOADED: Final = ("rsa2048", "p256")


def mails(group: Group, folder: Path, scale: Scale, programs: Sequence[Program]) -> Contest:
    """Return the contest of many mails: one process with our library, one for each mail with the peer.

    The peer encrypts some of them, which is scaled up.
    """
    mail = folder / "mail.eml"
    mail.write_bytes(text_mail(_MAIL_SIZE))
    ours = partial(encrypt_many, scale.mails, mail, group.bundle(1), folder / "sent")
    ours()
    peers = [program for program in programs if isinstance(program, OpenSsl)]
    opponents = [
        Opponent(
            f"{peer.name}, {scale.sampled} processes, scaled up",
            partial(_each, peer.encrypt(GCM, mail, folder / "out", group.files(1)), scale),
            _MAILS_TARGET,
        )
        for peer in peers
    ]
    work = f"encrypt {scale.mails:,} mails of 20 KB: {title(group.kind, GCM)}"
    return Contest("many", work, ours, opponents, metrics=(SECONDS,), rounds=scale.rounds)


def encrypt_many(count: int, mail: Path, certificate: Path, folder: Path) -> Spent:
    """Run a process that encrypts a mail many times with the library, each into a new file in a new folder."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    return run_settled(Command((sys.executable, SCRIPTS / "many_mails.py", str(count), mail, certificate, folder)))


def _each(command: Command, scale: Scale) -> Spent:
    """Run a process for each of the sampled mails; what they took stands for that share of all."""
    return replace(run_settled(command, scale.sampled), times=scale.sampled / scale.mails)


def loading(groups: Mapping[str, Group], scale: Scale) -> list[Contest]:
    """Return the contests of loading certificates, checking them and preparing them as recipients."""
    return [_loading(groups[kind], scale) for kind in _LOADED]


def _loading(group: Group, scale: Scale) -> Contest:
    data = group.bundle(scale.certificates).read_bytes()
    return Contest(
        "many",
        f"load {scale.certificates:,} certificates, check and prepare them: {NAMES[group.kind]}",
        partial(loop, partial(load_recipients, data), scale.seconds),
        [
            Opponent(
                "cryptography, loads them alone",
                partial(loop, partial(x509.load_pem_x509_certificates, data), scale.seconds),
                _LOADING_TARGET,
            )
        ],
        metrics=(CPU_SECONDS,),
        rounds=min(3, scale.rounds),
    )
