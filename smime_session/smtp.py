"""What takes the place of :class:`smtplib.SMTP` in a script: the same, but nothing is sent that is not encrypted.

The certificates of all who get a mail are looked up by their addresses. Who is named in its header gets one message
with all others there; who is not, as in Bcc, gets one of their own, so that none shows them.
"""

from __future__ import annotations

import io
import re
import smtplib
import ssl
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any, Final

from smime_session.certificates.names import mailbox_of
from smime_session.mail.entity import read_head, split_head
from smime_session.mail.header_policy import DEFAULT_HEADERS
from smime_session.operations.addressees import addresses_of_fields, certificate_sources, encrypt_by_address
from smime_session.profiles import AUTO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptography import x509

    from smime_session.certificates.trust import TrustAnchors
    from smime_session.mail.header_policy import HeaderPolicy
    from smime_session.operations.addressees import Addressed, Certificates
    from smime_session.operations.signer import Signer
    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Recipient

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_VISIBLE: Final = ("to", "cc", "resent-to", "resent-cc")


class EncryptingSMTP(smtplib.SMTP):
    """An :class:`smtplib.SMTP` that encrypts each mail for all its recipients, by ``send_message`` and ``sendmail``.

    What has no certificate that can be used is refused with a :exc:`~smime_session.errors.RecipientError` before
    anything is sent. ``starttls()`` checks the server's certificate, unless it is given another ``context``.

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
        self._sources = certificate_sources(certificates)
        self._treatment: dict[str, Any] = {
            "add": tuple(add),
            "profile": profile,
            "headers": headers,
            "trust": trust,
            "signer": signer,
        }
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
                wire = _LINE_END.sub(b"\r\n", encrypted)  # the base does so for text alone
                refused |= super().sendmail(from_addr, recipients, wire, mail_options, rcpt_options)
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
            address = parseaddr(each)[1] or each
            (visible if mailbox_of(address) in named else blind)[address] = None
        return list(encrypt_by_address(mail, self._sources, to=visible, bcc=blind, **self._treatment))


class EncryptingSMTP_SSL(EncryptingSMTP, smtplib.SMTP_SSL):  # noqa: N801  # as its base is called
    """The same with TLS from the start; the server's certificate is checked, unless another ``context`` is given."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  # those of its bases
        if not options.keys() & {"context", "keyfile", "certfile"}:
            options["context"] = ssl.create_default_context()
        super().__init__(*arguments, **options)
