"""Signing and verifying: a mail of 10 KB in process, and a large one from file to file."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Final

from benchmarks.contest import CPU_SECONDS, MEGABYTES, MESSAGES, SECONDS, Contest, Opponent
from benchmarks.fixtures import write_mail
from benchmarks.measuring import Command, loop, run, run_settled
from benchmarks.peers.base import not_found
from benchmarks.peers.commands import Ours
from benchmarks.rows.large import MAX_MEMORY, NAME, no_room
from benchmarks.suites import NAMES
from smime_session import TrustAnchors, load_signer, new_identity, sign, verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from benchmarks.fixtures import Group
    from benchmarks.peers.libcrypto import Libcrypto
    from benchmarks.scale import Scale
    from smime_session import NewIdentity

_AUTHOR: Final = "alice@example.org"
"""Of the mails."""
_KINDS: Final = ("rsa2048", "p256")
_TARGETS: Final = {"rsa2048": 1.0, "p256": None}
"""How many times as good as libcrypto we mean to be in signing; where the key costs nothing, Python costs the rest."""
_ROUNDS: Final = 5


@cache
def _identity(kind: str) -> NewIdentity:
    """Return a new key with its certificate, for the author of the mails."""
    return new_identity(_AUTHOR, key_type=kind)


def _key_file(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}-signer.key"
    path.write_bytes(_identity(kind).private_key_pem + _identity(kind).certificate_pem)
    return path


def contests(groups: Mapping[str, Group], mail: Path, scale: Scale, libcrypto: Libcrypto) -> Iterator[Contest]:
    """Yield the contests in process."""
    raw = mail.read_bytes()
    for kind in _KINDS:
        folder = groups[kind].folder
        key_file = _key_file(kind, folder)
        signer = load_signer(key_file.read_bytes())
        trust = TrustAnchors([signer.certificate])
        signed = folder / f"{kind}-signed.eml"
        signed.write_bytes(sign(raw, signer))
        if not all(each.holds for each in verify(signed.read_bytes(), trust=trust).signatures):
            raise RuntimeError(f"{kind}: what was signed does not hold")
        for word, step, target, measure in (
            ("sign", partial(sign, raw, signer), _TARGETS[kind], partial(libcrypto.sign, mail)),
            ("verify", partial(verify, signed.read_bytes(), trust=trust), None, partial(libcrypto.verify, signed)),
        ):
            opponents = []
            if not libcrypto.absent:
                opponents.append(Opponent(libcrypto.name, partial(measure, key_file, scale.seconds), target))
            yield Contest(
                "signing",
                f"{word} 10 KB: {NAMES[kind]}",
                partial(loop, step, scale.seconds),
                opponents,
                metrics=(MESSAGES,),
                rounds=scale.rounds,
            )


def large(folder: Path, scale: Scale) -> Iterator[Contest]:
    """Yield the contests from file to file; the mail is :data:`~benchmarks.rows.large.NAME` in ``folder``."""
    if no_room(folder, scale.large):
        return
    mail, signed, out, root = (folder / name for name in (NAME, "signed.eml", "signed.out", "root.pem"))
    if not mail.exists():
        write_mail(mail, scale.large)
    key_file = _key_file("rsa2048", folder)
    root.write_bytes(_identity("rsa2048").certificate_pem)
    ours = Ours()
    run(Command((ours.path, "sign", "-q", "-i", key_file, "-o", signed, mail), signed))
    sign_ours = Command((ours.path, "sign", "-q", "-i", key_file, "-o", out, mail), out)
    verify_ours = Command((ours.path, "verify", "-q", "--ca", root, "-o", out, signed), out)
    sign_theirs = Command(("openssl", "cms", "-sign", "-signer", key_file, "-in", mail, "-out", out), out)
    verify_theirs = Command(("openssl", "cms", "-verify", "-CAfile", root, "-in", signed, "-out", out), out)
    size = f"{scale.large // 1_000_000:,} MB"
    for word, us, them in (("sign", sign_ours, sign_theirs), ("verify", verify_ours, verify_theirs)):
        opponents = [] if not_found("openssl") else [Opponent("openssl cms", partial(run_settled, them), None)]
        yield Contest(
            "signing",
            f"{word} {size} to a file: {NAMES['rsa2048']}",
            partial(run_settled, us),
            opponents,
            metrics=(SECONDS, CPU_SECONDS, MEGABYTES.bounded(MAX_MEMORY)),
            rounds=min(_ROUNDS, scale.rounds),
        )
