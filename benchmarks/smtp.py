"""Measure what encrypting costs a script that sends many mails over one connection; print a table.

    python benchmarks/smtp.py [--mails N] [--rounds N]

The same mails go to the same server, a process of its own, by ``smtplib.SMTP`` and by ``EncryptingSMTP`` in turns. A
ratio of 1 means that encrypting costs no time beside sending.
"""

from __future__ import annotations

import argparse
import smtplib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ADDRESSES: Final = 100  # recipients, one for each mail, in turns
_LINES: Final = 40  # of a mail: 2.4 kB
_HOST: Final = "127.0.0.1"
_GOAL: Final = 0.8


def main() -> None:
    """Send the mails both ways, and print how many go in a second."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the library beside this script
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=2000, metavar="N", help="how many are sent each time")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often")
    arguments = parser.parse_args()
    from smime_session import CertificateStore, EncryptingSMTP, load_certificates, new_identity

    with tempfile.TemporaryDirectory(prefix="benchmark-") as name, _server() as port:
        store = CertificateStore(name)
        addresses = [f"user{number}@example.org" for number in range(_ADDRESSES)]
        for address in addresses:
            store.add(load_certificates(new_identity(address, key_type="rsa2048").certificate_pem))
        mails = [_mail(addresses[number % _ADDRESSES], number) for number in range(arguments.mails)]
        ways: dict[str, Callable[[], smtplib.SMTP]] = {
            "smtplib.SMTP": lambda: smtplib.SMTP(_HOST, port),
            "EncryptingSMTP": lambda: EncryptingSMTP(_HOST, port, certificates=store),
        }
        taken: dict[str, list[float]] = {each: [] for each in ways}
        for _ in range(arguments.rounds):
            for each, connect in ways.items():
                taken[each].append(_seconds(connect, mails))
    rates = {each: arguments.mails / statistics.median(seconds) for each, seconds in taken.items()}
    for each, rate in rates.items():
        print(f"{each:16} {rate:8,.0f} mails/s")
    print(f"ratio            {rates['EncryptingSMTP'] / rates['smtplib.SMTP']:8.2f}  (goal: {_GOAL})")


def _mail(address: str, number: int) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "payroll@example.org", address, f"Payslip {number}"
    mail.set_content("A line of sixty characters, as most lines of mails are long.\n" * _LINES)
    return mail


def _seconds(connect: Callable[[], smtplib.SMTP], mails: list[EmailMessage]) -> float:
    with connect() as smtp:
        begin = time.perf_counter()
        for mail in mails:
            smtp.send_message(mail)
        return time.perf_counter() - begin


@contextmanager
def _server() -> Iterator[int]:
    """Run a server that throws mails away."""
    with socket.create_server((_HOST, 0)) as listening:
        port: int = listening.getsockname()[1]
    command = [sys.executable, "-m", "aiosmtpd", "-n", "-l", f"{_HOST}:{port}", "-c", "aiosmtpd.handlers.Sink"]
    with subprocess.Popen(command) as process:
        try:
            for _ in range(100):
                try:
                    smtplib.SMTP(_HOST, port).quit()
                    break
                except OSError:
                    time.sleep(0.1)
            yield port
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
