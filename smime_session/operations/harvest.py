"""Certificates out of signed mails: the natural way to the certificate of a correspondent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smime_session.certificates.load import load_certificates
from smime_session.cms import asn1
from smime_session.errors import CredentialError, MessageError
from smime_session.mail.parts import find_parts
from smime_session.mail.transfer import Base64Decoder

if TYPE_CHECKING:
    from cryptography import x509

    from smime_session.mail.parts import Part

MAX_SIGNATURE_SIZE: Final = 16 << 20  # bytes of a part that is looked into; certificates come in thousands
_TYPES: Final = frozenset(
    f"application/{prefix}pkcs7-{kind}" for prefix in ("", "x-") for kind in ("mime", "signature")
)


def certificates_in_mail(mail: bytes) -> list[x509.Certificate]:
    """Return the certificates that came with the signatures of a mail, once each; nothing is verified.

    Args:
        mail: the mail; multipart/signed, or with an application/pkcs7-mime part that is signed.

    Raises:
        CredentialError: there are none, or they cannot be read.
        MessageError: the mail cannot be read.
    """
    found: dict[x509.Certificate, None] = {}
    problem: Exception | None = None
    for part in find_parts(iter([mail, b""]).__next__):
        if part.content_type in _TYPES and part.end - part.body <= MAX_SIGNATURE_SIZE:
            try:
                found |= dict.fromkeys(load_certificates(_object_in(part, mail)))
            except (CredentialError, MessageError) as error:
                problem = error
    if not found:
        raise CredentialError("the mail has no signature with certificates that can be read") from problem
    return list(found)


def _object_in(part: Part, mail: bytes) -> bytes:
    """Return the CMS object in a part, in DER.

    Raises:
        MessageError: it is none.
    """
    body = mail[part.body : part.end]
    if part.transfer_encoding == "base64":
        body = b"".join(iter(Base64Decoder(iter([body, b""]).__next__), b""))
    return asn1.parse(body).definite()
