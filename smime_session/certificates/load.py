"""Load certificates: PEM, DER and PKCS#7, one or many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smime_session.certificates.certificate import Certificate
from smime_session.certificates.files import Kind, Piece, certificate_piece, certificates_alone, read
from smime_session.certificates.quiet import quietly
from smime_session.errors import CredentialError

if TYPE_CHECKING:
    from cryptography import x509


_DISTINCTIVE: Final = 32  # bytes at the end of a signature: no two certificates share them unless by intent


def load_certificates(data: bytes) -> list[x509.Certificate]:
    """Return the certificates in a file, in their order; whatever else a PEM file holds is left alone.

    Args:
        data: PEM, DER or PKCS#7.

    Raises:
        CredentialError: there is none, and the error says what there is instead; or one is broken.
    """
    pieces = read(data)
    certificates = certificates_in(pieces)
    if not certificates:
        raise CredentialError(f"this is {pieces[0].kind}, not a certificate")
    return certificates


def read_certificates(data: bytes) -> list[Certificate]:
    """Return the certificates in a file, once each, in their order; of those that are plain none is loaded.

    Args:
        data: PEM, DER or PKCS#7.

    Raises:
        CredentialError: there is none, and the error says what there is instead; or one is broken.
    """
    alone = certificates_alone(data)
    if alone is None:
        return list(map(Certificate.of, dict.fromkeys(load_certificates(data))))
    found: list[Certificate] = []
    for der in alone:
        certificate = Certificate.plain(der)
        if certificate is not None:
            found.append(certificate)
        else:
            found += map(Certificate.of, _loaded(der, data))
    if len({certificate.der[-_DISTINCTIVE:] for certificate in found}) == len(found):
        return found
    return list(dict.fromkeys(found))


def _loaded(der: bytes, data: bytes) -> list[x509.Certificate]:
    """Load a certificate of a file that is not plain.

    Raises:
        CredentialError: it is broken, and the error tells its place in the file.
    """
    if der is data:
        return load_certificates(data)
    try:
        return certificates_in([certificate_piece(der)])
    except CredentialError:
        load_certificates(data)
        raise


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
    plain = [certificate for certificate in found if certificate is not None]
    return plain if len(plain) == len(holders) else list(map(Certificate.of, certificates_in(pieces)))


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
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion) as error:
        raise CredentialError(f"{which} is broken") from error


def _from_pkcs7(der: bytes) -> list[x509.Certificate]:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import pkcs7

    try:
        certificates = pkcs7.load_der_pkcs7_certificates(der)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise CredentialError("the PKCS#7 file holds no certificate, or is broken") from error
    if not certificates:
        raise CredentialError("the PKCS#7 file holds no certificate")
    return certificates
