"""A certificate, beside a private key or as a recipient's: the one door to both ways of reading it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smime_session.certificates import facts, plain
from smime_session.certificates.quiet import quietly
from smime_session.cms.values import IssuerAndSerialNumber

if TYPE_CHECKING:
    from cryptography import x509

    from smime_session.certificates.facts import Facts
    from smime_session.certificates.public_key import PublicKey


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
        found = plain.read(der)
        return None if found is None else cls(der, found)

    @classmethod
    def of(cls, certificate: AnyCertificate) -> Certificate:
        """Read a certificate that the library has loaded."""
        if isinstance(certificate, Certificate):
            return certificate
        from cryptography.hazmat.primitives.serialization import Encoding

        der = certificate.public_bytes(Encoding.DER)
        return cls(der, plain.read(der) or facts.read(certificate), certificate)

    @classmethod
    def load(cls, der: bytes) -> Certificate:
        """Read any certificate.

        Raises:
            ValueError: it is broken, or is none.
        """
        return cls.plain(der) or cls.of(_loaded(der))

    @property
    def whole(self) -> x509.Certificate:
        """The library's certificate: whatever is plain, the library loads."""
        if self._whole is None:
            self._whole = _loaded(self.der)
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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)


if TYPE_CHECKING:
    AnyCertificate = x509.Certificate | Certificate


@quietly()
def _loaded(der: bytes) -> x509.Certificate:
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(der)
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from error
