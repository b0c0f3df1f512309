"""What was revoked: by revocation lists (RFC 5280, 5 and 6.3), and by what a responder says.

A list counts if the issuer of the certificate signed it, if it is fresh, and if it is about that certificate. Whatever
else the issuer signed still says what was revoked: a list that has ended, one about other certificates or reasons, one
that tells only what has changed. Lists about certificates of several issuers are not supported, and count for nothing.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from smime_session.arguments import check_octets, check_several, wrong_kind
from smime_session.certificates.files import Kind, read, read_limited
from smime_session.certificates.library import public_key_in
from smime_session.certificates.names import describe, extension_among, extension_of, issuer_of
from smime_session.certificates.quiet import quietly
from smime_session.cms import asn1
from smime_session.errors import CredentialError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes

MAX_CRL_SIZE: Final = 64 << 20  # octets of a file of lists: the largest that are public have 30 million
CLOCK_SKEW_MINUTES: Final = 5  # by which an issuer's clock may be ahead of ours


class Status(NamedTuple):
    """Why a certificate is not to be used.

    Attributes:
        revoked: whether it was revoked; else it is not known whether it was.
        reason: a sentence that follows on "the certificate".
    """

    revoked: bool
    reason: str


class Answer(NamedTuple):
    """What is known of one certificate.

    Attributes:
        known: whether it is known that it was not revoked.
        revoked: whether it was.
        reason: if it was, since when; if it is not known, why not: a sentence that follows on "the certificate".
    """

    known: bool = False
    revoked: bool = False
    reason: str = ""


class Responder(Protocol):
    """Who can be asked about one certificate."""

    def ask(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> Answer:
        """Return what is known of a certificate at a moment; it never raises for what a network does."""
        ...


class Revocation:
    """All that is known of revoked certificates.

    Args:
        crls: revocation lists.
        responder: is asked besides; without one, lists alone count.

    Raises:
        CredentialError: a list is broken.
        TypeError: an argument is of a kind that is not accepted.
    """

    def __init__(self, crls: Iterable[x509.CertificateRevocationList], responder: Responder | None) -> None:
        check_several(crls, "revocation lists")
        self._lists: dict[x509.Name | bytes, list[_List]] = {}
        for crl in crls:
            found = _List(crl)
            self._lists.setdefault(found.issuer, []).append(found)
        self._responder = responder

    def status(self, chain: Sequence[x509.Certificate], at: datetime) -> Status | None:
        """Return why a certificate with its chain is not to be used, or None.

        The certificate itself must be known not to be revoked, if there is any source that could tell; its issuers
        must not be known to be.
        """
        if not self._lists and self._responder is None:
            return None
        for certificate, issuer in pairwise(chain[1:]):
            answer = self._in_lists(certificate, issuer, at)
            if answer.revoked:
                return Status(revoked=True, reason=f"has an issuer, {describe(certificate)}, that {answer.reason}")
        if len(chain) == 1:  # it is trusted for itself, and has no issuer that could tell
            return None
        answer = self._of(chain[0], chain[1], at)
        return None if answer.known else Status(answer.revoked, answer.reason)

    def _of(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> Answer:
        in_lists = self._in_lists(certificate, issuer, at)
        if in_lists.revoked or self._responder is None:
            return in_lists
        asked = self._responder.ask(certificate, issuer, at)
        return in_lists if in_lists.known and not asked.revoked else asked

    @quietly()
    def _in_lists(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> Answer:
        answer = _unknown("no revocation list of its issuer was given")
        for each in self._lists.get(_issuer_of(certificate), ()):
            found = each.look_up(certificate, issuer, at)
            if found.revoked:
                return found
            if not answer.known:
                answer = found
        return answer


class _List:
    """A revocation list, whose signature is checked once for each issuer: a large one takes a while.

    Raises:
        CredentialError: it is broken.
        TypeError: it is none.
    """

    def __init__(self, crl: x509.CertificateRevocationList) -> None:
        if not isinstance(crl, x509.CertificateRevocationList):
            raise wrong_kind("a revocation list is one that load_crls() returns", crl)
        try:
            self.issuer = _issuer_of_list(crl)
            self._scope = extension_among(crl.extensions, x509.IssuingDistributionPoint)
            critical = {extension.oid for extension in crl.extensions if extension.critical}
        except (ValueError, x509.DuplicateExtension) as error:
            raise CredentialError("the revocation list is broken") from error
        self._supported = critical <= {x509.IssuingDistributionPoint.oid}
        self._crl = crl
        self._signers: dict[x509.Certificate, bool] = {}

    @quietly()
    def look_up(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> Answer:
        """Return what it says of a certificate at a moment."""
        if issuer not in self._signers:
            self._signers[issuer] = _signed_by(self._crl, issuer)
        if not self._signers[issuer]:
            return _unknown("its issuer did not sign the revocation list, or must not")
        if self._scope is not None and self._scope.indirect_crl:  # its numbers may be those of other issuers
            return _unknown(_OTHER_LIST)
        try:
            entry = self._crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
            if entry is not None and not _taken_off(entry):
                return Answer(revoked=True, reason=f"was revoked on {entry.revocation_date_utc:%Y-%m-%d}")
        except (ValueError, x509.DuplicateExtension):
            return _unknown("the revocation list is broken")
        covers = self._supported and (self._scope is None or _covers(self._scope, certificate))
        if entry is not None or not covers:
            return _unknown(_OTHER_LIST)
        return _fresh(self._crl.last_update_utc, self._crl.next_update_utc, at)


_OTHER_LIST: Final = "the revocation list is about other certificates, or of a kind that is not supported"


def _taken_off(entry: x509.RevokedCertificate) -> bool:
    """Tell whether an entry in a list of changes takes a certificate off the list (RFC 5280, 5.3.1)."""
    reason = extension_among(entry.extensions, x509.CRLReason)
    return reason is not None and reason.reason is x509.ReasonFlags.remove_from_crl


def _issuer_of(certificate: x509.Certificate) -> x509.Name | bytes:
    """Return who issued a certificate; its encoded name if the library does not read that (Latin-1 in a T61String)."""
    try:
        return certificate.issuer
    except (ValueError, TypeError):
        return issuer_of(certificate)


def _issuer_of_list(crl: x509.CertificateRevocationList) -> x509.Name | bytes:
    try:
        return crl.issuer
    except (ValueError, TypeError):
        to_be_signed = asn1.parse(crl.tbs_certlist_bytes).children()
        return to_be_signed[1 + (to_be_signed[0].tag == asn1.INTEGER)].encoded  # after version and algorithm


def _fresh(begin: datetime, end: datetime | None, at: datetime) -> Answer:
    """Return whether a list that does not name a certificate says that it was not revoked at a moment."""
    if begin > at + timedelta(minutes=CLOCK_SKEW_MINUTES):
        return _unknown(f"the revocation list begins on {begin:%Y-%m-%d}")
    if end is None:
        return _unknown("the revocation list does not tell when it ends")
    return Answer(known=True) if at <= end else _unknown(f"the revocation list ended on {end:%Y-%m-%d}")


def _unknown(why: str) -> Answer:
    return Answer(reason=f"may have been revoked: {why}")


def _covers(scope: x509.IssuingDistributionPoint, certificate: x509.Certificate) -> bool:
    """Tell whether a list is about a certificate, and about every reason to revoke it (RFC 5280, 6.3.3)."""
    if scope.only_some_reasons or scope.only_contains_attribute_certs or scope.relative_name:
        return False
    constraints = extension_of(certificate, x509.BasicConstraints)
    authority = constraints is not None and constraints.ca
    if scope.only_contains_user_certs if authority else scope.only_contains_ca_certs:
        return False
    points = extension_of(certificate, x509.CRLDistributionPoints) or ()
    places = {name for point in points for name in point.full_name or ()}
    return scope.full_name is None or not places.isdisjoint(scope.full_name)


@quietly()
def _signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Tell whether an issuer signed a list, and may (RFC 5280, 6.3.3), with a digest that is still strong."""
    usage = extension_of(issuer, x509.KeyUsage)
    key = public_key_in(issuer)
    if key is None or (usage is not None and not usage.crl_sign):
        return False
    try:
        weak = isinstance(crl.signature_hash_algorithm, hashes.SHA1 | hashes.MD5)
        return not weak and crl.is_signature_valid(cast("CertificateIssuerPublicKeyTypes", key))
    except (TypeError, ValueError, UnsupportedAlgorithm):  # a kind of key that signs no lists
        return False


def load_crls(path: str | os.PathLike[str]) -> list[x509.CertificateRevocationList]:
    """Load the revocation lists in a file: PEM, one or several, or DER.

    Raises:
        CredentialError: there is none, or one is broken, or the file is larger than :data:`MAX_CRL_SIZE`.
        OSError: it cannot be read.
    """
    data = read_limited(path, MAX_CRL_SIZE, "revocation lists")
    try:
        return crls_in(data)
    except CredentialError as error:
        raise CredentialError(f"{path}: {error}") from error


def crls_in(data: bytes) -> list[x509.CertificateRevocationList]:
    """Return the revocation lists in what a file holds.

    Raises:
        CredentialError: there is none, or one is broken.
    """
    check_octets(data, "what a file holds")
    pieces = read(data)
    found = [piece for piece in pieces if piece.kind is Kind.REVOCATION_LIST]
    if not found:
        raise CredentialError(f"this is {pieces[0].kind}, not a revocation list")
    try:
        return [x509.load_der_x509_crl(piece.octets) for piece in found]
    except (ValueError, TypeError, x509.InvalidVersion) as error:
        raise CredentialError("the revocation list is broken") from error
