"""Hostile files too large to be kept: made in a folder, read by commands in this process, and measured.

``python -m tests.vectors.hostile.large FOLDER`` prints a line of JSON for each command on each: its exit status, the
processor time in seconds, the bytes of memory above what the process had before, and what it left.
"""

from __future__ import annotations

import gzip
import inspect
import io
import json
import os
import re
import shutil
import sys
import tarfile
import time
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from click.testing import CliRunner
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding

from cli.root import run
from smime_session import Signer
from smime_session.cms import asn1
from smime_session.cms.compressed import compressed_data
from smime_session.keys.software import private_key
from tests.hostile.forge import KEY, TEXT, Forgery
from tests.support.layers import multipart, part_of
from tests.support.signing import opaque_mail, signed_object, signer_info
from tests.vectors.hostile import containers, credentials, seeds
from tests.vectors.hostile.envelopes import HONEST, forged, transported
from tests.vectors.hostile.mails import HEAD, OTHER, SIGNED, part, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MEGABYTE: Final = 1 << 20
MIXED: Final = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"

READING: Final = ("decrypt -i alice.key {} -o out", "inspect {}", "verify --ca alice.pem {} -o out")
CHANGING: Final = (
    "rewrap -i alice.key --add-shared-key new --add-shared-key-id new {} -o out",
    "session-key -i alice.key {} -o out",
)
MESSAGE: Final = (*READING, *CHANGING)
WRITING: Final = (
    "encrypt -r alice.pem {} -o out",
    "sign -i alice.key {} -o out",
    "send --smtp 127.0.0.1:1 --security plaintext --attempts 1 -r alice.pem {}",
)
BATCH: Final = ("batch decrypt -i alice.key {} out.d", "batch inspect {} out.i", "batch verify {} out.v")


class Large(NamedTuple):
    """A file, and what is done with it.

    Attributes:
        pieces: makes what it is made of, piece by piece.
        commands: each with ``{}`` for its name.
        accepted: of these, the first words of those that succeed.
    """

    pieces: Callable[[], Iterable[bytes]]
    commands: tuple[str, ...] = MESSAGE
    accepted: tuple[str, ...] = ()


def _mails() -> Iterator[tuple[str, Large]]:
    start = b"From: a@example.org\r\nSubject: "
    yield (
        "header-line-of-100-mb.eml",
        Large(lambda: _around(start, b"x" * MEGABYTE, 100, b"\r\n\r\nx\r\n"), (*MESSAGE, *WRITING)),
    )
    yield "header-of-100-mb.eml", Large(lambda: _around(b"", b"X: y\r\n" * 100_000, 160), (*MESSAGE, *WRITING))
    yield "parts-100000.eml", Large(lambda: _around(MIXED, (b"--b\r\n" + OTHER) * 1000, 100))
    yield "lines-like-boundaries-14-mb.eml", Large(lambda: _around(MIXED + b"--b\r\n\r\n", b"--\n" * 349_525, 14))
    types = b"Content-Type: multipart/x; " + b"(((" * 3000 + b"\r\n\r\nx\r\n"
    yield "parts-900-with-long-types.eml", Large(lambda: _around(MIXED, b"--b\r\n" + types, 900))
    names = b"Content-Disposition: attachment; " + b"filename*1*=%41; " * 500 + b"\r\n\r\nx\r\n"
    yield "parts-900-with-long-names.eml", Large(lambda: _around(MIXED, b"--b\r\n" + names, 900))
    yield "parts-without-blank-lines.eml", Large(lambda: (MIXED, b"--b\r\nX: y\r\n" * 990, b"X: y\r\n" * 150_000))
    yield "nested-1000-deep.eml", Large(_nested)
    mails = b"Content-Type: message/rfc822\r\n\r\n"
    yield (
        "mails-in-mails-1000-deep.eml",
        Large(lambda: (HEAD, mails * 1000, b"Content-Type: text/plain\r\n\r\nx\r\n")),
    )


def _around(start: bytes, piece: bytes, count: int, end: bytes = b"") -> Iterator[bytes]:
    yield start
    for _ in range(count):
        yield piece
    yield end


def _nested() -> Iterator[bytes]:
    deep = part(TEXT)
    for level in range(1000):
        deep = multipart(deep, boundary=b"level%d" % level)
    yield HEAD
    yield deep


def _bombs() -> Iterator[tuple[str, Large]]:
    inside = ("decrypt", "inspect", "rewrap", "session-key")
    yield "bomb.eml", Large(lambda: (whole(_bomb()),))
    yield "bomb-inside.eml", Large(lambda: (whole(part(_bomb())),), accepted=inside)
    yield "bomb-in-bomb.eml", Large(lambda: (whole(_compressed(_bomb("binary"))),))
    yield "bomb.zip", Large(_zip_bomb, BATCH)
    yield "bomb.tar.gz", Large(_tar_bomb, BATCH)
    first = b"From alice@example.org Mon Jan  5 10:00:00 2026\n"
    yield "line-of-100-mb.mbox", Large(lambda: _around(first, b"x" * MEGABYTE, 100), BATCH)


def _compressed(entity: bytes) -> bytes:
    return part_of(compressed_data(zlib.compress(entity, 9)), "compressed-data")


@cache
def _bomb(encoding: str = "base64") -> bytes:
    squeezed = zlib.compressobj(9)
    stream = b"".join([*(squeezed.compress(bytes(MEGABYTE)) for _ in range(100)), squeezed.flush()])
    return part_of(compressed_data(stream), "compressed-data", encoding)


def _zip_bomb() -> Iterator[bytes]:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            with archive.open(f"{number}.eml", "w") as entry:
                for _ in range(30):
                    entry.write(bytes(MEGABYTE))
    yield target.getvalue()


def _tar_bomb() -> Iterator[bytes]:
    header = tarfile.TarInfo("bomb.eml")
    header.size = 100 * MEGABYTE
    target = io.BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1) as file:
        file.write(header.tobuf())
        for _ in range(100):
            file.write(bytes(MEGABYTE))
    yield target.getvalue()


def _envelopes() -> Iterator[tuple[str, Large]]:
    accepted = ("decrypt", "inspect", "rewrap", "session-key")
    yield "segments-million.der", Large(_segments, accepted=accepted)
    yield "segments-million-empty.der", Large(_nothing, READING[:1], accepted)
    start = b"\x30\x80" + asn1.object_identifier("1.2.840.113549.1.9.16.1.23") + b"\xa0\x80\x30\x80\x02\x01\0\x31\x80"
    yield "nested-100000.der", Large(lambda: (start, b"\x31\x80" * 100_000, bytes(200_000)))
    strings = b"\x24\x80" * 100_000 + bytes(200_000)
    yield "strings-100000-deep.der", Large(lambda: (forged(ciphertext=strings, sealed_tag=0xA0),))
    yield "recipients-100000.der", Large(lambda: _around(start, HONEST * 1000, 100, bytes(2)))
    yield "recipients-100000-empty.der", Large(lambda: (forged(b"\x30\0" * 100_000),))
    yield "wrapped-key-of-1-mb.der", Large(lambda: (forged(transported(bytes(MEGABYTE))),), accepted=("inspect",))
    yield "wrapped-key-of-20-mb.der", Large(lambda: (forged(transported(bytes(20 * MEGABYTE))),))
    attributes = lambda: (forged(trailer=asn1.encode(0xA1, bytes(20 * MEGABYTE)) + b"\4\0"),)  # noqa: E731  # as above
    yield "attributes-of-20-mb.der", Large(attributes)


def _segments() -> Iterator[bytes]:
    sealed = AESGCM(KEY).encrypt(bytes(range(12)), TEXT.ljust(1_000_000), None)
    pieces = b"".join(b"\x04\x01" + bytes((each,)) for each in sealed[:-16])
    tag = asn1.encode(asn1.OCTET_STRING, sealed[-16:])
    yield forged(ciphertext=pieces, sealed_tag=0xA0, trailer=tag)


def _nothing() -> Iterator[bytes]:
    honest = asn1.encode(asn1.OCTET_STRING, Forgery(HONEST).ciphertext)
    yield forged(ciphertext=b"\x04\x00" * 1_000_000 + honest, sealed_tag=0xA0)


def _signed() -> Iterator[tuple[str, Large]]:
    yield "signers-10000.eml", Large(lambda: (_signed_by(10_000, 1),))
    yield "certificates-1000.eml", Large(lambda: (_signed_by(1, 1000),))


def _signed_by(signers: int, certificates: int) -> bytes:
    alice = Signer(private_key=private_key(seeds.rsa_key()), certificate=seeds.alice())
    info = signer_info(alice, SIGNED)
    return opaque_mail(signed_object(SIGNED, [info] * signers, [seeds.alice()] * certificates), HEAD)


FILES: Final = (
    "encrypt -r {} letter.eml -o out",
    "inspect -r {} sealed.eml",
    "verify --ca {} sealed.eml -o out",
    "verify --certificates {} sealed.eml -o out",
    "certs find --certs alice.pem --ca alice.pem --crl {} alice@example.org",
    "decrypt -i {} sealed.eml -o out",
    "decrypt --session-key {} sealed.eml -o out",
    "decrypt --shared-key {} --shared-key-id x sealed.eml -o out",
    "decrypt --password-file {} sealed.eml -o out",
    "sign -i {} letter.eml -o out",
    "identity show {}",
    "--config {} decrypt sealed.eml -o out",
    "batch encrypt --certs alice.pem --recipients {} in out.b",
)


def _credentials() -> Iterator[tuple[str, Large]]:
    short = next(each.octets for each in credentials.vectors() if each.name == "honest.crl")
    start = b"\x30" + asn1.length(100 * MEGABYTE + len(short)) + short[4:]
    yield "list-of-100-mb.crl", Large(lambda: _around(start, bytes(MEGABYTE), 100), FILES[4:5])
    yield "zeros-of-100-mb", Large(lambda: _around(b"", bytes(MEGABYTE), 100), FILES)
    lines = b"-----BEGIN CERTIFICATE-----\n" * 37_000
    yield "begin-lines-of-100-mb", Large(lambda: _around(b"", lines, 100), FILES)
    yield "begin-lines-of-10-mb", Large(lambda: _around(b"", lines, 10), FILES)
    yield "text-of-60-mb", Large(lambda: _around(b"", b"text\n" * 200_000, 60), FILES)
    yield "/dev/zero", Large(tuple, (*FILES, *MESSAGE, *WRITING, BATCH[0]))
    cell = b"x" * (10 * MEGABYTE)
    yield "cell-of-10-mb.csv", Large(lambda: (b"good.eml,", cell, b"@example.org\n"), FILES[-1:])
    yield "line-of-10-mb.csv", Large(lambda: (b"good.eml", b",a" * (5 * MEGABYTE), b"\n"), FILES[-1:])


def vectors() -> Iterator[tuple[str, Large]]:
    """Yield all of them by name."""
    for some in (_mails, _bombs, _envelopes, _signed, _credentials):
        yield from some()


def _memory(field: str) -> int:
    """Return a size of this process in bytes: ``VmHWM`` is the most it had."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _runner() -> CliRunner:
    """Return what keeps both standard streams apart, which click before 8.2 has to be asked for."""
    options: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    return CliRunner(**options)


def _measured(arguments: list[str]) -> tuple[int, float, str]:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the most
    began = time.process_time()
    with _runner().isolation(b"") as streams:
        status = run(arguments)
        words = (streams[0].getvalue()[:2000] + streams[1].getvalue()[:2000]).decode("utf-8", "replace")
    return status, time.process_time() - began, words


def _prepare() -> None:
    Path("alice.key").write_bytes(seeds.key_file())
    Path("alice.pem").write_bytes(seeds.alice().public_bytes(Encoding.PEM))
    Path("new").write_bytes(bytes(32))
    Path("sealed.eml").write_bytes(containers.MAIL)
    Path("letter.eml").write_bytes(HEAD + b"\r\nplain words\r\n")
    Path("in").mkdir()
    Path("in/good.eml").write_bytes(HEAD + b"\r\nplain words\r\n")
    Path("temporary").mkdir()
    os.environ["TMPDIR"] = str(Path("temporary").resolve())


def main() -> None:
    """Measure."""
    wanted = sys.argv[2:]
    os.chdir(sys.argv[1])
    _prepare()
    for command in (
        "encrypt -r alice.pem letter.eml -o warm",
        "decrypt -i alice.key sealed.eml -o warm",
        "verify warm",
    ):
        _measured(command.split())
    there = set(Path().iterdir())
    for name, large in vectors():
        if wanted and name not in wanted:
            continue
        if not name.startswith("/"):
            with Path(name).open("wb") as file:
                file.writelines(large.pieces())
        for command in large.commands:
            held = _memory("VmRSS")
            status, seconds, words = _measured(command.format(name).split())
            grown = _memory("VmHWM") - held
            left = {*Path().iterdir()} - there - {Path(name)} | {*Path("temporary").iterdir()}
            kept = [path for each in left for path in (each, *each.rglob("*")) if path.is_file()]
            shown = sorted(str(path) for path in kept if ".smime-session" not in str(path))
            accepted = command.split()[0] in large.accepted
            found = (name, command, accepted, status, round(seconds, 2), grown, shown, words)
            sys.stdout.write(json.dumps(found) + "\n")
            for path in left:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not name.startswith("/"):
            Path(name).unlink()


if __name__ == "__main__":
    main()
