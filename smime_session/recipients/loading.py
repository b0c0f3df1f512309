"""Load certificates, check them and prepare recipients in one step, which takes a fraction of the time of three."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from smime_session.arguments import check_octets, check_profile, moment
from smime_session.certificates.authorities import may_be_authority, without_issuers
from smime_session.certificates.files import certificate_piece, certificates_alone
from smime_session.certificates.load import certificates_in, load_certificates
from smime_session.errors import CredentialError, RecipientError
from smime_session.profiles import MODERN, Profile
from smime_session.recipients.fitness import judging
from smime_session.recipients.preparation import preparer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from cryptography import x509

    from smime_session.recipients.registry import Recipient

    Judged = tuple[bytes, Recipient | RecipientError]

_DISTINCTIVE: Final = 32  # octets at the end of a signature: no two certificates share them unless by intent


def load_recipients(data: bytes, *, profile: Profile = MODERN, at: datetime | None = None) -> list[Recipient]:
    """Load the certificates in a file, check them and make recipients of them, once each, in their order.

    Their chains of issuers are not checked: whom to trust is for the caller to know. The certificate of an issuer
    that lies in the file beside one that it issued is left out.

    Args:
        data: PEM, DER or PKCS#7.
        profile: what may be used, and how.
        at: the moment at which the certificates must be valid, with its time zone; now if not given.

    Raises:
        CredentialError: there is no certificate, and the error says what there is instead; or one is broken.
        RecipientError: at least one cannot be used; it names every one that cannot, with every reason.
        TypeError: something else was given as the profile.
    """
    judged, _ = judged_in(data, profile=profile, at=at)
    ready = [each for _, each in judged if not isinstance(each, RecipientError)]
    if len(ready) < len(judged):
        raise RecipientError(
            [sentence for _, each in judged if isinstance(each, RecipientError) for sentence in each.refused]
        )
    return ready


def judged_in(data: bytes, *, profile: Profile = MODERN, at: datetime | None = None) -> tuple[list[Judged], list[str]]:
    """Return the DER of each certificate in a file, once each, with its recipient or with what is against it.

    Issuers of others in the file are left out; what is returned besides is a sentence about each of them.

    Raises:
        CredentialError: there is no certificate, and the error says what there is instead; or one is broken.
        TypeError: something else was given as the profile.
    """
    check_octets(data, "what a file holds")
    check_profile(profile)
    judged = _all_judged_in(data, profile, moment(at))
    if len(judged) > 1 and any(may_be_authority(octets) for octets, _ in judged):
        return _without_issuers(judged)
    return judged, []


def _without_issuers(judged: list[Judged]) -> tuple[list[Judged], list[str]]:
    from cryptography import x509

    certificates = {x509.load_der_x509_certificate(octets): (octets, each) for octets, each in judged}
    others, sentences = without_issuers(list(certificates))
    return [certificates[certificate] for certificate in others], sentences


def _all_judged_in(data: bytes, profile: Profile, at: datetime) -> list[Judged]:
    found = certificates_alone(data)
    if found is None:
        judge = judging(profile, at)
        return [_judged(certificate, judge) for certificate in dict.fromkeys(load_certificates(data))]
    if len({octets[-_DISTINCTIVE:] for octets in found}) < len(found):
        found = list(dict.fromkeys(found))
    prepared = list(map(preparer(profile, at), found))
    if None not in prepared:
        return list(zip(found, cast("list[Recipient]", prepared), strict=True))
    judge = judging(profile, at)
    judged: dict[bytes, Recipient | RecipientError] = {}
    for octets, recipient in zip(found, prepared, strict=True):
        if recipient is not None:
            judged[octets] = recipient
        else:
            judged.update(_judged(certificate, judge) for certificate in _loaded(octets, data))
    return list(judged.items())


def _loaded(octets: bytes, data: bytes) -> Iterable[x509.Certificate]:
    """Load what is not plain of a file.

    Raises:
        CredentialError: it is broken, and the error tells its place in the file.
    """
    if octets is data:
        return load_certificates(data)
    try:
        return certificates_in([certificate_piece(octets)])
    except CredentialError:
        load_certificates(data)
        raise


def _judged(
    certificate: x509.Certificate, judge: Callable[[x509.Certificate], Recipient]
) -> tuple[bytes, Recipient | RecipientError]:
    from cryptography.hazmat.primitives.serialization import Encoding

    octets = certificate.public_bytes(Encoding.DER)
    try:
        return octets, judge(certificate)
    except RecipientError as error:
        return octets, error
