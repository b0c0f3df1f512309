"""A certificate beside its private key: what names the key is read at once, the rest when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smime_session.certificates.quiet import quietly

if TYPE_CHECKING:
    from cryptography import x509

    from smime_session.certificates.reader import PlainCertificate


class HeldCertificate:
    """A plain certificate that the library need not load to open a message.

    Args:
        octets: its DER.
        plain: what was read of it.

    Attributes:
        plain: the same.
    """

    __slots__ = ("_octets", "plain")

    def __init__(self, octets: bytes, plain: PlainCertificate) -> None:
        self._octets = octets
        self.plain = plain

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HeldCertificate) and self._octets == other._octets

    def __hash__(self) -> int:
        return hash(self._octets)

    @property
    def loaded(self) -> x509.Certificate:
        """All of it: whatever is plain, the library loads."""
        from cryptography import x509

        with quietly():
            return x509.load_der_x509_certificate(self._octets)


def hold(octets: bytes) -> HeldCertificate | None:
    """Return a certificate if it is plain, or None."""
    from smime_session.certificates.reader import read  # slow to load for who has a private key alone

    plain = read(octets)
    return None if plain is None else HeldCertificate(octets, plain)


def loaded(certificate: x509.Certificate | HeldCertificate) -> x509.Certificate:
    """Return a certificate whole."""
    return certificate.loaded if isinstance(certificate, HeldCertificate) else certificate
