"""Send each file of a folder to the address in its name: ``send_payslips.py FOLDER CERTIFICATES [--server HOST]``.

``bob@example.com.pdf`` goes to bob@example.com, encrypted with the certificate that CERTIFICATES, a folder, has for
that address. What has none is named, and not sent. With ``--user``, the password comes from the environment variable
MAIL_PASSWORD, and the server is spoken to under TLS.
"""

from __future__ import annotations

import argparse
import os
import smtplib
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

from smime_session import CertificateStore, EncryptingSMTP, RecipientError, SmimeError


def main() -> int:
    """Send the files over one connection; return how many were not sent."""
    parser = argparse.ArgumentParser(description="Send each file of a folder to the address in its name, encrypted.")
    parser.add_argument("folder", type=Path, help="the files, each with an address and an ending for its name")
    parser.add_argument("certificates", type=Path, help="a folder of certificates")
    parser.add_argument("--server", default="localhost")
    parser.add_argument("--port", type=int, default=25)
    parser.add_argument("--user")
    arguments = parser.parse_args()

    store = CertificateStore(arguments.certificates)
    failed = 0
    with EncryptingSMTP(arguments.server, arguments.port, certificates=store) as server:
        if arguments.user:
            server.starttls()  # checks the server's certificate
            server.login(arguments.user, os.environ["MAIL_PASSWORD"])
        for path in sorted(arguments.folder.iterdir()):
            try:
                server.send_message(payslip(path))
            except (RecipientError, smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
                print(f"{path.name}: {error}", file=sys.stderr)
                failed += 1
            else:
                print(f"Sent to {path.stem}.")
    return failed


def payslip(path: Path) -> EmailMessage:
    """Write the mail with a file."""
    message = EmailMessage()
    message["From"] = "Payroll <payroll@example.com>"
    message["To"] = path.stem
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain="example.com")
    message["Subject"] = "Payslip"
    message.set_content("Your payslip is attached.\n")
    message.add_attachment(path.read_bytes(), maintype="application", subtype="octet-stream", filename=path.name)
    return message


if __name__ == "__main__":
    try:
        sys.exit(main() > 0)
    except (OSError, SmimeError, smtplib.SMTPException) as error:
        sys.exit(f"send_payslips.py: {error}")
