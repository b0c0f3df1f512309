"""A mail of 10 KB in process, messages per second of a core: the library, cryptography's builder, libcrypto's CMS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7

from benchmarks.contest import MESSAGES, ON_THE_CLOCK, RECIPIENTS, Contest, Opponent
from benchmarks.measuring import loop
from benchmarks.suites import CBC_128, CBC_128_EC, GCM, GCM_EC, GCM_V1_5, recipients, title
from smime_session import decrypt, encrypt, recipient_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from benchmarks.contest import Measurement
    from benchmarks.fixtures import Group
    from benchmarks.peers.libcrypto import Libcrypto
    from benchmarks.scale import Scale
    from benchmarks.suites import Suite

_BINARY: Final = [pkcs7.PKCS7Options.Binary]
_RECIPIENTS_TARGET: Final = 15_000  # a second of one core, for the kinds of key that no peer takes
_DECRYPT_TARGET: Final = 1.1


@dataclass(frozen=True, slots=True)
class _Case:
    """One kind of key with one suite.

    Attributes:
        kind: of key.
        suite: the algorithms.
        target: how many times as good as libcrypto we mean to be in encrypting.
        unprepared: whether a row shows certificates that are checked and prepared for each message.
        pyca: whether cryptography's builder has the algorithms too.
    """

    kind: str
    suite: Suite
    target: float
    unprepared: bool = False
    pyca: bool = False


_CASES: Final = (
    _Case("rsa2048", GCM, 1.5, unprepared=True),
    _Case("rsa2048", GCM_V1_5, 1.5),
    _Case("rsa2048", CBC_128, 1.5, pyca=True),
    _Case("p256", GCM_EC, 2.5, unprepared=True),
    _Case("p256", CBC_128_EC, 2.5),
)
_WITHOUT_PEER: Final = ("x25519", "mlkem768")


@dataclass(frozen=True, slots=True)
class _Bench:
    """What the rows are made with."""

    groups: Mapping[str, Group]
    mail: Path
    scale: Scale
    libcrypto: Libcrypto

    def loop(self, step: Callable[[], object], things: int = 1) -> Measurement:
        return partial(loop, step, self.scale.seconds, things=things)

    def opponents(self, target: float | None, measure: Callable[..., object], *arguments: object) -> list[Opponent]:
        """Return libcrypto, if it can be run."""
        if self.libcrypto.absent:
            return []
        return [Opponent(self.libcrypto.name, partial(measure, *arguments, self.scale.seconds), target)]  # type: ignore[arg-type]  # it returns what was spent


def contests(groups: Mapping[str, Group], mail: Path, scale: Scale, libcrypto: Libcrypto) -> Iterator[Contest]:
    """Yield the contests of encrypting, then those of decrypting."""
    bench = _Bench(groups, mail, scale, libcrypto)
    last = scale.counts[-1]
    for case in _CASES:
        for count in scale.counts:
            yield _encryption(bench, case, count)
        for count in (1, last) if case.unprepared else ():
            yield _unprepared_encryption(bench, case, count)
        if case.unprepared:
            yield _parallel_encryption(bench, case, last)
    for kind in _WITHOUT_PEER:
        yield _encryption_without_peer(bench, kind, last)
    for case in _CASES:
        for count in (1, last):
            yield _decryption(bench, case, count)
    for kind in _WITHOUT_PEER:
        yield _decryption(bench, _Case(kind, GCM_EC, 0), 1, alone=True)


def _encryption(bench: _Bench, case: _Case, count: int) -> Contest:
    group, raw, profile = bench.groups[case.kind], bench.mail.read_bytes(), case.suite.profile
    certificates = group.certificates[:count]
    prepared = [recipient_for(certificate, profile=profile) for certificate in certificates]
    opponents = bench.opponents(case.target, bench.libcrypto.encrypt, bench.mail, case.suite, group.bundle(count))
    if case.pyca:
        builder = pkcs7.PKCS7EnvelopeBuilder().set_content_encryption_algorithm(AES128)
        for certificate in certificates:
            builder = builder.add_recipient(certificate)
        for name, encoding in (("cryptography", Encoding.SMIME), ("cryptography, DER only", Encoding.DER)):
            step = partial(
                lambda builder, encoding: builder.set_data(raw).encrypt(encoding, _BINARY), builder, encoding
            )
            opponents.append(Opponent(name, bench.loop(step)))
    return Contest(
        "encrypt",
        f"encrypt 10 KB, {recipients(count)}: {title(case.kind, case.suite)}",
        bench.loop(partial(encrypt, raw, prepared, profile=profile)),
        opponents,
        rounds=bench.scale.rounds,
    )


def _unprepared_encryption(bench: _Bench, case: _Case, count: int) -> Contest:
    """Show what checking and preparing the certificates for each message costs."""
    group, raw, profile = bench.groups[case.kind], bench.mail.read_bytes(), case.suite.profile
    opponents = bench.opponents(None, bench.libcrypto.encrypt, bench.mail, case.suite, group.bundle(count))
    return Contest(
        "encrypt",
        f"encrypt 10 KB, {recipients(count)} from certificates: {title(case.kind, case.suite)}",
        bench.loop(partial(encrypt, raw, group.certificates[:count], profile=profile)),
        opponents,
        rounds=bench.scale.rounds,
    )


def _parallel_encryption(bench: _Bench, case: _Case, count: int) -> Contest:
    """Show what the other cores are good for, which wrap for some of the recipients; the peer uses one."""
    group, raw, profile = bench.groups[case.kind], bench.mail.read_bytes(), case.suite.profile
    prepared = [recipient_for(certificate, profile=profile) for certificate in group.certificates[:count]]
    step = partial(encrypt, raw, prepared, profile=profile)
    return Contest(
        "encrypt",
        f"encrypt 10 KB, {recipients(count)}, all cores: {title(case.kind, case.suite)}",
        partial(loop, step, bench.scale.seconds, alone=False),
        bench.opponents(None, bench.libcrypto.encrypt, bench.mail, case.suite, group.bundle(count)),
        metrics=(ON_THE_CLOCK,),
        rounds=bench.scale.rounds,
    )


def _encryption_without_peer(bench: _Bench, kind: str, count: int) -> Contest:
    """Count recipients where there are many, so that the mail itself counts for little."""
    certificates = bench.groups[kind].certificates[:count]
    prepared = [recipient_for(certificate, profile=GCM_EC.profile) for certificate in certificates]
    return Contest(
        "recipients",
        f"encrypt 10 KB, {recipients(count)}: {title(kind, GCM_EC)}",
        bench.loop(partial(encrypt, bench.mail.read_bytes(), prepared, profile=GCM_EC.profile), count),
        metrics=(RECIPIENTS.bounded(_RECIPIENTS_TARGET),),
        rounds=bench.scale.rounds,
    )


def _decryption(bench: _Bench, case: _Case, count: int, *, alone: bool = False) -> Contest:
    """Decrypt with the key of the last of ``count`` recipients."""
    group, raw, profile = bench.groups[case.kind], bench.mail.read_bytes(), case.suite.profile
    words = title(case.kind, case.suite)
    certificates, number = group.certificates[:count], count - 1
    sealed = encrypt(raw, certificates, profile=profile)
    key_file, identities = group.key_file(number), group.identities(number)
    if decrypt(sealed, identities).message != raw:
        raise RuntimeError(f"{words}: what was decrypted is not what was encrypted")
    path = group.folder / f"{words}-{count}.eml"
    path.write_bytes(sealed)
    opponents: list[Opponent] = []
    if not alone:
        opponents += bench.opponents(_DECRYPT_TARGET, bench.libcrypto.decrypt, path, case.suite, key_file)
    if case.pyca:
        key = load_pem_private_key(key_file.read_bytes(), None)
        step = partial(pkcs7.pkcs7_decrypt_smime, sealed, certificates[number], key, [])  # type: ignore[arg-type]  # RSA
        opponents.append(Opponent("cryptography", bench.loop(step)))
    which = "1 recipient" if count == 1 else f"the last of {count:,}"
    return Contest(
        "decrypt",
        f"decrypt 10 KB, {which}: {words}",
        bench.loop(partial(decrypt, sealed, identities)),
        opponents,
        metrics=(MESSAGES,),
        rounds=bench.scale.rounds,
    )
