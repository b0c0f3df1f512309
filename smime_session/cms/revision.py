"""The version of an envelope, which follows from what it carries.

RFC 5083, 2.1 has 0 for AuthEnvelopedData. RFC 5652, 6.1 has, for EnvelopedData::

    IF (originatorInfo is present) AND
       ((any certificates with a type of other are present) OR
        (any crls with a type of other are present))
    THEN version is 4
    ELSE
       IF ((originatorInfo is present) AND (any version 2 attribute certificates are present)) OR
          (any RecipientInfo structures include pwri) OR (any RecipientInfo structures include ori)
       THEN version is 3
       ELSE
          IF (originatorInfo is absent) AND (unprotectedAttrs is absent) AND
             (all RecipientInfo structures are version 0)
          THEN version is 0
          ELSE version is 2
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smime_session.algorithms import AUTH_ENVELOPED_DATA
from smime_session.cms import asn1, codec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smime_session.cms.values import EnvelopeHeader, EnvelopeTrailer, WrappedKey

_CERTIFICATES: Final = 0xA0
_REVOCATIONS: Final = 0xA1
_ATTRIBUTE_CERTIFICATE_V2: Final = 0xA2
_OTHER_CERTIFICATE: Final = 0xA3
_OTHER_REVOCATION: Final = 0xA1


def version_for(wrapped_keys: Iterable[WrappedKey], *, authenticated: bool) -> int:
    """Return the version of an envelope with these recipients and neither originator information nor attributes."""
    if authenticated:
        return 0
    version = 0
    for wrapped in wrapped_keys:
        if wrapped.encoded[0] in (codec.PASSWORD_TAG, codec.OTHER_TAG):
            return 3
        if wrapped.version != 0:
            version = 2
    return version


def version_of(header: EnvelopeHeader, trailer: EnvelopeTrailer) -> int:
    """Return the version that an envelope must have; ``header.version`` does not count.

    Raises:
        MalformedError: the originator information is broken.
    """
    authenticated = header.content_type == AUTH_ENVELOPED_DATA
    version = version_for(header.wrapped_keys, authenticated=authenticated)
    if authenticated:
        return version
    if header.originator_info is not None:
        version = max(version, _least_version(header.originator_info))
    return max(version, 2) if trailer.unauthenticated_attributes else version


def _least_version(originator_info: bytes) -> int:
    """Return the lowest version of an envelope with such originator information."""
    kinds = {(field.tag, member.tag) for field in asn1.parse(originator_info).children() for member in field}
    if not kinds.isdisjoint({(_CERTIFICATES, _OTHER_CERTIFICATE), (_REVOCATIONS, _OTHER_REVOCATION)}):
        return 4
    return 3 if (_CERTIFICATES, _ATTRIBUTE_CERTIFICATE_V2) in kinds else 2
