"""Encrypt a report and send it: ``send_report.py REPORT CERTIFICATE... [--server HOST] [--port PORT]``.

Each certificate names its owner's mail address; the mail goes to all of them, encrypted once.
"""

from __future__ import annotations

import argparse
import smtplib
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

from smime_session import SmimeError, addresses_of, encrypt, load_certificates, recipient_for


def main() -> None:
    """Read the report and the certificates, encrypt, send."""
    parser = argparse.ArgumentParser(description="Encrypt a report and send it.")
    parser.add_argument("report", type=Path, help="the file to send")
    parser.add_argument("certificates", type=Path, nargs="+", help="recipients' certificates")
    parser.add_argument("--server", default="localhost")
    parser.add_argument("--port", type=int, default=25)
    arguments = parser.parse_args()

    certificates = [
        certificate for path in arguments.certificates for certificate in load_certificates(path.read_bytes())
    ]
    addresses = [address for certificate in certificates for address in addresses_of(certificate)[:1]]
    if len(addresses) < len(certificates):
        sys.exit("send_report.py: a certificate names no mail address to send to")

    message = EmailMessage()
    message["From"] = "Reports <reports@example.com>"
    message["To"] = ", ".join(addresses)
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain="example.com")
    message["Subject"] = "Report"  # a subject travels outside the encryption: say nothing in it
    message.set_content("The report is attached.\n")
    message.add_attachment(
        arguments.report.read_bytes(), maintype="application", subtype="octet-stream", filename=arguments.report.name
    )

    recipients = [recipient_for(certificate) for certificate in certificates]  # checked once, used as often as you like
    with smtplib.SMTP(arguments.server, arguments.port) as server:
        server.send_message(encrypt(message, recipients))
    print(f"Sent to {', '.join(addresses)}.")


if __name__ == "__main__":
    try:
        main()
    except (OSError, SmimeError) as error:  # a file, a certificate, or the mail server
        sys.exit(f"send_report.py: {error}")
