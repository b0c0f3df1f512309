"""Ask the issuer of a certificate whether it was revoked: the Online Certificate Status Protocol (RFC 6960).

Where to ask stands in the certificate, so its maker chooses who learns that it is used, and when, and from which
network: nothing is asked unless the caller wants it. The address must be one of http or https, is not followed to
another, and has to answer in time and in few octets. The answer counts if it is about this certificate, is fresh, and
is signed by the issuer or by one whom the issuer appointed for it.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import timedelta
from http.client import HTTPConnection, HTTPSConnection
from ssl import create_default_context
from threading import Thread
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from smime_session.certificates.names import extension_of, extensions_of, key_of, subject_of
from smime_session.certificates.public_key import PublicKey
from smime_session.certificates.quiet import quietly
from smime_session.certificates.revocation import CLOCK_SKEW_MINUTES, Answer
from smime_session.errors import SmimeError
from smime_session.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes

MAX_SECONDS: Final = 10.0  # for a question and its answer
MAX_ANSWER_SIZE: Final = 1 << 16  # octets; real ones have 500 to 5,000
MAX_AGE_MINUTES: Final = 60  # of an answer that does not tell when it ends
_HTTP_OK: Final = 200


class _NoAnswerError(SmimeError):
    """Why a responder's answer does not count, as the end of a sentence."""


class OcspClient:
    """Asks the responders that certificates name whether they were revoked, once for each certificate.

    A responder that did not answer in time is not asked again.

    Args:
        seconds: how long an answer may take.
    """

    def __init__(self, *, seconds: float = MAX_SECONDS) -> None:
        self._seconds = seconds
        self._answers: dict[tuple[x509.Certificate, x509.Certificate], tuple[datetime, Answer]] = {}
        self._silent: set[str] = set()

    def ask(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> Answer:
        """Return what the issuer says of a certificate at a moment; what keeps it from saying is in the answer."""
        key = (certificate, issuer)
        if key in self._answers and abs(self._answers[key][0] - at) < timedelta(minutes=CLOCK_SKEW_MINUTES):
            return self._answers[key][1]
        try:
            answer = self._asked(certificate, issuer, at)
        except _NoAnswerError as error:
            answer = Answer(reason=f"may have been revoked: {error}")
        self._answers[key] = at, answer
        return answer

    def _asked(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> Answer:
        """Ask.

        Raises:
            _NoAnswerError: there is no answer that counts.
        """
        address, request = _question(certificate, issuer)
        host = urlsplit(address).netloc
        if host in self._silent:
            raise _NoAnswerError(f"the OCSP responder {excerpt(address)} did not answer before")
        try:
            octets = _posted(address, request, self._seconds)
        except TimeoutError as error:
            self._silent.add(host)
            words = f"the OCSP responder {excerpt(address)} did not answer within {self._seconds:g} seconds"
            raise _NoAnswerError(words) from error
        return _judged(octets, certificate, issuer, at)


@quietly()
def _question(certificate: x509.Certificate, issuer: x509.Certificate) -> tuple[str, bytes]:
    """Return whom to ask about a certificate, and the request.

    Raises:
        _NoAnswerError: it names no responder that can be asked.
    """
    address = next(_responders_of(certificate), None)
    if address is None:
        raise _NoAnswerError("it names no OCSP responder with an http or https address")
    # the digest names an issuer and proves nothing; it is the one that all responders know (RFC 5019, 2.1.1)
    digest = hashes.SHA1()  # noqa: S303
    try:
        request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, digest).build()
    except (ValueError, TypeError) as error:
        raise _NoAnswerError("its issuer's name cannot be read") from error
    return address, request.public_bytes(Encoding.DER)


def _responders_of(certificate: x509.Certificate) -> Iterator[str]:
    for description in extension_of(certificate, x509.AuthorityInformationAccess) or ():
        location = description.access_location
        if description.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            location, x509.UniformResourceIdentifier
        ):
            try:
                address = urlsplit(location.value)
                usable = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
            except ValueError:  # a port that is no number
                continue
            if usable:
                yield location.value


def _posted(address: str, request: bytes, seconds: float) -> bytes:
    """Send a request and return the octets of the answer.

    All of it runs in a thread: neither looking up a name nor a server that sends an octet now and then knows a limit.

    Raises:
        TimeoutError: it took too long.
        _NoAnswerError: there was no answer, or another than the protocol has.
    """
    connection = _connection(address, seconds)
    sockets: list[socket.socket] = []
    outcome: list[bytes | Exception] = []

    def exchange() -> None:
        try:
            outcome.append(_exchanged(connection, address, request, sockets))
        except Exception as error:  # noqa: BLE001  # it is raised in the other thread
            outcome.append(error)
        finally:
            connection.close()

    thread = Thread(target=exchange, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        _cut(sockets)
        raise TimeoutError
    match outcome[0]:
        case bytes(octets):
            return octets
        case TimeoutError() as error:
            raise error
        case OSError() as error:
            raise _NoAnswerError(f"the OCSP responder {excerpt(address)} cannot be reached") from error
        case _NoAnswerError() as error:
            raise error
        case error:
            raise _NoAnswerError(f"the OCSP responder {excerpt(address)} does not answer as one") from error


def _connection(address: str, seconds: float) -> HTTPConnection:
    parts = urlsplit(address)
    if parts.scheme == "http":
        return HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
    return HTTPSConnection(parts.hostname or "", parts.port, timeout=seconds, context=create_default_context())


def _exchanged(connection: HTTPConnection, address: str, request: bytes, sockets: list[socket.socket]) -> bytes:
    parts = urlsplit(address)
    connection.connect()
    sockets.append(connection.sock)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", path, request, {"Content-Type": "application/ocsp-request", "Connection": "close"})
    with connection.getresponse() as response:
        if response.status != _HTTP_OK:  # a redirect too: it could lead anywhere
            raise _NoAnswerError(f"the OCSP responder {excerpt(address)} answers with HTTP status {response.status}")
        octets = response.read(MAX_ANSWER_SIZE + 1)
    if len(octets) > MAX_ANSWER_SIZE:
        raise _NoAnswerError(
            f"the answer of the OCSP responder {excerpt(address)} has more than {MAX_ANSWER_SIZE:,} bytes"
        )
    return octets


def _cut(sockets: list[socket.socket]) -> None:
    """Wake a thread that waits for a socket, so that it ends."""
    for each in sockets:
        with suppress(OSError):
            socket.socket.shutdown(each, socket.SHUT_RDWR)


# --- the answer ------------------------------------------------------------------------------------


@quietly()
def _judged(octets: bytes, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> Answer:
    """Return what an answer says of a certificate.

    Raises:
        _NoAnswerError: it does not count.
    """
    try:
        response = ocsp.load_der_ocsp_response(octets)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            words = response.response_status.name.lower().replace("_", " ")
            raise _NoAnswerError(f"the OCSP responder refuses to answer ({words})")
        if not _signed_by_issuer(response, issuer, at):
            raise _NoAnswerError("the OCSP answer is not signed by the issuer or one whom it appointed")
        single = next((each for each in response.responses if _is_about(each, certificate, issuer)), None)
        if single is None:
            raise _NoAnswerError("the OCSP answer is about another certificate")
        return _said(single, at)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _NoAnswerError("the OCSP answer is broken, or of a kind that is not supported") from error


def _said(single: ocsp.OCSPSingleResponse, at: datetime) -> Answer:
    begin, end = single.this_update_utc, single.next_update_utc
    if end is None:
        end = begin + timedelta(minutes=MAX_AGE_MINUTES)
    if begin > at + timedelta(minutes=CLOCK_SKEW_MINUTES):
        raise _NoAnswerError(f"the OCSP answer begins on {begin:%Y-%m-%d at %H:%M}")
    if at > end + timedelta(minutes=CLOCK_SKEW_MINUTES):
        raise _NoAnswerError(f"the OCSP answer is stale: it ended on {end:%Y-%m-%d at %H:%M}")
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return Answer(known=True)
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        when = f" on {single.revocation_time_utc:%Y-%m-%d}" if single.revocation_time_utc else ""
        return Answer(revoked=True, reason=f"was revoked{when}")
    raise _NoAnswerError("the OCSP responder does not know it")


@quietly()
def _is_about(single: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether an answer names a certificate: by its serial number, and its issuer's name and key."""
    if single.serial_number != certificate.serial_number:
        return False
    named = ((subject_of(issuer), single.issuer_name_hash), (_key_octets(issuer), single.issuer_key_hash))
    for octets, expected in named:
        digest = hashes.Hash(single.hash_algorithm)
        digest.update(octets)
        if digest.finalize() != expected:
            return False
    return True


def _key_octets(certificate: x509.Certificate) -> bytes:
    return PublicKey.from_info(key_of(certificate)).octets


def _signed_by_issuer(response: ocsp.OCSPResponse, issuer: x509.Certificate, at: datetime) -> bool:
    """Tell whether the issuer signed an answer, or one whom it appointed (RFC 6960, 4.2.2.2)."""
    if _fits(response, issuer):
        return True
    return any(_is_appointed(each, issuer, at) and _fits(response, each) for each in response.certificates)


def _is_appointed(certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> bool:
    purposes = extension_of(certificate, x509.ExtendedKeyUsage) or ()
    if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        return False
    unknown = (
        extension.critical and isinstance(extension.value, x509.UnrecognizedExtension)
        for extension in extensions_of(certificate) or ()
    )
    if any(unknown) or not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        return False
    if isinstance(certificate.signature_hash_algorithm, hashes.SHA1 | hashes.MD5):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _fits(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    """Tell whether a key signed an answer, with a digest that is still strong."""
    key = cast("CertificateIssuerPublicKeyTypes", signer.public_key())
    signature, signed = response.signature, response.tbs_response_bytes
    digest = response.signature_hash_algorithm
    if isinstance(digest, hashes.SHA1 | hashes.MD5):
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(signature, signed, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
            key.verify(signature, signed, ec.ECDSA(digest))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, signed)
        else:
            return False
    except InvalidSignature:
        return False
    return True
