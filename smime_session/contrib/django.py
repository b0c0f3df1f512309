"""Encrypted mail from Django: a backend that encrypts, and leaves the sending to the one that was there before.

In the settings::

    EMAIL_BACKEND = "smime_session.contrib.django.EncryptingEmailBackend"
    SMIME_SESSION = {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",  # what sends; this one if not given
        "CERTIFICATES": BASE_DIR / "certificates",  # a folder, or a CertificateSource
        "PROFILE": "auto",
        "HIDE_SUBJECT": False,
    }

It works with backends that send what ``EmailMessage.message()`` returns, as those of Django do. One that builds a mail
from its body and its attachments would send another: it fails instead.
"""

from __future__ import annotations

import io
from email import message_from_bytes
from email.generator import BytesGenerator
from email.message import Message
from email.utils import getaddresses, parseaddr
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from smime_session import PROFILES, CertificateSource, CertificateStore, SmimeError, encrypt_by_address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.policy import Policy

_DEFAULT_BACKEND: Final = "django.core.mail.backends.smtp.EmailBackend"
_KEYS: Final = ("BACKEND", "CERTIFICATES", "PROFILE", "HIDE_SUBJECT")


class EncryptingEmailBackend(BaseEmailBackend):  # type: ignore[misc]  # Django is not typed
    """Encrypts each mail for all its recipients, those in ``bcc`` apart, and hands it to another backend.

    Args:
        fail_silently: as every backend has it; what cannot be encrypted is not sent then either.
        options: for the backend that sends.

    Raises:
        ImproperlyConfigured: the setting ``SMIME_SESSION`` cannot be used.
    """

    def __init__(self, fail_silently: bool = False, **options: Any) -> None:  # noqa: ANN401, FBT001, FBT002  # as Django calls it
        super().__init__(fail_silently=fail_silently)
        chosen = dict(getattr(settings, "SMIME_SESSION", {}))
        if unknown := [key for key in chosen if key not in _KEYS]:
            raise ImproperlyConfigured(f"SMIME_SESSION has no {unknown[0]}: its keys are {', '.join(_KEYS)}")
        self._sources = _source(chosen.get("CERTIFICATES"))
        if (profile := chosen.get("PROFILE", "auto")) not in PROFILES:
            raise ImproperlyConfigured(f"SMIME_SESSION: PROFILE is one of {', '.join(PROFILES)}, not {profile!r}")
        self._treatment: dict[str, Any] = {
            "profile": PROFILES[profile],
            "headers": "hcp_baseline" if chosen.get("HIDE_SUBJECT") else "hcp_no_confidentiality",
        }
        self.wrapped = get_connection(chosen.get("BACKEND", _DEFAULT_BACKEND), fail_silently=fail_silently, **options)

    def open(self) -> Any:  # noqa: ANN401  # whatever the other backend returns
        """Open the connection of the other backend."""
        return self.wrapped.open()

    def close(self) -> None:
        """Close it."""
        self.wrapped.close()

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        """Encrypt and send mails; return how many were sent to all of their recipients.

        Raises:
            SmimeError: one cannot be encrypted: then none is sent.
        """
        try:
            parts = [self._encrypted(each) for each in email_messages]
        except SmimeError:
            if not self.fail_silently:
                raise
            return 0
        opened = self.wrapped.open()
        try:
            return sum(1 for each in parts if each and self.wrapped.send_messages(each) == len(each))
        finally:
            if opened:
                self.wrapped.close()

    def _encrypted(self, mail: Any) -> list[EncryptedEmail]:  # noqa: ANN401  # Django is not typed
        recipients = dict.fromkeys(
            parseaddr(each)[1] or each if each.isprintable() else each for each in mail.recipients()
        )
        if not recipients:
            return []
        message = mail.message()
        raw = io.BytesIO()
        BytesGenerator(raw, mangle_from_=False, policy=message.policy.clone(linesep="\r\n")).flatten(message)
        fields = [str(value) for name in ("To", "Cc") for value in message.get_all(name, [])]
        named = {address.lower() for _, address in getaddresses(fields)}
        visible = [each for each in recipients if each.lower() in named]
        blind = [each for each in recipients if each.lower() not in named]
        found = encrypt_by_address(raw.getvalue(), self._sources, to=visible, bcc=blind, **self._treatment)
        return [EncryptedEmail(mail, addresses, encrypted) for addresses, encrypted in found]


def _source(certificates: object) -> CertificateSource:
    """Return where certificates are found.

    Raises:
        ImproperlyConfigured: it is neither a folder nor a source.
    """
    if isinstance(certificates, str | Path):
        try:
            return CertificateStore(certificates)
        except SmimeError as error:
            raise ImproperlyConfigured(f"SMIME_SESSION: CERTIFICATES: {error}") from error
    if not isinstance(certificates, CertificateSource):
        raise ImproperlyConfigured("SMIME_SESSION: CERTIFICATES is a folder of certificates, or a CertificateSource")
    return certificates


class EncryptedEmail(EmailMessage):  # type: ignore[misc]  # Django is not typed
    """A mail that is encrypted already, for Django's backends.

    Args:
        original: the mail that it was made of.
        recipients: the addresses that get it.
        encrypted: the encrypted mail.
    """

    def __init__(self, original: Any, recipients: Sequence[str], encrypted: bytes) -> None:  # noqa: ANN401  # Django is not typed
        self._addresses = list(recipients)
        self._encrypted = encrypted
        super().__init__(original.subject, from_email=original.from_email, to=original.to, cc=original.cc, headers=None)

    def message(self, *, policy: Policy | None = None) -> Message:
        """Return the encrypted mail.

        Args:
            policy: how lines end in what is made of it, as Django 6 asks for.
        """
        message = message_from_bytes(self._encrypted, _class=_AsItIs)
        if policy is not None:
            message.line_end = policy.linesep
        return message

    def recipients(self) -> list[str]:
        """Return the addresses that get it."""
        return self._addresses

    @property
    def body(self) -> str:
        """Fail: what a backend makes of a body would not be the encrypted mail.

        Raises:
            TypeError: always.
        """
        raise TypeError("this backend builds mails by itself, and cannot send one that is encrypted")

    @body.setter
    def body(self, value: object) -> None:
        """Take none."""


class _AsItIs(Message):
    """A message that is written as it was read, with the line endings that are asked for."""

    line_end = "\n"

    def as_bytes(self, unixfrom: bool = False, policy: Policy | None = None, linesep: str | None = None) -> bytes:  # noqa: FBT001, FBT002  # as Django calls it
        """Return the message."""
        chosen = linesep or (policy.linesep if policy is not None else self.line_end)
        return super().as_bytes(unixfrom, self.policy.clone(linesep=chosen, max_line_length=None))
