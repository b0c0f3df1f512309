"""Measure how long a certificate store takes to find an address; print a table.

    python benchmarks/store.py [--certificates N]

Half a minute with 100,000 certificates, each in a file of its own. What a look-up takes is measured in new
processes, where the index is there but nothing was read yet, beside the same work without an index: reading and
parsing every file with ``cryptography``. A ratio over 1 is better than that.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS: Final = 5
_DIGITS: Final = 8
_FIND: Final = """
import sys, time
from smime_session import CertificateStore
begin = time.perf_counter()
certificates = CertificateStore(sys.argv[1]).find(sys.argv[2])
assert len(certificates) == 1
print(time.perf_counter() - begin)
"""
_PARSE: Final = """
import sys, time
from pathlib import Path
from cryptography import x509
begin = time.perf_counter()
for path in Path(sys.argv[1]).glob("*.crt"):
    names = x509.load_der_x509_certificate(path.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value.get_values_for_type(x509.RFC822Name)
print(time.perf_counter() - begin)
"""


def main() -> None:
    """Make the certificates, look some up, and print what that took."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the library beside this script
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--certificates", type=int, default=100_000, metavar="N", help="how many there are")
    count = parser.parse_args().certificates
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        make_certificates(folder, count)
        parsing = _seconds(_PARSE, folder)
        indexing = _seconds(_FIND, folder, address(0))
        wanted = [address(count * number // _ROUNDS) for number in range(_ROUNDS)]
        again = min(_seconds(_FIND, folder, each) for each in wanted)
        absent = _clock(lambda: _absent(folder))
    print(f"| {count:,} certificates, a file each | seconds | ratio |\n| --- | ---: | ---: |")
    print(f"| parse all, with cryptography | {parsing:.3f} | 1.00 |")
    for work, seconds in (
        ("look an address up and make the index", indexing),
        ("look an address up in a new process", again),
        ("look up an address that has no certificate, which compares every file's time", absent),
    ):
        print(f"| {work} | {seconds:.3f} | {parsing / seconds:.2f} |")


def address(number: int) -> str:
    """Return the address of a certificate by its number."""
    return f"{number:0{_DIGITS}}@example.org"


def make_certificates(folder: Path, count: int) -> None:
    """Write certificates that differ in address and serial number; their signature is that of the first one.

    Args:
        folder: where to.
        count: how many.
    """
    template = _certificate()
    before = address(0).encode()
    for number in range(count):
        octets = template.replace(before, address(number).encode())
        (folder / f"{number:0{_DIGITS}}.crt").write_bytes(octets)


def _certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address(0))])
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 1 << 100, datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
    )
    names = x509.SubjectAlternativeName([x509.RFC822Name(address(0))])
    return builder.add_extension(names, critical=False).sign(key, SHA256()).public_bytes(Encoding.DER)


def _seconds(program: str, *arguments: Path | str) -> float:
    """Run a program in a new process; return the time that it says its work took."""
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], cwd=root, capture_output=True, check=True, text=True
    )
    return float(done.stdout)


def _absent(folder: Path) -> None:
    from smime_session import CertificateStore

    if CertificateStore(folder).find("absent@example.org"):
        raise RuntimeError("there is a certificate for an address that has none")


def _clock(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
