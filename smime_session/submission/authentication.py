"""Logging in to a submission server (RFC 4954): PLAIN, LOGIN, and XOAUTH2 for tokens.

The mechanisms of :mod:`smtplib` take no password outside ASCII, so that these are our own. They are used only on a
connection that is protected, or that does not leave this machine.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Final

from smime_session import SubmissionError
from smime_session.submission.replies import Reply, ask

if TYPE_CHECKING:
    import smtplib

    from smime_session.submission.secrets import SecretSource
    from smime_session.submission.server import Server

_CHALLENGE: Final = 334
_TEMPORARY: Final = 4  # first digit of a reply code


def log_in(smtp: smtplib.SMTP, server: Server) -> None:
    """Log in as the server's user.

    Raises:
        SubmissionError: there is no secret, the server offers none of the mechanisms, or it refuses.
        OSError: the connection is lost.
    """
    if server.user is None:
        return
    offered = smtp.esmtp_features.get("auth", "").upper().split()
    wanted = ("XOAUTH2",) if server.token is not None else ("PLAIN", "LOGIN")
    mechanism = next((each for each in wanted if each in offered), None)
    if mechanism is None:
        has = ", ".join(offered) or "no login at all"
        raise SubmissionError(f"{server} offers {has}, and not {' or '.join(wanted)}: nothing was sent")
    secret = _read(server.token if server.token is not None else server.password)
    user = server.user
    if "\0" in user + secret or "\x01" in user + secret:
        raise SubmissionError("a user or a secret with a control character cannot log in: nothing was sent")
    sent = {
        "PLAIN": (f"\0{user}\0{secret}",),
        "LOGIN": (user, secret),
        "XOAUTH2": (f"user={user}\x01auth=Bearer {secret}\x01\x01",),
    }[mechanism]
    encoded = [b64encode(each.encode()).decode("ascii") for each in sent]
    reply = _exchange(smtp, mechanism, encoded)
    if not reply.is_success:
        words = reply.words
        for hidden in sorted((secret, *encoded), key=len, reverse=True):  # some servers repeat what they got
            words = words.replace(hidden, "[...]")
        raise SubmissionError(
            f"{server} refuses the login of {user}: {words}: nothing was sent",
            temporary=reply.code // 100 == _TEMPORARY,
        )


def _exchange(smtp: smtplib.SMTP, mechanism: str, encoded: list[str]) -> Reply:
    if mechanism == "LOGIN":
        reply = ask(smtp, "AUTH LOGIN")
        for each in encoded:
            if reply.code == _CHALLENGE:
                reply = ask(smtp, each)
        return reply
    reply = ask(smtp, f"AUTH {mechanism} {encoded[0]}")
    # A refused token is told in a challenge, which an empty line answers.
    return ask(smtp, "") if reply.code == _CHALLENGE else reply


def _read(secret: str | SecretSource | None) -> str:
    if secret is None:
        return ""
    return secret if isinstance(secret, str) else secret.read()
