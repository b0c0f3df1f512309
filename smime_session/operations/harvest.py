"""Certificates out of signed mails: the natural way to the certificate of a correspondent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from smime_session.arguments import moment
from smime_session.certificates.announcements import Announcement
from smime_session.errors import CredentialError, MessageError
from smime_session.operations.signatures import Checks
from smime_session.operations.signer import chain_of
from smime_session.operations.verify import signatures_in
from smime_session.profiles import DEFAULT

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from smime_session.operations.signatures import Signature


class Harvest(NamedTuple):
    """What came with a signed mail.

    Attributes:
        certificates: those to encrypt for, those that signed, and their issuers'.
        announced: what the owners of some of them read, by their own word.
    """

    certificates: list[x509.Certificate]
    announced: dict[x509.Certificate, Announcement]


def harvest(mail: bytes, at: datetime | None = None) -> Harvest:
    """Return the certificates of those who signed a mail: the ones to encrypt for, and those of their issuers.

    The signature must hold, and its signer have the address that the mail is from; or every sender could say whose
    certificate a mail brings. Whether an issuer vouches for the signer is another question, and not asked here.

    Args:
        mail: the mail; multipart/signed, or with an application/pkcs7-mime part that is signed.
        at: the present, with its time zone; now if not given. Nothing was announced later.

    Raises:
        CredentialError: it is not signed, or a signature does not hold or is another one's than the mail's author.
    """
    now = moment(at)
    try:
        signatures, _ = signatures_in(mail, Checks(None, (), now, DEFAULT))
    except MessageError as error:
        raise CredentialError(f"the mail has no signature to take certificates from: {error}") from error
    found: dict[x509.Certificate, None] = {}
    announced: dict[x509.Certificate, Announcement] = {}
    for each in signatures:
        if not each.holds or each.from_matches is False:
            raise CredentialError(f"the mail's signature is {each.verdict}, so nothing is taken from it: {each.reason}")
        found |= dict.fromkeys(_wanted(each))
        reader = each.encryption_certificate or each.certificate
        if reader is not None and each.capabilities:
            announced[reader] = Announcement(min(each.signing_time or now, now), each.capabilities)
    return Harvest(list(found), announced)


def _wanted(signature: Signature) -> list[x509.Certificate]:
    """Return the certificate to encrypt for, the signer's own and those of their issuers, as far as they came along."""
    own = [each for each in (signature.encryption_certificate, signature.certificate) if each is not None]
    return [*own, *(issuer for each in own for issuer in chain_of(each, signature.others))]
