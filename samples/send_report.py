"""Encrypt a report and send it: ``send_report.py REPORT CERTIFICATE... [--server HOST] [--tls HOW] [--user NAME]``.

Each certificate names its owner's mail address; the mail goes to all of them, encrypted once. What mail providers ask
for is ``--server smtp.example.com --user NAME``: TLS, and a password from the environment variable ``SMTP_PASSWORD``.
"""

from __future__ import annotations

import argparse
import os
import smtplib
import ssl
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

from smime_session import SmimeError, addresses_of, encrypt, load_certificates, recipient_for

PORTS = {"starttls": 587, "implicit": 465, "none": 25}
HERE = {"localhost", "127.0.0.1", "::1"}  # what is sent there does not leave this machine


def main() -> None:
    """Read the report and the certificates, encrypt, send."""
    parser = argparse.ArgumentParser(description="Encrypt a report and send it.")
    parser.add_argument("report", type=Path, help="the file to send")
    parser.add_argument("certificates", type=Path, nargs="+", help="recipients' certificates")
    parser.add_argument("--server", default="localhost")
    parser.add_argument("--port", type=int, help="instead of the usual one")
    parser.add_argument("--tls", choices=PORTS, help="default: none on this machine, otherwise starttls")
    parser.add_argument("--ca", type=Path, help="roots to trust instead of the system's")
    parser.add_argument("--user", help="log in with this name and the password in SMTP_PASSWORD")
    parser.add_argument("--sender", default="reports@example.com")
    arguments = parser.parse_args()
    arguments.tls = arguments.tls or ("none" if arguments.server in HERE else "starttls")
    if arguments.user and arguments.tls == "none" and arguments.server not in HERE:
        sys.exit("send_report.py: a password is sent with TLS only")
    if arguments.user and "SMTP_PASSWORD" not in os.environ:
        sys.exit("send_report.py: the environment variable SMTP_PASSWORD is not set")

    certificates = [
        certificate for path in arguments.certificates for certificate in load_certificates(path.read_bytes())
    ]
    addresses = [address for certificate in certificates for address in addresses_of(certificate)[:1]]
    if len(addresses) < len(certificates):
        sys.exit("send_report.py: a certificate names no mail address to send to")

    message = EmailMessage()
    message["From"] = f"Reports <{arguments.sender}>"
    message["To"] = ", ".join(addresses)
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain=arguments.sender.rpartition("@")[2])
    message["Subject"] = "Report"  # stands outside the encryption too: say nothing in it, or hide it as below
    message.set_content("The report is attached.\n")
    message.add_attachment(
        arguments.report.read_bytes(), maintype="application", subtype="octet-stream", filename=arguments.report.name
    )

    recipients = [recipient_for(certificate) for certificate in certificates]  # checked once, used as often as you like
    encrypted = encrypt(message, recipients)  # headers="hcp_baseline" hides the subject
    with connected(arguments) as server:
        server.send_message(encrypted)
    print(f"Sent to {', '.join(addresses)}.")


def connected(arguments: argparse.Namespace) -> smtplib.SMTP:
    """Connect to the mail server as it wants it: TLS first, then the password."""
    context = ssl.create_default_context(cafile=arguments.ca)  # checks the server's name and certificate
    port = arguments.port or PORTS[arguments.tls]
    if arguments.tls == "implicit":
        server: smtplib.SMTP = smtplib.SMTP_SSL(arguments.server, port, context=context)
    else:
        server = smtplib.SMTP(arguments.server, port)
    if arguments.tls == "starttls":
        server.starttls(context=context)
    if arguments.user:
        server.login(arguments.user, os.environ["SMTP_PASSWORD"])
    return server


if __name__ == "__main__":
    try:
        main()
    except (OSError, smtplib.SMTPException, SmimeError) as error:  # a file, a certificate, or the mail server
        sys.exit(f"send_report.py: {error}")
