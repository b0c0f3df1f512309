"""Make an encrypted mail of each payslip: ``payslips.py FOLDER CERTIFICATES TARGET``.

``bob@example.com.pdf`` in FOLDER becomes ``bob@example.com.eml`` in TARGET, encrypted with the certificate that
CERTIFICATES, a folder, has for that address. Several processes work at a time, and a run that was cut short goes on
when the same is called again, with each mail made once. To send such a run, hand each mail to ``smime-session send``;
for a few dozen, ``send_payslips.py`` makes and sends them in one go.
"""

from __future__ import annotations

import argparse
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from smime_session import CertificateStore, SmimeError, encrypt_by_address
from smime_session.batch import FileContent, FolderTarget, Item, Journal, journal_beside, run

if TYPE_CHECKING:
    from collections.abc import Iterator


class Payslips:
    """The files of a folder, each with an address for its name: a source of messages.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def items(self) -> Iterator[Item]:
        """Yield the files by name; the same order each time."""
        for path in sorted(self._folder.iterdir()):
            yield Item(path.name, f"{path.stem}.eml", FileContent(str(path)))


def make(store: CertificateStore, item: Item, source: BinaryIO, target: BinaryIO) -> None:
    """Write the encrypted mail with a payslip; what is raised is told as the reason why it failed."""
    message = EmailMessage()
    message["From"] = "Payroll <payroll@example.com>"
    message["To"] = item.place.removesuffix(".eml")
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain="example.com")
    message["Subject"] = "Payslip"
    message.set_content("Your payslip is attached.\n")
    message.add_attachment(source.read(), maintype="application", subtype="octet-stream", filename=item.name)
    ((_, encrypted),) = encrypt_by_address(message, store)  # one, as there are no blind recipients
    target.write(encrypted.as_bytes())


def main() -> int:
    """Make all mails; return how many failed."""
    parser = argparse.ArgumentParser(description="Make an encrypted mail of each payslip.")
    parser.add_argument("folder", type=Path, help="the payslips, each with an address and an ending for its name")
    parser.add_argument("certificates", type=Path, help="a folder of certificates")
    parser.add_argument("target", help="a folder for the mails, which is made")
    arguments = parser.parse_args()

    work = partial(make, CertificateStore(arguments.certificates))
    with Journal(journal_beside(arguments.target)) as journal:
        journal.begin(
            {"folder": str(arguments.folder.resolve()), "certificates": str(arguments.certificates.resolve())}
        )
        tally = run(Payslips(arguments.folder), FolderTarget(arguments.target), work, journal, retry_failed=True)
        for entry in journal.entries("failed"):
            print(f"{entry.name}: {entry.reason}", file=sys.stderr)
    print(f"{tally.done} made, {tally.skipped} were there already.")
    return tally.failed


if __name__ == "__main__":
    try:
        sys.exit(main() > 0)
    except (OSError, SmimeError) as error:
        sys.exit(f"payslips.py: {error}")
