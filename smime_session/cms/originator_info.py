"""OriginatorInfo: certificates that a sender puts into an envelope (RFC 5652, 6.1, 10.2.2 and 10.2.3)."""

from __future__ import annotations

from itertools import islice
from typing import Final

from smime_session.cms import asn1
from smime_session.errors import LimitError, MalformedError
from smime_session.profiles import MAX_ORIGINATOR_CERTIFICATE_SIZE, MAX_ORIGINATOR_CERTIFICATES

_ORIGINATOR_INFO: Final = 0xA0
_CERTIFICATES: Final = 0xA0
_REVOCATIONS: Final = 0xA1


def certificates_in(originator_info: bytes) -> list[bytes]:
    """Return the X.509 certificates in an encoded OriginatorInfo, undecoded; other kinds are passed over.

    Raises:
        MalformedError: it is none, or broken.
        LimitError: the certificates are too many, or one is too large.
    """
    fields = list(islice(asn1.parse(originator_info).expect(_ORIGINATOR_INFO), 3))
    if [field.tag for field in fields] not in ([], [_CERTIFICATES], [_REVOCATIONS], [_CERTIFICATES, _REVOCATIONS]):
        raise MalformedError("the OriginatorInfo is malformed")
    if not fields or fields[0].tag != _CERTIFICATES:
        return []
    members = list(islice(fields[0], MAX_ORIGINATOR_CERTIFICATES + 1))
    if len(members) > MAX_ORIGINATOR_CERTIFICATES:
        raise LimitError("the number of the originator's certificates", MAX_ORIGINATOR_CERTIFICATES)
    found = [member for member in members if member.tag == asn1.SEQUENCE]
    if any(member.end - member.start > MAX_ORIGINATOR_CERTIFICATE_SIZE for member in found):
        raise LimitError("the size of a certificate of the originator", MAX_ORIGINATOR_CERTIFICATE_SIZE, "octets")
    return [member.encoded for member in found]
