"""Whom a certificate belongs to: its mail addresses, and how to name it to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar
from unicodedata import normalize

from cryptography import x509
from cryptography.x509.oid import NameOID

from smime_session.arguments import check_certificate
from smime_session.certificates.quiet import quietly
from smime_session.cms import asn1
from smime_session.errors import MessageError
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

    ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)

SMTP_UTF8_MAILBOX: Final = "1.3.6.1.5.5.7.8.9"  # RFC 9598, 3
UTF8_STRING: Final = 0x0C
_ISSUER, _SUBJECT, _KEY = 2, 4, 5
"""Places in a TBSCertificate after its version (RFC 5280, 4.1): serial, signature, issuer, validity, subject, key."""

_UNREADABLE_NAME: Final = (ValueError, TypeError)  # the latter is for a BIT STRING where the library wants text


@quietly()
def addresses_of(certificate: x509.Certificate) -> list[str]:
    """Return the mail addresses in a certificate, without repetitions.

    Those of the subject alternative name come first, then those that older issuers wrote into the
    subject (RFC 8550, 3). What is no address, and what cannot be parsed, is left out.

    Raises:
        TypeError: it is no certificate.
    """
    check_certificate(certificate)
    found: dict[tuple[str, str], str] = {}
    for address in (*alternative_addresses(certificate), *_subject_addresses(certificate)):
        local, at, domain = address.rpartition("@")
        if local and at and domain and address.isprintable():
            found.setdefault((local, ascii_domain(domain)), address)
    return list(found.values())


@quietly()
def describe(certificate: x509.Certificate) -> str:
    """Name a certificate in one printable line: its mail address, common name or subject, and its serial number."""
    name = next(iter(addresses_of(certificate)), None) or _subject_name(certificate)
    return f"{excerpt(name)} (serial {excerpt(f'{certificate.serial_number:#x}')})"


def extensions_of(certificate: x509.Certificate) -> x509.Extensions | None:
    """Return the extensions of a certificate, or None if one of them cannot be read."""
    try:
        return certificate.extensions
    except (*_UNREADABLE_NAME, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None


def extension_of(certificate: x509.Certificate, kind: type[ExtensionT]) -> ExtensionT | None:
    """Return the value of an extension; None without it, or if any of the certificate's cannot be read."""
    extensions = extensions_of(certificate)
    return None if extensions is None else extension_among(extensions, kind)


def extension_among(extensions: x509.Extensions, kind: type[ExtensionT]) -> ExtensionT | None:
    """Return the value of an extension, or None if it is not among these."""
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def same_mailbox(one: str, other: str) -> bool:
    """Tell whether two mail addresses are the same to those who write them.

    Letter case does not count on either side of the ``@``. RFC 5321, 2.4 leaves the local part to
    the receiving system, but systems that tell ``Alice`` from ``alice`` are not met, while people
    and directories that write one for the other are. A domain is the same with A-labels and U-labels.
    """
    return mailbox_of(one) == mailbox_of(other)


def ascii_domain(domain: str) -> str:
    """Return a domain in lower case with A-labels (RFC 5890, 2.3.2.1).

    Labels are taken as IDNA 2008 takes them: ``straße`` is not ``strasse``, as it was to IDNA 2003.
    """
    return ".".join(_ascii_label(label) for label in _normalized(domain).split("."))


def issuer_of(certificate: x509.Certificate) -> bytes:
    """Return the issuer's Name as it stands in the certificate.

    Messages name recipients by these very octets. They are sliced because parsing refuses names
    that are in use, such as a T61String that holds Latin-1.
    """
    return _part(certificate, _ISSUER)


def subject_of(certificate: x509.Certificate) -> bytes:
    """Return the subject's Name as it stands in the certificate."""
    return _part(certificate, _SUBJECT)


def key_of(certificate: x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo as it stands in the certificate, whether or not its kind is known here."""
    return _part(certificate, _KEY)


def _part(certificate: x509.Certificate, place: int) -> bytes:
    to_be_signed = asn1.parse(certificate.tbs_certificate_bytes).children()
    has_version = to_be_signed[0].tag != asn1.INTEGER
    return to_be_signed[place + has_version].encoded


def mailbox_of(address: str) -> tuple[str, str]:
    """Return the local part and the domain of a mail address, the same for all that :func:`same_mailbox` calls so."""
    local, _, domain = address.rpartition("@")
    return _normalized(local), ascii_domain(domain)


def _normalized(text: str) -> str:
    """Return ``text`` in lower case and in Unicode's composed form (NFC)."""
    if text.isascii():
        return text.lower()
    return normalize("NFC", text.lower())


def _ascii_label(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")


def alternative_addresses(certificate: x509.Certificate) -> Iterator[str]:
    """Yield the mail addresses in the subject alternative name (RFC 5280, 4.2.1.6; RFC 9598, 3)."""
    for name in extension_of(certificate, x509.SubjectAlternativeName) or ():
        if isinstance(name, x509.RFC822Name):
            yield name.value
        elif isinstance(name, x509.OtherName) and name.type_id.dotted_string == SMTP_UTF8_MAILBOX:
            yield from _utf8_string(name.value)


def _utf8_string(encoded: bytes) -> Iterator[str]:
    try:
        yield asn1.parse(encoded).expect(UTF8_STRING).contents.decode()
    except (MessageError, UnicodeDecodeError):
        return


def _subject_addresses(certificate: x509.Certificate) -> Iterator[str]:
    yield from _subject_values(certificate, NameOID.EMAIL_ADDRESS)


def _subject_values(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> Iterator[str]:
    try:
        attributes = certificate.subject.get_attributes_for_oid(oid)
    except _UNREADABLE_NAME:
        return
    for attribute in attributes:
        value = attribute.value
        yield value if isinstance(value, str) else value.decode("latin-1")


def _subject_name(certificate: x509.Certificate) -> str:
    if name := next(_subject_values(certificate, NameOID.COMMON_NAME), None):
        return name
    try:
        return certificate.subject.rfc4514_string() or "an unnamed subject"
    except _UNREADABLE_NAME:
        return "a subject whose name cannot be read"
