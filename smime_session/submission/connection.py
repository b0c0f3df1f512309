"""A connection to a submission server: found, protected, greeted, logged in, or refused with a reason."""

from __future__ import annotations

import smtplib
import socket
import ssl
from typing import TYPE_CHECKING

from smime_session import SubmissionError
from smime_session.submission.authentication import log_in
from smime_session.submission.replies import LostError, PatientSMTP, PatientTLS, lost, reply

if TYPE_CHECKING:
    from smime_session.submission.server import Server


def connect(server: Server) -> smtplib.SMTP:
    """Return a connection on which a mail can be sent.

    Raises:
        SubmissionError: there is none, for a reason that the error tells; ``temporary`` if it may be there later.
    """
    smtp: smtplib.SMTP | None = None
    try:
        smtp = _opened(server)
        _greet(smtp, server)
        if server.security == "starttls":
            _start_tls(smtp, server)
        log_in(smtp, server)
    except BaseException as error:
        if smtp is not None:
            smtp.close()
        if isinstance(error, SubmissionError):
            raise
        if isinstance(error, (OSError, smtplib.SMTPException)):
            raise _explained(error, server) from None
        raise
    return smtp


def _opened(server: Server) -> smtplib.SMTP:
    """Connect, and read the server's greeting."""
    if server.security == "tls":
        return PatientTLS(server.host, server.port, timeout=server.timeout, context=tls_context(server))
    return PatientSMTP(server.host, server.port, timeout=server.timeout)


def tls_context(server: Server) -> ssl.SSLContext:
    """Return how TLS is spoken: with checks of certificate and name, unless the server's value says otherwise.

    Raises:
        SubmissionError: the file of roots cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=server.ca_file)
    except (OSError, ssl.SSLError):
        raise SubmissionError(f"{server.ca_file} holds no certificates that TLS can trust: nothing was sent") from None
    if server.insecure_certificate or server.insecure_name:
        context.check_hostname = False
    if server.insecure_certificate:
        context.verify_mode = ssl.CERT_NONE
    return context


def _greet(smtp: smtplib.SMTP, server: Server) -> None:
    """Say EHLO.

    Raises:
        SubmissionError: the server does not take it.
        smtplib.SMTPException: the connection is lost.
    """
    code, text = smtp.ehlo()
    answer = reply(code, text)
    if not answer.is_success:
        temporary = answer.code // 100 == 4  # noqa: PLR2004  # the fourth class of replies
        raise SubmissionError(f"{server} refuses the greeting: {answer.words}: nothing was sent", temporary=temporary)


def _start_tls(smtp: smtplib.SMTP, server: Server) -> None:
    """Protect the connection (RFC 3207); what was said before counts for nothing then.

    Raises:
        SubmissionError: the server does not offer TLS, or someone on the way took the offer out.
    """
    if not smtp.has_extn("starttls"):
        words = f"{server} offers no STARTTLS, or it was taken out on the way: nothing was sent"
        raise SubmissionError(words, option="security" if server.is_loopback else None)
    code, text = smtp.starttls(context=tls_context(server))
    if code != 220:  # noqa: PLR2004  # "ready to start TLS"
        raise SubmissionError(f"{server} refuses STARTTLS: {reply(code, text).words}: nothing was sent")
    _greet(smtp, server)


def _explained(error: OSError | smtplib.SMTPException, server: Server) -> SubmissionError:  # noqa: PLR0911  # one each
    """Return what went wrong as a sentence that names the server."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.strip() or "it cannot be checked"
        guard = "insecure_name" if _is_about_the_name(error) else "insecure_certificate"
        words = f"the certificate of {server} is refused: {reason[:1].lower()}{reason[1:]}"
        return SubmissionError(f"{words}: nothing was sent", option=guard)
    if isinstance(error, ssl.SSLError):
        return SubmissionError(f"{server} does not speak TLS as it should: nothing was sent")
    if isinstance(error, smtplib.SMTPConnectError | smtplib.SMTPHeloError):
        answer = reply(error.smtp_code, _octets(error.smtp_error))
        temporary = answer.code // 100 == 4  # noqa: PLR2004  # the fourth class of replies
        return SubmissionError(
            f"{server} refuses the connection: {answer.words}: nothing was sent", temporary=temporary
        )
    if isinstance(error, socket.gaierror):
        temporary = error.errno == socket.EAI_AGAIN
        return SubmissionError(f"the name {server.host} is not found: nothing was sent", temporary=temporary)
    if isinstance(error, TimeoutError):
        return SubmissionError(f"{server}: no answer came in time: nothing was sent", temporary=True)
    if isinstance(error, LostError | smtplib.SMTPException) or error.strerror is None:
        words = str(error) if isinstance(error, LostError) else str(lost(error))
        return SubmissionError(f"{server}: {words}: nothing was sent", temporary=True)
    return SubmissionError(f"{server}: {error.strerror.lower()}: nothing was sent", temporary=True)


def _is_about_the_name(error: ssl.SSLCertVerificationError) -> bool:
    return error.verify_code in {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


def _octets(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")
