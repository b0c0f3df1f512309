"""What takes the place of :class:`smtplib.SMTP` in a script: the same, but nothing is sent that is not encrypted.

The certificates of all who get a mail are looked up by their addresses. Who is named in its header gets one message
with all others there; who is not, as in Bcc, gets one of their own, so that none shows them.
"""

from __future__ import annotations

import io
import re
import smtplib
import ssl
import time
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any, Final

from smime_session.certificates.names import mailbox_of
from smime_session.errors import RecipientError
from smime_session.mail.entity import read_head, split_head
from smime_session.mail.header_policy import DEFAULT_HEADERS
from smime_session.operations.addressees import (
    Addressed,
    addressee_for,
    addresses_of_fields,
    certificate_sources,
    refuse_unreachable,
)
from smime_session.operations.encrypt import encrypt
from smime_session.profiles import AUTO
from smime_session.recipients.from_certificates import recipient_for, recipients_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptography import x509

    from smime_session.certificates.store import CertificateSource
    from smime_session.certificates.trust import TrustAnchors
    from smime_session.mail.header_policy import HeaderPolicy
    from smime_session.operations.addressees import Addressee, Certificates
    from smime_session.operations.signer import Signer
    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Recipient

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_REMEMBERED: Final = 60.0  # seconds for which certificates are not looked up again
_MOST_REMEMBERED: Final = 10_000  # addresses
_VISIBLE: Final = ("to", "cc", "resent-to", "resent-cc")


class EncryptingSMTP(smtplib.SMTP):
    """An :class:`smtplib.SMTP` that encrypts each mail for all its recipients, by ``send_message`` and ``sendmail``.

    What has no certificate that can be used is refused with a :exc:`~smime_session.errors.RecipientError` before
    anything is sent. Certificates are looked up again after a minute. ``starttls()`` checks the server's certificate,
    unless it is given another ``context``.

    Args:
        arguments: as for :class:`smtplib.SMTP`.
        certificates: where certificates are found by address, one source or several; or certificates.
        add: further recipients of what is sent to those in the header, such as the sender.
        profile: the algorithms, and what is asked of a certificate.
        headers: as for :func:`~smime_session.operations.encrypt.encrypt`.
        trust: checks the chain of each certificate; without it, none is checked.
        signer: who signs each mail inside.
        options: as for :class:`smtplib.SMTP`.

    Raises:
        OSError: as :class:`smtplib.SMTP` does.
        TypeError: an argument is of a kind that is not accepted.
    """

    def __init__(  # noqa: PLR0913  # most leave most of them as they are
        self,
        *arguments: Any,  # noqa: ANN401  # those of the base
        certificates: Certificates,
        add: Iterable[Recipient | x509.Certificate] = (),
        profile: Profile = AUTO,
        headers: HeaderPolicy = DEFAULT_HEADERS,
        trust: TrustAnchors | None = None,
        signer: Signer | None = None,
        **options: Any,  # noqa: ANN401  # those of the base
    ) -> None:
        self._prepared = _Prepared(certificate_sources(certificates), profile, trust)
        self._add = recipients_for(further, profile=profile, trust=trust) if (further := tuple(add)) else []
        self._treatment: dict[str, Any] = {"profile": profile, "headers": headers, "trust": trust, "signer": signer}
        super().__init__(*arguments, **options)

    def starttls(self, *arguments: Any, **options: Any) -> tuple[int, bytes]:  # noqa: ANN401  # those of the base
        """Begin TLS as the base does, which checks nothing by itself; here the server's certificate is checked."""
        if not arguments and not options:
            options = {"context": ssl.create_default_context()}
        return super().starttls(*arguments, **options)

    def sendmail(
        self,
        from_addr: str,
        to_addrs: str | Sequence[str],
        msg: Any,  # noqa: ANN401  # text or octets in any buffer, as for the base
        mail_options: Sequence[str] = (),
        rcpt_options: Sequence[str] = (),
    ) -> dict[str, tuple[int, bytes]]:
        """Encrypt a mail and send it, as the base sends it.

        ``send_message`` ends here too. If it fails after some of several messages were sent, a note on the exception
        says to whom.

        Returns:
            Whom the server refused, with code and answer.

        Raises:
            SmimeError: it was not encrypted, and nothing was sent.
            smtplib.SMTPRecipientsRefused: no recipient was accepted.
            smtplib.SMTPException: as the base does.
        """
        mail = msg.encode("ascii") if isinstance(msg, str) else bytes(msg)
        messages = self._encrypted(mail, [to_addrs] if isinstance(to_addrs, str) else to_addrs)
        refused: dict[str, tuple[int, bytes]] = {}
        done: list[str] = []
        for recipients, encrypted in messages:
            try:
                refused |= super().sendmail(from_addr, recipients, _wire(encrypted), mail_options, rcpt_options)
            except smtplib.SMTPRecipientsRefused as error:
                refused |= error.recipients
            except (smtplib.SMTPException, OSError) as error:
                if sent := [each for each in done if each not in refused]:
                    error.add_note(f"the mail was sent to {', '.join(sent)} before that, and to no other")
                raise
            done += recipients
        if len(refused) == len(done):
            raise smtplib.SMTPRecipientsRefused(refused)
        return refused

    def _encrypted(self, mail: bytes, addresses: Iterable[str]) -> list[Addressed[bytes]]:
        """Encrypt a mail for all who are to get it; who is not named in its header is a blind recipient."""
        fields = split_head(read_head(io.BytesIO(mail).read)[0]).fields
        named = {mailbox_of(each) for each in addresses_of_fields(fields, _VISIBLE)}
        visible: dict[str, None] = {}
        blind: dict[str, None] = {}
        for each in addresses:
            address = _bare(each)
            (visible if mailbox_of(address) in named else blind)[address] = None
        if not visible and not blind:
            raise RecipientError(())
        self._prepared.look_up([*visible, *blind])
        found = [(tuple(visible), [*self._prepared.recipients(visible), *self._add])] if visible else []
        found += [((each,), self._prepared.recipients([each])) for each in blind]
        return [Addressed(addresses, encrypt(mail, ready, **self._treatment)) for addresses, ready in found]


def _bare(address: str) -> str:
    """Return an address without a display name; one with a line ending in it, which parsers cut off, stays as it is."""
    return parseaddr(address)[1] or address if address.isprintable() else address


def _wire(mail: bytes) -> bytes:
    """Return a mail with CRLF for each line ending; the base sees to that for text alone."""
    if mail.count(b"\r\n") == mail.count(b"\n") == mail.count(b"\r"):
        return mail
    return _LINE_END.sub(b"\r\n", mail)


class _Prepared:
    """Recipients by address, which are looked up, checked and prepared once for many mails.

    Args:
        sources: where certificates are found.
        profile: what may be used, and how.
        trust: checks the chain of each certificate, or None.
    """

    def __init__(self, sources: Sequence[CertificateSource], profile: Profile, trust: TrustAnchors | None) -> None:
        self._sources = sources
        self._profile = profile
        self._trust = trust
        self._addressees: dict[str, Addressee] = {}
        self._recipients: dict[x509.Certificate, Recipient] = {}
        self._since = time.monotonic()

    def look_up(self, addresses: Iterable[str]) -> None:
        """Look up addresses, unless that was done a short time ago.

        Raises:
            RecipientError: one has no certificate that can be used; it names every one.
        """
        if time.monotonic() - self._since > _REMEMBERED or len(self._addressees) >= _MOST_REMEMBERED:
            self._addressees.clear()
            self._recipients.clear()
            self._since = time.monotonic()
        found = {each: self._addressees.get(each) or self._addressee(each) for each in addresses}
        refuse_unreachable(found.values())
        self._addressees |= found

    def _addressee(self, address: str) -> Addressee:
        return addressee_for(address, self._sources, profile=self._profile, trust=self._trust)

    def recipients(self, addresses: Iterable[str]) -> list[Recipient]:
        """Return the recipients for addresses that were looked up, once each."""
        certificates = dict.fromkeys(
            certificate for each in addresses for certificate in self._addressees[each].certificates
        )
        return [self._recipients.get(each) or self._recipient(each) for each in certificates]

    def _recipient(self, certificate: x509.Certificate) -> Recipient:
        made = recipient_for(certificate, profile=self._profile, trust=self._trust)
        self._recipients[certificate] = made
        return made


class EncryptingSMTP_SSL(EncryptingSMTP, smtplib.SMTP_SSL):  # noqa: N801  # as its base is called
    """The same with TLS from the start; the server's certificate is checked, unless another ``context`` is given."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  # those of its bases
        if not options.keys() & {"context", "keyfile", "certfile"}:
            options["context"] = ssl.create_default_context()
        super().__init__(*arguments, **options)
