"""A certificate, beside a private key or as a recipient's: the one door to both ways of reading it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding

from smime_session.certificates.files import Kind, certificates_alone
from smime_session.cms import asn1
from smime_session.cms.values import IssuerAndSerialNumber

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from smime_session.certificates.facts import Facts
    from smime_session.certificates.files import Piece
    from smime_session.certificates.library import Library
    from smime_session.certificates.public_key import PublicKey
    from smime_session.cms.values import AlgorithmIdentifier

_VERSION: Final = 0xA0  # of what stands before all other fields, if it does (RFC 5280, 4.1)
_DISTINCTIVE: Final = 32  # bytes at the end of a signature: no two certificates share them unless by intent


class Certificate:
    """A certificate, of which the cryptography library loads nothing before that is asked for, if it is plain.

    Two are equal if they have the same bytes.

    Args:
        der: see below.
        found: see ``facts``.
        whole: the library's certificate, if it is at hand.

    Attributes:
        der: its bytes.
        facts: what a sender, and the owner of the private key, need of it.
    """

    __slots__ = ("_whole", "der", "facts")

    def __init__(self, der: bytes, found: Facts, whole: x509.Certificate | None = None) -> None:
        self.der = der
        self.facts = found
        self._whole = whole

    @classmethod
    def plain(cls, der: bytes) -> Certificate | None:
        """Read a certificate without the library; None if that takes the library, or it is none."""
        found = _reader()(der)
        return None if found is None else cls(der, found)

    @classmethod
    def of(cls, certificate: AnyCertificate) -> Certificate:
        """Read a certificate that the library has loaded."""
        if isinstance(certificate, Certificate):
            return certificate
        der = certificate.public_bytes(Encoding.DER)
        found = _reader()(der)
        if found is None:
            found = _library().facts_of(certificate)
        return cls(der, found, certificate)

    @classmethod
    def load(cls, der: bytes) -> Certificate:
        """Read any certificate.

        Raises:
            ValueError: it is broken, or is none.
        """
        return cls.plain(der) or cls.of(_library().loaded(der))

    def announcing(self, capabilities: tuple[AlgorithmIdentifier, ...]) -> Certificate:
        """Return the same with what its owner has announced since, in place of what it announces itself."""
        use = self.facts.use
        if use is None:
            return self
        return Certificate(self.der, self.facts._replace(use=use._replace(capabilities=capabilities)), self._whole)

    @property
    def whole(self) -> x509.Certificate:
        """The library's certificate: whatever is plain, the library loads."""
        if self._whole is None:
            self._whole = _library().loaded(self.der)
        return self._whole

    @property
    def name(self) -> IssuerAndSerialNumber:
        """How envelopes mostly name it (RFC 5652, 10.2.4)."""
        return IssuerAndSerialNumber(self.facts.issuer, self.facts.serial_number)

    @property
    def key_identifier(self) -> bytes | None:
        """The subject key identifier that it states, or None."""
        return self.facts.key_identifier

    @property
    def public_key(self) -> PublicKey | None:
        """The public key, or None if it cannot be read."""
        return self.facts.public_key

    @property
    def mailboxes(self) -> frozenset[tuple[str, str]]:
        """Its mail addresses, as :func:`~smime_session.certificates.names.mailbox_of` has them."""
        return _library().mailboxes_of(self.whole)

    @property
    def subject(self) -> bytes:
        """The subject's Name as it stands there."""
        fields = asn1.parse(self.der).children()[0].children()
        return fields[5 if fields[0].tag == _VERSION else 4].encoded

    def __str__(self) -> str:
        """Name it in one printable line: its mail address, common name or subject, and its serial number."""
        return _library().describe(self.whole)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)


if TYPE_CHECKING:
    AnyCertificate = x509.Certificate | Certificate


@cache
def _reader() -> Callable[[bytes], Facts | None]:
    from smime_session.certificates.plain import read  # a private key alone needs none: 1 ms

    return read


def _library() -> type[Library]:
    from smime_session.certificates.library import Library  # loads cryptography.x509, which plain ones need not: 20 ms

    return Library


def read_certificates(data: bytes) -> list[Certificate]:
    """Return the certificates in a file, once each, in their order; of those that are plain none is loaded.

    Args:
        data: PEM, DER or PKCS#7.

    Raises:
        CredentialError: there is none, and the error says what there is instead; or one is broken.
    """
    found: list[Certificate] = []
    for der in certificates_alone(data) or [data]:
        certificate = Certificate.plain(der)
        if certificate is not None:
            found.append(certificate)
            continue
        found += map(Certificate.of, _library().load_part(der, data))
    if len({certificate.der[-_DISTINCTIVE:] for certificate in found}) == len(found):
        return found
    return list(dict.fromkeys(found))


def certificates_beside(pieces: list[Piece]) -> list[Certificate]:
    """Return the certificates among the pieces of a file of private keys; the library loads them all, or none.

    Raises:
        CredentialError: one is broken, counted from one.
    """
    holders = [piece for piece in pieces if piece.kind in {Kind.CERTIFICATE, Kind.PKCS7, Kind.PKCS12}]
    found = [
        Certificate.plain(piece.octets) if piece.complete and piece.kind is Kind.CERTIFICATE else None
        for piece in holders
    ]
    read = [certificate for certificate in found if certificate is not None]
    if len(read) == len(holders):
        return read
    return list(map(Certificate.of, _library().certificates_in(pieces)))
