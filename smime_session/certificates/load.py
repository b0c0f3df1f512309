"""Load certificates: PEM, DER and PKCS#7, one or many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from smime_session.arguments import octets_in
from smime_session.certificates.files import Kind, Piece, certificate_piece, read
from smime_session.certificates.quiet import quietly
from smime_session.errors import CredentialError

if TYPE_CHECKING:
    import os


def load_certificates(data: bytes | str | os.PathLike[str]) -> list[x509.Certificate]:
    """Return the certificates in a file, in their order; whatever else a PEM file holds is left alone.

    Args:
        data: PEM, DER or PKCS#7 as bytes; PEM as text; or a path (:class:`pathlib.Path`) of a file that holds one.

    Raises:
        CredentialError: there is none, and the error says what there is instead; or one is broken.
        OSError: the file cannot be read.
    """
    pieces = read(octets_in(data))
    certificates = certificates_in(pieces)
    if not certificates:
        raise CredentialError(f"this is {pieces[0].kind}, not a certificate")
    return certificates


def load_part(der: bytes, data: bytes) -> list[x509.Certificate]:
    """Load what is in one PEM block of a file, or in all of it if ``der`` is ``data``.

    Raises:
        CredentialError: it is broken or no certificate, and the error tells its place in the file.
    """
    if der is data:
        return load_certificates(data)
    try:
        return certificates_in([certificate_piece(der)])
    except CredentialError:
        load_certificates(data)
        raise


@quietly()
def certificates_in(pieces: list[Piece]) -> list[x509.Certificate]:
    """Return the certificates among the pieces of a file; there may be none.

    Raises:
        CredentialError: one is broken, counted from one.
    """
    holders = [piece for piece in pieces if piece.kind in {Kind.CERTIFICATE, Kind.PKCS7}]
    certificates: list[x509.Certificate] = []
    for number, piece in enumerate(holders, 1):
        which = "the certificate" if len(holders) == 1 else f"certificate {number} of {len(holders)}"
        if not piece.complete:
            raise CredentialError(f"{which} is cut off")
        if piece.kind is Kind.PKCS7:
            certificates += _from_pkcs7(piece.octets)
        else:
            certificates.append(_from_der(piece.octets, which))
    return certificates


def _from_der(der: bytes, which: str) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion) as error:
        raise CredentialError(f"{which} is broken") from error


def _from_pkcs7(der: bytes) -> list[x509.Certificate]:
    from cryptography.hazmat.primitives.serialization import pkcs7  # loads the package email: 10 ms

    try:
        certificates = pkcs7.load_der_pkcs7_certificates(der)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise CredentialError("the PKCS#7 file holds no certificate, or is broken") from error
    if not certificates:
        raise CredentialError("the PKCS#7 file holds no certificate")
    return certificates
