"""Log records by encrypted mail: what takes the place of :class:`logging.handlers.SMTPHandler`."""

from __future__ import annotations

import ssl
from email.message import EmailMessage
from email.utils import localtime
from logging.handlers import SMTPHandler
from typing import TYPE_CHECKING, Any

from smime_session import AUTO, EncryptingSMTP, encrypt_by_address

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable

    from cryptography import x509

    from smime_session import CertificateSource, Profile

    Certificates = CertificateSource | x509.Certificate | Iterable[CertificateSource | x509.Certificate]


class EncryptingSMTPHandler(SMTPHandler):
    """Sends each record as an encrypted mail; the subject stays readable outside, unless it is hidden.

    Certificates are looked up when the handler is made, so that a missing one shows before there is anything to log,
    and again for each mail. With ``secure``, TLS checks the server's certificate.

    Args:
        mailhost: host, or host and port.
        fromaddr: the sender's address.
        toaddrs: the recipients' addresses.
        subject: of each mail.
        credentials: user and password, or None.
        secure: None for no TLS; ``()`` for STARTTLS; or an :class:`ssl.SSLContext` for it, in a tuple.
        timeout: seconds to wait for each answer.
        certificates: where certificates are found by address, one source or several; or certificates.
        profile: the algorithms, and what is asked of a certificate.
        hide_subject: whether the subject travels inside only.

    Raises:
        RecipientError: an address has no certificate that can be used.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # those of the base, in its order
        self,
        mailhost: str | tuple[str, int],
        fromaddr: str,
        toaddrs: str | list[str],
        subject: str,
        credentials: tuple[str, str] | None = None,
        secure: tuple[()] | tuple[ssl.SSLContext] | None = None,
        timeout: float = 5.0,
        *,
        certificates: Certificates,
        profile: Profile = AUTO,
        hide_subject: bool = False,
    ) -> None:
        super().__init__(mailhost, fromaddr, toaddrs, subject, credentials, None, timeout)
        self._context = None if secure is None else secure[0] if secure else ssl.create_default_context()
        self._encryption: dict[str, Any] = {
            "certificates": certificates,
            "profile": profile,
            "headers": "hcp_baseline" if hide_subject else "hcp_no_confidentiality",
        }
        list(encrypt_by_address(self._mail(subject, ""), **self._encryption))

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record."""
        try:
            mail = self._mail(self.getSubject(record), self.format(record))
            with EncryptingSMTP(self.mailhost, self.mailport or 0, timeout=self.timeout, **self._encryption) as smtp:
                if self._context is not None:
                    smtp.starttls(context=self._context)
                if self.username:
                    smtp.login(self.username, self.password)
                smtp.send_message(mail)
        except Exception:  # noqa: BLE001  # as every handler does
            self.handleError(record)

    def _mail(self, subject: str, text: str) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self.fromaddr
        mail["To"] = ", ".join(self.toaddrs)
        mail["Subject"] = " ".join(subject.split())
        mail["Date"] = localtime()
        mail.set_content(text)
        return mail
